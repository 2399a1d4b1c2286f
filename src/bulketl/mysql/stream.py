"""A query drained into a file by a process of its own (`bulketl.mysql.stream_process`), and the batches in it.

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
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from bulketl.connections import watch
from bulketl.errors import MEMORY
from bulketl.mysql.doubt import doubting
from bulketl.mysql.health import by_comment
from bulketl.mysql.native import comment
from bulketl.mysql.relay import line
from bulketl.mysql.server import MySQL

SPOOL = str(Path(__file__).with_name("stream_process.py"))  # by path: it imports nothing of bulketl
LOOK_SECONDS = 1.0
RUNNING_NS = 200_000  # between two looks; what waits runs less


@contextlib.contextmanager
def spooled(
    source: MySQL, query: str, before: list[str], rows: int, table: str
) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
    """Drain the query; give the reason why that failed, or '', and its batches of `rows` rows."""
    sign = comment()
    with tempfile.TemporaryFile(prefix="bulketl-") as file, line(source) as uri:
        order = {
            "uri": uri, "query": f"{query} {sign}", "before": [f"{text} {sign}" for text in before],
            "rows": rows, "file": file.fileno(), "parent": os.getpid(),
        }  # fmt: skip
        judge = doubting(source, by_comment(source.asking, sign))
        # The socket is the other process', so there is no driver here to wait in: the watch is `_drained`'s own.
        try:
            with watch.talk(watch.Talk(f"table {table!r}", source.stall_seconds, frozenset(), judge)) as one:
                told = _drained(order, file.fileno(), one)
        except watch.StalledError as error:
            told = str(error)
        if told:
            yield told, ()
            return
        # Not closed: batches may still be in use, and with the last of them it goes.
        rows_of = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with pa.ipc.open_stream(pa.BufferReader(pa.py_buffer(rows_of))) as reader:
            yield "", reader


def _ran(process: int) -> int:
    """Return for how many nanoseconds all threads of a process have run, 0 where the system does not tell.

    Whatever comes over its socket has it run, also while a batch is not complete.
    """
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        for task in Path(f"/proc/{process}/task").iterdir():
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total


def _drained(order: dict[str, object], file: int, one: watch.Talk) -> str:
    """Have the file written; return the reason why that failed, or ''."""
    with subprocess.Popen(
        [sys.executable, "-P", SPOOL],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=(file,),
    ) as process:  # fmt: skip
        try:
            given: str | None = json.dumps(order)
            size, since, ran = 0, time.monotonic(), 0
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(given, timeout=min(LOOK_SECONDS, one.seconds / 4))
                    break
                given, now = None, time.monotonic()
                written, running = os.fstat(file).st_size, _ran(process.pid)
                if written != size or running - ran > RUNNING_NS:
                    size, since, ran = written, now, running
                elif now - since >= one.seconds and not one.ended:
                    since = now
                    if watch.at_work(one):
                        since = time.monotonic()
                if one.ended:
                    return one.ended
        finally:
            process.kill()
    if process.returncode == 0:
        return ""
    if process.returncode < 0:
        return f"the process that reads it was ended by signal {-process.returncode}: {MEMORY}"
    return out.strip() or err.strip()[-500:] or f"exit code {process.returncode}"
