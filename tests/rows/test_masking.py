"""Masking in memory: every method over values of every kind, against what it must be by other means."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.errors import ConfigError
from bulketl.rows.coerce import coerce
from bulketl.rows.masking import HIDDEN, hashes, masked, offsets
from bulketl.tables.casts import Cast, Masked
from bulketl.tables.checks import Check
from bulketl.tables.fakes import FAKES, fake
from bulketl.tables.maskkey import derived, fingerprint
from bulketl.tables.masks import RULES, Mask
from bulketl.tables.spec import TableSpec

KEY, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
KINDS: dict[str, tuple[pa.DataType, list[Any], str]] = {
    "text": (pa.string(), ["a", "b", "a", None, "", "x" * 20], "text"),
    "int64": (pa.int64(), [1, 2, 1, None, -5, 0], "bigint"),
    "int8": (pa.int8(), [1, 2, 1, None, -5, 0], "smallint"),
    "uint64": (pa.uint64(), [1, 2, 1, None, 2**64 - 1, 0], "numeric(20,0)"),
    "bytes": (pa.large_binary(), [b"a", b"\x00\xff", b"a", None, b"", b"x"], "bytea"),
}


def spec_of(mask: Mask, before: pa.DataType, target: str, wire: str, after: str = "") -> TableSpec:
    how = Masked(mask, target, str(before))
    casts = (
        Cast("id", "int", "integer", "int32", "`id`", "", nullable=False, guarded=False),
        Cast("v", "text", after or target, wire, "`v`", "", nullable=True, guarded=False, masked=how),
    )
    return TableSpec("t", "s", casts, ("id",), "create")


def made(values: pa.Array | pa.ChunkedArray, mask: Mask, target: str, wire: str, key: str = KEY) -> list[Any]:
    ids = pa.array([n % 3 for n in range(len(values))], pa.int32())
    rows = pa.table({"id": ids, "v": values})
    found, _ = masked(rows, spec_of(mask, values.type, target, wire), key)
    assert found.column_names == ["id", "v"]
    result: list[Any] = found.column("v").to_pylist()
    return result


@given(st.binary(min_size=1, max_size=200), st.lists(st.binary(max_size=200), max_size=5))
def test_hashes_are_hmac_sha_256(use: bytes, values: list[bytes]) -> None:
    """As the standard library computes it, for keys of every use."""
    secret = derived(KEY, use.hex())
    assert hashes(KEY, use.hex(), values) == [hmac.digest(secret, value, hashlib.sha256) for value in values]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_values_get_equal_pseudonyms_and_others_others(kind: str) -> None:
    """NULL stays NULL; in any number of chunks; another key makes others; integers stay above 0 and within 63 bits."""
    arrow, values, target = KINDS[kind]
    integers = pa.types.is_integer(arrow)
    wire = "int64" if integers else "string"
    array = pa.array(values, arrow)
    found = made(array, Mask("hmac"), target, wire)
    assert found[0] == found[2]
    assert found[3] is None
    assert len({found[n] for n in (0, 1, 4, 5)}) == 4
    assert made(pa.chunked_array([array.slice(0, 2), array.slice(2)]), Mask("hmac"), target, wire) == found
    other = made(array, Mask("hmac"), target, wire, OTHER)
    assert not {value for value in found if value} & {value for value in other if value}
    if integers:
        assert all(0 < value < 2**63 for value in found if value is not None)


def test_a_number_joins_whatever_its_width() -> None:
    """5 as smallint and as bigint are one pseudonym; the text 5 is another."""
    small, large = (made(pa.array([5], kind), Mask("hmac"), "bigint", "int64") for kind in (pa.int16(), pa.uint64()))
    assert small == large
    assert str(small[0]) not in made(pa.array(["5"]), Mask("hmac"), "text", "string")


@given(st.lists(st.dates(dt.date(1800, 1, 1), dt.date(2200, 1, 1)), min_size=2, max_size=20))
def test_the_time_between_two_dates_of_an_owner_stays(days: list[dt.date]) -> None:
    """And none stays where it was."""
    ids = pa.array([7] * len(days), pa.int32())
    rows = pa.table({"id": ids, "v": pa.array(days, pa.date32())})
    found = masked(rows, spec_of(Mask("shift", by="id"), pa.date32(), "date", "date32[day]"), KEY)[0].column("v").to_pylist()
    moved = {one - day for one, day in zip(found, days, strict=True)}
    assert len(moved) == 1
    assert 0 < abs(moved.pop().days) <= 365


EDGES = [
    (date, base)
    for base, days in (
        (
            "date",
            ("0001-01-02", "0001-12-31", "0999-12-31", "1000-01-01", "1000-12-31", "1582-10-10", "9999-01-01", "9999-12-30"),
        ),
        ("datetime", ("0001-01-02", "1000-01-01", "9999-12-30")),
        ("timestamp", ("1970-01-01", "1970-12-31", "2038-01-18", "2038-01-19", "2037-02-01", "2106-02-07")),
    )
    for date in map(dt.date.fromisoformat, days)
]


@given(
    st.sampled_from(EDGES) | st.tuples(st.dates(), st.sampled_from(["date", "datetime"])) | st.tuples(
        st.dates(dt.date(1970, 1, 1), dt.date(2106, 2, 7)), st.just("timestamp")),
    st.integers(), st.integers(1, 3650),
)  # fmt: skip
def test_no_date_leaves_the_range_of_its_type(edge: tuple[dt.date, str], owner: int, days: int) -> None:
    """Whatever the date, the owner and the days: it moves by the owner's offset, or by as many days to the other side."""
    day, base = edge
    at = day if base == "date" else dt.datetime.combine(day, dt.time(23, 59, 59, 999_999))
    kind, wire = (pa.date32(), "date32[day]") if base == "date" else (pa.timestamp("us"), "timestamp[us]")
    spec = spec_of(Mask("shift", by="id", days=days), kind, "date" if base == "date" else "timestamp(6)", wire)
    spec = dataclasses.replace(spec, casts=(spec.casts[0], dataclasses.replace(spec.casts[1], source=base)))
    rows = pa.table({"id": pa.array([owner % 2**31], pa.int32()), "v": pa.array([at], kind)})
    (found,) = masked(rows, spec, KEY)[0].column("v").to_pylist()
    if day in (dt.date.min, dt.date.max) and base != "timestamp":
        assert found == at
        return
    (offset,) = offsets([str(owner % 2**31).encode()], days, KEY)
    least = dt.date(1970, 1, 2) if base == "timestamp" else dt.date(1000, 1, 1) if day.year >= 1000 else dt.date(1, 1, 2)
    most = (
        dt.date(9999, 12, 30)
        if base != "timestamp"
        else dt.date(2106, 2, 6)
        if day > dt.date(2038, 1, 19)
        else dt.date(2038, 1, 18)
    )
    ordinal = day.toordinal() + offset
    step = offset if least.toordinal() <= ordinal <= most.toordinal() else -offset
    assert found == at + dt.timedelta(days=step)
    assert least <= (found.date() if isinstance(found, dt.datetime) else found) <= most


