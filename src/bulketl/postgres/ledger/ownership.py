"""Who serves each table of the target: `bulketl.ownership`, only ever added to; the last entry of a table counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bulketl.postgres.ledger import made
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.owner import Owned, Owner

TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.ownership (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL,
    owner text NOT NULL CHECK (owner IN ('legacy', 'shadow', 'bulketl')), by text NOT NULL, reason text NOT NULL,
    run text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS ownership_table ON {LEDGER}.ownership (schema_name, table_name, seq);
"""


def owners(connection: Connection, schema: str) -> dict[str, Owned]:
    """Return who serves each table of a schema of which that is on record."""
    if not exists(connection, "ownership"):
        return {}
    found = connection.execute(
        f"SELECT DISTINCT ON (table_name) table_name, owner, at, by, reason FROM {LEDGER}.ownership"
        " WHERE schema_name = %s ORDER BY table_name, seq DESC",
        (schema,),
    )
    return {table: Owned(*rest) for table, *rest in found}


def others(connection: Connection, schema: str, *, migrating: bool) -> set[str]:
    """Return the tables of a schema that an older pipeline serves by the record.

    While `migrating`, those too that are there and have no record, and that bulketl never made.
    """
    found = owners(connection, schema)
    served = {table for table, owned in found.items() if owned.owner != "bulketl"}
    if migrating:
        there = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind IN ('r', 'p')",
            (schema,),
        )
        served |= {table for (table,) in there} - found.keys() - made.read(connection, schema).keys()
    return served


def own(connection: Connection, schema: str, tables: Collection[str], owner: Owner, about: Mapping[str, str]) -> None:
    """Put on record who serves tables from now on; `about`: by, reason and run ('' where no run is at work).

    The caller commits.
    """
    connection.execute(
        f"INSERT INTO {LEDGER}.ownership (schema_name, table_name, owner, by, reason, run)"
        " SELECT %s, name, %s, %s, %s, %s FROM unnest(%s::text[]) name ORDER BY name",
        (schema, owner, about["by"], about["reason"], about["run"], list(tables)),
    )


def given_by(connection: Connection, run: str) -> tuple[str, str]:
    """Return who had tables change hands by a run, and why; '' twice when no table did."""
    if not exists(connection, "ownership"):
        return "", ""
    found = connection.execute(f"SELECT by, reason FROM {LEDGER}.ownership WHERE run = %s LIMIT 1", (run,)).fetchone()
    return (found[0], found[1]) if found else ("", "")
