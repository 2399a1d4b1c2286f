"""The schema of the ledger: `bulketl` in the target, made and brought up to date by an ordered list of migrations.

Each brings the ledger from the version before it to its own, and is never altered once a version of bulketl has it: what
comes later is another one. The version is in the comment of the schema, which also says whose it is. Statements are text,
carried out in one transaction under a lock. `partition`, `reject` and `published` are written in the very transactions that
carry the rows, so they can neither lag behind them nor run ahead; `run` and `table_load` are written from events, to be read
by people.
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg import sql

from bulketl.errors import ConfigError
from bulketl.postgres.ddl import value
from bulketl.postgres.ledger import (
    acknowledgements,
    handovers,
    incidentreports,
    incidents,
    kept,
    legacyruns,
    made,
    moving,
    ownership,
    previous,
    sidebyside,
    strangewrites,
    verifications,
)
from bulketl.postgres.ledger.runs import COUNTS
from bulketl.postgres.server import LEDGER, STAGING, Connection

_TABLES = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.run (
    run text PRIMARY KEY, host text NOT NULL, source text NOT NULL, schema_name text NOT NULL, zone text NOT NULL,
    plan text NOT NULL, document json NOT NULL,
    version text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
    outcome text, summary jsonb);
CREATE TABLE IF NOT EXISTS {LEDGER}.partition (
    run text, schema_name text, table_name text, partition integer, rows bigint NOT NULL, rejects bigint NOT NULL,
    bytes bigint NOT NULL, changed jsonb NOT NULL, loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    written xid8 NOT NULL DEFAULT pg_current_xact_id(), checks jsonb NOT NULL DEFAULT '{{}}',
    expected bigint NOT NULL DEFAULT 0, PRIMARY KEY (run, schema_name, table_name, partition));
CREATE TABLE IF NOT EXISTS {LEDGER}.reject (
    run text NOT NULL, schema_name text NOT NULL, table_name text NOT NULL, partition integer NOT NULL,
    column_name text NOT NULL, value text, reason text NOT NULL, key jsonb NOT NULL, row jsonb NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(), settled_at timestamptz, settled text);
CREATE INDEX IF NOT EXISTS reject_run ON {LEDGER}.reject (run, table_name);
CREATE TABLE IF NOT EXISTS {LEDGER}.published (
    run text, schema_name text, table_name text, rows bigint NOT NULL, how text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(), inserted bigint, updated bigint, unchanged bigint,
    deleted bigint, checks jsonb NOT NULL DEFAULT '{{}}', quality double precision NOT NULL DEFAULT 1,
    PRIMARY KEY (run, schema_name, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.compared (
    run text, schema_name text, table_name text, missing bigint NOT NULL, differing bigint NOT NULL, gone bigint NOT NULL,
    deletes text NOT NULL, compared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, schema_name, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.certificate (
    run text, table_name text, certified boolean NOT NULL, document jsonb NOT NULL, PRIMARY KEY (run, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.table_load (
    run text, table_name text, tier text NOT NULL, outcome text NOT NULL, rows bigint NOT NULL, rejects bigint NOT NULL,
    bytes bigint NOT NULL, seconds double precision NOT NULL, changed jsonb NOT NULL, drift jsonb NOT NULL,
    reason text NOT NULL, error text, hint text, inserted bigint, updated bigint, unchanged bigint, deleted bigint,
    consistency text NOT NULL DEFAULT '', checks jsonb NOT NULL DEFAULT '{{}}', quality double precision,
    PRIMARY KEY (run, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.state (
    schema_name text, table_name text, source text NOT NULL, zone text NOT NULL, cursor_column text, cursor_type text,
    watermark text, rows bigint, kept text[] NOT NULL, run text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(), compared_at timestamptz,
    retained jsonb NOT NULL DEFAULT '{{}}', evidence text NOT NULL DEFAULT '', PRIMARY KEY (schema_name, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.audit_trail (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text NOT NULL, schema_name text NOT NULL,
    table_name text NOT NULL, key jsonb NOT NULL, kind text NOT NULL, old_row jsonb, new_row jsonb,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS audit_trail_key ON {LEDGER}.audit_trail (schema_name, table_name, key, seq);
CREATE TABLE IF NOT EXISTS {LEDGER}.audit_chain (
    schema_name text, table_name text, seq bigint, kind text NOT NULL, run text NOT NULL, rows bigint NOT NULL,
    hash numeric[] NOT NULL, all_rows bigint NOT NULL, all_hash numeric[] NOT NULL, link text NOT NULL,
    at timestamptz NOT NULL, PRIMARY KEY (schema_name, table_name, seq));
CREATE TABLE IF NOT EXISTS {LEDGER}.retained (
    run text, schema_name text, table_name text, column_name text NOT NULL, before text NOT NULL, rows bigint NOT NULL,
    action text NOT NULL, file text, sha256 text, retained_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, schema_name, table_name));
"""
# What ledgers before version 4 lack; they had no list of migrations.
_COLUMNS = "".join(
    f"ALTER TABLE {LEDGER}.{table} {', '.join(f'ADD COLUMN IF NOT EXISTS {column} bigint' for column in COUNTS)};"
    for table in ("published", "table_load")
) + (
    f"ALTER TABLE {LEDGER}.partition ADD COLUMN IF NOT EXISTS written xid8 NOT NULL DEFAULT pg_current_xact_id(),"
    " ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '{}',"
    " ADD COLUMN IF NOT EXISTS expected bigint NOT NULL DEFAULT 0;"
    f"ALTER TABLE {LEDGER}.table_load ADD COLUMN IF NOT EXISTS consistency text NOT NULL DEFAULT '',"
    " ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '{}', ADD COLUMN IF NOT EXISTS quality double precision;"
    f"ALTER TABLE {LEDGER}.published ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '{{}}',"
    " ADD COLUMN IF NOT EXISTS quality double precision NOT NULL DEFAULT 1;"
    f"ALTER TABLE {LEDGER}.reject ADD COLUMN IF NOT EXISTS settled_at timestamptz, ADD COLUMN IF NOT EXISTS settled text;"
)
_MADE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.made (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL,
    oid oid NOT NULL, source text NOT NULL, run text NOT NULL, how text NOT NULL, by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS made_table ON {LEDGER}.made (schema_name, table_name, seq);
ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS sessions jsonb;
"""
_KINDS = f"""
ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'load';
UPDATE {LEDGER}.run SET kind = 'repair' WHERE summary ? 'repair';
"""
# A table's record says from which source into which schema, as the records beside the rows do. Of a run whose own record
# somebody has deleted both are ''.
_PLACES = "".join(
    f"""
ALTER TABLE {LEDGER}.{table} ADD COLUMN IF NOT EXISTS source text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS schema_name text NOT NULL DEFAULT '';
UPDATE {LEDGER}.{table} t SET source = r.source, schema_name = r.schema_name FROM {LEDGER}.run r WHERE r.run = t.run;
ALTER TABLE {LEDGER}.{table} ALTER COLUMN source DROP DEFAULT, ALTER COLUMN schema_name DROP DEFAULT,
    DROP CONSTRAINT IF EXISTS {table}_pkey, ADD PRIMARY KEY (run, source, schema_name, table_name);
"""
    for table in ("table_load", "certificate")
)
# Retries and retentions before version 6 left records under the names of runs that are not on record themselves.
_EARLIER = f"""
INSERT INTO {LEDGER}.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at, finished_at,
    outcome, summary)
