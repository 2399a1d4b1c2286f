"""What a check passes is what a plain model of it passes, NULLs included; what cannot be checked is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulketl.config.config import Config
from bulketl.errors import DataError
from bulketl.rows.coerce import coerce
from bulketl.rows.row_checks import failing
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.checks import Check, CheckKind, Severity, Value, passes, said, span
from bulketl.tables.spec import TableSpec

SEVERITIES = st.sampled_from(["warn", "reject", "fail"])
INTS = st.integers(-(2**15), 2**15 - 1)
BOUNDS = st.one_of(st.none(), INTS, st.integers(-(2**70), 2**70), st.floats(-40000, 40000, allow_nan=False))
WORDS = st.text(alphabet="abAB1.é😀 \n", max_size=5)


def found(values: Sequence[Any], kind: pa.DataType, check: Check, passes: Callable[[Any], bool]) -> None:
    """Assert that the check, unless it allows everything, finds and marks just the rows that the model does not pass."""
    assume(check.kind not in ("range", "length") or check.low is not None or check.high is not None)
    expected = [value is not None and not passes(value) for value in values]
    faults = failing(pa.table({"c": pa.array(values, kind)}), [check])
    assert sum(fault.rows for fault in faults) == sum(expected)
    if any(expected) and check.severity != "warn":
        assert faults[0].mask is not None
        assert faults[0].mask.to_pylist() == expected


def between(low: Any, high: Any) -> Callable[[Any], bool]:
    return lambda value: (low is None or value >= low) and (high is None or value <= high)


@given(
    st.lists(st.none() | st.integers(-128, 127) | st.integers(-3, 3)), BOUNDS, BOUNDS, SEVERITIES,
    st.sampled_from([pa.int8(), pa.int16(), pa.int64()]),
)  # fmt: skip
def test_a_range_of_integers(
    values: list[int | None], low: Value | None, high: Value | None, severity: Severity, kind: pa.DataType
) -> None:
    """Bounds may be fractions, or lie beyond the column's type."""
    found(values, kind, Check("range", ("c",), severity, low, high), between(low, high))


@given(st.lists(st.none() | st.integers(0, 2**64 - 1)), BOUNDS, BOUNDS)
def test_a_range_of_unsigned_integers(values: list[int | None], low: Value | None, high: Value | None) -> None:
    """Beyond what a signed integer holds too."""
    found(values, pa.uint64(), Check("range", ("c",), "reject", low, high), between(low, high))


@given(
    st.lists(st.none() | st.decimals(-99999, 99999, places=2)),
    st.none() | st.integers(-(10**12), 10**12) | st.floats(-100000, 100000, allow_nan=False),
    st.none() | st.integers(-(10**12), 10**12) | st.floats(-100000, 100000, allow_nan=False),
)  # fmt: skip
def test_a_range_of_decimals_is_exact(values: list[Decimal | None], low: Value | None, high: Value | None) -> None:
    """A bound is the decimal that a person wrote, not the float next to it."""
    bounds = [None if bound is None else Decimal(repr(bound)) for bound in (low, high)]
    found(values, pa.decimal128(7, 2), Check("range", ("c",), "reject", low, high), between(*bounds))


@given(
    st.lists(st.none() | st.floats(-100, 100, allow_nan=False)),
    st.none() | st.floats(-100, 100),
    st.none() | st.floats(-100, 100),
)
def test_a_range_of_floats(values: list[float | None], low: Value | None, high: Value | None) -> None:
    """-0.0 is 0."""
    found(values, pa.float64(), Check("range", ("c",), "fail", low, high), between(low, high))


@given(
    st.lists(st.none() | st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1))),
    st.none() | st.dates(dt.date(1990, 1, 1), dt.date(2040, 1, 1)),
    st.none() | st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1)),
)
def test_a_range_of_times(values: list[dt.datetime | None], low: dt.date | None, high: dt.datetime | None) -> None:
    """A date is its midnight."""
    start = None if low is None else low if isinstance(low, dt.datetime) else dt.datetime.combine(low, dt.time())
    found(values, pa.timestamp("us"), Check("range", ("c",), "reject", low, high), between(start, high))
    days = [None if value is None else value.date() for value in values]
    day = None if low is None else low.date() if isinstance(low, dt.datetime) else low
    found(days, pa.date32(), Check("range", ("c",), "reject", day, None), between(day, None))


