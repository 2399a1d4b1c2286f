"""Publishing over a table that people use: what they hung on it is there afterwards, and sees the new rows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab

import bulketl

Rows = list[tuple[object, ...]]


@pytest.fixture
def used(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table with 200 rows in several partitions that was loaded once, so that by itself the next load would swap it."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), fee decimal(10,2))",
                    "INSERT INTO t SELECT seq, 'old', seq / 4 FROM seq_1_to_200")  # fmt: skip
    maria_lab.load()
    maria_lab.mysql("UPDATE t SET c = 'new' WHERE id % 2 = 0", "DELETE FROM t WHERE id = 7",
                    "INSERT INTO t VALUES (1000, 'new', 1.5)")  # fmt: skip
    return maria_lab


@pytest.fixture
def role(postgres: str, maria_lab: Lab) -> Iterator[str]:
    """A role of the target, dropped with all it has."""
    name = f"role_{secrets.token_hex(4)}"
    maria_lab.pg(f"CREATE ROLE {name}")
    yield name
    maria_lab.pg(f"SET client_min_messages = warning; DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def again(lab: Lab, how: str, **overrides: Any) -> Done:
    """Load again, see that it was done that way and that the rows are the source's."""
    done = lab.load(**overrides)
    assert done.summary.outcome == "done", [(table.message, table.hint) for table in done.summary.failed]
    assert (done.how("t"), done.parts("t") > 1) == (how, True)
    assert lab.differences("t") == []
    assert lab.staged() == []
    return done


def oid(lab: Lab, name: str = "t") -> object:
    return lab.pg(f"SELECT '{{s}}.{name}'::regclass::oid")[0][0]


def test_a_table_that_nothing_hangs_on_is_swapped(used: Lab) -> None:
    """The new table has the old one's name and its key, under the name it would have got."""
    before = oid(used)
    again(used, "swap")
    assert oid(used) != before
    keys = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = '{s}.t'::regclass"
    )
    assert used.pg(keys) == [("t_pkey", "PRIMARY KEY (id)")]
    ((persistence,),) = used.pg("SELECT relpersistence::text FROM pg_class WHERE oid = '{s}.t'::regclass")
    assert persistence == "p"


def test_no_part_of_a_swapped_table_is_called_after_the_run(used: Lab) -> None:
    """Constraints have the names that CREATE TABLE would give them; from version 18, NOT NULL is one of them."""
    again(used, "swap")
    names = used.pg("SELECT conname FROM pg_constraint WHERE conrelid = '{s}.t'::regclass ORDER BY 1")
    assert {name for (name,) in names} <= {"t_pkey", "t_id_not_null"}


def test_views_and_views_on_views_survive_a_swap_with_all_that_is_said_of_them(used: Lab, role: str) -> None:
    """Definition, owner, grants, column grants, comments and options; and they show the new rows."""
    used.pg(f"""
        CREATE VIEW {{s}}.news WITH (security_barrier=true) AS SELECT id, c AS "Odd name" FROM {{s}}.t WHERE c = 'new';
        CREATE VIEW {{s}}.counted AS SELECT count(*) AS n, max(id) AS last FROM {{s}}.news;
        CREATE VIEW {{s}}.both AS SELECT n.id, k.n FROM {{s}}.news n, {{s}}.counted k;
        COMMENT ON VIEW {{s}}.news IS 'what''s new';
        COMMENT ON COLUMN {{s}}.news."Odd name" IS 'odd; indeed';
        GRANT SELECT ON {{s}}.news TO {role} WITH GRANT OPTION;
        GRANT SELECT ON {{s}}.counted TO PUBLIC;
        GRANT SELECT (id), UPDATE (id) ON {{s}}.both TO {role};
        GRANT USAGE, CREATE ON SCHEMA {{s}} TO {role}; GRANT SELECT ON {{s}}.t TO {role};
        ALTER VIEW {{s}}.both OWNER TO {role};
    """)
    looked = """
        SELECT c.relname, pg_get_viewdef(c.oid), c.reloptions, c.relowner::regrole::text, obj_description(c.oid),
            (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(c.relacl) x),
            (SELECT array_agg(a.attname || a.attacl::text ORDER BY 1) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
            (SELECT array_agg(col_description(c.oid, a.attnum) ORDER BY a.attnum) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0)
        FROM pg_class c WHERE relnamespace = '{s}'::regnamespace AND relkind = 'v' ORDER BY relname
    """
    before = used.pg(looked)
    assert len(before) == 3
    again(used, "swap")
    assert used.pg(looked) == before
    assert used.pg("SELECT n, last FROM {s}.counted") == [(101, 1000)]
    assert used.pg("SELECT count(*) FROM {s}.both") == [(101,)]


