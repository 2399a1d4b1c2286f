"""Whatever a row holds has a record: spelt as the servers spell it, and cut where it is too long."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import pytest

from bulketl.rows.reject import BEGINNING, MOST, MOST_OF_A_ROW, Reject, reject
from bulketl.tables.spec import TableSpec

SPEC = TableSpec("t", "s", (), ("id",), "create")


def record(value: object, **more: object) -> Reject:
    return reject({"id": 7, "v": value, **more}, SPEC, ["v"], "why", "22P02")


@pytest.mark.parametrize(
    ("value", "plain", "text"),
    [
        (None, None, None), (True, True, "True"), (5, 5, "5"), (1.5, 1.5, "1.5"), (0.0, 0.0, "0.0"), (-0.0, "-0.0", "-0.0"),
        (math.inf, "Infinity", "Infinity"), (-math.inf, "-Infinity", "-Infinity"), (math.nan, "NaN", "NaN"),
        (2.0**53, "9007199254740992.0", "9007199254740992.0"), (-(2.0**53), "-9007199254740992.0", "-9007199254740992.0"),
        (2.0**53 - 1, 2.0**53 - 1, "9007199254740991.0"), (b"\x00\xff", "\\x00ff", "\\x00ff"), ("ä", "ä", "ä"),
        (dt.date(2026, 1, 2), "2026-01-02", "2026-01-02"), (dt.timedelta(hours=30, seconds=61), "30:01:01", "30:01:01"),
        (-dt.timedelta(hours=1, microseconds=5), "-01:00:00.000005", "-01:00:00.000005"),
        (dt.timedelta(0), "00:00:00", "00:00:00"),
        (dt.timedelta(minutes=59, seconds=59), "00:59:59", "00:59:59"),
    ],
)  # fmt: skip
def test_a_value_is_recorded_as_it_is_found_again(value: object, plain: object, text: str | None) -> None:
    found = record(value)
    assert json.loads(found.row)["v"] == plain
    assert (found.column, found.value, found.reason, found.code, found.key) == ("v", text, "why", "22P02", '{"id": 7}')


@pytest.mark.parametrize(
    ("value", "unit", "short"),
    [("x" * (MOST + 1), "characters", "x" * BEGINNING), (b"x" * (MOST + 1), "bytes", "\\x" + "78" * BEGINNING)],
)
def test_what_is_too_long_is_cut_and_says_how_long_it_was(value: Any, unit: str, short: str) -> None:
    found = record(value)
    assert json.loads(found.row)["v"] == {"cut": short, unit: MOST + 1}
    assert found.value == f"{short}… (cut: {MOST + 1:,} {unit})"
    assert json.loads(record(value[:MOST]).row)["v"] in (value[:MOST], "\\x" + "78" * MOST)


def test_all_long_values_of_a_very_long_row_are_cut() -> None:
    """Short ones are not, and one character less in the row leaves all of them."""
    many = {f"c{n}": "x" * MOST for n in range(MOST_OF_A_ROW // MOST)}
    assert json.loads(record("", **many).row)["c0"] == "x" * MOST
    found = json.loads(record("y", **many).row)
    assert found["c0"] == {"cut": "x" * BEGINNING, "characters": MOST}
    assert found["v"] == "y"


def test_several_columns_at_fault_are_named_with_their_values() -> None:
    found = reject({"id": 7, "v": None, "w": "x"}, SPEC, ["v", "w"], "why")
    assert (found.column, found.value, found.code) == ("v, w", "NULL, x", "")
    nobody = reject({"id": 7}, SPEC, [], "why")
    assert (nobody.column, nobody.value) == ("", None)
    assert reject({"id": 7}, SPEC, ["gone"], "why").value is None
