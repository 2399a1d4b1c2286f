"""A load in a process of its own that is held up at a table of the source, for as long as a test needs.

Its reader waits for a file before it reads the first row, so the table is locked by then however slow the test is.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab import Lab
from waiting import until

LOAD = """
import os, time
import bulketl.tables.partitions
from bulketl.mysql.source import MySQLSource
bulketl.tables.partitions.MOST_ROWS = 50
def once_it_is_locked(read):
    def reading(*step):
        while not os.path.exists(os.environ["TESTS_GATE"]):
            time.sleep(0.01)
        return read(*step)
    return reading
MySQLSource.read = once_it_is_locked(MySQLSource.read)
MySQLSource.read_small = once_it_is_locked(MySQLSource.read_small)
from bulketl.cli.app import main
main()
"""
UNDER_WAY = "SELECT run FROM bulketl.run WHERE schema_name = '{s}' AND finished_at IS NULL"
WAITS = "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'"


def environ(lab: Lab) -> dict[str, str]:
    """Return the settings of bulketl in the environment: the servers and the schema of a test."""
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    return {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}


@contextlib.contextmanager
def held_up(lab: Lab, *words: str) -> Iterator[tuple[Any, subprocess.Popen[str], str]]:
    """Load with one worker, in ranges of 50 rows; give the cursor that has locked table t, the process, and the run."""
    command = [sys.executable, "-c", LOAD, "load", "--workers", "1", *words]
    with contextlib.ExitStack() as stack:
        gate = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "gate"
        connection = stack.enter_context(contextlib.closing(lab.server.connect(lab.database)))
        cursor = stack.enter_context(connection.cursor())
        process = subprocess.Popen(
            command, env={**os.environ, **environ(lab), "TESTS_GATE": str(gate)}, stderr=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            until(lambda: process.poll() is not None or _under_way(lab))
            cursor.execute("LOCK TABLES t WRITE")
            gate.touch()
            until(lambda: process.poll() is not None or lab.mysql(WAITS))
            assert process.poll() is None, process.communicate()
            ((run,),) = lab.pg(UNDER_WAY)
            yield cursor, process, run
        finally:
            process.kill()
            process.communicate()


def _under_way(lab: Lab) -> Sequence[Any]:
    """Return the run that is under way, if the ledger is there and has one."""
    there = lab.pg("SELECT to_regclass('bulketl.run')") != [(None,)]
    return lab.pg(UNDER_WAY) if there else ()
