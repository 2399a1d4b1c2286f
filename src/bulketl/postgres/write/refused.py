"""The rows of a batch that only Postgres refuses, found among the others by copies that are all rolled back.

A copy stops at the first row that is refused and says which it was, so each costs a copy of the few rows before it. They go
into one temporary table, over a connection of its own, back to the same savepoint each time. The driver ADBC has no way back
to a savepoint, so what only it encodes takes another form here, of which Postgres makes and refuses the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from bulketl.postgres.ddl import create_table, name
from bulketl.postgres.refusals import about
from bulketl.postgres.server import Postgres, said
from bulketl.postgres.write.copy import TEMPORARY, TriedError, check_types, copy_encoded, transaction
from bulketl.postgres.write.sifting import sifted
from bulketl.rows.coerce import KEPT_REJECTS, Batch
from bulketl.rows.reject import Reject, reject
from bulketl.tables.casts import only_adbc
from bulketl.tables.spec import TableSpec

MANY = 200  # refused rows of a batch, after which the others are looked for at once
FEW = 8  # rows that are tried at once, at least, beside a row that was refused
_TRIAL, _ALONE = "bulketl_trial", "bulketl_alone"
_LINE = re.compile(rf"COPY {_TRIAL}, \D*(\d+)")
_COLUMN = re.compile(r"COPY \S+, \S+ \d+, \S+ (.+?)(?:$|:| \. SQLSTATE)")  # whatever the server's words for line and column
_LACKS = re.compile(r'(?:0x[0-9a-f]{2} ?)+.*?"UTF8".*?"(\w+)"')  # in whatever language
_BACK = "ROLLBACK TO SAVEPOINT bulketl"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What Postgres said of a copy: its SQLSTATE, and its words on one line."""

    state: str
    words: str
    column: str = ""  # in the target, which is refused alone, where that is known


def without_refused(target: Postgres, run: str, spec: TableSpec, batch: Batch, *, whole: bool = False) -> Batch:
    """Move to the rejects the rows that only Postgres refuses; `whole`: the batch is all of its table.

    The search ends when there are more than the table may have. To be called after a copy failed with a DataError; the
    batch comes back as it was when no single row is at fault.
    """
    most = spec.rejectable(batch.read) if whole else batch_limit(spec, batch.read)
    with trial(target, run, spec) as cursor:
        refused = list(itertools.islice(_refused(cursor, spec, batch.good), min(most + 1, MANY)))
        if len(refused) == MANY and most >= MANY:
            refused += _others(cursor, spec, batch.good, refused[-1][0] + 1, most - MANY)
        rejects = tuple(_rejects(cursor, spec, batch.good, refused))
    if not refused:
        return batch
    gone = {index for index, _ in refused}
    keep = pa.array([index not in gone for index in range(batch.good.num_rows)])
    return dataclasses.replace(batch, good=batch.good.filter(keep), rejects=batch.rejects + rejects)


def batch_limit(spec: TableSpec, read: int) -> int:
    """Return how many of the rows of one batch may be rejected; what the table may have is known when all are read.

    A share of the table's rows may lie in one batch, so that there a share of the batch's, or 1,000, is the limit.
    """
    most = spec.rejectable(read)
    return most if isinstance(spec.max_rejects, int) else max(most, KEPT_REJECTS)


@contextlib.contextmanager
def trial(target: Postgres, run: str, spec: TableSpec) -> Iterator[Any]:
    """Give a cursor beside a temporary table that takes the rows; nothing that is done with it stays."""
    with (
        contextlib.suppress(TriedError),
        transaction(target, run, f"table {spec.table!r}", "pgpq", trial=True) as cursor,
    ):
        cursor.execute(create_table(TEMPORARY, _TRIAL, spec.casts, spec.target_key))
        cursor.execute("SAVEPOINT bulketl")
        yield cursor
        raise TriedError


def _rejects(cursor: Any, spec: TableSpec, rows: pa.Table, refused: list[tuple[int, _Refusal]]) -> Iterator[Reject]:
    """Yield the records of refused rows, each with the column that is refused alone, if there is one."""
    found: dict[str, str | None] = {}  # the last column per SQLSTATE, None where no single one was at fault
    for index, refusal in refused:
        row = rows.slice(index, 1)
        told = _COLUMN.search(refusal.words)
        named = refusal.column or (told[1] if told else "")
        column = next((item.column for item in spec.casts if item.name == named), None)
        if column is None and found.get(refusal.state, "") is not None:
            column = found[refusal.state] = _alone(cursor, spec, row, found.get(refusal.state))
        yield reject(row.to_pylist()[0], spec, [] if column is None else [column], *_reason(refusal))


