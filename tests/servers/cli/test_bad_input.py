"""What goes wrong outside, through the command line: exit code, a message that names the object, nothing half visible."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab, execute
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner
from waiting import NEVER

import bulketl.tables.casts
from bulketl.cli.app import app
from bulketl.connections import retrying

NAME = "ä" * 40  # 40 characters for MySQL, 80 bytes for Postgres


@dataclass
class Ended:
    """How a command ended: exit code and the JSON document it printed."""

    code: int
    said: dict[str, Any]

    @property
    def text(self) -> str:
        return f"{self.said.get('message')} {self.said.get('hint')}"

    def table(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(table for table in self.said["tables"] if table["table"] == name)
        return found


def run(lab: Lab, *words: str, **changed: str) -> Ended:
    """Run `bulketl load --json` as a user does; `changed` replaces the source, the target or the schema."""
    environ = {"source": lab.source, "target": lab.target, "schema": lab.schema, **changed}
    variables = {f"BULKETL_{name.upper()}": value for name, value in environ.items()}
    done = CliRunner().invoke(app, ["load", "--json", *words], env=variables)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, json.loads(done.stdout))


@pytest.fixture
def two(maria_lab: Lab) -> Lab:
    """Two small tables, `good` and `bad`."""
    for name in ("good", "bad"):
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c varchar(40))", f"INSERT INTO {name} VALUES (1, 'x')")
    return maria_lab


@pytest.fixture
def reader(two: Lab) -> Iterator[tuple[str, str]]:
    """A source user without any right, and the URI it logs in with."""
    name = f"r_{secrets.token_hex(4)}"
    two.server.execute(f"CREATE USER '{name}'@'%'")
    yield name, two.server.database(two.database, name)
    two.server.execute(f"DROP USER '{name}'@'%'")


def nothing_happened(lab: Lab) -> bool:
    """Tell whether neither the target schema nor the staging schema has anything."""
    return not lab.tables() and not lab.staged()


def partly(lab: Lab, ended: Ended, *names: str) -> dict[str, Any]:
    """See that `bad` and only it failed with a message that has `names`, and that the rest is complete and nothing else."""
    assert ended.code == 3
    told = ended.table("bad")
    assert told["outcome"] == "failed"
    for name in ("bad", *names):
        assert name in told["message"], told["message"]
    assert told["hint"]
    assert ended.table("good")["outcome"] == "loaded"
    assert lab.differences("good") == []
    assert "bad" not in lab.tables()
    assert lab.staged() == []
    return told


def test_a_load_of_everything_that_is_fine_exits_with_0(two: Lab) -> None:
    """The baseline of the tests below."""
    assert run(two).code == 0
    assert two.differences("bad") == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_host_that_does_not_answer_is_named_within_ten_seconds(
    two: Lab, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pauses between attempts; nothing else is waited out: a closed port is an answer."""
    pauses = list[float]()
    monkeypatch.setattr(retrying.stopping, "wait", pauses.append)
    uri = {"source": "mysql://root@127.0.0.1:1/some", "target": "postgresql://me@127.0.0.1:1/some"}[side]
    began = time.monotonic()
    ended = run(two, **{side: uri})
    assert 0 < sum(pauses) < 10
    assert time.monotonic() - began < NEVER
    assert ended.code == 1
    assert "127.0.0.1:1/some" in ended.text
    assert f"BULKETL_{side.upper()}" in ended.said["hint"]
    assert nothing_happened(two)


def test_a_wrong_password_at_the_source_names_the_user(two: Lab) -> None:
    """The hint says where to correct it."""
    ended = run(two, source=two.server.database(two.database, "root", "wrong"))
    assert ended.code == 1
    assert "'root'" in ended.text
    assert "BULKETL_SOURCE" in ended.text
    assert nothing_happened(two)


def test_a_database_that_is_not_there_is_named(two: Lab) -> None:
    """On both sides."""
    source = run(two, source=two.server.database("t_nowhere"))
    target = run(two, target=make_conninfo(two.target, dbname="t_nowhere"))
    assert (source.code, target.code) == (1, 1)
    assert "t_nowhere" in source.said["message"]
    assert "t_nowhere" in target.said["message"]
    assert nothing_happened(two)


def test_a_table_that_is_not_there_is_a_wrong_request(two: Lab) -> None:
    """Exit code 2, and no other table of the request is loaded."""
    ended = run(two, "--tables", "good,nowhere")
    assert ended.code == 2
    assert "'nowhere'" in ended.text
    assert nothing_happened(two)


