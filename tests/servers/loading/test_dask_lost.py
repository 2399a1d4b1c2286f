"""When the scheduler, or the process that carries out the run, dies; and what is said when a cluster cannot be had."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import Client
from lab import Lab
from test_dask import Held, connections, filled, load
from typer.testing import CliRunner
from waiting import NEVER, until

import bulketl
import bulketl.loading.dask
from bulketl.cli.app import app
from bulketl.cli.demo.servers import free_port
from bulketl.errors import ClusterError, TargetError
from bulketl.postgres.locks import held
from bulketl.postgres.server import Postgres
from bulketl.postgres.target import PostgresTarget
from bulketl.tables.spec import TableSpec

__all__ = ["filled"]

# It hands out nothing to read before the test has locked the table.
DRIVER = """
import os, time
import bulketl.tables.partitions
from bulketl.loading.engine import _Driver
bulketl.tables.partitions.MOST_ROWS = 50
submit = _Driver._submit
def once_it_is_locked(driver, step):
    while step.kind == "load" and not os.path.exists(os.environ["TESTS_GATE"]):
        time.sleep(0.01)
    return submit(driver, step)
_Driver._submit = once_it_is_locked
from bulketl.cli.app import main
main()
"""


class Processes:
    """A scheduler and one worker with two threads, as commands of Dask."""

    def __init__(self, folder: Path) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.log = (folder / "dask.log").open("wb")
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        self.worker = self._start("worker", self.address, "--nthreads", "2", "--no-dashboard", "--no-nanny")
        until(self._answers)
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen([sys.executable, "-m", "dask", *words], env=environ, stdout=self.log, stderr=self.log)

    def _answers(self) -> bool:
        host, _, port = self.address.removeprefix("tcp://").partition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End both."""
        for process in (self.worker, self.scheduler):
            process.kill()
            process.wait()
        self.log.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """A cluster of this test's own."""
    found = Processes(tmp_path)
    yield found
    found.stop()


