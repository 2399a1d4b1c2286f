"""A load as the command line does it, whose journal is measured: `python -m benchmarks.journaled load ...`.

CPU seconds of the journal's thread, of taking events in the driver and of the last write, and those of its backend in the
target, go as one JSON document into the file that JOURNALED names. They hold up beside the work of others.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bulketl.loading import journal

FILE = "JOURNALED"
spent: dict[str, float] = {"thread": 0.0, "taking": 0.0, "end": 0.0, "backend": 0.0, "events": 0, "flushes": 0}
_backends: dict[int, float] = {}


def measured() -> None:
    """Have the journal of every run in this process measured, and the figures written when it ends."""
    kept = journal.Journal
    flush_again, flush, note, write = kept._flush_again, kept._flush, kept.note, kept.write

    def flushing_again(self: Any) -> None:
        flush_again(self)
        spent["thread"] += time.thread_time()  # all that the thread has done

    def flushing(self: Any, connection: Any) -> None:
        flush(self, connection)
        with contextlib.suppress(FileNotFoundError):  # another machine's backend, or one that has gone
            _backends[connection.info.backend_pid] = _seconds_of(connection.info.backend_pid)
        spent["flushes"] += 1

    def noting(self: Any, event: Any) -> None:
        with timed("taking"):
            note(self, event)
        spent["events"] += 1

    def writing(self: Any, connection: Any) -> None:
        with timed("end"):
            write(self, connection)

    kept._flush_again, kept._flush = flushing_again, flushing  # type: ignore[method-assign]
    kept.note, kept.write = noting, writing  # type: ignore[method-assign]
    atexit.register(_tell)


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Add the CPU seconds of this thread."""
    began = time.thread_time()
    yield
    spent[what] += time.thread_time() - began


def _seconds_of(pid: int) -> float:
    """Return the CPU seconds of a process exactly: `stat` counts hundredths, and a backend has not even one."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def _tell() -> None:
    spent["backend"] = sum(_backends.values())
    Path(os.environ[FILE]).write_text(json.dumps({**spent, "process": time.process_time()}), encoding="utf-8")


if __name__ == "__main__":
    from bulketl.cli import app

    measured()
    app.main()
