"""What a person is told to do is what helps: each on real servers, the hint followed where that can be done here."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.errors import ConfigError
from bulketl.mysql.server import MySQL
from bulketl.postgres.session import parameters


def environment(lab: Lab) -> dict[str, str]:
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    return {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}


def call(lab: Lab, *words: str, **more: Any) -> Any:
    return CliRunner().invoke(app, list(words), env=environment(lab), **more)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("postgresql://a@h/db", "is of Postgres"), ("postgres://a@h/db", "is of Postgres"),
        ("sqlite:///x", "lacks its scheme mysql://"), ("mysql://h", "lacks its database"),
        ("mysql:///db", "lacks its host"), ("secret", "lacks its scheme mysql:// and its host"),
    ],
)  # fmt: skip
def test_a_source_of_another_kind_is_told_which_it_is(uri: str, words: str) -> None:
    """And what is in it is not quoted."""
    with pytest.raises(ConfigError, match=words) as told:
        MySQL(uri)
    assert "mysql://" in told.value.hint
    assert "secret" not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize(
    ("uri", "words"),
    [("mysql://a@h/db", "is of MySQL"), ("mariadb://h/db", "is of MySQL"), ("http://h", "lacks its scheme"),
     ("secret", "lacks its scheme")],
)  # fmt: skip
def test_a_target_of_another_kind_is_told_which_it_is(uri: str, words: str) -> None:
    """The same the other way round."""
    with pytest.raises(ConfigError, match=words) as told:
        parameters(uri)
    assert "postgresql://" in told.value.hint
    assert "secret" not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_missing_file_of_an_authority_is_said_to_be_missing(lab: Lab, side: str) -> None:
    """It has nothing to do with the line."""
    environ = environment(lab)
    mark = {"source": "?ssl-mode=verify-ca&ssl-ca=/nope.pem", "target": "&sslmode=verify-ca&sslrootcert=/nope.pem"}[side]
    environ[f"BULKETL_{side.upper()}"] += mark
    done = CliRunner().invoke(app, ["plan"], env=environ)
    assert (done.exit_code, "cannot be read: No such file" in done.stderr) == (2, True), done.output
    assert "VPN" not in done.stderr


def test_pairs_without_a_file_say_how_to_begin(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to correct."""
    monkeypatch.chdir(tmp_path)
    done = call(lab, "pairs")
    assert done.exit_code == 2
    assert "there is no file of pairs config/checks.yaml" in done.stderr
    assert "checks.example.yaml" in done.stderr


def test_a_value_larger_than_a_packet_is_told_and_loaded_once_the_hint_is_followed(maria_lab: Lab) -> None:
    """The server's own limit is what the reader of rows goes by."""
    ((usual,),) = maria_lab.mysql("SELECT @@GLOBAL.max_allowed_packet")
    maria_lab.mysql("CREATE TABLE fat (id int PRIMARY KEY, b longblob)", "INSERT INTO fat VALUES (1, repeat('x', 3000000))")
    try:
        maria_lab.mysql("SET GLOBAL max_allowed_packet = 1048576")
        (failed,) = maria_lab.load(unforeseen="only the rows tell how long they are").summary.failed
        assert "raise max_allowed_packet" in failed.hint
    finally:
        maria_lab.mysql(f"SET GLOBAL max_allowed_packet = {usual}")
    assert maria_lab.load().summary.outcome == "done"


