"""Comparing with an older pipeline: each of its faults is found and named, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import legacy
import psycopg
import pytest
from lab import Lab
from lab import load as lab_load
from sidebyside import dropped
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.operations.migrate.compare import compare_pipelines as compare
from bulketl.operations.migrate.comparison import Comparison, TableCompared
from bulketl.operations.migrate.ready import Readiness, ready
from bulketl.operations.migrate.sides import shadowed
from bulketl.postgres.ledger.ownership import own
from bulketl.tables.differences import CLASSES
from bulketl.verifying.verdicts import LEVELS

PATIENT = (
    "CREATE TABLE patient (id int PRIMARY KEY, name varchar(50), active tinyint(1) NOT NULL, note text, born date,"
    " balance decimal(10,2), seen datetime(6), stamp timestamp(6) NULL, weight double, small smallint)"
)
PATIENTS: list[tuple[Any, ...]] = [
    (1, "Ann", 1, "", "1980-01-02", "10.50", "2024-01-01 10:00:00.000000", "2024-01-01 10:00:00.5", 1.5, 1),
    (2, "Bob", 0, None, None, None, "2024-01-02 10:00:00.123456", None, None, None),
    (3, None, 1, "x", "1990-05-05", "-3.25", None, "2024-03-01 12:00:00", 0.1, 3),
]
FAULTS = {
    ("active", "boolean", 3),
    ("name", "empty-for-null", 1),
    ("note", "empty-for-null", 1),
    ("seen", "seconds", 1),
    ("stamp", "seconds", 1),
    ("", "keeps-deleted", 1),
}


@pytest.fixture(autouse=True)
def no_shadow_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Drop what stands beside a lab's schema."""
    lab: Lab = request.getfixturevalue("lab" if "lab" in request.fixturenames else "maria_lab")
    yield
    dropped(lab)


def made(lab: Lab, *tables: str, **overrides: Any) -> bulketl.Config:
    """Load tables by both pipelines; return the configuration of a migration."""
    legacy.load(lab.source, lab.target, lab.schema, tables)
    config = lab.config(migration={"promote_after": {"equal_nights": 2}}, **overrides)
    lab.pg(f"DROP SCHEMA IF EXISTS {config.shadow_schema} CASCADE")
    lab_load(shadowed(config), tables=tables)
    return config


def patients(lab: Lab) -> bulketl.Config:
    """Make the table of patients, one of which the source has deleted since the older pipeline had it."""
    lab.mysql(PATIENT)
    lab.insert("patient", [*PATIENTS, (4, "Dan", 1, "y", None, None, None, None, None, None)])
    legacy.load(lab.source, lab.target, lab.schema, ["patient"])
    lab.mysql("DELETE FROM patient WHERE id = 4")
    return made(lab, "patient")


def claimed(found: TableCompared) -> set[tuple[str, str, int]]:
    return {(one.column, one.name, one.rows) for one in found.differences}


def one_table(found: Comparison) -> TableCompared:
    (table,) = found.tables
    return table


def test_the_comparison_finds_exactly_the_four_faults_and_says_that_the_shadow_is_right(lab: Lab) -> None:
    found = one_table(compare(patients(lab)))
    assert found.problem == ""
    assert claimed(found) == FAULTS
    assert (found.legacy_rows, found.shadow_rows, found.outcome) == (4, 3, "differs")
    assert found.judged
    assert all(one.shadow and not (one.legacy or one.both or one.changed) for one in found.judged), found.judged
    assert found.legacy_seconds is not None
    assert found.shadow_seconds is not None


