"""Tables that change hands: promoted, given back, promoted again; whoever reads them meets the old or the new, whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from lab import Lab, load
from sidebyside import Beside, dropped, role

import bulketl
from bulketl.errors import BulketlError, ConfigError, PlanError, TargetError
from bulketl.plan.selection import Selection

WHY: dict[str, Any] = {"reason": "seven equal nights", "force": True}


@pytest.fixture
def beside(maria_lab: Lab) -> Iterator[Beside]:
    """Two tables at the source, the older pipeline's copies of them with its faults, and bulketl's beside."""
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, name varchar(20), fee decimal(10,2), at datetime)",
        "INSERT INTO patient SELECT seq, CONCAT('p', seq), seq / 4, '2024-01-01' + INTERVAL seq DAY FROM seq_1_to_100",
        "CREATE TABLE claim (id int PRIMARY KEY, patient int)",
        "INSERT INTO claim SELECT seq, seq FROM seq_1_to_50",
    )
    maria_lab.pg("""
        CREATE TABLE {s}.patient (id integer PRIMARY KEY, name varchar(20) NOT NULL, fee double precision DEFAULT 0,
            at timestamp);
        INSERT INTO {s}.patient SELECT n, 'p' || n, n / 4.0, '2024-01-01'::timestamp FROM generate_series(1, 90) n;
        CREATE INDEX "patient by name" ON {s}.patient (lower(name));
        CREATE TABLE {s}.claim (id integer PRIMARY KEY, patient integer);
        INSERT INTO {s}.claim SELECT n, n FROM generate_series(1, 50) n;
        CREATE VIEW {s}.stg AS SELECT id, name, fee::numeric AS fee FROM {s}.patient WHERE name LIKE 'p%';
        CREATE VIEW {s}.joined AS SELECT s.id, s.fee, c.id AS claim FROM {s}.stg s JOIN {s}.claim c ON c.patient = s.id;
        CREATE VIEW {s}.mart AS SELECT count(*) AS n, sum(fee) AS total FROM {s}.joined;
    """)
    yield Beside(maria_lab)
    dropped(maria_lab)


def said(lab: Lab) -> list[tuple[Any, ...]]:
    """Return all that is said of tables and views: owner, grants of the table and its columns, comments, options."""
    return lab.pg("""
        SELECT c.relname, c.relkind::text, c.relowner::regrole::text, obj_description(c.oid, 'pg_class'), c.reloptions::text,
            (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner)::text,
            (SELECT array_agg(a.attname || a.attacl::text ORDER BY 1) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL)::text,
            (SELECT array_agg(a.attname || ':' || col_description(c.oid, a.attnum) ORDER BY a.attname) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0)::text
        FROM pg_class c WHERE relnamespace = '{s}'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname""")


def test_tables_change_hands_with_all_that_hangs_on_them_and_come_back(beside: Beside) -> None:
    """Views over three floors, grants, column grants, comments and owners are as before, the rows are bulketl's."""
    lab, reader = beside.lab, role(beside.lab)
    lab.pg(f"""
        GRANT SELECT ON {{s}}.patient, {{s}}.mart TO {reader} WITH GRANT OPTION;
        GRANT SELECT (id) ON {{s}}.claim TO {reader};
        GRANT SELECT ON {{s}}.stg TO PUBLIC; COMMENT ON TABLE {{s}}.patient IS 'who''s who';
        COMMENT ON COLUMN {{s}}.patient.name IS 'as written'; COMMENT ON VIEW {{s}}.mart IS 'for the board';
        GRANT USAGE, CREATE ON SCHEMA {{s}} TO {reader}; ALTER TABLE {{s}}.claim OWNER TO {reader};
        ALTER VIEW {{s}}.joined SET (security_barrier = true); ALTER TABLE {{s}}.patient SET (fillfactor = 70);
        ALTER DEFAULT PRIVILEGES IN SCHEMA {{s}} GRANT ALL ON TABLES TO PUBLIC""")
    try:
        config = beside.shadowed(["patient", "claim"])
        before = said(lab)
        assert lab.pg("SELECT n FROM {s}.mart") == [(50,)]
        done = bulketl.promote(config, **WHY)
        assert {(one.table, one.how, one.rows) for one in done.tables} == {
            ("patient", "swapped", 100),
            ("claim", "swapped", 50),
        }
        assert done.views == 3
        for now, then in zip(said(lab), before, strict=True):
            assert now == then
        assert lab.differences("patient") == lab.differences("claim") == []
        assert lab.pg("SELECT count(*), max(fee) FROM {s}.stg") == [(100, 25)]
        assert [beside.owner(table) for table in ("patient", "claim")] == ["bulketl", "bulketl"]
        assert lab.pg("SELECT indexdef FROM pg_indexes WHERE schemaname = '{s}' AND indexname = 'patient by name'") != []
        back = bulketl.rollback(config, reason="wrong sums")
        assert {(one.table, one.rows, one.now) for one in back.tables} == {("patient", 90, 100), ("claim", 50, 50)}
        assert said(lab) == before
        assert lab.pg("SELECT count(*) FROM {s}.patient") == [(90,)]
        assert [beside.owner(table) for table in ("patient", "claim")] == ["legacy", "legacy"]
        assert lab.pg("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'bulketl_legacy%'") == [(0,)]
    finally:
        lab.pg(f"SET client_min_messages = warning; REASSIGN OWNED BY {reader} TO CURRENT_USER;"
               f" DROP OWNED BY {reader} CASCADE; DROP ROLE {reader}")  # fmt: skip


