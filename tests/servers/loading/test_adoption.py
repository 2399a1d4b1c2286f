"""Giving a table to bulketl: by a rule or for one load, on record with who did it, and never at the cost of its rows."""

from __future__ import annotations

import getpass
import json
import socket
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab
from nights import INCREMENTAL, night
from typer.testing import CliRunner

import bulketl
from bulketl import ConfigError, PlanError
from bulketl.cli.app import app

MINE = (
    "CREATE TABLE {s}.t (id int PRIMARY KEY, c int, note text); INSERT INTO {s}.t SELECT n, n, 'mine' FROM generate_series"
)
RECORD = "SELECT how, by, source, run FROM bulketl.made WHERE (schema_name, table_name) = ('{s}', 't') ORDER BY seq"


def environment(lab: Lab) -> dict[str, str]:
    return {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}


def source(lab: Lab, rows: int, first: int = 1) -> None:
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int)",
              f"INSERT INTO t SELECT seq, seq FROM seq_{first}_to_{first + rows - 1}")  # fmt: skip


@pytest.mark.parametrize("rows", [30, 200], ids=["small", "large"])
@pytest.mark.parametrize("by", ["rule", "option"])
def test_adopting_is_on_record_with_who_and_when_and_holds_from_then_on(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, by: str, rows: int
) -> None:
    """Written with the rows of that load; later loads need neither rule nor option, and a swap is on record too."""
    small_partitions(monkeypatch, 50)
    source(maria_lab, rows)
    maria_lab.pg(f"{MINE}(1, {rows}) n")
    rule = {"t": {"adopt": True}} if by == "rule" else {}
    done = maria_lab.load(rules=rule, adopt=["t*"] if by == "option" else [])
    assert done.summary.tables["t"].outcome == "loaded", done.summary.tables["t"].message
    assert done.summary.notes == ("1 table that bulketl did not make is adopted: t",)
    entries = maria_lab.pg(RECORD)
    how = "adopted by its rule" if by == "rule" else "adopted by --adopt"
    who = f"{getpass.getuser()}@{socket.gethostname()} as postgres"
    run, origin = done.summary.run, done.plan.source
    swapped = [("swapped", "postgres", origin, run)] if done.how("t") == "swap" else []
    assert entries == [(how, who, origin, run), *swapped]
    assert maria_lab.pg("SELECT count(*) FROM bulketl.made WHERE made_at > now() - interval '5 min' AND schema_name = '{s}'")
    maria_lab.mysql("UPDATE t SET c = 7")
    again = maria_lab.load()
    assert (again.summary.outcome, again.summary.notes) == ("done", ())
    assert maria_lab.pg("SELECT DISTINCT c FROM {s}.t") == [(7,)]


def test_an_adoption_whose_load_fails_is_none(maria_lab: Lab) -> None:
    """The record is of the same transaction as the rows."""
    source(maria_lab, 30)
    maria_lab.pg(f"{MINE}(1, 30) n")
    failing = {"t": {"adopt": True, "checks": [{"row_count": {"min": 31}, "severity": "fail"}]}}
    assert maria_lab.load(rules=failing).summary.outcome == "failed"
    assert maria_lab.pg(RECORD) == []
    assert [refusal.table for refusal in bulketl.make_plan(maria_lab.config()).refused] == ["t"]
    assert maria_lab.pg("SELECT count(*) FROM {s}.t WHERE note = 'mine'") == [(30,)]


TARGETS = [  # what is there, the source's rows and the first of them, what the guard says is gone of it, or None
    ("{s}.t (id int PRIMARY KEY, c int); INSERT INTO {s}.t SELECT n, n FROM generate_series(1, 1000) n", 1000, 1, None),
    ("{s}.t (id int PRIMARY KEY, c int); INSERT INTO {s}.t SELECT n, n FROM generate_series(1, 1000) n", 960, 41, None),
    ("{s}.t (id int PRIMARY KEY, c int); INSERT INTO {s}.t SELECT n, n FROM generate_series(1, 1000) n", 1, 1, "999"),
    ("{s}.t (id int PRIMARY KEY, c int); INSERT INTO {s}.t SELECT n, n FROM generate_series(1, 1000) n", 1000, 901, "900"),
    ("{s}.t (id int PRIMARY KEY, c int); INSERT INTO {s}.t SELECT n, n FROM generate_series(1, 15) n", 15, 501, "15"),
    ("{s}.t (id bigint, c int); INSERT INTO {s}.t SELECT n, n FROM generate_series(1, 1000) n", 1000, 901, "900"),
    ("{s}.t (id uuid, c int); INSERT INTO {s}.t SELECT gen_random_uuid(), n FROM generate_series(1, 40) n", 900, 1, "40"),
    ("{s}.t (pk uuid, c int); INSERT INTO {s}.t SELECT gen_random_uuid(), n FROM generate_series(1, 40) n", 900, 1, "40"),
    ("{s}.t (id int PRIMARY KEY, c int); INSERT INTO {s}.t VALUES (1, 1), (2, 2)", 0, 1, "2"),
    ("{s}.t (id int PRIMARY KEY, c int)", 0, 1, None),
]


