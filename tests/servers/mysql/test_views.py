"""What the source has that is no base table is told once wherever a person looks; a view is a table to whoever names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab, load
from typer.testing import CliRunner

import bulketl
from bulketl import PlanError
from bulketl.cli.app import app
from bulketl.mysql.discover import read_catalog

TABLE = "CREATE TABLE base (id int PRIMARY KEY, c varchar(20))"
# By the kind of a thing, what makes one; `{kind}` is what the words of all screens must have.
MADE = {
    "view": "CREATE VIEW v_base AS SELECT id, c, id * 2 AS twice FROM base",
    "procedure": "CREATE PROCEDURE p() SELECT 1",
    "function": "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1",
    "trigger": "CREATE TRIGGER tr BEFORE INSERT ON base FOR EACH ROW SET NEW.c = NEW.c",
    "event": "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1",
}
MARIADB = {"sequence": "CREATE SEQUENCE sq"}
# Every type of table a server knows: taken, told, or nowhere but in the server's own databases and in sessions.
TYPES = {"BASE TABLE": "taken", "SYSTEM VERSIONED": "taken", "VIEW": "told", "SEQUENCE": "told", "SYSTEM VIEW": "told"}


@pytest.fixture
def full(lab: Lab) -> Lab:
    """A table with three rows, and one of everything else."""
    lab.mysql(TABLE, "INSERT INTO base VALUES (1, 'a'), (2, NULL), (3, 'c')")
    lab.mysql(*made(lab).values())
    if lab.server.kind == "mariadb":
        lab.mysql("CREATE TABLE versions (id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING",
                  "INSERT INTO versions VALUES (1, 1)",
                  "UPDATE versions SET a = 2", "UPDATE versions SET a = 3")  # fmt: skip
    return lab


def made(lab: Lab) -> dict[str, str]:
    return {**MADE, **(MARIADB if lab.server.kind == "mariadb" else {})}


def command(lab: Lab, *words: str) -> tuple[int, str]:
    """Run a command; return its exit code, and all it printed in one line."""
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}
    done = CliRunner().invoke(app, list(words), env=environ)
    return done.exit_code, " ".join(done.output.split())


def kinds(others: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for other in others:
        found.setdefault(other.kind, []).append(other.name)
    return found


def test_every_type_of_table_that_the_server_has_is_taken_or_told(full: Lab) -> None:
    """Listed from the server; all its own databases too, which show system views."""
    types = {kind for (kind,) in full.mysql("SELECT DISTINCT table_type FROM information_schema.tables")}
    assert types <= TYPES.keys()
    for schema in ("information_schema", full.database):
        catalog = read_catalog(bulketl.mysql.server.MySQL(full.server.database(schema)))
        named = {table.name for table in (*catalog.tables, *catalog.views)}
        named |= {other.name for other in catalog.others if other.kind != "history"}
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        assert {name for (name,) in full.server.execute(query, [schema])} <= named


def test_what_is_not_taken_is_said_once_by_load_plan_discover_and_validate(full: Lab) -> None:
    """By kind and number, and by name for machines."""
    for words in (["plan"], ["load"], ["discover"], ["validate"]):
        _, said = command(full, *words)
        for kind in made(full):
            assert said.count(f"1 {kind}") == 1, (words, said)
        assert "1 view (name it in tables.yaml to load it as a table)" in said
        if full.server.kind == "mariadb":
            assert said.count("the history rows (2) of 1 system-versioned table") == 1
    left = {item["kind"]: item["name"] for item in full.load().summary.to_json()["left_out"]}  # type: ignore[attr-defined]
    names = {"view": "v_base", "procedure": "p", "function": "f", "trigger": "tr", "event": "ev"}
    more = {"sequence": "sq", "history": "versions"} if full.server.kind == "mariadb" else {}
    assert left == {**names, **more}
    assert full.tables() == {"base", *(["versions"] if more else [])}


def test_a_load_of_some_tables_tells_of_what_was_asked_for_only(full: Lab) -> None:
    """And of nothing that a person has left out."""
    assert bulketl.make_plan(full.config(), tables=["base"]).left_out == ()
    assert "view" not in kinds(bulketl.make_plan(full.config(), exclude=["v_*"]).left_out)
    assert "view" not in kinds(bulketl.make_plan(full.config(rules={"v_base": {"exclude": True}})).left_out)


def test_a_view_that_a_rule_names_is_loaded_as_a_table_each_time(full: Lab) -> None:
    """Whole, with its rows as they are then, and held against the source at every level."""
    config = full.config(rules={"v_base": {}})
    for rows in (3, 4):
        done = load(config)
        assert done.summary.outcome == "done"
        assert done.summary.tables["v_base"].rows == rows
        assert full.pg("SELECT count(*), sum(twice) FROM {s}.v_base") == full.mysql(
            "SELECT COUNT(*), SUM(twice) FROM v_base"
        )
        for level in ("count", "sums", "rows"):
            found = bulketl.verify(config, tables=["v_base"], level=level)
            assert found.equal, found
        full.mysql(f"INSERT INTO base VALUES ({rows + 1}, 'more')")
    assert not bulketl.verify(config, tables=["v_base"]).equal
    assert not [finding for finding in bulketl.validate(config) if finding.severity == "error"]


def test_a_view_named_in_full_is_loaded_and_stays_loaded(full: Lab) -> None:
    """What was brought once never grows stale in silence; a pattern alone loads no view, and says so."""
    with pytest.raises(PlanError, match="no table 'v_") as refused:
        bulketl.make_plan(full.config(), tables=["v_*"])
    assert refused.value.hint == "views are loaded when they are named in full, or in tables.yaml; it fits v_base"
    assert command(full, "load", "--tables", "v_base")[0] == 0
    full.mysql("DELETE FROM base WHERE id = 1")
    done = full.load()
    assert ("view" in kinds(done.plan.left_out), done.summary.tables["v_base"].outcome) == (False, "loaded")
    assert full.pg("SELECT count(*) FROM {s}.v_base") == [(2,)]
    full.mysql("DROP VIEW v_base")
    assert full.load().summary.tables["v_base"].outcome == "skipped"


@pytest.mark.parametrize("rule", [{}, {"primary_key": ["id"]}], ids=["no key", "key"])
def test_a_view_with_many_rows_is_one_streamed_read(
    full: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]
) -> None:
    """With the key that its rule declares, if any."""
    small_partitions(monkeypatch, 50)
    full.insert("base", [(n, f"row {n}") for n in range(10, 400)])
    done = load(full.config(rules={"v_base": rule}, certify=True), tables=["v_base"])
    assert (done.summary.outcome, done.parts("v_base")) == ("done", 1)
    assert next(iter(done.plan.loads)).partitions[0].stream
    assert full.pg("SELECT count(DISTINCT id) FROM {s}.v_base") == [(393,)]
    key = "SELECT count(*) FROM pg_index WHERE indrelid = '{s}.v_base'::regclass AND indisprimary"
    assert full.pg(key) == [(1 if rule else 0,)]


@pytest.mark.parametrize("rule", [
    {"primary_key": ["id"], "extraction_strategy": "incremental", "incremental_column": "id"},
    {"primary_key": ["id"], "deletes": "mark"}, {"table_importance": "audit"},
    {"primary_key": ["id"], "table_importance": "audit"}, {"primary_key": ["id"], "consistency": "re-read"},
    {"retention": {"keep": "200y", "by": "at", "action": "delete"}},
])  # fmt: skip
def test_a_rule_for_a_view_means_what_it_means_for_a_table(full: Lab, rule: dict[str, Any]) -> None:
    """Its changes are read as a whole, as nothing keeps its key unique; what is gone is kept, marked or not, as told."""
    full.mysql("CREATE OR REPLACE VIEW v_base AS SELECT id, c, CAST('2024-01-01' AS date) AS at FROM base")
    config = full.config(rules={"v_base": rule})
    for _ in range(2):
        done = load(config, tables=["v_base"])
        assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
        full.mysql("DELETE FROM base WHERE id = 1")
    kept = rule.get("table_importance") == "audit" or "deletes" in rule
    assert full.pg("SELECT count(*) FROM {s}.v_base") == [(3 if kept else 2,)]


@pytest.mark.parametrize("asked", ["snapshot", "locked"])
def test_a_view_has_no_consistency_that_it_cannot_promise(full: Lab, asked: str) -> None:
    """What it reads may be of several engines."""
    done = full.load(rules={"v_base": {"consistency": asked}}, tables=["v_base"])
    assert "it is a view" in done.summary.tables["v_base"].message
    assert full.load(tables=["v_base"]).summary.tables["v_base"].consistency == "best effort"


@pytest.mark.parametrize("broken", ["a column", "the table", "the definer", "the definer's right"])
def test_a_view_that_cannot_be_read_fails_alone(full: Lab, broken: str) -> None:
    """In the server's words, whether it is new or was loaded before."""
    config, definer = full.config(rules={"v_base": {}}), f"{full.database}_d"
    if broken.startswith("the definer"):
        full.server.execute(f"CREATE USER {definer}")
        full.server.execute(f"GRANT SELECT ON {full.database}.base TO {definer}")
        full.mysql("DROP VIEW v_base", f"CREATE DEFINER = {definer} VIEW v_base AS SELECT id FROM base")
    assert load(config).summary.outcome == "done"
    full.mysql({
        "a column": "ALTER TABLE base DROP COLUMN c", "the table": "RENAME TABLE base TO other",
        "the definer": f"DROP USER {definer}", "the definer's right": f"REVOKE SELECT ON base FROM {definer}",
    }[broken])  # fmt: skip
    done = load(config)
    assert [table.table for table in done.summary.failed] == ["v_base"]
    assert "lack rights" in done.summary.failed[0].message or "definer" in done.summary.failed[0].message
    assert full.pg("SELECT count(*) FROM {s}.v_base") == [(3,)]
    if broken == "the definer's right":
        full.server.execute(f"DROP USER {definer}")