def test_a_view_in_another_schema_survives_a_swap(used: Lab) -> None:
    """People keep their views elsewhere, and name columns after functions and types."""
    other = used.schema + "_o"
    used.pg(f'CREATE SCHEMA {other}; CREATE VIEW {other}.v AS SELECT t.*, t.id::text AS "select" FROM {{s}}.t ORDER BY 1')
    try:
        again(used, "swap")
        assert used.pg(f"SELECT count(*) FROM {other}.v") == [(200,)]
    finally:
        used.pg(f"SET client_min_messages = warning; DROP SCHEMA {other} CASCADE")


def test_grants_comments_owner_and_options_of_a_table_survive_a_swap(used: Lab, role: str) -> None:
    """The new table says of itself all that the old one said."""
    used.pg(f"""
        GRANT USAGE, CREATE ON SCHEMA {{s}} TO {role};
        GRANT SELECT, INSERT ON {{s}}.t TO {role} WITH GRANT OPTION;
        GRANT SELECT ON {{s}}.t TO PUBLIC;
        GRANT UPDATE (c), REFERENCES (id) ON {{s}}.t TO {role};
        COMMENT ON TABLE {{s}}.t IS 'it''s "the" table; really';
        COMMENT ON COLUMN {{s}}.t.fee IS 'in €, %s';
        ALTER TABLE {{s}}.t SET (fillfactor = 71, autovacuum_vacuum_scale_factor = 0.02);
        CREATE ROLE {role}_o; GRANT USAGE, CREATE ON SCHEMA {{s}} TO {role}_o; ALTER TABLE {{s}}.t OWNER TO {role}_o;
    """)
    looked = """
        SELECT c.relowner::regrole::text, obj_description(c.oid),
            (SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o),
            (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(c.relacl) x),
            (SELECT array_agg(a.attname || a.attacl::text ORDER BY a.attname) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
            col_description(c.oid, 3)
        FROM pg_class c WHERE c.oid = '{s}.t'::regclass
    """
    before = used.pg(looked)
    assert before[0][0] == role + "_o"
    try:
        again(used, "swap")
        assert used.pg(looked) == before
    finally:
        used.pg(f"SET client_min_messages = warning; DROP OWNED BY {role}_o CASCADE; DROP ROLE {role}_o")


# what hangs on it -> the statements that make it, the way of publishing, a query that tells it works, its answer
HANGING: dict[str, tuple[str, str, str, Rows]] = {
    "materialized view": (
        "CREATE MATERIALIZED VIEW {s}.m AS SELECT count(*) AS n FROM {s}.t WHERE c = 'new'",
        "refill",
        "REFRESH MATERIALIZED VIEW {s}.m; SELECT n FROM {s}.m",
        [(101,)],
    ),
    "materialized view on a view": (
        "CREATE VIEW {s}.v AS SELECT * FROM {s}.t; CREATE MATERIALIZED VIEW {s}.m AS SELECT count(*) AS n FROM {s}.v",
        "refill",
        "REFRESH MATERIALIZED VIEW {s}.m; SELECT n FROM {s}.m",
        [(200,)],
    ),
    "foreign key from another table": (
        "CREATE TABLE {s}.mine (tid int REFERENCES {s}.t); INSERT INTO {s}.mine VALUES (1), (200)",
        "merge",
        "SELECT count(*) FROM {s}.mine JOIN {s}.t ON id = tid",
        [(2,)],
    ),
    "foreign key to another table": (
        """CREATE TABLE {s}.kinds (c varchar PRIMARY KEY); INSERT INTO {s}.kinds VALUES ('old'), ('new');
        ALTER TABLE {s}.t ADD FOREIGN KEY (c) REFERENCES {s}.kinds""",
        "refill",
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = '{s}.t'::regclass AND convalidated",
        [(1,)],
    ),
    "publication": (
        "CREATE PUBLICATION {s}_p FOR TABLE {s}.t",
        "refill",
        "SELECT tablename FROM pg_publication_tables WHERE pubname = '{s}_p'; DROP PUBLICATION {s}_p; SELECT 1",
        [(1,)],
    ),
    "trigger": (
        """CREATE TABLE {s}.log (n int); CREATE FUNCTION {s}.f() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO {s}.log VALUES (1); RETURN NULL; END'; CREATE TRIGGER noticed AFTER INSERT ON {s}.t
        FOR EACH STATEMENT EXECUTE FUNCTION {s}.f()""",
        "refill",
        "SELECT n FROM {s}.log",
        [(1,)],
    ),
    "another index": (
        "CREATE INDEX mine ON {s}.t (c) WHERE fee > 1",
        "refill",
        "SELECT count(*) FROM pg_index WHERE indrelid = '{s}.t'::regclass AND indisvalid",
        [(2,)],
    ),
    "row security": (
        "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {s}.t USING (c = 'new')",
        "refill",
        """SELECT relrowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c
        WHERE oid = '{s}.t'::regclass""",
        [(True, 1)],
    ),
    "row security without a policy": (
        "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY",
        "refill",
        "SELECT relrowsecurity FROM pg_class WHERE oid = '{s}.t'::regclass",
        [(True,)],
    ),
    "check": (
        "ALTER TABLE {s}.t ADD CHECK (fee > -1)",
        "refill",
        "SELECT count(*) FROM pg_constraint WHERE conrelid = '{s}.t'::regclass AND contype = 'c'",
        [(1,)],
    ),
    "default": (
        "ALTER TABLE {s}.t ALTER c SET DEFAULT 'none'",
        "refill",
        "INSERT INTO {s}.t (id) VALUES (-1) RETURNING c",
        [("none",)],
    ),
    "unique constraint": (
        "ALTER TABLE {s}.t ADD UNIQUE (id, c)",
        "refill",
        "SELECT count(*) FROM pg_constraint WHERE conrelid = '{s}.t'::regclass AND contype = 'u'",
        [(1,)],
    ),
    "not null": (
        "ALTER TABLE {s}.t ALTER c SET NOT NULL",
        "refill",
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = '{s}.t'::regclass AND attname = 'c'",
        [(True,)],
    ),
    "function of its row type": (
        "CREATE FUNCTION {s}.g({s}.t) RETURNS text LANGUAGE sql AS 'SELECT $1.c'",
        "refill",
        "SELECT DISTINCT {s}.g(t) FROM {s}.t ORDER BY 1",
        [("new",), ("old",)],
    ),
    "function with a body that reads it": (
        "CREATE FUNCTION {s}.h() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {s}.t; END",
        "refill",
        "SELECT {s}.h()",
        [(200,)],
    ),
    "inheriting table": (
        "CREATE TABLE {s}.child () INHERITS ({s}.t)",
        "refill",
        "SELECT count(*) FROM pg_inherits WHERE inhparent = '{s}.t'::regclass",
        [(1,)],
    ),
    "statistics": (
        "CREATE STATISTICS {s}.st ON c, fee FROM {s}.t",
        "refill",
        "SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = '{s}.t'::regclass",
        [(1,)],
    ),
    "rule": (
        "CREATE RULE r AS ON DELETE TO {s}.t DO INSTEAD NOTHING",
        "refill",
        "SELECT count(*) FROM pg_rules WHERE schemaname = '{s}' AND rulename = 'r'",
        [(1,)],
    ),
}


