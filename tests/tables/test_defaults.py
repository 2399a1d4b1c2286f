"""Defaults as both servers tell them, and as Postgres prints the same."""

from __future__ import annotations

import pytest

from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.defaults import default_of

# Type, what MariaDB says and what MySQL says of its default, what MySQL says besides, the default in Postgres.
SAME = (
    ("int(11)", None, None, "", ""),
    ("int(11)", "NULL", None, "", ""),
    ("int(11)", "5", "5", "", "5"),
    ("int(11)", "-5", "-5", "", "'-5'::integer"),
    ("bigint(20)", "-5000000000", "-5000000000", "", "'-5000000000'::bigint"),
    ("decimal(8,2)", "-1.50", "-1.50", "", "'-1.50'::numeric"),
    ("double", "1000", "1000", "", "1000"),
    ("bit(1)", "b'1'", "b'1'", "", "true"),
    ("bit(3)", "b'101'", "b'101'", "", "5"),
    ("varchar(20)", "''", "", "", "''::character varying"),
    ("varchar(20)", "'NULL'", "NULL", "", "'NULL'::character varying"),
    ("varchar(20)", r"'it''s \\ \n'", "it's \\ \n", "", "'it''s \\ \n'::character varying"),
    ("varchar(20)", "'now()'", "now()", "", "'now()'::character varying"),
    ("enum('x','y')", "'y'", "y", "", "'y'::text"),
    ("date", "'2000-01-01'", "2000-01-01", "", "'2000-01-01'::date"),
    ("datetime", "'0001-01-01 00:00:00'", "0001-01-01 00:00:00", "", "'0001-01-01 00:00:00'::timestamp without time zone"),
    ("datetime(3)", "current_timestamp(3)", "CURRENT_TIMESTAMP(3)", "DEFAULT_GENERATED", "LOCALTIMESTAMP"),
    ("timestamp", "current_timestamp()", "CURRENT_TIMESTAMP", "", "LOCALTIMESTAMP"),
    ("time", "'08:00:00'", "08:00:00", "", "'08:00:00'::interval(0)"),
)
NONE = (
    ("date", "'0000-00-00'", "0000-00-00", "", "0000-00-00 is no date"),
    ("date", "curdate()", "curdate()", "DEFAULT_GENERATED", "it is an expression of MySQL"),
    ("varchar(36)", "uuid()", "uuid()", "DEFAULT_GENERATED", "it is an expression of MySQL"),
    ("timestamp", "'2000-01-01 00:00:00'", "2000-01-01 00:00:00", "", "it is a time in the zone of the source"),
    ("blob", "'x'", "x", "", "it has no equivalent of type bytea"),
)


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
@pytest.mark.parametrize("case", [*SAME, *NONE], ids=str)
def test_a_default_is_the_same_of_both_servers(case: tuple[str, str | None, str | None, str, str], kind: str) -> None:
    """Or there is none, and why."""
    declared, of_mariadb, of_mysql, extra, wanted = case
    mariadb = kind == "mariadb"
    default, besides = (of_mariadb, "") if mariadb else (of_mysql, extra)
    column = Column("c", declared, True, default, charset="utf8mb4", extra=besides)
    try:
        found = default_of(column, cast(column), mariadb=mariadb)
    except ValueError as error:
        found = str(error)
    assert found == wanted


def test_the_moment_of_now_is_an_instant_where_the_column_is_one() -> None:
    column = Column("c", "timestamp", True, "current_timestamp()")
    assert default_of(column, cast(column, "timestamptz"), mariadb=True) == "CURRENT_TIMESTAMP"
