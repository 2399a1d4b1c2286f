"""A part of each table whose references hold: the first rows by the key, and all that they refer to, however far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Done, Lab
from masked import KEY
from pymysql.cursors import Cursor
from typer.testing import CliRunner

import bulketl
from bulketl import PlanError
from bulketl.cli.app import app
from bulketl.loading.events import PartTaken
from bulketl.mysql import firstrows
from bulketl.tables.catalog import Table
from bulketl.tables.part import Part

LIMIT = 10
# A clinic without foreign keys, as MyISAM has it, and a shop that declares its own: to itself, and by two columns.
CLINIC = (
    "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(20), DateTStamp datetime) ENGINE=MyISAM",
    "CREATE TABLE appointment (AptNum int PRIMARY KEY, PatNum int, KEY (PatNum)) ENGINE=MyISAM",
    "CREATE TABLE procedurelog (ProcNum int PRIMARY KEY, AptNum int, PatNum int) ENGINE=MyISAM",
    "INSERT INTO patient SELECT seq, CONCAT('p', seq), '2024-01-01' FROM seq_1_to_400",
    "INSERT INTO appointment SELECT seq, 401 - seq FROM seq_1_to_300",
    "INSERT INTO procedurelog SELECT seq, 301 - seq, 0 FROM seq_1_to_300",
)
SHOP = (
    "CREATE TABLE staff (id int PRIMARY KEY, boss int, FOREIGN KEY (boss) REFERENCES staff (id))",
    "CREATE TABLE region (a varchar(8), b int, PRIMARY KEY (a, b), head int, FOREIGN KEY (head) REFERENCES staff (id))",
    "CREATE TABLE sale (id int PRIMARY KEY, ra varchar(8), rb int, FOREIGN KEY (ra, rb) REFERENCES region (a, b))",
    "INSERT INTO staff SELECT seq, NULL FROM seq_1_to_60",
    "UPDATE staff SET boss = id + 7 WHERE id <= 53",
    "UPDATE staff SET boss = 54 WHERE id = 60",
    "INSERT INTO region SELECT CONCAT('r', seq % 3), seq, 61 - seq FROM seq_1_to_60",
    "INSERT INTO sale SELECT seq, CONCAT('r', seq % 3), seq FROM seq_1_to_60",
)
REFERENCES = {
    "clinic": (("appointment", "PatNum", "patient", "PatNum"), ("procedurelog", "AptNum", "appointment", "AptNum")),
    "shop": (("staff", "boss", "staff", "id"), ("region", "head", "staff", "id"), ("sale", "ra, rb", "region", "a, b")),
}


def load(lab: Lab, limit: int | None = LIMIT, **options: Any) -> Done:
    """Load under a limit as a notebook does."""
    rules = options.pop("rules", None)
    config = lab.config(rules=rules)
    plan = bulketl.make_plan(config, limit=limit, **options)
    events: list[Any] = []
    return Done(plan, bulketl.load(config, plan, [events.append]), events)


def dangling(lab: Lab, reference: tuple[str, str, str, str]) -> int:
    """Count the rows of the target that refer to a row which the source has and the target lacks."""
    table, columns, other, keys = reference
    there = {tuple(row) for row in lab.mysql(f"SELECT {keys} FROM {other}")}
    names, ids = (", ".join(f'"{name}"' for name in some.split(", ")) for some in (columns, keys))
    here = {tuple(row) for row in lab.pg(f'SELECT {ids} FROM {{s}}."{other}"')}
    return sum(tuple(row) in there - here for row in lab.pg(f'SELECT {names} FROM {{s}}."{table}"'))


def parts(done: Done) -> dict[str, Part | None]:
    """Return the part of each table."""
    return {load.spec.table: load.spec.part for load in done.plan.loads}


@pytest.mark.parametrize("where", REFERENCES)
def test_references_hold(lab: Lab, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table has its first rows and those that others refer to, counted; no row refers to one that is left out."""
    small_partitions(monkeypatch, 4)
    lab.mysql(*(CLINIC if where == "clinic" else SHOP))
    done = load(lab)
    assert (done.summary.outcome, done.plan.refused) == ("done", ())
    for reference in REFERENCES[where]:
        assert dangling(lab, reference) == 0, reference
    for table, part in parts(done).items():
        ((rows,),) = lab.pg(f'SELECT count(*) FROM {{s}}."{table}"')
        assert part is not None
        assert (rows, part.rows) == (part.all, LIMIT), table
        assert done.summary.tables[table].part.startswith(part.words)
    assert {event.table for event in done.events if isinstance(event, PartTaken)} == set(parts(done))