@pytest.mark.parametrize("thing", HANGING)
def test_what_hangs_on_a_table_survives_and_sees_the_new_rows(used: Lab, thing: str) -> None:
    """What a swap cannot carry over keeps the table in place: it is refilled, or merged when others point to it."""
    make, how, query, answer = HANGING[thing]
    before = oid(used)
    used.pg(make)
    again(used, how)
    assert oid(used) == before
    assert used.pg(query) == answer


def test_a_trigger_on_a_small_table_that_is_refilled_directly_survives(maria_lab: Lab) -> None:
    """Direct loads empty and refill in place, so nothing is lost either."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    maria_lab.load()
    maria_lab.pg("CREATE INDEX i ON {s}.t (id); CREATE VIEW {s}.v AS SELECT * FROM {s}.t")
    maria_lab.mysql("INSERT INTO t VALUES (2)")
    assert maria_lab.load().how("t") == "refill"
    assert maria_lab.pg("SELECT count(*) FROM {s}.v") == [(2,)]


def test_a_merge_touches_only_the_rows_that_differ(used: Lab) -> None:
    """Rows that are equal keep their row version; changed, new and gone ones are as at the source."""
    used.pg("CREATE TABLE {s}.mine (tid int REFERENCES {s}.t)")
    before = dict(used.pg("SELECT id, xmin::text FROM {s}.t"))
    again(used, "merge")
    after = dict(used.pg("SELECT id, xmin::text FROM {s}.t"))
    assert {n for n in before if after.get(n) == before[n]} == {n for n in range(1, 201) if n % 2 and n != 7}


def test_a_merge_that_would_break_a_foreign_key_leaves_the_table_as_it_was(used: Lab) -> None:
    """A row that others point to is gone at the source: the table is not published, and says why."""
    used.pg("CREATE TABLE {s}.mine (tid int REFERENCES {s}.t); INSERT INTO {s}.mine VALUES (7)")
    done = used.load()
    (told,) = done.summary.failed
    assert "mine" in told.message
    assert used.pg("SELECT count(*) FROM {s}.t WHERE c = 'old'") == [(200,)]
    assert used.staged() == []


def test_a_table_with_other_columns_is_swapped(used: Lab) -> None:
    """The new table has the source's columns now; comments and grants of columns that are still there are kept."""
    used.pg(
        "COMMENT ON COLUMN {s}.t.id IS 'kept'; COMMENT ON COLUMN {s}.t.fee IS 'lost'; GRANT SELECT (fee) ON {s}.t TO PUBLIC"
    )
    used.mysql("ALTER TABLE t DROP fee, ADD born date, MODIFY c varchar(99)")
    again(used, "swap", dropped_columns="drop")
    assert used.pg("SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute"
                   " WHERE attrelid = '{s}.t'::regclass AND attnum > 0 ORDER BY attnum") == [
        ("id", "integer", "kept"), ("c", "character varying(99)", None), ("born", "date", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP fee", "materialized view"),
        ("MODIFY fee decimal(12,2)", "materialized view"),
        ("MODIFY fee varchar(9)", "materialized view"),
        ("DROP PRIMARY KEY, ADD PRIMARY KEY (id, fee)", "the key id, fee at the source and id in the target"),
    ],
)
@pytest.mark.parametrize("size", [50, 100_000], ids=["large", "small"])
def test_a_table_that_differs_in_columns_and_has_something_hanging_is_refused_and_untouched(
    used: Lab, monkeypatch: pytest.MonkeyPatch, change: str, named: str, size: int
) -> None:
    """It can neither be swapped nor altered and refilled: the message names what is in the way."""
    small_partitions(monkeypatch, size)
    used.pg("CREATE MATERIALIZED VIEW {s}.m AS SELECT * FROM {s}.t")
    used.mysql(f"ALTER TABLE t {change}")
    done = used.load(dropped_columns="drop")
    (told,) = done.summary.failed
    assert (told.error, named in told.message) == ("PlanError", True)
    assert told.hint
    assert used.pg("SELECT count(*) FROM {s}.t WHERE c = 'old'") == [(200,)]
    assert used.pg("SELECT count(*) FROM {s}.m") == [(200,)]


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
@pytest.mark.parametrize("size", [50, 100_000], ids=["large", "small"])
def test_a_view_with_the_name_of_a_table_is_refused_and_not_dropped(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    """What stands in the target under that name is somebody's; the other tables are loaded."""
    small_partitions(monkeypatch, size)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_200",
                    "CREATE TABLE fine (id int PRIMARY KEY)", "INSERT INTO fine VALUES (1)")  # fmt: skip
    maria_lab.pg(f"CREATE {kind} {{s}}.t AS SELECT 42 AS answer")
    done = maria_lab.load()
    (told,) = done.summary.failed
    assert told.table == "t"
    assert kind.lower() in told.message
    assert maria_lab.pg("SELECT answer FROM {s}.t") == [(42,)]
    assert maria_lab.differences("fine") == []


