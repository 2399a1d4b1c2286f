"""Whatever anybody has set for the role or the database of the target, a load writes what it would, or is refused.

Every parameter that Postgres says a session may have is given two other values by ALTER ROLE and by ALTER DATABASE, all that
an ordinary user may set at once, then those of a superuser.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from lab import Lab, execute
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bulketl.errors import BulketlError
from bulketl.postgres.server import Postgres
from bulketl.postgres.session import REQUIRED, SETTINGS, Driver, opened

WORDS = {
    "datestyle": ("SQL, DMY", "German"),
    "timezone": ("Asia/Tokyo", "America/Lima"),
    "client_encoding": ("LATIN1", "SQL_ASCII"),
    "search_path": ("pg_temp", "information_schema"),
    "lc_monetary": ("POSIX",),
    "lc_numeric": ("POSIX",),
    "lc_time": ("POSIX",),
    "timezone_abbreviations": ("Australia", "India"),
    "default_text_search_config": ("pg_catalog.german", "pg_catalog.english"),
    "application_name": ("a", "bulketl other other"),
    "restrict_nonsystem_relation_kind": ("view", "view, foreign-table"),
    "createrole_self_grant": ("set", "inherit"),
}
TIMEOUTS = ("2000", "1000")  # milliseconds, of which the first statement of a session takes one or two
# Where they are set, the load goes on as whoever set them wants, or Postgres says no to it.
MEANT = {
    "role": "says who owns what is made",
    "default_transaction_read_only": "protects a database from writers like us: the load is refused",
    "default_tablespace": "says where tables are kept",
    "temp_tablespaces": "says where temporary tables are kept",
    "default_table_access_method": "says how tables are kept",
    "default_toast_compression": "says how tables are kept",
    "local_preload_libraries": "loads code",
}
Other = dict[str, tuple[str, ...]]


def others(conninfo: str, context: str) -> Other:
    """Return two other values of each parameter of that context, listed from the server."""
    found: Other = {}
    rows = execute(
        conninfo,
        "SELECT lower(name), setting, vartype, min_val, max_val, enumvals FROM pg_settings WHERE context = %s",
        [context],
    )
    for name, now, kind, low, high, words in rows:
        if name in MEANT:
            continue
        if name in WORDS:
            found[name] = WORDS[name]
        elif name.endswith("_timeout"):
            found[name] = TIMEOUTS
        elif kind == "bool":
            found[name] = ("off" if now == "on" else "on",)
        elif kind == "enum":
            found[name] = tuple(word for word in words if word != now)[:2]
        elif kind in ("integer", "real"):
            numbers = (low, str(min(float(high), 2 * abs(float(now)) + 1)).removesuffix(".0"))
            found[name] = tuple(number for number in numbers if number != now)
    return found


@pytest.fixture
def writer(postgres: str) -> Iterator[tuple[str, str]]:
    """An ordinary user of the target, and its connection string."""
    name = f"w_{secrets.token_hex(4)}"
    execute(postgres, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    yield name, make_conninfo(postgres, user=name, password="pw")
    execute(postgres, f"REASSIGN OWNED BY {name} TO CURRENT_USER;"
                      f" DROP OWNED BY {name}; DROP ROLE {name}")  # fmt: skip


def _alter(postgres: str, whom: str, values: dict[str, str]) -> list[str]:
    """Set the parameters for the role or database; return those that the server refuses."""
    refused = []
    with psycopg.connect(postgres, autocommit=True) as connection:
        for name, value in values.items():
            try:
                statement = sql.SQL("ALTER {} SET {} TO {}")
                literal: Any = sql.SQL(value) if name == "search_path" else sql.Literal(value)
                connection.execute(statement.format(sql.SQL(whom), sql.Identifier(name), literal))
            except psycopg.Error:
                refused.append(name)
    return refused


def _shown(cursor: Any) -> list[tuple[Any, ...]]:
    """Return the values of the parameters that bulketl sets."""
    rows = cursor.execute(
        f"SELECT name, setting FROM pg_settings WHERE name IN ({', '.join(map(repr, SETTINGS))}) ORDER BY 1"
    )
    return list((rows or cursor).fetchall())


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("whom", ["ROLE {role}", "ROLE {role} IN DATABASE {database}"])
def test_no_parameter_of_the_target_changes_what_is_written(
    maria_lab: Lab, writer: tuple[str, str], whom: str, which: int
) -> None:
    """All at once, because the load is right in spite of all of them; over both drivers."""
    lab, (name, target) = maria_lab, writer
    lab.mysql(
        "CREATE TABLE every (id int PRIMARY KEY, a varchar(40), b varbinary(20), c datetime(6), d timestamp NULL, e double,"
        " f decimal(20,4), g json, h time(3), i float, j bigint unsigned, k decimal(65,30))",
        "INSERT INTO every VALUES (1, 'ä😀\\\\''', x'00ff5c', '2024-02-29 12:00:00.123456', '2024-07-01 00:00:00', 0.1, 1.5,"
        " '{\"a\": [1, null]}', '-12:00:00.5', 1.1, 18446744073709551615, 1.1)",
        "INSERT INTO every (id, a, b) VALUES (2, '', '')",
        "CREATE TABLE plain (id int PRIMARY KEY, a text)",
        "INSERT INTO plain VALUES (1, 'NULL'), (2, NULL)",
    )
    database = execute(lab.target, "SELECT current_database()")[0][0]
    given = others(lab.target, "user")
    values = {key: some[min(which, len(some) - 1)] for key, some in given.items() if some}
    refused = _alter(lab.target, whom.format(role=name, database=database), values)
    assert len(values) - len(refused) > 80, refused
    lab.pg(f"ALTER ROLE {name} SUPERUSER")  # the ledger is another's
    with Postgres(lab.target).connect() as clean:
        wanted = _shown(clean)
    drivers: tuple[Driver, ...] = ("psycopg", "adbc")
    for driver in drivers:
        with opened(target, driver) as connection, connection.cursor() as cursor:
            assert _shown(cursor) == wanted
    for _ in range(2):
        done = lab.load(target=target)
        assert {table: found.message for table, found in done.summary.tables.items() if found.outcome == "failed"} == {}
        assert lab.differences("every") == lab.differences("plain") == []
        lab.mysql("UPDATE every SET a = 'b' WHERE id = 1")


@pytest.mark.parametrize("parameter", sorted(REQUIRED))
def test_what_only_a_superuser_may_unset_refuses_the_target(maria_lab: Lab, writer: tuple[str, str], parameter: str) -> None:
    """A session that skips triggers, or takes damaged pages for empty ones, is none to load in."""
    name, target = writer
    other = "replica" if parameter == "session_replication_role" else "on"
    execute(maria_lab.target, f"ALTER ROLE {name} SET {parameter} = {other}")
    with pytest.raises(BulketlError, match=parameter), Postgres(target).connect():
        pass


def test_every_parameter_that_is_set_is_one_of_postgres(postgres: str) -> None:
    """A misspelt name would be passed over as one of another version."""
    known = {name.lower() for (name,) in execute(postgres, "SELECT name FROM pg_settings")}
    assert {name for name in SETTINGS if name.lower() not in known} <= {
        "transaction_timeout",
        "restrict_nonsystem_relation_kind",
    }
