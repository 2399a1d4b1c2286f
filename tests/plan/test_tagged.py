"""Values of a plan that JSON has no form for: each comes back as it was, and what has no place in a plan is refused."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from bulketl.plan.tagged import tagged, untagged
from bulketl.tables.catalog import Made

VALUES = {
    "bytes": (b"\x00\xff", "AP8="),
    "datetime": (dt.datetime(2024, 1, 31, 8, 0, 0, 5, tzinfo=dt.timezone.utc), "2024-01-31T08:00:00.000005+00:00"),  # noqa: UP017
    "date": (dt.date(2024, 1, 31), "2024-01-31"),
    "seconds": (dt.timedelta(days=1, microseconds=500), "86400.0005"),
    "decimal": (Decimal("1.50"), "1.50"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_is_tagged_with_its_type_and_comes_back(kind: str) -> None:
    value, text = VALUES[kind]
    assert tagged(value) == {"$": kind, "text": text}
    back = json.loads(json.dumps({"v": [value]}, default=tagged), object_hook=untagged)
    assert back == {"v": [value]}
    assert type(back["v"][0]) is type(value)


def test_another_mapping_is_itself() -> None:
    for found in ({"$": "date"}, {"text": "x"}, {"$": "date", "text": "2024-01-31", "more": 1}, {}):
        assert untagged(found) is found


def test_a_value_with_fields_is_these_and_another_has_no_place() -> None:
    assert tagged(Made(1, "s", "r", "h", "a")) == {"oid": 1, "source": "s", "run": "r", "how": "h", "at": "a"}
    with pytest.raises(TypeError, match=r"^object has no place in a plan$"):
        tagged(object())
