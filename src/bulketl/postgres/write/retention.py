"""Retention: rows older than their table's rule leave the target; archived first, where that is declared.

One transaction per table sees the same rows from the count to the delete. An archive is a Parquet file that is read back and
compared, value by value, with a second reading of the rows, and is on disk before any of them is deleted; only its owner
may read it. Types that Parquet has no
exact place for (numeric, interval, json, uuid) stand there as text, and so does a column of dates with one that Arrow has
no number for, infinity above all. What has left is noted in the table's state, so
that no later load brings it back, and for an audited table in its chain.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from bulketl.config.tables import Retention
from bulketl.connections import watch
from bulketl.errors import PlanError, TargetError
from bulketl.postgres.ddl import batch, name, rows_of, value
from bulketl.postgres.ledger import entries, states
from bulketl.postgres.ledger.made import reserve
from bulketl.postgres.server import Postgres, constraint_of, failure, forbidden_of, said
from bulketl.postgres.write import chain, written
from bulketl.tables.catalog import TargetTable
from bulketl.tables.printable import brief
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import TARGET_TIMES

_EXACT = ("smallint", "integer", "bigint", "real", "double precision", "boolean", "text", "varchar", "date", "timestamp",
          "timestamptz", "bytea")  # fmt: skip
_LAST_MOMENT = "294247-01-01"  # Arrow counts microseconds from 1970, Postgres from 2000


@dataclass(frozen=True, slots=True)
class Expired:
    """Rows of a table that are older than they may be: `column` before `limit`; what is, or was, done about them.

    `source`: the database that the table was loaded from; `schema`: of the target.
    """

    source: str
    schema: str
    table: str
    column: str
    limit: str
    rows: int
    action: str
    file: str = ""
    sha256: str = field(default="", repr=False)

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, rows=self.rows, action=self.action)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def retain(
    target: Postgres, run: str, spec: TableSpec, rule: Retention, existing: TargetTable, folder: Path | None
) -> Expired:
    """Remove the rows that are older than the rule keeps, and say which; with no `folder`, only say which.

    The limit is the start of a day, by the target's clock. `spec` needs table, schema, key and audit. Archives go below
    `folder`; the run has the table's lock then, since a load that has begun would bring the rows back. Raise PlanError when
    the rule does not fit the table, TargetError when Postgres or the file system refuses; nothing has left then. Only when
    the commit itself fails that is not known: the error says so, and the archive stays.
    """
    types = {column: kind.split("(")[0] for column, kind in existing.columns}
    (stored,) = spec.target_names([rule.by])
    if types.get(stored) not in TARGET_TIMES:
        what = f"is {types[stored]}" if stored in types else "is not there"
        raise PlanError(
            f"table {spec.table!r}: column {rule.by!r}, which its retention goes by, {what} in the target",
            hint="name a date or timestamp column under retention.by",
        )
    with _transaction(target, spec.table) as cursor:
        if folder is not None:
            reserve(cursor, run, [spec])
        cursor.execute(f"SELECT date_trunc('day', now() - interval {value(rule.keep)})::date::text")
        limit = cursor.fetchone()[0]
        by = f"t.{name(stored)}"
        old = f"{rows_of(spec)} t WHERE {by} < {value(limit)} AND isfinite({by})"  # no date is no reason
        cursor.execute(f"SELECT count(*) FROM {old}")
        rows = cursor.fetchone()[0]
        action = "kept: legal hold" if rule.legal_hold else rule.action
        found = Expired(spec.source, spec.schema, spec.table, rule.by, limit, rows, action)
        if rule.legal_hold or not rows or folder is None:
            return found
        path = _created(folder, spec, f"-before-{limit}-{run}.parquet") if rule.action == "archive" else None
        # An instant is noted with its zone: the source may show it in another one.
        note = f"{limit} 00:00:00+00:00" if types[stored] == "timestamptz" else limit
        try:
            if path is not None:
                found = _archived(cursor, found, path, types, old, spec.target_key or (stored, "ctid"))
            _remove(cursor, run, spec, found, old, note)
        except BaseException:
            if path is not None:
                path.unlink(missing_ok=True)
            raise
        _commit(cursor, found)
        return found


def _commit(cursor: Any, found: Expired) -> None:
    """Commit; when that fails the rows may have left all the same, so the archive stays whatever happens."""
    try:
        cursor.connection.commit()
    except dbapi.Error as error:
        stays = f"; the archive stays at {found.file}" if found.file else ""
        told = said(str(error))
        raise TargetError(
            f"table {found.table!r}: nobody knows whether its rows before {found.limit} have left, because the commit failed"
            f"{stays}: {told}",
            said=told,
            hint=f"look into {entries.RETAINED}: they have left when this run is there; else run retention again",
        ) from error


def _remove(cursor: Any, run: str, spec: TableSpec, found: Expired, old: str, note: str) -> None:
    delete = f"DELETE FROM {old}"
    deleting = chain.removed(run, spec, delete) if spec.audit else delete
    archive = (found.file or None, found.sha256 or None)
    left = entries.Left(found.column, found.limit, found.rows, found.action, *archive)
    for statement in (
        batch([written.retired(spec, deleting, found.rows, f"(SELECT count(*) FROM {old})")]),
        states.retained(run, spec.schema, spec.table, found.column, note, found.rows),
        entries.retained(run, spec, left),
    ):
        cursor.execute(statement)


def _archived(cursor: Any, found: Expired, path: Path, types: dict[str, str], old: str, order: tuple[str, ...]) -> Expired:
    """Write the rows to a file, read it back, compare; return what was found with the file and its SHA-256."""
    wild = _wild(cursor, types, old)
    columns = ", ".join(
        f"t.{name(column)}" if kind in _EXACT and column not in wild else f"t.{name(column)}::text AS {name(column)}"
        for column, kind in types.items()
    )
    query = f"SELECT {columns} FROM {old} ORDER BY {', '.join(f't.{name(column)}' for column in order)}"
    try:
        rows = _write(cursor, query, path)
        for place in (path, *list(path.parents)[:3]):  # the file, and the folders that may be new
            _sync(place)
        with pq.ParquetFile(path) as file:
            same = rows == found.rows == file.metadata.num_rows and _same(cursor, query, file)
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, pa.ArrowException) as error:
        raise _unwritable(found.table, path.parent, error) from error
    if not same:
        raise TargetError(
            f"table {found.table!r}: the archive {path} does not hold what the table holds",
            hint="nothing was deleted; report it",
        )
    return dataclasses.replace(found, file=str(path), sha256=digest)


def _wild(cursor: Any, types: dict[str, str], old: str) -> set[str]:
    """Return the columns with a date, among the rows, that Arrow has no number for: it would become another one."""
    dates = [column for column, kind in types.items() if kind in TARGET_TIMES]
    wild = (
        f"bool_or(NOT isfinite(t.{name(column)})"
        + (f" OR t.{name(column)} >= '{_LAST_MOMENT}')" if types[column] != "date" else ")")
        for column in dates
    )
    cursor.execute(f"SELECT {', '.join(wild)} FROM {old}")
    return {column for column, found in zip(dates, cursor.fetchone(), strict=True) if found}


def _created(folder: Path, spec: TableSpec, end: str) -> Path:
    """Return a new, empty file of the table, which only its owner may read, as are the folders that are made for it."""
    schema, table = _file_name(spec.schema), _file_name(spec.table)
    place = folder / schema / table
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (place.parent, place):
            each.mkdir(mode=0o700, exist_ok=True)
        path = place / f"{table}{end}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise _unwritable(spec.table, place, error) from error
    return path


def _file_name(text: str) -> str:
    """Return a name that is one part of a path, whatever it holds, and another for each other text."""
    quoted = urllib.parse.quote(text, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def _unwritable(table: str, place: Path, error: Exception) -> TargetError:
    return TargetError(
        f"table {table!r} cannot be archived in {place}: {error}",
        said=str(error),
        hint="name a folder with room that you may write to under --folder; nothing was deleted",
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(cursor: Any, query: str, path: Path) -> int:
    cursor.execute(query)
    rows = 0
    with cursor.fetch_record_batch() as reader, pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for some in reader:
            writer.write_batch(some)
            rows += some.num_rows
    return rows


def _same(cursor: Any, query: str, file: pq.ParquetFile) -> bool:
    cursor.execute(query)
    with cursor.fetch_record_batch() as reader:
        there = (pa.Table.from_batches([some]) for some in reader)
        return all(one == other for one, other in zip(_rows(there), _rows(_tables(file, reader.schema)), strict=True))


def _tables(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.Table]:
    for some in file.iter_batches():
        yield pa.Table.from_batches([some]).cast(schema)


def _rows(tables: Iterator[pa.Table], size: int = 1024) -> Iterator[pa.Table]:
    """Cut a stream of tables into tables of `size` rows, the last one shorter, however it was cut before."""
    rest: pa.Table | None = None
    for table in tables:
        rest = table if rest is None else pa.concat_tables([rest, table])
        while rest.num_rows >= size:
            yield rest.slice(0, size).combine_chunks()
            rest = rest.slice(size)
    if rest is not None and rest.num_rows:
        yield rest.combine_chunks()


@contextlib.contextmanager
def _transaction(target: Postgres, table: str) -> Iterator[Any]:
    try:
        with watch.talk(target.talk(f"table {table!r}")) as one:
            try:
                with target.opened(one, "adbc") as connection, connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    yield cursor
            finally:
                watch.free_mark(one.mark)
    except watch.StalledError as error:
        raise TargetError(f"table {table!r}: {error}", hint=watch.HINT, transient=True) from error
    except dbapi.Error as error:
        state = getattr(error, "sqlstate", None)
        raise failure(state, str(error), f"table {table!r}", constraint_of(error), forbidden_of(error)) from error
