"""What plan, summary, verification and status show in a notebook: what is wrong first."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from lab import Lab, numbers

import bulketl
from bulketl import ConfigError


def test_each_value_shows_its_tables_with_what_is_wrong_first(maria_lab: Lab) -> None:
    """Names are escaped, for they come out of the source."""
    maria_lab.mysql(
        "CREATE TABLE `a<b>` (id int PRIMARY KEY)", "INSERT INTO `a<b>` VALUES (1), (2)",
        "CREATE TABLE wrong (id int PRIMARY KEY, f int)", "INSERT INTO wrong VALUES (1, 7)",
    )  # fmt: skip
    config = maria_lab.config(rules={"wrong": {"casts": {"f": "boolean"}}})
    plan = bulketl.make_plan(config)
    summary = bulketl.load(config, plan)
    maria_lab.pg('DELETE FROM {s}."a<b>" WHERE id = 2')
    verified = bulketl.verify(config, tables=["a<b>"])
    shown = [value._repr_html_() for value in (plan, summary, verified, bulketl.status(config))]
    assert all("a&lt;b&gt;" in html and "<b>" not in html for html in shown)
    _, loaded, compared, stands = shown
    assert loaded.index("failed") < loaded.index("a&lt;b&gt;")
    assert "partly done: 2 rows" in loaded
    assert "differ at level rows" in compared
    assert stands.index("wrong") < stands.index("a&lt;b&gt;")


class Cell:
    """What IPython gives for an output that can be drawn anew; `drawn` has each picture."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, str]] = []

    def update(self, shown: Any) -> None:
        self.drawn.append((repr(shown), shown._repr_html_()))


def test_a_cell_shows_what_is_under_way_and_at_the_end_what_came_of_it(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a thread other than the cell's as well; a name of the source is escaped."""
    cell = Cell()
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=lambda *_, **__: cell))
    monkeypatch.setattr("bulketl.operations.cell.PAUSE", 0.0)
    maria_lab.mysql(
        "CREATE TABLE `<b>` (id int PRIMARY KEY)", f"INSERT INTO `<b>` SELECT seq FROM {numbers(400)}",
        "CREATE TABLE wrong (id int PRIMARY KEY, f int)", "INSERT INTO wrong VALUES (1, 7)",
    )  # fmt: skip
    config = maria_lab.config(rules={"wrong": {"casts": {"f": "boolean"}}})
    shown = bulketl.progress()
    assert repr(shown) == "no load has begun"
    monkeypatch.setattr("bulketl.operations.underway.LINE_ROWS", 100)
    bulketl.load(config, bulketl.make_plan(config), [shown])
    assert cell.drawn[0][0] == "0 of 2 tables, 0 rows"
    assert cell.drawn[-1][0] == "2 of 2 tables, 400 rows, 1 failed"
    assert any("&lt;b&gt;" in picture for _, picture in cell.drawn)
    assert not any("<b>" in picture for _, picture in cell.drawn)


def test_progress_is_refused_where_there_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ConfigError, match="a cell of a notebook"):
        bulketl.progress()
