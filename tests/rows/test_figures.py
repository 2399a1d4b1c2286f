"""The figures of a certificate: exact over any values, added up in any order, compared as numbers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulketl.rows.aggregates import ROWS, aggregates, same
from bulketl.rows.coerce import Batch
from bulketl.rows.figures import SUMMED_DIGITS, all_of, both, figure_names, figures, floats_of, summed, together, unequal
from bulketl.rows.jsontext import altered, json_changes
from bulketl.rows.masking import masked
from bulketl.rows.months import MonthCount, MonthsAsked, totals
from bulketl.tables.alterations import DOUBLE_KEY, MINUS_ZERO
from bulketl.tables.casts import Masked, cast
from bulketl.tables.catalog import Column
from bulketl.tables.masks import Mask
from bulketl.tables.spec import TableSpec


def spec_of(*kinds: str) -> TableSpec:
    casts = tuple(cast(Column(f"c{n}", kind, True)) for n, kind in enumerate(kinds))
    return TableSpec("t", "s", casts, (), "create")


def figured(kind: str, values: list[Any], arrow: pa.DataType) -> dict[str, str | None]:
    """Return the figures of one column by what they are, the number of rows left out."""
    found = figures(pa.table({"c0": pa.array(values, arrow)}), spec_of(kind))
    assert found[ROWS] == str(len(values))
    return {name.removeprefix("c0 "): value for name, value in found.items() if name != ROWS}


@settings(max_examples=30)
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_are_summed_exactly(values: list[int | None]) -> None:
    """Beyond 64 bits too; of nothing there is no minimum."""
    there = [value for value in values if value is not None]
    assert figured("bigint", values, pa.int64()) == {
        "count": str(len(there)), "min": str(min(there)) if there else None, "max": str(max(there)) if there else None,
        "sum": str(sum(there)),
    }  # fmt: skip


@given(st.lists(st.none() | st.decimals(-(10**20), 10**20, places=4), max_size=20), st.sampled_from([28, 29, 38]))
def test_decimals_are_summed_exactly_whatever_their_digits(values: list[Decimal | None], digits: int) -> None:
    there = [value for value in values if value is not None]
    found = figured("decimal(28,4)", values, pa.decimal128(digits, 4))
    assert found["count"] == str(len(there))
    assert (found["sum"] is None) == (not there)
    if there:
        assert Decimal(found["sum"] or 0) == sum(there)
        assert (Decimal(found["min"] or 0), Decimal(found["max"] or 0)) == (min(there), max(there))


def test_a_wide_decimal_has_a_sum_of_more_digits_than_arrow_holds() -> None:
    most = Decimal("9" * 38)
    assert figured("decimal(38,0)", [most] * 11, pa.decimal128(38, 0))["sum"] == str(int(most) * 11)
    assert SUMMED_DIGITS == 28
    huge = Decimal("9" * 60)
    assert figured("decimal(60,0)", [huge, huge], pa.decimal256(60, 0))["sum"] == str(int(huge) * 2)


@settings(max_examples=30)
@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=10))
def test_a_float_is_summed_in_whole_ten_thousandths_below_a_hundred_thousand_million(values: list[float | None]) -> None:
    there = [value for value in values if value is not None]
    found = figured("double", values, pa.float64())
    assert found["sum"] == str(sum(math.floor(value * 1e4) for value in there if abs(value) < 1e11))
    assert found["count"] == str(len(there))
    assert [found["min"], found["max"]] == ([repr(min(there)), repr(max(there))] if there else [None, None])


def test_the_end_of_what_is_summed_of_floats() -> None:
    below = math.nextafter(1e11, 0)
    assert figured("double", [1e11, -1e11], pa.float64())["sum"] == "0"
    assert figured("double", [below], pa.float64())["sum"] == str(math.floor(below * 1e4))


def test_times_are_whole_units_and_before_march_of_year_0_a_day_more() -> None:
    """As MySQL counts them."""
    day = [dt.date(1970, 1, 2), dt.date(1969, 12, 31), None]
    assert figured("date", day, pa.date32()) == {"count": "2", "min": "-1", "max": "1", "sum": "0"}
    ancient = pa.array([-719_469, -719_468], pa.int32()).cast(pa.date32())
    found = figures(pa.table({"c0": ancient}), spec_of("date"))
    assert (found["c0 min"], found["c0 max"]) == ("-719468", "-719468")
    moment = dt.datetime(1970, 1, 1, 0, 0, 1, 5)
    assert figured("datetime(6)", [moment], pa.timestamp("us"))["sum"] == "1000005"
    old = pa.array([-719_469 * 86_400_000_000, -719_468 * 86_400_000_000], pa.timestamp("us"))
    found = figures(pa.table({"c0": old}), spec_of("datetime(6)"))
    assert found["c0 min"] == found["c0 max"] == str(-719_468 * 86_400_000_000)


def test_texts_and_bytes_have_their_lengths_in_bytes() -> None:
    assert figured("text", ["aä", None, ""], pa.string()) == {"count": "2", "length": "3"}
    assert figured("blob", [b"\x00\xff", None], pa.large_binary()) == {"count": "1", "length": "2"}
    assert figured("tinyint(1)", [1, 0, 1], pa.int8())["sum"] == "2"


NUMBERS = st.none() | st.integers(-99, 99).map(str)


@given(st.lists(st.dictionaries(st.sampled_from(["rows", "a min", "a max", "a sum", "b count"]), NUMBERS)))
def test_figures_of_batches_are_added_up_in_any_order(parts: list[dict[str, str | None]]) -> None:
    """A minimum stays one; nothing beside a number is the number."""
    whole = together(parts)
    assert whole == together(reversed(parts))
    for name in {name for part in parts for name in part}:
        there = [int(value) for part in parts if (value := part.get(name)) is not None]
        how = {"min": min, "max": max}.get(name.rsplit(" ", 1)[-1], sum)
        assert whole[name] == (str(how(there)) if there else None)


def test_nan_is_the_greatest_as_in_postgres() -> None:
    one = {"a min": "NaN", "a max": "NaN", "a sum": "1"}
    found = summed(one, {"a min": "5", "a max": "5", "a sum": "2.5"})
    assert found == {"a min": "5", "a max": "NaN", "a sum": "3.5"}
    assert summed({"a max": "-5"}, {"a max": "NaN"}) == {"a max": "NaN"}
    exact = "1" + "0" * 60
    assert summed({"a sum": exact}, {"a sum": "0.001"}) == {"a sum": exact + ".001"}


@pytest.mark.parametrize(
    ("name", "one", "other", "floats", "equal"),
    [
        ("a sum", "1", "1.0", (), True), ("a sum", None, "0", (), True), ("a sum", "0", None, (), True),
        ("a count", None, "1", (), False), ("a min", None, "0", (), False), ("a max", "0", None, (), False),
        ("a min", None, None, (), True), ("a min", "1e22", "10000000000000000000000", (), True),
        ("a min", "0.1", "0.1000000000000000055", ("a",), True), ("a min", "0.1", "0.1000000000000000055", (), False),
        ("a min", "0.1", "0.1000000000000000055", ("b",), False), ("a b max", "1", "2", (), False),
        ("a length", "", "0", (), True), ("a max", "0", "0.0", (), True),
    ],
)  # fmt: skip
def test_figures_are_compared_as_numbers(
    name: str, one: str | None, other: str | None, floats: tuple[str, ...], equal: bool
) -> None:
    """A sum over nothing is none, or 0; a minimum of nothing is not 0; a float may be spelt in more than one way."""
    assert unequal({name: one}, {name: other}, frozenset(floats)) == ([] if equal else [name])
    assert unequal({name: other}, {name: one}, frozenset(floats)) == ([] if equal else [name])


def test_a_figure_that_one_side_lacks_is_unequal_where_it_is_something() -> None:
    assert unequal({"a sum": "1"}, {}, frozenset()) == ["a sum"]
    assert unequal({}, {"a sum": "0", "a min": "0"}, frozenset()) == ["a min"]
    assert same("1", "1.0")
    assert same(None, None)
    assert not same(None, "0")
    assert not same("1", "2")


def test_before_its_masks_a_batch_is_compared_with_the_source_and_after_them_with_the_target() -> None:
    """Of what is not masked the figures are the same; masked columns have counts alone in none of the two."""
    plain = spec_of("int", "text")
    secret = dataclasses.replace(plain.casts[0], masked=Masked(Mask("constant", value="7"), "integer", "int32"))
    spec = dataclasses.replace(plain, casts=(secret, plain.casts[1]))
    rows = pa.table({"c0": pa.array([1, 2, None], pa.int32()), "c1": ["x", None, "yz"]})
    after, _ = masked(rows, spec, "")
    found = both(Batch(after, 0, (), {}, before=rows), spec)
    assert (found.before["c0 sum"], found.before["c1 length"], found.before[ROWS]) == ("3", "3", "3")
    assert (found.after["c0 sum"], found.after["c1 length"], found.after[ROWS]) == ("14", "3", "3")
    assert set(found.before) == set(found.after)
    same_ones = both(Batch(rows, 0, (), {}), plain)
    assert same_ones.before == same_ones.after == figures(rows, plain)
    twice = all_of([found, found])
    assert (twice.before["c0 sum"], twice.after["c0 sum"]) == ("6", "28")
    assert figure_names(spec.written) == [
        "c0 count", "c0 min", "c0 max", "c0 sum", "c1 count", "c1 length",
    ]  # fmt: skip
    assert [one.column for one in aggregates(spec.casts, {"c0": "", "c1": ""})] == ["c1", "c1"]


def test_floats_are_known_by_their_types() -> None:
    assert floats_of(spec_of("int", "float", "double", "text")) == {"c1", "c2"}


TEXTS = st.recursive(
    st.sampled_from(["-0", "-0.0", "-0e5", "-0.5", "0", "1", '"-0"', "null", '"a"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"', '":"', '"a\\""']), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{key} : {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=50)
@given(st.lists(TEXTS | st.none() | st.sampled_from(["{", "-0 x", ""]), max_size=8))
def test_the_rows_that_jsonb_changes_are_found_among_all(texts: list[str | None]) -> None:
    """As each text alone says; of what is no JSON nothing is said."""
    found = altered(pa.chunked_array([texts], pa.string()), parsed=False)
    expected: dict[str, list[bool]] = {}
    for kind in (MINUS_ZERO, DOUBLE_KEY):
        flags = [text is not None and kind in json_changes(text) for text in texts]
        if any(flags):
            expected[kind] = flags
    assert {kind: mask.to_pylist() for kind, mask in found.items()} == expected


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("-0", {MINUS_ZERO}), ("[1,-0.0]", {MINUS_ZERO}), ('{"a":-0e3}', {MINUS_ZERO}), ("-0E3", {MINUS_ZERO}),
        ("-0.01", set()), ("-10", set()),
        ("0", set()), ('"-0"', set()), ('{"a":1,"a":2}', {DOUBLE_KEY}), ('{"a":1,"b":{"a":1}}', set()),
        ('[{"a":1,"\\u0061":-0}]', {DOUBLE_KEY, MINUS_ZERO}), ("{", set()), ("[" * 100_000, set()), ("0.0", set()),
    ],
)  # fmt: skip
def test_what_jsonb_changes_of_one_text(text: str, kinds: set[str]) -> None:
    assert json_changes(text) == kinds


def test_where_the_source_has_read_it_no_key_is_there_twice() -> None:
    """So only a minus is looked for."""
    column = pa.chunked_array([['{"a":1,"a":-0}', '{"a":1,"a":2}']], pa.string())
    assert {kind: mask.to_pylist() for kind, mask in altered(column, parsed=True).items()} == {
        MINUS_ZERO: [True, False], DOUBLE_KEY: [True, False],
    }  # fmt: skip
    assert altered(pa.chunked_array([[]], pa.string()), parsed=False) == {}


def test_sums_of_months_are_exact_in_their_units() -> None:
    expressions = ("", "")
    asked = MonthsAsked(
        "t", "t", "d", expressions, expressions, (("a", expressions, 1), ("b", expressions, 8), ("c", expressions, 2))
    )
    assert totals(asked, [5, "12.5", None]) == (Decimal(5), Decimal("1.5625"), None)
    big = "1" + "0" * 60
    assert totals(dataclasses.replace(asked, sums=asked.sums[:1]), [big]) == (Decimal(big),)
    with pytest.raises(ValueError, match="zip"):
        totals(asked, [1])
    assert (MonthCount(3).dated, MonthCount(3).sums, asked.where, asked.utc) == (0, (), ("TRUE", "TRUE"), False)


def test_a_certificate_of_json_counts_it() -> None:
    column = pa.array(['{"a": 1}', None], pa.string())
    assert json.loads(json.dumps(figures(pa.table({"c0": column}), spec_of("json")))) == {"rows": "2", "c0 count": "1"} | {
        name: value for name, value in figures(pa.table({"c0": column}), spec_of("json")).items() if "length" in name
    }
