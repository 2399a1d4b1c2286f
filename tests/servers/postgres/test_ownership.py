"""Whose a table is: what bulketl did not make is refused and stays, whatever it is and whichever way would write to it."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions, use
from lab import Lab
from nights import INCREMENTAL
from typer.testing import CliRunner

import bulketl
import bulketl.postgres.server
from bulketl import Plan
from bulketl.cli.app import app
from bulketl.errors import BulketlError, PlanError
from bulketl.postgres.write.retention import retain
from bulketl.postgres.write.rows import repair, retry

# Every kind of relation (pg_class.relkind) and of type (pg_type.typtype) that can be made in a schema, by the word for it;
# {n} is its name. Those of a kind that goes with a table are exempt, and say so.
KINDS = {
    ("r", "table"): "CREATE TABLE {n} (pk uuid, total numeric, note text)",
    ("p", "partitioned table"): "CREATE TABLE {n} (id int) PARTITION BY RANGE (id)",
    ("v", "view"): "CREATE VIEW {n} AS SELECT 1 AS id",
    ("m", "materialized view"): "CREATE MATERIALIZED VIEW {n} AS SELECT 1 AS id",
    ("f", "foreign table"): "CREATE FOREIGN DATA WRAPPER {w}; CREATE SERVER {w} FOREIGN DATA WRAPPER {w};"
    "CREATE FOREIGN TABLE {n} (id int) SERVER {w}",
    ("S", "sequence"): "CREATE SEQUENCE {n}",
    ("i", "index"): "CREATE TABLE {n}_of (id int); CREATE INDEX {i} ON {n}_of (id)",
    ("I", "partitioned index"): "CREATE TABLE {n}_of (id int) PARTITION BY RANGE (id); CREATE INDEX {i} ON {n}_of (id)",
    ("c", "composite type"): "CREATE TYPE {n} AS (id int)",
    ("e type", "enum type"): "CREATE TYPE {n} AS ENUM ('a')",
    ("d type", "domain"): "CREATE DOMAIN {n} AS int",
    ("r type", "range type"): "CREATE TYPE {n} AS RANGE (SUBTYPE = int, MULTIRANGE_TYPE_NAME = {n}_many)",
    ("m type", "multirange type"): "CREATE TYPE {n}_one AS RANGE (SUBTYPE = int, MULTIRANGE_TYPE_NAME = {n})",
    (
        "b type",
        "base type",
    ): "CREATE TYPE {n}; CREATE FUNCTION {n}_in(cstring) RETURNS {n} LANGUAGE internal STRICT IMMUTABLE"
    " AS 'textin'; CREATE FUNCTION {n}_out({n}) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'textout';"
    "CREATE TYPE {n} (INPUT = {n}_in, OUTPUT = {n}_out)",
    ("p type", "pseudo-type"): "CREATE TYPE {n}",
}
EXEMPT = {"t": "a TOAST table lives in pg_toast", "c type": "is the type of a relation, which is tried"}
ROWS = "SELECT * FROM {s}.t ORDER BY 1"


def oids(lab: Lab) -> dict[str, int]:
    """Return every relation and type of the schema, with its oid."""
    return dict(lab.pg(
        "SELECT 'class ' || relname, oid FROM pg_class WHERE relnamespace = '{s}'::regnamespace UNION ALL"
        " SELECT 'type ' || typname, oid FROM pg_type WHERE typnamespace = '{s}'::regnamespace"))  # fmt: skip


@pytest.fixture
def names(maria_lab: Lab) -> Iterator[dict[str, tuple[str, str]]]:
    """A table at the source for each kind of thing, with its word and the SQL that makes one of its name in the target."""
    found = {}
    for n, ((_, word), make) in enumerate(KINDS.items()):
        place = f"{maria_lab.schema}.k{n}"
        found[f"k{n}"] = (word, make.format(n=place, i=f"k{n}", w=f"w_{maria_lab.schema}"))
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in found),
                    *(f"INSERT INTO {name} VALUES (1), (2)" for name in found))  # fmt: skip
    yield found
    maria_lab.pg("SET client_min_messages = warning; DROP FOREIGN DATA WRAPPER IF EXISTS w_{s} CASCADE")


def test_the_kinds_tried_are_all_that_postgres_has(maria_lab: Lab) -> None:
    """As the catalogue's own rows show them, or an exemption says why not."""
    tried = {kind for kind, _ in KINDS} | EXEMPT.keys()
    relations = {kind for (kind,) in maria_lab.pg("SELECT DISTINCT relkind::text FROM pg_class")}
    types = {f"{kind} type" for (kind,) in maria_lab.pg("SELECT DISTINCT typtype::text FROM pg_type")}
    assert relations | types <= tried


