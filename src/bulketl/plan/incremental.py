"""Loading only what changed: which tables can be, from which value of the cursor on, and the partitions that makes.

Values in, values out. A table is loaded incrementally only while everything that its watermark stands for still holds: the
same source, column, type and zone, a target with the same key and columns. Whatever does not hold makes the next load a
full one, with that as its reason, or a refusal where that is declared. Nothing is ever skipped in silence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.drift import Drift
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.cursor import NO_TIME, State, Watermark, before, cursor_type, is_time, parse_value, text_of
from bulketl.tables.measured import Cursor, Known, Measured, Pace
from bulketl.tables.part import Chosen
from bulketl.tables.partitions import Changes, KeyValue, Partition, split, split_key
from bulketl.tables.printable import count_of


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the cursor to load again, as a person gave it: `since <= cursor < until`; empty is open."""

    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is known of a table before it is decided how to load it."""

    # What the target has of it.
    state: State | None = None  # how far it is loaded
    existing: TargetTable | None = None
    pace: Pace | None = None  # of its earlier loads
    encoding: str = "UTF8"  # of its database
    types: Mapping[str, TargetTable] = field(default_factory=dict)  # enum types of its schema, by name
    taken: Collection[str] = ()  # names of its schema that nothing else may get
    former: str = ""  # the name by which the source's table was loaded until now, where its rule gives it another
    former_state: State | None = None  # how far the table of that name is loaded
    # What the source has of its cursor column; its changes are read when the cursor has some.
    cursor: Cursor | None = None
    measured: Measured | None = None
    watermark: Watermark | None = None  # that it will have
    why: str = ""  # it is loaded whole although its rule says otherwise; ", " and the reason
    unmet: str = ""  # the same in words, if every load will, as long as nobody changes its own rule or the source
    refusal: PlanError | None = None  # why it is not loaded
    chosen: Chosen | None = None  # which rows its limit leaves, where it has one

    @property
    def whole(self) -> bool:
        """Whether all rows are to be read."""
        return self.cursor is None or self.cursor.changes is None


def choice_of(known: Known, table: str) -> Choice:
    """Return what is known of a table before anything is decided about it."""
    return Choice(
        state=known.states.get(table), existing=known.existing.get(table), encoding=known.encoding, types=known.types,
        taken=known.existing.keys(),
    )  # fmt: skip


WAS_PART = "until now it has a part of its rows"
OTHER_WHERE = "its rule's where is not the one that it was loaded with"


class SpanError(PlanError):
    """A part of the cursor was asked for that no table of its type can have."""


class FullLoad(Exception):  # noqa: N818 - no error: the reason why a table is loaded whole
    """Why a table cannot be loaded incrementally this time; its text continues the words "full load"."""


class UnmetRule(FullLoad):
    """Why no load can follow the rule of a table: it has no such cursor, or no key to merge by."""


def cursor(
    config: Config,
    catalog: Catalog,
    table: Table,
    choice: Choice,
    found: Drift,
    span: Span | None = None,
) -> Cursor:
    """Return what to measure of the table's cursor, and which rows to read.

    `found` is how the target's columns differ. Raise FullLoad with the reason when the whole table has to be read, and
    PlanError when it must not be loaded at all.
    """
    rule, state, existing = config.rule(table.name), choice.state, choice.existing
    try:
        column = watched(rule, table)
    except FullLoad as reason:
        if state is None or state.watermark is None:
            raise
        raise _invalid(config, table.name, str(reason).removeprefix("because ")) from None
    kind = cursor_type(column, config.zone(catalog))
    _fitting(rule, table, column, kind)
    if existing is not None and state is not None and state.source not in ("", catalog.identity):
        raise another_source(table.name, state, catalog.identity)
    _same_rows(table, choice)
    if existing is None or state is None or (state.watermark is None and span is None):
        if span is not None:
            raise PlanError(
                f"table {table.name!r} was never loaded, so no part of it can be loaded again",
                hint="load it without --since and --until first",
            )
        raise FullLoad("because it has no watermark yet")
    mark = state.watermark or Watermark(column.name, kind, "")
    if span is None and (mark.column, mark.type) != (column.name, kind):
        what = f"its watermark is of {mark.column} ({mark.type}), and the cursor is {column.name} ({kind})"
        raise _invalid(config, table.name, what)
    _columns(existing, found, table, config, state)
    zone = config.session_zone
    if zone != state.zone and any(column.parsed.base == "timestamp" for column in table.columns):
        raise FullLoad("because TIMESTAMP columns are written in another zone now")
    if span is not None:
        return Cursor(column.name, kind, _between(column.name, kind, span))
    if not mark.value:
        raise FullLoad("because it had no row with a value of the cursor")
    chunked = rule.extraction_strategy == "chunked_incremental"
    return Cursor(column.name, kind, _since(rule, column, mark), chunked)


def _same_rows(table: Table, choice: Choice) -> None:
    """Raise FullLoad where the rows that are there were chosen by another condition, or by a limit."""
    if choice.state is not None and choice.existing is not None and choice.state.taken.part is not None:
        raise FullLoad(f"because {WAS_PART}")
    if choice.state is not None and choice.existing is not None and choice.state.taken.where != table.where:
        raise FullLoad(f"because {OTHER_WHERE}")


def _fitting(rule: TableRule, table: Table, column: Column, kind: str) -> None:
    """Raise PlanError for a lookback of another kind than the cursor, from the first load on."""
    if rule.lookback is not None and is_time(kind) != isinstance(rule.lookback, dt.timedelta):
        raise PlanError(
            f"table {table.name!r} has lookback {rule.lookback}, and its cursor {column.name} is {kind}",
            hint="a time takes a duration like 2h, a counting column a number",
        )


def _since(rule: TableRule, column: Column, mark: Watermark) -> Changes:
    """Return the rows that may have changed since the watermark."""
    time = is_time(mark.type)
    below = (NO_TIME if mark.type != "date" else NO_TIME.date()) if time else None
    days = -(-rule.reread.last // dt.timedelta(days=1)) if rule.reread else 0
    last = tuple((name, days) for name in rule.reread.columns) if rule.reread else ()
    return Changes(column.name, before(mark.typed, rule.lookback), None, column.nullable, below, last)


def _invalid(config: Config, name: str, what: str) -> Exception:
    """Return what to raise for a watermark that cannot be used any more."""
    if config.invalid_watermark == "refuse":
        hint = f"load it whole with --full, or `bulketl state reset {name}`, or set invalid_watermark: load"
        return PlanError(f"table {name!r}: {what}", hint=hint)
    return FullLoad(f"because {what}")


def another_source(table: str, state: State, source: str) -> PlanError:
    """Return the error of a table whose rows came from another source: rows of this one neither join nor replace them."""
    rows = (
        ""
        if state.rows is None
        else f"; its {count_of(state.rows, 'row')} {'stays as it is' if state.rows == 1 else 'stay as they are'}"
    )
    return PlanError(
        f"table {table!r} was loaded from {state.source}, and this source is {source}{rows}",
        hint=f"load into another schema; or `bulketl state reset {table}` when it is the same data by another name",
    )


def watched(rule: TableRule, table: Table) -> Column:
    """Return the cursor column of a table whose strategy needs one; raise UnmetRule when it has none to go by."""
    if rule.incremental_column is None:
        raise UnmetRule("because its rule names no incremental_column")
    column = next((column for column in table.columns if column.name == rule.incremental_column), None)
    if column is None:
        raise UnmetRule(f"because it has no column {rule.incremental_column!r}, its incremental_column")
    if not rule.key_of(table.primary_key):
        lost = "its rule excludes columns of its key" if table.primary_key else "it has no primary key to merge by"
        raise UnmetRule(f"because {lost}")
    if not table.keeps_unique(rule.key_of(table.primary_key)):
        raise UnmetRule(f"because no unique index of the source keeps its key {', '.join(rule.primary_key)} unique")
    return column


def _between(column: str, kind: str, span: Span) -> Changes:
    lo, hi = _given(kind, span.since), _given(kind, span.until)
    if lo is not None and hi is not None and not _less(lo, hi):
        raise SpanError(
            f"no row has a {column} from {text_of(lo)} on and before {text_of(hi)}",
            hint="--since is the first value that is loaded, --until the first that is not: it must be the greater one",
        )
    return Changes(column, lo, hi)


def misspelt(found: Iterable[Choice]) -> PlanError | None:
    """Return the error of a part that fits none of the tables it was asked of: then the request is wrong, and no table."""
    refusals = [choice.refusal for choice in found]
    wrong = [error for error in refusals if isinstance(error, SpanError)]
    return wrong[0] if wrong and all(refusals) else None


def _given(kind: str, text: str) -> KeyValue | None:
    if not text:
        return None
    try:
        found = parse_value(kind, text)
    except ValueError:
        found = None
    # A day has no hours to cut it at, and the column's values are of one zone, whichever a person writes.
    if found is None or (isinstance(found, dt.datetime) and found.tzinfo) or (kind == "date" and len(text) > 10):
        hint = {
            "date": "write a date as 2024-01-31, without a time",
            "time": "write dates as 2024-01-31 or '2024-01-31 08:00:00', as the column shows them, without a zone",
            "number": "write numbers as digits",
        }["date" if kind == "date" else "time" if is_time(kind) else "number"]
        raise SpanError(f"{text!r} is not a value of a cursor of type {kind}", hint=hint)
    return found


def _columns(existing: TargetTable, found: Drift, table: Table, config: Config, state: State) -> None:
    rule = config.rule(table.name)
    there = {*config.target_names(table.name, [c.name for c in table.columns if rule.takes(c.name)])}
    if found.renamed:
        raise FullLoad(f"because {', '.join(f'{old} is {new}' for old, new in found.renamed)} now, by its rule")
    if existing.primary_key != config.target_names(table.name, rule.key_of(table.primary_key)):
        raise FullLoad("because the target table has another primary key")
    if found.added:
        raise FullLoad(f"because {', '.join(found.added)} is new, and no stamp says which rows have values in it")
    if back := [name for name in state.kept if name in there]:
        raise FullLoad(f"because {', '.join(back)} is new again, and no stamp says which rows have values in it")
    if found.changed:
        raise FullLoad(f"because {', '.join(found.changed)} has another type now")
    if found.widened and (existing.views or existing.materialized):
        raise FullLoad(f"because {', '.join(found.widened)} is wider now, and views show the table")
    excluded = {*config.target_names(table.name, rule.exclude_columns), *found.unwanted}
    gone = [name for name in found.dropped if config.dropped_columns == "drop" or name in excluded]
    if gone:
        raise FullLoad(f"because {', '.join(gone)} is to be dropped")


def check_watermark(state: State, cursor: Cursor, measured: Measured) -> None:
    """Raise FullLoad when what was measured shows that the watermark is above everything the source has."""
    mark = state.watermark
    if cursor.changes is None or mark is None or cursor.changes.hi is not None or not mark.value:
        return
    if measured.top is None or _less(measured.top, mark.typed):
        top = "nothing" if measured.top is None else text_of(measured.top)
        raise FullLoad(
            f"because the source has {top} as its highest {cursor.column} and {mark.value} was loaded: "
            "rows were deleted there, or it was restored from a backup"
        )


def partitions(table: Table, cursor: Cursor, measured: Measured) -> tuple[tuple[Partition, ...], str]:
    """Return the partitions that hold every row of the changes once, and in words how they are read."""
    changes = cursor.changes or Changes(cursor.column)
    since = f"{changes.column} from {text_of(changes.lo)} on" if changes.lo is not None else f"{changes.column} up to now"
    if changes.hi is not None:
        since += f" before {text_of(changes.hi)}"
    if measured.newest is not None and measured.top is not None and measured.newest != measured.top:
        since += f" (values up to {text_of(measured.newest)} lie in the future; the watermark stays behind them)"
    if measured.rows == 0:
        return (), f"nothing has {since}, counted"
    along = split_key(table)
    if cursor.chunked and len(measured.chunks) > 1 and along:
        parts: list[Partition] = []
        # Rows that the cursor says nothing of go with the first chunk, whose watermark is not moved by them.
        for n, (start, cuts) in enumerate(measured.chunks):
            hi = measured.chunks[n + 1][0] if n + 1 < len(measured.chunks) else None
            within = Changes(changes.column, start, hi, *((changes.nulls, changes.below, changes.last) if n == 0 else ()))
            pieces = split(table, along, cuts) if cuts else (Partition(0),)
            for m, piece in enumerate(pieces):
                reached = hi if m == len(pieces) - 1 else None
                if reached is not None and measured.top is not None and _less(measured.top, reached):
                    reached = measured.top  # the chunk ends in the future
                parts.append(_of(piece, len(parts), within, "" if reached is None else text_of(reached)))
        return tuple(parts), f"{since}, in {count_of(len(measured.chunks), 'chunk')}"
    if measured.cuts and along:
        ranges = split(table, along, measured.cuts)
        pieces = tuple(_of(piece, piece.index, changes, "") for piece in ranges)
        return pieces, f"{since}, in {count_of(len(pieces), 'range')} of {', '.join(along.columns)}"
    return (Partition(0, changes=changes),), since


def _of(piece: Partition, index: int, changes: Changes, mark: str) -> Partition:
    return Partition(index, piece.key, piece.columns, piece.lo, piece.hi, piece.nulls, 0, changes, (), mark, piece.unique)


def reached(cursor: Cursor, measured: Measured) -> Watermark:
    """Return the watermark that the table has when all of it, or all of its changes, is published."""
    top = "" if measured.top is None else text_of(measured.top)
    return Watermark(cursor.column, cursor.type, top)


def _less(one: KeyValue, other: KeyValue) -> bool:
    if isinstance(one, dt.date) and isinstance(other, dt.date):  # a datetime is a date
        return one.isoformat() < other.isoformat() if type(one) is not type(other) else one < other
    return isinstance(one, int) and isinstance(other, int) and one < other
