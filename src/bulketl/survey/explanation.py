"""The whole chain of reasons for one table: what discover looked at, what that said, and what it decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bulketl.survey.proposals import Proposal
from bulketl.survey.references import Guess, refuted
from bulketl.survey.stamps import cursor_candidates, doubt_of
from bulketl.survey.standing import Standing
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.evidence import Arrival, counting_key, keeps_itself
from bulketl.tables.measured import Match, Profile
from bulketl.tables.naming import hint, says_list, says_people, words
from bulketl.tables.personal import Shapes
from bulketl.tables.printable import count_of

NAMED = 12  # tables that are named, of those that refer to one


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was looked at in a source: its catalogue, and values. Keys as `classify` has them."""

    catalog: Catalog
    profiles: Mapping[tuple[str, str], Profile]
    arrivals: Mapping[str, Arrival]
    matches: Mapping[Guess, Match]
    shapes: Mapping[str, Mapping[str, Shapes]] = field(default_factory=dict)


def chain(evidence: Evidence, one: Standing, guessed: tuple[Guess, ...], proposal: Proposal) -> tuple[str, ...]:
    """Return the reasons for what is proposed for a table, a line each: first what was found, then what was decided.

    `guessed`: what its columns might refer to.
    """
    return (
        *_size(evidence.catalog, one.table),
        *_referring(evidence, one, guessed),
        *_stamps(evidence, one.table),
        *_arrival(one.table, evidence.arrivals.get(one.table.name)),
        *_name(one),
        *(f"personal: {one.column} looks like a {one.what}, {one.why}" for one in proposal.personal),
        *_decided(proposal),
    )


def _size(catalog: Catalog, table: Table) -> Iterator[str]:
    rows, size = sum(other.rows for other in catalog), sum(other.bytes for other in catalog)
    of_rows, of_bytes = table.rows / max(rows, 1), table.bytes / max(size, 1)
    measured = f"about {count_of(table.rows, 'row')}, {table.bytes / 1e6:,.2f} MB"
    yield f"size: {measured}; {of_rows:.1%} of all rows, {of_bytes:.1%} of all bytes"
    counting = "which counts up with its rows" if counting_key(table) else "which does not count up"
    yield f"key: {', '.join(table.primary_key)}, {counting}" if table.primary_key else "key: none"


def _referring(evidence: Evidence, one: Standing, guessed: tuple[Guess, ...]) -> Iterator[str]:
    for reference in one.references:
        yield f"refers to {reference.target}: {reference.why}"
    known = {(reference.column, reference.target) for reference in one.references}
    taken = {column for column, _ in known}
    for guess in guessed:
        if (guess.column, guess.target) not in known and guess.column not in taken:
            why = refuted(guess, evidence.matches.get(guess))
            yield f"refers not to {guess.target}: {why}" if why else f"refers to {guess.target} by {guess.column} too"
    if not one.references:
        yield "refers to no other table"
    users = ", ".join(one.users[:NAMED]) + (" …" if len(one.users) > NAMED else "")
    yield f"referred to by {count_of(len(one.users), 'table')}: {users}" if one.users else "no table refers to it"


def _stamps(evidence: Evidence, table: Table) -> Iterator[str]:
    found = cursor_candidates(table)
    if not found:
        yield "stamps: no column says when a row was changed"
    for column in found:
        profile = evidence.profiles.get((table.name, column.name))
        kept = "the server keeps it" if keeps_itself(column) else "by its name the application keeps it"
        seen = ""
        if profile:
            odd = f"{profile.nulls} NULL, {count_of(profile.sentinels, 'sentinel')}, {profile.future} to come"
            seen = f"; of its newest {count_of(profile.rows, 'value')} {odd}; about {profile.per_day:,.0f} a day"
        doubt = doubt_of(column, profile)
        yield f"stamp {column.name}: {kept}{seen}; {f'not trusted: {doubt}' if doubt else 'trusted'}"


def _arrival(table: Table, came: Arrival | None) -> Iterator[str]:
    if came is None:
        yield "newest rows: not looked at, " + ("there are none" if not table.rows else "no key counts up with them")
        return
    order = (
        f"{came.column} {'grows' if came.in_order else 'does not grow'} with the key" if came.column else "no time to go by"
    )
    edits = "".join(f"; {count:,} were written again, by {column}" for column, count in came.edited if count)
    yield f"newest rows: {came.rows:,} looked at, {came.gaps:.1f} keys given for each; {order}{edits}"


def _name(one: Standing) -> Iterator[str]:
    found = hint(one.table.name)
    said = [
        f"a record of what happened ({found.word})" if found.kind == "record" else "",
        f"rows that come and go ({found.word})" if found.kind == "passing" else "",
        f"a list of values or settings ({word})" if (word := says_list(one.table.name)) else "",
        f"people or companies ({word})" if (word := says_people(one.table.name)) else "",
    ]
    meaning = ", ".join(text for text in said if text) or "nothing of its rows"
    yield f"name: {' + '.join(words(one.table.name)) or 'no word'}, which says {meaning}"
    shapes = {"list": "a name and little else", "link": "references to other tables and little else"}
    if one.shape:
        yield f"columns: {shapes[one.shape]}"


def _decided(proposal: Proposal) -> Iterator[str]:
    reasons = proposal.reasons
    if proposal.exclude:
        yield f"=> left out: {reasons['exclude']}"
    yield f"=> tier {proposal.tier}: {reasons['table_importance']}"
    by = f" by {proposal.cursor}" if proposal.cursor and proposal.strategy != "full_table" else ""
    yield f"=> {proposal.strategy}{by}: {reasons['extraction_strategy']}"
    if proposal.deletes:
        policy = (
            proposal.deletes
            if isinstance(proposal.deletes, str)
            else ", ".join(f"{key} {value}" for key, value in proposal.deletes.items())
        )
        yield f"=> deletes {policy}: {reasons['deletes']}"
    if proposal.question:
        yield f"=> for you: {proposal.question}"