def test_whatever_has_a_tables_name_is_refused_by_plan_validate_and_load_and_stays(
    maria_lab: Lab, names: dict[str, tuple[str, str]]
) -> None:
    """Said with what it is, its rows and owner, and what can be done; the exit code is that of refused tables."""
    for _, make in names.values():
        maria_lab.pg(make)
    maria_lab.pg("INSERT INTO {s}.k0 SELECT gen_random_uuid(), n, 'x' FROM generate_series(1, 1000) n")
    before = oids(maria_lab)
    plan = bulketl.make_plan(maria_lab.config())
    told = {item.table: item for item in plan.refused}
    assert told.keys() == names.keys()
    for name, (word, _) in names.items():
        assert word in told[name].message
        assert "owner " in told[name].message
        assert "--schema" in told[name].hint
        assert ("--adopt" in told[name].hint) == (word in ("table", "partitioned table"))
    assert "(1,000 rows, owner " in told["k0"].message
    assert "adopt: true" in told["k0"].hint
    found = {item.table: item for item in bulketl.validate(maria_lab.config()) if item.severity == "error"}
    assert {name: found[name].message for name in names} == {name: item.message for name, item in told.items()}
    environ = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": maria_lab.target, "BULKETL_SCHEMA": maria_lab.schema}
    done = CliRunner().invoke(app, ["load", "--json"], env=environ)
    assert done.exit_code == 1
    assert {table["table"]: table["message"] for table in json.loads(done.stdout)["tables"]} == {
        name: item.message for name, item in told.items()
    }
    assert CliRunner().invoke(app, ["plan"], env=environ).exit_code == 0
    assert oids(maria_lab) == before
    # Nothing of it can be adopted but tables, and those lose no row by that: the guard is asked.
    adopted = maria_lab.load(adopt=("*",)).summary.tables
    assert {table.outcome for table in adopted.values()} == {"failed"}
    assert "1,000 of its 1,000 rows are gone at the source" in adopted["k0"].message
    assert maria_lab.pg("SELECT count(*), max(note) FROM {s}.k0") == [(1000, "x")]


@pytest.mark.parametrize("staged", [False, True], ids=["direct", "staged"])
def test_whatever_appears_between_plan_and_load_is_refused_and_stays(
    maria_lab: Lab, names: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch, staged: bool
) -> None:
    """A table that the load is to create finds its name taken, and no other table suffers for it."""
    if staged:
        small_partitions(monkeypatch, 1)
    maria_lab.mysql("CREATE TABLE good (id int PRIMARY KEY)", "INSERT INTO good VALUES (1), (2)")
    plan = bulketl.make_plan(maria_lab.config())
    assert {load.spec.publish for load in plan.loads} == {"create"}
    for _, make in names.values():
        maria_lab.pg(make)
    before = oids(maria_lab)
    done = maria_lab.load(plan=plan)
    failed = {table.table: table for table in done.summary.failed}
    assert failed.keys() == names.keys()
    assert all("has appeared in the target" in table.message for table in failed.values()), failed
    assert all("bulketl plan" in table.hint for table in failed.values())
    assert before.items() <= oids(maria_lab).items()
    assert maria_lab.pg("SELECT count(*) FROM {s}.good") == [(2,)]
    assert maria_lab.staged() == []


