"""A batch as connectorx delivered it -> the rows to copy, the rejects, and what was changed on the way.

Columns whose type needs a hand go through Polars, all in one select; the others keep the very Arrow buffers they came
in. The checks on rows look at what is good then, and reject some of it. A row is good or rejected, never both and never
neither: good + rejects = read, which is counted first. A value that is changed on the way
(an invalid date to NULL, a NUL byte stripped, a key that jsonb has once) is counted per column.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from bulketl.rows import masking
from bulketl.rows.jsontext import altered
from bulketl.rows.reject import Reject, reject
from bulketl.rows.row_checks import Fault, failing
from bulketl.rows.unpack import spelt, unpacked, unreadable
from bulketl.tables.alterations import INVALID_DATE, NUL_BYTE
from bulketl.tables.casts import Cast
from bulketl.tables.checks import Severity
from bulketl.tables.spec import TableSpec

_INTEGERS = {"int16": pl.Int16, "int32": pl.Int32, "int64": pl.Int64, "uint64": pl.UInt64}
KEPT_REJECTS = 1000  # of a table that fails for them: enough to see why
_TIME = r"^(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?$"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows ready to copy, in wire types, with what became of the others of the `read` ones that came from the source.

    `changed` counts per (column, change), `checks` per (severity, check) the rows that fail it; `failing` are some of
    those for which the table is to fail.
    """

    good: pa.Table
    read: int
    rejects: tuple[Reject, ...] = ()
    changed: dict[tuple[str, str], int] = field(default_factory=dict)
    checks: dict[tuple[Severity, str], int] = field(default_factory=dict)
    failing: tuple[Reject, ...] = ()
    before: pa.Table | None = field(default=None, repr=False)  # the columns of `good` that are masked, before they were


def coerce(rows: pa.Table, spec: TableSpec, null_bits: list[list[str]], mask_key: str = "") -> Batch:
    """Return the rows in their wire types, apart from those that cannot be; what is masked is masked, rejects too.

    `rows` has a column per cast, in its order, packed where the spec says so, and then one bit mask per list of `null_bits`:
    bit n is set where the n-th column of the list is not NULL at the source. Raise nothing for a value, but DataError for
    an expression that cannot be computed of one; a wrong shape is a bug. ConfigError when a mask needs a key, and
    `mask_key` is ''.
    """
    batch = _coerced(rows, spec.unmasked, null_bits)
    if not spec.masked:
        return batch
    good, withheld = masking.masked(batch.good, spec, mask_key)
    return dataclasses.replace(
        batch, good=good, before=batch.good.select([item.column for item in spec.masked]),
        rejects=masking.hidden(batch.rejects, spec), failing=masking.hidden(batch.failing, spec),
        changed=batch.changed | withheld,
    )  # fmt: skip


def _coerced(rows: pa.Table, spec: TableSpec, null_bits: list[list[str]]) -> Batch:
    read = rows.num_rows
    changed: dict[tuple[str, str], pa.Array] = {}  # column, kind -> mask of its rows
    bad: dict[str, tuple[str, pa.Array]] = {}  # column -> reason, mask of its rows
    raw = rows.select([item.column for item in spec.casts])
    cleaned = _clean(raw, spec)
    packed = {item.column for item in spec.packed_casts}
    columns = []
    for item in spec.casts:
        column = cleaned.get(item.column, raw.column(item.column))
        if column.null_count > raw.column(item.column).null_count:
            _lost(item, column, raw.column(item.column), item.column in packed, bad, changed)
        if item.wire in ("string", "extension<arrow.json>"):
            column = _text(item, column, spec, bad, changed)
        if item.column not in packed and item.guarded and column.null_count:
            changed[item.column, INVALID_DATE] = _invalid_dates(rows, item, null_bits)
        columns.append(_extended(column) if item.clean == "json" else column)
    for name in spec.key:
        column = columns[raw.schema.get_field_index(name)]
        if column.null_count:
            reason, mask = bad.get(name, ("is no valid value, and part of the key", pc.is_null(column)))
            bad[name] = (reason, pc.or_(mask, pc.is_null(column)))
    good = pa.Table.from_arrays(columns, names=raw.column_names)
    rejects: tuple[Reject, ...] = ()
    if bad:
        keep = pc.invert(functools.reduce(pc.or_, (mask for _, mask in bad.values())))
        rejects = _rejects(raw, spec, bad, keep)
        raw, good = raw.filter(keep), good.filter(keep)
        changed = {what: mask.filter(keep) for what, mask in changed.items()}
    batch = Batch(good, read, rejects)
    if spec.checks:
        batch, changed = _checked(batch, raw, spec, changed)
    counts = {what: int(pc.sum(mask).as_py() or 0) for what, mask in changed.items()}
    return dataclasses.replace(batch, changed={what: count for what, count in counts.items() if count})


