"""The rights that `grants` prints suffice for every act, and are the least: each that is taken or added is named.

The rights are listed from the code that prints them, the columns of the ledger from the server.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab import Server, configure, execute
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl.config.config import Config
from bulketl.postgres.grants import Target, needed
from bulketl.postgres.ledger.readable import HIDDEN, READABLE
from bulketl.tables.rights import OWNER, ROLES, Held, Right, Role
from bulketl.verifying.verdicts import LEVELS

TARGET_ROLES: tuple[Role, ...] = ("loader", "dashboard", "analyst")
OLD = {"table_importance": "critical", "retention": {"keep": "7y", "by": "updated_at", "action": "archive"}}
BY_TIME = {"extraction_strategy": "incremental", "incremental_column": "updated_at"}
RULES: dict[str, Any] = {
    "small": {},
    "large": {
        "extraction_strategy": "incremental",
        "incremental_column": "updated_at",
        "deletes": "mirror",
        "consistency": "locked",
    },
    "chunked": {"extraction_strategy": "chunked_incremental", "incremental_column": "updated_at", "deletes": "mark"},
    "log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "updated_at"},
    "old": OLD,
    "bad": {"max_rejects": 10, "casts": {"flag": "boolean"}},
}


@dataclass(frozen=True)
class House:
    """A database on either side with users who have what `grants` prints, and the administrators of both."""

    server: Server
    database: str
    reader: str
    target: str  # for the administrator
    writer: str
    schema: str = "raw_data"

    def config(self, **more: Any) -> Config:
        """Return the configuration of these users."""
        source = self.server.database(self.database, self.reader, "pw")
        target = make_conninfo(self.target, user=self.writer, password="pw")
        return configure(source, target, self.schema, rules=RULES, **more)

    def mysql(self, *statements: str) -> None:
        """Execute statements at the source."""
        for statement in statements:
            self.server.execute(statement, database=self.database)

    def pg(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement in the target."""
        return execute(self.target, statement)

    def give(self, *roles: Role, **settings: Any) -> None:
        """Execute what `grants` prints."""
        for one in bulketl.grant(self.config(**settings), roles):
            for statement, _ in one.statements:
                statement = statement.replace("choose a password", "pw")
                self.mysql(statement) if one.role == "source" else self.pg(statement)

    def checked(self, role: Role) -> Held:
        """Return what `grants --check` finds of a role."""
        (found,) = bulketl.check_grants(self.config(), (role,))
        return found


