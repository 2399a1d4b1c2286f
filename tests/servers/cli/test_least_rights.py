"""The SQL that `bulketl grants` prints, as it is, run by administrators of fresh servers; then every command under its role.

A command works under the role that it is documented for, and is refused under the others: by a message that names the thing,
with the hint where its rights are listed.
"""

from __future__ import annotations

import json
import re
import secrets
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
import typer.main
from lab import Server, execute, numbers
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pymysql.constants import CLIENT
from test_hostile_names import commands
from typer.testing import CliRunner

from bulketl.cli.app import app

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
PASSWORD = "choose a password"  # as it is printed
HINT = "`bulketl grants --check` names the rights"
REFUSED = re.compile(r"denied|must be owner|may not ask|lets? .{0,9} in\b|SQLSTATE 42501|MySQL 1(044|142|143|227)")
KEEP = {"keep": ["indexes", "comments", "defaults", "foreign_keys"]}
BY_TIME = {"extraction_strategy": "incremental", "incremental_column": "updated_at"}
RULES: dict[str, Any] = {
    "small": KEEP,
    "log": {**BY_TIME, **KEEP, "table_importance": "audit"},
    "large": {**BY_TIME, **KEEP, "deletes": "mirror", "consistency": "locked"},
    "moment": {"consistency": "snapshot"},
    "bad": {"max_rejects": 10, "casts": {"flag": "boolean"}},
    "old": {"table_importance": "critical", "retention": {"keep": "7y", "by": "updated_at", "action": "archive"}},
}
# Of each command the role of the target that it needs, and how it is called. '': none, for it asks the target for nothing.
CALLS: dict[str, tuple[str, list[str]]] = {
    "load": ("loader", ["", "--full --certify", "--tables large --since 2001-01-01", "--resume last"]),
    "plan": ("loader", ["", "--sql", "--diff", "--limit 2 --allow-deletes *"]),
    "discover": ("", ["", "--write --yes"]),
    "validate": ("loader", [""]),
    "grants": ("", ["", "--check"]),
    "doctor": ("", ["", "-v"]),  # says of any role what it lacks
    "init": ("", [""]),  # the files are there; with --force it is doctor, validate and plan
    "explain": ("", ["BLK-1040"]),
    "casts": ("", [""]),
    "schedule": ("", ["cron", "systemd", "airflow"]),
    "why": ("loader", ["small 3", "log 3", "bad 1000"]),
    "status": ("dashboard", ["", "--source"]),
    "watch": ("dashboard", ["--once"]),
    "dashboard": (
        "dashboard",
        [],
    ),  # serves until it is ended; tests/servers/operations/test_dashboard.py has it in this role
    "retention": ("loader", ["--dry-run", "--folder kept"]),
    "certificate": ("loader", [""]),
    "migrate status": ("dashboard", ["", "-v"]),
    "migrate plan": ("dashboard", [""]),
    "migrate import-state": ("loader", ["--reason x"]),
    "migrate shadow": ("loader", ["--reason x"]),
    "migrate compare": ("loader", ["", "--level count"]),
    "migrate waive": ("loader", ["small --class seconds --reason x"]),
    "migrate views": ("loader", [""]),
    "migrate promote": ("loader", ["--reason x"]),
    "migrate demote": ("loader", ["--reason x"]),
    "undo": ("loader", ["small"]),
    "rollback": ("loader", ["--dry-run --reason x", "--reason x"]),
    "pairs": ("analyst", [""]),
    "history": ("loader", ["", "--sums"]),
    "watchdog": ("dashboard", [""]),
    "metrics": ("dashboard", ["", "--textfile m.prom"]),
    "dbt sources": ("loader", ["", "--certified", "--write sources.yml"]),
    "demo": ("", []),  # starts servers of its own
    "help": ("", ["load"]),
    "verify": ("loader", ["", "--level rows --repair", "--level sums"]),
    "verify months": ("loader", [""]),
    "report compliance": ("loader", ["", "--markdown"]),
    "report daily": ("dashboard", ["", "--markdown"]),
    "report weekly": ("dashboard", ["", "--markdown"]),
    "report incident": ("dashboard", ["last"]),
    "report run": ("dashboard", ["last"]),
    "report verify": ("", ["no.json --key no"]),
    "alerts list": ("dashboard", ["", "--all"]),
    "alerts show": ("dashboard", ["{alert}"]),
    "alerts ack": ("loader", ["{alert}"]),
    "alerts resolve": ("loader", ["{alert}"]),
    "alerts test": ("", [""]),
    "alerts tick": ("loader", [""]),
    "runs": ("dashboard", [""]),
    "runs list": ("dashboard", ["", "--table small"]),
    "runs show": ("dashboard", ["last"]),
    "runs cancel": ("dashboard", ["last"]),
    "state list": ("dashboard", [""]),
    "state show": ("dashboard", ["small"]),
    "state reset": ("loader", ["small --yes"]),
    "audit verify": ("loader", [""]),
    "rejects list": ("loader", [""]),
    "rejects show": ("loader", ["bad"]),
    "rejects export": ("loader", ["out.json"]),
    "rejects retry": ("loader", [""]),
}
GOING_ON = ("why", "watchdog", "alerts tick")  # these do what can be done without, and say what could not be and why