def test_a_swap_to_what_a_view_cannot_be_made_on_again_leaves_everything_as_it_was(used: Lab) -> None:
    """The column that a view shows is gone at the source: the view is not lost, the table stays."""
    used.pg("CREATE VIEW {s}.v AS SELECT fee FROM {s}.t")
    used.mysql("ALTER TABLE t DROP fee")
    done = used.load(dropped_columns="drop", unforeseen="nobody asks which columns a view shows")
    (told,) = done.summary.failed
    assert "fee" in told.message
    assert used.pg("SELECT count(fee) FROM {s}.v") == [(200,)]
    assert used.staged() == []


def test_what_appeared_after_the_plan_is_not_swapped_away(used: Lab) -> None:
    """Whatever somebody added meanwhile: the table stays, and the next load takes it into account."""
    plan = bulketl.make_plan(used.config())
    used.pg("CREATE INDEX mine ON {s}.t (c)")
    (told,) = used.load(plan=plan).summary.failed
    assert "was changed in the target since the load was planned" in told.message
    assert used.pg("SELECT count(*) FROM {s}.t WHERE c = 'old'") == [(200,)]
    again(used, "refill")


def test_a_right_that_was_revoked_stays_revoked(used: Lab, role: str) -> None:
    """Default privileges would give it to the new table and its view again."""
    used.pg("CREATE VIEW {s}.v AS SELECT id FROM {s}.t")
    used.pg(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}")
    again(used, "swap")
    for name in ("t", "v"):
        assert used.pg(f"SELECT has_table_privilege('{role}', '{{s}}.{name}', 'SELECT')") == [(False,)]


def test_text_is_exact_whatever_encoding_the_environment_asks_for(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """COPY would convert from the client's encoding, without an error."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20))", "INSERT INTO t VALUES (1, 'ä€😀')")
    assert maria_lab.load().summary.outcome == "done"
    monkeypatch.delenv("PGCLIENTENCODING")
    assert maria_lab.pg("SELECT c FROM {s}.t") == [("ä€😀",)]
