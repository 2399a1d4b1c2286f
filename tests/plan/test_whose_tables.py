"""Whose a table of the target is: bulketl's, an older pipeline's, somebody else's, or given by a person."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.incremental import Choice
from bulketl.plan.ownership import check, given, left_to_others, owner_of, unknown, with_article, with_ownership
from bulketl.plan.plan import TableLoad
from bulketl.plan.selection import Selection
from bulketl.tables.catalog import Catalog, Column, Made, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.measured import Known
from bulketl.tables.owner import WORDS, Owned
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec, cut
from bulketl.tables.taken import Taken

HOME = "mysql://h/d"
CATALOG = Catalog(HOME, "10.11", "UTC", tuple(Table(name, (Column("id", "int", False),)) for name in "abc"))
OURS = TargetTable("a", (), oid=5, made=Made(5, HOME, "run1", "load", "2026-01-01"))
ANEW = dataclasses.replace(OURS, oid=7, rows=1, owner="ann")
THEIRS = TargetTable("a", (), oid=5)
NOBODY, ASKED = Selection(), Selection(adopt=("a",), person="ann")
MIGRATION: dict[str, Any] = {"migration": {}}


def config(adopt: bool = False, **given: Any) -> Config:
    made = Config.model_validate({**given})
    return made.model_copy(update={"tables": {"a": TableRule(adopt=adopt, table_importance="critical")}})


def test_a_table_is_given_by_an_option_or_its_rule_unless_it_is_ours() -> None:
    """The option first; only what rows can be written into can be given."""
    assert given(config(), THEIRS, NOBODY) == ""
    assert given(config(adopt=True), THEIRS, NOBODY) == "rule"
    assert given(config(adopt=True), THEIRS, ASKED) == "option"
    assert given(config(adopt=True), OURS, ASKED) == ""
    assert given(config(), ANEW, ASKED) == "option"
    assert given(config(), dataclasses.replace(THEIRS, kind="partitioned table"), ASKED) == "option"
    assert given(config(adopt=True), dataclasses.replace(THEIRS, kind="view"), ASKED) == ""
    assert given(config(), dataclasses.replace(THEIRS, name="other"), ASKED) == ""


def refusal(existing: TargetTable | None, state: State | None = None, selection: Selection = NOBODY) -> tuple[str, str]:
    """Return the error of a table and its hint, or two empty texts."""
    try:
        check(config(), CATALOG, CATALOG.tables[0], Choice(existing=existing, state=state), selection)
    except PlanError as error:
        return str(error), error.hint
    return "", ""


def test_what_is_ours_or_given_or_new_may_be_written() -> None:
    assert refusal(None) == refusal(OURS) == refusal(THEIRS, selection=ASKED) == ("", "")
    assert refusal(OURS, State(HOME)) == refusal(OURS, State("")) == ("", "")
    assert refusal(None, State("mysql://x/y")) == ("", "")
    assert refusal(OURS, State("mysql://x/y"))[0] == f"table 'a' was loaded from mysql://x/y, and this source is {HOME}"


def test_somebody_elses_table_is_named_with_what_it_has_and_the_ways_out() -> None:
    told, hint = refusal(THEIRS)
    assert told == "table 'a' is somebody else's: no record says that bulketl made the table of that name in schema 'raw'"
    assert hint == (
        "if the source's rows may take its place, write adopt: true in its rule in tables.yaml, or load it once with "
        "--adopt a; else rename it, or load into another schema with --schema"
    )
    rows = dataclasses.replace(THEIRS, rows=2000, owner="ann")
    assert refusal(rows)[0].endswith("in schema 'raw' (2,000 rows, owner ann)")
    assert refusal(dataclasses.replace(THEIRS, rows=0))[0].endswith("in schema 'raw' (0 rows)")
    assert refusal(dataclasses.replace(THEIRS, owner="ann"))[0].endswith("in schema 'raw' (owner ann)")


def test_a_table_that_was_made_anew_is_not_the_one_on_record() -> None:
    told, hint = refusal(ANEW)
    assert told == (
        "table 'a' is somebody else's: the table of that name in schema 'raw' is not the one on record: it has oid 7, "
        "and that of run run1 at 2026-01-01 had oid 5. It was made anew or renamed into place, or the database was restored "
        "(1 row, owner ann)"
    )
    assert (
        "; after a restore `bulketl load --adopt '*'` takes its tables back, each loaded as its rule says; else rename"
        in hint
    )
    assert "new-target" in hint


@pytest.mark.parametrize(("kind", "named"), [("view", "a view"), ("index", "an index")])
def test_another_thing_of_its_name_cannot_be_adopted(kind: str, named: str) -> None:
    told, hint = refusal(dataclasses.replace(THEIRS, kind=kind), selection=ASKED)
    assert told == f"table 'a' cannot be in schema 'raw': {named} has its name there"
    assert hint == (
        "rename or drop it, or load into another schema with --schema, or write exclude: true to leave the table out; only "
        f"a table can be adopted, not {named}"
    )
    assert with_article(kind) == named


def told(state: State | None, origin: str = "src", **given: Any) -> tuple[str, str]:
    """Return the error of a table that has another name at the source, and its hint, or two empty texts."""
    table = dataclasses.replace(CATALOG.tables[0], origin=origin)
    known: dict[str, Any] = {"former_state": state} if "former" in given else {"state": state}
    try:
        check(config(), CATALOG, table, Choice(**known, **given), NOBODY)
    except PlanError as error:
        return str(error), error.hint
    return "", ""


def test_a_table_whose_name_another_one_had_keeps_that_ones_rows() -> None:
    """Rows of one table are not replaced by those of another, because the rules gave it its name."""
    refused = (
        "table 'a' has the rows of the source's table 'old', and the rules give 'src' its name",
        (
            "give 'src' another target_name; or `bulketl state reset a` when it is the same table, renamed at the source, "
            "or its rows may go"
        ),
    )
    assert told(State(HOME, taken=Taken(table="old")), existing=OURS) == refused
    assert told(State(HOME), existing=OURS)[0] == refused[0].replace("'old'", "'a'")
    assert told(State(HOME), "a", existing=OURS) == ("", "")
    assert told(State(HOME, taken=Taken(table="src")), existing=OURS) == ("", "")
    assert told(State("", taken=Taken(table="old")), existing=OURS) == ("", ""), "nobody knows whose these are"


def test_what_is_on_record_under_a_name_keeps_a_table_from_getting_another_one() -> None:
    begins = "table 'src' was loaded as 'old' until now, and its rule names it 'a': "
    ends = " on record under the name that it has"
    hint = "write target_name: old again; or `bulketl state reset old` when all of it may begin anew under the new name"
    retained = State(HOME, retained=(("at", "2020-01-01"),))
    assert told(State(HOME, audited=True), former="old") == (f"{begins}it is audited, and its chain is{ends}", hint)
    assert told(retained, former="old") == (f"{begins}rows left it by its retention, and that is{ends}", hint)
    assert told(State(HOME), former="old") == told(None, former="old") == ("", "")


LEGACY = "a migration is configured and bulketl did not make the table"
PROMOTE = "`bulketl migrate promote` takes it over"
OWNED = Owned("shadow", dt.datetime(2026, 5, 6, 7, 8), "ann", "first week")


def test_who_serves_a_table_is_on_record_or_follows_from_who_made_it() -> None:
    """Where a migration is configured, what bulketl did not make is the older pipeline's."""
    old = config(**MIGRATION)
    known = Known({"a": THEIRS, "b": dataclasses.replace(OURS, name="b")}, {})
    assert [owner_of(old, known, name) for name in "abc"] == ["legacy", "bulketl", "bulketl"]
    assert [owner_of(config(), known, name) for name in "abc"] == ["bulketl"] * 3
    assert owner_of(config(), Known({}, {}, owners={"a": OWNED}), "a") == "shadow"
    assert owner_of(old, Known({"a": THEIRS}, {}, owners={"a": OWNED._replace(owner="bulketl")}), "a") == "bulketl"


