"""Which columns are masked and as what, which masks are refused, and what a new key or mask means for a loaded table."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.masking import (
    cuttable,
    kind_of,
    masked,
    masked_columns,
    unclassified,
    unread,
    withheld,
)
from bulketl.tables.casts import Cast, Masked, cast
from bulketl.tables.catalog import Catalog, Column, Key, Table, TargetTable
from bulketl.tables.maskkey import HOW
from bulketl.tables.masks import Mask

KEY = "0123456789abcdef" * 2
TYPES = {
    "id": "int", "word": "varchar(5)", "long": "text", "small": "tinyint", "huge": "bigint unsigned",
    "money": "decimal(6,2)", "day": "date", "at": "datetime", "raw": "blob", "flag": "double", "age": "smallint",
}  # fmt: skip
TABLE = Table(
    "t", tuple(Column(name, kind, name != "id") for name, kind in TYPES.items()), ("id",), (Key("PRIMARY", ("id",), True),)
)
CASTS = tuple(cast(column) for column in TABLE.columns)
CATALOG = Catalog("mysql://h/d", "10.11", "UTC", (TABLE,), year=2026)


def config(mask: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **given: Any) -> Config:
    entry = TableRule.model_validate({"mask": mask or {}, **(rule or {})})
    return Config(**{"mask_key": KEY, "tables": {"t": entry}, **given})


def made(
    mask: dict[str, Any], rule: dict[str, Any] | None = None, left: tuple[str, ...] = (), **given: Any
) -> dict[str, Cast]:
    """Return the columns that are masked."""
    found = masked(config(mask, rule, **given), CATALOG, TABLE, CASTS, left)
    assert [item.column for item in found] == list(TYPES)
    return {item.column: item for item in found if item.masked}


def wrong(mask: dict[str, Any], rule: dict[str, Any] | None = None, **given: Any) -> str:
    """Return what is wrong with the masks of a table."""
    with pytest.raises(PlanError) as caught:
        made(mask, rule, **given)
    assert caught.value.hint == "correct its mask in tables.yaml"
    text = str(caught.value)
    assert text.startswith("table 't' cannot be masked so: ")
    return text.removeprefix("table 't' cannot be masked so: ")


def test_the_kind_of_a_column_is_that_of_its_type_in_the_target() -> None:
    assert {item.column: kind_of(item) for item in CASTS} == {
        "id": "integer", "word": "text", "long": "text", "small": "integer", "huge": "integer", "money": "decimal",
        "day": "date", "at": "date", "raw": "bytes", "flag": "other", "age": "integer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "entry", "mask", "target", "wire"),
    [
        ("word", "hmac", Mask("hmac"), "text", "string"),
        ("raw", "hmac", Mask("hmac"), "text", "string"),
        ("small", "hmac", Mask("hmac"), "bigint", "int64"),
        ("huge", "hmac", Mask("hmac"), "bigint", "int64"),
        ("small", {"method": "partial", "last": 2}, Mask("partial", last=2), "text", "string"),
        ("word", {"method": "fake", "of": "town"}, Mask("fake", of="town"), "text", "string"),
        ("word", "generalise", Mask("generalise", to="zip"), "text", "string"),
        ("age", "generalise", Mask("generalise", to="age"), None, None),
        ("day", {"method": "generalise", "to": "year"}, Mask("generalise", to="year", year=2026), None, None),
        ("day", {"method": "shift", "by": "id"}, Mask("shift", by="id"), None, None),
        ("flag", "null", Mask("null"), None, None),
        ("word", {"method": "constant", "value": "12345"}, Mask("constant", value="12345"), None, None),
    ],
)
def test_a_column_has_its_mask_and_the_type_that_it_makes(
    column: str, entry: object, mask: Mask, target: str | None, wire: str | None
) -> None:
    """What it was is kept beside it."""
    before = next(item for item in CASTS if item.column == column)
    (found,) = made({column: entry}).values()
    assert found == dataclasses.replace(
        before, target=target or before.target, wire=wire or before.wire, masked=Masked(mask, before.target, before.wire)
    )


def test_without_masks_nothing_changes_and_what_is_kept_is_no_mask() -> None:
    assert masked(config(), CATALOG, TABLE, CASTS, ()) == CASTS
    assert made({"word": "keep"}) == {}
    assert masked_columns(TableRule.model_validate({"mask": {"a": "keep", "b": "null"}})) == {"b"}


def test_a_mask_of_a_column_that_is_not_there_is_a_mistake_unless_it_is_left_out() -> None:
    """Or a pattern for many tables says so."""
    assert wrong({"gone": "null"}) == "mask.gone: the source has no such column; MySQL's spelling and case count"
    assert made({"gone": {"method": "null", "optional": True}}) == {}
    assert made({"gone": "null"}, {"exclude_columns": ["gone"]}) == {}
    assert made({"gone": "null"}, left=("gone",)) == {}


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        ({"flag": "hmac"}, "mask.flag: hmac takes no double precision; for it there are null"),
        ({"money": "hmac"}, "mask.money: hmac takes no numeric(6,2); for it there are null, constant"),
        (
            {"age": {"method": "generalise", "to": "year"}},
            "mask.age: a smallint is generalised to: age, and not to year",
        ),
        ({"day": {"method": "shift", "by": "gone"}}, "mask.day: by: gone is not a column that is loaded"),
        (
            {"day": {"method": "shift", "by": "at"}},
            "mask.day: by: at is timestamp(0), and an owner is told by a number or a text",
        ),
        ({"money": "fake", "flag": "fake"},
         ("mask.money: fake takes no numeric(6,2); for it there are null, constant; "
          "mask.flag: fake takes no double precision; for it there are null")),
    ],
)  # fmt: skip
def test_a_mask_that_does_not_fit_says_what_would(mask: dict[str, Any], told: str) -> None:
    """All of a table's at once."""
    assert wrong(mask) == told


