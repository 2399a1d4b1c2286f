"""Reading one partition into Arrow with connectorx.

A partition is read to its end into memory before anything is sent on, so that the source is never held open: on
MyISAM a half-read result blocks writers. One query per call, in a thread per worker: connectorx runs the queries of
one call only as many at a time as there are cores. `arrow_stream` holds the interpreter's lock while it waits, so the
one case that needs it, a large table without a key, is drained by a process of its own (`bulketl.mysql.stream_process`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import errno
import re
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from bulketl.errors import WITHHELD, BugError, SourceError, runbook
from bulketl.mysql import gaps, slices
from bulketl.mysql.doubt import doubt, look
from bulketl.mysql.locks import before_reading
from bulketl.mysql.server import MySQL, source_error
from bulketl.rows.aggregates import ROWS, aggregates
from bulketl.tables.casts import VALID_DATE, quoted
from bulketl.tables.partitions import Changes, KeyTuple, KeyValue, Partition
from bulketl.tables.printable import shortened
from bulketl.tables.slices import along_integers, in_slices
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import TIMES

if TYPE_CHECKING:  # who plans asks for conditions only, and neither Arrow nor connectorx is quick to load
    import pyarrow as pa

NOT_NULL_MASK = "bulketl not null {0}"  # a blank: no column of a sane schema is called so
MASK_BITS = 60
FIGURES_TOGETHER = 1000


def read(source: MySQL, spec: TableSpec, partition: Partition, sign: str = "") -> Iterator[pa.Table]:
    """Yield the partition's rows as Arrow tables with the columns of `select`.

    One table for a range, batches for a streamed table. With a `sign`, rows as they are when the session takes the lock of
    that name. Raise SourceError; nothing is left open on the source.
    """
    query = select(spec, partition)
    before = _begun(source, spec)
    if spec.stop_after is not None:  # each server reads its own comment: milliseconds here, seconds there
        before.append(
            f"SET SESSION /*!50708 max_execution_time={spec.stop_after * 1000:.0f} */"
            f"/*M!100101 max_statement_time={spec.stop_after:g} */"
        )
    before += before_reading(sign) if sign else []
    if partition.stream:
        if spec.masked:  # the plan refuses such a table, and here is where the file would be made
            raise BugError(f"table {spec.table!r} has masks, and was to pass through a file before they are applied")
        yield from _spooled(source, spec, query, before, partition.stream)
        return
    if in_slices(spec, partition) and not sign:
        yield slices.drained(source.identity, spec, partition, _asking(source, spec, before))
    elif along_integers(spec, partition) and not sign:
        yield gaps.proved(partition, _proving(source, spec, before))
    else:
        yield _arrow(source, spec, query, before)


def _proving(source: MySQL, spec: TableSpec, before: list[str]) -> gaps.Asking:
    """Return how a range is asked for that is proved by its gaps."""

    def count_of(some: Partition) -> int:
        (rows,) = count(source, [(spec, some)])
        return rows

    return gaps.Asking(
        lambda some: _arrow(source, spec, select(spec, some), before),
        count_of,
        lambda some, intervals: _within(source, spec, some, intervals),
    )


def _within(source: MySQL, spec: TableSpec, partition: Partition, intervals: list[gaps.Gap]) -> tuple[int, int | None]:
    """Return how many rows of a range along one integer column lie in some intervals of it, and the greatest key of them."""
    column = quoted(partition.columns[0])
    everything = dataclasses.replace(partition, lo=None, hi=None)
    with source.connect() as cursor:
        if spec.zone:
            cursor.execute("SET SESSION time_zone = %s", (spec.zone,))
        cursor.execute(
            f"SELECT COUNT(*), MAX({column}) FROM {_rows(spec, everything)} AND ({gaps.condition(column, intervals)})"
        )
        ((rows, greatest),) = cursor.fetchall()
    return int(rows), None if greatest is None else int(greatest)


def _asking(source: MySQL, spec: TableSpec, before: list[str]) -> slices.Asking:
    """Return how a range that is read in slices is asked for."""

    def rows(some: Partition, most: int) -> pa.Table:
        return _arrow(source, spec, f"{select(spec, some)} ORDER BY {quoted(some.columns[0])} LIMIT {most}", before)

    return slices.Asking(rows, lambda counted, behind: _after(source, spec, counted, behind))


def read_where(source: MySQL, spec: TableSpec, condition: str) -> pa.Table:
    """Return the rows for which a condition holds, as `read` does."""
    word = "AND" if spec.retained or spec.where else "WHERE"
    before = _begun(source, spec)
    return _arrow(source, spec, f"{select(spec, Partition(0))} {word} {condition}", before)


def _begun(source: MySQL, spec: TableSpec) -> list[str]:
    return source.before(*([f"SET time_zone = {literal(spec.zone)}"] if spec.zone else []))


def _arrow(source: MySQL, spec: TableSpec, query: str, before: list[str]) -> pa.Table:
    from bulketl.mysql.native import queried

    look(source)
    try:
        rows: pa.Table = queried(source, query, before, spec.table)
    except BaseException as error:  # a Rust panic is a BaseException
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        raise _told(source, spec, str(error)) from None
    return rows.rename_columns(names(spec))


def names(spec: TableSpec) -> list[str]:
    """Return the names of the columns of `select`: the driver's are in a character set that it does not know of."""
    return [*(item.column for item in spec.casts), *(NOT_NULL_MASK.format(n) for n in range(len(null_bits(spec))))]