@pytest.mark.parametrize(
    "words", [["--tier", "urgent"], ["--schema", "bulketl"], ["--schema", "pg_x"], ["--schema", "bulketl_staging"]]
)
def test_a_request_that_cannot_be_meant_exits_with_2(two: Lab, words: list[str]) -> None:
    """A tier that does not exist, a schema that is taken."""
    ended = run(two, *words)
    assert ended.code == 2
    assert words[1] in ended.text
    assert nothing_happened(two)


def test_a_table_without_the_select_right_is_told_apart_from_one_that_is_not_there(
    two: Lab, reader: tuple[str, str]
) -> None:
    """A user with rights on one table sees that one; asking for the other says that rights may be missing."""
    two.server.execute(f"GRANT SELECT ON `{two.database}`.good TO '{reader[0]}'@'%'")
    assert run(two, source=reader[1]).code == 0
    assert two.tables() == {"good"}
    ended = run(two, "--tables", "bad", source=reader[1])
    assert ended.code == 2
    assert "'bad'" in ended.text
    assert "SELECT" in ended.text


def test_a_user_without_any_right_is_refused(two: Lab, reader: tuple[str, str]) -> None:
    """The server does not even let it into the database."""
    ended = run(two, source=reader[1])
    assert ended.code == 1
    assert reader[0] in ended.text
    assert "GRANT SELECT" in ended.text


def test_a_right_on_some_columns_only_refuses_the_table_and_names_the_columns(two: Lab, reader: tuple[str, str]) -> None:
    """Half a table is never loaded unasked."""
    name, uri = reader
    two.server.execute(f"GRANT SELECT ON `{two.database}`.good TO '{name}'@'%'")
    two.server.execute(f"GRANT SELECT (id), INSERT (c) ON `{two.database}`.bad TO '{name}'@'%'")
    partly(two, run(two, source=uri), "'c'")


def test_a_right_on_the_table_other_than_select_refuses_it(two: Lab, reader: tuple[str, str]) -> None:
    """A user who may write but not read."""
    name, uri = reader
    two.server.execute(f"GRANT SELECT ON `{two.database}`.good TO '{name}'@'%'")
    two.server.execute(f"GRANT INSERT ON `{two.database}`.bad TO '{name}'@'%'")
    partly(two, run(two, source=uri))