def test_an_equal_table_is_equal_at_every_level(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (id bigint PRIMARY KEY, name varchar(9) NOT NULL, n decimal(9,3), d double)")
    lab.insert("t", [(1, "a", "1.500", 0.1), (2, "ä", None, None)])
    config = made(lab, "t")
    for level in LEVELS:
        found = one_table(compare(config, level=level))
        assert (found.outcome, found.legacy_rows, found.shadow_rows) == ("equal", 2, 2), (level, found)


def test_a_waived_difference_is_shown_and_counts_as_none_until_the_waiver_ends(maria_lab: Lab) -> None:
    config = patients(maria_lab)
    for name in {name for _, name, _ in FAULTS} - {"seconds"}:
        bulketl.waive(config, "pat*", name=name, reason="as it always was")
    bulketl.waive(config, "patient", "seen", name="seconds", reason="seconds do")
    found = one_table(compare(config))
    assert found.outcome == "differs"  # in another column
    assert {one.column for one in found.differences if not one.waived} == {"stamp"}
    bulketl.waive(config, "patient", "stamp", name="seconds", reason="here too")
    found = one_table(compare(config))
    assert (found.outcome, claimed(found)) == ("waived", FAULTS)
    assert {one.waived.partition(": ")[2] for one in found.differences} == {"as it always was", "seconds do", "here too"}
    bulketl.waive(config, "patient", "seen", name="seconds", reason="not any more", end=True)
    assert one_table(compare(config)).outcome == "differs"
    assert {(w.column, w.name) for w in bulketl.list_waivers(config)} >= {("stamp", "seconds"), ("", "boolean")}
    assert ("seen", "seconds") not in {(w.column, w.name) for w in bulketl.list_waivers(config)}


def test_what_cannot_be_waived_is_refused_with_what_can(maria_lab: Lab) -> None:
    config = patients(maria_lab)
    with pytest.raises(bulketl.ConfigError, match="no class of differences 'second'") as refused:
        bulketl.waive(config, "patient", name="second", reason="x")
    assert all(one.name in refused.value.hint for one in CLASSES)
    with pytest.raises(bulketl.ConfigError, match="'unexplained'"):
        bulketl.waive(config, "patient", name="unexplained", reason="x")
    with pytest.raises(bulketl.ConfigError, match="has to say why"):
        bulketl.waive(config, "patient", name="seconds", reason=" ")
    with pytest.raises(bulketl.PlanError, match="'patients'"):
        bulketl.waive(config, "patients", name="seconds", reason="x")
    with pytest.raises(bulketl.PlanError, match="no column 'sen'"):
        bulketl.waive(config, "patient", "sen", name="seconds", reason="x")
    with pytest.raises(bulketl.PlanError, match="no waiver of seconds"):
        bulketl.waive(config, "patient", name="seconds", reason="x", end=True)


def plain(lab: Lab, *rows: tuple[Any, ...], columns: str = "name varchar(30)", **overrides: Any) -> bulketl.Config:
    """Make a table `t` of an integer key and these columns, loaded by both pipelines."""
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    lab.insert("t", rows)
    return made(lab, "t", **overrides)


def test_the_source_says_who_is_right(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, *((n, "a", "a", "a") for n in range(1, 5)), columns="a varchar(9), b varchar(9), c varchar(9)")
    lab.mysql("UPDATE t SET a = 'new' WHERE id = 1", "UPDATE t SET c = 'new' WHERE id = 3", "DELETE FROM t WHERE id = 4")
    lab.pg("UPDATE {s}.t SET a = 'new' WHERE id IN (1, 4); UPDATE {s}.t SET b = 'odd' WHERE id = 2")
    lab.pg("UPDATE {s}.t SET c = 'odd' WHERE id = 3")
    found = one_table(compare(config))
    assert claimed(found) == {("a", "unexplained", 2), ("b", "unexplained", 1), ("c", "unexplained", 1)}
    assert {one.column: (one.legacy, one.shadow, one.both, one.changed) for one in found.judged} == {
        "a": (1, 0, 0, 1), "b": (0, 1, 0, 0), "c": (0, 0, 1, 0)
    }  # fmt: skip


def test_rows_of_one_side_are_told_apart_by_what_the_source_has(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, (1, "a"), (2, "b"), (3, "c"))
    lab.mysql("INSERT INTO t VALUES (4, 'd')")
    lab.pg("INSERT INTO {s}.t VALUES (4, 'd'), (5, 'e'), (6, 'f'); DELETE FROM {s}.t WHERE id = 1")
    assert claimed(one_table(compare(config))) == {("", "lacks-rows", 1), ("", "keeps-deleted", 2), ("", "ahead", 1)}
    assert claimed(one_table(compare(config, level="keys"))) == {
        ("", "lacks-rows", 1), ("", "keeps-deleted", 2), ("", "ahead", 1)
    }  # fmt: skip


def test_rows_that_bulketl_keeps_by_its_rule_are_no_fault_of_missing_rows(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, (1, "a"), (2, "b"), rules={"t": {"deletes": "ignore"}})
    lab.mysql("DELETE FROM t WHERE id = 1")
    lab.pg("DELETE FROM {s}.t")
    assert claimed(one_table(compare(config))) == {("", "lacks-rows", 1), ("", "lacks-deleted", 1)}


@pytest.mark.parametrize(
    ("columns", "values", "change", "expected"),
    [
        ("seen datetime", ["2024-01-05 10:00:00", "2024-07-05 10:00:00"],
         "seen = seen - interval '6 hours'", ("zone", 2, "-6")),
        # One appointment that was moved by an hour is no zone.
        ("seen datetime", ["2024-01-05 10:00:00", "2024-07-05 10:00:00"],
         "seen = seen - interval '1 hour' WHERE id = 1", ("unexplained", 1, "")),
        ("name varchar(30)", ["a longer name", "another name", "no"], "name = left(name, 4)", ("cut-text", 2, "4")),
        # A longer one is there, so nothing was cut at four.
        ("name varchar(30)", ["a longer name", "another name"], "name = left(name, 4) WHERE id = 1", ("unexplained", 1, "")),
        ("amount decimal(10,3)", ["1.234", "1.230"], None, ("rounded", 1, "")),
        ("name varchar(30)", ["Müller", "Ann"], "name = replace(name, 'ü', '?')", ("encoding", 1, "")),
        ("name varchar(30)", ["Ann", "bob"], "name = upper(name)", ("case", 2, "")),
        ("name varchar(30)", ["Ann  ", "bob"], "name = rtrim(name)", ("trailing-blanks", 1, "")),
        ("at time", ["10:00:00", "11:00:00"], "at = at + interval '1 second' WHERE id = 1", ("unexplained", 1, "")),
        ("born date", ["0000-00-00", "2024-01-01"], "born = '1970-01-01' WHERE id = 1", ("zero-date", 1, "")),
    ],
)  # fmt: skip
def test_each_fault_has_its_class(
    maria_lab: Lab, columns: str, values: list[str], change: str | None, expected: tuple[str, int, str]
) -> None:
    lab = maria_lab
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    lab.insert("t", list(enumerate(values, 1)), mode="")
    column = columns.split()[0]
    config = lab.config(migration={})
    lab_load(shadowed(config))
    lab.pg(f"CREATE TABLE {{s}}.t AS SELECT * FROM {config.shadow_schema}.t; ALTER TABLE {{s}}.t ADD PRIMARY KEY (id)")
    lab.pg(f"UPDATE {{s}}.t SET {change}" if change else "ALTER TABLE {s}.t ALTER amount TYPE numeric(10,2)")
    table = one_table(compare(config))
    assert table.problem == ""
    found = [one for one in table.differences if one.name != "type"]
    assert [(one.name, one.rows, one.number) for one in found] == [expected], column


def test_columns_and_types_that_differ_are_named_and_the_rest_is_compared(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, (1, "a", 5), (2, "b", 6), columns="name varchar(30), n int")
    lab.pg("ALTER TABLE {s}.t ADD loaded timestamp; ALTER TABLE {s}.t ALTER n TYPE bigint; ALTER TABLE {s}.t DROP name")
    found = one_table(compare(config))
    assert claimed(found) == {("name", "lacks-column", 0), ("loaded", "own-column", 0), ("n", "type", 2)}


def test_a_table_without_a_key_is_compared_as_rows_and_one_that_lacks_it_by_ours(maria_lab: Lab) -> None:
    lab = maria_lab
    lab.mysql(
        "CREATE TABLE k (a int, b tinyint(1), c datetime)", "INSERT INTO k VALUES (1, 1, NULL), (1, 1, NULL), (2, 0, NULL)"
    )
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, name varchar(9) NOT NULL)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    config = made(lab, "k", "t")
    lab.pg("ALTER TABLE {s}.t DROP CONSTRAINT t_pkey; INSERT INTO {s}.t VALUES (2, 'b'), (2, 'b')")
    keyless, doubled = compare(config).tables
    assert claimed(keyless) == {("b", "boolean", 0)}
    assert claimed(doubled) == {("", "doubled", 2)}
    assert "has not the key (id)" in "".join(doubled.notes)
    lab.pg("UPDATE {s}.k SET a = 3 WHERE ctid = (SELECT min(ctid) FROM {s}.k)")
    assert claimed(compare(config, tables=["k"]).tables[0]) == {("b", "boolean", 0), ("", "keyless", 1)}


