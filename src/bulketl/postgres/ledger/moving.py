"""The records of a table that changes its schema: they go with it, so that the next load goes on where the last one was.

Runs keep the schema into which they loaded. The links of an audit chain are over the schema in which they were made, which
is kept beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.postgres.ledger import previous
from bulketl.postgres.server import LEDGER, Connection

_AUDITED = ("audit_chain", "audit_trail")
MADE_IN = "".join(f"ALTER TABLE {LEDGER}.{table} ADD COLUMN IF NOT EXISTS made_in text;" for table in _AUDITED)
GOING = (
    "partition", "published", "compared", "table_load", "certificate", "reject", "retained", "finding", "verification",
    "measure",
)  # fmt: skip
_OF = "WHERE schema_name = %(old)s AND table_name = ANY(%(tables)s)"


def records_in_the_way(connection: Connection, schema: str, tables: Sequence[str]) -> list[str]:
    """Return those of the tables that have an audit chain in a schema already, which no other may be mixed with."""
    found = connection.execute(
        f"SELECT DISTINCT table_name FROM {LEDGER}.audit_chain WHERE schema_name = %s AND table_name = ANY(%s) ORDER BY 1",
        (schema, list(tables)),
    )
    return [table for (table,) in found]


def move(connection: Connection, tables: Sequence[str], old: str, new: str) -> None:
    """Have everything on record of tables be of another schema from now on; the caller commits.

    A state that stands there already, of a table that was in the way before, is replaced. The version before the last load
    is of neither table any more, and goes: nobody would see to its masks.
    """
    names = {"old": old, "new": new, "tables": list(tables)}
    # The state of a table that is not there any more says nothing of the one that comes.
    there = f"SELECT table_name FROM {LEDGER}.state {_OF}"
    connection.execute(f"DELETE FROM {LEDGER}.state WHERE schema_name = %(new)s AND table_name IN ({there})".encode(), names)
    found = connection.execute(
        f"SELECT schema_name, table_name FROM {LEDGER}.previous"
        " WHERE schema_name IN (%(old)s, %(new)s) AND table_name = ANY(%(tables)s)",
        names,
    )
    for schema, table in found.fetchall():
        previous.forget(connection, schema, table)
    for table in ("state", *GOING):
        connection.execute(f"UPDATE {LEDGER}.{table} SET schema_name = %(new)s {_OF}".encode(), names)
    for table in _AUDITED:
        made_in = "made_in = NULLIF(COALESCE(made_in, schema_name), %(new)s)"
        connection.execute(f"UPDATE {LEDGER}.{table} SET schema_name = %(new)s, {made_in} {_OF}".encode(), names)


def take(connection: Connection, schema: str, oids: Sequence[tuple[str, int]], run: str, how: str) -> None:
    """Put on record that tables, by name and oid, are bulketl's in a schema, and of the source of their states."""
    tables, numbers = zip(*oids, strict=True) if oids else ((), ())
    connection.execute(
        f"INSERT INTO {LEDGER}.made (schema_name, table_name, oid, source, run, how, by)"
        " SELECT %(schema)s, x.t, x.o, COALESCE(s.source, ''), %(run)s, %(how)s, current_user"
        " FROM unnest(%(tables)s::text[], %(oids)s::oid[]) x (t, o)"
        f" LEFT JOIN {LEDGER}.state s ON (s.schema_name, s.table_name) = (%(schema)s, x.t) ORDER BY x.t",
        {"schema": schema, "tables": list(tables), "oids": list(numbers), "run": run, "how": how},
    )
