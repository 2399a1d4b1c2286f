"""What to change first: each piece of advice with what it gives back, why, and the line to write in `tables.yaml`.

Advice is based on the records of many loads and, if it names a column, on a look at the source. If these do not show that
the advice is right, there is none. Pure.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bulketl.config.config import Config
from bulketl.postgres.ledger.weeks import Comparisons, IntegerKey, Skew, TableNights
from bulketl.survey.cheaper import Cheaper
from bulketl.tables.casts import quoted
from bulketl.tables.printable import count_of, lasting, size

LEAST_SECONDS = 10.0  # that a table takes a night, by the median; less is not worth anybody's time
ENOUGH = 7  # loads before which nothing is said
LONG = 14  # comparisons that found nothing, before which nobody should compare less often
CHANGING = 0.2  # of the rows in a week, above which reading what changed gives little back
AGAIN = 0.9  # of the rows that are read again and did not change, from which on a cursor is a poor one
SKEWED = 4.0  # times the rows of the median range, from which on the largest one skews
WATCHED = 3  # last loads, in each of which it has to
MOST_OF_IT = 0.5  # of a table's rows, that such a load reads


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change about a table. `seconds`: what it gives back of each night, at most.

    `line`: what to write into `tables.yaml`, or where `at_source` the statement to run there.
    """

    table: str
    title: str
    why: str
    line: str
    seconds: float
    at_source: bool = False

    @property
    def verb(self) -> str:
        """What to do with the line."""
        return "Run at the source:" if self.at_source else "Write into tables.yaml:"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"table": self.table, "title": self.title, "why": self.why, "line": self.line, "seconds": self.seconds,
                "at_source": self.at_source}  # fmt: skip


class Shown(NamedTuple):
    """What else is known of tables, by name, besides their loads.

    `asked`: those of which the source was asked; `found`: what it showed of them; `compared` and `seconds`: how often a
    table was compared, and how long that takes; `sizes`: rows in the target; `keys`: the integer keys, and whether they
    moved in the last LONG loads; `skews`: how unlike the ranges were in the last WATCHED loads.
    """

    asked: Sequence[str]
    found: Mapping[str, Cheaper]
    compared: Mapping[str, Comparisons]
    seconds: Mapping[str, float]
    sizes: Mapping[str, int]
    keys: Mapping[str, IntegerKey]
    skews: Sequence[Skew]


def advise(config: Config, tables: Sequence[TableNights], shown: Shown) -> tuple[Advice, ...]:
    """Return what to change, what gives back most first; one piece of advice for a table.

    `tables` through their loads, the last of each being its last.
    """
    best: dict[str, Advice] = {}
    for one in tables:
        for made in _of(config, one, shown):
            if made.seconds >= LEAST_SECONDS and made.seconds > (best[one.table].seconds if one.table in best else 0):
                best[one.table] = made
    return tuple(sorted(best.values(), key=lambda made: (-made.seconds, made.table)))


def worth_a_look(config: Config, tables: Sequence[TableNights], sizes: Mapping[str, int], most: int) -> list[str]:
    """Return the tables of which a look at the source may show a cheaper way, the slowest first, at most so many."""
    slow = {
        one.table: usual(one) for one in tables
        if usual(one) >= LEAST_SECONDS and (_whole(config, one.table) or again(one, sizes) is not None)
    }  # fmt: skip
    return sorted(slow, key=lambda table: (-slow[table], table))[:most]


def usual(one: TableNights) -> float:
    """Return how long a load of a table takes, by the median of its last ENOUGH ones; 0 before there are so many."""
    took = [seconds for seconds, outcome in zip(one.seconds, one.outcomes, strict=True) if outcome == "loaded"]
    return statistics.median(took[-ENOUGH:]) if len(took) >= ENOUGH else 0.0