def test_the_counts_of_a_chain(lab: Lab) -> None:
    """Ten procedures are of ten appointments beyond the first ten, and the patients of all twenty come with these."""
    lab.mysql(*CLINIC)
    done = load(lab)
    assert parts(done) == {
        "procedurelog": Part(LIMIT, LIMIT), "appointment": Part(LIMIT, LIMIT, 10), "patient": Part(LIMIT, LIMIT, 20),
    }  # fmt: skip
    assert "a part of its rows: 10 by its key, and 20 that others refer to" in done.summary.tables["patient"].part
    assert "30 rows under a limit, and 30 that others refer to" in done.summary.notes[0]
    again = load(lab)  # whatever is there already, the same rows are taken
    assert [load.partitions for load in again.plan.loads] == [load.partitions for load in done.plan.loads]


def test_a_rule_limits_one_table(lab: Lab) -> None:
    """What a whole table refers to is added to a limited one; the condition of a rule is kept to by both."""
    lab.mysql(*CLINIC)
    rules = {"patient": {"limit": 5, "where": "PatNum NOT IN (1, 2, 380)"}, "appointment": {"where": "AptNum <= 50"}}
    done = load(lab, limit=None, rules=rules)
    assert parts(done)["patient"] == Part(5, 5, 49)
    assert parts(done)["appointment"] is None
    assert lab.pg('SELECT min("PatNum"), count(*) FROM {s}.patient') == [(3, 54)]
    assert lab.pg("SELECT count(*) FROM {s}.appointment") == [(50,)]
    found = bulketl.verify(lab.config(rules=rules))
    assert (found.equal, [verdict.table for verdict in found.tables]) == (True, ["appointment", "procedurelog"])
    assert any("patient is not verified: a part of its rows" in note for note in found.notes)


def test_a_part_takes_no_place_of_what_is_whole(lab: Lab) -> None:
    """Neither option nor rule publishes a part over a whole table, unless a person frees that table."""
    lab.mysql(*CLINIC)
    load(lab, limit=None)
    with pytest.raises(PlanError, match="holds 3 whole tables") as error:
        load(lab)
    assert "--schema" in error.value.hint
    done = load(lab, limit=None, rules={"patient": {"limit": 5}})
    assert [refusal.table for refusal in done.plan.refused] == ["patient"]
    assert lab.pg("SELECT count(*) FROM {s}.patient") == [(400,)]
    done = load(lab, allow_deletes=["*"])
    assert lab.pg("SELECT count(*) FROM {s}.patient") == [(30,)]
    assert done.summary.outcome == "done"


def test_a_load_without_a_limit_makes_it_whole(lab: Lab) -> None:
    """A part moves no watermark and is no evidence: the next load without a limit reads everything, and says why."""
    lab.mysql(*CLINIC)
    rules = {
        "patient": {"extraction_strategy": "incremental", "incremental_column": "DateTStamp", "deletes": "mark"},
        "procedurelog": {"table_importance": "audit"},
    }
    load(lab, rules=rules)
    assert lab.pg("SELECT count(*) FROM bulketl.state WHERE schema_name = '{s}' AND watermark IS NOT NULL") == [(0,)]
    done = load(lab, limit=None, rules=rules)
    assert (done.summary.outcome, done.plan.refused) == ("done", ())
    assert all("until now it has a part of its rows" in load.reason for load in done.plan.loads)
    for table, rows in (("patient", 400), ("appointment", 300), ("procedurelog", 300)):
        assert lab.pg(f'SELECT count(*) FROM {{s}}."{table}"') == [(rows,)]
    assert bulketl.verify(lab.config(rules=rules)).equal
    assert lab.pg("SELECT DISTINCT part FROM bulketl.state WHERE schema_name = '{s}'") == [("",)]


