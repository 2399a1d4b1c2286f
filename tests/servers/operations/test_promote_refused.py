"""Rows that a table which stays would refuse: foreseen, named and counted before anything is locked, with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from lab import Lab
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sidebyside import Beside, dropped, role

import bulketl
from bulketl.errors import DataError, PlanError
from bulketl.operations.migrate.moves import Move
from bulketl.operations.migrate.trials import foreseen
from bulketl.postgres.write.refill import Refill, refill

WHY: dict[str, Any] = {"reason": "seven equal nights", "force": True}
SECRET = "secret-name"


@pytest.fixture
def beside(maria_lab: Lab) -> Iterator[Beside]:
    """A table that a materialized view keeps in its place, and bulketl's beside it, with other rows."""
    maria_lab.mysql(
        "CREATE TABLE claim (id int PRIMARY KEY, patient int, name varchar(900))",
        f"INSERT INTO claim SELECT seq, seq, CONCAT('{SECRET}', seq) FROM seq_1_to_20",
        "UPDATE claim SET patient = NULL, name = NULL WHERE id IN (3, 4)",
        "UPDATE claim SET patient = 7 WHERE id = 8",
        "CREATE TABLE patient (id int PRIMARY KEY, head int)",
        "INSERT INTO patient SELECT seq, NULLIF(seq - 1, 0) FROM seq_1_to_20",
    )
    maria_lab.pg("""
        CREATE TABLE {s}.claim (id integer PRIMARY KEY, patient integer, name varchar(900));
        CREATE MATERIALIZED VIEW {s}.counted AS SELECT count(*) AS n FROM {s}.claim""")
    yield Beside(maria_lab)
    dropped(maria_lab)


RAISING = """CREATE FUNCTION {s}.raising() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id > 10 THEN RAISE 'no % here', NEW.name USING ERRCODE = '23514', CONSTRAINT = NEW.name; END IF;
    RETURN NEW; END $$;
    CREATE TRIGGER stern BEFORE INSERT ON {s}.claim FOR EACH ROW EXECUTE FUNCTION {s}.raising()"""


REFUSING = [
    # What is made, how it refuses, and what frees it.
    ("ADD CONSTRAINT low CHECK (id < 16)", 'CHECK constraint "low" refuses 5 rows', 'DROP CONSTRAINT "low"'),
    ("ADD CONSTRAINT odd CHECK (10 / (id - 5) < 100)", 'CHECK constraint "odd" refuses some', 'DROP CONSTRAINT "odd"'),
    ("ALTER patient SET NOT NULL", 'NOT NULL of column "patient" refuses 2 rows', 'ALTER COLUMN "patient" DROP NOT NULL'),
    ("ADD CONSTRAINT one UNIQUE (patient)", 'unique constraint "one" refuses 2 rows', 'DROP CONSTRAINT "one"'),
    ("ADD CONSTRAINT two UNIQUE NULLS NOT DISTINCT (patient)", '"two" refuses 4 rows', 'DROP CONSTRAINT "two"'),
    ("ADD CONSTRAINT apart EXCLUDE USING btree (patient WITH =)", '"apart" refuses some', 'DROP CONSTRAINT "apart"'),
    ("ADD CONSTRAINT known FOREIGN KEY (patient) REFERENCES {s}.other", '"known" refuses 10 rows', 'CONSTRAINT "known"'),
    (
        "ADD CONSTRAINT pair FOREIGN KEY (patient, id) REFERENCES {s}.pair MATCH FULL",
        'foreign key "pair" refuses 20 rows',
        'DROP CONSTRAINT "pair"',
    ),
    ('UNIQUE INDEX "a b" ON {s}.claim (lower(left(name, 4)))', 'unique index "a b" refuses 18 rows', 'drop index "a b"'),
    ("UNIQUE INDEX part ON {s}.claim ((patient / 7)) WHERE id < 9", '"part" refuses 6 rows', 'drop index "part"'),
    ("INDEX nought ON {s}.claim ((1 / (id - 5)))", 'index "nought" refuses some of its rows', 'drop index "nought"'),
]