MARKED = {"deletes": "mark"}
AUDIT = {"table_importance": "audit"}
CHUNKED = {"extraction_strategy": "chunked_incremental", "incremental_column": "at", "lookback": "1s"}
MIRRORED = {**INCREMENTAL, "deletes": {"policy": "mirror", "every": "0s"}}
CHECKED = {"checks": [{"range": "c", "min": 0, "severity": "reject"}], "max_rejects": 5}
RETAINED = {"retention": {"keep": "7y", "by": "at", "action": "delete"}}
# A way to write to a table: its rule, the rows, what is made in the target beforehand, and the way the plan then says.
WAYS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "refill": ({}, 5, "", "refill"),
    "swap": ({}, 200, "", "swap"),
    "refill staged": ({}, 200, "CREATE INDEX ON {s}.t (c)", "refill"),
    "merge": (MARKED, 5, "", "merge"),
    "merge staged": (MARKED, 200, "", "merge"),
    "append": (AUDIT, 5, "", "append"),
    "append staged": (AUDIT, 200, "", "append"),
    "changes": (INCREMENTAL, 5, "", "merge"),
    "chunks": (CHUNKED, 200, "", "merge"),
}
# The same table once more, with its columns, key, indexes and rows, made by somebody else in the place of ours.
ANEW = (
    "ALTER TABLE {s}.t RENAME TO was; CREATE TABLE {s}.t (LIKE {s}.was INCLUDING ALL);"
    "INSERT INTO {s}.t SELECT * FROM {s}.was; DROP TABLE {s}.was; UPDATE {s}.t SET c = c + 1000"
)
RENAMED = (
    "CREATE TABLE {s}.other (LIKE {s}.t INCLUDING ALL); INSERT INTO {s}.other SELECT * FROM {s}.t;"
    "UPDATE {s}.other SET c = c + 1000; ALTER TABLE {s}.t RENAME TO was; ALTER TABLE {s}.other RENAME TO t"
)


def prepared(lab: Lab, monkeypatch: pytest.MonkeyPatch, way: str) -> Plan:
    """Load a table so that it is loaded next in that way, change it at the source, and return the plan of that load."""
    rule, rows, beside, how = WAYS[way]
    small_partitions(monkeypatch, 50)
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int, at datetime, KEY (at))",
              f"INSERT INTO t SELECT seq, seq, '2024-01-01' + INTERVAL seq SECOND FROM seq_1_to_{rows}")  # fmt: skip
    lab.load(rules={"t": rule})
    lab.pg(beside) if beside else None
    lab.mysql(f"INSERT INTO t SELECT 1000 + seq, 7, '2024-02-01' + INTERVAL seq SECOND FROM seq_1_to_{rows}")
    plan = bulketl.make_plan(lab.config(rules={"t": rule}))
    (load,) = plan.loads
    assert (load.spec.publish, load.direct, load.chunked) == (how, rows == 5, way == "chunks")
    return plan


@pytest.mark.parametrize(("way", "becomes"), [(way, (ANEW, RENAMED)[n % 2]) for n, way in enumerate(WAYS)], ids=list(WAYS))
def test_a_table_in_the_place_of_ours_is_written_to_in_no_way(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, way: str, becomes: str
) -> None:
    """Neither by a plan that was made before, nor by one made now, which says why; adopted, it is loaded and recorded."""
    plan = prepared(maria_lab, monkeypatch, way)
    maria_lab.pg(becomes)
    before = maria_lab.pg(ROWS)
    told = maria_lab.load(plan=plan, rules={"t": WAYS[way][0]}).summary.tables["t"]
    assert "is not the table that bulketl made" in told.message
    assert "bulketl plan" in told.hint
    (refused,) = bulketl.make_plan(maria_lab.config(rules={"t": WAYS[way][0]})).refused
    assert "is not the one on record" in refused.message
    assert "restored" in refused.message
    assert "--adopt '*'" in refused.hint
    assert maria_lab.pg(ROWS) == before
    assert maria_lab.staged() == []
    done = maria_lab.load(rules={"t": WAYS[way][0]}, adopt=("t",))
    assert done.summary.tables["t"].outcome == "loaded", done.summary.tables["t"].message
    assert "adopted, as --adopt says" in next(iter(done.plan.loads)).reason
    if way.split()[0] != "append":  # an audited table keeps what it has, and notes what differs
        assert [text for text in maria_lab.differences("t") if "_deleted_at" not in text] == []
    assert maria_lab.load(rules={"t": WAYS[way][0]}).summary.failed == []


OUTSIDE = ["compare", "repair", "retry", "retention"]  # ways that are no publish of a load


