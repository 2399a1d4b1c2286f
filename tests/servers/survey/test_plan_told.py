"""What plan tells is what a load does: its DDL and locks, its minutes, and every table on a screen of any width."""

from __future__ import annotations

import re
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.cli.screens.plans import ddl
from bulketl.plan.plan import TableLoad

MARK = {"t": {"deletes": "mark"}}
AUDIT = {"t": {"table_importance": "audit"}}
CHUNKED = {"t": {"extraction_strategy": "chunked_incremental", "incremental_column": "id", "lookback": 0}}
MORE = "ALTER TABLE t ADD extra int"
WIDER = "ALTER TABLE t ADD extra int, MODIFY c bigint"
VERBS = {
    "CREATE TABLE": r"^CREATE TABLE (?!.*ON COMMIT DROP)",
    "TRUNCATE": r"^TRUNCATE",
    "ADD COLUMN": r"^ALTER TABLE (?!\"bulketl_staging\").*ADD COLUMN",  # of the table; one beside it is made as it has to be
    "ALTER COLUMN": r"ALTER COLUMN \S+ TYPE",
    "DROP TABLE": r"^DROP TABLE (?!IF EXISTS)",
    "DROP VIEW": r"^DROP VIEW",
    "CREATE VIEW": r"^CREATE VIEW",
}


def environment(lab: Lab) -> dict[str, str]:
    return {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}


def planned(lab: Lab, **overrides: Any) -> tuple[TableLoad, list[str]]:
    config = lab.config(**overrides)
    plan = bulketl.make_plan(config)
    (load,) = plan.loads
    return load, bulketl.statements(config, plan)["t"]