def test_a_load_passes_over_what_another_serves_and_says_since_when() -> None:
    old = config(**MIGRATION)
    known = Known({"a": THEIRS}, {}, owners={"b": OWNED})
    left, skipped = left_to_others(old, CATALOG, known, NOBODY)
    assert [table.name for table in left] == ["c"]
    assert [(one.table, one.tier, one.reason) for one in skipped] == [
        (
            "a", "critical",
            f"the older pipeline serves it, as {LEGACY}; {PROMOTE}",
        ),
        (
            "b", "reference",
            f"{WORDS['shadow']}, since 2026-05-06 07:08 (ann: first week); {PROMOTE}",
        ),
    ]  # fmt: skip
    assert left_to_others(old, CATALOG, known, ASKED)[0].tables[0].name == "a"
    on_record = Known({"a": THEIRS}, {}, owners={"a": OWNED})
    assert [one.table for one in left_to_others(old, CATALOG, on_record, ASKED)[1]] == ["a"]
    assert left_to_others(config(), CATALOG, Known({"a": THEIRS}, {}), NOBODY) == (CATALOG, ())


def owned(
    existing: TargetTable | None, selection: Selection = NOBODY, *, adopt: bool = False, parts: int = 2, **spec: Any
) -> TableLoad:
    one = dataclasses.replace(TableSpec("a", "raw", (), ("id",), "swap", rows=9), **spec)
    load = TableLoad(one, tuple(Partition(n) for n in range(parts)), "reference", "why", 0, 0)
    return with_ownership(load, config(adopt), {"a": existing} if existing else {}, selection)


