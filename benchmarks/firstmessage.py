"""How long after a critical table has failed the first message about it is out, while its load goes on."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg

from benchmarks import payments
from benchmarks.servers import LOADED, Servers, python

MOST_SECONDS = 5.0
BROKEN = "broken"


class _Channel(BaseHTTPRequestHandler):
    """A webhook that takes down when it is called."""

    came: list[float]

    def do_POST(self) -> None:
        """Take a message."""
        self.came.append(time.time())
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, its name there
        """Say nothing."""


def seconds_to_first_message(servers: Servers, folder: Path) -> float:
    """Load the large table beside one that fails; return the seconds from that failure to the first message.

    Raise RuntimeError when no message comes.
    """
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE TABLE `{payments.DATABASE}`.`{BROKEN}` (id int PRIMARY KEY, flag int)")
        cursor.execute(f"INSERT INTO `{payments.DATABASE}`.`{BROKEN}` VALUES (1, 7)")
        connection.commit()
    came: list[float] = []
    channel = HTTPServer(("127.0.0.1", 0), type("Channel", (_Channel,), {"came": came}))
    threading.Thread(target=channel.serve_forever, daemon=True).start()
    settings, rules = folder / "alerts.yaml", folder / "alerts-tables.yaml"
    settings.write_text(json.dumps({"alerts": {"webhook": f"http://127.0.0.1:{channel.server_port}/"}}), encoding="utf-8")
    tables = {BROKEN: {"table_importance": "critical", "casts": {"flag": "boolean"}}, payments.TABLE: {}}
    rules.write_text(json.dumps({"source_tables": tables}), encoding="utf-8")
    words = ("bulketl", "load", "--schema", LOADED, "--config", str(settings), "--rules", str(rules))
    one = python(servers, "load", servers.database(payments.DATABASE), *words)
    try:
        subprocess.run(one.commands[0], env={**os.environ, **one.environ}, cwd=folder, capture_output=True, check=False)
        with psycopg.connect(servers.target) as ledger:
            found = ledger.execute(
                "SELECT extract(epoch FROM e.at)::float8 FROM bulketl.event e JOIN bulketl.run r USING (run)"
                " WHERE r.schema_name = %s AND e.kind = 'table_failed' ORDER BY e.at DESC LIMIT 1",
                (LOADED,),
            ).fetchone()
    finally:
        channel.shutdown()
    if not came or found is None:
        raise RuntimeError("the table did not fail, or nobody was told of it")
    return came[0] - float(found[0])