def _lost(
    item: Cast,
    column: pa.ChunkedArray,
    raw: pa.ChunkedArray,
    packed: bool,
    bad: dict[str, tuple[str, pa.Array]],
    changed: dict[tuple[str, str], pa.Array],
) -> None:
    """Note in `bad` and `changed` the values that became NULL on the way."""
    mask = pc.and_(pc.is_null(column), pc.is_valid(raw))
    reason = "holds bytes that are no UTF-8 text" if item.clean == "text" else f"does not fit {item.target}"
    if packed:
        unknown = unreadable(raw, item)
        if item.guarded:
            changed[item.column, INVALID_DATE] = pc.and_(mask, pc.invert(unknown))
            mask = unknown
        if pc.any(unknown).as_py():
            reason = f"arrived as a number that no {item.source} is read as"
    if pc.any(mask).as_py():
        bad[item.column] = (reason, mask)


def _text(
    item: Cast,
    column: pa.ChunkedArray,
    spec: TableSpec,
    bad: dict[str, tuple[str, pa.Array]],
    changed: dict[tuple[str, str], pa.Array],
) -> pa.ChunkedArray:
    """Return a column of text as Postgres can have it; note in `bad` and `changed` which rows that rejects and changes."""
    if _has_nul(column):
        mask = pc.fill_null(pc.match_substring(column, "\0"), False)
        if spec.nul_bytes == "reject":
            bad[item.column] = ("holds a NUL byte, which Postgres has no place for", mask)
        else:
            changed[item.column, NUL_BYTE] = mask
            column = pc.replace_substring(column, "\0", "")
    if (cut := _cut(item, column)) is not None:
        bad.setdefault(item.column, (f"does not fit {item.target}", cut))
    if item.labels:
        known = pc.is_in(column, value_set=pa.array(item.labels, column.type))
        other = pc.and_(pc.is_valid(column), pc.invert(known))
        if pc.any(other).as_py():
            bad.setdefault(item.column, (f"is no label of {item.target}", other))
    if item.clean == "json":
        kinds = altered(column, parsed=item.source_type.base == "json")
        changed |= {(item.column, kind): mask for kind, mask in kinds.items()}
    return column


def _checked(
    batch: Batch, raw: pa.Table, spec: TableSpec, changed: dict[tuple[str, str], pa.Array]
) -> tuple[Batch, dict[tuple[str, str], pa.Array]]:
    """Return the batch without the rows that a check rejects, with what the checks found, and the masks to match.

    `raw` are its good rows as they were read.
    """
    faults = failing(batch.good, spec.checks)
    wrong = {severity: [f for f in faults if f.check.severity == severity] for severity in ("reject", "fail")}
    good, rejects = batch.good, batch.rejects
    some = _failing(raw, spec, wrong["fail"], KEPT_REJECTS) if wrong["fail"] else ()
    if wrong["reject"]:
        keep = pc.invert(functools.reduce(pc.or_, (fault.mask for fault in wrong["reject"])))
        rejects += _failing(raw, spec, wrong["reject"], raw.num_rows)
        good = good.filter(keep)
        changed = {what: mask.filter(keep) for what, mask in changed.items()}
    found = {(fault.check.severity, fault.check.label): fault.rows for fault in faults}
    return dataclasses.replace(batch, good=good, rejects=rejects, checks=found, failing=some), changed


def _clean(raw: pa.Table, spec: TableSpec) -> dict[str, pa.ChunkedArray]:
    """Return the columns that Polars converts, by name; a value that does not convert is NULL there."""
    packed = spec.packed_casts
    others = [item for item in spec.casts if item not in packed]
    raw_texts = [item.column for item in others if item.clean == "text"]
    wide = {item.column: item for item in others if item.wire.startswith("decimal256")}
    items = [item for item in others if item.clean in _CLEANERS and item.column not in wide]
    cleaned = unpacked(raw, packed) if packed else {}
    if items:
        frame = pl.DataFrame(raw.select([item.column for item in items]))
        table = frame.select(_CLEANERS[item.clean](item) for item in items).to_arrow()
        for item in items:
            column = table.column(item.column)
            # Polars keeps a time of day in nanoseconds only; these have microseconds, so nothing is cut.
            cleaned[item.column] = column.cast(pa.time64("us")) if item.clean == "time" else column
    for name, item in wide.items():  # Polars ends at 38 digits; pyarrow refuses instead of rounding
        precision, scale = item.target_type.sizes
        cleaned[name] = raw.column(name).cast(pa.decimal256(precision, scale))
    return cleaned | {name: _decoded(raw.column(name)) for name in raw_texts}


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bytes as text, NULL where they are no UTF-8; each distinct value is decoded once, for there are few."""
    if not pa.types.is_large_binary(column.type):
        return column
    chunks = [chunk.dictionary_encode() for chunk in column.chunks]
    words = ([_utf8(value) for value in chunk.dictionary.to_pylist()] for chunk in chunks)
    return pa.chunked_array(
        [pa.array(some, pa.string()).take(chunk.indices) for some, chunk in zip(words, chunks, strict=True)], pa.string()
    )


def _utf8(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _decimal(item: Cast) -> pl.Expr:
    precision, scale = item.target_type.sizes
    return pl.col(item.column).cast(pl.Decimal(precision, scale), strict=False)


def _integer(item: Cast) -> pl.Expr:
    return pl.col(item.column).cast(_INTEGERS[item.wire], strict=False)


def _boolean(item: Cast) -> pl.Expr:
    # Not cast(Boolean): that takes any number but 0 as true, and "booleans" hold 2 or 255 at times.
    return pl.when(pl.col(item.column).is_in([0, 1])).then(pl.col(item.column) == 1).alias(item.column)


def _duration(item: Cast) -> pl.Expr:
    # TIME goes from -838:59:59 to 838:59:59; text parts to microseconds, exact (docs/types.md).
    parts = pl.col(item.column).str.extract_groups(_TIME).struct
    seconds = parts["2"].cast(pl.Int64) * 3600 + parts["3"].cast(pl.Int64) * 60 + parts["4"].cast(pl.Int64)
    micros = seconds * 1_000_000 + parts["5"].fill_null("0").str.pad_end(6, "0").cast(pl.Int64)
    return pl.when(parts["1"] == "-").then(-micros).otherwise(micros).cast(pl.Duration("us")).alias(item.column)


_CLEANERS: dict[str, Callable[[Cast], pl.Expr]] = {
    "decimal": _decimal,
    "integer": _integer,
    "boolean": _boolean,
    "duration": _duration,
    "bit": lambda item: pl.col(item.column) == pl.lit(b"\x01"),
    "double": lambda item: pl.col(item.column).cast(pl.Float64),
    "instant": lambda item: pl.col(item.column).cast(pl.Datetime("us", "UTC")),
    "time": lambda item: pl.col(item.column).str.to_time("%H:%M:%S%.f", strict=False),
}


def _extended(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Mark text as JSON: COPY into jsonb needs the type's own form, and the driver makes it of this extension only."""
    kind = pa.json_(column.type)
    return pa.chunked_array([pa.ExtensionArray.from_storage(kind, chunk) for chunk in column.chunks], kind)