def again(one: TableNights, sizes: Mapping[str, int]) -> float | None:
    """Return the share of the rows read that did not change, where a load by changes reads nearly all again; else None."""
    counted = [(moved, same) for moved, same in zip(one.moved, one.unchanged, strict=True) if moved is not None and same]
    last = counted[-ENOUGH:]
    if len(last) < ENOUGH or len(counted) < ENOUGH or not sizes.get(one.table):
        return None
    read = statistics.median(moved + same for moved, same in last)
    share = sum(same for _, same in last) / max(sum(moved + same for moved, same in last), 1)
    return share if share >= AGAIN and read >= MOST_OF_IT * sizes[one.table] else None


def growing(one: TableNights) -> float | None:
    """Return by which share a table that is read whole grew in the night when it grew most; None if it shrank."""
    rows = [rows for rows, outcome in zip(one.rows, one.outcomes, strict=True) if outcome == "loaded"][-ENOUGH - 1 :]
    steps = [after - before for before, after in itertools.pairwise(rows)]
    if len(steps) < ENOUGH or min(steps) < 0 or not rows[-1]:
        return None
    return max(steps) / rows[-1]


def _of(config: Config, one: TableNights, shown: Shown) -> Iterator[Advice]:
    seen, compared = shown.found.get(one.table), shown.compared.get(one.table)
    if seen is not None and _whole(config, one.table):
        yield from _by_changes(config, one, seen)
    elif seen is not None and (share := again(one, shown.sizes)) is not None:
        yield from _another_cursor(config, one, seen, share)
    if compared is not None:
        yield from _less_often(config, one.table, compared, shown.seconds.get(one.table, 0.0))
    key = shown.keys.get(one.table)
    if key is not None and _whole(config, one.table):
        if one.table in shown.asked and (seen is None or not seen.changing):  # it has no stamp, or one that did not move
            yield from _unchanged(config, one, key)
        yield from _cut_evenly(config, one.table, [skew for skew in shown.skews if skew.table == one.table], key.column)


def _whole(config: Config, table: str) -> bool:
    rule = config.rule(table)
    return rule.extraction_strategy == "full_table" and not rule.exclude


def _by_changes(config: Config, one: TableNights, seen: Cheaper) -> Iterator[Advice]:
    """Advise to read what changed, where a day's changes are few by the cursor's newest values."""
    proposal, rule = seen.proposal, config.rule(one.table)
    share = seen.changing if seen.stamp else growing(one)
    if share is None or share > CHANGING or proposal.cursor in rule.mask or not rule.takes(proposal.cursor or ""):
        return
    line: dict[str, Any] = {"extraction_strategy": proposal.strategy, "incremental_column": proposal.cursor}
    if rule.deletes.policy is None and proposal.deletes:
        line["deletes"] = proposal.deletes  # a load of the whole table mirrors them anyway
    why = (
        f"It is read whole each night, and {share:.1%} of its {count_of(seen.rows, 'row')}"
        f" {'came or changed in the last week' if seen.stamp else 'were new in the night with most'}:"
        f" {proposal.reasons['extraction_strategy']}."
    )
    if "deletes" in line:
        why += " What is deleted is then found by comparing the keys once a day, which takes a part of that time."
    yield Advice(one.table, "load what changed", why, _line(one.table, line), usual(one) * (1 - share))


def _another_cursor(config: Config, one: TableNights, seen: Cheaper, share: float) -> Iterator[Advice]:
    """Advise another cursor, where the rule's has nearly all rows read again and `discover` would take another."""
    now, better = config.rule(one.table).incremental_column, seen.proposal.cursor
    if better in (None, now) or not seen.stamp or seen.changing is None or seen.changing > CHANGING:
        return
    why = (
        f"By {now} it reads most of its rows again each night, and {share:.0%} of them did not change in the last {ENOUGH}"
        f" loads. By {better}, with which an index begins, {seen.changing:.1%} of the rows changed in the last week:"
        f" {seen.proposal.reasons['extraction_strategy']}."
    )
    line = _line(one.table, {"incremental_column": better})
    yield Advice(one.table, f"take {better} for its cursor", why, line, usual(one) * share)