def test_the_next_load_goes_on_where_the_last_one_beside_was(beside: Beside) -> None:
    """Incrementally, without loading anything anew; after a rollback it passes over the table, and says so."""
    rules = {
        "patient": {"extraction_strategy": "incremental", "incremental_column": "at"},
        "claim": {"table_importance": "audit"},
    }
    config = beside.shadowed(["patient", "claim"], rules=rules)
    bulketl.promote(config, **WHY)
    beside.lab.mysql("INSERT INTO patient VALUES (1000, 'new', 1, '2025-01-01')", "INSERT INTO claim VALUES (1000, 1)")
    done = load(config)
    assert (done.summary.outcome, done.how("patient"), done.how("claim")) == ("done", "merge", "append")
    assert beside.lab.differences("patient") == beside.lab.differences("claim") == []
    (patient,) = (one for one in done.plan.loads if one.spec.table == "patient")
    assert not patient.spec.whole
    assert [verdict.problem for verdict in bulketl.verify_audit(config)] == [""]
    back = bulketl.rollback(config, reason="wrong sums")
    assert {one.table: one.since.added for one in back.tables} == {"patient": 1, "claim": 1}
    plan = bulketl.make_plan(config)
    assert [item.table for item in plan.skipped] == ["claim", "patient"]
    assert all("wrong sums" in item.reason for item in plan.skipped)
    assert not list(plan.loads)
    again = Beside(beside.lab).load_beside(rules=rules)
    assert (again.how("patient"), again.how("claim")) == ("merge", "append")
    shadow = beside.lab.config(rules=rules).model_copy(update={"target_schema": beside.shadow})
    assert [verdict.problem for verdict in bulketl.verify_audit(shadow)] == [""]


def test_a_second_rollback_has_nothing_to_do_and_says_so(beside: Beside) -> None:
    """So an emergency's script may be run twice."""
    config = beside.shadowed(["patient", "claim"])
    bulketl.promote(config, **WHY)
    assert len(bulketl.rollback(config, reason="x").tables) == 2
    again = bulketl.rollback(config, reason="x")
    assert (again.run, again.tables, again.impossible) == ("", (), ())


def test_what_cannot_be_promoted_is_named_with_every_reason(beside: Beside) -> None:
    """Nothing changes; a reason is asked for; a name that nobody knows is refused."""
    config = beside.shadowed(["patient"])
    with pytest.raises(ConfigError, match="needs a reason"):
        bulketl.promote(config, reason=" ")
    with pytest.raises(PlanError, match="never compared"):
        bulketl.promote(config, reason="x")
    with pytest.raises(PlanError, match="nothing is known of a table 'nothing'"):
        bulketl.promote(config, Selection(tables=("nothing",)), **WHY)
    beside.lab.pg("ALTER TABLE {s}.patient ADD COLUMN extra text; CREATE VIEW {s}.extra AS SELECT extra FROM {s}.patient")
    with pytest.raises(PlanError, match=r"'patient'.*view \S+extra needs extra"):
        bulketl.promote(config, **WHY)
    beside.lab.pg("DROP VIEW {s}.extra")
    with pytest.raises(PlanError, match=r"columns that bulketl's lacks: extra"):
        bulketl.promote(config, reason="x")
    assert beside.lab.pg("SELECT count(*) FROM {s}.patient") == [(90,)]
    assert [one.table for one in bulketl.promote(config, **WHY).tables] == ["patient"]


