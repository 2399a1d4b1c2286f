"""What is looked at after each night: the process, both servers, the ledger, the target's tables, and files.

Between two nights the ledger grows a day older, and what autovacuum would do by day is done by its own rule.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from benchmarks.servers import LOADED, Servers
from bulketl.postgres.server import LEDGER

# What proves something is never let go of, and its links cover these times.
CHAINED = ("audit_chain", "audit_trail")
_SIZES = """
SELECT n.nspname, c.relname, pg_total_relation_size(c.oid)::bigint FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"""
_OTHERS = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
_LOCKS = f"SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {_OTHERS}"
_DUE = """
SELECT format('%I.%I', schemaname, s.relname), s.n_dead_tup > 50 + 0.2 * greatest(c.reltuples, 0),
    s.n_mod_since_analyze > 50 + 0.1 * greatest(c.reltuples, 0)
FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid WHERE s.schemaname NOT LIKE 'pg_t%'"""


def look_at_process(pid: int) -> dict[str, float]:
    """Return memory in MB, the most there was since the last look too, and open files."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the most is counted anew
    megabytes = {name: int(lines[key].split()[0]) / 1024 for name, key in (("memory", "VmRSS"), ("peak", "VmHWM"))}
    files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return {**megabytes, "files open": float(files), "threads": float(lines["Threads"])}


def look_at_servers(servers: Servers) -> tuple[dict[str, float], dict[str, list[int]]]:
    """Return the gauges of both servers, and rows and bytes of each table of the ledger."""
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user NOT IN ('system user')"
        )
        ((sessions,),) = cursor.fetchall()
    with psycopg.connect(servers.target, autocommit=True) as target:

        def one(statement: str) -> float:
            row: Any = target.execute(statement.encode()).fetchone()
            return float(row[0])

        sizes = target.execute(_SIZES.encode()).fetchall()
        rows = {
            name: int(one(f'SELECT count(*) FROM {schema}."{name}"')) for schema, name, _ in sizes if schema == "bulketl"
        }
        loaded = {name: size for schema, name, size in sizes if schema == LOADED}
        live = {name: one(f'SELECT count(*) FROM {LOADED}."{name}"') for name in loaded}
        ledger = {name: [rows[name], size] for schema, name, size in sizes if schema == LEDGER}
        gauges = {
            "source connections": float(sessions),
            "target connections": one(f"SELECT count(*) FROM pg_stat_activity WHERE {_OTHERS}"),
            "locks": one(
                "SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid() AND locktype IN ('advisory', 'relation')"
            ),
            "staging tables": float(sum(schema == "bulketl_staging" for schema, _, _ in sizes)),
            "versions kept MB": sum(size for schema, _, size in sizes if schema == "bulketl_previous") / 1e6,
            "catalogue MB": sum(size for schema, _, size in sizes if schema == "pg_catalog") / 1e6,
            "target MB": sum(loaded.values()) / 1e6,
            "target rows": sum(live.values()),
            "bytes per row": sum(loaded.values()) / max(1.0, sum(live.values())),
            "ledger rows": float(sum(rows.values())),
            "ledger MB": sum(size for _, size in ledger.values()) / 1e6,
        }
    return gauges, ledger


def a_day_passes(servers: Servers) -> None:
    """Let what is on record be a day older, and vacuum and analyze what autovacuum would by its own rule."""
    with psycopg.connect(servers.target, autocommit=True) as target:
        target.execute("SET search_path = ''")
        columns: dict[str, list[str]] = {}
        for table, column in target.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'bulketl'"
            " AND data_type = 'timestamp with time zone'"
        ):
            if table not in CHAINED:
                columns.setdefault(table, []).append(f"{column} = {column} - interval '1 day'")
        for table, sets in columns.items():
            target.execute(f"UPDATE bulketl.{table} SET {', '.join(sets)}".encode())
        target.execute("SELECT pg_stat_force_next_flush()")
        for table, dead, changed in target.execute(_DUE.encode()).fetchall():
            if dead or changed:
                words = ", ".join(word for word, due in (("ANALYZE", changed),) if due)
                target.execute((f"VACUUM ({words}) {table}" if words else f"VACUUM {table}").encode())