def _less_often(config: Config, table: str, compared: Comparisons, seconds: float) -> Iterator[Advice]:
    """Advise to compare once a week what was compared each night and was never found to differ."""
    deletes = config.rule(table).deletes
    every = deletes.every.total_seconds() if deletes.every is not None else 86400.0
    if compared.found or compared.times < LONG or every > 86400:
        return
    kept = {name: value for name, value in (("policy", deletes.policy), ("guard", deletes.guard)) if value is not None}
    why = (
        f"A comparison of all its rows with the source takes {lasting(seconds)}, and none of the last"
        f" {count_of(compared.times, 'comparison')} found a difference. What differs or is gone is then found within a week."
    )
    yield Advice(table, "compare it once a week", why, _line(table, {"deletes": {**kept, "every": "7d"}}), seconds * 6 / 7)


def _unchanged(config: Config, one: TableNights, key: IntegerKey) -> Iterator[Advice]:
    """Advise to read new keys alone, and to compare once a week, where each of many whole loads read the same."""
    rule = config.rule(one.table)
    last = list(zip(one.outcomes, one.rows, one.bytes, one.rejects, strict=True))[-LONG:]
    moved = any(one.moved[-LONG:]) or any(one.drift[-LONG:])
    kept = rule.table_importance == "audit" or rule.retention is not None or rule.rename
    same = len(last) == LONG and len(set(last)) == 1 and last[0][0] == "loaded" and not moved and key.still
    if kept or not same:
        return
    why = (
        f"Each of its last {LONG} loads read it whole and read the same, {count_of(one.rows[-1], 'row')} and"
        f" {size(one.bytes[-1])}, and its highest {key.column} did not move: nobody seems to change it. A load by"
        f" {key.column} reads what is new, and a comparison once a week finds what was edited or deleted all the same."
    )
    deletes = {"policy": rule.deletes.policy or "mirror", "every": "7d"}
    if rule.deletes.guard is not None:
        deletes["guard"] = str(rule.deletes.guard)
    line = {"extraction_strategy": "incremental", "incremental_column": key.column, "deletes": deletes}
    yield Advice(one.table, "nobody changes it", why, _line(one.table, line), usual(one) * 6 / 7)


def _cut_evenly(config: Config, table: str, skews: Sequence[Skew], key: str) -> Iterator[Advice]:
    """Advise another cut where the largest range held the table up in each of the last loads.

    A range has as many rows as the others unless the column it is cut along has many rows with one value, or the server's
    statistics, by which a key of integers is cut, are old.
    """
    waits = [
        one.longest - one.median_seconds
        for one in skews
        if one.longest is not None and one.median_seconds is not None and one.most_rows >= SKEWED * max(one.median_rows, 1)
    ]
    if len(waits) < WATCHED:
        return
    last, by = skews[-1], config.rule(table).partition_by
    why = (
        f"In each of its last {WATCHED} loads the largest range held it up: of {count_of(last.ranges, 'range')} it had last"
        f" time {count_of(round(last.most_rows), 'row')} where the median has {last.median_rows:,.0f}, and took"
        f" {lasting(last.longest or 0)} where the median takes {lasting(last.median_seconds or 0)}."
    )
    if by is not None:
        why += f" Many rows have one value of {by}; without partition_by it is cut along {key}, into as many rows each."
        yield Advice(table, f"do not cut it along {by}", why, _line(table, {"partition_by": None}), min(waits))
    else:
        why += f" {key} is cut evenly where the source's statistics say that it has no gaps, so these are old."
        statement = f"ANALYZE TABLE {quoted(table)}"
        yield Advice(table, "renew its statistics", why, statement, min(waits), at_source=True)


def _line(table: str, keys: Mapping[str, Any]) -> str:
    """Return a line of YAML for a table; names and values as JSON, which YAML reads, where plain ones would not do."""
    return f"{_plain(table)}: {{{', '.join(f'{key}: {_value(value)}' for key, value in keys.items())}}}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_value(found)}' for key, found in value.items())}}}"
    return _plain(value) if isinstance(value, str) else json.dumps(value)


def _plain(text: str) -> str:
    """Return a text as it is where YAML takes a plain one for the same, else as JSON."""
    import yaml

    if text.isascii() and text.replace("_", "").isalnum() and isinstance(yaml.safe_load(text), str):
        return text
    return json.dumps(text)