def test_nothing_changes_while_others_hold_a_table(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said who, and readers wait for no longer than a try; a load under way is named too."""
    import psycopg

    monkeypatch.setattr("bulketl.postgres.write.exchange.TRIES", 2)
    config = beside.shadowed(["patient", "claim"])
    with psycopg.connect(beside.lab.target, application_name="a long report") as reader:
        reader.execute(f"SELECT count(*) FROM {beside.lab.schema}.claim".encode())
        with pytest.raises(TargetError, match=r"claim is read or written by .*a long report"):
            bulketl.promote(config, **WHY)
    assert beside.owner("claim") == "shadow"
    assert beside.lab.pg("SELECT count(*) FROM {s}.patient") == [(90,)]
    assert len(bulketl.promote(config, **WHY).tables) == 2


def test_a_table_that_must_stay_is_refilled_and_its_old_rows_come_back(beside: Beside) -> None:
    """One that a materialized view reads, and one that a foreign key points to; their views and keys are never gone."""
    lab = beside.lab
    lab.pg("""
        DROP VIEW {s}.stg CASCADE; DROP TABLE {s}.patient, {s}.claim;
        CREATE TABLE {s}.patient (id integer PRIMARY KEY, name varchar(20), fee numeric(10,2), at timestamp(0));
        INSERT INTO {s}.patient SELECT n, 'old', n, '2024-01-01' FROM generate_series(1, 90) n;
        CREATE TABLE {s}.claim (id integer PRIMARY KEY, patient integer);
        INSERT INTO {s}.claim VALUES (1, 5);
        CREATE MATERIALIZED VIEW {s}.counted AS SELECT count(*) AS n FROM {s}.claim;
        CREATE TABLE {s}.visit (patient integer REFERENCES {s}.patient); INSERT INTO {s}.visit VALUES (7)""")
    config = beside.shadowed(["patient", "claim"])
    done = bulketl.promote(config, **WHY)
    assert {one.how for one in done.tables} == {"refilled"}
    assert lab.differences("patient") == lab.differences("claim") == []
    lab.mysql("INSERT INTO claim VALUES (1000, 7)", "DELETE FROM claim WHERE id = 3")
    loaded = load(config, tables=["claim", "patient"])
    assert loaded.summary.outcome == "done", [table.message for table in loaded.summary.failed]
    assert lab.differences("claim") == []
    bulketl.rollback(config, reason="x")
    assert lab.pg("SELECT count(*), min(name) FROM {s}.patient") == [(90, "old")]
    assert lab.pg("SELECT * FROM {s}.claim") == [(1, 5)]
    assert lab.pg(f"SELECT count(*) FROM {beside.shadow}.claim") == [(50,)]
    assert {one.how for one in bulketl.promote(_shadow_again(beside), **WHY).tables} == {"refilled"}


def _shadow_again(beside: Beside) -> bulketl.Config:
    return beside.shadowed(["patient", "claim"])


def test_a_table_that_the_older_pipeline_never_had_is_only_moved(beside: Beside) -> None:
    """And a rollback leaves none in its place."""
    beside.lab.pg("DROP VIEW {s}.joined CASCADE; DROP TABLE {s}.claim")
    config = beside.shadowed(["claim"])
    done = bulketl.promote(config, **WHY)
    assert [(one.table, one.how, one.kept) for one in done.tables] == [("claim", "moved", "")]
    assert beside.lab.differences("claim") == []
    bulketl.rollback(config, reason="x")
    assert "claim" not in beside.lab.tables()
    assert beside.lab.pg(f"SELECT count(*) FROM {beside.shadow}.claim") == [(50,)]


def test_a_table_that_was_equal_for_its_nights_needs_no_force(beside: Beside) -> None:
    """Before that the message says how near it is; a table without an older one has nothing to be compared with."""
    beside.lab.pg("DROP VIEW {s}.joined CASCADE; DROP TABLE {s}.claim")
    config = beside.shadowed(["patient", "claim"], migration={"promote_after": {"equal_nights": 2}})
    night = (
        "INSERT INTO bulketl.comparison (schema_name, shadow_name, table_name, kind, level, outcome, differences, note,"
        " seconds, by, at) VALUES ('{s}', '{s}_shadow', 'patient', 'table', 'rows', 'equal', '[]', '', 1, 'x', now() - %s)"
    )
    beside.lab.pg(night, [dt.timedelta(days=1)])
    with pytest.raises(PlanError, match=r"'patient' is not ready: 1 of 2 equal nights") as raised:
        bulketl.promote(config, reason="x")
    assert "'claim'" not in str(raised.value)
    beside.lab.pg(night, [dt.timedelta(0)])
    assert {(one.table, one.how) for one in bulketl.promote(config, reason="x").tables} == {
        ("patient", "swapped"),
        ("claim", "moved"),
    }


STAYS = "CREATE MATERIALIZED VIEW {s}.counted AS SELECT count(*) FROM {s}.claim; "
UPPER = """CREATE FUNCTION {s}.other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.patient = 0; RETURN NEW; END';
    CREATE TRIGGER other BEFORE INSERT ON {s}.claim FOR EACH ROW EXECUTE FUNCTION {s}.other(); DELETE FROM {s}.claim"""
FOLLOWS = """INSERT INTO {s}.claim VALUES (999, 1); CREATE TABLE {s}.paid (claim int REFERENCES {s}.claim ON DELETE CASCADE);
    INSERT INTO {s}.paid VALUES (999), (1)"""


@pytest.mark.parametrize(
    ("made", "match"),
    [
        ("CREATE RULE none AS ON INSERT TO {s}.claim DO INSTEAD NOTHING", "has rules: none"),
        (STAYS + "ALTER TABLE {s}.claim ALTER id ADD GENERATED ALWAYS AS IDENTITY", "Postgres itself numbers id"),
        (UPPER, "would have other values than"),
        (UPPER.replace("RETURN NEW", "RETURN NULL"), "has 0 rows after it was given 50"),
        (FOLLOWS, "paid.* would lose 1 row"),
    ],
)
def test_a_table_that_does_not_take_the_rows_as_they_are_stays_the_older_pipelines(
    beside: Beside, made: str, match: str
) -> None:
    """Its rules and triggers lose nothing unseen, and no foreign key takes rows of other tables along."""
    beside.lab.pg(made)
    config = beside.shadowed(["claim"])
    before = beside.lab.pg("SELECT * FROM {s}.claim ORDER BY id")
    with pytest.raises(BulketlError, match=match) as caught:
        bulketl.promote(config, **WHY)
    assert caught.value.hint
    assert beside.owner("claim") == "shadow"
    assert beside.lab.pg("SELECT * FROM {s}.claim ORDER BY id") == before


def test_rows_of_partitions_are_exchanged_and_those_of_heirs_left_alone(beside: Beside) -> None:
    """A partitioned table of the older pipeline takes bulketl's rows and gets its own again; an heir's are never doubled."""
    lab = beside.lab
    lab.pg("""DROP VIEW {s}.joined CASCADE; DROP TABLE {s}.claim;
        CREATE TABLE {s}.claim (id integer PRIMARY KEY, patient integer) PARTITION BY RANGE (id);
        CREATE TABLE {s}.low PARTITION OF {s}.claim FOR VALUES FROM (0) TO (30);
        CREATE TABLE {s}.high PARTITION OF {s}.claim DEFAULT;
        INSERT INTO {s}.claim SELECT n, 0 FROM generate_series(9, 60) n;
        DROP VIEW {s}.stg; ALTER TABLE {s}.patient ALTER fee TYPE numeric(10,2), ALTER at TYPE timestamp(0);
        ALTER TABLE {s}.patient ALTER name DROP NOT NULL;
        CREATE TABLE {s}.heir () INHERITS ({s}.patient); INSERT INTO {s}.heir VALUES (777, 'heir', 1, NULL)""")
    config = beside.shadowed(["claim", "patient"])
    before = [lab.pg(f"SELECT * FROM {{s}}.{table} ORDER BY id") for table in ("claim", "patient")]
    assert {one.how for one in bulketl.promote(config, **WHY).tables} == {"refilled"}
    assert lab.differences("claim") == []
    assert lab.pg("SELECT count(*) FROM {s}.low") == [(29,)]
    assert lab.pg("SELECT count(*) FROM {s}.patient") == [(101,)]
    assert {one.rows for one in bulketl.rollback(config, reason="x").tables} == {52, 90}
    assert [lab.pg(f"SELECT * FROM {{s}}.{table} ORDER BY id") for table in ("claim", "patient")] == before


def test_what_does_not_fit_the_table_that_comes_is_named(beside: Beside) -> None:
    """An index is left behind and said; a view is named with what to do, before a rollback by --dry-run already."""
    lab = beside.lab
    lab.pg("""DROP VIEW {s}.joined CASCADE; ALTER TABLE {s}.claim ALTER patient TYPE boolean USING true;
        ALTER TABLE {s}.claim ADD more text; CREATE INDEX low ON {s}.claim (lower(patient::text)) WHERE patient;
        CREATE VIEW {s}.active AS SELECT id FROM {s}.claim WHERE patient""")
    config = beside.shadowed(["claim"])
    for dry_run in (True, False):
        with pytest.raises(
            PlanError, match=r'view .*"active", which cannot be made over bulketl.s table.*boolean'
        ) as caught:
            bulketl.promote(config, **WHY, dry_run=dry_run)
        assert "drop view" in caught.value.hint
    lab.pg("DROP VIEW {s}.active; ALTER TABLE {s}.claim DROP COLUMN more")
    (done,) = bulketl.promote(config, **WHY).tables
    assert "index low is not carried over (SQLSTATE 42804)" in done.told
    lab.mysql("ALTER TABLE claim ADD paid int")
    assert load(config, tables=["claim"]).summary.outcome == "done"
    lab.pg("CREATE VIEW {s}.unpaid AS SELECT paid FROM {s}.claim")
    looked = bulketl.rollback(config, reason="x", dry_run=True)
    assert [(one.view, one.now, one.again) for one in looked.spared] == [(f'"{lab.schema}"."unpaid"', "", False)]
    assert (looked.tables[0].since.loads, looked.tables[0].since.unknown) == (1, 1)
    lab.pg(f"CREATE TABLE {beside.shadow}.claim (id int)")
    assert "is in the way" in dict(bulketl.rollback(config, reason="x").impossible)["claim"]
    lab.pg(f"DROP TABLE {beside.shadow}.claim")
    assert len(bulketl.rollback(config, reason="x").tables) == 1
    with pytest.raises(PlanError, match="served by the older pipeline"):
        bulketl.undo(config, "claim")


def test_an_older_table_that_cannot_be_dropped_is_named_and_keeps_no_other(
    beside: Beside, caplog: pytest.LogCaptureFixture
) -> None:
    """A person's view hangs on it: it stays beyond its time, said by every load, and can still come back."""
    config = beside.shadowed(["claim", "patient"])
    place = bulketl.promote(config, **WHY).tables[0].kept
    beside.lab.pg(f"CREATE VIEW {{s}}.before AS SELECT id FROM {place}.claim;"
                  " UPDATE bulketl.kept SET keep_until = now() - interval '1 day' WHERE schema_name = '{s}'")  # fmt: skip
    assert load(config).summary.outcome == "done"
    assert f"table 'claim': the older one in schema {place} is kept beyond its time, views or foreign keys depend on it" in [
        record.getMessage() for record in caplog.records
    ]
    assert beside.lab.pg(f"SELECT relname FROM pg_class WHERE relnamespace = '{place}'::regnamespace AND relkind = 'r'") == [
        ("claim",)
    ]
    assert [one.table for one in bulketl.rollback(config, reason="x").tables] == ["claim"]


def test_no_version_before_outlives_a_change_of_hands(beside: Beside) -> None:
    """Its copy would be of neither table, and no later load would see to its masks."""
    config = beside.shadowed(["claim"], keep_previous=1)
    beside.lab.mysql("INSERT INTO claim VALUES (1000, 7)")
    beside.load_beside(keep_previous=1)
    kept = "SELECT count(*) FROM bulketl.previous WHERE schema_name LIKE '{s}%%' AND table_name = %s"
    assert beside.lab.pg(kept, ["claim"]) == [(1,)]
    bulketl.promote(config, **WHY)
    assert beside.lab.pg(kept, ["claim"]) == [(0,)]


def test_a_table_that_somebody_made_anew_is_never_taken_for_bulketls(beside: Beside) -> None:
    """A rollback names it and leaves it; once it is out of the way the older rows come back."""
    config = beside.shadowed(["claim"])
    bulketl.promote(config, **WHY)
    beside.lab.pg("DROP TABLE {s}.claim CASCADE; CREATE TABLE {s}.claim (id int); INSERT INTO {s}.claim VALUES (1)")
    back = bulketl.rollback(config, reason="x")
    assert (back.tables, [table for table, _ in back.impossible]) == ((), ["claim"])
    assert "not bulketl's" in dict(back.impossible)["claim"]
    assert beside.lab.pg("SELECT count(*) FROM {s}.claim") == [(1,)]
    beside.lab.pg("ALTER TABLE {s}.claim RENAME TO remade")
    assert [one.rows for one in bulketl.rollback(config, reason="x").tables] == [50]
    assert beside.lab.pg("SELECT count(*) FROM {s}.claim") == [(50,)]