def test_a_run_whose_scheduler_is_killed_ends_with_an_error_and_can_be_resumed(
    filled: Lab, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds, and with threads as well as elsewhere: where steps run is not part of the plan."""
    monkeypatch.setattr(bulketl.loading.dask, "WORKERLESS_SECONDS", 600.0)
    killed: list[float] = []

    def kill() -> None:
        processes.scheduler.kill()
        killed.append(time.monotonic())
        time.sleep(0.5)

    with bulketl.dask(processes.address) as executor, pytest.raises(ClusterError, match="went away") as lost:
        load(filled, executor, Held(filled, kill))
    assert time.monotonic() - killed[0] < NEVER
    assert "--resume last" in lost.value.hint
    assert filled.pg("SELECT outcome FROM bulketl.run WHERE schema_name = '{s}'") == [("interrupted",)]
    assert bulketl.resume(filled.config()).outcome == "done"
    assert filled.differences("parts") == []
    assert filled.staged() == []


def test_a_run_ends_when_no_worker_comes_back(filled: Lab, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute, shortened here; what was loaded is kept for the next try."""
    monkeypatch.setattr(bulketl.loading.dask, "WORKERLESS_SECONDS", 2.0)
    held = Held(filled, processes.worker.kill)
    with bulketl.dask(processes.address) as executor, pytest.raises(ClusterError, match="no workers for 2 sec"):
        load(filled, executor, held, tables=["parts"])
    assert filled.pg("SELECT outcome FROM bulketl.run WHERE schema_name = '{s}'") == [("interrupted",)]
    assert bulketl.resume(filled.config()).outcome == "done"
    assert filled.differences("parts") == []


def test_a_run_whose_process_is_killed_writes_nothing_more_and_is_resumed(
    filled: Lab, processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Steps go on in the workers; before they write, they see that nobody carries the run out. No connection stays."""
    monkeypatch.chdir(tmp_path)
    uri = f"postgresql:///?{'&'.join(filled.target.split())}"
    names = {"BULKETL_SOURCE": filled.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": filled.schema}
    words = ["load", "--tables", "parts", "--executor", "dask", "--scheduler", processes.address, "--workers", "2"]
    gate = tmp_path / "gate"
    environ = {**os.environ, **names, "PYTHONPATH": os.pathsep.join(sys.path), "TESTS_GATE": str(gate)}
    recorded = "SELECT count(*) FROM bulketl.partition WHERE schema_name = '{s}'"
    lock = Held(filled, lambda: None)
    filled.pg("CREATE SCHEMA IF NOT EXISTS bulketl")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, *words], env=environ, stderr=subprocess.DEVNULL)
    try:
        until(lambda: filled.staged())
        lock.cursor.execute("LOCK TABLES parts WRITE")
        gate.touch()
        until(lambda: lock.waiting() == 2)
        before = filled.pg(recorded)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    until(lambda: connections(filled) == 0)
    lock.release()
    until(lambda: lock.waiting() == 0)
    time.sleep(1)
    assert filled.pg(recorded) == before
    assert connections(filled) == 0
    done = CliRunner().invoke(app, ["load", "--resume", "last", *words[3:], "--json"], env=names)
    assert done.exit_code == 0, done.output
    assert filled.differences("parts") == []


def test_a_guarded_step_is_refused_unless_its_run_is_carried_out(maria_lab: Lab) -> None:
    """By whichever encoder; a step in threads of the run's own process is not asked."""
    maria_lab.pg("CREATE SCHEMA IF NOT EXISTS bulketl_staging")
    postgres, run = Postgres(maria_lab.target, guarded=True), "20200101-000000-abcd"
    for encoder in ("pgpq", "adbc"):
        spec = TableSpec("t", maria_lab.schema, (), (), "swap", encoder)
        with pytest.raises(TargetError, match="no process carries out"):
            PostgresTarget(postgres, run).prepare(spec)
        assert maria_lab.staged() == []
        with held(postgres, run, "source", maria_lab.schema, []):
            PostgresTarget(postgres, run).prepare(spec)
        PostgresTarget(Postgres(maria_lab.target), run).prepare(spec)
        assert maria_lab.staged() == [f"{run} t"]
        PostgresTarget(postgres, run).sweep()
        PostgresTarget(postgres, run).close()


@contextlib.contextmanager
def listener(says: bytes) -> Iterator[int]:
    """Give the port of a server that is no scheduler: each connection is told this and kept open."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = stack.enter_context(server.accept()[0])
                    connection.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20], ids=["silent", "http"])
def test_what_is_no_scheduler_is_told_within_seconds(says: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes connections and says nothing, or something else; Dask itself would wait for as long as it is set."""
    monkeypatch.setattr(bulketl.loading.dask, "CONNECT_SECONDS", 2)
    with listener(says) as port, dask.config.set({"distributed.comm.timeouts.connect": "600s"}):
        began = time.monotonic()
        with (
            pytest.raises(ClusterError, match="does not answer"),
            bulketl.dask(f"tcp://127.0.0.1:{port}"),
        ):
            raise AssertionError
    assert time.monotonic() - began < NEVER


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--executor", "dask"], 2, "the address of the Dask scheduler is missing"),
        (["--executor", "spark"], 2, "there is no executor 'spark'"),
        (["--scheduler", "tcp://127.0.0.1:8786"], 2, "--scheduler is for --executor dask only"),
        (["--executor", "dask", "--scheduler", "127.0.0.1:8786"], 2, "is not the address"),
        (["--executor", "dask", "--scheduler", "tcp://127.0.0.1"], 2, "is not the address"),
        (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:99999"], 2, "is not the address"),
        (["--executor", "dask", "--scheduler", "tls://127.0.0.1:8786"], 2, "there are no certificates"),
        (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:1"], 1, "does not answer"),
    ],
)
def test_a_cluster_that_cannot_be_had_is_told_before_anything_is_asked_of_the_servers(
    words: list[str], code: int, told: str
) -> None:
    """Neither of which is there, which would be told otherwise."""
    names = {"BULKETL_SOURCE": "mysql://u@127.0.0.1:1/d", "BULKETL_TARGET": "postgresql://u@127.0.0.1:1/d"}
    done = CliRunner().invoke(app, ["load", *words], env=names)
    assert (done.exit_code, told in " ".join(done.stderr.split())) == (code, True), done.stderr


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of Dask is imported unless it is asked for."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = CliRunner().invoke(app, ["load", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:8786"])
    assert done.exit_code == 2
    assert "bulketl[dask]" in done.stderr
    code = "import sys, bulketl.cli.app; sys.exit(bool({'distributed', 'dask'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}).returncode
        == 0
    )