def test_a_column_of_a_type_that_no_rule_takes_refuses_its_table(two: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has column and type."""
    monkeypatch.setattr(bulketl.tables.casts, "RULES", tuple(r for r in bulketl.tables.casts.RULES if r.source != "inet6"))
    two.mysql("ALTER TABLE bad ADD address inet6")
    partly(two, run(two), "'address'", "'inet6'")


@pytest.mark.parametrize("column", ["xmin", "ctid", "ö" * 40])
def test_a_column_name_that_postgres_cannot_have_refuses_its_table(two: Lab, column: str) -> None:
    """System columns, and names above 63 bytes, which would be cut."""
    two.mysql(f"ALTER TABLE bad ADD `{column}` int")
    partly(two, run(two), column)


def test_table_names_that_postgres_would_cut_are_refused_and_two_that_collide_are_both_named(two: Lab) -> None:
    """80 bytes do not fit 63; the other tables are loaded."""
    two.mysql(f"CREATE TABLE {NAME}1 (id int)", f"CREATE TABLE {NAME}2 (id int)", "DROP TABLE bad")
    ended = run(two)
    assert ended.code == 3
    for one, other in ((f"{NAME}1", f"{NAME}2"), (f"{NAME}2", f"{NAME}1")):
        told = ended.table(one)
        assert told["outcome"] == "failed"
        assert one in told["message"]
        assert other in told["message"]
    assert two.tables() == {"good"}


@pytest.mark.parametrize("name", ["ü" * 31, "Mixed Case", 'quo"te', "per%cent", "select", "a;b", "$body$", "back`tick"])
def test_odd_names_of_tables_and_columns_are_kept(maria_lab: Lab, name: str) -> None:
    """Whatever both servers can have arrives under its own name, twice."""
    quoted = "`" + name.replace("`", "``") + "`"
    maria_lab.mysql(
        f"CREATE TABLE {quoted} (id int PRIMARY KEY, {quoted} varchar(9))", f"INSERT INTO {quoted} VALUES (1, 'x')"
    )
    for _ in range(2):
        assert run(maria_lab).code == 0
    assert maria_lab.tables() == {name}
    assert maria_lab.differences(name) == []


@pytest.mark.parametrize("rows", [3, 300], ids=["direct", "staged"])
def test_key_values_that_are_equal_after_nul_bytes_are_stripped_fail_their_table(
    two: Lab, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """The primary key says so; the message names the key, and nothing of the table is seen."""
    small_partitions(monkeypatch, 50)
    two.mysql("DROP TABLE bad", "CREATE TABLE bad (k varchar(20) COLLATE utf8mb4_bin PRIMARY KEY)")
    two.insert("bad", [(f"{n}",) for n in range(rows)])
    two.insert("bad", [("1\0",)])
    partly(two, run(two))


def test_a_value_that_does_not_fit_fails_its_table_and_the_hint_shows_the_rejects(two: Lab) -> None:
    """The command in the hint is one that works."""
    two.mysql("UPDATE bad SET c = '30:00:00'", "ALTER TABLE bad MODIFY c time")
    settings = two.config(casts=[{"column": "bad.c", "to": "time"}])
    assert settings.casts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bulketl.load_config", lambda *_, **__: settings)
        told = partly(two, run(two), "max_rejects")
        words = told["hint"].partition("` shows")[0].split()[1:]
        shown = CliRunner().invoke(app, [*words, "--json"])
    assert shown.exit_code == 0, shown.output
    assert [(row["key"], row["column"], row["value"]) for row in json.loads(shown.stdout)] == [({"id": 1}, "c", "30:00:00")]


@pytest.fixture
def writer(two: Lab) -> Iterator[str]:
    """The connection string of a target user without any right, in a database of its own that has no ledger."""
    name = f"w_{secrets.token_hex(4)}"
    for statement in (f"CREATE ROLE {name} LOGIN PASSWORD 'p'", f"CREATE DATABASE {name}"):
        two.pg(statement)
    yield make_conninfo(two.target, user=name, password="p", dbname=name)
    for statement in (f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}"):
        two.pg(statement)


def test_a_target_user_without_the_create_right_is_told_which_right_is_missing(two: Lab, writer: str) -> None:
    """Nothing is made."""
    ended = run(two, target=writer)
    assert ended.code == 1
    assert "may not create bulketl" in ended.text  # and validate says the same before
    assert "CREATE" in ended.text
    assert execute(writer, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'bulketl%'") == []


def test_a_target_user_with_the_create_right_on_the_database_needs_no_other(two: Lab, writer: str) -> None:
    """The least right that a load needs."""
    name = writer.partition("user=")[2].partition(" ")[0]
    two.pg(f"GRANT CREATE ON DATABASE {name} TO {name}")
    assert run(two, target=writer).code == 0
    assert run(two, target=writer).code == 0
    assert execute(writer, f"SELECT count(*) FROM {two.schema}.good") == [(1,)]


def test_a_table_that_belongs_to_somebody_else_fails_and_stays(two: Lab, writer: str) -> None:
    """The target user may not replace it; the others are loaded."""
    name = writer.partition("user=")[2].partition(" ")[0]
    two.pg(f"GRANT CREATE ON DATABASE {name} TO {name}")
    run(two, target=writer)
    admin = make_conninfo(two.target, dbname=name)
    execute(admin, f"ALTER TABLE {two.schema}.bad OWNER TO CURRENT_USER")
    two.mysql("UPDATE good SET c = 'y'")
    ended = run(two, target=writer)
    assert ended.code == 3
    assert (ended.table("good")["outcome"], ended.table("bad")["outcome"]) == ("loaded", "failed")
    assert "bad" in ended.table("bad")["message"]
    assert execute(admin, f"SELECT count(*) FROM {two.schema}.bad") == [(1,)]


def test_a_database_without_tables_says_so(maria_lab: Lab) -> None:
    """An empty request is a wrong one."""
    ended = run(maria_lab)
    assert ended.code == 2
    assert maria_lab.database in ended.text


def test_every_table_failing_exits_with_1(two: Lab) -> None:
    """Partly done is 3; nothing done is 1."""
    two.mysql("DROP TABLE good", "ALTER TABLE bad ADD xmin int")
    ended = run(two)
    assert ended.code == 1
    assert ended.said["outcome"] == "failed"
