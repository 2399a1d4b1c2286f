"""What is out of view is not gone: a right that was taken away fails its table, and never empties a column or loses a table.

Every level at which SELECT can be granted gives a user of the source its rights, then something is dropped, or the right is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from lab import Done, Lab, configure, load
from typer.testing import CliRunner

import bulketl
from bulketl import Config
from bulketl.cli.app import app
from bulketl.mysql import discover
from bulketl.mysql.server import MySQL
from bulketl.operations import rejects

NO_COLUMN = 1054
# By its name: statements that give {u} the right to read {d}, and those that take it away; {r} and {q} are roles.
BOTH = {
    "global": (["GRANT SELECT ON *.* TO {u}"], ["REVOKE SELECT ON *.* FROM {u}"]),
    "database": (["GRANT SELECT ON `{d}`.* TO {u}"], ["REVOKE SELECT ON `{d}`.* FROM {u}"]),
    "database, all": (["GRANT ALL ON `{d}`.* TO {u}"], ["REVOKE ALL ON `{d}`.* FROM {u}"]),
    "pattern": (["GRANT SELECT ON `{p}%`.* TO {u}"], ["REVOKE SELECT ON `{p}%`.* FROM {u}"]),
    "table": (
        ["GRANT SELECT ON `{d}`.t TO {u}", "GRANT SELECT, INSERT ON `{d}`.u TO {u}"],
        ["REVOKE SELECT ON `{d}`.t FROM {u}", "REVOKE SELECT, INSERT ON `{d}`.u FROM {u}"],
    ),
    "table, all": (
        ["GRANT ALL ON `{d}`.t TO {u}", "GRANT ALL ON `{d}`.u TO {u}"],
        ["REVOKE ALL ON `{d}`.t FROM {u}", "REVOKE ALL ON `{d}`.u FROM {u}"],
    ),
    "role": (["GRANT SELECT ON `{d}`.* TO {r}", "GRANT {r} TO {u}", "{default}"], ["REVOKE {r} FROM {u}"]),
    "role of a role, table": (
        ["GRANT SELECT ON `{d}`.t TO {q}", "GRANT SELECT ON `{d}`.u TO {q}", "GRANT {q} TO {r}", "GRANT {r} TO {u}",
         "{default}"],
        ["REVOKE {q} FROM {r}"],
    ),
    "role that is active no more": (
        ["GRANT SELECT ON `{d}`.* TO {r}", "GRANT {r} TO {u}", "{default}"], ["{inactive}"],
    ),
}  # fmt: skip
ONLY: dict[str, dict[str, tuple[list[str], list[str]]]] = {
    "mariadb": {"public": (["GRANT SELECT ON `{d}`.* TO PUBLIC"], ["REVOKE SELECT ON `{d}`.* FROM PUBLIC"])},
    "mysql": {},
}
# Where each server keeps what a user may do, and which of the levels above stand for it.
LEVELS = {
    "user": "global", "global_priv": "global", "global_grants": "global", "db": "database", "tables_priv": "table",
    "columns_priv": "single columns", "roles_mapping": "role", "role_edges": "role", "default_roles": "role",
    "procs_priv": "", "proxies_priv": "",  # of routines; of who logs in as whom, which the server has settled by then
    "password_history": "",
}  # fmt: skip


class User:
    """A user of the source who may read a table of its own and nothing else, yet."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.name = lab, f"v_{secrets.token_hex(4)}"
        self.roles = f"{self.name}_r", f"{self.name}_q"
        maria = lab.server.kind == "mariadb"
        r, q = self.roles
        self.words = {
            "d": lab.database, "p": lab.database.replace("_", "\\_")[:-2], "u": f"'{self.name}'@'%'", "r": r, "q": q,
            "default": f"SET DEFAULT ROLE {r} {'FOR' if maria else 'TO'} '{self.name}'@'%'",
            "inactive": f"SET DEFAULT ROLE NONE {'FOR' if maria else 'TO'} '{self.name}'@'%'",
        }  # fmt: skip
        self.run("CREATE USER {u}", "CREATE ROLE {r}", "CREATE ROLE {q}")
        lab.mysql("CREATE TABLE own (id int PRIMARY KEY)")
        self.run("GRANT SELECT ON `{d}`.own TO {u}")

    def run(self, *statements: str) -> None:
        """Execute statements as administrator."""
        for statement in statements:
            self.lab.server.execute(statement.format(**self.words))

    def config(self, **overrides: Any) -> Config:
        """Return the configuration of a load as this user."""
        return configure(self.uri, self.lab.target, self.lab.schema, **overrides)

    @property
    def uri(self) -> str:
        return self.lab.server.database(self.lab.database, self.name)

    def is_told(self) -> bool:
        """Tell whether the server says to this user, who has rights on single columns, that another is not there."""
        with MySQL(self.uri).connect() as cursor, pytest.raises(pymysql.MySQLError) as refused:
            cursor.execute("SELECT nowhere FROM t LIMIT 0")
        return bool(refused.value.args[0] == NO_COLUMN)

    def load(self, **overrides: Any) -> Done:
        """Load as this user."""
        return load(self.config(**overrides))

    def command(self, *words: str) -> tuple[int, str]:
        """Run a command as this user; return its exit code, and all it printed in one line."""
        environ = {"BULKETL_SOURCE": self.uri, "BULKETL_TARGET": self.lab.target, "BULKETL_SCHEMA": self.lab.schema}
        done = CliRunner().invoke(app, list(words), env=environ)
        return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def user(lab: Lab) -> Iterator[User]:
    """A user, and two tables it has no right on yet."""
    made = User(lab)
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int)", "INSERT INTO t VALUES (1, 10, 100), (2, 20, 200)",
        "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)",
    )  # fmt: skip
    yield made
    made.run("DROP USER {u}", "DROP ROLE {r}", "DROP ROLE {q}")