def test_what_cannot_be_compared_says_why_and_what_was_not_asked_for_is_counted(maria_lab: Lab) -> None:
    lab = maria_lab
    lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in ("a", "b", "c", "d", "e")))
    config = made(lab, "a", "b", "c", "d")
    lab.pg("DROP TABLE {s}.a; DROP TABLE {s}.b; CREATE VIEW {s}.b AS SELECT 1 AS id; ALTER TABLE {s}.c RENAME id TO key")
    found = compare(config)
    assert [(one.table, one.outcome) for one in found.tables] == [("c", "not compared"), ("d", "equal")]
    assert "lacks id, of the key" in found.tables[0].problem
    assert any("1 table not compared: the older pipeline has no table of that name" in note for note in found.notes)
    assert any("a view has its name" in note for note in found.notes)
    named = {one.table: one.problem for one in compare(config, tables=["a", "b", "e"]).tables}
    assert "no table of that name" in named["a"]
    assert "a view has its name" in named["b"]
    assert "no table of that name" in named["e"]
    lab.pg("CREATE TABLE {s}.e (id int PRIMARY KEY)")
    (early,) = compare(config, tables=["e"]).tables
    assert f"not in schema '{config.shadow_schema}' yet" in early.problem
    with pytest.raises(bulketl.PlanError, match="'nowhere'"):
        compare(config, tables=["nowhere"])
    with pytest.raises(bulketl.ConfigError, match="no migration is configured"):
        compare(lab.config())