@given(st.lists(st.none() | INTS), st.lists(INTS, min_size=1), st.lists(st.none() | WORDS), st.lists(WORDS, min_size=1))
def test_one_of(values: list[int | None], allowed: list[int], texts: list[str | None], words: list[str]) -> None:
    """Numbers and texts; case counts."""
    found(values, pa.int16(), Check("one_of", ("c",), "reject", values=tuple(allowed)), lambda v: v in allowed)
    found(texts, pa.string(), Check("one_of", ("c",), "reject", values=tuple(words)), lambda v: v in words)


@given(st.lists(st.none() | WORDS), st.integers(0, 5), st.none() | st.integers(0, 5))
def test_a_length_counts_characters(texts: list[str | None], low: int, high: int | None) -> None:
    """Not bytes."""
    found(texts, pa.string(), Check("length", ("c",), "reject", low, high), lambda v: between(low, high)(len(v)))


@given(st.lists(st.none() | WORDS), st.sampled_from(["a", "^a", "b$", "^[aA]+$", r"\.", "^$", "é|😀"]))
def test_a_pattern_is_searched_for(texts: list[str | None], pattern: str) -> None:
    """Anywhere, unless it is anchored; `$` is the very end."""
    model = re.compile(pattern.replace("$", r"\Z"))
    found(texts, pa.string(), Check("regex", ("c",), "reject", text=pattern), lambda v: model.search(v) is not None)


@given(st.lists(st.tuples(st.none() | INTS, st.none() | INTS)), SEVERITIES)
def test_an_expression_that_is_null_passes(rows: list[tuple[int | None, int | None]], severity: Severity) -> None:
    """As in SQL: only what is false fails."""
    table = pa.table({"a": pa.array([a for a, _ in rows], pa.int16()), "b": pa.array([b for _, b in rows], pa.int16())})
    expected = [None not in (a, b) and not (a or 0) <= (b or 0) for a, b in rows]
    faults = failing(table, [Check("expression", ("a", "b"), severity, text="a <= b")])
    assert sum(fault.rows for fault in faults) == sum(expected)


@given(st.lists(st.none() | INTS), SEVERITIES)
def test_not_null(values: list[int | None], severity: Severity) -> None:
    """The one check that a NULL does not pass."""
    faults = failing(pa.table({"c": pa.array(values, pa.int16())}), [Check("not_null", ("c",), severity)])
    assert sum(fault.rows for fault in faults) == values.count(None)


def spec(*checks: Check, key: tuple[str, ...] = ("id",)) -> TableSpec:
    columns = [Column("id", "int", False), Column("n", "smallint", True), Column("t", "varchar(20)", True)]
    return TableSpec("t", "raw", tuple(cast(column, "") for column in columns), key, "create", checks=checks)


@given(st.lists(st.tuples(st.none() | st.integers(-5, 5), st.none() | WORDS), min_size=1), st.permutations(range(3)))
def test_a_row_is_good_or_rejected_once(rows: list[tuple[int | None, str | None]], order: list[int]) -> None:
    """good + rejects = read; the reason is the first check that fails, in the order of the file."""
    checks = [
        Check("range", ("n",), "reject", 0), Check("length", ("t",), "reject", None, 2), Check("range", ("n",), "warn", 3),
    ]  # fmt: skip
    model: list[Callable[[int | None, str | None], bool]] = [
        lambda n, t: n is not None and n < 0,
        lambda n, t: t is not None and len(t) > 2,
        lambda n, t: False,
    ]
    raw = pa.table({
        "id": pa.array(range(len(rows)), pa.int32()), "n": pa.array([n for n, _ in rows], pa.int16()),
        "t": pa.array([t for _, t in rows], pa.string()),
    })  # fmt: skip
    batch = coerce(raw, spec(*(checks[n] for n in order)), [])
    why = [next((checks[k].label for k in order if model[k](n, t)), None) for n, t in rows]
    assert batch.read == len(rows) == batch.good.num_rows + len(batch.rejects)
    assert batch.good.column("id").to_pylist() == [n for n, reason in enumerate(why) if reason is None]
    assert [(json.loads(r.key)["id"], r.reason) for r in batch.rejects] == [
        (n, f"fails {reason}") for n, reason in enumerate(why) if reason is not None
    ]
    assert batch.checks.get(("warn", "range n 3.."), 0) == sum(n is not None and n < 3 for n, _ in rows)