SELECT f.run, f.kind, '', COALESCE(max(s.source), ''), f.schema_name, '', '', '{{}}', '', min(f.at), max(f.at), 'done',
    jsonb_build_object('tables', count(DISTINCT f.table_name))
FROM (SELECT run, 'retention' AS kind, schema_name, table_name, retained_at AS at FROM {LEDGER}.retained
    UNION ALL SELECT settled, 'retry', schema_name, table_name, settled_at FROM {LEDGER}.reject WHERE settled IS NOT NULL) f
LEFT JOIN {LEDGER}.state s USING (schema_name, table_name) GROUP BY f.run, f.kind, f.schema_name ON CONFLICT DO NOTHING;
"""
_ESCAPED = f"ALTER TABLE {LEDGER}.reject ADD COLUMN IF NOT EXISTS escaped boolean NOT NULL DEFAULT false;"
_EVENTS = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.event (
    run text, seq bigint, at timestamptz NOT NULL, kind text NOT NULL, body jsonb NOT NULL, PRIMARY KEY (run, seq));
CREATE INDEX IF NOT EXISTS event_at ON {LEDGER}.event (at);
"""
# What is not normal of a run's tables, and of those that no run came to; and who asked for the end of which run.
_FINDINGS = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.finding (
    schema_name text, table_name text, kind text, run text, source text NOT NULL, tier text NOT NULL,
    value double precision NOT NULL, expected double precision, bound double precision NOT NULL, nights integer NOT NULL,
    found_at timestamptz NOT NULL, closed_at timestamptz, PRIMARY KEY (schema_name, table_name, kind, run));