def test_a_table_that_is_adopted_is_counted_anew_and_says_who_gave_it() -> None:
    found = owned(THEIRS, ASKED)
    assert (found.spec.adopt, found.spec.oid, found.spec.person, found.spec.rows) == ("option", 5, "ann", None)
    assert found.reason == "why; adopted, as --adopt says: bulketl did not make it"
    assert len(found.partitions) == 2
    assert owned(THEIRS, ASKED, parts=0).partitions == (Partition(0),), "it has rows that are to go"
    by_rule = owned(THEIRS, adopt=True)
    assert (by_rule.spec.adopt, by_rule.reason) == ("rule", "why; adopted, as its rule says: bulketl did not make it")
    for existing in (OURS, None):
        kept = owned(existing, ASKED)
        assert (kept.spec.adopt, kept.spec.rows, kept.reason) == ("", 9, "why")


def test_an_index_gets_a_name_that_is_free() -> None:
    """The usual one, but where another thing has it; a key that is not built needs none."""
    load = TableLoad(TableSpec("a", "raw", (), ("id",), "swap"), (), "reference", "", 0, 0)

    def name(*taken: str, existing: TargetTable | None = None, **spec: Any) -> str:
        one = dataclasses.replace(load, spec=dataclasses.replace(load.spec, **spec))
        target = {each: dataclasses.replace(OURS, name=each) for each in taken} | ({"a": existing} if existing else {})
        return with_ownership(one, config(), target, NOBODY).spec.key_name

    assert name() == ""
    assert name("a_pkey") == "a_pkey1"
    assert name("a_pkey", "a_pkey1", "a_pkey2") == "a_pkey3"
    assert name("a_pkey", publish="create") == "a_pkey1"
    assert name("a_pkey", publish="merge") == name("a_pkey", key=()) == ""
    assert name("a_pkey", existing=dataclasses.replace(OURS, key_name="a_pkey")) == ""
    assert name("a_pkey", existing=OURS) == "a_pkey1"
    long = "x" * 63
    assert name(cut(f"{long}_pkey"), table=long) == cut(f"{long}_pkey1")


def test_an_option_that_names_no_table_is_a_mistake() -> None:
    error = unknown("--adopt", ["a", "z*", "y"], CATALOG)
    assert error is not None
    assert str(error) == f"--adopt names 'z*', and {HOME} has no such table"
    assert error.hint == "check the spelling (case counts); '*' is every table"
    assert unknown("--adopt", ["a", "*"], CATALOG) is None
