"""Tables of an older pipeline that become bulketl's as they are: the records of which a load reads on from where it was."""

from __future__ import annotations

from bulketl.postgres.ddl import name, rows_of
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.cursor import Watermark
from bulketl.tables.partitions import KeyValue
from bulketl.tables.spec import TableSpec

HOW = "taken over from the older pipeline"


def newest(connection: Connection, spec: TableSpec, column: str) -> KeyValue | None:
    """Return the highest value of a column of a table, None where it has none; `spec` names the table."""
    found = connection.execute(f"SELECT max({name(column)}) FROM {rows_of(spec)}".encode()).fetchone()
    value: KeyValue | None = found[0] if found else None
    return value


def take_over(connection: Connection, spec: TableSpec, mark: Watermark, rows: int, by: str) -> None:
    """Record a table as bulketl's, loaded up to a watermark, and never compared. The caller commits."""
    connection.execute(
        f"INSERT INTO {LEDGER}.made (schema_name, table_name, oid, source, run, how, by)"
        " SELECT %s, %s, to_regclass(%s)::oid, %s, '', %s, %s",
        (spec.schema, spec.table, name(spec.schema, spec.table), spec.source, HOW, by),
    )
    connection.execute(
        f"INSERT INTO {LEDGER}.state (schema_name, table_name, source, zone, cursor_column, cursor_type, watermark, rows,"
        " kept, run) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '{}', '') ON CONFLICT (schema_name, table_name) DO UPDATE SET"
        " source = excluded.source, zone = excluded.zone, cursor_column = excluded.cursor_column,"
        " cursor_type = excluded.cursor_type, watermark = excluded.watermark, rows = excluded.rows, kept = excluded.kept,"
        " run = '', compared_at = NULL, evidence = ''",
        (spec.schema, spec.table, spec.source, spec.zone, mark.column, mark.type, mark.value, rows),
    )
