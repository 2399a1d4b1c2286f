"""The state of each table in the ledger: how far it is loaded, from where, and when it was last compared.

It is written by the very transaction that publishes the rows, so it can neither lag behind them nor run ahead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.postgres.ddl import rows_of, value
from bulketl.postgres.ledger import made
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.cursor import State, Watermark
from bulketl.tables.printable import brief
from bulketl.tables.spec import TableSpec
from bulketl.tables.taken import taken_of


@dataclass(frozen=True, slots=True)
class TableState:
    """A table's state as people look at it; `published` and `compared` are times as text, '' for never.

    `source`: the database that its rows came from, '' once the state was reset. `schema`: of the target. `part`: which of
    the source's rows a limit left, '' where none left any out.
    """

    source: str
    schema: str
    table: str
    column: str
    type: str
    watermark: str
    rows: int | None
    run: str
    published: str
    compared: str
    part: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, schema=self.schema, rows=self.rows, published=self.published)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def read_states(connection: Connection, schema: str) -> dict[str, State]:
    """Return the state of every table of the schema that was loaded; empty before the first run."""
    if not _there(connection):
        return {}
    found = connection.execute(
        "SELECT table_name, source, zone, cursor_column, cursor_type, watermark, rows, kept,"
        " extract(epoch FROM now() - compared_at)::float8, retained,"
        " evidence, COALESCE(to_jsonb(s)->>'masking', ''), to_jsonb(s)->'taken', "
        f"source <> '' AND COALESCE((SELECT kind <> 'end' FROM {LEDGER}.audit_chain c"
        "  WHERE (c.schema_name, c.table_name) = (s.schema_name, s.table_name) ORDER BY seq DESC LIMIT 1), false)"
        f" FROM {LEDGER}.state s WHERE schema_name = %s",
        (schema,),
    )
    return {
        table: State(
            source,
            Watermark(column, kind, mark or "") if column else None,
            rows,
            tuple(kept),
            compared,
            tuple(sorted(retained.items())),
            zone,
            evidence,
            audited,
            masking,
            taken_of(taken),
        )
        for (
            table,
            source,
            zone,
            column,
            kind,
            mark,
            rows,
            kept,
            compared,
            retained,
            evidence,
            masking,
            taken,
            audited,
        ) in found
    }


def last_loaded(connection: Connection, schema: str) -> dict[str, str]:
    """Return the day on which each table of the schema was loaded last."""
    if not _there(connection):
        return {}
    found = connection.execute(
        f"SELECT table_name, published_at::date::text FROM {LEDGER}.state WHERE schema_name = %s AND rows IS NOT NULL",
        (schema,),
    )
    return {str(table): str(day) for table, day in found}


def list_states(connection: Connection, schema: str) -> list[TableState]:
    """Return what is known of each table of the schema, by name."""
    if not _there(connection):
        return []
    time = "COALESCE(to_char({}, 'YYYY-MM-DD HH24:MI:SSOF'), '')"
    known = (
        f"SELECT 1 FROM pg_attribute WHERE attrelid = '{LEDGER}.state'::regclass AND attname = 'part' AND NOT attisdropped"
    )
    part = "part" if connection.execute(known).fetchone() else "''"  # which a ledger of an earlier version does not have
    found = connection.execute(
        "SELECT source, schema_name, table_name, COALESCE(cursor_column, ''), COALESCE(cursor_type, ''),"
        f" COALESCE(watermark, ''), rows, run, {time.format('published_at')}, {time.format('compared_at')}, {part}"
        f" FROM {LEDGER}.state WHERE schema_name = %s ORDER BY table_name",
        (schema,),
    )
    return [TableState(*row) for row in found]


def reset_states(connection: Connection, schema: str, tables: Sequence[str]) -> int:
    """Forget those tables, so that each is loaded whole the next time; return how many were known.

    What retention has removed is not forgotten: it would come back.
    """
    if not _there(connection):
        return 0
    done = connection.execute(
        f"UPDATE {LEDGER}.state SET source = '', cursor_column = NULL, cursor_type = NULL, watermark = NULL,"
        " compared_at = NULL, evidence = '', taken = NULL, part = '' WHERE schema_name = %s AND table_name = ANY(%s)",
        (schema, list(tables)),
    )
    return done.rowcount


def published(run: str, spec: TableSpec, *, rows: int | None, mark: str | None = None) -> str:
    """Return the INSERT that notes the state after a publish.

    `rows` of the target when all were read, None to take those that the publish has counted. `mark`: a watermark reached on
    the way to the last one.
    """
    watermark = spec.watermark
    at = f"{value(spec.schema)}, {value(spec.table)}"
    kept = "ARRAY[" + ", ".join(value(name) for name, _ in spec.kept) + "]::text[]"
    text = mark if mark is not None else watermark.value if watermark else None
    # A part that was loaded again, or a chunk before the last, proves nothing of the whole table.
    evidence = spec.evidence if mark is None and (watermark or spec.whole) else ""
    cursor = (watermark.column, watermark.type, text) if watermark else (None, None, None)
    count = (
        str(rows)
        if rows is not None
        else f"(SELECT {'NULL' if spec.rows is None else spec.rows} + COALESCE(inserted, 0) - COALESCE(deleted, 0)"
        f" FROM {LEDGER}.published WHERE (run, schema_name, table_name) = ({value(run)}, {at}))"
    )
    changed = ["source", "zone", "rows", "kept", "run", "published_at", "evidence", "masking", "taken", "part"]
    if watermark or spec.whole:
        changed += ["cursor_column", "cursor_type", "watermark"]
    if spec.whole:
        changed.append("compared_at")
    sets = ", ".join(f"{column} = excluded.{column}" for column in changed)
    return (
        f"INSERT INTO {LEDGER}.state (schema_name, table_name, source, zone, cursor_column, cursor_type, watermark, rows,"
        f" kept, run, evidence, masking, taken, part, compared_at) VALUES ({at}, {value(spec.source)}, {value(spec.zone)},"
        f" {', '.join(value(part) for part in cursor)}, {count}, {kept}, {value(run)}, {value(evidence)},"
        f" {value(spec.masking)}, {value(spec.taken.text())}, {value(spec.part.words if spec.part else '')},"
        f" {'clock_timestamp()' if spec.whole and not spec.part else 'NULL'})"
        f" ON CONFLICT (schema_name, table_name) DO UPDATE SET {sets}"
    )


def compared(run: str, spec: TableSpec, more: str) -> str:
    """Return the UPDATE that notes a comparison, after which the target has `more` rows, an expression."""
    return (
        f"UPDATE {LEDGER}.state SET compared_at = clock_timestamp(), rows = rows + {more}, run = {value(run)}"
        f" WHERE (schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
    )


def repaired(run: str, spec: TableSpec) -> str:
    """Return the UPDATE that notes a repair. Rows are counted, not reckoned: what was lost before is in no ledger."""
    return (
        f"UPDATE {LEDGER}.state SET rows = (SELECT count(*) FROM {rows_of(spec)}), run = {value(run)}"
        f" WHERE (schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
    )


def retried(run: str, spec: TableSpec) -> str:
    """Return the UPDATE that adds the rows which the run's publish has inserted, and leaves all else as the load has it."""
    at = f"(schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
    new = f"SELECT COALESCE(inserted, 0) FROM {LEDGER}.published WHERE run = {value(run)} AND {at}"
    return f"UPDATE {LEDGER}.state SET rows = rows + ({new}) WHERE {at}"


