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
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder

from bulketl.connections import watch
from bulketl.errors import MismatchError, TargetError
from bulketl.postgres.ddl import columns, name
from bulketl.postgres.locks import is_free
from bulketl.postgres.server import Postgres, constraint_of, failure, forbidden_of
from bulketl.postgres.session import adbc_errors
from bulketl.postgres.write.numeric import numeric_bytes
from bulketl.tables.casts import Cast, Encoder
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

TEMPORARY = "pg_temp"
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
    "enum": _TEXT,
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


class TriedError(Exception):
    """Ends a trial, so that its transaction is rolled back and its connection stays."""


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
        if isinstance(error, TriedError) and session:
            with session.talk(what):
                session.connection.rollback()
            raise
        _discard(key)  # a new one costs less than doubt about this one's state
        if isinstance(error, watch.StalledError):
            raise TargetError(f"{what}: {error}", hint=watch.HINT, transient=True) from error
        if isinstance(error, (*adbc_errors(), psycopg.OperationalError)) or getattr(error, "sqlstate", None):
            state = getattr(error, "sqlstate", None)
            raise failure(state, str(error), what, constraint_of(error), forbidden_of(error)) from error
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
            f"no process carries out run {run} any more: its locks in the target are free",
            hint="the process or connection that held them is gone; `bulketl load --resume last` goes on",
            transient=True,  # a run that lives takes them again
        )


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
    took = (_ingested if spec.encoder == "adbc" else copy_encoded)(cursor, rows, schema, table)
    if took != rows.num_rows:
        raise TargetError(  # no row is at fault, so none is looked for
            f"table {spec.table!r}: {count_of(rows.num_rows, 'row', 'was')} sent, and Postgres took {took:,}",
            hint="a trigger on the target table may be at work; nothing was changed",
        )


def copy_texts(cursor: Any, rows: pa.Table, table: str) -> None:
    """Append rows of texts to a temporary table of theirs, by whichever driver the cursor is of."""
    if rows.num_rows:
        (copy_encoded if isinstance(cursor, psycopg.Cursor) else _ingested)(cursor, rows, TEMPORARY, table)


def _ingested(cursor: Any, rows: pa.Table, schema: str, table: str) -> int:
    temporary = schema == TEMPORARY
    took: int = cursor.adbc_ingest(
        table, rows, mode="append", db_schema_name=None if temporary else schema, temporary=temporary
    )
    return took


def copy_encoded(cursor: Any, rows: pa.Table, schema: str, table: str) -> int:
    """Append rows by the encoder `pgpq`, over psycopg, and return how many Postgres took; types are the caller's affair."""
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