def test_what_would_refuse_rows_is_foreseen_and_counted(beside: Beside) -> None:
    """By a dry run already; no value is said, and nothing is changed by looking or by refusing."""
    lab = beside.lab
    lab.pg("CREATE TABLE {s}.other (id integer PRIMARY KEY); INSERT INTO {s}.other SELECT generate_series(1, 10);"
           " CREATE TABLE {s}.pair (a integer, b integer, PRIMARY KEY (a, b))")  # fmt: skip
    for made, _, _ in REFUSING:
        lab.pg(f"CREATE {made}" if "INDEX" in made else f"ALTER TABLE {{s}}.claim {made}")
    config = beside.shadowed(["claim"])
    there = "SELECT oid, relname FROM pg_class WHERE relnamespace = '{s}_shadow'::regnamespace ORDER BY 1"
    before = lab.pg(there)
    for dry_run in (True, False):
        with pytest.raises(PlanError) as caught:
            bulketl.promote(config, **WHY, dry_run=dry_run)
        for _, said, hint in REFUSING:
            assert said in caught.value.message
            assert hint in caught.value.hint
        assert SECRET not in f"{caught.value.message}{caught.value.hint}"
    (step,) = foreseen(config, [PROMOTING])
    assert 'CHECK constraint "low" refuses 5 rows' in dict(step.against)["claim"]
    assert lab.pg(there) == before
    assert lab.pg("SELECT count(*) FROM {s}.claim") == [(0,)]
    assert beside.owner("claim") == "shadow"


