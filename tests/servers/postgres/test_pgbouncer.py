"""The real pgbouncer before the target: a pool of sessions is loaded through, one of transactions is refused in words."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from lab import Lab
from psycopg.conninfo import conninfo_to_dict
from waiting import until

import bulketl
from bulketl.cli.demo.servers import free_port
from bulketl.errors import TargetError

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listening}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@pytest.fixture(autouse=True)
def pgbouncer_there() -> None:
    """Debian's, which `nox -s integrations` installs."""
    if PROGRAM is None:
        assert not os.environ.get("BULKETL_INTEGRATIONS")
        pytest.skip("pgbouncer is not on this machine: nox -s integrations installs it")


@contextlib.contextmanager
def pooled(target: str, mode: str, folder: Path) -> Iterator[str]:
    """Run a pgbouncer of that mode before a target, and give the connection string through it."""
    there, listening = conninfo_to_dict(target), free_port()
    words = {"host": there["host"], "port": there.get("port", 5432), "user": there.get("user", "postgres")}
    file = folder / "pgbouncer.ini"
    file.write_text(SETTINGS.format(listening=listening, mode=mode, **words))
    user = []
    if os.geteuid() == 0:  # as which it does not run, and only the server's own user comes to a socket in its folder
        socket = Path(str(there["host"]))
        user = ["-u", socket.owner() if socket.is_dir() else "nobody"]
    process = subprocess.Popen([str(PROGRAM), "-q", *user, str(file)], stderr=subprocess.PIPE)
    uri = f"postgresql://{words['user']}@127.0.0.1:{listening}/{there['dbname']}"

    def listens() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(uri, connect_timeout=5).close()
            return True
        return False

    try:
        until(listens)
        yield uri
    finally:
        process.terminate()
        process.communicate()


def test_a_pool_of_sessions_is_loaded_through(maria_lab: Lab, tmp_path: Path) -> None:
    """Twice, so that the second load gets sessions that the first has used; nothing of it is left in them."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO t SELECT seq, CONCAT('row ', seq) FROM seq_1_to_2000",
    )
    with pooled(maria_lab.target, "session", tmp_path) as target:
        for _ in range(2):
            config = maria_lab.config(target=target)
            assert bulketl.load(config, bulketl.make_plan(config)).outcome == "done"
            assert maria_lab.differences("t") == []
            assert bulketl.verify(config).equal
            maria_lab.mysql("UPDATE t SET c = 'changed' WHERE id % 9 = 0")
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database = "
        assert maria_lab.pg(held + "(SELECT oid FROM pg_database WHERE datname = current_database())") == [(0,)]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pool_of_transactions_is_refused(maria_lab: Lab, tmp_path: Path, mode: str) -> None:
    """Locks and settings of a session would be lost in it, or meet others; nothing is loaded."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    with pooled(maria_lab.target, mode, tmp_path) as target, pytest.raises(TargetError, match="behind a pooler") as told:
        bulketl.make_plan(maria_lab.config(target=target))
    assert "pool_mode = session" in told.value.hint