def retained(run: str, schema: str, table: str, column: str, limit: str, fewer: int) -> str:
    """Return the INSERT that notes which rows have left the table by its retention, also of one that was never loaded.

    The greatest limit of each column stays: rows that left by an earlier rule are still gone.
    """
    there = f"(s.retained ->> {value(column)})"
    entry = f'jsonb_build_object({value(column)}, GREATEST({there} COLLATE "C", {value(limit)}))'
    new = f"jsonb_build_object({value(column)}::text, {value(limit)}::text)"
    return (
        f"INSERT INTO {LEDGER}.state AS s (schema_name, table_name, source, zone, kept, run, retained)"
        f" VALUES ({value(schema)}, {value(table)}, '', '', '{{}}', {value(run)}, {new})"
        f" ON CONFLICT (schema_name, table_name) DO UPDATE SET retained = s.retained || {entry}, rows = s.rows - {fewer}"
    )


def _there(connection: Connection) -> bool:
    return made.exists(connection, "state")


@dataclass(frozen=True, slots=True)
class Load:
    """When a table was loaded last: as people read it, and how many seconds ago that run began, None when unknown."""

    published: str
    age: float | None


def loads(connection: Connection, schema: str) -> dict[str, Load]:
    """Return when each table of the schema was loaded last; empty before the first run."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.state') IS NOT NULL").fetchone() != (True,):
        return {}
    found = connection.execute(
        "SELECT table_name, to_char(published_at, 'YYYY-MM-DD HH24:MI:SSOF'),"
        " extract(epoch FROM clock_timestamp() - COALESCE(r.started_at, published_at))::float8"
        f" FROM {LEDGER}.state s LEFT JOIN {LEDGER}.run r USING (run) WHERE s.schema_name = %s",
        (schema,),
    )
    return {table: Load(published, age) for table, published, age in found}