def test_a_table_that_became_a_view_goes_on_or_is_refused_and_never_stale(full: Lab) -> None:
    """Programs are often given a view in a table's old name; its key is gone unless a rule declares it."""
    full.mysql("CREATE TABLE t (id int PRIMARY KEY, c int)", "INSERT INTO t VALUES (1, 1)")
    assert full.load().summary.outcome == "done"
    full.mysql("RENAME TABLE t TO t_new", "INSERT INTO t_new VALUES (2, 2)", "CREATE VIEW t AS SELECT * FROM t_new")
    assert "has the key none at the source and id in the target" in full.load().summary.failed[0].message
    assert full.load(rules={"t": {"primary_key": ["id"]}}).summary.outcome == "done"
    assert full.pg("SELECT count(*) FROM {s}.t") == [(2,)]


def test_a_sequence_or_a_table_that_became_one_is_not_loaded(maria_lab: Lab) -> None:
    """By no name and by no rule, and with what it is."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE SEQUENCE sq")
    with pytest.raises(PlanError) as refused:
        bulketl.make_plan(maria_lab.config(), tables=["sq"])
    assert refused.value.hint == "it fits only what is not a table: sequence sq"
    maria_lab.load()
    maria_lab.mysql("DROP TABLE t", "CREATE SEQUENCE t")
    (failed,) = maria_lab.load(rules={"sq": {"exclude": True}}).summary.failed
    assert "it is a sequence there" in failed.message


def test_the_history_of_a_large_table_is_told_and_not_counted(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting costs a scan; its rows of now are loaded, also where partitions keep the others apart."""
    maria_lab.mysql("CREATE TABLE v (id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME"
                    " (PARTITION h HISTORY, PARTITION n CURRENT)",
                    "INSERT INTO v VALUES (1, 1), (2, 2)", "DELETE FROM v WHERE id = 1")  # fmt: skip
    assert "the history rows (1) of 1 system-versioned table" in command(maria_lab, "load")[1]
    monkeypatch.setattr("bulketl.mysql.discover._HISTORY_COUNTED", -1)
    assert "the history rows of 1 system-versioned table" in command(maria_lab, "load")[1]
    assert maria_lab.pg("SELECT * FROM {s}.v") == [(2, 2)]