def test_a_table_that_is_written_meanwhile_is_not_judged_by_what_it_had(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, (1, "a"), (2, "b"))
    with psycopg.connect(lab.target) as writer:
        writer.execute(f"DELETE FROM {lab.schema}.t WHERE id = 1".encode())
        assert one_table(compare(config)).outcome == "equal"  # as it was before, whoever writes
        lab.pg("UPDATE {s}.t SET name = 'x' WHERE id = 2")
        found = one_table(compare(config))
        assert found.outcome == "not compared"
        assert "being written" in found.problem
        writer.rollback()
    assert one_table(compare(config)).outcome == "differs"


HOSTILE = ("Ta ble", "o'clock", 'say "so"', "100%", "a;--", "пациент", "{0}", "$1", "order")


def test_names_of_tables_and_columns_may_be_anything(maria_lab: Lab) -> None:
    lab = maria_lab
    for name in HOSTILE:
        lab.mysql(
            f"CREATE TABLE `{name}` (`{name}` int PRIMARY KEY, `{name}2` varchar(9))",
            f"INSERT INTO `{name}` VALUES (1, NULL)",
        )
    config = made(lab, *HOSTILE)
    quoted = [name.replace('"', '""') for name in HOSTILE]
    for n, name in enumerate(quoted):
        lab.pg(f'CREATE VIEW {lab.schema}."{name} v{n}" AS SELECT * FROM {lab.schema}."{name}"')
    found = compare(config)
    assert {one.table: claimed(one) for one in found.tables} == {
        name: {(f"{name}2", "empty-for-null", 1)} for name in HOSTILE
    }
    assert {one.outcome for one in found.views} == {"equal"}
    assert len(found.views) == len(HOSTILE)
    bulketl.waive(config, "*", name="empty-for-null", reason="'")
    assert {one.outcome for one in compare(config).tables} == {"waived"}