def test_who_may_not_try_reads_so_in_the_plan(beside: Beside) -> None:
    """A plan is read by those too who may read the ledger alone."""
    lab, reader = beside.lab, role(beside.lab)
    config = beside.shadowed(["claim"])
    try:
        lab.pg(f"ALTER ROLE {reader} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA bulketl TO {reader}")
        uri = make_conninfo(lab.target, user=reader, password="x")
        query = "&".join(f"{key}={value}" for key, value in conninfo_to_dict(uri).items())
        (step,) = foreseen(config.model_copy(update={"target": f"postgresql:///?{query}"}), [PROMOTING])
        assert (step.against, "permission denied" in step.untried) == ((), True)
    finally:
        lab.pg(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


PROMOTING = Move(1, "promote", ("claim",), "")


def test_what_only_the_refill_tells_is_named_without_a_value(beside: Beside) -> None:
    """A trigger raises the values of a row, as the name of a constraint too; the trigger is named, and no value."""
    beside.lab.pg(RAISING)
    config = beside.shadowed(["claim"])
    with pytest.raises(DataError, match=r"does not take its new rows: one of its triggers stern refuses one") as caught:
        bulketl.promote(config, **WHY)
    assert SECRET not in f"{caught.value.message}{caught.value.hint}"
    assert beside.lab.pg("SELECT count(*) FROM {s}.claim") == [(0,)]


def test_rows_of_no_partition_are_counted(beside: Beside) -> None:
    """And what a single partition demands of its own rows."""
    lab = beside.lab
    lab.pg("""DROP TABLE {s}.claim CASCADE;
        CREATE TABLE {s}.claim (id integer PRIMARY KEY, patient integer, name varchar(900)) PARTITION BY RANGE (id);
        CREATE TABLE {s}.low PARTITION OF {s}.claim FOR VALUES FROM (0) TO (10);
        CREATE TABLE {s}.high PARTITION OF {s}.claim FOR VALUES FROM (10) TO (18);
        ALTER TABLE {s}.low ALTER patient SET NOT NULL; ALTER TABLE {s}.high ADD CONSTRAINT few CHECK (id <> 12)""")
    config = beside.shadowed(["claim"])
    with pytest.raises(PlanError) as caught:
        bulketl.promote(config, **WHY, dry_run=True)
    for said in ("its partitioning refuses 3 rows", f'"patient" of {lab.schema}.low refuses 2 rows', '"few" of '):
        assert said in caught.value.message


@pytest.mark.parametrize("more", ["", " DEFERRABLE"])
def test_values_that_are_unique_may_go_from_row_to_row(beside: Beside, more: str) -> None:
    """Rows exchange them, take those of rows that go and leave theirs to rows that come; and so again on the way back."""
    lab = beside.lab
    lab.pg(f"""INSERT INTO {{s}}.claim SELECT n, 21 - n, 'old' FROM generate_series(1, 20) n WHERE n <> 17;
        UPDATE {{s}}.claim SET patient = 100 + id WHERE id IN (3, 4, 8); INSERT INTO {{s}}.claim VALUES (99, 17, 'goes');
        UPDATE {{s}}.claim SET patient = 88 WHERE id = 4;
        ALTER TABLE {{s}}.claim ADD CONSTRAINT one UNIQUE (patient){more};
        CREATE TABLE {{s}}.paid (claim integer REFERENCES {{s}}.claim); INSERT INTO {{s}}.paid VALUES (5)""")
    lab.mysql("UPDATE claim SET patient = NULL WHERE id = 8")
    config = beside.shadowed(["claim"])
    before = lab.pg("SELECT * FROM {s}.claim ORDER BY id")
    bulketl.promote(config, **WHY)
    assert lab.differences("claim") == []
    assert not bulketl.rollback(config, reason="x").impossible
    assert lab.pg("SELECT * FROM {s}.claim ORDER BY id") == before


def test_values_that_cannot_go_from_row_to_row_are_refused_in_the_right_words(beside: Beside) -> None:
    """A foreign key would take rows of another table along; it says so, and which index it is about."""
    lab = beside.lab
    lab.pg("""INSERT INTO {s}.claim SELECT n, 21 - n, 'old' FROM generate_series(1, 20) n;
        ALTER TABLE {s}.claim ADD CONSTRAINT one UNIQUE (patient);
        CREATE TABLE {s}.paid (claim integer CONSTRAINT paid REFERENCES {s}.claim ON DELETE CASCADE);
        INSERT INTO {s}.paid VALUES (5)""")
    lab.mysql("UPDATE claim SET patient = NULL WHERE id = 8")
    config = beside.shadowed(["claim"])
    with pytest.raises(PlanError, match=r"rows would take values of others that index one .*: paid") as caught:
        bulketl.promote(config, **WHY, dry_run=True)
    assert "DEFERRABLE" in caught.value.hint
    lab.pg("ALTER TABLE {s}.claim DROP CONSTRAINT one, ADD CONSTRAINT one UNIQUE (patient) DEFERRABLE")
    bulketl.promote(config, **WHY)
    assert lab.differences("claim") == []
    assert lab.pg("SELECT * FROM {s}.paid") == [(5,)]


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE"])
def test_tables_that_foreign_keys_join_are_refilled_together(beside: Beside, action: str) -> None:
    """Rows refer to rows that come, and to none that go; a table refers to itself, too. And so on the way back."""
    lab = beside.lab
    lab.pg(f"""
        CREATE TABLE {{s}}.patient (id integer PRIMARY KEY, head integer REFERENCES {{s}}.patient);
        INSERT INTO {{s}}.patient SELECT n, n - 10 FROM generate_series(101, 110) n WHERE n < 0;
        INSERT INTO {{s}}.patient VALUES (1, NULL), (99, 1), (2, 99);
        ALTER TABLE {{s}}.claim ADD FOREIGN KEY (patient) REFERENCES {{s}}.patient ON DELETE {action};
        INSERT INTO {{s}}.claim VALUES (1, 99, 'old'), (50, 2, 'old')""")
    config = beside.shadowed(["claim", "patient"])
    before = [lab.pg(f"SELECT * FROM {{s}}.{table} ORDER BY id") for table in ("claim", "patient")]
    assert {one.how for one in bulketl.promote(config, **WHY).tables} == {"refilled"}
    assert lab.differences("claim") == lab.differences("patient") == []
    bulketl.rollback(config, reason="x")
    assert [lab.pg(f"SELECT * FROM {{s}}.{table} ORDER BY id") for table in ("claim", "patient")] == before


def test_rows_of_others_that_would_refer_to_nothing_are_counted(beside: Beside) -> None:
    """A foreign key that only forbids is named before, like one that follows."""
    lab = beside.lab
    lab.pg("""INSERT INTO {s}.claim VALUES (1, 1, 'old'), (77, 1, 'old'); CREATE TABLE {s}.paid
        (claim integer CONSTRAINT mine REFERENCES {s}.claim); INSERT INTO {s}.paid VALUES (77), (77), (1)""")
    config = beside.shadowed(["claim"])
    with pytest.raises(PlanError, match=r"2 rows of table .*paid.* would refer to nothing: its foreign key mine"):
        bulketl.promote(config, **WHY, dry_run=True)


def test_older_rows_that_the_table_refuses_now_keep_no_other_table_from_coming_back(beside: Beside) -> None:
    """A rollback names what was added to the table since, and brings the others back."""
    lab = beside.lab
    lab.pg("INSERT INTO {s}.claim VALUES (1, -5, 'old'); CREATE TABLE {s}.patient (id integer PRIMARY KEY, head integer)")
    config = beside.shadowed(["claim", "patient"])
    bulketl.promote(config, **WHY)
    lab.pg("ALTER TABLE {s}.claim ADD CONSTRAINT sound CHECK (patient > 0)")
    for dry_run in (True, False):
        back = bulketl.rollback(config, reason="x", dry_run=dry_run)
        assert [one.table for one in back.tables] == ["patient"]
        assert 'CHECK constraint "sound" refuses 1 row' in dict(back.impossible)["claim"]
    lab.pg("ALTER TABLE {s}.claim DROP CONSTRAINT sound")
    assert [one.table for one in bulketl.rollback(config, reason="x").tables] == ["claim"]


def test_rows_of_tables_that_inherit_are_counted_and_need_force(beside: Beside) -> None:
    """Whoever reads the table would see them beside bulketl's; an empty heir is only told of."""
    lab = beside.lab
    lab.pg("""CREATE TABLE {s}.heir () INHERITS ({s}.claim); INSERT INTO {s}.heir VALUES (777, 1, 'heir');
        CREATE TABLE {s}.none () INHERITS ({s}.heir)""")
    config = beside.shadowed(["claim"])
    with pytest.raises(PlanError, match=r"showing 1 row of .*heir.* beside bulketl's") as caught:
        bulketl.promote(config, reason="x", dry_run=True)
    assert "NO INHERIT" in caught.value.hint
    (one,) = bulketl.promote(config, **WHY, dry_run=True).tables
    assert any("1 row of" in words and "heir" in words for words in one.told)
    assert any("none" in words and "has no row" in words for words in one.told)


def test_a_refill_writes_nothing_but_what_differs(empty: str) -> None:
    """Rows that are equal stay as they are, in a table with unique columns too."""
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, j json); CREATE TABLE s (LIKE t);"
                           " INSERT INTO t SELECT n, n, '{}' FROM generate_series(1, 9) n; INSERT INTO s SELECT * FROM t;"
                           " UPDATE s SET u = 17 - u WHERE u IN (8, 9)")  # fmt: skip
        query = "SELECT id FROM t WHERE ctid = ANY (%s) ORDER BY id"
        places = [place for (place,) in connection.execute("SELECT ctid FROM t")]
        with connection.transaction():
            refill(connection, "public", [Refill("t", ("public", "s"), ("id", "u", "j"), ("id",))])
        assert [one for (one,) in connection.execute(query, (places,))] == [1, 2, 3, 4, 5, 6, 7]
        assert connection.execute("SELECT u FROM t ORDER BY id OFFSET 7").fetchall() == [(9,), (8,)]