def select(spec: TableSpec, partition: Partition) -> str:
    """Return the SELECT for a partition: the casts' expressions, then masks of which guarded columns are not NULL."""
    packed = {item.column: item.packed for item in spec.packed_casts}
    columns = []
    for item in spec.casts:
        read = packed.get(item.column, item.read)
        columns.append(read if read == quoted(item.column) else f"{read} AS {quoted(item.column)}")
    for n, names in enumerate(null_bits(spec)):
        bits = "|".join(f"(({quoted(name)} IS NOT NULL)<<{bit})" for bit, name in enumerate(names))
        columns.append(f"CAST({bits} AS UNSIGNED) AS {quoted(NOT_NULL_MASK.format(n))}")
    return f"SELECT {', '.join(columns)} FROM {_rows(spec, partition)}"


def count(source: MySQL, pieces: Sequence[tuple[TableSpec, Partition]]) -> list[int]:
    """Return how many rows each partition has now, in one query. Raise SourceError."""
    counting = " UNION ALL ".join(
        f"SELECT {n}, COUNT(*) FROM {_rows(spec, partition)}" for n, (spec, partition) in enumerate(pieces)
    )
    with source.connect() as cursor:
        if zone := pieces[0][0].zone:
            cursor.execute("SET SESSION time_zone = %s", (zone,))
        cursor.execute(counting)
        found = {int(n): int(rows) for n, rows in cursor.fetchall()}
    return [found[n] for n in range(len(pieces))]


def _after(source: MySQL, spec: TableSpec, counted: Partition | None, behind: Partition) -> tuple[int, int | None]:
    """Return how many rows a range along one integer column has, 0 for None, and the greatest key of the range behind it."""
    column = quoted(behind.columns[0])
    with source.connect() as cursor:
        if spec.zone:
            cursor.execute("SET SESSION time_zone = %s", (spec.zone,))
        cursor.execute(f"SELECT COUNT(*) FROM {_rows(spec, counted)}" if counted else "SELECT 0")
        ((rows,),) = cursor.fetchall()
        cursor.execute(f"SELECT {column} FROM {_rows(spec, behind)} ORDER BY {column} DESC LIMIT 1")
        last = cursor.fetchall()
    return int(rows), int(last[0][0]) if last else None


def figures(source: MySQL, spec: TableSpec, partition: Partition) -> dict[str, str | None]:
    """Return the figures of a certificate over a partition's rows as they are now. Raise SourceError."""
    spec = spec.unmasked
    wanted = aggregates(spec.casts, {item.column: "" for item in spec.casts}, spec.nul_bytes)
    found: dict[str, str | None] = {}
    with source.connect() as cursor:
        if spec.zone:
            cursor.execute("SET SESSION time_zone = %s", (spec.zone,))
        for n in range(0, max(1, len(wanted)), FIGURES_TOGETHER):
            some = wanted[n : n + FIGURES_TOGETHER]
            cursor.execute(f"SELECT {', '.join(['COUNT(*)', *(one.mysql for one in some)])} FROM {_rows(spec, partition)}")
            rows, *values = cursor.fetchall()[0]
            found[ROWS] = str(rows)
            found |= {f"{one.column} {one.what}": _plain(value) for one, value in zip(some, values, strict=True)}
    return found


def _plain(value: object) -> str | None:
    return None if value is None else value.decode() if isinstance(value, bytes) else str(value)


