"""What a load leaves alone, and why: tables out of view or gone, views, and tables that bulketl made and loads no more."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.absences import GONE_TABLE, OUT_OF_VIEW, absences, expected, unseen
from bulketl.plan.leftout import fitting, left_out, told, with_views
from bulketl.plan.plan import Group, Leftover, Plan, Skip, TableLoad
from bulketl.plan.stale import NAMED, leftovers, line, notes
from bulketl.tables.catalog import Absent, Catalog, Column, Expected, Made, Other, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.spec import TableSpec
from bulketl.tables.taken import Taken

HOME = "mysql://h/d"
COLUMNS = (Column("id", "int", False), Column("v", "text", True))


def table(name: str, **given: Any) -> Table:
    return Table(name, COLUMNS, ("id",), (), 0, 0, **given)


CATALOG = Catalog(HOME, "10.11", "UTC", (table("a"), table("b")), views=(table("v", view=True), table("w", view=True)))


def config(rules: dict[str, dict[str, Any]] | None = None, **given: Any) -> Config:
    return Config(tables={name: TableRule.model_validate(entry) for name, entry in (rules or {}).items()}, **given)


def made(name: str, **given: Any) -> TargetTable:
    one = TargetTable(name, (("id", "integer"), ("v", "text")), ("id",), oid=5, made=Made(5, HOME, "r", "load", "at"))
    return dataclasses.replace(one, **given)


def test_what_is_known_is_what_was_loaded_from_here_what_rules_name_and_what_is_noted() -> None:
    rules = {
        "a": {"exclude_columns": ["secret"], "casts": {"v": "text"}, "partition_by": "cut"},
        "new": {
            "extraction_strategy": "incremental", "incremental_column": "at", "primary_key": ["k"],
            "reread": {"columns": ["day"]}, "retention": {"keep": "7y", "by": "old", "action": "delete"},
        },
    }  # fmt: skip
    states = {"a": State(HOME), "x": State("mysql://other/d"), "gone": State(HOME)}
    target = {
        "a": made("a", columns=(("id", "integer"), ("_loaded_at", "timestamptz"), ("_run_id", "text"))),
        "x": made("x"),
    }
    found = expected(
        config(rules, known_columns={"a": frozenset({"noted"}), "new": frozenset({"noted"})}), HOME, states, target
    )
    assert found == {
        "a": Expected(frozenset({"id", "secret", "v", "cut"}), True, True),
        "new": Expected(frozenset({"at", "k", "day", "old", "noted"}), False, False),
        "gone": Expected(frozenset(), False, True),
    }
    own = expected(config({"a": {"primary_key": ["v"]}}), HOME, {"a": State(HOME)}, {"a": made("a")})
    assert own["a"].key is False
    keyless = expected(config({"a": {}}), HOME, {"a": State(HOME)}, {"a": made("a", primary_key=())})
    assert keyless["a"].key is False


def test_what_is_gone_is_skipped_and_what_is_out_of_view_refused() -> None:
    """Among those that were asked for; a column alone is no table."""
    absent = (
        Absent("x", None, gone=True, why=""),
        Absent("y", None, gone=False, why="no right"),
        Absent("a", "v", False, ""),
    )
    catalog = dataclasses.replace(CATALOG, absent=absent)
    rules = config({"x": {"table_importance": "critical"}, "y": {"table_importance": "important"}})
    refused, skipped = absences(rules, catalog, lambda _: True)
    message = f"table 'y' is known and not in view at {HOME}: no right"
    assert [(one.table, one.tier, one.message, one.hint) for one in refused] == [("y", "important", message, OUT_OF_VIEW)]
    assert all(one.reference for one in refused)
    assert skipped == (Skip("x", "critical", GONE_TABLE),)
    assert absences(rules, catalog, lambda name: name == "x") == ((), skipped)


def test_a_table_is_refused_for_a_column_that_is_out_of_view_unless_a_person_leaves_it_out() -> None:
    absent = (Absent("a", "v", False, "no right"), Absent("a", "old", True, ""), Absent("b", "u", False, ""))
    catalog = dataclasses.replace(CATALOG, absent=absent)
    one = table("a")
    assert unseen(config({"a": {"exclude_columns": ["v"]}}), catalog, one) == {"v"}
    assert unseen(config(), CATALOG, one) == frozenset()
    with pytest.raises(PlanError) as caught:
        unseen(config(), catalog, one)
    assert str(caught.value) == "column 'v' of table 'a' is known and not in view at the source: no right"
    assert caught.value.hint.startswith("grant SELECT on the whole table to the source user; if the column was dropped")
    with pytest.raises(PlanError) as caught:
        unseen(config(), dataclasses.replace(CATALOG, absent=(Absent("a", "", False, "no right"),)), one)
    assert str(caught.value) == "the primary key of table 'a' is not in view any more: no right"
    assert (
        caught.value.hint == "grant SELECT on the whole table to the source user, or declare its primary_key in tables.yaml"
    )


@pytest.mark.parametrize(("view", "what"), [(False, "table"), (True, "view")])
def test_what_cannot_be_opened_is_refused(view: bool, what: str) -> None:
    with pytest.raises(PlanError) as caught:
        unseen(config(), CATALOG, table("a", problem="crashed", view=view))
    assert str(caught.value) == f"{what} 'a' cannot be opened at the source: crashed"
    assert caught.value.hint == "repair it there, or write exclude: true for it"


def test_a_view_is_a_table_to_whoever_names_it() -> None:
    """In a rule that does not leave it out, by name, or in an earlier load from here."""

    def taken(rules: dict[str, Any] | None = None, states: dict[str, State] | None = None, *names: str) -> list[str]:
        found = with_views(CATALOG, config(rules), states or {}, names)
        assert {one.name for one in found.views} == {"v", "w"} - {one.name for one in found}
        return [one.name for one in found]

    assert taken() == ["a", "b"]
    assert with_views(CATALOG, config(), {}) is CATALOG
    assert taken({"v": {}}) == ["a", "b", "v"]
    assert taken({"v": {"exclude": True}}) == ["a", "b"]
    assert taken({"v": {"exclude": True}}, None, "v") == ["a", "b", "v"]
    assert taken(None, {"w": State(HOME), "v": State("mysql://x/y")}) == ["a", "b", "w"]
    first = with_views(dataclasses.replace(CATALOG, views=(table("0", view=True),)), config({"0": {}}), {})
    assert [one.name for one in first] == ["0", "a", "b"]


SPELLING = "check the spelling (case counts), and the user's SELECT right on it"


@pytest.mark.parametrize(
    ("patterns", "exclude", "hint"),
    [
        (["c*"], [], SPELLING),
        ([], ["c*"], SPELLING),
        (["v"], [], "views are loaded when they are named in full, or in tables.yaml; it fits v"),
        (["w*"], [], "views are loaded when they are named in full, or in tables.yaml; it fits w"),
        (["s*"], [], "it fits only what is not a table: sequence s1, history s2"),
        (["a", "z"], [], SPELLING),
    ],
)
def test_a_pattern_that_fits_no_table_is_a_mistake(patterns: list[str], exclude: list[str], hint: str) -> None:
    """What it fits else is said; what is left out may be no table."""
    catalog = dataclasses.replace(CATALOG, others=(Other("sequence", "s1"), Other("history", "s2")))
    with pytest.raises(PlanError) as caught:
        fitting(catalog, patterns, exclude)
    assert caught.value.hint == hint
    assert str(caught.value) == f"no table {(patterns or exclude)[-1]!r} in {HOME} that this user may read"
    fitting(catalog, ["a", "b*"], ["v", "s*"])
    absent = dataclasses.replace(catalog, absent=(Absent("z", None, True, ""), Absent("y", "c", True, "")))
    fitting(absent, ["z"], [])
    with pytest.raises(PlanError):
        fitting(absent, ["y"], [])


def test_a_pattern_that_fits_the_name_at_the_source_is_told_the_other_ones() -> None:
    """Tables are called by the names that the rules give them."""
    renamed = tuple(dataclasses.replace(table(name), origin=f"src_{name}") for name in ("x", "y"))
    catalog = dataclasses.replace(CATALOG, tables=(*CATALOG.tables, *renamed))
    for pattern, names in (("src_x", "'x'"), ("src_*", "'x', 'y'")):
        with pytest.raises(PlanError) as caught:
            fitting(catalog, [pattern], [])
        assert caught.value.hint == f"your rules give it another name: write {names}"
    with pytest.raises(PlanError) as caught:
        fitting(catalog, ["src_z"], [])
    assert caught.value.hint == SPELLING


def test_what_is_not_taken_is_told_once_with_how_many() -> None:
    others = (Other("routine", "r"), Other("sequence", "s"), Other("history", "h", 5), Other("event", "e"))
    catalog = dataclasses.replace(CATALOG, others=others)
    assert [one.name for one in left_out(config(), catalog)] == ["v", "w", "r", "s", "h", "e"]
    assert [one.name for one in left_out(config({"v": {"exclude": True}}), catalog, exclude=["s", "e"])] == ["w", "r", "h"]
    assert [one.name for one in left_out(config(), catalog, ["v", "s"])] == ["v", "s"]
    assert told(left_out(config(), catalog)) == (
        "2 views (name them in tables.yaml to load them as tables), 1 sequence, the history rows (5) of 1 system-versioned "
        "table, 1 event, 1 routine"
    )
    assert told([Other("view", "v")]) == "1 view (name it in tables.yaml to load it as a table)"
    assert (
        told([Other("history", "h", 1500), Other("history", "i", None)]) == "the history rows of 2 system-versioned tables"
    )
    assert (
        told([Other("history", "h", 1500), Other("history", "i", 500)])
        == "the history rows (2,000) of 2 system-versioned tables"
    )
    assert told([]) == ""


def test_tables_that_are_loaded_no_more_are_told_with_why_and_since_when() -> None:
    """Those of bulketl's own making, from this source; what is out of view or told elsewhere is not among them."""
    target = {name: made(name) for name in ("a", "x", "y", "hidden", "strange")}
    target["strange"] = made("strange", oid=6)
    target["other"] = made("other", made=Made(5, "mysql://x/y", "r", "load", "at"))
    target["plain"] = made("plain", made=None)
    states = {"x": State(HOME), "y": State("mysql://x/y")}
    catalog = dataclasses.replace(CATALOG, absent=(Absent("hidden", None, False, ""), Absent("x", None, True, "")))
    loaded = {"x": "2026-01-02"}
    assert leftovers(config(), catalog, target, states, loaded) == (Leftover("x", "gone at the source", "2026-01-02"),)
    assert leftovers(config(), catalog, target, states, loaded, told=["x"]) == ()
    out = config({"a": {"exclude": True}})
    assert leftovers(out, catalog, {"a": target["a"]}, {}, {}) == (Leftover("a", "excluded"),)


