"""The version of a table that was published before: `bulketl.previous`, and a copy of its rows in a schema of its own.

Both are made by the transaction that publishes the next version, before it changes anything. The record has what the table
was, by number and sum of hashes, and what it is since: whoever undoes the publish knows whether anything came in between.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from bulketl.postgres.ddl import name, own_rows, rows_of, value
from bulketl.postgres.ledger.chains import summed
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.spec import TableSpec, joined

PLACE = "bulketl_previous"
TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.previous (
    schema_name text, table_name text, run text NOT NULL, rows bigint NOT NULL, hash numeric[] NOT NULL, state jsonb,
    now_rows bigint, now_hash numeric[], kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema_name, table_name));
"""


class Previous(NamedTuple):
    """The version before of a table: which run replaced it and when, its rows and sum, and those that the run left.

    `state`: what was on record of it. `gone`: somebody dropped the copy of its rows.
    """

    run: str
    rows: int
    hash: list[Any]
    state: dict[str, Any] | None
    now_rows: int | None
    now_hash: list[Any] | None
    at: dt.datetime
    gone: bool


def copy_of(schema: str, table: str) -> str:
    """Return the name of the copy of a table's rows, in the schema PLACE."""
    return joined(schema, table)


def keeping(run: str, spec: TableSpec) -> list[str]:
    """Return the statement that keeps a table as it is, once in a run; or that drops what is kept, where it keeps none.

    What masks cover from now on goes so with the transaction that covers it. Another table's transaction may make the schema
    at the same moment: this one waits for it then, and takes what it has made.
    """
    copy, at = name(PLACE, copy_of(spec.schema, spec.table)), f"{value(spec.schema)}, {value(spec.table)}"
    kept = f"(schema_name, table_name) = ({at})"
    dropping = f"DROP TABLE IF EXISTS {copy};\nDELETE FROM {LEDGER}.previous WHERE {kept};"
    if not spec.previous or spec.publish == "create":
        return [f"IF EXISTS (SELECT FROM {LEDGER}.previous WHERE {kept}) THEN {dropping} END IF"]
    return [
        f"""IF NOT EXISTS (SELECT FROM {LEDGER}.previous WHERE {kept} AND run = {value(run)}) THEN
IF to_regnamespace({value(PLACE)}) IS NULL THEN
BEGIN CREATE SCHEMA {PLACE}; EXCEPTION WHEN duplicate_schema OR unique_violation THEN NULL; END;
END IF;
{dropping}
CREATE TABLE {copy} AS SELECT * FROM {rows_of(spec)};
INSERT INTO {LEDGER}.previous (schema_name, table_name, run, rows, hash, state) SELECT {at}, {value(run)}, n, sums,
    (SELECT to_jsonb(s) FROM {LEDGER}.state s WHERE {kept}) FROM ({summed(f"SELECT * FROM {copy}", ())}) x;
END IF"""
    ]


def replaced(run: str, spec: TableSpec) -> list[str]:
    """Return the statement that notes what the run has made of a table; none unless the version before is kept."""
    if not spec.previous or spec.publish == "create":
        return []
    at = f"({value(spec.schema)}, {value(spec.table)}, {value(run)})"
    sums = summed(f"SELECT * FROM {rows_of(spec)}", ())
    noted = f"UPDATE {LEDGER}.previous p SET now_rows = n, now_hash = sums FROM ({sums}) x"
    return [f"{noted} WHERE (p.schema_name, p.table_name, p.run) = {at}"]


def previous(connection: Connection, schema: str, table: str) -> Previous | None:
    """Return the version before of a table; None when none is kept."""
    if not exists(connection, "previous"):
        return None
    row = connection.execute(
        "SELECT run, rows, hash, state, now_rows, now_hash, kept_at, to_regclass(%s) IS NULL"
        f" FROM {LEDGER}.previous WHERE (schema_name, table_name) = (%s, %s)",
        (name(PLACE, copy_of(schema, table)), schema, table),
    ).fetchone()
    return Previous(*row) if row else None


def sums_of(connection: Connection, schema: str, table: str, *, partitioned: bool) -> tuple[int, list[Any]]:
    """Return how many rows a table has, and the sum of their hashes."""
    rows = f"SELECT * FROM {own_rows(schema, table, partitioned)}"
    found = connection.execute(summed(rows, ()).encode()).fetchone() or (0, [])
    return found[0], found[1]


def put_back(connection: Connection, schema: str, table: str, came: Sequence[str]) -> None:
    """Have what was on record of the version before be on record again, and forget that it was kept; the caller commits.

    `came`: columns that it had not. They are empty now, so they count as kept, and the next load fills them in all rows.
    """
    at = (schema, table)
    connection.execute(f"DELETE FROM {LEDGER}.state WHERE (schema_name, table_name) = (%s, %s)", at)
    connection.execute(
        f"INSERT INTO {LEDGER}.state SELECT s.* FROM {LEDGER}.previous p,"
        f" LATERAL jsonb_populate_record(NULL::{LEDGER}.state, p.state) s"
        " WHERE (p.schema_name, p.table_name) = (%s, %s) AND p.state IS NOT NULL",
        at,
    )
    if came:
        connection.execute(
            f"UPDATE {LEDGER}.state SET kept = kept || %s WHERE (schema_name, table_name) = (%s, %s)", (list(came), *at)
        )
    forget(connection, schema, table)


def forget(connection: Connection, schema: str, table: str) -> None:
    """Drop the version before of a table; the caller commits."""
    connection.execute(f"DROP TABLE IF EXISTS {name(PLACE, copy_of(schema, table))}".encode())
    connection.execute(f"DELETE FROM {LEDGER}.previous WHERE (schema_name, table_name) = (%s, %s)", (schema, table))