def test_nothing_takes_it_for_the_whole(lab: Lab) -> None:
    """It is not compared, certified, counted by month or shortened; status, states and `why` say that it is a part."""
    lab.mysql(*CLINIC)
    rules = {
        "patient": {
            "retention": {"keep": "1y", "by": "DateTStamp", "action": "delete"},
            "checks": [{"row_count": {"min": 300}}],
        }
    }
    config = lab.config(rules=rules)
    done = load(lab, rules=rules)
    assert done.summary.tables["patient"].certified is None
    assert "not checked, as it is of all rows: row_count" in done.summary.tables["patient"].part
    found = bulketl.verify(config)
    assert not found.equal
    assert all("a part of its rows" in verdict.problem and not verdict.wrong for verdict in found.tables)
    (months,) = (one for one in bulketl.compare_history(config).tables if one.table == "patient")
    assert "a part of its rows" in months.skipped
    with pytest.raises(PlanError, match="is a part"):
        bulketl.retain_tables(config)
    assert {one.compared for one in bulketl.states(config)} == {""}
    assert {one.part for one in bulketl.states(config)} == {part.words for part in parts(done).values() if part}
    assert "is not among them" in bulketl.why(config, "patient", 200).because
    assert {one.word for one in bulketl.status(config).tables} == {"in part"}


def test_small_and_keyless_tables(lab: Lab) -> None:
    """A table within the limit is there as a whole; of one without a key nobody can tell which rows come first."""
    lab.mysql("CREATE TABLE few (n int)", "INSERT INTO few VALUES (1), (1)", "CREATE TABLE none (n int)",
                    "CREATE TABLE many (n int)", "INSERT INTO many SELECT seq FROM seq_1_to_30")  # fmt: skip
    done = load(lab)
    assert parts(done) == {"few": Part(LIMIT, 2, complete=True), "none": Part(LIMIT, 0, complete=True)}
    ((refused),) = done.plan.refused
    assert (refused.table, "no key says which come first" in refused.message) == ("many", True)
    assert done.summary.tables["few"].part == "all 2 rows, within its limit of 10"