@pytest.mark.parametrize("way", OUTSIDE)
def test_what_is_no_publish_writes_to_no_other_table_either(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Comparing, repairing, retrying rejects, retention: ours is replaced at the last moment before they write."""
    rule = {"compare": MIRRORED, "repair": {}, "retry": CHECKED, "retention": RETAINED}[way]
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int, at datetime, KEY (at))",
                    "INSERT INTO t SELECT seq, CAST(seq AS signed) - 2, '2004-01-01' FROM seq_1_to_30")  # fmt: skip
    maria_lab.load(rules={"t": rule})
    maria_lab.mysql("UPDATE t SET c = 5 WHERE id <= 3")
    config = maria_lab.config(rules={"t": rule})

    def before_comparing(step: str, moment: str) -> None:
        if (step, moment) == ("compare", "before"):
            maria_lab.pg(ANEW)

    def replaced(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **more: Any) -> Any:
            maria_lab.pg(ANEW)
            return call(*args, **more)

        return instead

    if way == "compare":
        use(monkeypatch, before_comparing)
        problem = bulketl.load(config, bulketl.make_plan(config)).tables["t"].message
    elif way == "repair":
        monkeypatch.setattr("bulketl.verifying.repair.repair", replaced(repair))
        problem = bulketl.verify(config, repair=True).repaired[0].problem
    else:
        place, real = ("rejects.retry", retry) if way == "retry" else ("retention.retain", retain)
        monkeypatch.setattr(f"bulketl.operations.{place}", replaced(real))
        with pytest.raises(BulketlError) as raised:
            bulketl.retry_rejects(config) if way == "retry" else bulketl.retain_tables(config, (), Path("unused"))
        problem = raised.value.message
    assert "is not the table that bulketl made" in problem
    assert maria_lab.pg("SELECT count(*) FROM {s}.t WHERE c >= 999") == maria_lab.pg("SELECT count(*) FROM {s}.t")
    monkeypatch.undo()
    if way == "repair":
        assert "is somebody else's" in bulketl.verify(config, repair=True).repaired[0].problem
    elif way != "compare":
        with pytest.raises(PlanError, match="is somebody else's"):
            bulketl.retry_rejects(config) if way == "retry" else bulketl.retain_tables(config, (), Path("unused"))


# Modules that write to no table of the target schema: they read, or have the ledger; and functions that have other tables.
READING = {
    "inspect.py", "query.py", "ledger/schema.py", "ledger/runs.py", "write/copy.py",
    "compare/chain.py", "compare/examine.py", "compare/image.py", "compare/months.py", "compare/totals.py",
    "compare/beside.py", "compare/views.py", "compare/witness.py",
}  # fmt: skip
WRITE_ELSEWHERE = {
    "note_report": "into the ledger's own chain",
    "prepare": "the staging table", "discard": "the staging table", "_load": "the staging table", "_mended": "the same",
    "_keep_rejects": "the ledger", "_transaction": "begins one for others", "_hashes": "nothing", "read": "nothing",
    "by_hash": "nothing: it lets a reader join by hash", "reject_staged": "the staging table",
    "trial": "nothing that stays, after a publish that has asked", "write_events": "the ledger", "prune": "the ledger",
    "drop": "the copies that are kept of an older pipeline's tables, by their oid",
    "exchange": "tables by the oids that were seen, under locks that keep them so",
    "_changed": "the same, a part of `exchange`", "_tried": "the same, and all of it is taken back",
    "refill": "the table of a promotion, a rollback or an undo, which have looked whose it is under the locks of their run",
    "_pointing": "nothing", "_counted": "nothing", "_asked": "nothing", "refusals": "nothing that stays",
    "_built": "an index over bulketl's table beside, which is taken back",
    "record": "the ledger", "record_standing": "the ledger", "looking": "nothing", "keep": "the ledger",
    "make_types": "no table: an enum type, once its comment says that bulketl made it",
    "waive": "the ledger", "make": "views of its own over the ledger, under names that nothing else has",
}  # fmt: skip


def test_every_transaction_that_can_write_asks_whose_the_table_is() -> None:
    """As the code has them: a new one has to ask, or to say here why it need not."""
    folder = Path(bulketl.postgres.server.__file__).parent
    asking = {"reserving", "reserve", "started"}
    unasked = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                calls = {
                    getattr(c.func, "id", getattr(c.func, "attr", "")) for c in ast.walk(node) if isinstance(c, ast.Call)
                }
                if calls & {"transaction", "_transaction"} and str(path.relative_to(folder)) not in READING:
                    unasked |= set() if calls & asking else {node.name}
    assert unasked - WRITE_ELSEWHERE.keys() == set()
