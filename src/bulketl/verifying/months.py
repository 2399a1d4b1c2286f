"""How the rows of a table lie over the months, on both servers, and where the two differ.

Values in, values out. Each server counts with one GROUP BY over the month of one date column. A month is the number 202403;
None stands for rows without a date, and for those whose date is none: 0000-00-00 is NULL in the target.

Sums are exact and depend on no order. Floats are added up as whole numbers of 2^-53, from their bits: as texts they may
differ, because a server may choose among the shortest that name a float.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.mysql import months as source_months
from bulketl.mysql.read import wanted_condition
from bulketl.plan.incremental import choice_of
from bulketl.plan.selection import Selection
from bulketl.plan.specify import specify
from bulketl.postgres.compare import months as target_months
from bulketl.postgres.ddl import name as quoted_name
from bulketl.postgres.known import known
from bulketl.rows.months import DATED, Month, MonthCount, MonthsAsked, month_of, sum_of
from bulketl.survey.look import Sight, look
from bulketl.survey.stamps import cursor_candidates
from bulketl.tables.casts import held_type, quoted
from bulketl.tables.catalog import Table
from bulketl.tables.measured import Known
from bulketl.tables.printable import brief
from bulketl.tables.spec import DELETED_AT, Tier
from bulketl.tables.types import TIMES
from bulketl.verifying.pairs import figure

FIRST, LAST = 190201, 209912  # a date outside stands for something else: 0001-01-01, 1900-01-01, 9999-12-31
_WRITTEN = re.compile(r"entry|enter|creat|insert|added", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MonthPair:
    """One month on both. `invalid` counts rows of the source whose date is none; `sums` are those that differ."""

    month: Month
    source: int
    target: int
    invalid: int = 0
    sums: tuple[tuple[str, Decimal | None, Decimal | None], ...] = ()

    @property
    def differs(self) -> bool:
        """Whether rows or sums differ."""
        return self.source != self.target or bool(self.sums)

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, without what is empty; sums are texts, so that no digit is lost."""
        texts = {name: [None if one is None else figure(one, 30) for one in pair] for name, *pair in self.sums}
        label = None if self.month is None else month_text(self.month)
        values = {"month": label, "source": self.source, "target": self.target, "invalid": self.invalid, "sums": texts}
        return {key: value for key, value in values.items() if key in ("month", "source", "target") or value}


@dataclass(frozen=True, slots=True)
class TableHistory:
    """One table. `skipped` says why it has no months; `error` why it should have some and could not be compared."""

    table: str
    column: str = ""
    months: tuple[MonthPair, ...] = ()
    skipped: str = ""
    error: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, by=self.column, months=len(self.months), differing=len(self.differing))

    @property
    def differing(self) -> tuple[MonthPair, ...]:
        """The months that differ."""
        return tuple(month for month in self.months if month.differs)

    @property
    def outcome(self) -> Literal["equal", "differs", "error", "skipped"]:
        """How the table ended."""
        if self.error:
            return "error"
        return "skipped" if self.skipped else "differs" if self.differing else "equal"

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, with every month."""
        return {
            "table": self.table,
            "by": self.column,
            "outcome": self.outcome,
            "message": self.error or self.skipped,
            "months": [month.to_json() for month in self.months],
        }


@dataclass(frozen=True, slots=True)
class History:
    """All tables, when they were compared, and between which database and schema."""

    at: dt.datetime
    source: str
    schema: str
    tables: tuple[TableHistory, ...]

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, source=self.source, schema=self.schema, tables=len(self.tables), wrong=len(self.wrong))

    @property
    def wrong(self) -> tuple[TableHistory, ...]:
        """The tables that differ or could not be compared."""
        return tuple(table for table in self.tables if table.outcome in ("differs", "error"))

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, every month of every table; sums only where they differ, as texts."""
        return {
            "at": self.at.isoformat(),
            "source": self.source,
            "schema": self.schema,
            "tables": [table.to_json() for table in self.tables],
        }


def date_column(table: Table, rule: TableRule, loaded: Sequence[str], by: str = "") -> str:
    """Return the column by whose months a table is compared, or ''.

    `by` where the table has it, else nothing. Without `by` its own cursor, then what says when a row was written or entered,
    then the first date it has. Only columns that are `loaded` count.
    """
    dates = [c.name for c in table.columns if c.parsed.base in TIMES and c.name in loaded]
    written = [column.name for column in cursor_candidates(table)]
    written += [name for name in dates if _WRITTEN.search(name)]
    wanted = [by] if by else [rule.incremental_column, *written, *dates]
    return next((name for name in wanted if name in dates), "")


def side_by_side(
    source: Mapping[Month, MonthCount], target: Mapping[Month, MonthCount], sums: Sequence[str] = ()
) -> tuple[MonthPair, ...]:
    """Return every month that either side has, in order, rows without a date first; `sums` are the columns' names."""
    none = MonthCount(0, 0, (None,) * len(sums))
    found = []
    for month in sorted({*source, *target}, key=lambda month: -1 if month is None else month):
        mine, other = source.get(month, none), target.get(month, none)
        pairs = zip(sums, mine.sums, other.sums, strict=True)
        differing = tuple((name, one, two) for name, one, two in pairs if one != two)
        found.append(MonthPair(month, mine.rows, other.rows, mine.dated if month is None else 0, differing))
    return tuple(found)


