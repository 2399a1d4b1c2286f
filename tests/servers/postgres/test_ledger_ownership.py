"""The record of what is ours, as the target has it: an older ledger, a restored database, schemas of somebody else."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab, Server, execute
from nights import INCREMENTAL
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import bulketl
from bulketl import ConfigError
from bulketl.loading.events import Event, PartitionLoaded
from bulketl.postgres.ledger.schema import NEWEST

VERSION_4 = Path(__file__).parents[2].joinpath("support", "ledger4.sql").read_text(encoding="utf-8")
RULES: dict[str, Any] = {
    "changes": INCREMENTAL,
    "log": {"table_importance": "audit"},
    "marked": {"deletes": "mark"},
}
NAMES = ("large", "small", "changes", "log", "marked")


@pytest.fixture
def apart(mariadb: Server, postgres: str) -> Iterator[Lab]:
    """A database at the source, and one of its own at the target, with nothing in it."""
    name = f"t_{secrets.token_hex(5)}"
    mariadb.execute(f"CREATE DATABASE {name}")
    execute(postgres, f"CREATE DATABASE {name}")
    yield Lab(mariadb, name, make_conninfo(postgres, dbname=name), "raw")
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")
    mariadb.execute(f"DROP DATABASE {name}")


@pytest.fixture
def loaded(apart: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Tables that are loaded in the different ways, each loaded once."""
    small_partitions(monkeypatch, 50)
    for table in NAMES:
        rows = 200 if table == "large" else 30
        apart.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY, c int, at datetime, KEY (at))",
                    f"INSERT INTO {table} SELECT seq, seq, '2024-01-01' FROM seq_1_to_{rows}")  # fmt: skip
    apart.load(rules=RULES)
    return apart


def downgrade(lab: Lab) -> None:
    """Put a ledger of version 4 with the same content in the place of this one."""
    lab.pg("ALTER SCHEMA bulketl RENAME TO newer")
    lab.pg(VERSION_4)
    for table, columns in lab.pg(
        "SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_schema = 'bulketl' GROUP BY 1"
    ):
        lab.pg(f"INSERT INTO bulketl.{table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM newer.{table}")
    lab.pg("SET client_min_messages = warning; DROP SCHEMA newer CASCADE")


def test_a_ledger_of_version_4_is_taken_over_and_loads_go_on(loaded: Lab) -> None:
    """What it knows with a source is ours, before the first load of this version too; nothing else is."""
    # As the older version had them: it forgot the source with a reset, and had certificates.
    bulketl.reset(loaded.config(), ["marked"])
    columns = "run, source, schema_name, table_name"
    loaded.pg(
        f"INSERT INTO bulketl.certificate ({columns}, certified, document) SELECT {columns}, true, '{{}}'"
        " FROM bulketl.table_load"
    )
    downgrade(loaded)
    loaded.pg("CREATE TABLE raw.foreign_one (id int PRIMARY KEY); INSERT INTO raw.foreign_one VALUES (7)")
    loaded.mysql("CREATE TABLE foreign_one (id int PRIMARY KEY)")
    for table in NAMES:
        loaded.mysql(f"INSERT INTO {table} VALUES (1000, 1, '2024-02-01')")
    plan = bulketl.make_plan(loaded.config(rules=RULES))
    assert [item.table for item in plan.refused] == ["foreign_one"]
    assert {load.spec.table: load.spec.whole for load in plan.loads}["changes"] is False
    assert loaded.pg("SELECT to_regclass('bulketl.made')") == [(None,)]  # planning changes nothing
    done = loaded.load(plan=plan, rules=RULES)
    assert {name for name, table in done.summary.tables.items() if table.outcome == "loaded"} == set(NAMES)
    now = "oid = to_regclass('raw.' || table_name)::oid"
    first = f"SELECT DISTINCT ON (table_name) table_name, how, source, {now} FROM bulketl.made ORDER BY table_name, seq"
    record = loaded.pg(first)
    assert [(name, how) for name, how, _, _ in record] == [(name, "taken over") for name in sorted(NAMES)]
    assert {origin for _, _, origin, _ in record} == {plan.source}
    assert {name for name, _, _, same in record if not same} == {"large"}  # swapped since
    assert loaded.pg("SELECT obj_description('bulketl'::regnamespace)") == [(f"bulketl's ledger, version {NEWEST}",)]
    places = f"SELECT run = '{done.summary.run}', source, schema_name FROM bulketl.{{}} GROUP BY 1, 2, 3"
    assert sorted(loaded.pg(places.format("table_load"))) == [(new, plan.source, "raw") for new in (False, True)]
    assert loaded.pg(places.format("certificate")) == [(False, plan.source, "raw")]
    for table in set(NAMES) - {"marked"}:
        assert loaded.differences(table) == []
    assert loaded.load(rules=RULES).summary.failed[0].table == "foreign_one"


