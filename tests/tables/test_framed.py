"""What an act returns, as a frame: a row for each thing, a column for each value that a frame can have."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from bulketl.tables.frame import frame


@dataclasses.dataclass(frozen=True)
class Within:
    name: str
    at: dt.date


@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
    rows: int | None = None
    share: float = 0.5
    paid: Decimal = Decimal("1.50")
    at: dt.datetime = dt.datetime(2024, 1, 1)
    day: dt.date = dt.date(2024, 1, 1)
    took: dt.timedelta = dt.timedelta(seconds=5)
    words: tuple[str, ...] = ()
    within: Within | None = None
    nested: Any = None
    _own: str = "hidden"

    @property
    def doubled(self) -> int:
        """A property has a column too."""
        return 2 * (self.rows or 0)

    @property
    def _private(self) -> str:
        return "hidden"


class Pair(NamedTuple):
    one: int
    two: str


COLUMNS = ["name", "rows", "share", "paid", "at", "day", "took", "words", "within", "nested", "doubled"]


def test_each_field_and_property_is_a_column_in_their_order() -> None:
    found = frame([Thing("a", 5), Thing("b", words=("x", "y"))])
    assert found.columns == COLUMNS
    one, other = found.rows(named=True)
    assert one == {
        "name": "a", "rows": 5, "share": 0.5, "paid": Decimal("1.50"), "at": dt.datetime(2024, 1, 1),
        "day": dt.date(2024, 1, 1), "took": dt.timedelta(seconds=5), "words": [], "within": None, "nested": None,
        "doubled": 10,
    }  # fmt: skip
    assert (other["rows"], other["words"], other["doubled"]) == (None, ["x", "y"], 0)


def test_what_is_nested_is_json() -> None:
    inner = Within("w", dt.date(2024, 1, 1))
    (row,) = frame([Thing("a", within=inner, nested={"k": [inner, {1: ("x",)}], "s": frozenset({7}), "n": None})]).rows(
        named=True
    )
    assert json.loads(row["within"]) == {"name": "w", "at": "2024-01-01"}
    assert json.loads(row["nested"]) == {
        "k": [{"name": "w", "at": "2024-01-01"}, {"1": ["x"]}], "s": [7], "n": None,
    }  # fmt: skip
    (row,) = frame([Thing("a", nested=[1, "x"])]).rows(named=True)
    assert json.loads(row["nested"]) == [1, "x"]
    (row,) = frame([Thing("a", nested=["x", "y"])]).rows(named=True)
    assert row["nested"] == ["x", "y"]


def test_a_result_has_its_things_as_tables_loads_or_itself() -> None:
    """Tables by name too; rows that differ in their columns have all of these."""

    class Summary:
        tables = {"a": Pair(1, "x"), "b": Pair(2, "y")}  # noqa: RUF012

    class Planned:
        loads = (Pair(3, "z"),)

    assert frame(Summary()).rows() == [(1, "x"), (2, "y")]
    assert frame(Planned()).rows() == [(3, "z")]  # type: ignore[arg-type]
    assert frame(Pair(n, "t") for n in range(2)).rows() == [(0, "t"), (1, "t")]
    mixed = frame([Pair(1, "x"), Within("w", dt.date(2024, 1, 1))])
    assert mixed.columns == ["one", "two", "name", "at"]
    assert mixed.rows() == [(1, "x", None, None), (None, None, "w", dt.date(2024, 1, 1))]
    assert frame([]).columns == []


def test_what_is_no_result_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match=r"^int is not a result of bulketl: give what one of its functions returns$"):
        frame([Pair(1, "x"), 5])
    with pytest.raises(TypeError, match=r"^str is no"):
        frame(["text"])
