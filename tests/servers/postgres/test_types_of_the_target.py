"""Columns of the target may have any type that Postgres can name: a person's own, an extension's, an array of either.

The types are asked of the server: each row of pg_type that a column can have, and besides those made here with the names,
sizes and constraints that pg_type of an empty database lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab, execute
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.config.tables import TableRule
from bulketl.postgres.inspect import spelt
from bulketl.tables.casts import RULES, TARGETS, held_type, narrower, parse_target

COLUMNS = 150  # of a table: one of each type; InnoDB has no room for more
OWN = """
CREATE TYPE {s}.mood AS ENUM ('sad', 'ok'); CREATE TYPE {s}.text AS ENUM ('a'); CREATE TYPE {s}."integer" AS ENUM ('a');
CREATE TYPE {s}."numeric(10,2)" AS ENUM ('a'); CREATE TYPE {s}."Ä ""ö"" x" AS ENUM ('a');
CREATE SCHEMA "{s} (x)"; CREATE TYPE "{s} (x)"."mood (3)" AS ENUM ('a');
CREATE TYPE {s}.pair AS (a int, b {s}.mood); CREATE TYPE {s}.span AS RANGE (subtype = numeric);
CREATE DOMAIN {s}.email AS text CHECK (VALUE ~ '@'); CREATE DOMAIN {s}.moods AS {s}.mood[];
CREATE DOMAIN {s}.short AS varchar(10); CREATE DOMAIN {s}.feeling AS {s}.mood; CREATE DOMAIN {s}.twice AS {s}.feeling;
CREATE TYPE {s}.base; CREATE FUNCTION {s}.base_in(cstring) RETURNS {s}.base IMMUTABLE STRICT LANGUAGE internal AS 'textin';
CREATE FUNCTION {s}.base_out({s}.base) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
CREATE TYPE {s}.base (input = {s}.base_in, output = {s}.base_out);
"""
SIZED = (
    "interval year to month", "interval day to second(3)", "interval(3)", "interval second(0)", "bit varying(5)", "bit(7)",
    "character(3)", "character varying(11)", "timestamp(3) with time zone", "timestamp(2)", "time(1)",
    "time(3) with time zone",
    "numeric(5,-2)", "numeric(3,5)", "numeric(7)", '"char"', "timestamp(3) with time zone[]", "numeric(5,-2)[]",
    "character varying(4)[][]",
)  # fmt: skip
# Of every type of these schemas, those that a column can have: to try is the only way to know.
EVERY = """
DO $$ DECLARE t record;
BEGIN
CREATE TEMPORARY TABLE possible (n int GENERATED ALWAYS AS IDENTITY, kind text);
SET LOCAL search_path = pg_catalog;
FOR t IN SELECT y.oid FROM pg_type y JOIN pg_namespace n ON n.oid = typnamespace
         WHERE nspname = ANY({schemas}) ORDER BY y.oid
LOOP
    BEGIN
        EXECUTE format('CREATE TEMPORARY TABLE tried (c %s)', format_type(t.oid, NULL));
        DROP TABLE pg_temp.tried;
        INSERT INTO pg_temp.possible (kind) VALUES (format_type(t.oid, NULL));
    EXCEPTION WHEN invalid_table_definition OR feature_not_supported OR undefined_object OR wrong_object_type THEN
    END;