@given(st.integers(1, 3650), st.binary(max_size=9))
def test_an_offset_is_within_its_days_and_never_none(days: int, owner: bytes) -> None:
    """To either side."""
    (found,) = offsets([owner], days, KEY)
    assert 0 < abs(found) <= days


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("us", "UTC")])
def test_moments_keep_their_type_and_their_time_of_day_when_they_are_shifted(kind: pa.DataType) -> None:
    """Only days move. The year of one is its first moment."""
    at = dt.datetime(2020, 5, 6, 7, 8, 9, tzinfo=dt.UTC if kind.tz else None)
    (found,) = made(pa.array([at], kind), Mask("shift", by="id"), "timestamp(0)", "timestamp[us]")
    assert found.timetz() == at.timetz()
    assert found != at
    (year,) = made(pa.array([at], kind), Mask("generalise", to="year", year=2026), "timestamp(0)", "timestamp[us]")
    assert year == dt.datetime(2020, 1, 1, tzinfo=at.tzinfo)


@pytest.mark.parametrize(
    ("mask", "target", "values", "expected"),
    [
        (Mask("generalise", to="age"), "smallint", [5, 89, 90, 91, None], [5, 89, 90, 90, None]),
        (
            Mask("generalise", to="zip", sparse=("111",)),
            "text",
            ["90210", "90210-1234", "03601", "11111", "1234", "K1A 0B1", "", None, "１２３４５"],
            ["902", "902", "000", "000", "000", "000", "", None, "000"],
        ),
        (Mask("partial", last=2), "text", ["1234", "123", "", None, "ÄÖÜß"], ["****34", "****", "", None, "****Üß"]),
        (Mask("partial"), "text", ["12345678", "1234567"], ["****5678", "****"]),
    ],
)
def test_what_is_generalised_or_shown_in_part(mask: Mask, target: str, values: list[Any], expected: list[Any]) -> None:
    """Edges: the age itself, what is no ZIP, what is too short to show its end."""
    kind = pa.string() if target == "text" else pa.int16()
    assert made(pa.array(values, kind), mask, target, "string" if target == "text" else "int16") == expected


@pytest.mark.parametrize("of", FAKES)
@given(st.integers(0, 2**64 - 1))
def test_a_fake_is_out_of_its_list(of: str, number: int) -> None:
    """Whatever the number."""
    words = fake(of, number)
    assert words == fake(of, number)
    assert len(words.split()) == len(FAKES[of])


def test_a_key_that_is_missing_ends_the_batch() -> None:
    """For every method that needs it, and for no other."""
    for rule in RULES:
        if rule.method == "keep":
            continue
        mask = Mask(rule.method, value="1", by="id", to="age" if rule.method == "generalise" else "")
        kind, target = (pa.date32(), "date") if rule.method == "shift" else (pa.int32(), "integer")
        if rule.keyed:
            with pytest.raises(ConfigError, match="there is no mask key"):
                made(pa.array([1], kind), mask, target, "int64", key="")
        elif rule.method != "partial":
            made(pa.array([1], kind), mask, target, str(kind), key="")


def test_a_rejected_row_has_no_masked_value() -> None:
    """Not of its column, its row or its key, and a check sees the value before it is masked."""
    checks = (Check("regex", ("v",), text="^good", severity="reject"),)
    spec = spec_of(Mask("hmac"), pa.string(), "text", "string")
    rows = pa.table({"id": pa.array([1, 2], pa.int32()), "v": ["good-one", "secret"]})
    spec = TableSpec("t", "s", spec.casts, ("id",), "create", checks=checks)
    batch = coerce(rows, spec, [], KEY)
    (reject,) = batch.rejects
    assert "secret" not in repr(batch.rejects)
    assert (reject.value, HIDDEN in reject.row, reject.key) == (HIDDEN, True, '{"id": 2}')
    assert batch.good.num_rows == 1
    assert batch.before is not None
    assert batch.before.column("v").to_pylist() == ["good-one"]
    assert "good-one" not in repr(batch.rejects) + str(batch.good.to_pylist())


def test_a_fingerprint_tells_keys_apart() -> None:
    """And is no part of the key."""
    assert fingerprint(KEY) != fingerprint(OTHER)
    assert fingerprint(KEY) not in KEY
    assert fingerprint("") == ""