@pytest.mark.parametrize(("n", "there", "rows", "first", "gone"), [(n, *target) for n, target in enumerate(TARGETS)])
def test_an_adopted_table_loses_no_rows_beyond_the_guard(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, n: int, there: str, rows: int, first: int, gone: str | None
) -> None:
    """Its own rows are counted, by their keys: as many others are others, and so are those of another type."""
    if n % 2:  # in ranges
        small_partitions(monkeypatch, 100)
    source(maria_lab, max(rows, 1), first)
    maria_lab.mysql("DELETE FROM t") if not rows else None
    maria_lab.pg(f"CREATE TABLE {there}")
    before = maria_lab.pg("SELECT * FROM {s}.t ORDER BY 1")
    told = maria_lab.load(adopt=["t"]).summary.tables["t"]
    if gone is None:
        assert (told.outcome, maria_lab.differences("t")) == ("loaded", []), told.message
        return
    assert f"{gone} of its {len(before):,} rows are gone at the source" in told.message, told.message
    assert "--allow-deletes t" in told.hint
    assert maria_lab.pg("SELECT * FROM {s}.t ORDER BY 1") == before
    plan = bulketl.make_plan(maria_lab.config(), adopt=["t"], allow_deletes=["t"])
    assert maria_lab.load(plan=plan).summary.tables["t"].outcome == "loaded"
    assert [text for text in maria_lab.differences("t") if "surplus there: ['pk']" not in text] == []


@pytest.mark.parametrize(
    ("there", "gone"),
    [
        ("(a int, b text); INSERT INTO {s}.logs SELECT n, 'x' FROM generate_series(1, 2000) n", "1,999 of its 2,000"),
        ("(a int, b text); INSERT INTO {s}.logs SELECT 1, 'x' FROM generate_series(1, 2000) n", "1,999 of its 2,000"),
        ("(z inet); INSERT INTO {s}.logs SELECT '::1' FROM generate_series(1, 30) n", "30 of its 30"),
        ("(a int, b text); INSERT INTO {s}.logs VALUES (1, 'x')", None),
    ],
)
def test_a_table_without_a_key_is_compared_by_what_its_rows_hold(maria_lab: Lab, there: str, gone: str | None) -> None:
    """However often each is there; what has no column in common is lost."""
    maria_lab.mysql("CREATE TABLE logs (a int, b varchar(9))", "INSERT INTO logs VALUES (1, 'x')")
    maria_lab.pg(f"CREATE TABLE {{s}}.logs {there}")
    before = maria_lab.pg("SELECT count(*) FROM {s}.logs")
    told = maria_lab.load(adopt=["logs"]).summary.tables["logs"]
    if gone is None:
        assert told.outcome == "loaded"
    else:
        assert f"{gone} rows are gone at the source" in told.message
        assert maria_lab.pg("SELECT count(*) FROM {s}.logs") == before


