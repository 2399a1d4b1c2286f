"""What hangs on a target table, crossed with every way to write it: its rows are right, or it failed with its old ones.

One database has a table for each pair, so that all pairs cost three loads. What the rows must be is known from how they were
made; what they are is asked of Postgres by a query of its own, without what inherits from the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import fresh
from faults import no_pauses
from hangers import EXEMPT, HANGERS, HANGING
from lab import Lab, Server

import bulketl
from bulketl.errors import BulketlError
from bulketl.survey.findings import Finding

FEW, MANY = 40, 60  # rows of tables with one partition, with two
CUT = 50
FULL: dict[str, Any] = {"extraction_strategy": "full_table"}
CHANGED: dict[str, Any] = {"extraction_strategy": "incremental", "incremental_column": "at"}
CHUNKED: dict[str, Any] = {"extraction_strategy": "chunked_incremental", "incremental_column": "at"}
FREE = {"guard": "100%"}
LARGE = {"range": "n", "max": 1000, "severity": "reject"}
Rows = dict[int, tuple[Any, ...]]
Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Way:
    """A way to write a table: its rule, its rows, whether it has a key, who carries it out, and what is seen of deletes."""

    rule: dict[str, Any]
    rows: int = FEW
    key: bool = True
    by: str = "load"
    deletes: bool = True
    referenced: bool = False


WAYS: dict[str, Way] = {
    "direct": Way({**FULL, "deletes": FREE}),
    "staged": Way({**FULL, "deletes": FREE}, MANY),
    "keyless": Way({**FULL, "deletes": FREE}, key=False),
    "whole": Way({**FULL, "deletes": FREE}, referenced=True),
    "wholestaged": Way({**FULL, "deletes": FREE}, MANY, referenced=True),
    "mark": Way({**FULL, "deletes": {"policy": "mark", **FREE}}),
    "merge": Way(CHANGED, deletes=False),
    "chunk": Way(CHUNKED, MANY, deletes=False),
    "mirror": Way({**CHANGED, "deletes": {"policy": "mirror", "every": "1s", **FREE}}),
    "comparemark": Way({**CHANGED, "deletes": {"policy": "mark", "every": "1s", **FREE}}),
    "audit": Way({**FULL, "table_importance": "audit"}, deletes=False),
    "auditchanges": Way({**CHANGED, "table_importance": "audit"}, deletes=False),
    "repair": Way({**FULL, "deletes": FREE}, by="repair"),
    "retry": Way({**CHANGED, "max_rejects": "90%", "checks": [LARGE]}, by="retry"),
    "retain": Way({**CHANGED, "retention": {"keep": "20y", "by": "at", "action": "delete"}}, by="retain"),
}  # fmt: skip
KEYED_ONLY = ("referenced", "cascading", "itself", "itself_null", "partitioned", "options")
SELECT = "SELECT id, c, n, up FROM {t} ORDER BY id"


@dataclass
class Hung:
    """All pairs after they were loaded again: their rows before, as they must be, and which of them failed with what."""

    lab: Lab
    connection: Connection
    kind: str
    old: dict[str, Rows]
    must: dict[str, Rows]
    failed: dict[str, str]
    children: dict[str, Rows]
    foreseen: dict[str, list[Finding]]


def pairs(kind: str = "") -> list[tuple[str, str]]:
    """Return every way with everything that can hang on its table, or those of one kind."""
    ways = {name: way for name, way in WAYS.items() if kind in ("", way.by)}
    return [(name, what) for name, way in ways.items() for what in HANGERS if way.key or what not in KEYED_ONLY]


def rows_in(connection: Connection, schema: str, table: str) -> Rows:
    """Return the table's own rows that count, by their id; twice the same id is none."""
    kind, marked = connection.execute(
        "SELECT relkind::text, EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = '_deleted_at')"
        " FROM pg_class c WHERE oid = %s::regclass",
        (f'{schema}."{table}"',),
    ).fetchall()[0]
    where, only = " WHERE _deleted_at IS NULL" if marked else "", "" if kind == "p" else "ONLY "
    found = connection.execute(f'SELECT id, c, n, up FROM {only}{schema}."{table}"{where}'.encode()).fetchall()
    assert len({row[0] for row in found}) == len(found), f"{table}: rows are there twice"
    return {row[0]: tuple(row) for row in found}