def _reason(refusal: _Refusal) -> tuple[str, str]:
    """Return why a row is refused, and the code of the server's words if it is in these.

    It is the same for all rows with a character that an encoding lacks, whichever it is.
    """
    if lacking := _LACKS.search(refusal.words):
        return f"holds a character that the target's encoding, {lacking[1]}, lacks", ""
    return re.sub(r"^[A-Z_]+: .*?ERROR: | CONTEXT: .*", "", refusal.words), f"SQLSTATE {refusal.state}"


def _alone(cursor: Any, spec: TableSpec, row: pa.Table, first: str | None) -> str | None:
    """Return the column whose value is refused by itself; that which was found `first` is tried first."""
    for item in sorted(spec.casts, key=lambda item: item.column != first):
        part = dataclasses.replace(spec, casts=(item,), key=())
        cursor.execute(create_table(TEMPORARY, _ALONE, part.casts))
        if _try(cursor, part, _ALONE, row.select([item.column])):
            return item.column
    return None


def _refused(cursor: Any, spec: TableSpec, rows: pa.Table) -> Iterator[tuple[int, _Refusal]]:
    """Yield the place of each row that is refused: Postgres says at which line of a copy it stopped."""
    at, most = 0, rows.num_rows
    while at < rows.num_rows:
        piece = rows.slice(at, most)
        refusal = _try(cursor, spec, _TRIAL, piece)
        if refusal is None:
            at, most = at + piece.num_rows, most * 2
            continue
        line = int((_LINE.findall(refusal.words) or [0])[-1])
        alone: _Refusal | None = None
        if 0 < line <= piece.num_rows:  # of a value it is sure; rows are written some at once
            alone = _try(cursor, spec, _TRIAL, piece.slice(line - 1, 1)) if not refusal.state.startswith("22") else refusal
        if alone is None:
            yield from _halved(cursor, spec, piece, at)
            at += piece.num_rows
        else:
            yield at + line - 1, alone
            at, most = at + line, max(2 * line, FEW)  # the next one is about as far away


def _others(cursor: Any, spec: TableSpec, rows: pa.Table, start: int, most: int) -> Iterator[tuple[int, _Refusal]]:
    """Yield the same of the rows from a place on, at most one more than `most`, for which one statement is enough mostly."""
    rest = rows.slice(start)
    found = sifted(cursor, spec, encodable(rest, spec), name(TEMPORARY, _TRIAL), most)
    if found is None:
        refused = itertools.islice(_refused(cursor, spec, rest), most + 1)
        yield from ((start + place, refusal) for place, refusal in refused)
    else:
        yield from ((start + one.place, _Refusal(one.state, one.words, one.column)) for one in found)


def _halved(cursor: Any, spec: TableSpec, rows: pa.Table, offset: int) -> Iterator[tuple[int, _Refusal]]:
    """Yield the same where the refusal names no line, or that of a row that is taken alone."""
    refusal = _try(cursor, spec, _TRIAL, rows)
    if refusal is None:
        return
    if rows.num_rows == 1:
        yield offset, refusal
        return
    half = rows.num_rows // 2
    yield from _halved(cursor, spec, rows.slice(0, half), offset)
    yield from _halved(cursor, spec, rows.slice(half), offset + half)


def _try(cursor: Any, spec: TableSpec, table: str, rows: pa.Table) -> _Refusal | None:
    """Copy rows into a table of the trial and take that back; return why they are refused, None where they are taken."""
    refusal = None
    try:
        copy_encoded(cursor, encodable(rows, spec), TEMPORARY, table)
    except psycopg.Error as error:
        refusal = _Refusal(error.sqlstate or "", said(str(error)))
        if about(refusal.state, refusal.words) != "row":
            raise
    cursor.execute(_BACK)
    return refusal


def encodable(rows: pa.Table, spec: TableSpec) -> pa.Table:
    """Return the rows as the encoder `pgpq` takes them: JSON as the bytes of jsonb, integers for `numeric` as decimals."""
    check_types(rows.schema, spec.casts, spec.table)
    columns = []
    for item, column in zip(spec.casts, rows.columns, strict=True):
        if only_adbc(item):
            json = [_jsonb(chunk.storage) for chunk in column.chunks] if item.wire.startswith("extension") else None
            column = pa.chunked_array(json, pa.large_binary()) if json is not None else column.cast(pa.decimal128(38, 0))
        columns.append(column)
    return pa.Table.from_arrays(columns, names=[item.name for item in spec.casts])


def _jsonb(texts: pa.Array) -> pa.Array:
    """Return the binary form of jsonb: its version, and the text."""
    version, between = (pa.scalar(data, pa.large_binary()) for data in (b"\x01", b""))
    return pc.binary_join_element_wise(version, texts.cast(pa.large_binary()), between)
