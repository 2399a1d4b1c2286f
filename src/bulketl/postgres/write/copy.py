"""Rows into Postgres: transactions on the thread's own connection, and COPY BINARY from Arrow by one of two encoders.

COPY BINARY converts nothing, and many wrong pairs of types load garbage without an error (an int32 into `real`). So each
column's exact Arrow type is compared with its Postgres type before a byte is sent. `adbc` is the reference encoder and takes
every wire type; `pgpq` costs a fifth of the CPU and takes all but two, so it is the one for every table without those
(docs/types.md). Both pass the same type matrix. An error of COPY aborts the whole transaction, whichever it is. A
connection serves one thread for one run, and is closed by `close`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder

from bulketl.connections import watch
from bulketl.errors import DataError, MismatchError, TargetError
from bulketl.postgres.ddl import columns, create_table, name
from bulketl.postgres.locks import is_free
from bulketl.postgres.server import Postgres, failure
from bulketl.postgres.session import adbc_errors
from bulketl.postgres.write.numeric import numeric_bytes
from bulketl.rows.coerce import KEPT_REJECTS, Batch, Reject, reject
from bulketl.tables.casts import Cast, Encoder
from bulketl.tables.spec import TableSpec

TEMPORARY = "pg_temp"
FEW = 100  # rows that are tried at once, at least, beside a row that was refused
_TRIAL = "bulketl_trial"
_LINE = re.compile(rf"COPY {_TRIAL}, \D*(\d+)")
ENCODED_ROWS = 8192  # at once: some megabytes of COPY data beside the rows themselves

# What COPY BINARY stores exactly, tried pair by pair with the pinned driver (docs/types.md).
_TEXT = frozenset({"string", "large_string", "string_view"})
ALLOWED: dict[str, frozenset[str]] = {
    "smallint": frozenset({"int8", "int16", "uint8"}),
    "integer": frozenset({"int32", "uint16"}),
    "bigint": frozenset({"int64", "uint32"}),
    "numeric": frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}),
    "real": frozenset({"float"}),
    "double precision": frozenset({"double"}),
    "boolean": frozenset({"bool"}),
    "text": _TEXT,
    "varchar": _TEXT,
    "json": _TEXT,
    "jsonb": frozenset({"extension<arrow.json>"}),
    "bytea": frozenset({"binary", "large_binary"}),
    "uuid": frozenset({"large_binary"}),
    "date": frozenset({"date32[day]"}),
    "timestamp": frozenset({"timestamp[us]"}),
    "timestamptz": frozenset({"timestamp[us, tz=UTC]"}),
    "time": frozenset({"time64[us]"}),
    "interval": frozenset({"duration[us]"}),
}


@dataclasses.dataclass(slots=True)
class _Session:
    """A connection of a thread, and how a talk over it is known."""

    target: Postgres
    connection: Any
    number: int
    mark: int

    @contextlib.contextmanager
    def talk(self, what: str) -> Iterator[watch.Talk]:
        """Have what is done over it watched."""
        one = self.target.talk(what)
        one.number, one.mark = self.number, self.mark
        if not self.mark and not self.connection.closed:
            one.found(self.connection.fileno())
        with watch.talk(one):
            yield one


_Key = tuple[str, int, Encoder, bool]
_sessions: dict[_Key, _Session] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def transaction(target: Postgres, run: str, what: str, encoder: Encoder, *, trial: bool = False) -> Iterator[Any]:
    """Give a cursor in a transaction of this thread's connection; commit at the end, roll back on any error.

    For a `trial` it is another connection, so that one can be made within a transaction.

    `what` names the object in the TargetError or DataError that is raised for an error of Postgres. `encoder` says which
    driver the connection is of: only its own can copy.
    """
    key = (run, threading.get_ident(), encoder, trial)
    session: _Session | None = None
    try:
        session = _sessions.get(key) or _opened(target, key, what)
        with session.talk(what), session.connection.cursor() as cursor:
            if target.guarded:
                _still_carried_out(cursor, run)
            yield cursor
            session.connection.commit()
    except BaseException as error:
        if isinstance(error, _TriedError) and session:
            with session.talk(what):
                session.connection.rollback()
            raise
        if not (trial and session and _rolled_back(session)):
            _discard(key)  # a new one costs less than doubt about this one's state
        if isinstance(error, watch.StalledError):
            raise TargetError(f"{what}: {error}", hint=watch.HINT, transient=True) from error
        if isinstance(error, (*adbc_errors(), psycopg.OperationalError)) or getattr(error, "sqlstate", None):
            raise failure(getattr(error, "sqlstate", None), str(error), what) from error
        raise


def _opened(target: Postgres, key: _Key, what: str) -> _Session:
    """Open a session of this thread."""
    with watch.talk(target.talk(what)) as one:
        try:
            connection = target.opened(one, "psycopg" if key[2] == "pgpq" else "adbc")
        except BaseException:
            watch.free_mark(one.mark)
            raise
        if key[2] == "pgpq":
            connection.autocommit = False
    with _lock:
        _sessions[key] = _Session(target, connection, one.number, one.mark)
    return _sessions[key]


def _still_carried_out(cursor: Any, run: str) -> None:
    cursor.execute(is_free(run))
    if cursor.fetchall()[0][0]:
        raise TargetError(
            f"run {run} is not carried out any more: its locks in the target are free",
            hint="the process or connection that held them is gone; `bulketl load --resume last` goes on",
            transient=True,  # a run that lives takes them again
        )


def _rolled_back(session: _Session) -> bool:
    """Roll back after a trial that Postgres refused, of which there are many; False when the connection is no good."""
    gone: tuple[type[Exception], ...] = (AttributeError, psycopg.Error, watch.StalledError, *adbc_errors())
    try:
        with session.talk("a trial"):
            session.connection.rollback()
    except gone:
        return False
    return True


def close(run: str) -> None:
    """Close every connection of a run; to be called when its threads are done."""
    for key in [key for key in _sessions if key[0] == run and not watch.hangs(key[1])]:
        _discard(key)


def leave() -> None:
    """Close the connections of the thread that calls."""
    with _lock:
        mine = [key for key in _sessions if key[1] == threading.get_ident()]
    for key in mine:
        _discard(key)


def _discard(key: _Key) -> None:
    with _lock:
        session = _sessions.pop(key, None)
    if session is None:
        return
    for end in (session.connection.rollback, session.connection.close):
        with contextlib.suppress(*adbc_errors(), psycopg.Error, watch.StalledError), session.talk("its end"):
            end()
    watch.free_mark(session.mark)


def copy(cursor: Any, rows: pa.Table, spec: TableSpec, schema: str, table: str) -> None:
    """Append rows to an existing table by COPY BINARY, with the spec's encoder.

    Raise MismatchError, before anything is sent, when a column's Arrow type is not one that its Postgres type stores
    exactly; and DataError when Postgres says that it took another number of rows.
    """
    check_types(rows.schema, spec.casts, spec.table)
    if not rows.num_rows:
        return
    rows = rows.rename_columns([item.name for item in spec.casts])
    took = (_ingested if spec.encoder == "adbc" else _encoded)(cursor, rows, schema, table)
    if took != rows.num_rows:
        raise TargetError(  # no row is at fault, so none is looked for
            f"table {spec.table!r}: {rows.num_rows:,} rows were sent, and Postgres took {took:,}",
            hint="a trigger on the target table may be at work; nothing was changed",
        )


def copy_texts(cursor: Any, rows: pa.Table, table: str) -> None:
    """Append rows of texts to a temporary table of theirs, by whichever driver the cursor is of."""
    if rows.num_rows:
        (_encoded if isinstance(cursor, psycopg.Cursor) else _ingested)(cursor, rows, TEMPORARY, table)


def _ingested(cursor: Any, rows: pa.Table, schema: str, table: str) -> int:
    temporary = schema == TEMPORARY
    took: int = cursor.adbc_ingest(
        table, rows, mode="append", db_schema_name=None if temporary else schema, temporary=temporary
    )
    return took


def _encoded(cursor: Any, rows: pa.Table, schema: str, table: str) -> int:
    with cursor.copy(f"COPY {name(schema, table)} ({columns(rows.column_names)}) FROM STDIN (FORMAT binary)") as sink:
        for data in encode(rows):
            sink.write(data)
    took: int = cursor.rowcount
    return took


def encode(rows: pa.Table) -> Iterator[bytes]:
    """Yield what COPY BINARY sends for the rows, from its first byte to its last; for the encoder pgpq only."""
    for n, field in enumerate(rows.schema):
        if pa.types.is_decimal256(field.type):
            rows = rows.set_column(n, field.name, numeric_bytes(rows.column(n)))
    encoder = ArrowToPostgresBinaryEncoder(rows.schema)
    yield encoder.write_header()
    for batch in rows.to_batches(max_chunksize=ENCODED_ROWS):
        yield encoder.write_batch(batch)
    yield encoder.finish()


def check_types(schema: pa.Schema, casts: tuple[Cast, ...], table: str) -> None:
    """Raise MismatchError unless every column is of a type that COPY BINARY stores exactly in its target type."""
    for item, arrow in zip(casts, schema, strict=True):
        base, numbers = item.target_type.base, item.target_type.sizes
        decimal = base == "numeric" and pa.types.is_decimal(arrow.type) and numbers[1] >= arrow.type.scale
        if item.column != arrow.name or not (decimal or type_name(arrow.type) in ALLOWED.get(base, ())):
            raise MismatchError.found(table, item.column, item.source, str(arrow.type), item.target)


def type_name(kind: pa.DataType) -> str:
    """Return an Arrow type as the cast rules spell it."""
    return "extension<arrow.json>" if getattr(kind, "extension_name", "") == "arrow.json" else str(kind)


def without_refused(target: Postgres, run: str, spec: TableSpec, batch: Batch, *, whole: bool = False) -> Batch:
    """Move to the rejects the rows that only Postgres refuses; `whole`: the batch is all of its table.

    They are looked for by copies into a temporary table, a few for each, all rolled back, over a connection of its own; the
    search ends when there are more than the table may have. To be called after a copy failed with a DataError; the batch
    comes back as it was when no single row is at fault.
    """
    most = spec.rejectable(batch.read) if whole else batch_limit(spec, batch.read)
    refused = list(itertools.islice(_refused(target, run, spec, batch.good), most + 1))
    if not refused:
        return batch
    rejects = tuple(_reject(target, run, spec, batch.good.slice(index, 1), reason) for index, reason in refused)
    gone = {index for index, _ in refused}
    keep = pa.array([index not in gone for index in range(batch.good.num_rows)])
    return dataclasses.replace(batch, good=batch.good.filter(keep), rejects=batch.rejects + rejects)


def batch_limit(spec: TableSpec, read: int) -> int:
    """Return how many of the rows of one batch may be rejected; what the table may have is known when all are read.

    A share of the table's rows may lie in one batch, so that there a share of the batch's, or 1,000, is the limit.
    """
    most = spec.rejectable(read)
    return most if isinstance(spec.max_rejects, int) else max(most, KEPT_REJECTS)


def _reject(target: Postgres, run: str, spec: TableSpec, row: pa.Table, text: str) -> Reject:
    """Return the record of a row that Postgres refused, with the column it refuses alone, if there is one."""
    reason = re.sub(r"^INVALID_DATA: .*? ERROR: | CONTEXT: .*", "", text.removeprefix(f"table {spec.table!r}: "))
    named = re.search(r"COPY \S+, line \d+, column (.+?)(?:$|:| \. SQLSTATE)", text)
    column = next((item.column for item in spec.casts if named and item.name == named[1]), None)
    if column is None:
        alone = (dataclasses.replace(spec, casts=(item,), key=()) for item in spec.casts)
        found = (part.casts[0].column for part in alone if _try(target, run, part, row.select([part.casts[0].column])))
        column = next(found, None)
    return reject(row.to_pylist()[0], spec, [] if column is None else [column], reason)


def _refused(target: Postgres, run: str, spec: TableSpec, rows: pa.Table) -> Iterator[tuple[int, str]]:
    """Yield the place and the error of each row that is refused: Postgres says at which line of a copy it stopped."""
    at, most = 0, rows.num_rows
    while at < rows.num_rows:
        piece = rows.slice(at, most)
        error = _try(target, run, spec, piece)
        if error is None:
            at, most = at + piece.num_rows, most * 2
            continue
        line = int((_LINE.findall(error) or [0])[-1])
        alone = _try(target, run, spec, piece.slice(line - 1, 1)) if 0 < line <= piece.num_rows else None
        if alone is None:
            yield from _halved(target, run, spec, piece, at)
            at += piece.num_rows
        else:
            yield at + line - 1, alone
            at, most = at + line, max(2 * line, FEW)  # the next one is about as far away


def _halved(target: Postgres, run: str, spec: TableSpec, rows: pa.Table, offset: int) -> Iterator[tuple[int, str]]:
    """Yield the same where the error names no line, or that of a row that is taken alone."""
    error = _try(target, run, spec, rows)
    if error is None:
        return
    if rows.num_rows == 1:
        yield offset, error
        return
    half = rows.num_rows // 2
    yield from _halved(target, run, spec, rows.slice(0, half), offset)
    yield from _halved(target, run, spec, rows.slice(half), offset + half)


class _TriedError(Exception):
    """Ends a trial, so that its transaction is rolled back."""


def _try(target: Postgres, run: str, spec: TableSpec, rows: pa.Table) -> str | None:
    try:
        with transaction(target, run, f"table {spec.table!r}", spec.encoder, trial=True) as cursor:
            cursor.execute(create_table(TEMPORARY, _TRIAL, spec.casts, spec.target_key))
            copy(cursor, rows, spec, TEMPORARY, _TRIAL)
            raise _TriedError
    except _TriedError:
        return None
    except DataError as error:
        return error.message
