"""The load certificate: figures of every column, taken three times, and the differences between them.

bulketl takes the figures (counts of values that are not NULL, minima, maxima, sums) from the batches as they pass, from
the source over the same ranges, and from the target before its rows become visible. A table is certified if all three
agree in all of its ranges. A table to which somebody writes meanwhile differs from its source, and is not certified. If
columns are masked, the figures from before masking are compared with those of the source, and the figures from after it
with those of the target. The former may be a date of birth, and go nowhere.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from bulketl.rows.aggregates import ROWS, Figures, aggregates
from bulketl.rows.coerce import Batch
from bulketl.tables.casts import Cast
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import TARGET_FLOATS

_EXACT = Context(prec=200)  # Python's own rounds to 28 digits
_MARCH_0, _DAY = -719_468, 86_400_000_000  # the days from 1970 to the year 0's March, before which MySQL is a day ahead
SUMMED_DIGITS = 28  # of a decimal in Arrow, so that ten thousand million of them fit into its 38


def figure_names(spec: TableSpec) -> list[str]:
    """Return what the figures of a table are called, in the order of `aggregates`."""
    return [f"{found.column} {found.what}" for found in aggregates(spec.casts, {i.column: "" for i in spec.casts})]


def figures(rows: pa.Table, spec: TableSpec) -> Figures:
    """Return the figures of a batch in wire types."""
    wanted = figure_names(spec)
    casts = {item.column: item for item in spec.casts}
    plain = [name for name in rows.column_names if not _extension(rows.schema.field(name).type)]
    frame = pl.from_arrow(rows.select([name for name in plain if not pa.types.is_decimal(rows.schema.field(name).type)]))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  # of a table it is one
    made = {name: _expression(name, casts, frame) for name in wanted}
    expressions = {name: expression for name, expression in made.items() if expression is not None}
    done = frame.select(**{f"f{n}": expression for n, expression in enumerate(expressions.values())})
    values = dict(zip(expressions, done.row(0) if done.width else (), strict=True))
    found: dict[str, str | None] = {ROWS: str(rows.num_rows)}
    for name in wanted:
        column, what = name.rsplit(" ", 1)
        value = values[name] if name in values else _computed(rows[column], what)
        found[name] = None if value is None else _text(value)
    return found


def summed(one: Figures, other: Figures) -> Figures:
    """Return the figures of both together."""
    return {name: _both(name.rsplit(" ", 1)[-1], one.get(name), other.get(name)) for name in {**one, **other}}


def unequal(one: Figures, other: Figures, floats: frozenset[str]) -> list[str]:
    """Return the names of the figures that are not the same number; a sum over nothing is 0 and NULL."""
    found = []
    for name in {**one, **other}:
        column, _, what = name.rpartition(" ")
        first, second = one.get(name), other.get(name)
        if what not in ("min", "max"):
            first, second = first or "0", second or "0"
        if (first is None) != (second is None) or (first and second and not _same(first, second, column in floats)):
            found.append(name)
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """The figures of one range's batches, and the names of those that are others at the source.

    `masked`: of columns that are masked, how many values they had before; `against` is of what they were then.
    """

    batches: Figures
    against: tuple[str, ...] = ()
    masked: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Both:
    """The figures of batches before their masks, to be compared with the source's, and after them, with the target's."""

    before: Figures = field(repr=False)
    after: Figures


def both(batch: Batch, spec: TableSpec) -> Both:
    """Return the figures of a batch before and after its masks; without masks they are the same."""
    after = figures(batch.good, spec.written)
    if batch.before is None:
        return Both(after, after)
    secret = dataclasses.replace(spec.unmasked, casts=tuple(item.unmasked for item in spec.masked))
    # Of columns that are not masked they are the same.
    own = {name for item in spec.masked for name in after if name.rpartition(" ")[0] == item.column}
    plain = {name: value for name, value in after.items() if name not in own}
    return Both(plain | dict(figures(batch.before, secret)), after)


def all_of(parts: Sequence[Both]) -> Both:
    """Return the figures of all batches together."""
    return Both(together(part.before for part in parts), together(part.after for part in parts))


def floats_of(spec: TableSpec) -> frozenset[str]:
    """Return the columns whose minima and maxima are floats, which the servers spell in more than one way."""
    return frozenset(item.column for item in spec.casts if item.target_type.base in TARGET_FLOATS)


def together(parts: Iterable[Figures]) -> Figures:
    """Return the figures of all batches together."""
    total: Figures = {}
    for part in parts:
        total = summed(total, part)
    return total


def _extension(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType)


def _expression(name: str, casts: Mapping[str, Cast], frame: pl.DataFrame) -> pl.Expr | None:
    """Return the expression of a figure, or None when Polars cannot have the column."""
    column, what = name.rsplit(" ", 1)
    if column not in frame.columns:
        return None
    base = casts[column].target_type.base
    x = pl.col(column)
    if what == "count":
        return x.count().cast(pl.Int128)
    if what == "length":
        return (x.bin.size() if base == "bytea" else x.str.len_bytes()).cast(pl.Int128).sum()
    if base in TARGET_FLOATS:
        x = x.cast(pl.Float64)
        if what == "sum":
            return (x.filter(x.abs() < 1e11) * 1e4).floor().cast(pl.Int128).sum()
    elif base == "timestamp":
        x = x.cast(pl.Datetime("us")).to_physical().cast(pl.Int128)
        x = pl.when(x < _MARCH_0 * _DAY).then(x + _DAY).otherwise(x)
    elif base == "date":
        x = x.to_physical().cast(pl.Int128)
        x = pl.when(x < _MARCH_0).then(x + 1).otherwise(x)
    elif base == "time":
        x = x.to_physical().cast(pl.Int128) // 1000
    else:
        x = x.to_physical().cast(pl.Int128)
    return {"min": x.min(), "max": x.max(), "sum": x.sum()}[what]


def _computed(column: pa.ChunkedArray, what: str) -> object:
    """Return the figure of a column that Polars cannot have: a decimal, or text marked as JSON."""
    if what == "count":
        return len(column) - column.null_count
    if len(column) == column.null_count:
        return None
    if what == "sum":
        return functools.reduce(_EXACT.add, column.drop_null().to_pylist()) if _wide(column) else pc.sum(column).as_py()
    return pc.min_max(column)[what].as_py()


def _wide(column: pa.ChunkedArray) -> bool:
    """Tell whether a sum in Arrow could be more than it can hold."""
    return bool(column.type.precision > SUMMED_DIGITS)


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _both(what: str, one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one if other is None else other
    if what in ("min", "max"):
        return (min if what == "min" else max)(one, other, key=_order)
    return str(_EXACT.add(Decimal(one), Decimal(other)))


def _order(text: str) -> tuple[bool, Decimal]:
    """Return what a figure is sorted by: NaN, which the target may hold, comes last, as in Postgres."""
    figure = Decimal(text)
    return figure.is_nan(), Decimal(0) if figure.is_nan() else figure


def _same(one: str, other: str, floating: bool) -> bool:
    return float(one) == float(other) if floating else Decimal(one) == Decimal(other)
