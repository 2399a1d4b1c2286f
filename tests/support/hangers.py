"""What can hang on a table in Postgres, as statements: `{t}` is the table, `{s}` its schema, `{n}` its name.

The table has `id int primary key, c varchar(20), n int, up int, at timestamp` and may have a key or not. Each says what it
does to rows that are written, and the test holds the list against the catalogs of the server itself.
"""

from __future__ import annotations

from typing import Literal

# passes: the table has to be loaded. fails: it must not be. either: as long as no row is lost, doubled or altered.
Then = Literal["passes", "fails", "either"]


def _trigger(when: str, body: str, returning: str = "NEW", each: str = "ROW") -> str:
    return (
        f"CREATE FUNCTION {{s}}.f_{{n}}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN {returning}; END $$;"
        f"CREATE TRIGGER act {when} ON {{t}} FOR EACH {each} EXECUTE FUNCTION {{s}}.f_{{n}}()"
    )


HANGERS: dict[str, tuple[Then, str]] = {
    "nothing": ("passes", "SELECT 1"),
    # of other tables
    "child": ("either", "CREATE TABLE {s}.child_{n} () INHERITS ({t}); INSERT INTO {s}.child_{n} SELECT * FROM ONLY {t}"),
    "parent": ("either", "CREATE TABLE {s}.base_{n} (id int, c varchar(20)); ALTER TABLE {t} INHERIT {s}.base_{n}"),
    "referenced": ("either", "CREATE TABLE {s}.ref_{n} (id int REFERENCES {t}); INSERT INTO {s}.ref_{n} VALUES (1)"),
    "cascading": ("either", ("CREATE TABLE {s}.cas_{n} (id int REFERENCES {t} ON DELETE CASCADE);"
                  " INSERT INTO {s}.cas_{n} VALUES (1)")),
    "itself": ("either", "ALTER TABLE {t} ADD FOREIGN KEY (up) REFERENCES {t} ON DELETE CASCADE"),
    "itself_null": ("either", "ALTER TABLE {t} ADD FOREIGN KEY (up) REFERENCES {t} ON DELETE SET NULL"),
    "partitioned": ("either", ("ALTER TABLE {t} RENAME TO \"plain_{n}\"; CREATE TABLE {t} (LIKE {s}.\"plain_{n}\""
                    " INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
                    " CREATE TABLE {s}.p1_{n} PARTITION OF {t} FOR VALUES FROM (0) TO (20);"
                    " CREATE TABLE {s}.p2_{n} PARTITION OF {t} DEFAULT; INSERT INTO {t} SELECT * FROM {s}.\"plain_{n}\";"
                    " DROP TABLE {s}.\"plain_{n}\"")),
    "view": ("passes", "CREATE VIEW {s}.v_{n} AS SELECT id, c FROM {t}"),
    "materialized": ("passes", "CREATE MATERIALIZED VIEW {s}.m_{n} AS SELECT id, c FROM {t}"),
    "function": ("passes", "CREATE FUNCTION {s}.g_{n}({t}) RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    "rowtype": ("passes", "CREATE TABLE {s}.of_{n} (x {t})"),
    # rules
    "rule_insert": ("either", "CREATE RULE r AS ON INSERT TO {t} DO INSTEAD NOTHING"),
    "rule_some": ("either", "CREATE RULE r AS ON INSERT TO {t} WHERE NEW.id = 103 DO INSTEAD NOTHING"),
    "rule_update": ("either", "CREATE RULE r AS ON UPDATE TO {t} DO INSTEAD NOTHING"),
    "rule_delete": ("either", "CREATE RULE r AS ON DELETE TO {t} DO INSTEAD NOTHING"),
    "rule_also": ("either", ("CREATE TABLE {s}.l_{n} (id int);"
                  " CREATE RULE r AS ON INSERT TO {t} DO ALSO INSERT INTO {s}.l_{n} VALUES (NEW.id)")),
    "rule_removes": ("either", "CREATE RULE r AS ON INSERT TO {t} DO ALSO DELETE FROM {t} WHERE id = 3"),
    # triggers
    "drops": ("either", _trigger("BEFORE INSERT", "IF NEW.id = 103 THEN RETURN NULL; END IF;")),
    "changes": ("either", _trigger("BEFORE INSERT", "IF NEW.id = 103 THEN NEW.c := 'mine'; END IF;")),
    "keeps": ("either", _trigger("BEFORE UPDATE", "IF NEW.id = 5 THEN RETURN NULL; END IF;")),
    "alters": ("either", _trigger("BEFORE UPDATE", "IF NEW.id = 5 THEN NEW.c := 'mine'; END IF;")),
    "moves": ("either", _trigger("BEFORE INSERT", "IF NEW.id = 103 THEN NEW.id := 9103; END IF;")),
    "protects": ("either", _trigger("BEFORE DELETE", "IF OLD.id IN (3, 7) THEN RETURN NULL; END IF;", "OLD")),
    "removes": ("either", _trigger("AFTER INSERT", "DELETE FROM {t} WHERE id = 3;", "NULL")),
    "swaps": ("either", _trigger("AFTER INSERT", "IF NEW.id = 103 THEN DELETE FROM {t} WHERE id = 3;"
                                 " INSERT INTO {t} (id) VALUES (9003); END IF;", "NULL")),
    "touches": ("either", _trigger("AFTER INSERT OR UPDATE", "IF NEW.id IN (5, 103) THEN"
                                   " UPDATE {t} SET c = 'mine' WHERE id = 4; END IF;", "NULL")),
    "adds": ("either", _trigger(
        "AFTER INSERT",
        "IF pg_trigger_depth() < 2 THEN INSERT INTO {t} (id) VALUES (9001); END IF;",
        "NULL",
        "STATEMENT",
    )),
    "quietly": ("either", _trigger("AFTER INSERT", "BEGIN DELETE FROM {t} WHERE id = 3; EXCEPTION WHEN division_by_zero"
                                   " THEN NULL; END;", "NULL", "STATEMENT")),
    "emptied": ("either", _trigger("AFTER TRUNCATE", "INSERT INTO {t} (id) VALUES (9002);", "NULL", "STATEMENT")),
    "deferred": ("either", ("CREATE FUNCTION {s}.f_{n}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                 " DELETE FROM {t} WHERE id = 3; RETURN NULL; END $$;"
                 " CREATE CONSTRAINT TRIGGER act AFTER INSERT OR UPDATE ON {t} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                 " EXECUTE FUNCTION {s}.f_{n}()")),
    "logs": ("passes", "CREATE TABLE {s}.l_{n} (id int);"
             + _trigger("AFTER INSERT OR UPDATE OR DELETE", "INSERT INTO {s}.l_{n} VALUES (1);", "NULL")),
    "asleep": ("passes", _trigger("BEFORE INSERT", "RETURN NULL;") + "; ALTER TABLE {t} DISABLE TRIGGER act"),
    # what the table is
    "secured": ("either", "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {t} USING (id < 50)"),
    "forced": ("either", ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY;"
               " CREATE POLICY p ON {t} USING (id < 50)")),
    "generated": ("either", "ALTER TABLE {t} ADD COLUMN g int GENERATED ALWAYS AS (id * 2) STORED"),
    "identity": ("either", "ALTER TABLE {t} ALTER id SET NOT NULL, ALTER id ADD GENERATED ALWAYS AS IDENTITY"),
    "default": ("either", "ALTER TABLE {t} ALTER c SET DEFAULT 'mine'"),
    "serial": ("either", "CREATE SEQUENCE {s}.q_{n} OWNED BY {t}.id"),
    "check": ("either", "ALTER TABLE {t} ADD CHECK (id <> 103)"),
    "not_null": ("either", "ALTER TABLE {t} ALTER n SET NOT NULL"),
    "excluded": ("either", "ALTER TABLE {t} ADD EXCLUDE USING btree (n WITH =)"),
    "index": ("passes", "CREATE INDEX ON {t} (lower(c))"),
    "statistics": ("passes", "CREATE STATISTICS {s}.st_{n} ON c, n FROM {t}"),
    "published": ("passes", "CREATE PUBLICATION pub_{s}_{n} FOR TABLE {t}"),
    "comment": ("passes", "COMMENT ON TABLE {t} IS 'x'; COMMENT ON COLUMN {t}.c IS 'y'; GRANT SELECT ON {t} TO PUBLIC"),
    "options": ("passes", "ALTER TABLE {t} SET (autovacuum_enabled = off); ALTER TABLE {t} CLUSTER ON {pkey}"),
}  # fmt: skip

# Catalogs of which something above has a row.
HANGING = {
    "pg_rewrite", "pg_trigger", "pg_inherits", "pg_policy", "pg_constraint", "pg_statistic_ext", "pg_publication_rel",
    "pg_type", "pg_proc",
}  # fmt: skip
# Catalogs that name relations, and why no row of theirs about a table of a user can act on what is loaded into it.
EXEMPT = {
    "pg_index": "the key is one, and `index` another",
    "pg_attribute": "columns: `default`, `generated`, `identity`, `not_null`",
    "pg_attrdef": "`default`, `generated`",
    "pg_class": "toast, the row type",
    "pg_foreign_table": "a foreign table is none of ours",
    "pg_sequence": "a sequence's own numbers",
    "pg_statistic": "what ANALYZE writes",
    "pg_partitioned_table": "`partitioned`",
    "pg_extension": "tables of an extension, which a dump takes along",
    "pg_subscription_rel": "rows that a subscription writes are another writer's",
}