def _has_nul(column: pa.ChunkedArray) -> bool:
    # A search through the bytes of the values costs a memcpy; one per value costs fifty times that.
    return any((data := chunk.buffers()[2]) is not None and b"\0" in data.to_pybytes() for chunk in column.chunks)


def _cut(item: Cast, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a mask of the texts of which Postgres would cut blanks at the end without a word, None where it cannot be.

    That is what it does to a text that is too long for a declared varchar(n) by blanks alone; others it refuses.
    """
    base, sizes = item.target_type.base, item.target_type.sizes
    source = item.source_type
    if base != "varchar" or not sizes or (source.base in ("char", "varchar") and source.sizes[0] <= sizes[0]):
        return None
    mask = pc.and_(pc.greater(pc.utf8_length(column), sizes[0]), pc.ends_with(column, " "))
    return pc.fill_null(mask, False) if pc.any(mask).as_py() else None


def _invalid_dates(rows: pa.Table, item: Cast, null_bits: list[list[str]]) -> pa.Array:
    """Return a mask of the rows whose date was none: NULL now, and not NULL at the source."""
    gone = pc.is_null(rows.column(item.column))
    for n, names in enumerate(null_bits):
        if item.column in names:
            bit = pa.scalar(1 << names.index(item.column), pa.uint64())
            mask = rows.column(rows.num_columns - len(null_bits) + n).cast(pa.uint64())
            return pc.and_(gone, pc.not_equal(pc.bit_wise_and(mask, bit), 0))
    return gone


def _rejects(raw: pa.Table, spec: TableSpec, bad: dict[str, tuple[str, pa.Array]], keep: pa.Array) -> tuple[Reject, ...]:
    gone = pc.invert(keep)
    faults = {name: (reason, mask.filter(gone).to_pylist()) for name, (reason, mask) in bad.items()}
    rejects = []
    for index, row in enumerate(_readable(raw.filter(gone), spec)):
        name, reason = next((n, reason) for n, (reason, mask) in faults.items() if mask[index])
        rejects.append(reject(row, spec, [name], reason))
    return tuple(rejects)


def _failing(raw: pa.Table, spec: TableSpec, faults: list[Fault], most: int) -> tuple[Reject, ...]:
    """Return the records of rows that fail one of the checks, each with the first it fails; at most `most`."""
    which = functools.reduce(pc.or_, (fault.mask for fault in faults))
    masks = [fault.mask.filter(which).slice(0, most).to_pylist() for fault in faults if fault.mask is not None]
    rejects = []
    for index, row in enumerate(_readable(raw.filter(which).slice(0, most), spec)):
        check = next(fault.check for fault, mask in zip(faults, masks, strict=True) if mask[index])
        rejects.append(reject(row, spec, check.columns, f"fails {check.label}"))
    return tuple(rejects)


def _readable(raw: pa.Table, spec: TableSpec) -> list[dict[str, object]]:
    """Return rows as they were read, what was packed as MySQL prints it."""
    rows: list[dict[str, object]] = raw.to_pylist()
    for item in spec.packed_casts:
        for row, value in zip(rows, spelt(raw.column(item.column), item), strict=True):
            row[item.column] = value
    return rows
