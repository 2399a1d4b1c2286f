"""What of the proposals has to be written: only what differs from the defaults, and once what many tables share.

A table that is proposed as a reference and loaded whole needs no line. Tables whose names begin alike and whose rules are
equal share a pattern, if every table with that beginning is among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bulketl.survey.proposals import Proposal
from bulketl.tables.spec import TIERS

ALIKE = 3  # tables at least for a pattern,
BEGINNING = 4  # and letters of its beginning
Rule = tuple[tuple[str, str | bool], ...]
_SIGNS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Shared:
    """A pattern with the keys of the tables that fit it."""

    pattern: str
    keys: Mapping[str, object]
    tables: tuple[str, ...]


def differing(proposal: Proposal) -> dict[str, object]:
    """Return the keys of a proposal that differ from the defaults of tables.yaml."""
    if proposal.exclude:
        return {"exclude": True}
    keys: dict[str, object] = {}
    if proposal.tier != "reference":
        keys["table_importance"] = proposal.tier
    if proposal.strategy != "full_table":
        keys |= {"extraction_strategy": proposal.strategy, "incremental_column": proposal.cursor}
    if proposal.deletes:
        keys["deletes"] = proposal.deletes
    monitoring: dict[str, object] = {}
    if proposal.minutes != 5:
        monitoring["max_extraction_time_minutes"] = proposal.minutes
    if proposal.threshold != 1:
        monitoring["data_quality_threshold"] = proposal.threshold
    return {**keys, "monitoring": monitoring} if monitoring else keys


def shortened(proposals: Sequence[Proposal]) -> tuple[tuple[Shared, ...], tuple[Proposal, ...]]:
    """Return the patterns, and the proposals that need an entry of their own: the highest tier first, left out last."""
    simple = {item.table: _simple(item) for item in proposals}
    shared = tuple(_shared(proposals, simple))
    covered = {name for one in shared for name in one.tables}
    own = [item for item in proposals if item.table not in covered and (differing(item) or item.question)]
    own.sort(key=lambda item: (item.exclude, TIERS.index(item.tier), item.table))
    return shared, tuple(own)


def _simple(item: Proposal) -> Rule:
    """Return the rule of a table about which nothing more has to be said, () for any other."""
    keys = [(key, value) for key, value in differing(item).items() if isinstance(value, (str, bool))]
    alone = len(keys) == len(differing(item)) == 1 and not item.question
    return tuple(keys) if alone else ()


def _shared(proposals: Sequence[Proposal], simple: Mapping[str, Rule]) -> Iterator[Shared]:
    """Yield the patterns. A table with an entry of its own may fit one too, when it is of the same tier."""
    every = Counter(item.table[:n] for item in proposals for n in range(1, len(item.table) + 1))
    fitting, sharing = Counter[tuple[str, Rule]](), Counter[tuple[str, Rule]]()
    for item in proposals:
        rule = simple[item.table] or _tier(item)
        for n in range(BEGINNING, len(item.table) + 1) if rule else ():
            fitting[item.table[:n], rule] += 1
            sharing[item.table[:n], rule] += bool(simple[item.table])
    found: dict[tuple[str, Rule], list[str]] = {}
    names = {item.table for item in proposals}
    for item in proposals:
        rule = simple[item.table]
        for n in range(BEGINNING, len(item.table) + 1) if rule else ():
            one = item.table[:n]
            alike = fitting[one, rule] == every[one] and sharing[one, rule] >= ALIKE
            if alike and not _SIGNS.intersection(one) and (item.exclude or one in names or _cut(item.table, n)):
                found.setdefault((one, rule), []).append(item.table)
                break
    for (beginning, rule), tables in sorted(found.items()):
        yield Shared(f"{beginning}*", dict(rule), tuple(tables))


def _tier(item: Proposal) -> Rule:
    return () if item.exclude or item.tier == "reference" else (("table_importance", item.tier),)


def _cut(name: str, n: int) -> bool:
    """Tell whether a name may be cut there: behind a separator, or before a capital letter."""
    return not name[n - 1].isalnum() or (n < len(name) and name[n - 1].islower() and name[n].isupper())