@pytest.fixture(scope="module", params=["load", "repair", "retry", "retain"])
def hung(
    request: pytest.FixtureRequest, mariadb: Server, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hung]:
    """Load a table for each pair, hang what hangs on it, change the source, and write each again in its way."""
    patch = pytest.MonkeyPatch()
    patch.setattr("bulketl.tables.partitions.MOST_ROWS", CUT)
    no_pauses(patch)
    patch.setattr("bulketl.verifying.looks.PAUSE_SECONDS", 0.0)
    making = fresh(mariadb, postgres)
    lab = next(making)
    with psycopg.connect(lab.target, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        yield hang(lab, connection, request.param, tmp_path_factory.mktemp("archive"))
        for (name,) in connection.execute(
            "SELECT pubname FROM pg_publication WHERE starts_with(pubname, 'pub_t_')"
        ).fetchall():
            connection.execute(f"DROP PUBLICATION {name}".encode())
    patch.undo()
    next(making, None)


def hang(lab: Lab, connection: Connection, kind: str, folder: Path) -> Hung:
    """Do all that the fixture does, for the ways of one kind."""
    names = {f"{way}_{what}": (WAYS[way], what) for way, what in pairs(kind)}
    rules = {name: way.rule for name, (way, _) in names.items()}
    lab.mysql(*(statement for name, (way, _) in names.items() for statement in _made(name, way)))
    first = lab.load(rules=rules)
    assert not first.summary.failed, [(table.table, table.message) for table in first.summary.failed][:3]
    for name, (way, what) in names.items():
        text = HANGERS[what][1].replace("{t}", f'{{s}}."{name}"').replace("{n}", name).replace("{pkey}", f'"{name}_pkey"')
        extra = f'; CREATE TABLE {{s}}."other_{name}" (id int REFERENCES {{s}}."{name}")' if way.referenced else ""
        connection.execute(f"{text}{extra}".replace("{s}", lab.schema).encode())
    old = {name: rows_in(connection, lab.schema, name) for name in names}
    children = {
        name: rows_in(connection, lab.schema, f"child_{name}") for name, (_, what) in names.items() if what == "child"
    }
    lab.mysql("SELECT 1", *(statement for name, (way, _) in names.items() for statement in _changed(name, way)))
    connection.execute("UPDATE bulketl.state SET compared_at = compared_at - interval '25 hours'")
    foreseen: dict[str, list[Finding]] = {}
    for item in bulketl.validate(lab.config(rules=rules)) if kind == "load" else ():
        foreseen.setdefault(item.table, []).append(item)
    failed = _written(lab, kind, rules, folder)
    must = {name: _must(lab, name, way, old[name]) for name, (way, _) in names.items()}
    return Hung(lab, connection, kind, old, must, failed, children, foreseen)


def _made(name: str, way: Way) -> list[str]:
    key = " PRIMARY KEY" if way.key else ""
    old = "IF(seq <= 3, '1999-01-01', '2024-01-01')" if way.by == "retain" else "'2024-01-01'"
    bad = "IF(seq IN (5, 6), 5000, seq)" if way.by == "retry" else "seq"
    return [
        f"CREATE TABLE {name} (id int NOT NULL{key}, c varchar(20), n int, up int, at datetime(0) NOT NULL)",
        f"INSERT INTO {name} SELECT seq, 'old', {bad}, IF(seq = 30, 29, NULL), {old} FROM seq_1_to_{way.rows}",
    ]


def _changed(name: str, way: Way) -> list[str]:
    if way.by == "retain":
        return []
    if way.by == "retry":
        return [f"UPDATE {name} SET n = id, c = 'new' WHERE n = 5000"]
    later = "at = '2024-01-02'"
    return [
        f"UPDATE {name} SET c = 'new', {later} WHERE id IN (5, 10)",
        f"DELETE FROM {name} WHERE id IN (7, 29)",
        f"INSERT INTO {name} SELECT seq, 'new', seq, NULL, '2024-01-02' FROM seq_101_to_104",
    ]


def _written(lab: Lab, kind: str, rules: dict[str, Any], folder: Path) -> dict[str, str]:
    """Write all of them again; return what failed, with its words."""
    config = lab.config(rules=rules)
    if kind == "load":
        return {table.table: f"{table.message} {table.hint}" for table in lab.load(rules=rules).summary.failed}
    if kind == "repair":
        return {one.table: one.problem for one in bulketl.verify(config, repair=True).repaired if one.problem}
    failed = {}
    for name in rules:
        try:
            bulketl.retry_rejects(config, [name]) if kind == "retry" else bulketl.retain_tables(config, [name], folder)
        except BulketlError as error:
            failed[name] = f"{error.message} {error.hint}"
    return failed


def _must(lab: Lab, name: str, way: Way, old: Rows) -> Rows:
    """Return the rows that the table must have when it was written."""
    source = {row[0]: row for row in lab.mysql(SELECT.replace("{t}", name))}
    if way.by == "retain":
        return {key: row for key, row in source.items() if key > 3}
    if way.rule.get("table_importance") == "audit":
        return {**source, **old}
    return source if way.deletes else {**old, **source}


def test_rows_are_right_or_the_table_failed_with_its_old_ones(hung: Hung) -> None:
    """Whatever hangs on it."""
    wrong = []
    for way, what in pairs(hung.kind):
        name = f"{way}_{what}"
        there, must, old = rows_in(hung.connection, hung.lab.schema, name), hung.must[name], hung.old[name]
        if name not in hung.failed:
            if there != must:
                wrong.append(f"{name}: not failed, and {_differences(there, must)}")
        elif there not in _allowed(hung, name, WAYS[way]):
            wrong.append(f"{name}: failed, and {_differences(there, old)}: {hung.failed[name]}")
        if HANGERS[what][0] == "passes" and name in hung.failed:
            wrong.append(f"{name}: failed: {hung.failed[name]}")
    assert wrong == []


def _allowed(hung: Hung, name: str, way: Way) -> list[Rows]:
    """Return the rows that a table that failed may have: a chunk, or the load before a comparison, was published before."""
    old, must = hung.old[name], hung.must[name]
    found = [old]
    if way.rule.get("deletes", {}).get("every"):
        found.append({**old, **must})
    if way.rule["extraction_strategy"] == "chunked_incremental":
        found += [{**old, **{k: must[k] for k in keys}} for keys in ((5, 10), (5, 10, 101, 102), (101, 102, 103, 104))]
    return found


def _differences(there: Rows, must: Rows) -> str:
    lacking, more = sorted(must.keys() - there.keys()), sorted(there.keys() - must.keys())
    other = sorted(key for key in there.keys() & must.keys() if there[key] != must[key])
    return f"lacks {lacking}, has too many {more}, differs in {other}"


def test_validate_foresaw_what_failed_and_found_no_error_of_what_did_not(hung: Hung) -> None:
    """What is certain is an error, and what depends on the rows a warning."""
    if hung.kind != "load":
        pytest.skip("validate foresees loads")
    said = {
        name: {item.severity for item in found if item.kind in ("refused", "doubted")}
        for name, found in hung.foreseen.items()
    }
    assert [name for name in hung.failed if not said.get(name)] == []
    assert [name for name, severities in said.items() if "error" in severities and name not in hung.failed] == []
    certain = [name for name, severities in said.items() if "error" in severities]
    assert {"identity", "rule_insert", "partitioned"} <= {name.partition("_")[2] for name in certain}


def test_rows_of_tables_that_inherit_stay(hung: Hung) -> None:
    """They are somebody else's."""
    assert hung.children
    for name, before in hung.children.items():
        assert rows_in(hung.connection, hung.lab.schema, f"child_{name}") == before, name


def test_what_is_lost_is_said_with_what_may_be_at_work(hung: Hung) -> None:
    """By its name."""
    said = {name: text for name, text in hung.failed.items() if "at work on it" in text}
    acting = ("rule r", "trigger act", "foreign key", "row level security")
    assert all(any(words in text for words in acting) for text in said.values()), said
    if hung.kind == "load":
        assert "rule r" in said["staged_rule_insert"]
        assert all("trigger act" in said[name] for name in ("direct_drops", "staged_changes", "merge_drops", "merge_keeps"))


def test_every_catalog_that_names_a_relation_has_something_that_hangs_here(hung: Hung) -> None:
    """Or a reason why nothing of it can act."""
    listed = hung.connection.execute(
        "SELECT DISTINCT fktable::regclass::text FROM pg_get_catalog_foreign_keys() WHERE pktable = 'pg_class'::regclass"
        " AND NOT fkcols && ARRAY['classid', 'classoid', 'refclassid']"  # the catalog in which something else is
        " UNION SELECT DISTINCT classid::regclass::text FROM pg_depend WHERE refclassid = 'pg_class'::regclass"
        " AND refobjid >= 16384"
    ).fetchall()
    assert {name for (name,) in listed} - HANGING - set(EXEMPT) == set()


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("deletes", ["mirror", "ignore"])
def test_not_null_that_a_dropped_key_leaves_is_in_nobodys_way(maria_lab: Lab, more: bool, deletes: str) -> None:
    """Postgres 18 keeps it; of another column it is a person's own, and the refusal says so."""
    maria_lab.mysql("CREATE TABLE t (id int, n int, c int, PRIMARY KEY (id, n))", "INSERT INTO t VALUES (1, 1, 1)")
    rules = {"t": {"deletes": deletes}}
    maria_lab.load(rules=rules)
    maria_lab.pg("ALTER TABLE {s}.t DROP CONSTRAINT t_pkey, ALTER id SET NOT NULL, ALTER n SET NOT NULL")
    if more:
        maria_lab.pg("ALTER TABLE {s}.t ALTER c SET NOT NULL")
    maria_lab.mysql("INSERT INTO t VALUES (1, 2, 1)")
    told = maria_lab.load(rules=rules).summary.tables["t"]
    if more:
        assert "because of NOT NULL of c: its key is id, n at the source and none in the target" in told.message
        assert "(NOT NULL of c)" in told.hint
    elif deletes == "ignore":
        assert "so bulketl never replaces it" in told.message
    else:
        assert (told.outcome, maria_lab.differences("t")) == ("loaded", [])
