"""What comparing tables of an older pipeline with bulketl's has found, and which differences a person waives.

`bulketl.comparison` has an entry per table or view and comparison: its outcome, rows, and how many rows each class claims;
no value of any row. `bulketl.waiver` is only ever added to: the last entry of a table, column and class counts.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection

TABLES = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.comparison (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, shadow_name text NOT NULL,
    table_name text NOT NULL, kind text NOT NULL CHECK (kind IN ('table', 'view')), level text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('equal', 'waived', 'differs', 'not compared')), legacy_rows bigint,
    shadow_rows bigint, differences jsonb NOT NULL, note text NOT NULL, seconds double precision NOT NULL,
    by text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS comparison_table ON {LEDGER}.comparison (schema_name, table_name, seq);
CREATE TABLE IF NOT EXISTS {LEDGER}.waiver (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL,
    column_name text NOT NULL, class text NOT NULL, ended boolean NOT NULL, reason text NOT NULL, by text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS waiver_table ON {LEDGER}.waiver (schema_name, table_name, column_name, class, seq);
"""
Outcome = Literal["equal", "waived", "differs", "not compared"]
NIGHTS_READ = 1_000  # comparisons of a table: years of nights


class Compared(NamedTuple):
    """What a comparison found of a table or view. `differences`: column, class and rows, and whether it is waived."""

    table: str
    kind: Literal["table", "view"]
    level: str
    outcome: Outcome
    legacy_rows: int | None
    shadow_rows: int | None
    differences: Sequence[dict[str, Any]]
    note: str
    seconds: float
    by: str
    at: dt.datetime


class Waiver(NamedTuple):
    """A difference that counts as none: of a column, '' for any, by its class; who says so, when and why."""

    table: str
    column: str
    name: str
    by: str
    reason: str
    at: dt.datetime

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, its time in ISO 8601."""
        found = {**self._asdict(), "at": self.at.isoformat()}
        return {("class" if key == "name" else key): value for key, value in found.items()}

    def covers(self, column: str, name: str) -> bool:
        """Tell whether it is of that difference."""
        return self.name == name and self.column in ("", column)


def may_keep(connection: Connection) -> str:
    """Return why a comparison cannot be put on record here, '' when it can."""
    if not exists(connection, "comparison"):
        return "the ledger keeps no comparisons before the next load brings it up to date"
    found = connection.execute(f"SELECT has_table_privilege('{LEDGER}.comparison', 'INSERT')").fetchone()
    return "" if found == (True,) else "this role may not add to the ledger"


def keep(connection: Connection, schemas: tuple[str, str], found: Sequence[Compared]) -> None:
    """Put on record what was found of tables; `schemas`: the older pipeline's and the shadow."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.comparison (schema_name, shadow_name, table_name, kind, level, outcome, legacy_rows,"
            f" shadow_rows, differences, note, seconds, by, at) VALUES ({', '.join(['%s'] * 13)})",
            [(*schemas, *one[:6], json.dumps(list(one.differences)), *one[7:]) for one in found],
        )


def last(connection: Connection, schema: str) -> dict[str, Compared]:
    """Return the last comparison of each table and view of a schema."""
    if not exists(connection, "comparison"):
        return {}
    found = connection.execute(
        "SELECT DISTINCT ON (table_name) table_name, kind, level, outcome, legacy_rows, shadow_rows, differences, note,"
        f" seconds, by, at FROM {LEDGER}.comparison WHERE schema_name = %s ORDER BY table_name, seq DESC",
        (schema,),
    )
    return {row[0]: Compared(*row) for row in found}


def outcomes(connection: Connection, schema: str, tables: Collection[str]) -> dict[str, list[tuple[Outcome, dt.datetime]]]:
    """Return the outcomes of comparisons of every row of these tables, the last first, since bulketl served each last."""
    if not exists(connection, "comparison"):
        return {}
    found = connection.execute(
        "SELECT t.name, c.outcome, c.at FROM unnest(%(tables)s::text[]) t(name) CROSS JOIN LATERAL ("
        f"SELECT outcome, at FROM {LEDGER}.comparison WHERE schema_name = %(schema)s AND table_name = t.name"
        " AND kind = 'table' AND level = 'rows' ORDER BY seq DESC LIMIT %(most)s) c WHERE c.at > COALESCE(("
        f"SELECT max(o.at) FROM {LEDGER}.ownership o WHERE o.schema_name = %(schema)s AND o.table_name = t.name"
        " AND o.owner = 'bulketl'), '-infinity') ORDER BY t.name, c.at DESC",
        {"schema": schema, "tables": list(tables), "most": NIGHTS_READ},
    )
    nights: dict[str, list[tuple[Outcome, dt.datetime]]] = {}
    for table, outcome, at in found:
        nights.setdefault(table, []).append((outcome, at))
    return nights


def waivers(connection: Connection, schema: str) -> list[Waiver]:
    """Return the waivers of a schema that hold, by table, column and class."""
    if not exists(connection, "waiver"):
        return []
    found = connection.execute(
        "SELECT table_name, column_name, class, by, reason, at FROM (SELECT DISTINCT ON (table_name, column_name, class) *"
        f" FROM {LEDGER}.waiver WHERE schema_name = %s ORDER BY table_name, column_name, class, seq DESC) w WHERE NOT ended",
        (schema,),
    )
    return [Waiver(*row) for row in found]


def waive(connection: Connection, schema: str, found: Sequence[Waiver], *, ended: bool) -> None:
    """Put waivers on record, or their ends."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.waiver (schema_name, table_name, column_name, class, by, reason, at, ended)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [(schema, *one, ended) for one in found],
        )
