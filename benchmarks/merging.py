"""The scenario `merge`: staged rows brought into a large table, beside the statements that anybody would write.

Only the publish is measured, in one transaction on a fresh copy of the table: rows per second are staged rows. The
contenders count nothing and write rows that are the same too, except where said.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks import payments
from benchmarks.catalogue import Comparison
from benchmarks.measure import Contender, measure
from benchmarks.report import Scenario
from benchmarks.servers import LOADED, OTHER, Servers, Turn, in_turn, out, python
from bulketl import load_config, make_plan
from bulketl.postgres.ddl import batch, columns, name
from bulketl.postgres.ledger import entries
from bulketl.postgres.server import LEDGER
from bulketl.postgres.write.publish import into
from bulketl.tables.spec import TableSpec

LEAST_RATE = 100_000
SHARES = (10, 100)  # per cent of the rows that are read again; a third of them has changed, and a tenth of the table is new
MERGE, UPSERT, REPLACE = "bulketl's merge", "ON CONFLICT DO UPDATE", "DELETE and INSERT"
KEY = '"PayNum"'
BEYOND = 10_000_000  # added to the key of a row to make a new one

_CHANGED = f"""UPDATE {OTHER}.stage SET "PayAmt" = "PayAmt" + 1, "PayNote" = 'changed',
    "SecDateTEdit" = "SecDateTEdit" + interval '1 day' WHERE {KEY} % 3 = 0"""
_COPIED = f"""DROP TABLE IF EXISTS {OTHER}.{payments.TABLE};
    CREATE TABLE {OTHER}.{payments.TABLE} (LIKE {LOADED}.{payments.TABLE});
    INSERT INTO {OTHER}.{payments.TABLE} TABLE {LOADED}.{payments.TABLE};
    ALTER TABLE {OTHER}.{payments.TABLE} ADD PRIMARY KEY ({KEY});"""


def run_merge(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure each share of rows that are read again."""
    source = servers.database(payments.DATABASE)
    try:
        out.print(f"merge: making {options.rows:,} rows", highlight=False)
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
        measure(python(servers, "load", source, "bulketl", "load", "--schema", LOADED, "--json"), folder)
        environ = {**os.environ, "BULKETL_SOURCE": source, "BULKETL_TARGET": servers.target}
        (load,) = make_plan(load_config(None, None, environ, schema=LOADED), full=True).loads
        spec = dataclasses.replace(load.spec, schema=OTHER, whole=False, publish="merge", deletes="ignore")
        for share in SHARES:
            yield _measured(servers, spec, share, options.runs, folder)
    finally:
        servers.without(LOADED, OTHER)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {payments.DATABASE}")


def _measured(servers: Servers, spec: TableSpec, share: int, runs: int, folder: Path) -> Scenario:
    table, stage = name(OTHER, spec.table), name(OTHER, "stage")
    names = [item.column for item in spec.casts]
    servers.without(OTHER)
    again = f"{KEY} % 100 < {share}"
    fresh = ", ".join(f"{name(n)} + {BEYOND}" if name(n) == KEY else name(n) for n in names)
    old = f"{LOADED}.{spec.table}"
    servers.execute(
        f"CREATE SCHEMA {OTHER}",
        f"CREATE TABLE {stage} AS SELECT * FROM {old} WHERE {again} ORDER BY {KEY}",
        _CHANGED,
        f"INSERT INTO {stage} SELECT {fresh} FROM {old} WHERE {KEY} % 10 = 0 ORDER BY {KEY}",
    )
    run = f"benchmark {share}"

    def before() -> None:
        servers.execute(*_COPIED.split(";"), f"VACUUM ANALYZE {table}", "CHECKPOINT")
        servers.execute(f"DELETE FROM {LEDGER}.published WHERE run = '{run}'")

    sets = ", ".join(f"{name(n)} = excluded.{name(n)}" for n in names if n not in spec.key)
    ours = [entries.claim_publish(run, spec, returning=False), *into(run, spec, stage)]
    insert = f"INSERT INTO {table} ({columns(names)}) SELECT {columns(names)} FROM {stage}"
    texts = {
        REPLACE: [f"DELETE FROM {table} t USING {stage} s WHERE s.{KEY} = t.{KEY}", insert],
        UPSERT: [f"{insert} ON CONFLICT ({KEY}) DO UPDATE SET {sets}"],
        MERGE: [batch([*ours, entries.published(run, spec, 0)])],
    }
    turns: list[Turn] = [(_psql(servers, n, statements, folder), before) for n, statements in texts.items()]
    scenario = Scenario(f"merge, {share} % read again", UPSERT, least_rate={MERGE: LEAST_RATE})
    in_turn(scenario, turns, runs, folder, servers)
    with psycopg.connect(servers.target) as connection:  # the last was ours
        scenario.compared = _compared(connection, table, stage, names)
        counts = connection.execute(
            f"SELECT inserted, updated FROM {LEDGER}.published WHERE run = %s", (run,)
        ).fetchone() or (0, 0)
    inserted, updated = (int(count) for count in counts)
    same = scenario.compared.rows - inserted - updated
    scenario.notes.append(f"{inserted:,} inserted, {updated:,} updated, {same:,} the same and not written")
    return scenario


def _psql(servers: Servers, named: str, statements: list[str], folder: Path) -> Contender:
    path = folder / f"{named.replace(' ', '-')}.sql"
    path.write_text(";\n".join(statements) + ";\n", encoding="utf-8")
    words = ("psql", servers.target, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction")
    return Contender(named, ((*words, f"--file={path}"),))


def _compared(connection: psycopg.Connection[tuple[object, ...]], table: str, stage: str, names: list[str]) -> Comparison:
    """Compare the merged table with what it must be: every staged row as it is, every other as it was."""
    old = f"{LOADED}.{payments.TABLE}"
    others = f"SELECT * FROM {old} o WHERE NOT EXISTS (SELECT 1 FROM {stage} s WHERE s.{KEY} = o.{KEY})"
    joined = f"{table} t FULL JOIN (SELECT * FROM {stage} UNION ALL {others}) e USING ({KEY})"
    different, staged = connection.execute(
        f"SELECT (SELECT count(*) FROM {joined} WHERE to_jsonb(t) IS DISTINCT FROM to_jsonb(e)),"
        f" (SELECT count(*) FROM {stage})".encode()
    ).fetchone() or (0, 0)
    text = [f"{different:,} rows are not what they must be"] if different else []
    return Comparison(1, int(str(staged)), len(names), text)
