"""Masked tables compared, repaired, told of and retried: by the same masks, and without a value of the source."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lab import Lab
from masked import KEY, OPTIONS, VISITS, visits, with_visits

import bulketl


@pytest.fixture
def nightly(lab: Lab) -> Lab:
    return with_visits(lab)


def test_changes_and_deletes_are_found_in_masked_tables(nightly: Lab) -> None:
    """What has no stamp too: a comparison finds a masked value that was changed alone, and rows that are gone."""
    assert not nightly.load(**OPTIONS).summary.failed
    before = visits(nightly)
    nightly.mysql(
        "UPDATE visit SET SSN = '999-99-9999' WHERE Id = 5",  # no stamp
        "UPDATE visit SET At = '2020-02-02' WHERE Id = 6",
        "UPDATE visit SET SSN = '888-88-8888', SecDateTEdit = '2024-03-01' WHERE Id = 7",
        "DELETE FROM visit WHERE Id = 8",
    )
    nightly.pg("UPDATE bulketl.state SET compared_at = now() - interval '2 days' WHERE schema_name = '{s}'")
    done = nightly.load(**OPTIONS)
    assert not done.summary.failed
    after = visits(nightly)
    assert {key for key in before if before[key] != after.get(key)} == {5, 6, 7, 8}
    assert 8 not in after
    assert done.summary.tables["visit"].compared == {"missing": 0, "differing": 2, "gone": 1}
    again = bulketl.verify(nightly.config(**OPTIONS), level="rows")
    assert again.equal, again.tables


@pytest.mark.parametrize("level", ["count", "keys", "rows", "sums"])
def test_every_level_of_verify_takes_a_masked_table_as_equal(nightly: Lab, level: Any) -> None:
    """Masked columns are no difference."""
    nightly.load(**OPTIONS)
    found = bulketl.verify(nightly.config(**OPTIONS), level=level)
    assert found.equal, found.tables


def test_verify_finds_a_masked_value_that_was_altered_and_repairs_it_by_the_same_masks(nightly: Lab) -> None:
    """On either side; what is shown of it is masked on both."""
    nightly.load(**OPTIONS)
    before = visits(nightly)
    nightly.pg("""UPDATE {s}.visit SET "SSN" = 'altered' WHERE "Id" = 3; DELETE FROM {s}.visit WHERE "Id" = 4""")
    found = bulketl.verify(nightly.config(**OPTIONS), level="rows", show_values=True)
    (verdict,) = found.tables
    assert (verdict.missing, verdict.differing) == (1, 1)
    assert "123-45" not in repr(verdict.rows)
    assert [row.columns for row in verdict.rows if row.kind == "differs"] == [("SSN",)]
    mended = bulketl.verify(nightly.config(**OPTIONS), level="rows", repair=True)
    assert all(verdict.equal for verdict in mended.again), mended
    assert visits(nightly) == before


def test_why_compares_a_masked_value_and_shows_none(nightly: Lab) -> None:
    """Equal by the same mask, or not; neither side's value is in the story."""
    nightly.load(**OPTIONS)
    story = bulketl.why(nightly.config(**OPTIONS), "visit", 3)
    assert story.equal, story
    assert [one.state for one in story.columns if one.column == "SSN"] == ["equal"]
    nightly.pg("""UPDATE {s}.visit SET "SSN" = 'hush-hush' WHERE "Id" = 3""")
    story = bulketl.why(nightly.config(**OPTIONS), "visit", 3, "SSN")
    assert [one.state for one in story.looked_at] == ["differs"]
    text = json.dumps(story.to_json())
    assert "123-45" not in text
    assert "hush-hush" not in text


def test_rejected_rows_are_on_record_without_what_is_masked_and_can_be_retried(nightly: Lab) -> None:
    """Their value, row and key; a row that is corrected is masked as the others."""
    rules = {"visit": {**VISITS["visit"], "max_rejects": "50%",
                       "checks": [{"regex": "SSN", "pattern": "^123", "severity": "reject"}]}}  # fmt: skip
    options: dict[str, Any] = {"rules": rules, "mask_key": KEY}
    nightly.mysql("UPDATE visit SET SSN = '666-66-6666' WHERE Id = 9")
    done = nightly.load(**options)
    assert done.summary.tables["visit"].rejects == 1
    ((value, row, key),) = nightly.pg("SELECT value, row, key FROM bulketl.reject WHERE schema_name = '{s}'")
    assert (value, row["SSN"], row["At"], row["PatNum"], key) == ("(masked)", "(masked)", "(masked)", 2, {"Id": 9})
    nightly.mysql("UPDATE visit SET SSN = '123-45-1001' WHERE Id = 9")
    (retried,) = bulketl.retry_rejects(nightly.config(**options))
    assert (retried.loaded, retried.rejected) == (1, 0)
    after = visits(nightly)
    assert after[9][2] == after[1][2]