def test_every_command_has_its_role() -> None:
    """A new command has to be added above, and to the page where it needs less than a loader."""
    assert sorted(commands(typer.main.get_command(app))) == sorted(CALLS)
    (said,) = re.findall(r"\nThe role `dashboard` suffices for (.*?)\.\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert sorted(re.findall(r"`(.*?)`", said)) == sorted(name for name, (role, _) in CALLS.items() if role == "dashboard")


@dataclass
class Office:
    """Fresh servers with what is printed for each role, and a desk where commands are typed as one of them."""

    server: Server
    database: str
    target: str
    sign: str
    patch: pytest.MonkeyPatch

    def printed(self, role: str) -> str:
        """Return what `grants` prints for a role."""
        done = CliRunner().invoke(app, ["grants", "--role", role])
        assert done.exit_code == 0, done.output
        return done.stdout

    def mysql(self, script: str) -> None:
        """Run a script as the administrator of the source does."""
        at = urllib.parse.urlsplit(self.server.uri)
        login = {"host": at.hostname, "port": at.port, "user": "root", "password": at.password or "", "autocommit": True}
        with closing(pymysql.connect(**login, client_flag=CLIENT.MULTI_STATEMENTS)) as connection:  # type: ignore[call-overload]
            cursor = connection.cursor()
            cursor.execute(script)
            while cursor.nextset():
                pass

    def become(self, user: str) -> None:
        """Type as another user of the target from now on."""
        given = conninfo_to_dict(make_conninfo(self.target, user=user, password=PASSWORD))
        query = urllib.parse.urlencode(given, quote_via=urllib.parse.quote)
        self.patch.setenv("BULKETL_TARGET", f"postgresql:///?{query}")

    def typed(self, words: str) -> tuple[int, str]:
        """Type a command; return its exit code and all that it says."""
        done = CliRunner().invoke(app, words.split())
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        return done.exit_code, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def office(source_server: Server, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A source with tables of every kind, a target with nothing, and a desk."""
    sign = secrets.token_hex(3)
    one = Office(source_server, f"cli_nic {sign}", make_conninfo(postgres, dbname=f"dw{sign}"), sign, monkeypatch)
    source_server.execute(f"CREATE DATABASE `{one.database}`")
    execute(postgres, f"CREATE DATABASE dw{sign}")
    execute(one.target, f"REVOKE ALL ON DATABASE dw{sign} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
    columns = (
        "id int PRIMARY KEY, updated_at datetime(3) NOT NULL, c varchar(20) DEFAULT 'c' COMMENT 'c', flag int,"
        " state enum('new','done') DEFAULT 'done', KEY (updated_at)"
    )
    for table in RULES:
        for statement in (
            f"CREATE TABLE {table} ({columns}) ENGINE={'MyISAM' if table == 'large' else 'InnoDB'}",
            f"INSERT INTO {table} SELECT seq, NOW() - INTERVAL seq SECOND, seq, seq % 2, 'done' FROM {numbers(300)}",
            *([f"INSERT INTO {table} VALUES (1000, '2001-01-01', 'x', 7, 'new')"] if table in ("old", "bad") else []),
        ):
            source_server.execute(statement, database=one.database)
    reader, database = f"rea'der{sign}", urllib.parse.quote(one.database)
    monkeypatch.setenv("BULKETL_SOURCE", source_server.database(database, reader, PASSWORD))
    monkeypatch.setenv("BULKETL_SCHEMA", "raw_data")
    monkeypatch.chdir(tmp_path)
    settings: dict[str, Any] = {"source_limits": {"replica_lag_seconds": 60}, "migration": {}}
    settings |= {"alerts": {"webhook": "http://127.0.0.1:9/"}, "casts": [{"type": "enum", "to": "enum"}]}
    pair = {"source": "SELECT COUNT(*) AS n FROM small", "target": "SELECT count(*) AS n FROM raw_data.small"}
    files = {"tables": {"source_tables": RULES}, "bulketl": settings, "checks": {"pairs": {"p": pair}}}
    (tmp_path / "config").mkdir()
    for name, values in files.items():
        (tmp_path / "config" / f"{name}.yaml").write_text(json.dumps(values), encoding="utf-8")
    one.become(f"Wri ter{sign}")
    yield one
    source_server.execute(f"DROP DATABASE `{one.database}`")
    source_server.execute("DROP USER IF EXISTS %s", [reader])
    execute(postgres, f"DROP DATABASE dw{sign} WITH (FORCE)")
    for role in (
        f'"Wri ter{sign}"',
        f"admin{sign}",
        f"older{sign}",
        "bulketl_dashboard",
        "bulketl_analyst",
        f"dashboard{sign}",
        f"analyst{sign}",
    ):
        execute(postgres, f"DROP ROLE IF EXISTS {role}")


def test_every_command_works_under_its_role_and_is_refused_exactly_under_the_others(office: Office) -> None:
    """By what is printed, letter by letter. What the roles have then is what they need."""
    office.mysql(office.printed("source"))
    execute(office.target, office.printed("loader"))
    for words, (_, calls) in CALLS.items():
        for arguments in calls:
            code, text = office.typed(f"{words} {arguments.format(alert=1)}")
            assert not REFUSED.search(text), (words, arguments, code, text)
    execute(office.target, office.printed("dashboard") + office.printed("analyst"))
    code, text = office.typed("grants --check")
    assert (code, text) == (0, text), text
    rules = {**RULES, "bad": {**RULES["bad"], "max_rejects": 0}}
    Path("config/tables.yaml").write_text(json.dumps({"source_tables": rules}), encoding="utf-8")
    assert office.typed("load --tables bad")[0] == 1  # a run in trouble, and an open alert
    ((alert,),) = execute(office.target, "SELECT max(incident) FROM bulketl.incident WHERE status <> 'resolved'")
    for role in ("dashboard", "analyst"):
        user = f"{role}{office.sign}"
        execute(office.target, f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'; GRANT bulketl_{role} TO {user}")
        office.become(user)
        Path("out.json").unlink(missing_ok=True)
        for words, (needed, calls) in CALLS.items():
            for arguments in calls:
                code, text = office.typed(f"{words} {arguments.format(alert=alert)}")
                if needed in ("", role):
                    assert not REFUSED.search(text), (role, words, arguments, code, text)
                else:
                    assert code == 1 or words == "alerts tick", (role, words, arguments, code, text)
                    assert re.search(r"permission denied for (table|schema) \w+", text), (role, words, arguments, text)
                    assert HINT in text or words in GOING_ON, (role, words, arguments, text)


def test_an_administrator_who_is_no_superuser_runs_what_is_printed(office: Office) -> None:
    """As of a hosted Postgres: who owns the database and may make roles. What else that takes is printed with it."""
    execute(office.target, f"CREATE ROLE admin{office.sign} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    execute(office.target, f"ALTER DATABASE dw{office.sign} OWNER TO admin{office.sign}")
    admin = make_conninfo(office.target, user=f"admin{office.sign}", password=PASSWORD)
    office.mysql(office.printed("source"))
    execute(admin, office.printed("loader"))
    assert office.typed("load --tables small")[0] == 0
    execute(admin, office.printed("dashboard"))
    execute(admin, office.printed("analyst"))
    code, text = office.typed("grants --check")
    assert (code, text) == (0, "4 roles with exactly what is needed" + text.partition("needed")[2]), text
    acts = "SELECT pg_has_role(%s, %s, 'USAGE')"
    assert execute(office.target, acts, [f"admin{office.sign}", f"Wri ter{office.sign}"]) == [(False,)]


def test_tables_change_hands_under_the_role_of_the_loader(office: Office) -> None:
    """And come back: what is printed for a migration is enough for both."""
    office.mysql(office.printed("source"))
    execute(office.target, office.printed("loader"))
    loader = make_conninfo(office.target, user=f"Wri ter{office.sign}", password=PASSWORD)
    execute(
        loader, "CREATE TABLE raw_data.small (id int PRIMARY KEY, c text); INSERT INTO raw_data.small VALUES (1, 'older')"
    )
    for words in (
        "migrate shadow --tables small --reason x", "load --hybrid --tables small",
        "migrate promote --tables small --reason x --force", "rollback --reason x",
    ):  # fmt: skip
        code, said = office.typed(words)
        assert code == 0, (words, said)
    assert execute(loader, "SELECT * FROM raw_data.small") == [(1, "older")]
    assert office.typed("grants --check --role loader")[0] in (0, 3)


def test_a_migration_needs_of_the_older_tables_what_is_printed_and_no_more(office: Office) -> None:
    """Their owner is another role. To read them is enough until they change hands; then it takes to act for their owner."""
    older, loader, check = f"older{office.sign}", f'"Wri ter{office.sign}"', "grants --check --role loader"
    execute(
        office.target,
        f"CREATE ROLE {older}; CREATE SCHEMA raw_data; GRANT USAGE, CREATE ON SCHEMA raw_data TO {older}; SET ROLE {older};"
        "CREATE TABLE raw_data.small (id int PRIMARY KEY, c text); INSERT INTO raw_data.small VALUES (1, 'older');"
        "CREATE VIEW raw_data.seen AS SELECT id FROM raw_data.small",
    )
    office.mysql(office.printed("source"))
    execute(office.target, office.printed("loader"))
    assert office.typed(check) == (0, office.typed(check)[1]), office.typed(check)
    execute(office.target, f"REVOKE {older} FROM {loader}")
    for words in (
        "migrate shadow --tables small --reason x", "load --hybrid --tables small", "migrate compare", "plan", "validate",
        "migrate status", "migrate plan", "migrate views", "migrate import-state --reason x",
    ):  # fmt: skip
        code, text = office.typed(words)
        assert code != 1 or "differs" in text, (words, text)
        assert not REFUSED.search(text), (words, text)
    code, text = office.typed("migrate promote --tables small --reason x --force")
    assert (code, older in text) == (2, True), text
    code, text = office.typed(check)
    assert (code, f"MEMBER on role {older}" in text, "SELECT" in text) == (1, True, False), text
    execute(office.target, f"REVOKE SELECT ON raw_data.small, raw_data.seen FROM {loader}")
    code, text = office.typed("migrate compare")
    assert (code, "permission denied for table small" in text) == (1, True), text
    code, text = office.typed(check)
    assert "SELECT on 2 tables of raw_data: seen, small" in text, text
    execute(office.target, f"GRANT {older} TO {loader}")
    for words in (
        "migrate compare", "migrate promote --tables small --reason x --force", "load --tables small", "rollback --reason x",
        "migrate shadow --tables small --reason x", "load --hybrid --tables small",
        "migrate promote --tables small --reason x --force", "migrate demote --tables small --reason x", check,
    ):  # fmt: skip
        code, text = office.typed(words)
        assert not REFUSED.search(text), (words, text)
        assert code == (1 if words == "migrate compare" else 0), (words, code, text)
    assert execute(office.target, "SELECT tableowner FROM pg_tables WHERE schemaname = 'raw_data'") == [(older,)]