@pytest.mark.parametrize("by", ["id", "word", "raw"])
def test_an_owner_is_told_by_a_number_a_text_or_bytes(by: str) -> None:
    assert made({"day": {"method": "shift", "by": by}})


@pytest.mark.parametrize(
    ("column", "good", "bad", "why"),
    [
        ("word", ["", "12345"], ["123456"], "it has more than 5 characters"),
        ("long", ["x" * 99], [], ""),
        ("small", ["-128", "127", "0"], ["-129", "128", "x", "1.5"], "it is not a valid smallint"),
        ("huge", ["0", str(2**64 - 1)], ["-1", str(2**64)], "it is not a valid numeric(20,0)"),
        ("money", ["9999.99", "-9999.99", "0"], ["10000", "1.234", "x", "NaN"], "it is not a valid numeric(6,2)"),
        ("day", ["2024-02-29"], ["2023-02-29", "x"], "it is not a valid date"),
        ("at", ["2024-02-29 01:02:03"], ["2024-02-29 25:00:00"], "it is not a valid timestamp(0)"),
    ],
)
def test_a_constant_is_a_value_of_its_column(column: str, good: list[str], bad: list[str], why: str) -> None:
    """The least and the greatest of its type are; one beyond is not."""
    for value in good:
        assert made({column: {"method": "constant", "value": value}})
    for value in bad:
        found = wrong({column: {"method": "constant", "value": value}})
        assert found == f"mask.{column}: {value!r} is not a value of it: {why}"


def test_a_key_that_is_missing_is_named_with_the_columns_that_need_it() -> None:
    with pytest.raises(PlanError, match=r"^table 't' masks word, raw by a key, and there is no mask key$") as caught:
        made({"word": "hmac", "flag": "null", "raw": "hmac"}, mask_key="")
    assert caught.value.hint == HOW
    assert made({"flag": "null"}, mask_key="")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            {"extraction_strategy": "incremental", "incremental_column": "huge"},
            "it is the cursor, which tells in the ledger how far the table is loaded",
        ),
        ({"partition_by": "huge"}, "it is what the table is cut into ranges by, whose ends stand in the plan"),
        ({"retention": {"keep": "7y", "by": "huge", "action": "delete"}}, "it is what retention goes by"),
        ({"reread": {"columns": ["huge"]}}, "it is read again by its value"),
    ],
)
def test_what_a_load_lives_by_is_not_masked(rule: dict[str, Any], why: str) -> None:
    assert wrong({"huge": "hmac"}, rule) == f"mask.huge: {why}"
    assert made({"small": "hmac"}, rule)


KEYED = "it is part of the primary key, "


