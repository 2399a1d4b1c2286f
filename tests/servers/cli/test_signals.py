"""Ctrl-C and SIGTERM, sent to the process of a load whose reader waits at the source."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from faults import small_partitions
from heldup import held_up
from lab import Lab
from waiting import NEVER, SECONDS, until

import bulketl
from bulketl.errors import SourceError, TargetError
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres

SLOW = """
import bulketl.mysql.digests as c
hashed = c.row_hash
c.row_hash = lambda spec: f"CONCAT({hashed(spec)}, LEFT(SLEEP(1), 0))"
from bulketl.cli.app import main
main()
"""


@pytest.fixture
def waiting(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lab, Any, subprocess.Popen[str]]]:
    """A load that waits for a table that is locked, the cursor that holds the lock, and the load's process."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_400")
    maria_lab.load()
    with held_up(maria_lab) as (cursor, process, _):
        yield maria_lab, cursor, process


def loaded(lab: Lab) -> int:
    ((count,),) = lab.pg("SELECT count(*) FROM bulketl.partition WHERE schema_name = '{s}'")
    return int(count)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_under_way_end_and_leaves_a_run_that_goes_on(
    waiting: tuple[Lab, Any, subprocess.Popen[str]], number: signal.Signals
) -> None:
    """It says so at once; what was read is on record, and nothing else begins."""
    lab, lock, process = waiting
    before = loaded(lab)
    process.send_signal(number)
    assert process.stderr
    told = ""
    while "once more ends at once" not in told:
        told = process.stderr.readline()
        assert told, "it ended"
    assert process.poll() is None
    lock.execute("UNLOCK TABLES")
    _, rest = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "`bulketl load --resume last` goes on" in " ".join(rest.split())
    assert loaded(lab) == before + 1
    outcomes = lab.pg("SELECT outcome FROM bulketl.run WHERE schema_name = '{s}' ORDER BY started_at")
    assert outcomes == [("done",), ("interrupted",)]
    assert bulketl.resume(lab.config()).outcome == "done"
    assert lab.differences("t") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(waiting: tuple[Lab, Any, subprocess.Popen[str]], number: signal.Signals) -> None:
    """While its reader still waits, with the code that is documented; the run can be resumed all the same."""
    lab, lock, process = waiting
    before = loaded(lab)
    process.send_signal(number)
    assert process.stderr
    while "once more ends at once" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(SECONDS) == 130
    assert loaded(lab) == before
    lock.execute("UNLOCK TABLES")
    assert bulketl.resume(lab.config()).outcome == "done"
    assert lab.differences("t") == []


def test_a_server_that_does_not_answer_is_a_passing_failure_and_one_that_refuses_is_not(maria_lab: Lab) -> None:
    """A server that is started again in the middle of a load does not answer for some seconds."""
    with pytest.raises(SourceError) as silent, MySQL("mysql://root@127.0.0.1:1/x").connect():
        pass
    with (
        pytest.raises(SourceError) as refused,
        MySQL(maria_lab.server.database(maria_lab.database, "nobody", "x")).connect(),
    ):
        pass
    assert (silent.value.transient, refused.value.transient) == (True, False)
    with pytest.raises(TargetError) as quiet, Postgres("postgresql://me@127.0.0.1:1/x").connect():
        pass
    with pytest.raises(TargetError) as shut, Postgres(f"{maria_lab.target} user=nobody_at_all").connect():
        pass
    assert (quiet.value.transient, shut.value.transient) == (True, False)


def test_a_verification_ends_at_once_on_ctrl_c(maria_lab: Lab) -> None:
    """It writes nothing, so nobody waits for the tables under way; their statements end at the source, too."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_400")
    maria_lab.load()
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environ = {**os.environ, "BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}
    with contextlib.closing(maria_lab.server.connect(maria_lab.database)) as connection, connection.cursor() as cursor:
        command = [sys.executable, "-c", SLOW, "verify"]
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            asking = "info LIKE '%SLEEP(1)%' AND id <> CONNECTION_ID()"

            def asked() -> bool:
                cursor.execute(f"SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND {asking}")
                return bool(cursor.fetchall())

            try:
                until(lambda: asked() or process.poll() is not None)
                began = time.monotonic()
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=SECONDS)[1]
                assert time.monotonic() - began < NEVER  # each of its 400 rows takes a second
                assert process.returncode == 130, said
                assert said.endswith("stopped\n"), said
                until(lambda: not asked())
            finally:
                process.kill()