CREATE INDEX IF NOT EXISTS finding_found ON {LEDGER}.finding (found_at);
CREATE TABLE IF NOT EXISTS {LEDGER}.cancel (
    run text PRIMARY KEY, at_once boolean NOT NULL, by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(), heard_at timestamptz);
ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS judged_at timestamptz;
ALTER TABLE {LEDGER}.table_load ADD COLUMN IF NOT EXISTS lag double precision;
"""
# For whoever looks at one table through all its runs, or at the last runs: as many rows are read as are shown.
_LOOKS = f"""
CREATE INDEX IF NOT EXISTS table_load_table ON {LEDGER}.table_load (schema_name, table_name, run);
CREATE INDEX IF NOT EXISTS run_started ON {LEDGER}.run (started_at);
CREATE INDEX IF NOT EXISTS run_open ON {LEDGER}.run (run) WHERE finished_at IS NULL;
"""
# When a run was looked at last for what of it may go, and what replaced a table as a whole since.
_PRUNING = f"""
CREATE INDEX IF NOT EXISTS published_table ON {LEDGER}.published (schema_name, table_name, published_at);
ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS pruned_at timestamptz;
"""
_SOURCE_WORK = f"ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS source_work jsonb;"


# With which key, by its fingerprint, and which masks the rows of a table were masked.
_MASKS = f"""
ALTER TABLE {LEDGER}.state ADD COLUMN IF NOT EXISTS masking text NOT NULL DEFAULT '';
"""
# What of the source the rows of a table are, and by which names; NULL where a load of an earlier version noted nothing.
_TAKEN = f"ALTER TABLE {LEDGER}.state ADD COLUMN IF NOT EXISTS taken jsonb;"
# Which rows a limit left, in words, '' where it left all.
_PARTS = f"""
ALTER TABLE {LEDGER}.state ADD COLUMN IF NOT EXISTS part text NOT NULL DEFAULT '';
ALTER TABLE {LEDGER}.table_load ADD COLUMN IF NOT EXISTS part text NOT NULL DEFAULT '';
"""
# By which configuration, by its fingerprint, a run did what it did.
_RULES = f"ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS rules text NOT NULL DEFAULT '';"
# What fills up, measured once in every load.
_MEASURES = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.measure (
    run text, source text NOT NULL, schema_name text NOT NULL, what text, table_name text, column_name text,
    value numeric NOT NULL, most numeric, side text NOT NULL DEFAULT '',
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (run, what, table_name, column_name));
CREATE INDEX IF NOT EXISTS measure_schema ON {LEDGER}.measure (schema_name, measured_at);
"""


class Migration(NamedTuple):
    """The version that a ledger has once the statements are carried out."""

    version: int
    statements: str


MIGRATIONS = (
    Migration(4, _TABLES + _COLUMNS),
    Migration(5, f"{_MADE}{made.TAKE_OVER};"),
    Migration(6, _KINDS + _PLACES + _EARLIER),
    Migration(7, _SOURCE_WORK),
    Migration(8, _ESCAPED),
    Migration(9, _EVENTS),
    Migration(10, _FINDINGS),
    Migration(11, incidents.TABLES),
    Migration(12, _MASKS),
    Migration(13, _LOOKS),
    Migration(14, _PRUNING),
    Migration(15, acknowledgements.TABLE),
    Migration(16, _RULES),
    Migration(17, incidentreports.TABLE),
    Migration(18, verifications.TABLE),
    Migration(19, _MEASURES),
    Migration(20, ownership.TABLE + legacyruns.TABLE),
    Migration(21, kept.TABLE + handovers.TABLE + moving.MADE_IN + previous.TABLE),
    Migration(22, sidebyside.TABLES),
    Migration(23, strangewrites.COLUMNS),
    Migration(24, kept.VIEWS),
    Migration(25, _TAKEN),
    Migration(26, _PARTS),
)
NEWEST = MIGRATIONS[-1].version
_SCHEMA_LOCK = 0x62756C6B  # two first runs at once must not both create the tables


def create(connection: Connection, target_schema: str) -> None:
    """Create the ledger, the staging schema and the target schema where they are missing; bring an older ledger up to date.

    Raise ConfigError when the ledger's schema is somebody else's, or of a later version of bulketl.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        for schema in (LEDGER, STAGING, target_schema):
            # Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even when there is nothing to do.
            known = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        found, newest = _version(connection), NEWEST
        if found > newest:
            raise _later(found)
        for migration in MIGRATIONS:
            if migration.version > found:
                connection.execute(migration.statements.encode())
        if found < newest:
            connection.execute(f"COMMENT ON SCHEMA {LEDGER} IS {value(f'{made.TITLE}{newest}')}".encode())


def readable(connection: Connection) -> int:
    """Return the version of the ledger that events can be read from; 0 when there is no ledger.

    Raise ConfigError when it is somebody else's, of an earlier version, which keeps no events, or of a later one.
    """
    found = _version(connection)
    if found > NEWEST:
        raise _later(found)
    if 0 < found < NEWEST:
        raise ConfigError(
            f"the ledger in schema {LEDGER!r} of the target is of version {found}, and this bulketl reads version {NEWEST}",
            hint="the next `bulketl load` brings it up to date",
        )
    return found


def _later(found: int) -> ConfigError:
    return ConfigError(
        f"the ledger in schema {LEDGER!r} of the target is of version {found}, and this bulketl knows {NEWEST}",
        hint="a later bulketl has loaded into this target: install that version or a later one",
    )


def _version(connection: Connection) -> int:
    """Return the version of the ledger, 0 when it is new."""
    made.exists(connection, "run")  # raises when the schema is somebody else's
    ((comment,),) = connection.execute(f"SELECT obj_description(to_regnamespace('{LEDGER}'), 'pg_namespace')").fetchall()
    return version_in(comment)


def version_in(comment: str | None) -> int:
    """Return the version of the ledger that the comment of its schema tells, 0 when it tells none."""
    number = str(comment or "").removeprefix(made.TITLE)
    return int(number) if number.isdigit() else 0
