"""Columns and rows that only the target has: what of them is masked by a rule does not stay there as it was loaded."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from lab import Lab, load
from masked import INCREMENTAL, KEY, visits, with_visits

import bulketl

BORN = dt.date(dt.datetime.now(dt.UTC).year - 70, 5, 6)
# As each table has them from a pattern.
MASKS = {
    name: {"method": how, "optional": True} for name, how in (("SSN", "hmac"), ("Born", "generalise"), ("Phone", "null"))
}
SSN = {"SSN": MASKS["SSN"]}
GONE = ("SSN", "Born", "Phone")
FULL: dict[str, dict[str, Any]] = {
    "merged": INCREMENTAL,
    "replaced": {},
    "refilled": {"publish": "refill"},
    "chunked": {**INCREMENTAL, "extraction_strategy": "chunked_incremental"},
    "referenced": INCREMENTAL,
}


@pytest.fixture
def nightly(lab: Lab) -> Lab:
    """Visits with a phone and a date of birth beside the SSN."""
    with_visits(lab).mysql(
        f"ALTER TABLE visit ADD COLUMN Born date DEFAULT '{BORN}', ADD COLUMN Phone varchar(20) DEFAULT '555-1234'"
    )
    return lab


def another(lab: Lab, masks: dict[str, Any], rule: dict[str, Any] = INCREMENTAL, **more: Any) -> Any:
    """Load once more, by a rule and the masks."""
    return load(lab.config(rules={"visit": {**rule, "mask": masks}}, mask_key=KEY, **more))


def drop(lab: Lab, *columns: str) -> None:
    """Drop columns at the source, and let a row change."""
    lab.mysql(f"ALTER TABLE visit {', '.join(f'DROP COLUMN {column}' for column in columns)}")
    lab.mysql("UPDATE visit SET PatNum = 9, SecDateTEdit = NOW() WHERE Id = 3")


def values(lab: Lab, *columns: str) -> set[tuple[Any, ...]]:
    """Return the distinct values of columns in the target."""
    names = ", ".join(f'"{column}"' for column in columns)
    return {*lab.pg(f"SELECT DISTINCT {names} FROM {{s}}.visit")}


@pytest.mark.parametrize("way", FULL)
def test_a_mask_that_comes_after_its_column_is_gone_empties_it(nightly: Lab, way: str) -> None:
    """In every way to publish; the plan says so, once, and nothing else of the rows is touched."""
    another(nightly, {}, FULL[way])
    if way == "referenced":  # so it cannot be replaced, and differences are merged in
        nightly.pg('CREATE TABLE {s}.ours (visit int REFERENCES {s}.visit ("Id")); INSERT INTO {s}.ours VALUES (5)')
    drop(nightly, *GONE)
    before = another(nightly, {}, FULL[way])
    assert before.summary.outcome == "done"
    if way in ("merged", "chunked", "referenced"):
        assert len(values(nightly, "SSN")) > 100
    done = another(nightly, MASKS, FULL[way])
    (one,) = done.plan.loads
    assert (done.summary.outcome, done.summary.failed) == ("done", [])
    assert "masked now and only in the target, becomes NULL" in one.reason
    assert values(nightly, *GONE) == {(None, None, None)}
    assert len(visits(nightly)) == 300
    again = another(nightly, MASKS, FULL[way])
    assert not [one for one in again.plan.loads if "becomes NULL" in one.reason or "its masks are other" in one.reason]
    assert bulketl.verify(nightly.config(rules={"visit": {**FULL[way], "mask": MASKS}}, mask_key=KEY), level="rows").equal


def test_what_was_masked_before_its_column_went_stays_as_it_is(nightly: Lab) -> None:
    """A pseudonym tells nobody: the table is not loaded whole, and one whose rows stay is not refused."""
    for rule in (INCREMENTAL, {**INCREMENTAL, "deletes": "ignore"}):
        another(nightly, MASKS, rule)
    pseudonyms = values(nightly, "SSN")
    assert len(pseudonyms) == 300
    drop(nightly, "SSN", "Born")
    for rule in (INCREMENTAL, {**INCREMENTAL, "deletes": "ignore"}):
        done = another(nightly, MASKS, rule)
        assert (done.summary.outcome, done.plan.refused) == ("done", ())
        (one,) = done.plan.loads
        assert "full load" not in one.reason
        assert values(nightly, "SSN") == pseudonyms
        assert values(nightly, "Born") == {(dt.date(BORN.year, 1, 1),)}


@pytest.mark.parametrize("rule", [{"table_importance": "audit"}, {"deletes": "ignore"}, {"deletes": "mark"}])
def test_a_table_whose_rows_stay_is_refused_with_the_columns_to_drop(nightly: Lab, rule: dict[str, Any]) -> None:
    """It stays as it is until somebody drops them there, and is loaded on then, where no chain covers them."""
    plain = {key: value for key, value in INCREMENTAL.items() if key != "deletes"}
    another(nightly, {}, plain | rule)
    drop(nightly, "SSN")
    assert another(nightly, {}, plain | rule).summary.outcome == "done"
    (refused,) = another(nightly, SSN, plain | rule).plan.refused
    assert "masked otherwise or not at all" in refused.message
    assert "these columns, which are not read any more: SSN" in refused.hint
    if "table_importance" not in rule:
        nightly.pg('ALTER TABLE {s}.visit DROP COLUMN "SSN"')
        done = another(nightly, SSN, plain | rule)
        assert (done.summary.outcome, done.plan.refused) == ("done", ())


def test_a_column_that_strict_masking_withholds_does_not_stay_with_what_it_had(nightly: Lab) -> None:
    """It was loaded before anybody asked for strict masking, and nobody has classified it."""
    another(nightly, {})
    noted = {"visit": frozenset({"Id", "PatNum", "SSN", "At", "SecDateTEdit", "Born"})}
    config = nightly.config(rules={"visit": INCREMENTAL}, masking="strict")
    done = load(config.model_copy(update={"known": frozenset({"visit"}), "known_columns": noted}))
    assert done.summary.outcome == "done"
    assert "Phone, masked now and only in the target, becomes NULL" in next(iter(done.plan.loads)).reason
    assert values(nightly, "Phone") == {(None,)}
    assert len(values(nightly, "SSN")) == 300


def test_rows_of_a_table_that_was_reset_are_not_taken_for_masked(nightly: Lab) -> None:
    """Those that stay: the source has them no longer, and nobody knows how they were masked."""
    rule = {**INCREMENTAL, "deletes": "ignore"}
    another(nightly, {}, rule)
    nightly.mysql("DELETE FROM visit WHERE Id = 7")
    bulketl.reset(nightly.config(rules={"visit": rule}), ["visit"])
    (refused,) = another(nightly, SSN, rule).plan.refused
    assert "nobody knows how they were masked" in refused.message
    nightly.pg("DROP TABLE {s}.visit")
    done = another(nightly, SSN, rule)
    assert (done.summary.outcome, done.plan.refused) == ("done", ())
    assert not [text for (text,) in values(nightly, "SSN") if text.startswith("123-")]


def test_years_of_a_column_that_is_gone_are_brought_to_a_new_year(nightly: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of columns that are there."""
    import dataclasses

    from bulketl.mysql.discover import read_catalog

    year = dt.datetime.now(dt.UTC).year
    nightly.mysql(f"UPDATE visit SET Born = '{year - 90}-06-01' WHERE Id < 10")
    another(nightly, MASKS)
    drop(nightly, "Born")
    monkeypatch.setattr(
        "bulketl.survey.look.read_catalog", lambda *args: dataclasses.replace(read_catalog(*args), year=year + 1)
    )
    assert another(nightly, MASKS).summary.outcome == "done"
    assert values(nightly, "Born") == {(dt.date(year - 89, 1, 1),), (dt.date(BORN.year, 1, 1),)}


def test_a_table_that_no_load_takes_any_more_is_told_of_with_what_it_has_unmasked(nightly: Lab) -> None:
    """By plan, load and validate: excluded, or gone at the source; not what was masked when it was loaded."""
    for name in ("person", "known", "other"):
        nightly.mysql(f"CREATE TABLE {name} (Id int PRIMARY KEY, SSN char(11))")
    rules: dict[str, Any] = {"person": {"mask": SSN}, "visit": {"mask": SSN, "exclude": True}, "known": {"mask": SSN}}
    assert nightly.load(rules={"known": rules["known"]}, mask_key=KEY).summary.outcome == "done"
    nightly.mysql("DROP TABLE person", "DROP TABLE known")
    config = nightly.config(rules=rules, mask_key=KEY)
    plan = bulketl.make_plan(config)
    assert {item.table: item.unmasked for item in plan.leftovers} == {"person": ("SSN",), "visit": ("SSN",)}
    (note,) = load(config).summary.notes
    (finding,) = (item.message for item in bulketl.validate(config) if "grow stale" in item.message)
    for text in (note, finding):
        assert "person (gone at the source, last loaded 20" in text
        assert text.count("with SSN unmasked") == 2