def test_a_table_whose_rows_are_elsewhere_is_loaded_and_said_to_be(lab: Lab) -> None:
    """What is read through a MERGE table is read twice; validate says that of every engine without rows of its own."""
    engines = {
        name.upper()
        for name, support in lab.mysql("SELECT engine, support FROM information_schema.engines")
        if support != "NO"
    }
    lab.mysql(
        "CREATE TABLE one (a int) ENGINE = MyISAM",
        "CREATE TABLE m (a int) ENGINE = MERGE UNION = (one)",
        "INSERT INTO one VALUES (1)",
    )
    if "BLACKHOLE" in engines:
        lab.mysql("CREATE TABLE hole (a int) ENGINE = BLACKHOLE")
    said = {f.table: f.message.lower() for f in bulketl.validate(lab.config()) if "is of engine" in f.message}
    assert said["m"] == "is of engine mrg_myisam, and its rows are those of other tables"
    assert ("hole" in said) == ("BLACKHOLE" in engines)
    assert lab.load().summary.outcome == "done"
    assert lab.pg("SELECT * FROM {s}.m") == [(1,)]


def test_discover_notes_a_view_once_a_rule_names_it(full: Lab, tmp_path: Path) -> None:
    """And does not propose one by itself."""
    rules = tmp_path / "tables.yaml"
    assert command(full, "discover", "--write", str(rules), "--yes")[0] == 0
    assert "v_base" not in rules.read_text()
    rules.write_text(rules.read_text() + "  v_base: {}\n")
    code, said = command(full, "discover", "--write", str(rules), "--yes")
    assert (code, "+ table v_base" in said) == (0, True)
    assert "v_base" in json.loads((tmp_path / "catalog.json").read_text())
    assert command(full, "load", "--rules", str(rules))[0] == 0
    assert full.pg("SELECT count(*) FROM {s}.v_base") == [(3,)]