@pytest.mark.parametrize("rows", [3, 200], ids=["direct", "staged"])
@pytest.mark.parametrize(
    ("rules", "hanging", "change"),
    [
        ({}, "", ""),
        ({}, "", WIDER),
        ({}, "CREATE VIEW {s}.v AS SELECT c FROM {s}.t", ""),
        ({}, "CREATE VIEW {s}.v AS SELECT c FROM {s}.t", WIDER),
        ({}, "CREATE INDEX ON {s}.t (c)", WIDER),
        ({}, "CREATE TABLE {s}.o (t int REFERENCES {s}.t)", ""),
        (MARK, "", ""),
        (MARK, "", MORE),
        (MARK, "", WIDER),
        (AUDIT, "", ""),
        (AUDIT, "", MORE),
        (AUDIT, "", WIDER),
        (CHUNKED, "", "INSERT INTO t SELECT 1000 + seq, seq FROM seq_1_to_300"),
    ],
)
def test_the_ddl_and_the_lock_a_plan_tells_are_those_of_its_statements(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int, rules: dict[str, Any], hanging: str, change: str
) -> None:
    """Nothing is altered, emptied or dropped that was not said, and what was said happens; the first time and later."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int)", f"INSERT INTO t SELECT seq, seq FROM seq_1_to_{rows}")
    for again in (False, True):
        if again:
            maria_lab.load(rules=rules)
            maria_lab.pg(hanging) if hanging else None
            maria_lab.mysql(change or "UPDATE t SET c = c + 1 WHERE id = 1")  # else nothing is loaded
        load, statements = planned(maria_lab, rules=rules)
        told = ddl(load)
        for verb, pattern in VERBS.items():
            sent = any(re.search(pattern, line, re.MULTILINE) for line in statements)
            assert sent == (verb in told), (verb, told, statements)
        on_it = rf"(TRUNCATE|ALTER TABLE|DROP TABLE|LOCK TABLE) (ONLY )?\"?{maria_lab.schema}\"?\.\"?t\b"
        locked = any(re.search(on_it, line) for line in statements)
        assert locked == bool(load.lock), (load.lock, statements)


def test_tables_that_become_visible_together_share_the_seconds_of_their_load(lab: Lab) -> None:
    """A load that took ten seconds for five tables will not take fifty; more rows take longer, fewer not less than ever."""
    names = [f"t{n}" for n in range(5)]
    lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in names), "INSERT INTO t0 VALUES (1), (2)")
    assert {load.seconds for load in bulketl.make_plan(lab.config()).loads} == {None}
    run = lab.load().summary.run
    lab.pg("UPDATE bulketl.table_load SET seconds = 10 WHERE run = %s", [run])
    lab.mysql("INSERT INTO t0 VALUES (3), (4), (5)")
    seconds = {load.spec.table: load.seconds for load in bulketl.make_plan(lab.config(), full=True).loads}
    assert seconds == {"t0": 5.0, "t1": 2.0, "t2": 2.0, "t3": 2.0, "t4": 2.0}
    lab.mysql("DELETE FROM t0")
    assert next(load.seconds for load in bulketl.make_plan(lab.config()).loads if load.spec.table == "t0") == 2.0
    shown = CliRunner().invoke(app, ["plan", "--full"], env=environment(lab)).stdout
    assert "about 10.0 s of one worker by the last loads" in " ".join(shown.split())


def test_tables_are_counted_by_tier_and_each_is_there_with_its_reason_when_more_is_asked_for(maria_lab: Lab) -> None:
    """With -v, or of few tables."""
    names = [f"small_table_{n}" for n in range(60)]
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in names),
                    "CREATE TABLE large (id int PRIMARY KEY, flag tinyint, many int unsigned, c text)",
                    "INSERT INTO large SELECT seq, 1, 2, 'x' FROM seq_1_to_2000")  # fmt: skip

    def shown(*more: str) -> str:
        return str(CliRunner().invoke(app, ["plan", *more], env={**environment(maria_lab), "COLUMNS": "80"}).stdout)

    short = shown()
    assert len(short.splitlines()) < 20
    assert short.startswith("61 tables to load\n")
    assert re.search(r"^reference +61 +2,000 ", short, re.MULTILINE)
    assert "small_table_7" not in short
    for text in (shown("-v"), shown("--tables", "large,small_table_7")):
        assert re.search(r"^small_table_7  reference, 0 rows, ", text, re.MULTILINE)
        words = " ".join(text.split())
        assert "why full load: empty at the source, counted; new in the target DDL CREATE TABLE locks none" in words
        assert "types tinyint(4) -> smallint, int(10) unsigned -> bigint, 2 others as they are; copied by pgpq" in words
    assert all(re.search(rf"^{name}  ", shown("-v"), re.MULTILINE) for name in [*names, "large"])


@pytest.mark.parametrize(("engine", "rule", "lock"), [
    ("MyISAM", {}, "READ while it is read"),
    ("InnoDB", {"consistency": "locked"}, "READ while it is read"),
    ("InnoDB", {"consistency": "snapshot"}, "READ until every reader has begun"),
    ("InnoDB", {}, ""),
])  # fmt: skip
def test_the_plan_tells_who_waits_at_the_source(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str, rule: dict[str, str], lock: str
) -> None:
    """Writers do, where rows are to be of one moment and the engine has no snapshots, or several readers want the same."""
    maria_lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY) ENGINE={engine}", "INSERT INTO t SELECT seq FROM seq_1_to_200")
    if engine == "InnoDB":
        small_partitions(monkeypatch, 50)
    load, _ = planned(maria_lab, rules={"t": rule})
    assert load.source_lock == lock


def test_diff_tells_what_is_read_and_why_a_table_is_loaded_no_more(maria_lab: Lab) -> None:
    """Whole loads that become incremental ones, policies for deletes, tables that are refused now."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)", "CREATE TABLE u (id int PRIMARY KEY)")
    rules: dict[str, Any] = {"t": {"extraction_strategy": "incremental", "incremental_column": "id"}}
    maria_lab.load(rules=rules)
    maria_lab.mysql("ALTER TABLE u CHANGE id other int")
    config = maria_lab.config(rules=rules)
    lines = bulketl.compare_with_last(config, bulketl.make_plan(config))[1]
    assert "~ t: reads all of it -> what changed" in lines
    assert "~ t: deletes mirror -> ignore" in lines
    assert any(line.startswith("- u (table 'u' has the key other at the source") for line in lines)
