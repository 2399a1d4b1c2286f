"""Masks that a plan refuses, keys that are missing or another, and columns that strict masking withholds."""

from __future__ import annotations

from typing import Any

import pytest
from lab import Done, Lab, load, numbers
from masked import INCREMENTAL, KEY, OTHER, VISITS, visits, with_visits

import bulketl
from bulketl.loading.events import ColumnsWithheld


@pytest.fixture
def nightly(lab: Lab) -> Lab:
    return with_visits(lab)


def test_another_key_is_refused_until_a_person_asks_for_all_of_it(nightly: Lab) -> None:
    """By plan and verify; nothing changes then. With --full the table is masked anew, and the next load takes the key."""
    nightly.load(rules=VISITS, mask_key=KEY)
    before = visits(nightly)
    other = nightly.config(rules=VISITS, mask_key=OTHER)
    ((refused,),) = [bulketl.make_plan(other).refused]
    assert "was masked with another key" in refused.message
    assert "--full" in refused.hint
    (verdict,) = bulketl.verify(other).tables
    assert "another mask key" in verdict.problem
    bulketl.load(other, bulketl.make_plan(other))
    assert visits(nightly) == before
    bulketl.load(other, bulketl.make_plan(other, full=True))
    after = visits(nightly)
    assert all(before[key][2] != after[key][2] for key in before)
    assert not bulketl.make_plan(other).refused
    assert bulketl.make_plan(nightly.config(rules=VISITS, mask_key=KEY)).refused


def test_a_mask_that_is_added_or_taken_away_has_the_table_loaded_whole(nightly: Lab) -> None:
    """Rows that are there would else stay as they were."""
    bare = {"visit": INCREMENTAL}
    nightly.load(rules=bare)
    assert visits(nightly)[5][2] == "123-45-1005"
    done = nightly.load(rules=VISITS, mask_key=KEY)
    ((one,),) = [tuple(done.plan.loads)]
    assert "its masks are other ones" in one.reason
    assert not [row for row in visits(nightly).values() if row[2].startswith("123")]
    nightly.load(rules=bare)
    assert visits(nightly)[5][2] == "123-45-1005"


def test_rows_that_stay_are_not_left_unmasked_in_silence(nightly: Lab) -> None:
    """A table whose rows stay when they are gone at the source cannot be given masks: some would stay as they were."""
    keeping = {"visit": {**INCREMENTAL, "deletes": "ignore"}}
    nightly.load(rules=keeping)
    masked = {"visit": {**VISITS["visit"], "deletes": "ignore"}}
    ((refused,),) = [bulketl.make_plan(nightly.config(rules=masked, mask_key=KEY)).refused]
    assert "deletes: ignore" in refused.message


def test_without_a_key_nothing_of_a_masked_table_is_loaded(nightly: Lab) -> None:
    """Refused by the plan, with what to do; a short key by the configuration, which does not say it."""
    ((refused,),) = [bulketl.make_plan(nightly.config(rules=VISITS)).refused]
    assert "there is no mask key" in refused.message
    assert "openssl rand" in refused.hint
    with pytest.raises(bulketl.ConfigError) as error:
        nightly.config(rules=VISITS, mask_key="tooshort")
    assert "too short" in error.value.message
    assert "tooshort" not in error.value.message
    assert nightly.tables() == set()


def test_strict_masking_withholds_a_new_column_until_somebody_classifies_it(nightly: Lab) -> None:
    """Every night, also where nothing else changed; the event, the summary and the plan say so."""
    noted = {"visit": frozenset({"Id", "PatNum", "SSN", "At", "SecDateTEdit"})}

    def loaded(rules: dict[str, Any]) -> Done:
        config = nightly.config(rules=rules, mask_key=KEY, masking="strict")
        return load(config.model_copy(update={"known": frozenset({"visit"}), "known_columns": noted}))

    loaded(VISITS)
    nightly.mysql("ALTER TABLE visit ADD COLUMN Diagnosis varchar(20) DEFAULT 'secret'")
    for _ in range(2):
        done = loaded(VISITS)
        assert [event.columns for event in done.events if isinstance(event, ColumnsWithheld)] == [("Diagnosis",)]
        assert done.summary.tables["visit"].drift == ("? Diagnosis: withheld, nobody has said whether it is personal",)
        assert len(visits(nightly)[1]) == 5
    classified = {"visit": {**VISITS["visit"], "mask": {**VISITS["visit"]["mask"], "Diagnosis": "keep"}}}
    done = loaded(classified)
    assert not [event for event in done.events if isinstance(event, ColumnsWithheld)]
    assert visits(nightly)[1][5] == "secret"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a column that is gone": ({"mask": {"SNN": "hmac"}}, "mask.SNN: the source has no such column"),
    "a key": ({"mask": {"Id": "partial"}}, "mask.Id: it is part of the primary key"),
    "a key of changes": ({**INCREMENTAL, "mask": {"Id": "hmac"}}, "mask.Id: it is part of the primary key"),
    "a cursor": ({**INCREMENTAL, "mask": {"SecDateTEdit": "null"}}, "mask.SecDateTEdit: it is the cursor"),
    "a range": ({"partition_by": "Id", "mask": {"Id": "hmac"}}, "mask.Id: it is what the table is cut"),
    "a date by hmac": ({"mask": {"At": "hmac"}}, "mask.At: hmac takes no date; for it there are null, constant, shift"),
    "an owner that is not there": ({"mask": {"At": {"method": "shift", "by": "Who"}}}, "mask.At: by: Who is not a column"),
    "a constant of another type": (
        {"mask": {"PatNum": {"method": "constant", "value": "x"}}}, "mask.PatNum: 'x' is not a value"
    ),
    "a check of the table": (
        {"mask": {"PatNum": "null"}, "checks": [{"unique": ["PatNum"]}]}, "looks at the rows in the target"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), WRONG.values(), ids=WRONG)
def test_a_mask_that_breaks_something_is_refused_with_the_reason(nightly: Lab, rule: dict[str, Any], message: str) -> None:
    """By the plan, and by validate in the same words."""
    config = nightly.config(rules={"visit": rule}, mask_key=KEY)
    ((refused,),) = [bulketl.make_plan(config).refused]
    assert message in refused.message
    findings = [finding for finding in bulketl.validate(config) if finding.table == "visit"]
    assert any(message in finding.message for finding in findings)


def test_a_pseudonym_may_be_the_key_of_a_table_that_is_replaced_as_a_whole(nightly: Lab) -> None:
    """In two tables it joins; the plan and the ledger have no value of it; verify compares what is not masked."""
    nightly.mysql(
        "CREATE TABLE patient (PatNum int PRIMARY KEY, n int)",
        f"INSERT INTO patient SELECT seq - 1, seq - 1 FROM {numbers(10)}",
    )
    rules = {"patient": {"mask": {"PatNum": "hmac"}}, "visit": {"mask": {"PatNum": "hmac", "SSN": "hmac"}}}
    options: dict[str, Any] = {"rules": rules, "mask_key": KEY}
    for _ in range(2):
        failed = nightly.load(**options).summary.failed
        assert not failed, failed[0].message
    assert nightly.pg('SELECT count(*) FROM {s}.patient JOIN {s}.visit USING ("PatNum")') == [(300,)]
    assert bulketl.verify(nightly.config(**options), level="rows").equal
    nightly.pg("DELETE FROM {s}.patient WHERE n = 3")
    found = bulketl.verify(nightly.config(**options), level="rows", repair=True)
    assert [one.missing for one in found.tables] == [1, 0]
    assert all(one.equal for one in found.again)