@pytest.mark.parametrize(
    ("entry", "rule", "why"),
    [
        ("null", {}, "of which only hmac leaves as many values as there are rows"),
        (
            "hmac",
            {"extraction_strategy": "incremental", "incremental_column": "at"},
            "by which rows of incremental tables are found at the source",
        ),
        ("hmac", {"table_importance": "audit"}, "by which rows that must stay are found at the source"),
        (
            "hmac",
            {"retention": {"keep": "7y", "by": "day", "action": "delete"}},
            "by which rows that must stay are found at the source",
        ),
        ("hmac", {"deletes": "mark"}, "by which rows that must stay are found at the source"),
        ("hmac", {"consistency": "re-read"}, "by which rows are read again"),
    ],
)
def test_a_key_may_be_a_pseudonym_where_the_table_is_always_replaced(entry: str, rule: dict[str, Any], why: str) -> None:
    assert wrong({"id": entry}, rule) == f"mask.id: {KEYED}{why}"
    assert made({"id": "hmac"}, {"deletes": "mirror"})
    assert made({"small": entry}, rule)
    own = {"primary_key": ["huge"], "extraction_strategy": "full_table"}
    assert wrong({"huge": "null"}, own).startswith(f"mask.huge: {KEYED}")
    assert made({"id": "null"}, own)


def test_a_check_of_the_whole_table_looks_at_no_masked_value() -> None:
    """But at pseudonyms, of which equal ones are equal."""
    unique = {"checks": [{"unique": ["word"]}]}
    assert made({"word": "hmac"}, unique)
    assert "it looks at the rows in the target, where word is masked" in wrong({"word": "partial"}, unique)
    assert made({"small": "null"}, unique)


def test_strict_masking_withholds_what_nobody_has_classified() -> None:
    """Known when the rules were written, masked or excluded is classified; without a note of that nothing is loaded."""
    names = frozenset(TYPES)
    strict: dict[str, Any] = {"masking": "strict"}
    rule = config().rule("t")
    assert withheld(config(), TABLE, rule) == ()
    assert withheld(config(**strict, known_columns={"t": names}), TABLE, rule) == ()
    assert withheld(config(**strict, known_columns={"t": names - {"word", "raw"}}), TABLE, rule) == ("word", "raw")
    some = config({"word": "null"}, {"exclude_columns": ["raw"]}, **strict, known_columns={"t": names - {"word", "raw"}})
    assert withheld(some, TABLE, some.rule("t")) == ()
    with pytest.raises(PlanError) as caught:
        withheld(config(**strict), TABLE, rule)
    assert str(caught.value) == (
        "table 't' has columns that nobody has classified, and with masking: strict none of them is loaded"
    )
    assert caught.value.hint.startswith("`bulketl discover --write` notes the columns there are; or name each under mask")
    every = config(dict.fromkeys(TYPES, "keep"), **strict)
    assert withheld(every, TABLE, every.rule("t")) == ()
    assert unclassified(["a", "b"]) == [
        "? a: withheld, nobody has said whether it is personal", "? b: withheld, nobody has said whether it is personal",
    ]  # fmt: skip


def test_columns_that_only_the_target_has_are_masked_there() -> None:
    """By their mask, or NULL where strict masking withholds them; not where dropped columns go, or it has none."""
    there = TargetTable("t", (("id", "integer"), ("old", "text"), ("new", "bigint"), ("odd", "point")), ("id",))
    one = config({"old": "hmac", "word": "null", "never": "null"}, {"exclude_columns": []})

    def seen(left: tuple[str, ...] = (), existing: TargetTable | None = there, **given: Any) -> list[tuple[str, str, str]]:
        made = dataclasses.replace(one, **given) if dataclasses.is_dataclass(one) else one.model_copy(update=given)
        found = unread(made, CATALOG, TABLE, CASTS, left, existing)
        return [(item.name, item.target, str(item.masked.mask)) for item in found if item.masked]

    assert seen() == [("old", "text", "hmac")]
    assert seen(("new",)) == [("old", "text", "hmac"), ("new", "bigint", "null")]
    assert seen(("odd",)) == [("old", "text", "hmac"), ("odd", "point", "null")]
    assert seen(existing=None) == []
    assert seen(dropped_columns="drop") == []
    excluded = config({"old": "hmac"}, {"exclude_columns": ["old"]})
    assert unread(excluded, CATALOG, TABLE, CASTS, (), there) == ()
    (item,) = unread(one, CATALOG, TABLE, CASTS, (), there)
    assert (item.column, item.nullable, item.guarded, item.masked) == ("old", True, False, Masked(Mask("hmac"), "text", ""))


def test_a_table_is_cut_by_no_masked_key() -> None:
    keyed = dataclasses.replace(TABLE, keys=(*TABLE.keys, Key("w", ("word", "id"), True), Key("n", ("age",), False)))
    assert [key.name for key in cuttable(config({"word": "hmac"}), keyed).keys] == ["PRIMARY", "n"]
    assert cuttable(config({"raw": "hmac", "word": "keep"}), keyed) is keyed