def _rows(spec: TableSpec, partition: Partition) -> str:
    """Return what a SELECT of the partition's rows has after FROM."""
    rows, conditions = quoted(spec.origin), []
    if partition.only:
        conditions.append(among(spec, partition.columns, partition.only))
    elif partition.columns:
        rows += f" FORCE INDEX ({quoted(partition.key)})"
        within = range_condition(partition.columns, partition.lo, partition.hi)
        first = quoted(partition.columns[0])
        conditions.append(f"{first} IS NULL" if partition.nulls else within or f"{first} IS NOT NULL")
    if partition.changes:
        conditions.append(f"({changes_condition(partition.changes)})")
    if spec.retained or spec.where:
        conditions.append(wanted_condition(spec))
    return f"{rows} WHERE {' AND '.join(conditions)}" if conditions else rows


def changes_condition(changes: Changes) -> str:
    """Return the condition that a row may have changed, as SQL without parentheses around it."""
    column = quoted(changes.column)
    within = range_condition((changes.column,), _tuple(changes.lo), _tuple(changes.hi))
    found = [within or f"{column} IS NOT NULL"]
    if changes.nulls:
        found.append(f"{column} IS NULL")
    if changes.below is not None:
        found.append(f"{column}<{literal(changes.below)}")
    found += [f"{quoted(name)}>=CURDATE() - INTERVAL {days} DAY" for name, days in changes.last]
    return " OR ".join(found)


def wanted_condition(spec: TableSpec) -> str:
    """Return the condition that a row is one of those that are loaded, for every statement that reads or counts them."""
    where = f" AND ({spec.where}\n)" if spec.where else ""  # a comment at its end does not reach what follows
    return f"{retained_condition(spec)}{where}"


def retained_condition(spec: TableSpec) -> str:
    """Return the condition that a row is not one that the target's retention has removed, or TRUE; no date is no reason.

    On the column as it is stored, not as it is read: it may be read as a number, or not at all.
    """
    return " AND ".join(_stays(column, limit) for column, limit in spec.retained) or "TRUE"


def _stays(column: str, limit: dt.datetime) -> str:
    # The limit of a timestamptz is an instant, and the session's zone must not move it.
    what, least = ("{c}", literal(limit)) if limit.tzinfo is None else ("UNIX_TIMESTAMP({c})", str(int(limit.timestamp())))
    return f"COALESCE({(VALID_DATE % what).replace('{c}', quoted(column))}>={least},TRUE)"


def among(spec: TableSpec, columns: tuple[str, ...], keys: tuple[KeyTuple, ...]) -> str:
    """Return the condition that a row has one of the keys of these columns; a date among them may be none."""
    return keyed(columns, keys, {item.column for item in spec.casts if item.source_type.base in TIMES})


def keyed(columns: tuple[str, ...], keys: tuple[KeyTuple, ...], times: Collection[str]) -> str:
    """Return the same condition; `times`: the columns that are dates or times."""
    if len(columns) == 1 and not (columns[0] in times and any(_no_date(value) for (value,) in keys)):
        return f"{quoted(columns[0])} IN ({', '.join(literal(key[0]) for key in keys)})"
    rows = (" AND ".join(_is(c, v, c in times) for c, v in zip(columns, key, strict=True)) for key in keys)
    return "(" + " OR ".join(f"({row})" for row in rows) + ")"


def _is(column: str, value: KeyValue, time: bool) -> str:
    # Neither server finds each date that is none by its text, whatever the SQL mode: connectorx has it prepared before.
    if time and _no_date(value):
        return f"{quoted(column)}*1={re.sub('[^0-9.]', '', str(value))}"
    return f"{quoted(column)}={literal(value)}"


def _no_date(value: KeyValue) -> bool:
    """Tell whether a text is no date, as 2024-02-31, or one that Python cannot tell from that."""
    if not isinstance(value, str):
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return True
    return False


def _tuple(value: KeyValue | None) -> KeyTuple | None:
    return None if value is None else (value,)


def null_bits(spec: TableSpec) -> list[list[str]]:
    """Return the nullable columns whose invalid dates become NULL at the source, in lists that share a column of bits.

    A NULL there can be the row's own, so its bit tells; in a NOT NULL column every NULL was an invalid date.
    """
    packed = {item.column for item in spec.packed_casts}
    names = [item.column for item in spec.casts if item.guarded and item.nullable and item.column not in packed]
    return [names[n : n + MASK_BITS] for n in range(0, len(names), MASK_BITS)]


