"""Processes as /proc shows them, each of which may end while it is looked at."""

from __future__ import annotations

import contextlib
from pathlib import Path

FORKED_WITHOUT_EXEC = 0x40  # PF_FORKNOEXEC of the kernel, among the flags of /proc/PID/stat


def told(process: int, what: str) -> str:
    """Return what is in a file of a process, as its `cmdline` or `environ`; '' when it is gone."""
    return _text(Path(f"/proc/{process}/{what}"))


def children(process: int) -> list[int]:
    """Return the processes that a process has started and that it has not seen the end of."""
    tasks = list[Path]()
    with contextlib.suppress(OSError):  # it is gone, and so are they
        tasks += Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in _text(task / "children").split()]


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    return [one for child in children(process) for one in (child, *descendants(child))]


def forked(process: int) -> bool:
    """Tell whether a process has not called exec since it was forked."""
    after_name = told(process, "stat").rpartition(")")[2].split()
    return bool(after_name) and bool(int(after_name[6]) & FORKED_WITHOUT_EXEC)


def gone(process: int) -> bool:
    """Tell whether a process has ended; one that nobody has asked for its end is still listed."""
    status = told(process, "status")
    return not status or "State:\tZ" in status


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
