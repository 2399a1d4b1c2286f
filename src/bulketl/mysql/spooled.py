"""A query drained into a file by a process of its own (`bulketl.mysql.spool`), and the batches in it.

The file has no name from before its first byte, so that rows never stand in the temporary folder of a process that was
killed; the process inherits it open, and the system ends it with the thread that waits for it.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from bulketl.mysql import MySQL

SPOOL = str(Path(__file__).with_name("spool.py"))  # by its path, so that it imports connectorx and pyarrow, and no more
LOOK_SECONDS = 1.0


@contextlib.contextmanager
def spooled(
    source: MySQL, query: str, before: list[str], rows: int
) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
    """Drain the query; give the reason why that failed, or '', and its batches of so many rows."""
    with tempfile.TemporaryFile(prefix="bulketl-") as file:
        order = {"uri": source.connectorx_uri, "query": query, "before": before, "rows": rows, "file": file.fileno()}
        told = _drained({**order, "parent": os.getpid()}, file.fileno())
        if told:
            yield told, ()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as rows_of:
            with pa.ipc.open_stream(pa.BufferReader(pa.py_buffer(rows_of))) as reader:
                yield "", reader