def test_what_is_masked_now_and_stays_as_it_was_loaded_is_named() -> None:
    """Even where the table is told of elsewhere; not where it was masked when it was loaded."""
    rules = config({"a": {"exclude": True, "mask": {"v": "null", "gone": "null", "id": "keep"}}})
    target = {"a": made("a")}
    assert leftovers(rules, CATALOG, target, {}, {}) == (Leftover("a", "excluded", "", ("v",)),)
    assert leftovers(rules, CATALOG, target, {}, {}, told=["a"]) == (Leftover("a", "excluded", "", ("v",)),)
    assert leftovers(rules, CATALOG, target, {"a": State(HOME, masking="k m")}, {}) == (Leftover("a", "excluded"),)
    assert leftovers(rules, CATALOG, target, {"a": State(HOME)}, {})[0].unmasked == ("v",)


def test_a_table_that_has_another_name_now_is_left_behind_under_the_one_before() -> None:
    """Unless the name before is another table's now, which loads it on."""
    states = {"x": State(HOME, taken=Taken(table="src")), "s": State(HOME)}
    renamed = dataclasses.replace(table("y"), origin="src")
    one = dataclasses.replace(CATALOG, tables=(renamed,))
    assert leftovers(config(), one, {"x": made("x")}, states, {}) == (Leftover("x", "named y now"),)
    other = dataclasses.replace(CATALOG, tables=(dataclasses.replace(table("x"), origin="o"), renamed))
    assert leftovers(config(), other, {"x": made("x")}, states, {}) == ()
    own = dataclasses.replace(CATALOG, tables=(dataclasses.replace(table("t"), origin="s"),))
    assert leftovers(config(), own, {"s": made("s")}, states, {}) == (Leftover("s", "named t now"),)
    masks = config({"t": {"mask": {"v": "null"}}})
    assert leftovers(masks, own, {"s": made("s")}, states, {}) == (Leftover("s", "named t now", "", ("v",)),)