def test_retries_and_retentions_of_an_older_ledger_are_put_on_record(loaded: Lab, tmp_path: Path) -> None:
    """They were no runs then, and their names stand in its records."""
    checks = [{"range": "c", "min": 3, "severity": "reject"}]
    retention = {"keep": "1y", "by": "at", "action": "delete"}
    config = loaded.config(rules={"small": {"checks": checks, "max_rejects": 5, "retention": retention}})
    bulketl.load(config, bulketl.make_plan(config, full=True))
    loaded.mysql("UPDATE small SET c = 9")
    bulketl.retry_rejects(config)
    bulketl.retain_tables(config, (), tmp_path)
    found = "SELECT kind, run, source, schema_name, outcome FROM bulketl.run WHERE kind IN ('retry', 'retention') ORDER BY 1"
    before = loaded.pg(found)
    assert [kind for kind, *_ in before] == ["retention", "retry"]
    loaded.pg("DELETE FROM bulketl.run WHERE kind IN ('retry', 'retention')")
    downgrade(loaded)
    loaded.load(rules=RULES)
    assert loaded.pg(found) == before


def test_migrations_that_are_carried_out_once_more_change_nothing(loaded: Lab) -> None:
    """As after the comment with the version was lost, and somebody wrote it again with an older one."""
    look = (
        "SELECT relname, attname, atttypid::regtype::text, attnotnull, pg_get_constraintdef(k.oid) FROM pg_attribute"
        " JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_constraint k ON conrelid = c.oid AND contype = 'p'"
        " WHERE relnamespace = 'bulketl'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1, attnum"
    )
    ((run,),) = loaded.pg("SELECT run FROM bulketl.run")
    first = f"SELECT * FROM bulketl.table_load WHERE run = '{run}' ORDER BY table_name"
    before, records = loaded.pg(look), loaded.pg(first)
    assert ("table_load", "PRIMARY KEY (run, source, schema_name, table_name)") in {(row[0], row[4]) for row in before}
    loaded.pg("COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version 3'")
    loaded.load(rules=RULES)
    assert loaded.pg(look) == before
    assert loaded.pg(first) == records


@pytest.mark.parametrize("first", ["retry", "retention", "repair", "resume"])
def test_whatever_writes_first_brings_an_older_ledger_up_to_date(loaded: Lab, first: str, tmp_path: Path) -> None:
    """Not only a load does."""
    if first == "retry":
        rule = {"small": {"checks": [{"range": "c", "min": 3, "severity": "reject"}], "max_rejects": 5}}
        loaded.load(rules=rule)
        loaded.mysql("UPDATE small SET c = 9")
        downgrade(loaded)
        (told,) = bulketl.retry_rejects(loaded.config(rules=rule))
        assert (told.asked, told.loaded) == (2, 2)
    elif first == "retention":
        rule = {"small": {"retention": {"keep": "1y", "by": "at", "action": "delete"}}}
        downgrade(loaded)
        assert bulketl.retain_tables(loaded.config(rules=rule), (), tmp_path)[0].rows == 30
    elif first == "repair":
        loaded.pg("UPDATE raw.small SET c = 77 WHERE id = 3")
        downgrade(loaded)
        assert bulketl.verify(loaded.config(rules=RULES), tables=["small"], repair=True).repaired[0].written == 1
    else:
        loaded.mysql("UPDATE large SET c = c + 1")

        def stop(event: Event) -> None:
            if isinstance(event, PartitionLoaded):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bulketl.load(loaded.config(workers=1), bulketl.make_plan(loaded.config(), tables=["large"]), [stop])
        assert len(loaded.staged()) == 1
        downgrade(loaded)
        assert bulketl.resume(loaded.config()).outcome == "done"
        assert loaded.differences("large") == []
    assert loaded.pg("SELECT count(*) > 0 FROM bulketl.made WHERE how = 'taken over'") == [(True,)]