@pytest.fixture
def columns(user: User) -> User:
    """The user with rights on each column, and both tables loaded."""
    user.run("GRANT SELECT (id, a, b) ON `{d}`.t TO {u}", "GRANT SELECT (id) ON `{d}`.u TO {u}")
    assert user.load().summary.outcome == "done"
    return user


def failed(done: Done) -> dict[str, str]:
    return {table.table: table.message for table in done.summary.failed}


def values(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.pg("SELECT id, a, b FROM {s}.t ORDER BY 1")


def levels(lab: Lab) -> dict[str, tuple[list[str], list[str]]]:
    return {**BOTH, **ONLY[lab.server.kind]}


def test_every_place_where_a_server_keeps_rights_is_among_the_levels(lab: Lab) -> None:
    """Listed from the server."""
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mysql'"
    words = ("priv", "role", "grants", "proxies", "user", "db")
    kept = {name for (name,) in lab.server.execute(query) if any(word in name.split("_") for word in words)}
    assert kept - {"innodb_table_stats"} <= LEVELS.keys()
    assert {level for level in LEVELS.values() if level} - {"single columns"} <= levels(lab).keys()


@pytest.mark.parametrize("level", [*BOTH, "public"])
def test_what_is_dropped_is_gone_to_whoever_may_read_the_table(user: User, level: str) -> None:
    """Whatever gives the right; the target keeps the table, and the column without its values."""
    if level not in levels(user.lab):
        pytest.skip("this server has no such level")
    user.run(*levels(user.lab)[level][0])
    try:
        assert user.load().summary.outcome == "done"
        user.lab.mysql("ALTER TABLE t DROP COLUMN b", "DROP TABLE u")
        done = user.load()
        assert (done.summary.outcome, failed(done)) == ("done", {})
        assert done.summary.tables["u"].outcome == "skipped"
        assert values(user.lab) == [(1, 10, None), (2, 20, None)]
        assert user.lab.pg("SELECT count(*) FROM {s}.u") == [(1,)]
    finally:
        user.run(*levels(user.lab)[level][1])


@pytest.mark.parametrize("level", [*BOTH, "public"])
def test_a_table_whose_right_is_lost_fails_and_stays_as_it_was(user: User, level: str) -> None:
    """It is known from an earlier load alone; by its tier it makes the exit code."""
    if level not in levels(user.lab):
        pytest.skip("this server has no such level")
    user.run(*levels(user.lab)[level][0])
    before = user.load()
    user.run(*levels(user.lab)[level][1])
    assert before.summary.outcome == "done"
    done = user.load()
    assert failed(done).keys() == {"t", "u"}
    assert all("not in view" in message for message in failed(done).values())
    assert values(user.lab) == [(1, 10, 100), (2, 20, 200)]
    assert user.command("load")[0] == 3
    assert user.load(rules={"t": {"exclude": True}, "u": {"exclude": True}}).summary.outcome == "done"


def test_a_critical_table_out_of_view_makes_the_exit_code_1(user: User, tmp_path: Path) -> None:
    """Also one that was never loaded, and that only the rules name; all tables too."""
    rules = tmp_path / "tables.yaml"
    rules.write_text("source_tables: {t: {table_importance: critical}}")
    code, said = user.command("load", "--rules", str(rules))
    assert (code, "'t' is known and not in view" in said) == (1, True)
    code, said = user.command("load", "--rules", str(rules), "--tables", "t")
    assert (code, "grant SELECT on the whole table" in said) == (1, True)
    assert user.command("load", "--rules", str(rules), "--exclude", "t")[0] == 0


def test_a_column_whose_right_is_lost_fails_the_table_and_keeps_its_values(columns: User) -> None:
    """`dropped_columns` says nothing about it, and a person ends it with `exclude_columns`."""
    columns.run("REVOKE SELECT (b) ON `{d}`.t FROM {u}")
    for overrides in ({}, {"dropped_columns": "drop"}, {"rules": {"t": {"table_importance": "audit"}}}):
        message = failed(columns.load(**overrides))["t"]
        assert message.startswith("column 'b' of table 't' is known and not in view at the source: this user has no right")
        assert values(columns.lab) == [(1, 10, 100), (2, 20, 200)]
    rules = {"t": {"exclude_columns": ["b"]}}
    for _ in range(2):
        assert columns.load(rules=rules).summary.outcome == "done"
    assert columns.lab.pg("SELECT * FROM {s}.t ORDER BY 1") == [(1, 10), (2, 20)]


def test_with_rights_on_columns_only_a_dropped_column_is_gone_or_cannot_be_told_and_fails_the_table(columns: User) -> None:
    """Some servers tell whoever has rights on other columns; elsewhere until somebody may read the table."""
    columns.lab.mysql("ALTER TABLE t DROP COLUMN b")
    if not columns.is_told():
        assert "single columns only" in failed(columns.load())["t"]
        assert values(columns.lab) == [(1, 10, 100), (2, 20, 200)]
        columns.run("GRANT SELECT ON `{d}`.t TO {u}")
    assert columns.load().summary.outcome == "done"
    assert values(columns.lab) == [(1, 10, None), (2, 20, None)]


def test_with_rights_on_columns_only_a_dropped_table_cannot_be_told(columns: User) -> None:
    """The rights on its columns outlive it."""
    columns.lab.mysql("DROP TABLE u")
    assert "single columns only" in failed(columns.load())["u"]


@pytest.mark.parametrize(
    "rule", [{}, {"extraction_strategy": "incremental", "incremental_column": "id"}], ids=["whole", "part"]
)
@pytest.mark.parametrize("lost", ["id", "a, b"])
def test_a_key_or_a_cursor_out_of_view_fails_the_table(columns: User, rule: dict[str, object], lost: str) -> None:
    """Else its rows would have no key, or a column less."""
    columns.lab.mysql("INSERT INTO t VALUES (3, 30, 300)")
    columns.run(f"REVOKE SELECT ({lost}) ON `{{d}}`.t FROM {{u}}")
    assert "not in view" in failed(columns.load(rules={"t": rule}))["t"]
    assert values(columns.lab) == [(1, 10, 100), (2, 20, 200)]


def test_a_key_that_was_seen_and_is_not_any_more_fails_the_table(columns: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """As servers do that show no index to whoever has rights on columns only, were they all of the table's."""
    monkeypatch.setattr(discover, "_KEYS", f"{discover._KEYS} LIMIT 0")
    wanted = "has the key none at the source" if columns.is_told() else "the primary key of table 't' is not in view"
    assert wanted in failed(columns.load())["t"]
    assert columns.load(rules={name: {"primary_key": ["id"]} for name in ("own", "t", "u")}).summary.outcome == "done"


def revoke_column(user: User) -> None:
    user.run("REVOKE SELECT (b) ON `{d}`.t FROM {u}")


def revoke_table(user: User) -> None:
    user.run("REVOKE SELECT (id, a, b) ON `{d}`.t FROM {u}")


LOSSES = pytest.mark.parametrize("lose", [revoke_column, revoke_table])


@LOSSES
def test_a_right_that_is_lost_between_plan_and_read_fails_the_table(columns: User, lose: Callable[[User], None]) -> None:
    """It loses no column, and the others are loaded."""
    columns.lab.mysql("INSERT INTO t VALUES (3, 30, 300)", "INSERT INTO u VALUES (2)")
    plan = bulketl.make_plan(columns.config())
    lose(columns)
    done = load(columns.config(), plan=plan)
    assert failed(done).keys() == {"t"}
    assert values(columns.lab) == [(1, 10, 100), (2, 20, 200)]
    assert columns.lab.pg("SELECT count(*) FROM {s}.u") == [(2,)]


@LOSSES
def test_nothing_is_called_equal_or_well_that_is_out_of_view(columns: User, lose: Callable[[User], None]) -> None:
    """Neither by verify at any level, nor by validate, plan and history."""
    lose(columns)
    for level in ("count", "sums", "keys", "rows"):
        code, said = columns.command("verify", "--level", level)
        assert (code, "not in view" in said) == (1, True)
    assert columns.command("verify", "--repair")[0] == 1
    code, said = columns.command("validate")
    assert (code, "not in view" in said) == (2, True)
    assert "not in view" in columns.command("plan")[1]
    assert values(columns.lab) == [(1, 10, 100), (2, 20, 200)]
    history = bulketl.compare_history(columns.config())
    assert next(table for table in history.tables if table.table == "t").outcome == "error"


@LOSSES
def test_a_run_is_not_resumed_when_what_it_has_left_is_out_of_view(columns: User, lose: Callable[[User], None]) -> None:
    """As when it was changed."""
    columns.lab.mysql("INSERT INTO t VALUES (3, 30, 300)")
    plan = bulketl.make_plan(columns.config())
    bulketl.load(columns.config(), plan, closed=lambda: True)
    lose(columns)
    with pytest.raises(bulketl.PlanError, match="not in view"):
        bulketl.resume(columns.config())


def test_a_resumed_run_still_says_which_tables_it_refused(columns: User) -> None:
    """And ends as the run would have."""
    columns.lab.mysql("INSERT INTO u VALUES (2)")
    revoke_column(columns)
    assert bulketl.load(columns.config(), bulketl.make_plan(columns.config()), closed=lambda: True).outcome == "stopped"
    summary = bulketl.resume(columns.config())
    assert {table.table: table.outcome for table in summary.tables.values()} == {"t": "failed", "u": "loaded"}


@LOSSES
def test_discover_forgets_nothing_that_is_out_of_view(columns: User, lose: Callable[[User], None], tmp_path: Path) -> None:
    """What it notes keeps it, and what it says is not that it was dropped; what was dropped is."""
    rules = tmp_path / "tables.yaml"
    assert columns.command("discover", "--write", str(rules), "--yes")[0] == 0
    noted = json.loads((tmp_path / "catalog.json").read_text())
    lose(columns)
    columns.run("GRANT SELECT ON `{d}`.u TO {u}")
    columns.lab.mysql("DROP TABLE u")
    code, said = columns.command("discover", "--write", str(rules), "--yes")
    assert code == 0
    assert "is not in view" in said
    assert "- column t.b" not in said
    assert "- table t" not in said
    assert "- table u" in said
    assert json.loads((tmp_path / "catalog.json").read_text()) == {name: noted[name] for name in ("own", "t")}
    columns.lab.pg("DROP SCHEMA {s} CASCADE; CREATE SCHEMA {s}; DELETE FROM bulketl.state WHERE schema_name = '{s}'")
    assert columns.command("load", "--rules", str(rules))[0] != 0  # never loaded, but noted


def test_rejected_rows_are_not_read_again_from_a_table_that_is_not_wholly_in_view(columns: User) -> None:
    """They would come without their column."""
    config = columns.config(rules={"t": {"casts": {"a": "boolean"}, "max_rejects": 9}})
    columns.lab.pg("DROP TABLE {s}.t")
    assert load(config).summary.tables["t"].rejects == 2
    revoke_column(columns)
    with pytest.raises(bulketl.PlanError, match="column 'b' of table 't' is known and not in view"):
        rejects.retry_rejects(config)


def test_a_view_out_of_view_fails_like_a_table(user: User) -> None:
    """Its right is one of its own."""
    user.lab.mysql("CREATE VIEW v AS SELECT id, a FROM t")
    user.run("GRANT SELECT ON `{d}`.v TO {u}")
    assert user.load(rules={"v": {}}).summary.outcome == "done"
    user.run("REVOKE SELECT ON `{d}`.v FROM {u}")
    assert "'v' is known and not in view" in failed(user.load())["v"]
    assert user.lab.pg("SELECT id, a FROM {s}.v ORDER BY 1") == [(1, 10), (2, 20)]
