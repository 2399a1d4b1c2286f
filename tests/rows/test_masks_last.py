"""What a mask makes of a value is the same in every version: the rows of last year are joined with those of tonight."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import json
import uuid
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_masking import KEY, made, spec_of

from bulketl.errors import ConfigError
from bulketl.rows.masking import HIDDEN, hidden, masked, need_key, offsets, pseudonyms
from bulketl.rows.reject import Reject
from bulketl.tables.alterations import NO_OFFSET
from bulketl.tables.casts import Cast, Masked
from bulketl.tables.fakes import FAKES, fake
from bulketl.tables.maskkey import HOW, LEAST, derived, fingerprint
from bulketl.tables.masks import METHODS, NO_ZIP, RULE_OF, RULES, SPARSE_ZIPS, Mask
from bulketl.tables.spec import TableSpec


@pytest.mark.parametrize(
    ("mask", "values", "expected"),
    [
        (Mask("hmac"), ["smith", "", "5"], ["f86c94e08a3fa3c57eaf7a2147afe809", "", "0a4452ae08f7d6f152a0aea19ed8f0d3"]),
        (Mask("hmac"), [5, -1], [3869771931380756541, 7627775588579368640]),
        (Mask("fake"), ["smith", "jones"], ["Magnus Sand", "Benno Hayes"]),
        (Mask("fake", of="first_name"), ["smith", "jones"], ["Lotte", "Tessa"]),
        (Mask("fake", of="last_name"), ["smith", "jones"], ["Cooper", "Alder"]),
        (Mask("fake", of="street"), ["smith", "jones"], ["91 Beech Avenue", "84 Hazel Avenue"]),
        (Mask("fake", of="town"), ["smith", "jones"], ["Marlow", "Northfield"]),
    ],
)
def test_a_value_is_masked_as_it_was(mask: Mask, values: list[Any], expected: list[Any]) -> None:
    text = isinstance(values[0], str)
    assert made(pa.array(values), mask, "text" if text else "bigint", "string" if text else "int64") == expected


def test_an_owner_is_moved_as_he_was() -> None:
    """Never by 0: with one day at the most there are two ways to go."""
    assert offsets([b"1", b"2", b"3"], 365, KEY) == [184, 79, 55]
    assert offsets([b"1", b"2", b"3"], 1, KEY) == [-1, 1, 1]


def test_all_offsets_there_are_come_up() -> None:
    """From as far back to as far ahead, and none of them is 0."""
    found = set(offsets([str(number).encode() for number in range(400)], 3, KEY))
    assert found == {-3, -2, -1, 1, 2, 3}


@given(st.sampled_from(sorted(FAKES)), st.integers(0, 10**9))
def test_a_fake_counts_through_its_lists(of: str, number: int) -> None:
    """As the hands of a clock: each entry once before any comes again."""
    words = []
    for part in FAKES[of]:
        words.append(part[number % len(part)])
        number //= len(part)
    assert fake(of, sum_of(of, words)) == " ".join(words)


def sum_of(of: str, words: list[str]) -> int:
    """Return the number of an entry."""
    number, step = 0, 1
    for part, word in zip(FAKES[of], words, strict=True):
        number += list(part).index(word) * step
        step *= len(part)
    return number


def test_the_lists_are_what_they_were() -> None:
    """One name more, or another order, would give everybody another one."""
    assert {
        of: hashlib.sha256(repr([list(part) for part in parts]).encode()).hexdigest()[:12] for of, parts in FAKES.items()
    } == (
        {
            "name": "2d4cde19c8fb",
            "first_name": "b9b841f42630",
            "last_name": "92c532762427",
            "street": "a450694aaa91",
            "town": "360424cd6382",
        }
    )


def test_areas_of_few_people_are_those_of_the_census() -> None:
    """Three digits each; what stands for them is one of no area."""
    assert (len(SPARSE_ZIPS), {len(area) for area in SPARSE_ZIPS}, min(SPARSE_ZIPS), max(SPARSE_ZIPS)) == (
        23,
        {3},
        "036",
        "893",
    )
    assert NO_ZIP == "000"


def test_each_use_has_a_key_of_its_own_and_a_fingerprint_is_no_pseudonym() -> None:
    assert derived(KEY, "shift") == hmac.digest(KEY.encode(), b"bulketl mask shift", "sha256")
    assert fingerprint(KEY) == "31cc7167301d1e0c"
    assert LEAST == 32
    assert "BULKETL_MASK_KEY" in HOW


def test_a_missing_key_names_the_table_the_column_and_what_to_do() -> None:
    """Before anything is read; a mask without a key needs none."""
    spec = spec_of(Mask("hmac"), pa.string(), "text", "string")
    with pytest.raises(ConfigError, match=r"^table 't' masks 'v' by a key, and there is no mask key$") as caught:
        need_key(spec, "")
    assert caught.value.hint == HOW
    need_key(spec, KEY)
    need_key(spec_of(Mask("null"), pa.string(), "text", "string"), "")
    for call in (lambda: pseudonyms(spec, (1,), ""), lambda: masked(pa.table({"id": [1], "v": ["x"]}), spec, "")):
        with pytest.raises(ConfigError, match="'t' masks 'v'"):
            call()


def keyed(mask: Mask, before: str, target: str, wire: str) -> TableSpec:
    """Return a table whose key is masked."""
    spec = spec_of(mask, pa.string(), target, wire)
    cast = dataclasses.replace(spec.casts[1], masked=Masked(mask, before, "string"))
    return dataclasses.replace(spec, casts=(spec.casts[0], cast), key=("id", "v"))


def test_a_key_is_found_in_the_target_by_its_pseudonym() -> None:
    """The one that the rows have: of text, of numbers of any width, of a uuid by its bytes; the rest as it is."""
    text = made(pa.array(["smith"]), Mask("hmac"), "text", "string")
    assert pseudonyms(keyed(Mask("hmac"), "text", "text", "string"), (7, "smith"), KEY) == (7, *text)
    for number, kind in ((5, pa.int64()), (2**63 - 1, pa.int64()), (2**63, pa.uint64()), (2**64 - 1, pa.uint64())):
        whole = made(pa.array([number], kind), Mask("hmac"), "bigint", "int64")
        assert pseudonyms(keyed(Mask("hmac"), "numeric(20,0)", "bigint", "int64"), (7, number), KEY) == (7, *whole)
    one = uuid.UUID(int=5)
    raw = made(pa.array([one.bytes], pa.large_binary()), Mask("hmac"), "text", "string")
    assert pseudonyms(keyed(Mask("hmac"), "uuid", "text", "string"), (7, str(one)), KEY) == (7, *raw)
    as_text = made(pa.array([str(one)]), Mask("hmac"), "text", "string")
    assert pseudonyms(keyed(Mask("hmac"), "text", "text", "string"), (7, str(one)), KEY) == (7, *as_text)
    with pytest.raises(ValueError, match="zip"):
        pseudonyms(keyed(Mask("hmac"), "text", "text", "string"), (7,), KEY)


def test_what_has_no_owner_is_withheld_and_counted_and_what_is_null_is_not() -> None:
    rows = pa.table({"id": pa.array([1, None, None, 4], pa.int32()), "v": [dt.date(2020, 1, 1)] * 2 + [None, None]})
    spec = spec_of(Mask("shift", by="id"), pa.date32(), "date", "date32[day]")
    found, withheld = masked(rows, spec, KEY)
    assert [value is None for value in found.column("v").to_pylist()] == [False, True, True, True]
    assert withheld == {("v", NO_OFFSET): 1}
    assert masked(rows.slice(2), spec, KEY)[1] == {}
    assert masked(rows, spec_of(Mask("null"), pa.date32(), "date", "date32[day]"), KEY)[1] == {}


def test_null_and_constant_keep_the_type_and_what_is_null() -> None:
    """`null` makes NULL of everything; a constant stands where there was a value."""
    dates = pa.array([dt.date(2020, 1, 1), None])
    assert made(dates, Mask("null"), "date", "date32[day]") == [None, None]
    assert made(dates, Mask("constant", value="2000-02-03"), "date", "date32[day]") == [dt.date(2000, 2, 3), None]
    assert made(pa.array([5, None], pa.int16()), Mask("constant", value="7"), "smallint", "int16") == [7, None]
    assert made(pa.array(["a", None]), Mask("constant", value="7"), "text", "string") == ["7", None]


def test_a_column_without_rows_stays_one() -> None:
    for mask in (Mask("hmac"), Mask("partial"), Mask("fake"), Mask("null"), Mask("constant", value="x")):
        assert made(pa.chunked_array([], pa.string()), mask, "text", "string") == []


def test_a_year_is_at_most_ninety_back_and_what_stands_for_no_date_stays() -> None:
    """Ages are told from the year in which the table was planned."""
    days = [dt.date(1935, 5, 5), dt.date(1936, 5, 5), dt.date(1937, 12, 31), dt.date(1, 1, 1), dt.date(9999, 12, 31), None]
    found = made(pa.array(days), Mask("generalise", to="year", year=2026), "date", "date32[day]")
    assert found == [
        dt.date(1936, 1, 1),
        dt.date(1936, 1, 1),
        dt.date(1937, 1, 1),
        dt.date(1, 1, 1),
        dt.date(9999, 12, 31),
        None,
    ]


@pytest.mark.parametrize(("zip", "area"), [
    ("90210", "902"), (" 90210 ", "902"), ("9021", "000"), ("9021x", "000"), ("90210x", "902"), ("03601", "000"),
])  # fmt: skip
def test_a_zip_is_five_digits_and_its_area_three(zip: str, area: str) -> None:  # noqa: A002
    assert made(pa.array([zip]), Mask("generalise", to="zip"), "text", "string") == [area]


def test_an_age_of_a_large_number_and_one_that_is_none() -> None:
    found = made(pa.array([89, 90, 91, 10**9, None], pa.int64()), Mask("generalise", to="age"), "bigint", "int64")
    assert found == [89, 90, 90, 90, None]


def test_the_record_of_a_rejected_row_hides_what_is_masked_and_nothing_else() -> None:
    """By the names of columns, of several too; NULL is no secret."""
    spec = spec_of(Mask("hmac"), pa.string(), "text", "string")
    row = json.dumps({"id": 1, "v": "secret", "w": "plain"})
    one = Reject("v", "why", "secret", '{"id": 1}', row)
    (found,) = hidden([one], spec)
    assert (found.value, found.key, json.loads(found.row)) == (HIDDEN, '{"id": 1}', {"id": 1, "v": HIDDEN, "w": "plain"})
    assert HIDDEN == "(masked)"
    (several,) = hidden([dataclasses.replace(one, column="w, v")], spec)
    assert several.value == HIDDEN
    (other,) = hidden([dataclasses.replace(one, column="w", value="plain")], spec)
    assert other.value == "plain"
    (null,) = hidden([dataclasses.replace(one, key='{"v": null}', row='{"v": "s"}')], spec)
    assert (null.key, null.row) == ('{"v": null}', '{"v": "(masked)"}')


def test_a_mask_is_told_in_short_with_what_it_goes_by() -> None:
    told = {str(Mask(method, by="PatNum", to="year", of="town")) for method in METHODS}
    assert told == {"keep", "null", "constant", "hmac", "partial", "shift by PatNum", "generalise to year", "fake town"}


def test_the_list_of_masks_says_what_takes_a_key_and_which_options() -> None:
    assert tuple(rule.method for rule in RULES) == METHODS
    assert {rule.method for rule in RULES if rule.keyed} == {"hmac", "shift", "fake"}
    assert {rule.method: rule.options for rule in RULES if rule.options} == {
        "constant": ("value",), "partial": ("last",), "shift": ("by", "days"), "generalise": ("to", "sparse"),
        "fake": ("of",),
    }  # fmt: skip
    assert {rule.method: rule.takes for rule in RULES if len(rule.takes) < 6} == {
        "constant": ("text", "integer", "decimal", "date"), "hmac": ("text", "integer", "bytes"),
        "partial": ("text", "integer"),
        "shift": ("date",), "generalise": ("text", "integer", "date"), "fake": ("text",),
    }  # fmt: skip
    assert all(Mask(method).keyed is RULE_OF[method].keyed for method in METHODS)
    plain = Mask("keep")
    assert (plain.value, plain.last, plain.by, plain.days, plain.to, plain.sparse, plain.year, plain.of) == (
        "", 4, "", 365, "", (), 0, "name",
    )  # fmt: skip


def test_a_cast_without_a_mask_stays_as_it_is() -> None:
    cast = Cast("v", "text", "text", "string", "`v`", "", nullable=True, guarded=False)
    spec = TableSpec("t", "s", (cast,), (), "create")
    rows = pa.table({"v": ["x", None]})
    assert masked(rows, spec, "") == (rows, {})


@pytest.mark.parametrize(
    ("base", "day", "owner", "moved"),
    [
        ("date", "1000-01-02", 1, "1000-01-01"), ("date", "1000-01-01", 1, "1000-01-02"),
        ("date", "9999-12-29", 2, "9999-12-30"), ("date", "9999-12-30", 2, "9999-12-29"),
        ("date", "0001-01-03", 1, "0001-01-02"), ("date", "0001-01-02", 1, "0001-01-03"),
        ("date", "0999-12-31", 2, "1000-01-01"), ("date", "2020-02-28", 2, "2020-02-29"),
        ("timestamp", "1970-01-03", 1, "1970-01-02"), ("timestamp", "1970-01-02", 1, "1970-01-03"),
        ("timestamp", "2038-01-17", 2, "2038-01-18"), ("timestamp", "2038-01-18", 2, "2038-01-17"),
        ("timestamp", "2038-01-19", 2, "2038-01-18"), ("timestamp", "2038-01-20", 2, "2038-01-21"),
        ("timestamp", "2106-02-05", 2, "2106-02-06"), ("timestamp", "2106-02-06", 2, "2106-02-05"),
    ],
)  # fmt: skip
def test_a_date_at_the_end_of_its_range_moves_to_the_other_side(base: str, day: str, owner: int, moved: str) -> None:
    """Of an owner whose dates move a day back, and one whose dates move a day on."""
    spec = spec_of(Mask("shift", by="id", days=1), pa.date32(), "date", "date32[day]")
    spec = dataclasses.replace(spec, casts=(spec.casts[0], dataclasses.replace(spec.casts[1], source=base)))
    rows = pa.table({"id": pa.array([owner], pa.int32()), "v": pa.array([dt.date.fromisoformat(day)])})
    assert masked(rows, spec, KEY)[0].column("v").to_pylist() == [dt.date.fromisoformat(moved)]
