"""Every way to write, compare and mend a table, as Postgres plans it: nothing is looked for in a large table row by row.

The statements are those that the code sends: they run, and the plans are read from the server's log. Statistics must make no
difference, so it is done with none, with true ones, and with those of tables that were empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import fresh
from faults import no_pauses
from lab import Lab, Server
from planned import plans, quadratic

import bulketl
from bulketl.cli.demo.servers import EmbeddedPostgres
from bulketl.verifying.verdicts import LEVELS

ROWS = 3000
FULL: dict[str, Any] = {"extraction_strategy": "full_table"}
CHANGED: dict[str, Any] = {"extraction_strategy": "incremental", "incremental_column": "at"}
CHUNKED: dict[str, Any] = {"extraction_strategy": "chunked_incremental", "incremental_column": "at"}
AUDIT = {"table_importance": "audit"}
PARENT = {"foreign_key": "up", "references": "refill.id"}
RULES: dict[str, dict[str, Any]] = {
    "refill": FULL,
    "whole": FULL,
    "mark": {**FULL, "deletes": "mark"},
    "merge": CHANGED,
    "chunk": CHUNKED,
    "mirror": {**CHANGED, "deletes": {"policy": "mirror", "every": "1s"}},
    "comparemark": {**CHANGED, "deletes": {"policy": "mark", "every": "1s"}},
    "audit": {**FULL, **AUDIT},
    "auditchanges": {**CHANGED, **AUDIT, "deletes": {"every": "1s"}},
    "keyless": {**FULL, **AUDIT},
    "repair": FULL,
    "watched": FULL,
    "settled": {**FULL, "consistency": "re-read"},
    "retry": {**CHANGED, "max_rejects": "90%", "checks": [{"range": "n", "max": 9000, "severity": "reject"}]},
    "retain": {**CHANGED, "retention": {"keep": "20y", "by": "at", "action": "delete"}},
    "retainaudit": {**CHANGED, **AUDIT, "retention": {"keep": "20y", "by": "at", "action": "delete"}},
}
OLDER = ("whole", "mark", "keyless", "auditchanges")  # that an older pipeline has too
LIES = (
    "SET allow_system_table_mods = on; DELETE FROM pg_statistic WHERE starelid >= 16384;"
    " UPDATE pg_class SET reltuples = 0 WHERE oid >= 16384 AND relkind = 'r'"
)
STATISTICS = {"none": "DELETE FROM pg_statistic WHERE starelid >= 16384", "true": "ANALYZE", "of empty tables": LIES}


@pytest.fixture(scope="module")
def logged(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A server of its own whose log has every plan, and tables that were loaded once and have changed since."""
    folder = tmp_path_factory.mktemp("planned")
    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(0o755)
    server = EmbeddedPostgres(folder)
    patch = pytest.MonkeyPatch()
    no_pauses(patch)
    patch.setattr("bulketl.tables.partitions.MOST_ROWS", ROWS // 2)
    patch.setattr("bulketl.verifying.looks.PAUSE_SECONDS", 0.0)
    making = fresh(mariadb, server.uri)
    lab = next(making)
    for name in RULES:
        key = "" if name == "keyless" else " PRIMARY KEY"
        lab.mysql(
            f"CREATE TABLE {name} (id int{key}, c varchar(40), n int, up int, at datetime(0) NOT NULL)",
            f"INSERT INTO {name} SELECT seq, concat('row ', seq), IF(seq % 50 = 0, 9999, seq), 1,"
            f" IF(seq <= 60, '1999-01-01', '2024-01-01') FROM seq_1_to_{ROWS}",
        )
    lab.load(rules=RULES)
    lab.pg("CREATE TABLE {s}.other (id int REFERENCES {s}.whole);"
           "CREATE FUNCTION {s}.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
           "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON {s}.watched FOR EACH ROW EXECUTE FUNCTION {s}.f();"
           "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON {s}.chunk FOR EACH ROW EXECUTE FUNCTION {s}.f()")  # fmt: skip
    lab.pg("CREATE SCHEMA {s}_old")
    for name in OLDER:  # one has the key, and the others have none
        lab.pg(f"CREATE TABLE {{s}}_old.{name} AS SELECT id, upper(c)::varchar(40) AS c, n, up, at FROM {{s}}.{name}")
        lab.pg(f"DELETE FROM {{s}}_old.{name} WHERE id < 9; INSERT INTO {{s}}_old.{name} VALUES (99999, '', 0, 0, now())")
    lab.pg("ALTER TABLE {s}_old.whole ADD PRIMARY KEY (id)")
    lab.pg("ALTER SYSTEM SET autovacuum = off")
    lab.pg("SELECT pg_reload_conf()")
    yield lab, folder / "postgres" / "log"
    patch.undo()
    next(making, None)
    server.stop()


@pytest.mark.parametrize("statistics", STATISTICS)
def test_no_plan_looks_through_a_table_row_by_row(logged: tuple[Lab, Path], tmp_path: Path, statistics: str) -> None:
    """Whatever Postgres knows of the tables."""
    lab, log = logged
    stamp = f"'2025-01-01' + INTERVAL {list(STATISTICS).index(statistics)} DAY"
    for name in RULES:
        lab.mysql(
            f"UPDATE {name} SET c = CONCAT(c, '.'), at = {stamp} WHERE id % 3 = 1 AND at > '2000-01-01'",
            f"DELETE FROM {name} WHERE id % 40 = {2 + list(STATISTICS).index(statistics)} AND at > '2000-01-01'",
            f"INSERT INTO {name} SELECT (SELECT MAX(id) FROM {name}) + seq, 'new', 1, 1, {stamp} FROM seq_1_to_100",
        )
    lab.mysql("UPDATE retry SET n = 1 WHERE n = 9999 AND id % 100 = 0")
    lab.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '25 hours'")
    lab.pg(STATISTICS[statistics].replace("DELETE", "SET allow_system_table_mods = on; DELETE", 1))
    database = lab.pg("SELECT current_database()")[0][0]
    lab.pg(
        f'ALTER DATABASE "{database}" SET debug_print_plan = on; ALTER DATABASE "{database}" SET debug_pretty_print = off'
    )
    since = log.stat().st_size
    config = lab.config(rules=RULES)
    done = lab.load(rules=RULES, tables=[name for name in RULES if name not in ("repair", "retry", "retain", "retainaudit")])
    assert not done.summary.failed, [table.message for table in done.summary.failed]
    verified = bulketl.verify(config, tables=["repair", "mirror"], repair=True)
    assert not [one.problem for one in verified.repaired if one.problem]
    for level in ("count", "sums", "keys"):
        bulketl.verify(config, level=level)
    bulketl.retry_rejects(config, ["retry"])
    bulketl.retain_tables(config, ["retain*"], tmp_path)
    bulketl.verify_audit(config)
    older = Lab(lab.server, lab.database, lab.target, f"{lab.schema}_old")
    for level in LEVELS:
        compared = bulketl.compare_pipelines(older.config(rules=RULES, migration={"shadow": lab.schema}), level=level)
        assert {one.table: one.outcome for one in compared.tables} == dict.fromkeys(OLDER, "differs")
    assert all(one.judged or one.table == "keyless" for one in compared.tables)
    lab.pg(f'ALTER DATABASE "{database}" RESET ALL')
    with psycopg.connect(lab.target) as connection:
        names: dict[int, str] = dict(connection.execute("SELECT oid::int, oid::regclass::text FROM pg_class").fetchall())
    large = ("bulketl.audit_trail", "bulketl.reject")
    small = {oid for oid, name in names.items() if name.startswith("bulketl.") and name not in large}
    seen = plans(log, since)
    found = {text for plan in set(seen) for text in quadratic(plan, small)}
    assert len(seen) > 100
    assert found == set()