def test_a_row_that_fails_the_table_stays_and_is_shown() -> None:
    """The table will fail; the row is there for people to look at, as it was read."""
    raw = pa.table({"id": pa.array([1, 2], pa.int32()), "n": pa.array([5, -5], pa.int16()), "t": pa.array(["a", "b"])})
    batch = coerce(raw, spec(Check("expression", ("n", "t"), "fail", text="n > 0 OR t = 'z'")), [])
    assert (batch.good.num_rows, batch.rejects) == (2, ())
    assert [(r.column, r.value, json.loads(r.row)["id"]) for r in batch.failing] == [("n, t", "-5, b", 2)]


def test_an_expression_that_fails_on_a_value_does_not_show_it() -> None:
    """Polars would quote it."""
    table = pa.table({"t": pa.array(["12", "secret"])})
    with pytest.raises(DataError) as raised:
        failing(table, [Check("expression", ("t",), text="t::int > 1")])
    assert "secret" not in str(raised.value) + raised.value.hint
    assert "TRY_CAST" in raised.value.hint
    assert not failing(table, [Check("expression", ("t",), text="TRY_CAST(t AS int) > 1")])


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_figures_are_judged_with_both_ends_included(figure: int, low: int, high: int) -> None:
    """Counts and sums; rows at fault; the age of the newest row."""
    assert passes(Check("row_count", low=low, high=high), figure) == (low <= figure <= high)
    assert passes(Check("sum", ("c",), low=low), figure) == (figure >= low)
    assert passes(Check("unique", ("c",)), figure) == (figure == 0)
    assert passes(Check("fresh", ("c",), seconds=low), figure) == (figure <= low)
    assert not passes(Check("fresh", ("c",), seconds=low), None)


def test_what_was_found_is_said_in_words() -> None:
    """A figure alone says nothing."""
    assert said("row_count 5..", 3) == "it has 3"
    assert said("sum x 0..", -1.5) == "it is -1.5"
    assert said("fresh x within 2d", 259200) == "the newest is 3d old"
    assert said("fresh x within 2d", -1) == "there is none"
    assert said("range x 0..", 1) == "1 row"
    assert said("unique x", 1200) == "1,200 rows with the same values as another row"
    assert [span(n) for n in (30, 90, 5400, 129600)] == ["30s", "1.5m", "1.5h", "1.5d"]


@given(st.integers(0, 1000), st.integers(0, 100))
def test_a_share_of_rejects_is_of_the_rows_read(read: int, hundredths: int) -> None:
    """Rounded down, and exact where the share is."""
    limited = dataclasses.replace(spec(), max_rejects=hundredths / 100)
    assert limited.rejectable(read) == read * hundredths // 100
    assert dataclasses.replace(spec(), max_rejects=7).rejectable(read) == 7


@pytest.mark.parametrize(
    ("written", "expected"), [(0, 0), (12, 12), ("0.1%", 0.001), (0.5, 0.5), ("100%", 1.0), ("1.5%", 0.015)]
)
def test_max_rejects_is_a_number_or_a_share(written: Any, expected: float) -> None:
    """And is what it was written as."""
    limit = Config.model_validate({"max_rejects": written}).max_rejects
    assert (limit, type(limit)) == (expected, type(expected))


@pytest.mark.parametrize("written", [-1, 1.5, "101%", "few", True, None, [1], -0.1])
def test_max_rejects_of_another_kind_is_refused(written: Any) -> None:
    """With what is expected."""
    with pytest.raises(ValueError, match="a number of rows is expected"):
        Config.model_validate({"max_rejects": written})


KINDS: tuple[CheckKind, ...] = ("range", "length", "regex")


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_rows_passes(kind: CheckKind) -> None:
    """An empty table has no fault in its rows."""
    table = pa.table({"c": pa.array([], pa.int32() if kind == "range" else pa.string())})
    assert (
        failing(table, [Check(kind, ("c",), low=None if kind == "regex" else 1, text="a" if kind == "regex" else "")]) == []
    )
