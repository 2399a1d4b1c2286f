"""Rows into Postgres: transactions on the thread's own ADBC connection, and COPY BINARY from Arrow.

COPY BINARY converts nothing, and many wrong pairs of types load garbage without an error (an int32 into `real`). So
each column's exact Arrow type is compared with its Postgres type before a byte is sent. An error of COPY aborts the
whole transaction; the driver knows no savepoints. A connection costs 50 ms, hence one per thread and run, closed by
`close`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from bulketl.casts import Cast, parse_target
from bulketl.coerce import Batch, reject
from bulketl.errors import BulketlError, DataError
from bulketl.plan import TableSpec
from bulketl.postgres import Postgres, failure
from bulketl.postgres.ddl import create_table

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

_connections: dict[tuple[str, int], Any] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def transaction(target: Postgres, run: str, what: str) -> Iterator[Any]:
    """Give a cursor in a transaction of this thread's connection; commit at the end, roll back on any error.

    `what` names the object in the TargetError or DataError that is raised for an error of Postgres.
    """
    key = (run, threading.get_ident())
    try:
        connection = _connections.get(key)
        if connection is None:
            connection = dbapi.connect(target.conninfo)
            with _lock:
                _connections[key] = connection
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()
    except BaseException as error:
        _discard(key)  # a new one costs less than doubt about this one's state
        if isinstance(error, adbc_driver_manager.Error):
            raise failure(error.sqlstate, str(error), what) from error
        raise


def close(run: str) -> None:
    """Close every connection of a run; to be called when its threads are done."""
    for key in [key for key in _connections if key[0] == run]:
        _discard(key)


def _discard(key: tuple[str, int]) -> None:
    with _lock:
        connection = _connections.pop(key, None)
    if connection is not None:
        with contextlib.suppress(adbc_driver_manager.Error):
            connection.rollback()
        with contextlib.suppress(adbc_driver_manager.Error):
            connection.close()


def copy(cursor: Any, rows: pa.Table, casts: tuple[Cast, ...], table: str, schema: str | None) -> None:
    """Append rows to an existing table by COPY BINARY; `schema` None is the session's temporary one.

    Raise TypeError, before anything is sent, when a column's Arrow type is not one that its Postgres type stores
    exactly.
    """
    check_types(rows.schema, casts, table)
    if rows.num_rows:
        cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema, temporary=schema is None)


def check_types(schema: pa.Schema, casts: tuple[Cast, ...], table: str) -> None:
    """Raise TypeError unless every column is of a type that COPY BINARY stores exactly in its target type."""
    for item, arrow in zip(casts, schema, strict=True):
        base, numbers = parse_target(item.target)
        decimal = base == "numeric" and pa.types.is_decimal(arrow.type) and numbers[1] >= arrow.type.scale
        if item.column != arrow.name or not (decimal or type_name(arrow.type) in ALLOWED.get(base, ())):
            raise TypeError(f"column {item.column!r} of {table!r}: Arrow {arrow.type} cannot go into {item.target}")


def type_name(kind: pa.DataType) -> str:
    """Return an Arrow type as the cast rules spell it."""
    return "extension<arrow.json>" if getattr(kind, "extension_name", "") == "arrow.json" else str(kind)


def without_refused(target: Postgres, run: str, spec: TableSpec, batch: Batch) -> Batch:
    """Move to the rejects the rows that only Postgres refuses, found by halving the batch.

    For k such rows among n, about k * log2(n) copies into a temporary table, each rolled back. To be called after a
    copy failed with a DataError; the batch comes back as it was when no single row is at fault.
    """
    refused = list(_refused(target, run, spec, batch.good, 0))
    if not refused:
        return batch
    rejects = tuple(reject(batch.good.slice(index, 1).to_pylist()[0], spec, "", reason) for index, reason in refused)
    gone = {index for index, _ in refused}
    keep = pa.array([index not in gone for index in range(batch.good.num_rows)])
    return Batch(batch.good.filter(keep), batch.rejects + rejects, batch.changed)


def _refused(target: Postgres, run: str, spec: TableSpec, rows: pa.Table, offset: int) -> Iterator[tuple[int, str]]:
    reason = _try(target, run, spec, rows)
    if reason is None:
        return
    if rows.num_rows == 1:
        yield offset, reason
        return
    half = rows.num_rows // 2
    yield from _refused(target, run, spec, rows.slice(0, half), offset)
    yield from _refused(target, run, spec, rows.slice(half), offset + half)


class _TriedError(Exception):
    """Ends a trial, so that its transaction is rolled back."""


def _try(target: Postgres, run: str, spec: TableSpec, rows: pa.Table) -> str | None:
    try:
        with transaction(target, run, f"table {spec.table!r}") as cursor:
            create = create_table("pg_temp", "bulketl_trial", spec.casts, spec.key)
            cursor.execute(create)
            copy(cursor, rows, spec.casts, "bulketl_trial", None)
            raise _TriedError
    except _TriedError:
        return None
    except DataError as error:
        return error.message
    except BulketlError:
        raise