def test_a_table_that_cannot_be_looked_up_fails_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server says of one table costs none of the others."""
    lab.mysql(*CLINIC)
    looked_up = firstrows.beyond_with

    def failing(cursor: Cursor, table: Table, *more: Any) -> Any:
        if table.name == "patient":
            cursor.execute("SELECT nothing FROM patient")
        return looked_up(cursor, table, *more)

    monkeypatch.setattr(firstrows, "beyond_with", failing)
    done = load(lab)
    assert [(one.table, "Unknown column" in one.message) for one in done.plan.refused] == [("patient", True)]
    assert parts(done)["appointment"] == Part(LIMIT, LIMIT, 10)


def test_tables_that_are_not_loaded_are_named(lab: Lab) -> None:
    """A load of some tables says which others their rows refer to."""
    lab.mysql(*CLINIC)
    done = load(lab, tables=["appointment"])
    assert "what its rows refer to in patient is not loaded with it" in done.summary.tables["appointment"].part


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edges=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=30), limit=st.integers(1, 12))
def test_whatever_refers_to_whatever(lab: Lab, edges: list[tuple[int, int]], limit: int) -> None:
    """Of any references, circles too, the rows taken are the first ones and all that can be reached from them."""
    lab.mysql("DROP TABLE IF EXISTS node", "CREATE TABLE node (id int PRIMARY KEY, next int)")
    to = dict(edges)
    values = ", ".join(f"({n}, {to.get(n, 'NULL')})" for n in range(1, 31))
    lab.mysql(f"INSERT INTO node VALUES {values}", "ALTER TABLE node ADD FOREIGN KEY (next) REFERENCES node (id)")
    load(lab, limit=limit)
    wanted, more = set(range(1, limit + 1)), set(range(1, limit + 1))
    while more := {to[n] for n in more if n in to} - wanted:
        wanted |= more
    assert {n for (n,) in lab.pg("SELECT id FROM {s}.node")} == wanted


def test_an_interrupted_load_goes_on_with_the_same_rows(lab: Lab) -> None:
    """The rows that were chosen are in the plan of the run, of tables too that their rules have audited or marked."""
    lab.mysql(*CLINIC)
    rules = {"procedurelog": {"table_importance": "audit"}, "appointment": {"deletes": "mark"}}
    config = lab.config(rules=rules, workers=1)
    plan = bulketl.make_plan(config, limit=LIMIT)
    done = bulketl.load(config, plan, closed=lambda: True)
    assert done.outcome == "stopped"
    again = bulketl.resume(config)
    assert again.outcome == "done"
    assert lab.pg("SELECT count(*) FROM {s}.patient") == [(30,)]
    assert "and 20 that others refer to" in again.tables["patient"].part


def test_checks_name_references(lab: Lab) -> None:
    """What no name tells a foreign key of a check does, to the table itself as well, by the names of the source."""
    lab.mysql("CREATE TABLE person (PersonNum int PRIMARY KEY, Guarantor int) ENGINE=MyISAM",
                    "INSERT INTO person SELECT seq, seq + 10 FROM seq_1_to_40")  # fmt: skip
    check = {"foreign_key": "Guarantor", "to": "person.PersonNum"}
    rules = {"person": {"target_name": "people", "checks": [check]}}
    done = load(lab, rules=rules)
    assert parts(done) == {"people": Part(LIMIT, LIMIT, 30)}


@pytest.mark.parametrize(
    "kind", ["varchar(20) COLLATE utf8mb4_general_ci", "varbinary(20)", "datetime(3)", "decimal(12,4)", "date"]
)
def test_keys_of_every_kind(lab: Lab, kind: str) -> None:
    """A key of any type that a table can be cut by says which rows come first, and is looked up."""
    value = "'2001-01-01' + INTERVAL seq DAY" if "date" in kind else "seq" if "dec" in kind else "CONCAT('K\\'%é', seq)"
    lab.mysql(f"CREATE TABLE thing (code {kind} PRIMARY KEY)", f"INSERT INTO thing SELECT {value} FROM seq_1_to_60",
                    f"CREATE TABLE used (id int PRIMARY KEY, code {kind}, FOREIGN KEY (code) REFERENCES thing (code))",
                    f"INSERT INTO used SELECT 61 - seq, {value} FROM seq_1_to_60")  # fmt: skip
    done = load(lab)
    assert done.summary.outcome == "done"
    assert dangling(lab, ("used", "code", "thing", "code")) == 0
    wanted = lab.mysql(
        f"SELECT COUNT(*) FROM thing WHERE code IN (SELECT code FROM used WHERE id <= {LIMIT})"
        f" OR code IN (SELECT code FROM (SELECT code FROM thing ORDER BY code LIMIT {LIMIT}) t)"
    )
    assert lab.pg("SELECT count(*) FROM {s}.thing") == wanted


def test_a_masked_key_chooses_nothing(lab: Lab) -> None:
    """The plan has the keys of rows that were added, so a table with a masked key has no first rows."""
    lab.mysql(*CLINIC)
    rules = {"patient": {"mask": {"PatNum": "hmac"}}}
    plan = bulketl.make_plan(lab.config(rules=rules, mask_key=KEY), limit=LIMIT)
    assert [(one.table, "no mask" in one.message) for one in plan.refused] == [("patient", True)]


def test_the_command_line(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The plan's next step has the limit, a load that goes on cannot, and each screen and report says what is a part."""
    lab.mysql(*CLINIC)
    monkeypatch.chdir(tmp_path)
    for name, value in (("SOURCE", lab.source), ("TARGET", lab.target), ("SCHEMA", lab.schema)):
        monkeypatch.setenv(f"BULKETL_{name}", value)

    def said(line: str) -> str:
        return CliRunner().invoke(app, line.split(), env={"COLUMNS": "200"}).output

    assert "next: `bulketl load --limit 10` does it" in said("plan --limit 10")
    assert "part  patient: a part of its rows: 10 by its key, and 20 that others refer to" in said("load --limit 10")
    assert "--limit would change it" in said("load --resume last --limit 10")
    assert "3 whole tables" not in said("load --limit 5 --dry-run")
    assert "All of them in part only, under a limit." in said("report daily --markdown")
    assert "a part of its rows: 10 by its key, and 20 that others refer to" in said("state show patient")
    assert "all of them in part only" in said("status")
    assert "part taken    patient, a part of its rows" in said("runs show last")


@pytest.mark.parametrize("options", [{"full": True}, {"since": "2024-01-01"}, {"adopt": ["*"]}])
def test_requests_that_contradict_a_limit(lab: Lab, options: dict[str, Any]) -> None:
    """A limit goes with no other word on which rows are meant."""
    with pytest.raises(PlanError, match="--limit"):
        bulketl.make_plan(lab.config(), limit=LIMIT, **options)