def test_an_adopted_table_is_loaded_whole_whatever_its_rule_and_its_old_state_say(maria_lab: Lab) -> None:
    """A watermark is of the table that was there; that of the rows which came now counts from now on."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int, at datetime, KEY (at))",
                    "INSERT INTO t SELECT seq, seq, '2024-01-01' FROM seq_1_to_50")  # fmt: skip
    night(maria_lab)
    maria_lab.pg("CREATE TABLE {s}.copy AS SELECT id, 0 AS c, at FROM {s}.t; ALTER TABLE {s}.copy ADD PRIMARY KEY (id);"
                 "DROP TABLE {s}.t; ALTER TABLE {s}.copy RENAME TO t")  # fmt: skip
    config = maria_lab.config(rules={"t": INCREMENTAL})
    (refused,) = bulketl.make_plan(config, since="2024-01-01").refused
    assert "is not the one on record" in refused.message
    plan = bulketl.make_plan(config, adopt=["t"])
    (load,) = plan.loads
    assert load.spec.whole
    assert "because bulketl did not make the table that is there" in load.reason
    assert maria_lab.load(plan=plan, rules={"t": INCREMENTAL}).summary.outcome == "done"
    assert maria_lab.differences("t") == []
    assert not next(iter(night(maria_lab).plan.loads)).spec.whole


def test_a_pattern_of_adopt_that_fits_no_table_is_a_wrong_request(maria_lab: Lab) -> None:
    """A typing error must not end in a refused table, or in one less that is looked at."""
    source(maria_lab, 3)
    done = CliRunner().invoke(app, ["load", "--adopt", "tt", "--json"], env=environment(maria_lab))
    assert done.exit_code == 2
    assert "'tt'" in json.loads(done.stdout)["message"]
    assert maria_lab.tables() == set()


OTHER_WAYS: list[tuple[dict[str, Any], int]] = [
    ({}, 5),
    ({}, 200),
    ({"deletes": "mark"}, 5),
    ({"table_importance": "audit"}, 5),
]


@pytest.mark.parametrize(("rule", "rows"), OTHER_WAYS)
def test_tables_of_another_source_are_refused_until_a_reset(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any], rows: int
) -> None:
    """Whichever way they would be loaded, by a plan made before too; adopting is not enough, and the record keeps both."""
    small_partitions(monkeypatch, 50)
    source(maria_lab, rows)
    other = maria_lab.database + "_other"
    maria_lab.server.execute(f"CREATE DATABASE {other}")
    try:
        maria_lab.server.execute(f"CREATE TABLE {other}.t LIKE {maria_lab.database}.t")
        maria_lab.server.execute(f"INSERT INTO {other}.t SELECT id, c + 5000 FROM {maria_lab.database}.t")
        uri = maria_lab.server.database(other)
        early = bulketl.make_plan(maria_lab.config(source=uri, rules={"t": rule}))
        ours = maria_lab.load(rules={"t": rule}).plan.source
        before = maria_lab.pg("SELECT * FROM {s}.t ORDER BY 1")
        config = maria_lab.config(source=uri, rules={"t": rule})
        for adopt in ([], ["t"]):
            (refused,) = bulketl.make_plan(config, adopt=adopt).refused
            assert f"was loaded from {ours}, and this source is" in refused.message
            assert f"its {rows} rows stay" in refused.message
            assert "`bulketl state reset t`" in refused.hint
        assert [f.severity for f in bulketl.validate(config) if "was loaded from" in f.message] == ["error"]
        late = bulketl.load(config, early).tables["t"].message
        assert "has appeared in the target" in late
        assert maria_lab.pg("SELECT * FROM {s}.t ORDER BY 1") == before
        bulketl.reset(config, ["t"])
        assert maria_lab.pg(RECORD)[-1][2] == ours  # a reset is about how far it is loaded, not about whose it is
        kept = {"keep": "7y", "by": "at", "action": "delete"}
        planned = bulketl.make_plan(config)
        maria_lab.pg("UPDATE bulketl.state SET source = 'mysql://third:3306/x' WHERE schema_name = '{s}'")
        assert "was loaded from mysql://third:3306/x meanwhile" in bulketl.load(config, planned).tables["t"].message
        retaining = maria_lab.config(source=uri, rules={"t": {"retention": kept}})
        with pytest.raises(PlanError, match="was loaded from mysql://third"):
            bulketl.retain_tables(retaining)
        bulketl.reset(config, ["t"])
        done = bulketl.load(config, bulketl.make_plan(config))
        assert done.outcome == "done", done.tables["t"].message
        assert maria_lab.pg(RECORD)[-1][2] == planned.source
    finally:
        maria_lab.server.execute(f"DROP DATABASE {other}")


@pytest.mark.parametrize("schema", ["information_schema", "pg_catalog", "pg_toast", "pg_mine", "bulketl", "bulketl_staging"])
def test_schemas_of_the_system_and_of_bulketl_are_no_target(maria_lab: Lab, schema: str) -> None:
    """Said by every command that would look at them."""
    source(maria_lab, 1)
    environ = {**environment(maria_lab), "BULKETL_SCHEMA": schema}
    for words in (["load"], ["plan"], ["validate"], ["verify"], ["state", "list"], ["retention", "--dry-run"]):
        done = CliRunner().invoke(app, [*words, "--json"], env=environ)
        assert (done.exit_code, schema in done.stdout) == (2, True), (words, done.stdout)


def test_the_schema_public_is_loaded_into_as_any_other(maria_lab: Lab) -> None:
    """What is ours in it is loaded, what is somebody else's stays."""
    mine, yours = f"a_{maria_lab.schema}", f"b_{maria_lab.schema}"
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in (mine, yours)))
    maria_lab.pg(f"CREATE TABLE public.{yours} (id int PRIMARY KEY); INSERT INTO public.{yours} VALUES (1), (2)")
    try:
        config = bulketl.load_config(None, None, {**environment(maria_lab), "BULKETL_SCHEMA": "public"})
        done = bulketl.load(config, bulketl.make_plan(config))
        assert {name: table.outcome for name, table in done.tables.items()} == {mine: "loaded", yours: "failed"}
        assert maria_lab.pg(f"SELECT count(*) FROM public.{yours}") == [(2,)]
    finally:
        maria_lab.pg(f"DROP TABLE IF EXISTS public.{mine}, public.{yours}")