def restored(lab: Lab, postgres: str) -> Lab:
    """Dump the database and restore it into another one, as after a loss of the server; return that one's lab."""
    ((programs,),) = lab.pg("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    name = f"{lab.database}_back"
    execute(postgres, f"CREATE DATABASE {name}")
    parts = conninfo_to_dict(lab.target)
    where = ["--host", str(parts["host"]), "--username", str(parts["user"])]
    dump = subprocess.run(
        [f"{programs}/pg_dump", *where, "--format=custom", str(parts["dbname"])],
        check=True,
        capture_output=True,
    ).stdout
    subprocess.run([f"{programs}/pg_restore", *where, "--dbname", name], input=dump, check=True)
    return replace(lab, target=make_conninfo(lab.target, dbname=name))


def test_a_restored_database_is_told_as_one_and_taken_back_without_a_row_lost(loaded: Lab, postgres: str) -> None:
    """All oids are others then: each table says so, and `--adopt '*'` is the way, as it is told."""
    back = restored(loaded, postgres)
    try:
        loaded.mysql("INSERT INTO log VALUES (500, 1, '2024-03-01')", "DELETE FROM log WHERE id = 1",
                     "INSERT INTO changes VALUES (500, 1, '2024-03-01')")  # fmt: skip
        plan = bulketl.make_plan(back.config(rules=RULES))
        assert {item.table for item in plan.refused} == set(NAMES)
        assert all("or the database was restored" in item.message for item in plan.refused)
        assert all("after a restore `bulketl load --adopt '*'` takes its tables back" in item.hint for item in plan.refused)
        assert back.load(plan=plan, rules=RULES).summary.outcome == "failed"
        done = back.load(adopt=["*"], rules=RULES)
        assert {table.outcome for table in done.summary.tables.values()} == {"loaded"}, done.summary.failed
        for table in NAMES:
            assert [text for text in back.differences(table) if "_deleted_at" not in text and table != "log"] == []
        assert back.pg("SELECT count(*) FROM raw.log") == [(31,)]  # what is gone at the source stays: it is audited
        assert [item.problem for item in bulketl.verify_audit(back.config())] == [""]
        assert back.load(rules=RULES).summary.failed == []
    finally:
        execute(postgres, f"DROP DATABASE {loaded.database}_back WITH (FORCE)")


THINGS = [
    "CREATE TABLE {n}.run (id int)",
    "CREATE TABLE {n}.state (id int); CREATE TABLE {n}.made (id int)",
    "CREATE VIEW {n}.v AS SELECT 1",
    "CREATE FUNCTION {n}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE {n}.e AS ENUM ('a')",
]


@pytest.mark.parametrize("thing", THINGS)
def test_a_schema_called_bulketl_that_somebody_else_made_is_refused_and_stays(apart: Lab, thing: str) -> None:
    """By plan, validate, load and whatever looks at states; one that is empty was made for us."""
    apart.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    early = bulketl.make_plan(apart.config())
    apart.pg("CREATE SCHEMA bulketl; " + thing.format(n="bulketl"))
    for call in (
        lambda: bulketl.make_plan(apart.config()),
        lambda: bulketl.validate(apart.config()),
        lambda: bulketl.load(apart.config(), early),
        lambda: bulketl.verify(apart.config()),
        lambda: bulketl.states(apart.config()),
    ):
        with pytest.raises(ConfigError, match="that is somebody else's") as raised:
            call()
        assert "ALTER SCHEMA bulketl RENAME TO" in raised.value.hint
    assert apart.pg("SELECT nspname FROM pg_namespace WHERE nspname IN ('raw', 'bulketl_staging')") == []
    apart.pg("SET client_min_messages = warning; DROP SCHEMA bulketl CASCADE; CREATE SCHEMA bulketl")
    assert apart.load().summary.outcome == "done"


def test_a_ledger_that_lost_its_comment_is_used_again_as_the_hint_says(loaded: Lab) -> None:
    """The statement in it can be sent as it stands."""
    loaded.pg("COMMENT ON SCHEMA bulketl IS NULL")
    with pytest.raises(ConfigError) as raised:
        bulketl.make_plan(loaded.config())
    loaded.pg(raised.value.hint[raised.value.hint.index("COMMENT ON"):])  # fmt: skip
    loaded.mysql("UPDATE small SET c = 7")
    assert loaded.load(rules=RULES).summary.failed == []
    assert loaded.pg("SELECT count(*) FROM bulketl.made WHERE how = 'taken over'") == [(0,)]


def test_what_somebody_put_into_the_staging_schema_stays_there(apart: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No load sweeps it; a table that cannot be staged because of it says what is in the way."""
    small_partitions(monkeypatch, 50)
    apart.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_200",
                "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")  # fmt: skip
    apart.pg("CREATE SCHEMA bulketl_staging; CREATE TABLE bulketl_staging.mine (id int);"
             'CREATE TABLE bulketl_staging."my own notes" (id int); CREATE TABLE bulketl_staging.t (id int);'
             'CREATE TABLE bulketl_staging."20200101-000000-abcd old" (id int)')  # fmt: skip
    before = sorted(apart.staged())
    told = apart.load(unforeseen="validate tells of the schema, not of the table").summary.tables
    assert told["u"].outcome == "loaded"
    assert "bulketl_staging" in told["t"].message
    assert "is somebody else's" in told["t"].message
    assert sorted(apart.staged()) == before
    assert any("bulketl_staging" in item.table for item in bulketl.validate(apart.config()))
    apart.pg("ALTER TABLE bulketl_staging.t SET SCHEMA public")
    assert apart.load().summary.outcome == "done"
    assert sorted(apart.staged()) == [name for name in before if name != "t"]


def test_a_table_that_belongs_to_another_role_is_still_ours(loaded: Lab) -> None:
    """Who owns it is a matter of rights, and a swap keeps it; who made it is on record."""
    role = f"owner_{loaded.database}"
    loaded.pg(f"CREATE ROLE {role}; GRANT ALL ON SCHEMA raw TO {role};"
              + "".join(f"ALTER TABLE raw.{table} OWNER TO {role};" for table in NAMES))  # fmt: skip
    try:
        for table in NAMES:
            loaded.mysql(f"INSERT INTO {table} VALUES (1000, 1, '2024-02-01')")
        assert loaded.load(rules=RULES).summary.outcome == "done"
        assert loaded.pg("SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'raw'") == [(role,)]
    finally:
        loaded.pg(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}")


def test_ours_is_renamed_away_and_a_new_one_is_made_beside_it(loaded: Lab) -> None:
    """As a person does before a new beginning: the old one is nobody's business, its index keeps its name."""
    loaded.pg("ALTER TABLE raw.large RENAME TO large_2024; ALTER TABLE raw.small RENAME TO small_2024")
    done = loaded.load(rules=RULES)
    assert done.summary.failed == []
    assert (done.how("large"), done.how("small")) == ("create", "create")
    for _ in range(2):
        loaded.mysql("UPDATE large SET c = c + 1", "UPDATE small SET c = c + 1")
        assert loaded.load(rules=RULES).summary.failed == []
    assert loaded.differences("large") == loaded.differences("small") == []
    assert loaded.pg("SELECT count(*) FROM raw.large_2024") == [(200,)]


def test_a_ledger_of_a_later_bulketl_is_refused_and_stays_as_it_is(loaded: Lab) -> None:
    """What that version keeps in it this one would not write."""
    loaded.pg("COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version 99'")
    runs = loaded.pg("SELECT count(*) FROM bulketl.run")
    with pytest.raises(ConfigError) as refused:
        loaded.load(rules=RULES)
    assert "is of version 99, and this bulketl knows" in refused.value.message
    assert "install that version or a later one" in refused.value.hint
    assert loaded.pg("SELECT obj_description('bulketl'::regnamespace)") == [("bulketl's ledger, version 99",)]
    assert loaded.pg("SELECT count(*) FROM bulketl.run") == runs
