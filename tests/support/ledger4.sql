-- The ledger of version 4, as bulketl made it until its version 5: what an upgrade finds.
CREATE SCHEMA bulketl;
CREATE TABLE bulketl.run (
    run text PRIMARY KEY, host text NOT NULL, source text NOT NULL, schema_name text NOT NULL, zone text NOT NULL,
    plan text NOT NULL, document json NOT NULL,
    version text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
    outcome text, summary jsonb);
CREATE TABLE bulketl.partition (
    run text, schema_name text, table_name text, partition integer, rows bigint NOT NULL, rejects bigint NOT NULL,
    bytes bigint NOT NULL, changed jsonb NOT NULL, loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    written xid8 NOT NULL DEFAULT pg_current_xact_id(), checks jsonb NOT NULL DEFAULT '{}',
    expected bigint NOT NULL DEFAULT 0, PRIMARY KEY (run, schema_name, table_name, partition));
CREATE TABLE bulketl.reject (
    run text NOT NULL, schema_name text NOT NULL, table_name text NOT NULL, partition integer NOT NULL,
    column_name text NOT NULL, value text, reason text NOT NULL, key jsonb NOT NULL, row jsonb NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(), settled_at timestamptz, settled text);
CREATE INDEX reject_run ON bulketl.reject (run, table_name);
CREATE TABLE bulketl.published (
    run text, schema_name text, table_name text, rows bigint NOT NULL, how text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(), inserted bigint, updated bigint, unchanged bigint,
    deleted bigint, checks jsonb NOT NULL DEFAULT '{}', quality double precision NOT NULL DEFAULT 1,
    PRIMARY KEY (run, schema_name, table_name));
CREATE TABLE bulketl.compared (
    run text, schema_name text, table_name text, missing bigint NOT NULL, differing bigint NOT NULL, gone bigint NOT NULL,
    deletes text NOT NULL, compared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, schema_name, table_name));
CREATE TABLE bulketl.certificate (
    run text, table_name text, certified boolean NOT NULL, document jsonb NOT NULL, PRIMARY KEY (run, table_name));
CREATE TABLE bulketl.table_load (
    run text, table_name text, tier text NOT NULL, outcome text NOT NULL, rows bigint NOT NULL, rejects bigint NOT NULL,
    bytes bigint NOT NULL, seconds double precision NOT NULL, changed jsonb NOT NULL, drift jsonb NOT NULL,
    reason text NOT NULL, error text, hint text, inserted bigint, updated bigint, unchanged bigint, deleted bigint,
    consistency text NOT NULL DEFAULT '', checks jsonb NOT NULL DEFAULT '{}', quality double precision,
    PRIMARY KEY (run, table_name));

CREATE TABLE bulketl.state (
    schema_name text, table_name text, source text NOT NULL, zone text NOT NULL, cursor_column text, cursor_type text,
    watermark text, rows bigint, kept text[] NOT NULL, run text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(), compared_at timestamptz,
    retained jsonb NOT NULL DEFAULT '{}', evidence text NOT NULL DEFAULT '', PRIMARY KEY (schema_name, table_name));

CREATE TABLE bulketl.audit_trail (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text NOT NULL, schema_name text NOT NULL,
    table_name text NOT NULL, key jsonb NOT NULL, kind text NOT NULL, old_row jsonb, new_row jsonb,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX audit_trail_key ON bulketl.audit_trail (schema_name, table_name, key, seq);
CREATE TABLE bulketl.audit_chain (
    schema_name text, table_name text, seq bigint, kind text NOT NULL, run text NOT NULL, rows bigint NOT NULL,
    hash numeric[] NOT NULL, all_rows bigint NOT NULL, all_hash numeric[] NOT NULL, link text NOT NULL,
    at timestamptz NOT NULL, PRIMARY KEY (schema_name, table_name, seq));

CREATE TABLE bulketl.retained (
    run text, schema_name text, table_name text, column_name text NOT NULL, before text NOT NULL, rows bigint NOT NULL,
    action text NOT NULL, file text, sha256 text, retained_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, schema_name, table_name));
COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version 4';
