"""The demo: two throw-away servers, a small clinic in one of them, and the real command line between.

The loads are processes of their own with the environment a user would set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pymysql
from rich.console import Console

from bulketl.cli.demo.programs import install_missing
from bulketl.cli.demo.servers import EmbeddedPostgres, MariaDB
from bulketl.errors import BulketlError

HERE = Path(__file__).parent
DATABASE = "clinic"


def show(out: Console, *, keep: bool) -> int:
    """Run the demo and return the exit code of its last load; with `keep`, leave the servers and their folder.

    Raise BulketlError when a server cannot be had.
    """
    folder = Path(tempfile.mkdtemp(prefix="bulketl-demo-"))
    folder.chmod(0o755)  # run as root, Postgres runs as another user and must get in
    maria: MariaDB | None = None
    postgres: EmbeddedPostgres | None = None
    try:
        if done := install_missing():
            out.print(done, style="dim")
        began = time.monotonic()
        maria = MariaDB(folder)
        postgres = EmbeddedPostgres(folder, keep=keep)
        fill(maria)
        seconds = time.monotonic() - began
        out.print(f"MariaDB with a small clinic and an empty Postgres, started and filled in {seconds:.1f} s.")
        source = maria.uri(DATABASE)
        environment = {**os.environ, "BULKETL_SOURCE": source, "BULKETL_TARGET": postgres.uri, "BULKETL_SCHEMA": "raw"}
        code = 0
        for arguments in (["--tier", "reference"], []):
            out.print(f"\n$ bulketl load {' '.join(arguments)}", style="bold")
            code = code or _load(arguments, environment)
        known = {"source": source, "target": postgres.uri, "rules": HERE / "tables.yaml", "folder": folder}
        out.print(_NEXT.format(**known).rstrip("\n") if keep else _GONE, soft_wrap=True)
        return code
    finally:
        if not keep:
            for server in (maria, postgres):
                if server:
                    server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def fill(maria: MariaDB) -> None:
    """Create the clinic and fill it with made-up people."""
    with (
        pymysql.connect(host="127.0.0.1", port=maria.port, user="root", charset="utf8mb4", autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        for statement in (HERE / "sample.sql").read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                cursor.execute(statement)


def _load(arguments: list[str], environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", "bulketl", "load", *arguments, "--rules", str(HERE / "tables.yaml")]
    sys.stdout.flush()
    try:
        return subprocess.run(command, env=environment).returncode
    except OSError as error:
        raise BulketlError(f"the command line did not start: {error}") from error


_GONE = """
Both servers are gone. `bulketl demo --keep` leaves them running to look around in, and with your own databases:

  export BULKETL_SOURCE=mysql://reader:…@host/database BULKETL_TARGET=postgresql://writer:…@host/database
  bulketl load --dry-run     # what would happen, and why
  bulketl load               # every table, into schema raw
"""

_NEXT = """
The servers keep running. Try:

  export BULKETL_SOURCE={source}
  export BULKETL_TARGET='{target}'
  bulketl load --dry-run --rules {rules}
  bulketl load --tables 'pay*'
  psql "$BULKETL_TARGET" -c 'SELECT * FROM bulketl.run'
  mariadb --user=root --socket={folder}/mariadb.sock clinic

To stop them, and to remove what they leave:

  kill $(head -qn1 {folder}/mariadb.pid {folder}/postgres/postmaster.pid) && sleep 2 && rm -r {folder}
"""
