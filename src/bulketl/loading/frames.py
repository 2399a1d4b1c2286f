"""A table of the source as a Polars frame, with the exact values that a load would write, and without any Postgres.

bulketl plans the read like a first load: with the same rules of the configuration, casts and masks, and the same ranges,
each counted or proved. A frame has no place for what a load would put on record: rejected rows raise an error here, and
altered values a warning.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.connections.retrying import patient
from bulketl.errors import DataError, PlanError
from bulketl.loading.column_types import check_unaltered
from bulketl.loading.reading import Reading
from bulketl.mysql.discover import read_bounds
from bulketl.mysql.server import MySQL
from bulketl.mysql.source import MySQLSource
from bulketl.mysql.zones import check_zone
from bulketl.plan.decision import decide
from bulketl.plan.plan import TableLoad
from bulketl.rows.quality import Arrived, hold
from bulketl.rows.row_checks import arrow_type
from bulketl.survey.look import in_view
from bulketl.tables.catalog import Catalog
from bulketl.tables.measured import Known
from bulketl.tables.partitions import Bound, Partition, fits
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

Changed = Counter[tuple[str, str]]  # values per column and kind of alteration


class AlteredValuesWarning(UserWarning):
    """Some values of a frame differ from those of the source, because no type of Polars or Postgres can hold them."""


class _Ranges(NamedTuple):
    """What is read: from where, as what, and in which pieces."""

    source: MySQLSource
    spec: TableSpec
    parts: tuple[Partition, ...]
    columns: tuple[str, ...]  # of the frame, in its order
    workers: int


def read(
    table: str,
    *,
    where: str = "",
    columns: Sequence[str] = (),
    limit: int | None = None,
    config: Config | None = None,
) -> pl.DataFrame:
    """Return a table or view of the source as a frame, in the order of its key if it is read in ranges.

    `where`: a condition in the source's SQL. `columns`: only these, in this order; by default all that the configuration
    does not exclude. `limit`: return at most so many rows, whichever they are. `config`: by default the files in config/
    and the environment. Types are those of the casts (docs/types.md), and masked columns are masked; decimals of more
    than 38 digits and JSON are text. Warn with an AlteredValuesWarning if values had to be altered. Raise ConfigError,
    SourceError, PlanError for a table or column that does not exist, DataError for rows that no cast can read and for
    rows that did not arrive.
    """
    ranges = _planned(config or _config_here(), table, where, columns)
    frames: list[pl.DataFrame] = [_empty(ranges)]
    changed: Changed = Counter()
    left = limit
    for frame, altered in _read(ranges, one_by_one=limit is not None):
        frames.append(frame if left is None else frame.head(left))
        changed += altered
        if left is not None and (left := left - frames[-1].height) <= 0:
            break
    _warn(ranges.spec, changed)
    return pl.concat(frames, rechunk=False)


def scan(table: str, *, where: str = "", config: Config | None = None) -> pl.LazyFrame:
    """Return a table or view of the source as a lazy frame, which asks the source when it is collected.

    It reads only the columns that a query needs, range by range, so that `head`, a filter or a sum of a large table does
    not need memory for the whole table. Filters of Polars are applied after reading; `where` is applied by the source.
    Everything else is as in `read`, including the errors, which are raised when the frame is collected; only a missing
    table raises at once.
    """
    asked = config or _config_here()
    schema = _empty(_planned(asked, table, where, ())).schema

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        ranges = _planned(asked, table, where, columns if columns is not None else ())
        changed: Changed = Counter()
        left = rows
        for frame, altered in _read(ranges, one_by_one=True):
            changed += altered
            some = frame if left is None else frame.head(left)
            if left is not None:
                left -= some.height
            yield some if predicate is None else some.filter(predicate)
            if left == 0:
                break
        _warn(ranges.spec, changed)

    return register_io_source(batches, schema=schema)


def _config_here() -> Config:
    tables, settings = (
        path if path.is_file() else None for path in (Path("config/tables.yaml"), Path("config/bulketl.yaml"))
    )
    return load_config(tables, settings, os.environ)


def _planned(config: Config, table: str, where: str, columns: Sequence[str]) -> _Ranges:
    """Look at the source and return what is to be read of it."""
    mysql = MySQL.of(config)
    patient(check_zone, mysql, config.session_zone)
    catalog = patient(in_view, mysql, config, Known({}, {}), [table])
    found = next((one for one in catalog if table in (one.name, one.origin)), None)
    if found is None:
        raise PlanError(
            f"no table or view {table!r} in {catalog.identity} that this user may read",
            hint="check the spelling (case counts), and the user's SELECT right on it",
        )
    only = dataclasses.replace(catalog, tables=(found,))
    load = _load(config, only, Bound(1), where)
    bound = None
    if where:
        rows = patient(_fitting, MySQLSource(mysql), load.spec)
        bound = Bound(rows, counted=True) if fits(found, rows, config.partition_bytes) else None
    if bound is None:
        by = config.rule(found.name).partition_by
        bound = patient(read_bounds, mysql, [found], {found.name: by} if by else {}, config.partition_bytes)[found.name]
    load = _load(config, only, bound, where)
    names = tuple(columns) or tuple(item.column for item in load.spec.casts)
    if unknown := [name for name in names if name not in {item.column for item in load.spec.casts}]:
        raise PlanError(
            f"table {table!r} has no column {', '.join(map(repr, unknown))} to read",
            hint="check the spelling (case counts), and exclude_columns in tables.yaml",
        )
    return _Ranges(MySQLSource(mysql), load.spec.narrowed(names), load.partitions, names, config.workers)


def _fitting(source: MySQLSource, spec: TableSpec) -> int:
    """Return how many rows of the table fit the condition."""
    (rows,) = source.count([(spec, Partition(0))])
    return rows


def _load(config: Config, catalog: Catalog, bound: Bound, where: str) -> TableLoad:
    """Return how a first load would read the only table of the catalogue. Raise PlanError."""
    (table,) = catalog.tables
    plan = decide(config, catalog, {table.name: bound}, {})
    for refusal in plan.refused:
        raise PlanError(refusal.message, hint=refusal.hint)
    (load,) = plan.loads
    own = {column.name for column in table.columns}
    casts = tuple(item for item in load.spec.casts if item.column in own)
    both = " AND ".join(f"({one}\n)" for one in (load.spec.where, where) if one)  # a comment at the end of one ends there
    return dataclasses.replace(load, spec=dataclasses.replace(load.spec, casts=casts, checks=(), where=both))


def _read(ranges: _Ranges, *, one_by_one: bool) -> Iterator[tuple[pl.DataFrame, Changed]]:
    """Yield the frames of all ranges in their order; each is whole, or an error is raised."""
    read = functools.partial(_range, ranges)
    if one_by_one or len(ranges.parts) < 2:
        for part in ranges.parts:
            yield from read(part)
    else:
        with ThreadPoolExecutor(ranges.workers, "bulketl-read") as pool:
            for frames in pool.map(lambda part: list(read(part)), ranges.parts):
                yield from frames
    check_unaltered(ranges.source, [ranges.spec])


def _range(ranges: _Ranges, part: Partition) -> Iterator[tuple[pl.DataFrame, Changed]]:
    """Yield the frames of one range, which are many only where a table without a key is streamed."""
    reading = Reading(ranges.source, ranges.spec, part, "")
    counted = patient(reading.counting)
    rows = rejected = 0
    for batch in reading if part.stream else patient(list, reading):
        rows, rejected = rows + batch.good.num_rows, rejected + len(batch.rejects)
        if batch.rejects:
            first = batch.rejects[0]
            raise DataError(
                f"table {ranges.spec.table!r}: {count_of(len(batch.rejects), 'row')} cannot be read; of the first, "
                f"{first.column} {first.reason}",
                hint="declare another type for the column under casts in tables.yaml, or name it under exclude_columns",
            )
        yield _frame(batch.good, ranges.columns), Counter(batch.changed)
    hold(dataclasses.replace(ranges.spec, threshold=1.0), [Arrived(part.index, rows, rejected, patient(counted, rows))])


def _frame(rows: pa.Table, columns: Sequence[str]) -> pl.DataFrame:
    """Return rows as a frame; what Polars has no type for is text."""
    return pl.DataFrame({name: pl.Series(name, pl.from_arrow(_plain(rows.column(name)))) for name in columns})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):  # JSON
        return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column.cast(pa.string()) if pa.types.is_decimal256(column.type) else column


def _empty(ranges: _Ranges) -> pl.DataFrame:
    """Return the frame without rows, with the types that all of them have."""
    kinds = {item.column: pa.string() if item.clean == "json" else arrow_type(item) for item in ranges.spec.written.casts}
    return _frame(pa.table({name: pa.chunked_array([], kind) for name, kind in kinds.items()}), ranges.columns)


def _warn(spec: TableSpec, changed: Changed) -> None:
    if changed:
        told = ", ".join(f"{count:,} × {kind} in {column}" for (column, kind), count in sorted(changed.items()))
        warnings.warn(f"table {spec.table!r}: {told}", AlteredValuesWarning, stacklevel=3)
