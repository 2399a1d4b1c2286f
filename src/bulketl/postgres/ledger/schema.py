"""The ledger: schema `bulketl` in the target, the memory of every run.

`partition`, `reject` and `published` are written in the very transactions that carry the rows, so they can neither
lag behind them nor run ahead. `run` and `table_load` are written from events, to be read by people. Statements are
text; who executes them decides the transaction.
"""

from __future__ import annotations

from psycopg import sql

from bulketl.postgres.ddl import value
from bulketl.postgres.ledger import made
from bulketl.postgres.ledger import states as state
from bulketl.postgres.ledger.runs import COUNTS
from bulketl.postgres.server import LEDGER, STAGING, Connection
from bulketl.postgres.write import chain as audit
from bulketl.postgres.write import retention

_TABLES = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.run (
    run text PRIMARY KEY, host text NOT NULL, source text NOT NULL, schema_name text NOT NULL, zone text NOT NULL,
    plan text NOT NULL, document json NOT NULL,
    version text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
    outcome text, summary jsonb, sessions jsonb);
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
"""
# What a ledger that was made before lacks.
_LATER = "".join(
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
    f"ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS sessions jsonb;"
    f"ALTER TABLE {LEDGER}.reject ADD COLUMN IF NOT EXISTS settled_at timestamptz, ADD COLUMN IF NOT EXISTS settled text;"
)
_VERSION = f"{made.TITLE}5"  # the schema's comment, once all of it is there
_SCHEMA_LOCK = 0x62756C6B  # two first runs at once must not both create the tables


def create(connection: Connection, target_schema: str) -> None:
    """Create the ledger, the staging schema and the target schema where they are missing; bring an older ledger up to date.

    Raise ConfigError when the ledger's schema is somebody else's.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        for schema in (LEDGER, STAGING, target_schema):
            # Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even when there is nothing to do.
            known = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        version = connection.execute(f"SELECT obj_description(to_regnamespace('{LEDGER}'), 'pg_namespace')").fetchone()
        if version != (_VERSION,):
            recorded = made.there(connection, "made")
            connection.execute(f"{_TABLES}{_LATER}{state.TABLE}{audit.TABLES}{retention.TABLE}{made.TABLE}")
            if not recorded:
                connection.execute(made.TAKE_OVER)
            connection.execute(f"COMMENT ON SCHEMA {LEDGER} IS {value(_VERSION)}")