END LOOP;
END $$;
SELECT kind FROM possible ORDER BY n"""


@pytest.fixture(scope="module")
def catalogue(postgres: str) -> list[str]:
    """Every type that a column can have in an empty database."""
    return [kind for (kind,) in execute(postgres, EVERY.replace("{schemas}", "'{pg_catalog,information_schema}'"))]


@pytest.fixture
def types(maria_lab: Lab, catalogue: list[str]) -> Iterator[list[str]]:
    """Every type that a column of this target can have."""
    for (extension,) in maria_lab.pg("SELECT name FROM pg_available_extensions WHERE installed_version IS NULL"):
        maria_lab.pg(f'CREATE EXTENSION "{extension}" SCHEMA {{s}}')
    maria_lab.pg(OWN)
    own = [kind for (kind,) in maria_lab.pg(EVERY.replace("{schemas}", "ARRAY['{s}', '{s} (x)']"))]
    assert {f"{maria_lab.schema}.mood", f"{maria_lab.schema}.mood[]", f"{maria_lab.schema}.span"} <= set(own)
    assert {"int4multirange", "pg_class[]", "timestamp with time zone[]"} <= set(catalogue)
    yield [*catalogue, *own, *SIZED]
    maria_lab.pg('SET client_min_messages = warning; DROP SCHEMA "{s} (x)" CASCADE')


@pytest.fixture
def tables(maria_lab: Lab, types: list[str]) -> dict[str, list[str]]:
    """Tables with as many text columns as there are types, and one that has none of them; each once loaded."""
    found = {f"t{n // COLUMNS}": types[n : n + COLUMNS] for n in range(0, len(types), COLUMNS)}
    for table, kinds in found.items():
        columns = ", ".join(f"c{n} varchar(10)" for n in range(len(kinds)))
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})",
            f"INSERT INTO {table} (id, c0) VALUES (1, 'a'), (2, 'b')",
        )
    maria_lab.mysql("CREATE TABLE fine (id int PRIMARY KEY, c text)", "INSERT INTO fine VALUES (1, 'a')")
    maria_lab.load()
    maria_lab.mysql("INSERT INTO fine VALUES (2, 'new')")
    return found


def run(lab: Lab, folder: Path, *words: str, rules: dict[str, Any] | None = None) -> Any:
    """Run a command with --json; return its exit code and what it printed."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules or {}}))
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environment = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    done = CliRunner().invoke(app, [*words, "--json"], env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert "Traceback" not in done.stdout + done.stderr
    return done.exit_code, json.loads(done.stdout)


def test_a_column_of_any_type_is_another_type_and_stops_no_table(
    maria_lab: Lab, tables: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """plan, validate and verify name the type, the load follows the source, all other tables are loaded."""
    monkeypatch.chdir(tmp_path)
    for table, kinds in tables.items():
        changes = ", ".join(f"ALTER c{n} TYPE {kind} USING NULL" for n, kind in enumerate(kinds))
        maria_lab.pg(f"ALTER TABLE {{s}}.{table} {changes}")
    plan = bulketl.make_plan(maria_lab.config())
    drifts = {load.spec.table: load.drift for load in plan.loads}
    for table, kinds in tables.items():
        lines = {line.split()[1]: line for line in drifts[table]}
        for n, kind in enumerate(kinds):
            assert f"c{n}" in lines, kind
            assert lines[f"c{n}"].endswith("-> varchar(10)"), kind
    assert run(maria_lab, tmp_path, "plan")[0] == 0
    _, findings = run(maria_lab, tmp_path, "validate")
    told = [f["message"] for f in findings if f["table"] in tables and "in the target and needs varchar(10)" in f["message"]]
    assert any(f"is {maria_lab.schema}.mood in the target" in message for message in told)
    code, verified = run(maria_lab, tmp_path, "verify")
    verdicts = {verdict["table"]: verdict for verdict in verified["tables"]}
    assert code == 1
    for table, kinds in tables.items():
        assert verdicts[table]["uncompared"] == [f"c{n}: has another type" for n in range(len(kinds))]
    code, _ = run(maria_lab, tmp_path, "load")
    assert code == 0
    for table in (*tables, "fine"):
        assert maria_lab.differences(table) == []
    assert run(maria_lab, tmp_path, "verify")[0] == 0


def test_they_may_be_refused_and_then_the_others_are_loaded(
    maria_lab: Lab, tables: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`narrowed_columns: refuse` is an answer to another type as well."""
    for table, kinds in tables.items():
        changes = ", ".join(f"ALTER c{n} TYPE {kind} USING NULL" for n, kind in enumerate(kinds))
        maria_lab.pg(f"ALTER TABLE {{s}}.{table} {changes}")
    done = maria_lab.load(narrowed_columns="refuse")
    assert {refusal.table for refusal in done.plan.refused} == set(tables)
    assert maria_lab.differences("fine") == []


@pytest.mark.parametrize("how", ["refill", "swap", "mark", "audit"])
def test_columns_of_any_type_beside_the_sources_stay(
    maria_lab: Lab, tables: dict[str, list[str]], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the way in which a table is loaded, with the type they had."""
    for table, kinds in tables.items():
        maria_lab.pg(f"ALTER TABLE {{s}}.{table} {', '.join(f'ADD x{n} {kind}' for n, kind in enumerate(kinds))}")
        maria_lab.mysql(f"INSERT INTO {table} (id, c1) VALUES (3, 'c')")
    before = [_types(maria_lab, table) for table in tables]
    rule: dict[str, Any] = {
        "refill": {}, "swap": {"publish": "swap"}, "mark": {"deletes": "mark"}, "audit": {"table_importance": "audit"},
    }[how]  # fmt: skip
    if how == "swap":
        small_partitions(monkeypatch, 1)
    for _ in range(2):
        done = maria_lab.load(rules=dict.fromkeys(tables, rule))
        assert done.summary.outcome == "done", done.summary.failed
    assert [_types(maria_lab, table) for table in tables] == before
    verification = bulketl.verify(maria_lab.config(rules=dict.fromkeys(tables, rule)))
    assert [verdict.table for verdict in verification.tables if not verdict.equal] == []


@pytest.mark.parametrize("large", [False, True])
def test_a_table_that_no_row_can_be_copied_into_is_swapped_or_refused_with_the_reason(
    maria_lab: Lab, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COPY BINARY wants a binary form of every column's type, of those that it leaves out too."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    if large:
        small_partitions(monkeypatch, 1)
    maria_lab.load()
    maria_lab.pg("ALTER TABLE {s}.t ADD c aclitem")
    assert maria_lab.load().how("t") == "swap"
    maria_lab.pg("CREATE POLICY mine ON {s}.t USING (true)")
    maria_lab.mysql("INSERT INTO t VALUES (3)")
    done = maria_lab.load()
    if large:
        assert (done.how("t"), maria_lab.pg("SELECT count(*) FROM {s}.t")) == ("refill", [(3,)])
    else:
        (refusal,) = done.plan.refused
        assert "c aclitem" in refusal.message
        assert "policy" in refusal.message


def _types(lab: Lab, table: str) -> list[tuple[Any, ...]]:
    return lab.pg(
        "SET search_path = pg_catalog; SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attname ~ '^x' AND attrelid = '{{s}}.{table}'::regclass AND attnum > 0 ORDER BY 1"
    )


RULES_OF_KEYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "incremental": {"extraction_strategy": "incremental", "incremental_column": "id", "deletes": "mirror"},
    "mark": {"deletes": "mark"},
    "audit": {"table_importance": "audit"},
}


def test_a_key_of_another_type_is_told_and_stops_no_other_table(
    maria_lab: Lab, types: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every kind of type that can be a key, under each way to load; where a table must stay, it is refused by name."""
    monkeypatch.chdir(tmp_path)
    kinds = [f"{maria_lab.schema}.mood", f"{maria_lab.schema}.email", "int4range", "integer[]", '"char"', "interval",
             "bit varying(5)", "numeric(5,-2)", f"{maria_lab.schema}.pair", "time(3) with time zone"]  # fmt: skip
    assert {kind for kind in kinds if kind not in SIZED} <= set(types)
    rules = {f"k{n}{how}": rule for how, rule in RULES_OF_KEYS.items() for n in range(len(kinds))}
    for table in rules:
        maria_lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY, c text)", f"INSERT INTO {table} VALUES (1, 'a')")
    maria_lab.mysql("CREATE TABLE fine (id int PRIMARY KEY)", "INSERT INTO fine VALUES (1)")
    maria_lab.load(rules=rules)
    for how in RULES_OF_KEYS:
        for n, kind in enumerate(kinds):
            at = f"{{s}}.k{n}{how}"
            maria_lab.pg(f"TRUNCATE {at}; ALTER TABLE {at} DROP COLUMN id; ALTER TABLE {at} ADD id {kind} PRIMARY KEY")
    maria_lab.mysql("INSERT INTO fine VALUES (2)")
    for words in (("plan",), ("validate",), ("verify",), ("load",), ("history",)):
        run(maria_lab, tmp_path, *words, rules=rules)
    assert maria_lab.differences("fine") == []
    for n in range(len(kinds)):
        for how in ("whole", "incremental"):
            assert maria_lab.differences(f"k{n}{how}") == [], kinds[n]
    refused = {refusal.table for refusal in bulketl.make_plan(maria_lab.config(rules=rules)).refused}
    assert refused == {f"k{n}{how}" for how in ("mark", "audit") for n in range(len(kinds))}


def test_a_declared_type_that_no_rule_makes_is_a_mistake_in_its_line(maria_lab: Lab, types: list[str]) -> None:
    """Every type of the server but those that some rule makes; the message names them."""
    for kind in types:
        if held_type(kind)[0] in TARGETS:
            continue
        with pytest.raises(ValueError, match="not a type that a cast rule makes; one of: bigint, boolean") as caught:
            TableRule.model_validate({"casts": {"c": kind}})
        assert repr(kind) in str(caught.value)
    with pytest.raises(bulketl.ConfigError, match=r"tables\.yaml:\d+.*raw\.mood.*one of: bigint"):
        maria_lab.config(rules={"t": {"casts": {"c": "raw.mood"}}})


def test_a_type_is_what_it_is_spelt_and_can_be_written_again(types: list[str]) -> None:
    """Our own types get their short name; any other stays a type that Postgres reads."""
    for kind in types:
        if held_type(spelt(kind))[0] not in TARGETS:
            assert spelt(kind) == kind
            assert narrower(kind, "varchar(10)")
            assert narrower("varchar(10)", kind)
            assert not narrower(kind, kind)
    for rule in RULES:
        assert spelt(rule.target.format(3, 1)) == rule.target.format(3, 1)
        assert parse_target(spelt(rule.target.format(3, 1))) == held_type(rule.target.format(3, 1))
