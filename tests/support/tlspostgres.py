"""A Postgres of the machine's with TLS, for tests: the one in the wheel is built without."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from waiting import SECONDS, until

from bulketl.cli.demo.servers import free_port

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
USER = "nobody"  # Postgres does not run as root


def there() -> bool:
    """Tell whether the machine has a Postgres that can be started."""
    return bool(FOLDERS)


class TlsPostgres:
    """A server on a free port of the loopback interface, whose certificate can be another one while it runs.

    Users log in over TLS without a password, `certified` only with a client certificate of the authority in ca.pem.
    """

    def __init__(self, folder: Path) -> None:
        """Start it in `folder`, with `server.pem` and `server.key` in there."""
        self.folder, self.data, self.port = folder, folder / "pg", free_port()
        self.data.mkdir()
        self.own = {"user": USER, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.own:
            shutil.chown(self.data, USER)
        command = [FOLDERS[0] / "initdb", "-D", self.data, "-U", "admin", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, **self.own)  # type: ignore[call-overload]
        lines = ["local all all trust", "hostssl all certified all trust clientcert=verify-ca", "hostssl all all all trust",
                 "hostnossl all open all trust"]  # fmt: skip
        (self.data / "pg_hba.conf").write_text("\n".join(lines) + "\n")
        shutil.copy(folder / "ca.pem", self.data / "ca.pem")
        self.show("server")
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.data, "fsync": "off",
            "ssl": "on", "ssl_cert_file": "now.pem", "ssl_key_file": "now.key", "ssl_ca_file": "ca.pem",
        }  # fmt: skip
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [FOLDERS[0] / "postgres", "-D", self.data, *given]
        with (folder / "pg.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self.own)  # type: ignore[call-overload]
        self._wait()
        for name in ("certified", "reader", "open"):
            self.execute(f"CREATE ROLE {name} LOGIN")

    def _wait(self) -> None:
        end = time.monotonic() + SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement as administrator over a new connection, and return its rows."""
        with psycopg.connect(f"host={self.data} port={self.port} user=admin dbname=postgres", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def show(self, what: str) -> None:
        """Have the server show that certificate from now on."""
        for end in ("pem", "key"):
            path = self.data / f"now.{end}"
            shutil.copy(self.folder / f"{what}.{end}", path)
            if self.own:
                shutil.chown(path, USER)
            path.chmod(0o600)
        if hasattr(self, "process"):
            before = self.execute("SELECT pg_reload_conf(), pg_conf_load_time()")
            until(lambda: self.execute("SELECT true, pg_conf_load_time()") != before)  # of who takes new connections

    def uri(self, user: str, host: str = "localhost") -> str:
        """Return the URI of its database."""
        return f"postgresql://{user}@{host}:{self.port}/postgres"

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        self.process.terminate()
        self.process.wait(SECONDS)
