"""What another key, other masks or another year mean for a table that is loaded, and what no mask passes through."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.masking import (
    aged,
    agreeing,
    forgotten,
    hold_masks,
    masking_of,
    remasked,
    unspooled,
)
from bulketl.plan.plan import TableLoad
from bulketl.tables.casts import Cast, Masked, cast
from bulketl.tables.catalog import Column, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.maskkey import fingerprint
from bulketl.tables.masks import Mask, Method
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

KEY = "0123456789abcdef" * 2
CASTS = (cast(Column("id", "int", False)),)


def config() -> Config:
    return Config(mask_key=KEY)


def hidden(method: Method, column: str = "v", **given: Any) -> Cast:
    item = Cast(column, "text", "text", "string", "`v`", "", nullable=True, guarded=False)
    return dataclasses.replace(item, masked=Masked(Mask(method, **given), "text", "string"))


def test_what_a_table_is_masked_with_is_its_key_its_masks_and_their_year() -> None:
    """Whatever the order of columns; a year is apart, for it alone does not make other masks."""
    assert masking_of(config(), [CASTS[0]]) == ""
    plain = masking_of(config(), [hidden("null")])
    assert plain == f"- {hashlib.sha256(repr([('v', repr(Mask('null')))]).encode()).hexdigest()[:16]}"
    assert masking_of(config(), [hidden("hmac")]).startswith(f"{fingerprint(KEY)} ")
    assert masking_of(config(), [hidden("null"), hidden("hmac", "w")]).startswith(f"{fingerprint(KEY)} ")
    years = [hidden("generalise", to="year", year=2025), hidden("generalise", "w", to="year", year=2026)]
    assert masking_of(config(), years).endswith(" 2026")
    assert masking_of(config(), years) == masking_of(config(), [*reversed(years), CASTS[0]])
    later = [hidden("generalise", to="year", year=2027), hidden("generalise", "w", to="year", year=2026)]
    assert masking_of(config(), later).split()[:2] == masking_of(config(), years).split()[:2]
    assert masking_of(config(), [hidden("null")]) != masking_of(config(), [hidden("null", "w")])


def spec(masking: str, **given: Any) -> TableSpec:
    return dataclasses.replace(TableSpec("t", "s", (hidden("hmac"),), (), "swap", masking=masking), **given)


OLD = State("mysql://h/d", rows=5, masking="k m")
YEAR = State("mysql://h/d", rows=5, masking="k m 2025")


def test_only_a_later_year_makes_a_table_aged() -> None:
    assert aged(spec("k m 2026"), YEAR)
    for now in ("k m 2025", "k m 2024", "k n 2026", "x m 2026", "k m", ""):
        assert not aged(spec(now), YEAR)
    assert not aged(spec("k m 2026"), None)
    assert not aged(spec("k m 2026"), OLD)
    assert not aged(spec("m 2026"), State("x", masking="m 2025"))


def test_other_masks_have_a_table_loaded_whole_and_a_later_year_does_not() -> None:
    told = "its masks are other ones than those it was loaded with"
    assert remasked(spec("k n"), OLD) == told
    assert remasked(spec(""), OLD) == told
    assert remasked(spec("k m"), OLD) == ""
    assert remasked(spec("k m 2026"), YEAR) == ""
    assert remasked(spec("k n"), None) == ""
    assert remasked(spec("k n"), dataclasses.replace(OLD, source="")) == ""


def test_values_that_only_the_target_has_become_what_the_masks_say() -> None:
    """NULL where the masks are other ones; nothing where they are the same; years where one has passed."""
    year, other = hidden("generalise", to="year", year=2026), hidden("hmac", "w")
    both = {"unread": (year, other)}
    assert forgotten(spec("k m", **both), OLD) == ()
    assert forgotten(spec("k m 2026", **both), YEAR) == (year,)
    assert forgotten(spec("k m 2025", **both), YEAR) == ()
    found = forgotten(spec("k n", **both), OLD)
    assert [(item.column, item.masked) for item in found] == [
        ("v", Masked(Mask("null"), "text", "")), ("w", Masked(Mask("null"), "text", "")),
    ]  # fmt: skip
    assert forgotten(spec("", **both), None) == ()
    assert len(forgotten(spec("k m", **both), None)) == 2


def refused(
    one: TableSpec, state: State | None, existing: TargetTable | None = None, *, full: bool = False
) -> tuple[str, str]:
    """Return the error of a table that cannot take its masks, or two empty texts."""
    try:
        hold_masks(one, state, existing, full=full)
    except PlanError as error:
        return str(error), error.hint
    return "", ""


def test_masks_are_refused_where_rows_stay_that_were_masked_otherwise() -> None:
    """An audited table, or one whose deleted rows stay; not one without rows, nor one that is replaced as a whole."""
    assert refused(spec("k m"), OLD) == ("", "")
    assert refused(spec("k m", audit=True), OLD) == ("", "")
    assert refused(spec("- n"), OLD) == ("", "")
    told, hint = refused(spec("k n", audit=True), OLD)
    assert told == "table 't' is of tier audit, so rows that are there stay, and they were masked otherwise or not at all"
    assert hint == (
        "keep the masks and the key that it was loaded with; or drop it in the target when you are sure, "
        "`bulketl state reset t`, and load it anew"
    )
    kept, _ = refused(spec("k n", deletes="mark"), OLD)
    assert kept == "table 't' has deletes: mark, so rows that are there stay, and they were masked otherwise or not at all"
    assert refused(spec("k n", deletes="mark"), dataclasses.replace(OLD, rows=0)) == ("", "")
    assert refused(spec("k n", audit=True), dataclasses.replace(OLD, rows=0))[0]
    assert refused(spec("k n", deletes="mark"), dataclasses.replace(OLD, rows=None))[0]
    assert refused(spec("k n", deletes="ignore"), None) == ("", "")
    there = TargetTable("t", (), rows=3)
    unknown = "nobody knows how they were masked, if at all"
    assert unknown in refused(spec("k n", deletes="ignore"), None, there)[0]
    assert unknown in refused(spec("k n", audit=True), dataclasses.replace(OLD, source=""), there)[0]
    assert refused(spec("k n", audit=True), None, dataclasses.replace(there, rows=0)) == ("", "")
    assert refused(spec("k n"), None, there) == ("", "")
    _, hint = refused(spec("k n", audit=True, unread=(hidden("null", "a"), hidden("null", "b"))), OLD)
    assert "when you are sure, or of it these columns, which are not read any more: v, v," in hint or ": a, b," in hint


def test_another_key_is_refused_until_a_person_asks_for_all_of_it() -> None:
    """A mistaken key must not change every pseudonym overnight; a mask that needs none has none to mistake."""
    told, hint = refused(spec("x m"), OLD)
    assert told == (
        "table 't' was masked with another key: its pseudonyms would change, and no longer join with values that were "
        "masked before"
    )
    assert hint.startswith("set the old key again; or, to bring in the new one, load all masked tables with --full; ")
    assert "rotate-mask-key" in hint
    assert refused(spec("x m"), OLD, full=True) == ("", "")
    assert refused(spec("k n"), OLD) == ("", "")
    assert refused(spec("- m"), OLD) == ("", "")
    assert refused(spec("x m"), dataclasses.replace(OLD, masking="- m")) == ("", "")
    assert refused(spec("x m"), dataclasses.replace(OLD, masking="")) == ("", "")
    assert refused(spec(""), OLD) == ("", "")
    assert refused(spec("x m"), dataclasses.replace(OLD, source="")) == ("", "")


def test_single_rows_are_masked_as_those_that_are_there_or_not_at_all() -> None:
    agreeing(spec("k m"), OLD)
    agreeing(spec("k m"), None)
    with pytest.raises(PlanError, match=r"^table 't' was loaded in another year") as caught:
        agreeing(spec("k m 2026"), YEAR)
    assert caught.value.hint == "load it first: `bulketl load --tables t`"
    with pytest.raises(
        PlanError, match=r"^table 't' was loaded with another mask key or other masks than are set now$"
    ) as caught:
        agreeing(spec("k n"), OLD)
    assert caught.value.hint == "set the key it was loaded with; or load it whole: `bulketl load --tables t --full`"


def test_what_is_masked_passes_through_no_file() -> None:
    part = Partition(0, stream=5)
    load = TableLoad(spec("k m"), (part,), "reference", "", 0, 0)
    with pytest.raises(PlanError, match=r"^table 't' has masks, and no unmasked key to cut it by: it is so large") as caught:
        unspooled(load)
    assert caught.value.hint.startswith("name a column with an index, of none of its masks, under partition_by")
    snapshot = dataclasses.replace(load, spec=spec("k m", consistency="snapshot"))
    with pytest.raises(PlanError, match=r"^table 't' has masks and consistency: snapshot, which reads it in few") as caught:
        unspooled(snapshot)
    assert caught.value.hint.startswith("write consistency: locked or re-read in its rule")
    unspooled(dataclasses.replace(load, partitions=(Partition(0),)))
    unspooled(dataclasses.replace(load, spec=dataclasses.replace(load.spec, casts=(CASTS[0],))))