def test_timeouts_of_either_server_do_not_end_a_load(maria_lab: Lab) -> None:
    """Each is set anew for its sessions."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(99))",
                    "INSERT INTO t SELECT seq, repeat('x', 90) FROM seq_1_to_200000")  # fmt: skip
    ((name,),) = maria_lab.pg("SELECT current_database()")
    with (  # sessions from before, which have no such timeout themselves
        contextlib.closing(maria_lab.server.connect()) as connection, connection.cursor() as source,
        psycopg.connect(maria_lab.target, autocommit=True) as target,
    ):  # fmt: skip
        try:
            source.execute("SET GLOBAL max_statement_time = 0.01")
            for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
                target.execute(f"ALTER DATABASE {name} SET {setting} = '10ms'".encode())
            assert maria_lab.load().summary.outcome == "done"
        finally:
            source.execute("SET GLOBAL max_statement_time = 0")
            target.execute(f"ALTER DATABASE {name} RESET ALL".encode())


def test_an_index_of_ones_own_is_built_again_when_the_columns_change(lab: Lab) -> None:
    """With all that it is; where its own column is gone the table is refused, and told which index to drop."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int, d int)", "INSERT INTO t VALUES (1, 2, 3), (2, 3, 4)")
    lab.load()
    lab.pg('CREATE UNIQUE INDEX "My own" ON {s}.t (c DESC) INCLUDE (id) WHERE c > 0')
    lab.pg("COMMENT ON INDEX {s}.\"My own\" IS 'mine'")
    ((before,),) = lab.pg("SELECT indexdef FROM pg_indexes WHERE schemaname = '{s}' AND indexname = 'My own'")
    lab.mysql("ALTER TABLE t MODIFY d varchar(20)")
    plan = bulketl.make_plan(lab.config())
    assert "built again" in next(iter(plan.loads)).reason
    assert lab.load(plan=plan).summary.outcome == "done"
    assert lab.differences("t") == []
    assert lab.pg("SELECT indexdef FROM pg_indexes WHERE schemaname = '{s}' AND indexname = 'My own'") == [(before,)]
    assert lab.pg("SELECT obj_description('{s}.\"My own\"'::regclass)") == [("mine",)]
    lab.mysql("ALTER TABLE t DROP c, MODIFY d int")
    (refused,) = bulketl.make_plan(lab.config(dropped_columns="drop")).refused
    assert "My own" in refused.message
    assert "drop index" in refused.hint
    lab.pg('DROP INDEX {s}."My own"')
    assert lab.load(dropped_columns="drop").summary.outcome == "done"


def test_a_reset_that_nobody_confirms_names_yes_and_forgets_nothing(maria_lab: Lab) -> None:
    """Where there is no terminal."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    call(maria_lab, "load")
    done = call(maria_lab, "state", "reset", "t", input="")
    assert (done.exit_code, "--yes" in done.stderr) == (2, True), done.output
    assert bulketl.states(maria_lab.config())[0].source


def test_a_schedule_without_windows_says_what_to_write_and_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very line of the hint."""
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(app, ["schedule", "cron"])
    assert refused.exit_code == 2
    line = refused.stderr.split("write ")[1].split(" into config/bulketl.yaml")[0]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bulketl.yaml").write_text(f"{line}\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["schedule", "cron"])
    assert (done.exit_code, "bulketl load" in done.stdout.replace("/", " ")) == (0, True)


def test_a_plan_is_compared_with_the_run_of_the_same_tables(maria_lab: Lab) -> None:
    """A run of one table in between says nothing of the others; a table that no run knew is told."""
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in "abc"))
    first = maria_lab.load(tables=["a", "b"]).summary.run
    one = maria_lab.load(tables=["a"]).summary.run
    maria_lab.mysql("ALTER TABLE b ADD c int")

    def compared(*tables: str) -> tuple[str, list[str], int, int]:
        return bulketl.compare_with_last(maria_lab.config(), bulketl.make_plan(maria_lab.config(), tables=tables, full=True))

    assert compared("a")[0] == one
    found = compared("a", "b")
    assert (found[0], found[2:]) == (first, (2, 2))
    assert any(line.startswith("~ b: column c") for line in found[1])
    every = compared("a", "b", "c")
    assert (every[0], every[2:]) == (first, (2, 3))
    assert "of 2 of these 3 tables" in call(maria_lab, "plan", "--diff", "--full").stdout


def test_the_last_run_that_is_resumed_is_named_with_when_it_began(maria_lab: Lab) -> None:
    """A load that was killed before it was on record left nothing, and an older one may be meant by nobody."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")

    def stop(_event: object) -> None:
        raise KeyboardInterrupt

    config = maria_lab.config(workers=1)
    with pytest.raises(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [stop])
    words = [sys.executable, "-m", "bulketl", "load", "--resume", "last"]
    done = subprocess.run(words, env={**os.environ, **environment(maria_lab)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "going on with run" in done.stderr
    assert "killed before it was on record" in done.stderr