def test_tables_that_are_no_longer_loaded_are_told_of_where_a_person_looks_first(maria_lab: Lab) -> None:
    """By a load of everything, plan and validate; not by a load of some tables, and not once they are dropped."""
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in "abcde"))
    maria_lab.load()
    maria_lab.mysql("DROP TABLE c")
    rules = {"a": {"exclude": True}, "b": {"exclude": True}}
    done = maria_lab.load(rules=rules)
    (line,) = done.summary.notes
    told = f"2 tables in schema {maria_lab.schema} are no longer loaded and grow stale: a (excluded, last loaded 20"
    assert line.startswith(told)
    assert "b (excluded, last loaded 20" in line
    assert "the target keeps its rows" in done.summary.tables["c"].message  # said there, once
    config = maria_lab.config(rules=rules)
    assert [item.table for item in bulketl.make_plan(config).leftovers] == ["a", "b"]
    assert bulketl.make_plan(config, tables=["d"]).leftovers == bulketl.make_plan(config, exclude=["d"]).leftovers == ()
    (finding,) = (item for item in bulketl.validate(config) if "grow stale" in item.message)
    assert finding.severity == "warning"
    assert finding.message.startswith(told.replace("2 tables", "3 tables"))
    assert "c (gone at the source, last loaded 20" in finding.message
    maria_lab.pg("DROP TABLE {s}.a, {s}.c")
    (line,) = maria_lab.load(rules=rules).summary.notes
    assert line.startswith(f"1 table in schema {maria_lab.schema} is no longer loaded and grows stale: b (excluded")


def test_what_waits_for_a_decision_and_was_loaded_before_is_told_of(maria_lab: Lab, tmp_path: Any) -> None:
    """Its rule is gone from the file, and `new_tables: report` does not load it."""
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    maria_lab.load()
    (tmp_path / "tables.yaml").write_text("source_tables: {a: {}}\n")
    (tmp_path / "catalog.json").write_text('{"a": {"id": "int(11)"}}')
    config = bulketl.load_config(tmp_path / "tables.yaml", None, environment(maria_lab))
    assert [(item.table, item.reason) for item in bulketl.make_plan(config).leftovers] == [("b", "not in the rules")]


def test_what_validate_says_of_tables_without_a_key_is_what_verify_does(maria_lab: Lab) -> None:
    """Their rows are compared, by their content."""
    maria_lab.mysql("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
    maria_lab.load()
    (finding,) = (
        item for item in bulketl.validate(maria_lab.config(rules={"t": {}})) if item.message == "has no primary key"
    )
    assert "not compared" not in finding.otherwise
    assert "`bulketl verify` compares its rows" in finding.otherwise
    maria_lab.pg("UPDATE {s}.t SET a = 9 WHERE a = 2")
    assert bulketl.verify(maria_lab.config()).tables[0].wrong


def test_a_state_that_was_taken_away_does_not_switch_the_guard_off(maria_lab: Lab) -> None:
    """The rows of the target are counted then."""
    source(maria_lab, 1000)
    maria_lab.load()
    maria_lab.pg("DELETE FROM bulketl.state WHERE schema_name = '{s}'")
    maria_lab.mysql("DELETE FROM t WHERE id > 1")
    told = maria_lab.load().summary.tables["t"]
    assert "999 of its 1,000 rows are gone at the source" in told.message
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(1000,)]


def test_retries_and_retention_of_what_is_not_ours_are_wrong_requests(maria_lab: Lab) -> None:
    """Also when nothing is to be changed."""
    source(maria_lab, 3)
    maria_lab.pg("CREATE TABLE {s}.t (id int PRIMARY KEY, at date)")
    rule = {"t": {"retention": {"keep": "7y", "by": "at", "action": "delete"}}}
    with pytest.raises(PlanError, match="is somebody else's"):
        bulketl.retain_tables(maria_lab.config(rules=rule))


def test_a_target_schema_that_is_none_names_itself() -> None:
    """The library says so as the command line does."""
    names = {"BULKETL_SOURCE": "mysql://h/d", "BULKETL_TARGET": "postgresql://h/d", "BULKETL_SCHEMA": "information_schema"}
    config = bulketl.load_config(None, None, names)
    with pytest.raises(ConfigError, match="the system's"):
        bulketl.verify(config)