def test_tables_left_behind_are_one_line_whose_names_are_few() -> None:
    one = Leftover("x", "excluded", "2026-01-02", ("v", "w"))
    assert line("raw", [one]) == (
        "1 table in schema raw is no longer loaded and grows stale: x (excluded, last loaded 2026-01-02, with v, w unmasked)"
    )
    many = [Leftover(f"t{n}", "excluded") for n in range(NAMED + 2)]
    assert line("raw", many).startswith("10 tables in schema raw are no longer loaded and grow stale: t0 (excluded), t1")
    assert line("raw", many).endswith("t7 (excluded) and 2 more")
    assert line("raw", many[:NAMED]).endswith("t7 (excluded)")
    assert notes(Plan(HOME, "raw", "UTC", (), leftovers=(one,))) == [line("raw", [one])]
    assert notes(Plan(HOME, "raw", "UTC", ())) == []


def test_what_a_person_does_about_what_is_gone_or_out_of_view() -> None:
    assert GONE_TABLE == (
        "the source does not have it, and the target keeps its rows. Correct its name in the rules; or, if the table was "
        "dropped, write exclude: true for it, or take its rule out, run `bulketl discover --write` and `bulketl state reset`"
    )
    assert OUT_OF_VIEW == (
        "grant SELECT on the whole table to the source user; if it was dropped or is no longer wanted, write exclude: true "
        "for it in tables.yaml"
    )


def test_of_many_tables_that_are_adopted_the_first_are_named() -> None:
    for count, more in ((NAMED, ""), (NAMED + 2, " and 2 more")):
        loads = tuple(
            TableLoad(TableSpec(f"t{n}", "raw", (), (), "swap", adopt="rule"), (), "audit", "", 0, 0) for n in range(count)
        )
        (told,) = notes(Plan(HOME, "raw", "UTC", (Group("audit", loads),)))
        first = ", ".join(f"t{n}" for n in range(NAMED))
        assert told == f"{count} tables that bulketl did not make are adopted: {first}{more}"