def is_sentinel(month: Month) -> bool:
    """Tell whether a month is one that stands for something else, like 0001-01 or 9999-12."""
    return month is not None and not FIRST <= month <= LAST


def month_text(month: Month) -> str:
    """Return a month for people: 2024-03, or `no date`."""
    return "no date" if month is None else f"{month // 100:04}-{month % 100:02}"


def compare_history(
    config: Config, *, tiers: Sequence[Tier] = (), tables: Sequence[str] = (), by: str = "", sums: bool = False
) -> History:
    """Count every table's rows per month of a date column on both servers and return them side by side.

    `by`: that column for all tables; else each table's own cursor, what says when a row was written, or its first date.
    `sums`: also the sums of all numeric columns, exact. One query per table and server, both servers at once. Rows that
    retention or `deletes: mark` has taken away count on neither side. Raise ConfigError, SourceError or TargetError when a
    server cannot be used, PlanError when nothing fits `tiers` and `tables`, or no table has the column `by`.
    """
    sight = look(config, Selection(tuple(tiers), tuple(tables)), known)
    catalog = sight.catalog
    found = {skip.table: TableHistory(skip.table, skipped=skip.reason) for skip in sight.skipped}
    found |= {refusal.table: TableHistory(refusal.table, error=refusal.message) for refusal in sight.hidden}
    asked: list[MonthsAsked] = []
    for table in catalog:
        try:
            one = _asked(config, sight, table, by, sums)
        except PlanError as error:
            found[table.name] = TableHistory(table.name, error=error.message)
            continue
        if isinstance(one, MonthsAsked):
            asked.append(one)
        else:
            found[table.name] = one
    if by and not any(column.name == by for table in catalog for column in table.columns):
        raise PlanError(f"no table has a column {by!r}", hint="check the spelling; case counts")
    zone = config.session_zone
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(patient, source_months.months, sight.source, asked, zone)
        theirs = patient(target_months.months, sight.target, config.target_schema, asked)
        ours = waiting.result()
    for one in asked:
        found[one.table] = _history(one, ours[one.table], theirs[one.table])
    at = dt.datetime.now().astimezone().replace(microsecond=0)
    return History(at, catalog.identity, config.target_schema, tuple(found[name] for name in sorted(found)))


def _asked(config: Config, sight: Sight[Known], table: Table, by: str, sums: bool) -> MonthsAsked | TableHistory:
    """Return what to ask about a table, or why nothing is; raise PlanError when it cannot be loaded at all."""
    choice = choice_of(sight.known, table.name)
    spec, existing = specify(config, sight.catalog, table, choice), choice.existing
    if existing is None:
        return TableHistory(table.name, error="the target has no such table; was it ever loaded?")
    state = choice.state
    if state is not None and state.taken.part is not None:
        return TableHistory(table.name, skipped=state.taken.part.words)
    secret = {item.column for item in spec.masked}
    casts = {item.column: item for item in spec.casts if item.source and not item.masked}
    column = date_column(table, config.rule(table.name), list(casts), by)
    if not column:
        why = f"no date column {by!r}" if by else "no date column"
        if by in secret or (not by and any(table.column(name).parsed.base in TIMES for name in secret)):
            why = "its date column is masked, so the months of both sides are others"
        return TableHistory(table.name, skipped=why)
    types = dict(existing.columns)
    there = {name: types[item.name] for name, item in casts.items() if item.name in types}  # as the source calls them
    if column not in there:
        return TableHistory(table.name, error=f"the target has no column {column!r}; load the table again")
    if held_type(there[column])[0] not in DATED:
        return TableHistory(table.name, error=f"the target has {column!r} as {there[column]}; load the table again")
    totals = []
    for name, item in casts.items() if sums else ():
        if name in there and (found := sum_of(item, quoted_name(item.name), there[name])):
            totals.append((name, *found))
    marked = spec.deletes == "mark" and DELETED_AT in types
    stored = quoted_name(casts[column].name)
    return MonthsAsked(
        table=table.name,
        origin=table.origin,
        column=column,
        dated=(quoted(column), stored),
        month=month_of(casts[column], stored, there[column]),
        sums=tuple(totals),
        where=(wanted_condition(spec), f"{quoted_name(DELETED_AT)} IS NULL" if marked else "TRUE"),
        utc=there[column].startswith("timestamptz"),
    )


def _history(
    asked: MonthsAsked, source: dict[Month, MonthCount] | str, target: dict[Month, MonthCount] | str
) -> TableHistory:
    if isinstance(source, str) or isinstance(target, str):
        words = source if isinstance(source, str) else str(target)
        return TableHistory(asked.table, asked.column, error=words)
    return TableHistory(asked.table, asked.column, side_by_side(source, target, [name for name, *_ in asked.sums]))