@pytest.fixture(scope="module")
def house(mariadb: Server, postgres: str) -> Iterator[House]:
    """A house whose names need quoting, in which nobody has a right that was not given."""
    sign = secrets.token_hex(3)
    made = House(mariadb, f"cli_nic {sign}", f"rea'der{sign}", make_conninfo(postgres, dbname=f"dw{sign}"), f"Wri ter{sign}")
    mariadb.execute(f"CREATE DATABASE `{made.database}`")
    execute(postgres, f"CREATE DATABASE dw{sign}")
    made.pg(f"REVOKE ALL ON DATABASE dw{sign} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
    columns = "id int PRIMARY KEY, updated_at datetime(3) NOT NULL, c varchar(20), flag int, KEY (updated_at)"
    for table in RULES:
        engine = "MyISAM" if table == "large" else "InnoDB"
        made.mysql(
            f"CREATE TABLE `{table}` ({columns}) ENGINE={engine}",
            f"INSERT INTO `{table}` SELECT seq, NOW() - INTERVAL seq SECOND, seq, seq % 2 FROM seq_1_to_300",
        )
    made.mysql("CREATE VIEW seen AS SELECT id FROM small", "INSERT INTO old VALUES (1000, '2001-01-01', 'x', 0)")
    made.mysql("INSERT INTO bad VALUES (1000, NOW(), 'x', 7)")
    made.give("source", "loader")
    yield made
    mariadb.execute(f"DROP DATABASE `{made.database}`")
    execute(postgres, f"DROP DATABASE dw{sign} WITH (FORCE)")
    for role in (f'"{made.writer}"', "bulketl_dashboard", "bulketl_analyst"):
        execute(postgres, f"DROP ROLE IF EXISTS {role}")


@pytest.fixture(scope="module")
def loaded(house: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The same, after every act was done once by users who have these rights and no others."""
    live(house, tmp_path_factory.mktemp("kept"))
    house.give("dashboard", "analyst")
    return house


def live(house: House, folder: Path) -> None:
    """Do every act of bulketl."""
    config = house.config()
    assert bulketl.propose(config)
    assert not [one.message for one in bulketl.validate(config) if one.severity == "error"]
    config = house.config(certify=True)
    plan = bulketl.make_plan(config)
    assert bulketl.statements(config, plan)
    assert not bulketl.load(config, plan).failed
    for table in RULES:  # changes of every kind
        house.mysql(
            f"INSERT INTO `{table}` SELECT seq, NOW(3), 'new', 1 FROM seq_2001_to_2040",
            *([] if table == "log" else [f"DELETE FROM `{table}` WHERE id = 7",
                                         f"UPDATE `{table}` SET c = 'other', updated_at = NOW(3) WHERE id = 9"]),
        )  # fmt: skip
    house.mysql("ALTER TABLE small ADD d int, MODIFY c varchar(40)")
    assert not bulketl.load(config, bulketl.make_plan(config)).failed
    again = bulketl.make_plan(config, tables=("large", "chunked"), since="2001-01-01", until="2100-01-01")
    assert not bulketl.load(config, again).failed
    for level in LEVELS:
        bulketl.verify(config, level=level)
    house.pg(f"DELETE FROM {house.schema}.small WHERE id = 5")
    bulketl.verify(config, tables=("small",), level="rows", repair=True)
    house.mysql("UPDATE bad SET flag = 1 WHERE id = 1000")
    assert bulketl.list_rejects(config)
    assert bulketl.retry_rejects(config)
    assert bulketl.retain_tables(config, (), folder)
    assert bulketl.why(config, "small", 3)
    assert bulketl.certificate(config)
    assert bulketl.states(config)
    assert bulketl.verify_audit(config)
    bulketl.compare_history(config)
    bulketl.reset(config, ["small"])
    assert not bulketl.load(config, bulketl.make_plan(config)).failed


def test_every_act_works_with_exactly_these_rights(loaded: House) -> None:
    """All acts are done by the fixture; what they need is what is checked for, and nothing more."""
    for role in ROLES:
        found = loaded.checked(role)
        assert (found.missing, found.excess) == ((), ()), (role, [*map(str, found.missing)], [*map(str, found.excess)])


def test_every_column_of_the_ledger_is_readable_or_hidden_for_a_reason(loaded: House) -> None:
    """A new one is granted to nobody until somebody has thought about it."""
    rows = loaded.pg(
        "SELECT relname, attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0"
        " WHERE relnamespace = 'bulketl'::regnamespace AND relkind IN ('r', 'v') AND NOT attisdropped"
    )
    known = [(table, column) for table, names in (*READABLE.items(), *HIDDEN.items()) for column in names]
    assert sorted(rows) == sorted(known)


def refused(house: House, user: str, statement: str) -> bool:
    """Tell whether a user is not let do something."""
    try:
        with psycopg.connect(house.target) as connection:
            connection.execute(f"SET ROLE {user}".encode())
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_a_dashboard_reads_no_value_of_any_row(loaded: House) -> None:
    """Of each table what is readable, and of no table what is not, nor the tables themselves."""
    for table, names in READABLE.items():
        assert not refused(loaded, "bulketl_dashboard", f"SELECT {', '.join(names)} FROM bulketl.{table}")
    for table, hidden in HIDDEN.items():
        for column in hidden:
            assert refused(loaded, "bulketl_dashboard", f"SELECT {column} FROM bulketl.{table}")
    assert refused(loaded, "bulketl_dashboard", f"SELECT 1 FROM {loaded.schema}.small")
    assert refused(loaded, "bulketl_analyst", "SELECT 1 FROM bulketl.run")
    assert not refused(loaded, "bulketl_analyst", f"SELECT * FROM {loaded.schema}.small")
    assert refused(loaded, "bulketl_analyst", f"DELETE FROM {loaded.schema}.small")


@pytest.mark.parametrize("role", TARGET_ROLES)
def test_each_right_that_is_taken_from_a_role_of_the_target_is_named(loaded: House, role: Role) -> None:
    """The rights come from the list that is printed; each is taken, found missing alone, and given back."""
    user = loaded.checked(role).user
    database = loaded.pg("SELECT current_database()")[0][0]
    for right in needed(Target(database, loaded.schema, loaded.writer), role):
        take, give = taken(right, f'"{user}"')
        if right.privilege == "CONNECT" and role == "loader":
            continue  # nobody could ask then; the message of the server says it
        loaded.pg(take)
        try:
            found = loaded.checked(role)
        finally:
            loaded.pg(give)
        assert right.kind == "tables in schema" or right in found.missing, right
        assert found.missing, right


def taken(right: Right, user: str) -> tuple[str, str]:
    """Return the statements that take a right away, and that give it back."""
    names = [f'"{part}"' for part in right.on]
    if right.privilege == OWNER:
        return f"ALTER SCHEMA {names[0]} OWNER TO CURRENT_USER", f"ALTER SCHEMA {names[0]} OWNER TO {user}"
    if right.kind == "column":
        what = f"{right.privilege} ({names[2]}) ON {names[0]}.{names[1]}"
    elif right.kind == "tables to come in schema":
        start = f"ALTER DEFAULT PRIVILEGES FOR ROLE {names[1]} IN SCHEMA {names[0]}"
        return f"{start} REVOKE SELECT ON TABLES FROM {user}", f"{start} GRANT SELECT ON TABLES TO {user}"
    elif right.kind == "tables in schema":
        what = f"{right.privilege} ON {names[0]}.small"
    else:
        what = f"{right.privilege} ON {right.kind} {names[0]}"
    return f"REVOKE {what} FROM {user}", f"GRANT {what} TO {user}"


X, F = "CREATE TABLE public.x (a int, b int)", "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
FAR = f"{X}; GRANT SELECT ON public.x TO far; GRANT far TO via WITH INHERIT FALSE"
COMING = "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
ADDED = [
    ("ALTER ROLE {u} CREATEDB", "ALTER ROLE {u} NOCREATEDB", "CREATEDB on server"),
    ("ALTER ROLE {u} CREATEROLE", "ALTER ROLE {u} NOCREATEROLE", "CREATEROLE on server"),
    ("ALTER ROLE {u} SUPERUSER", "ALTER ROLE {u} NOSUPERUSER", "SUPERUSER on server"),
    ("ALTER ROLE {u} BYPASSRLS", "ALTER ROLE {u} NOBYPASSRLS", "BYPASSRLS on server"),
    ("ALTER ROLE {u} REPLICATION", "ALTER ROLE {u} NOREPLICATION", "REPLICATION on server"),
    ("GRANT pg_read_all_data TO {u}", "REVOKE pg_read_all_data FROM {u}", "MEMBER on role pg_read_all_data"),
    ("GRANT CREATE ON DATABASE {d} TO {u}", "REVOKE CREATE ON DATABASE {d} FROM {u}", "CREATE on database {d}"),
    ("CREATE SCHEMA other AUTHORIZATION {u}", "DROP SCHEMA other", "OWNER on schema other"),
    ("CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO {u}", "DROP SCHEMA other", "USAGE on schema other"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "CREATE on schema public"),
    (f"{X}; GRANT INSERT ON public.x TO {{u}}", "DROP TABLE public.x", "INSERT on table public.x"),
    (f"{X}; GRANT SELECT ON public.x TO PUBLIC", "DROP TABLE public.x", "SELECT on table public.x"),
    (f"{X}; GRANT UPDATE (a) ON public.x TO {{u}}", "DROP TABLE public.x", "UPDATE on column public.x.a"),
    ("CREATE SEQUENCE public.x; GRANT USAGE ON SEQUENCE public.x TO {u}", "DROP SEQUENCE public.x",
     "USAGE on sequence public.x"),
    (f"CREATE ROLE via; {X}; GRANT SELECT ON public.x TO via; GRANT via TO {{u}}", "DROP TABLE public.x; DROP ROLE via",
     "SELECT on table public.x"),
    ("CREATE ROLE via CREATEROLE; GRANT via TO {u} WITH INHERIT FALSE", "DROP ROLE via", "CREATEROLE on server"),
    ("CREATE ROLE via; GRANT via TO {u} WITH ADMIN OPTION", "DROP ROLE via", "ADMIN OPTION on role via"),
    (f"CREATE ROLE via; {X}; GRANT SELECT ON public.x TO via; GRANT via TO {{u}} WITH INHERIT FALSE",
     "DROP TABLE public.x; DROP ROLE via", "SELECT on table public.x"),
    (f"CREATE ROLE via; {X}; GRANT SELECT ON public.x TO via; GRANT via TO {{u}} WITH SET FALSE",
     "DROP TABLE public.x; DROP ROLE via", "SELECT on table public.x"),
    (f"CREATE ROLE via; CREATE ROLE far; {FAR}; GRANT via TO {{u}}", "DROP TABLE public.x; DROP ROLE via; DROP ROLE far",
     "SELECT on table public.x"),
    ("GRANT CONNECT ON DATABASE {d} TO {u} WITH GRANT OPTION",
     "REVOKE GRANT OPTION FOR CONNECT ON DATABASE {d} FROM {u}", "CONNECT WITH GRANT OPTION on database {d}"),
    (f"{F}; GRANT EXECUTE ON FUNCTION public.f TO {{u}}", "DROP FUNCTION public.f", "rights on thing function public.f()"),
    ("CREATE TYPE public.k AS ENUM ('a'); ALTER TYPE public.k OWNER TO {u}", "DROP TYPE public.k",
     "OWNER on thing type public.k"),
    ("SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO {u}", "SELECT lo_unlink(4711)",
     "rights on thing large object 4711"),
    ("GRANT SET ON PARAMETER log_statement TO {u}", "REVOKE SET ON PARAMETER log_statement FROM {u}",
     "rights on thing parameter log_statement"),
    (f"{COMING} GRANT INSERT ON TABLES TO {{u}}", f"{COMING} REVOKE INSERT ON TABLES FROM {{u}}",
     "INSERT on tables to come in schema public"),
]  # fmt: skip


@pytest.mark.parametrize("role", TARGET_ROLES)
@pytest.mark.parametrize(("add", "undo", "told"), ADDED, ids=[told for *_, told in ADDED])
def test_each_right_that_a_role_of_the_target_has_beyond_is_named(
    loaded: House, role: Role, add: str, undo: str, told: str
) -> None:
    """Of whatever kind, of its own, by a role, or by PUBLIC; and nothing else is."""
    given = {"u": f'"{loaded.checked(role).user}"', "d": loaded.pg("SELECT current_database()")[0][0]}
    loaded.pg(add.format(**given))
    try:
        found = loaded.checked(role)
    finally:
        loaded.pg(undo.format(**given))
    said = [str(right) for right in found.excess]
    assert any(line.startswith(told.format(**given)) for line in said), said
    assert not found.missing
    assert len(said) <= 2, said
    assert loaded.checked(role).exact


UNREACHED = [
    f"CREATE ROLE via; {X}; GRANT SELECT ON public.x TO via; GRANT via TO {{u}} WITH INHERIT FALSE, SET FALSE",
    f"CREATE ROLE via CREATEROLE; {X}; GRANT via TO {{u}} WITH SET FALSE",
    f"CREATE ROLE via CREATEDB; CREATE ROLE far; {X}; GRANT via TO far; GRANT far TO {{u}} WITH SET FALSE",
]


@pytest.mark.parametrize("role", TARGET_ROLES)
@pytest.mark.parametrize("add", UNREACHED)
def test_what_a_role_of_the_target_cannot_come_by_is_not_said_of_it(loaded: House, role: Role, add: str) -> None:
    """Rights of a role that it neither inherits nor can take on; an attribute of one that it cannot take on."""
    loaded.pg(add.format(u=f'"{loaded.checked(role).user}"'))
    try:
        assert loaded.checked(role).exact, loaded.checked(role).excess
    finally:
        loaded.pg("DROP TABLE public.x; DROP ROLE via; DROP ROLE IF EXISTS far")


@pytest.mark.parametrize("role", TARGET_ROLES)
@pytest.mark.parametrize(("how", "has"), [("", True), ("WITH SET FALSE", True), ("WITH INHERIT FALSE", False)])
def test_a_right_that_a_role_of_the_target_has_by_another_role_counts_where_it_is_inherited(
    loaded: House, role: Role, how: str, has: bool
) -> None:
    """Where it has to be taken on first, it is missing; it is none too many either way."""
    database = loaded.pg("SELECT current_database()")[0][0]
    user = f'"{loaded.checked(role).user}"'
    rights = needed(Target(database, loaded.schema, loaded.writer), role)
    right = next(one for one in rights if one.kind == "schema" and one.privilege != OWNER)
    take, give = taken(right, user)
    loaded.pg(f"CREATE ROLE via; {give.replace(user, 'via')}; GRANT via TO {user} {how}; {take}")
    try:
        found = loaded.checked(role)
    finally:
        loaded.pg(f"{give}; {take.replace(user, 'via')}; DROP ROLE via")
    assert (list(found.missing), found.excess) == ([] if has else [right], ())


def test_a_dashboard_can_ask_how_tables_stand_and_which_runs_there_were(loaded: House) -> None:
    """With what it may read: messages without the words of a server, and no watermarks."""
    role = dataclasses.replace(loaded, writer="bulketl_dashboard")
    loaded.pg("ALTER ROLE bulketl_dashboard LOGIN PASSWORD 'pw'")
    all_of_it, some = bulketl.status(loaded.config()), bulketl.status(role.config())
    assert [(one.table, one.word) for one in some.tables] == [(one.table, one.word) for one in all_of_it.tables]
    assert {one.lag.newest for one in some.tables} == {""}
    assert "not for this role to read" in {one.table: one.lag.unknown for one in some.tables}["large"]
    assert [one.run for one in bulketl.runs(role.config())] == [one.run for one in bulketl.runs(loaded.config())]
    assert bulketl.timeline(role.config()).recorded
    assert bulketl.nights(role.config(), "small").nights


def test_what_a_dashboard_or_an_analyst_has_of_the_others_is_named(loaded: House) -> None:
    """Each hidden column, a whole table of the ledger, a table of rows; and the right to write where reading is meant."""
    for table, hidden in HIDDEN.items():
        for column in hidden:
            loaded.pg(f"GRANT SELECT ({column}) ON bulketl.{table} TO bulketl_dashboard")
            found = loaded.checked("dashboard")
            loaded.pg(f"REVOKE SELECT ({column}) ON bulketl.{table} FROM bulketl_dashboard")
            assert [str(one) for one in found.excess] == [f"SELECT on column bulketl.{table}.{column}"]
    extra: list[tuple[Role, str]] = [
        ("dashboard", "SELECT ON bulketl.reject"), ("dashboard", f"SELECT ON {loaded.schema}.small"),
        ("analyst", f"UPDATE ON {loaded.schema}.small"), ("analyst", "SELECT ON bulketl.run"),
    ]  # fmt: skip
    for role, what in extra:
        loaded.pg(f"GRANT {what} TO bulketl_{role}")
        found = loaded.checked(role)
        loaded.pg(f"REVOKE {what} FROM bulketl_{role}")  # of its columns, too
        for one in bulketl.grant(loaded.config(), (role,)):
            for statement, _ in one.statements:
                loaded.pg(statement) if statement.startswith("GRANT SELECT") else None
        assert [str(one) for one in found.excess] == [what.replace(" ON ", " on table ")]


def test_a_role_that_is_not_there_lacks_everything(loaded: House) -> None:
    """Where it is asked for; else nothing is said of it."""
    loaded.pg("ALTER ROLE bulketl_analyst RENAME TO somebody")
    try:
        assert not loaded.checked("analyst").there
        assert "analyst" not in [one.role for one in bulketl.check_grants(loaded.config())]
    finally:
        loaded.pg("ALTER ROLE somebody RENAME TO bulketl_analyst")


def test_a_ledger_of_somebody_elses_is_told(loaded: House) -> None:
    """And a table that somebody else owns now, which the next load would alter."""
    loaded.pg(f"ALTER TABLE bulketl.run OWNER TO CURRENT_USER; ALTER TABLE {loaded.schema}.small OWNER TO CURRENT_USER")
    try:
        found = [str(right) for right in loaded.checked("loader").missing]
    finally:
        loaded.pg(f'ALTER TABLE bulketl.run OWNER TO "{loaded.writer}"')
        loaded.pg(f'ALTER TABLE {loaded.schema}.small OWNER TO "{loaded.writer}"')
    assert "INSERT on table bulketl.run" in found
    assert f"OWNER on table {loaded.schema}.small" in found