def range_condition(columns: tuple[str, ...], lo: KeyTuple | None, hi: KeyTuple | None) -> str:
    """Return `lo <= columns < hi` as SQL that the range optimizer of both servers can use, or '' when both are open.

    Row constructors would be shorter, but neither server uses an index for `(a, b) >= (1, 2)`.
    """
    conditions = []
    if lo is not None:
        conditions.append(_compare(columns, lo, ">", ">="))
    if hi is not None:
        conditions.append(_compare(columns, hi, "<", "<"))
    return " AND ".join(conditions)


def beyond_condition(columns: tuple[str, ...], at: KeyTuple) -> str:
    """Return `columns > at` as SQL."""
    return _compare(columns, at, ">", ">")


def _compare(columns: tuple[str, ...], values: KeyTuple, beyond: str, last: str) -> str:
    alternatives = []
    for n in range(len(columns)):
        terms = [f"{quoted(c)}={literal(v)}" for c, v in zip(columns[:n], values[:n], strict=True)]
        operator = last if n == len(columns) - 1 else beyond
        terms.append(f"{quoted(columns[n])}{operator}{literal(values[n])}")
        alternatives.append(" AND ".join(terms))
    return alternatives[0] if len(alternatives) == 1 else "(" + " OR ".join(f"({a})" for a in alternatives) + ")"


def literal(value: KeyValue) -> str:
    """Return a key value as a MySQL literal; text and bytes in hexadecimal, safe under every SQL mode."""
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return f"_utf8mb4 X'{value.encode().hex()}'"
    if isinstance(value, (dt.datetime, dt.date)):
        return f"'{value.isoformat(*((' ',) if isinstance(value, dt.datetime) else ()))}'"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float):
        return f"{value!r}" if "e" in repr(value) else f"{value!r}e0"
    sign, seconds = "-" if value < dt.timedelta() else "", abs(value)
    hours, rest = divmod(seconds, dt.timedelta(hours=1))
    return f"'{sign}{hours}:{dt.datetime.min + rest:%M:%S.%f}'"


def _spooled(source: MySQL, spec: TableSpec, query: str, before: list[str], rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    from bulketl.mysql.stream import spooled

    look(source)
    with spooled(source, query, before, rows, spec.table) as (told, batches):
        if told:
            raise _told(source, spec, told)
        for batch in batches:
            yield pa.Table.from_batches([batch]).rename_columns(names(spec))


_WENT_AWAY = (
    "IO error", "IoError", "server disconnected", "Connection reset", "Broken pipe", "timed out", "Lost connection",
    "gone away", "stalled",
)  # fmt: skip
_SAID = 2_000  # characters of what was said, which may quote the whole statement
_OVERFLOW = "byte array offset overflow"  # a column of a batch with more than 2 GiB of text


def _told(source: MySQL, spec: TableSpec, text: str) -> SourceError:
    """Return the error for what a driver said, or, where it may have lost the line, for what a login says of that."""
    error = _failure(spec, text)
    if error.transient:
        doubt(source)
        try:
            look(source)
        except SourceError as known:
            return known
    return error


def _failure(spec: TableSpec, text: str) -> SourceError:
    numbers = re.findall(r"\bERROR (\d{4})\b", text)
    code = int(numbers[0]) if numbers else 0
    hint = ""
    if code in (1142, 1143):
        hint = "grant SELECT on the table to the source user"
    elif code in (1146, 1054):
        hint = "the table was changed or dropped while the run was on; load it again"
        if not all(name.isascii() for name in (spec.origin, *(item.column for item in spec.casts))):
            hint += ". Or init_connect sets a character set in which its name is another: write utf8mb4 there"
    elif code == 1298:
        hint = "load the server's time zone tables, or write timestamp_zone as an offset like +00:00"
    elif f"[Errno {errno.ENOSPC}]" in text:
        hint = "a table without a key passes through the temporary folder of this machine: make room there, or set TMPDIR; "
        hint += runbook("disk-full")
    elif _OVERFLOW in text:
        hint = "rows of it hold more than 2 GiB in one text column; exclude that column, or report it"
    said = shortened(text, _SAID)
    if spec.masked and not any(word in text for word in _WENT_AWAY):
        said = WITHHELD  # a driver quotes the value that it cannot convert
    error = source_error(f"table {spec.table!r} cannot be read: {said}", hint, code, said)
    if _OVERFLOW in text:
        error.ease = "batch"
    elif code not in (1044, 1045, 1049) and any(word in text for word in _WENT_AWAY):
        error.transient = True
    return error
