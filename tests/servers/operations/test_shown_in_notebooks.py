"""What plan, summary, verification and status show in a notebook: what is wrong first."""

from __future__ import annotations

from lab import Lab

import bulketl


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
