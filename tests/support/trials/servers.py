"""A MariaDB and a Postgres that may die at any moment and be started again where they were, with what they had."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psycopg
import pymysql
from lab import Server, execute
from psycopg.conninfo import make_conninfo
from waiting import until

from bulketl.cli.demo.servers import EmbeddedPostgres, MariaDB

CONNECTIONS = 30


class Servers:
    """Both of them, in a folder of their own, which others may enter: Postgres runs as another user under root."""

    def __init__(self, folder: Path) -> None:
        """Start them."""
        self._maria = MariaDB(folder, f"--max-connections={CONNECTIONS}", "--innodb-lock-wait-timeout=10")
        self._command = Path(f"/proc/{self._maria.process.pid}/cmdline").read_bytes().split(b"\0")[:-1]
        self._folder = folder
        self.source = Server("mariadb", self._maria.uri(""))
        self._embedded = EmbeddedPostgres(folder)
        self.data = folder / "postgres"
        self._postgres: subprocess.Popen[bytes] | None = None
        self.conninfo = make_conninfo(self._embedded.uri)
        execute(self.conninfo, f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
        self.kill_target()
        self.start_target()

    def kill_source(self) -> None:
        """End MariaDB as a crash does."""
        self._maria.process.kill()
        self._maria.process.wait()

    def start_source(self) -> None:
        """Start MariaDB again, on its port, and wait until it lets people in."""
        with (self._folder / "mariadb.log").open("ab") as log:
            self._maria.process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def answers() -> bool:
            assert self._maria.process.poll() is None, (self._folder / "mariadb.log").read_text(errors="replace")[-2000:]
            with contextlib.suppress(pymysql.MySQLError):
                self.source.connect().close()
                return True
            return False

        until(answers)

    def kill_target(self) -> None:
        """End Postgres as a crash does; what it had started ends by itself."""
        number = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(number, signal.SIGKILL)
        if self._postgres:
            self._postgres.wait()

    def start_target(self) -> None:
        """Start Postgres again, and wait until it lets people in."""
        words = [word.strip('"') for word in (self.data / "postmaster.opts").read_text().split()]
        user = self.data.stat().st_uid if os.geteuid() == 0 else None

        def started() -> bool:  # the memory of the one before is in use until all its processes have ended
            with (self._folder / "postgres.log").open("ab") as log:
                self._postgres = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=user)
            until(lambda: self._postgres and (self._postgres.poll() is not None or self._answers()))
            return bool(self._postgres and self._postgres.poll() is None)

        until(started)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            execute(self.conninfo, "SELECT 1")
            return True
        return False

    def stop(self) -> None:
        """Stop both."""
        self._maria.stop()
        if self._postgres:
            self._postgres.send_signal(signal.SIGINT)
            self._postgres.wait()
        else:
            self._embedded.stop()