def test_views_are_compared_over_both_schemas_and_views_over_views_too(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, (1, "a", 5), (2, "b", 6), columns="name varchar(30), n int")
    lab.pg(
        "CREATE VIEW {s}.first AS SELECT id, n FROM {s}.t WHERE id < 3; CREATE SCHEMA {s}_mart;"
        "CREATE VIEW {s}_mart.second AS SELECT f.n, t.name FROM {s}.first f JOIN {s}.t USING (id);"
        "CREATE MATERIALIZED VIEW {s}_mart.third AS SELECT sum(n) AS n FROM {s}_mart.second;"
        "CREATE VIEW {s}_mart.t AS SELECT * FROM {s}.t; CREATE VIEW {s}_mart.aside AS SELECT 1 AS n"
    )
    try:
        found = {one.view: one for one in compare(config).views}
        mart = f"{lab.schema}_mart"
        assert {name: one.outcome for name, one in found.items()} == {
            "first": "equal", f"{mart}.second": "equal", f"{mart}.third": "equal", f"{mart}.t": "not compared"
        }  # fmt: skip
        assert "another one of these views or tables has its name" in found[f"{mart}.t"].problem
        lab.pg("UPDATE {s}.t SET n = 7 WHERE id = 1; DELETE FROM {s}.t WHERE id = 2")
        found = {one.view: one for one in compare(config).views}
        assert (found["first"].legacy_rows, found["first"].shadow_rows) == (1, 2)
        assert found["first"].columns == ("id", "n")
        assert found[f"{mart}.second"].columns == ("n",)
        assert found[f"{mart}.third"].columns == ("n",)
        assert not lab.pg("SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()")
    finally:
        lab.pg("DROP SCHEMA {s}_mart CASCADE")


def test_what_is_found_is_on_record_without_a_value_and_makes_a_table_ready(maria_lab: Lab) -> None:
    lab = maria_lab
    config = plain(lab, (1, "secret-a"), (2, "secret-b"))
    with psycopg.connect(lab.target, autocommit=True) as connection:
        assert ready(connection, config, ["t"])["t"] == Readiness("t", 0, 2)
        compare(config)
        compare(config)  # the same night
        standing = ready(connection, config, ["t"])["t"]
        assert (standing.nights, standing.ready, standing.last) == (1, False, "equal")
        lab.pg("UPDATE bulketl.comparison SET at = at - interval '3 days' WHERE schema_name = '{s}'")
        compare(config, level="count")  # proves nothing of the values
        assert ready(connection, config, ["t"])["t"].nights == 1
        compare(config)
        assert ready(connection, config, ["t"])["t"].ready
        lab.pg("UPDATE {s}.t SET name = 'secret-c' WHERE id = 2")
        compare(config)
        assert ready(connection, config, ["t"])["t"].nights == 0
        seen = lab.pg("SELECT c::text FROM bulketl.comparison c WHERE schema_name = '{s}'")
        assert len(seen) == 5
        assert "secret" not in str(seen)
        own(connection, lab.schema, ["t"], "bulketl", {"by": "x", "reason": "y", "run": ""})
        assert ready(connection, config, ["t"])["t"].at is None
        assert "bulketl serves it already" in one_table(compare(config, tables=["t"])).problem


def test_the_commands_end_with_1_until_what_differs_is_waived(
    maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = maria_lab
    patients(lab)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bulketl.yaml").write_text("migration: {}\n")
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    for key, value in {"SOURCE": lab.source, "TARGET": uri, "SCHEMA": lab.schema}.items():
        monkeypatch.setenv(f"BULKETL_{key}", value)

    def typed(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["migrate", *words])
        return done.exit_code, done.stdout

    code, text = typed("compare", "--json")
    (table,) = json.loads(text)["tables"]
    assert (code, table["outcome"]) == (1, "differs")
    assert {(one["column"], one["class"], one["rows"]) for one in table["differences"]} == FAULTS
    assert typed("compare")[1].startswith("1 table: 1 differs")
    for name in {one["class"] for one in table["differences"]}:
        assert typed("waive", "*", "--class", name, "--reason", "known")[0] == 0
    code, text = typed("compare")
    assert (code, text.startswith("1 table: 1 waived")) == (0, True), text
    assert typed("waive", "--list")[1].startswith("4 waivers")
    assert typed("waive")[0] == typed("compare", "--level", "all")[0] == 2
