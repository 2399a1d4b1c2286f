"""Running a contender and measuring it: wall seconds, CPU seconds of its processes, their peak memory.

CPU seconds are what the kernel says when a process is reaped, so they are exact and include its own children. Peak memory
is the sum of the processes' high-water marks, polled; for a single process the kernel's word is taken where it says more.
The servers' CPU seconds are known only of servers started for the run; `machine` is what the whole machine did meanwhile, so
that work of others shows: much more than the contender's and the servers' together, and the wall seconds say little.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL_SECONDS = 0.01
SETTLE_SECONDS = 0.5  # a server process on its way out is counted nowhere until its parent has noticed
TICKS = os.sysconf("SC_CLK_TCK")


class ContenderError(Exception):
    """A contender ended with an error; the message has the end of what it said."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to do the job: processes joined by pipes, and what is added to their environment."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: wall seconds, CPU seconds of contender, servers and whole machine, bytes of the contender at the peak.

    `each`: the servers' CPU seconds one by one, in the order they were given.
    """

    seconds: float
    cpu: float
    servers: float
    peak: int
    machine: float
    each: tuple[float, ...] = ()


def median(values: Sequence[float]) -> float:
    """Return the median, to the millisecond."""
    return round(statistics.median(values), 3)


def measure(contender: Contender, folder: Path, servers: Sequence[int] = (), most_seconds: float = 0) -> Measured:
    """Run a contender once, in `folder`, served by the processes `servers`.

    Raise ContenderError when one of its own processes fails, or is ended because it takes longer than `most_seconds`.
    """
    # Whoever has it set would measure how Python compiles modules, and not how they run.
    environ = {**os.environ, **contender.environ}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as said:
        busy, before, began = machine_seconds(), [cpu_seconds((pid,)) for pid in servers], time.monotonic()
        processes: list[subprocess.Popen[bytes]] = []
        for n, command in enumerate(contender.commands):
            last = n == len(contender.commands) - 1
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    env=environ,
                    stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                    stderr=said,
                )
            )
            if n and (pipe := processes[n - 1].stdout):
                pipe.close()  # the next process has it now
        peaks = Peaks([process.pid for process in processes])
        peaks.start()
        limit = threading.Timer(most_seconds or threading.TIMEOUT_MAX, _end, (processes,))
        limit.daemon = True
        limit.start()
        cpu, most, failed = 0.0, 0, False
        for process in processes:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            failed |= process.returncode != 0
            cpu += usage.ru_utime + usage.ru_stime
            most = max(most, usage.ru_maxrss * 1024)
        seconds, busy = time.monotonic() - began, machine_seconds() - busy
        peaks.stop()
        limit.cancel()
        if failed and most_seconds and seconds > most_seconds:
            raise ContenderError(f"{contender.name} was ended after {most_seconds:.0f} s")
        if failed:
            said.seek(0)
            text = said.read()[-1500:].decode(errors="replace").strip()
            codes = ", ".join(str(process.returncode) for process in processes)
            raise ContenderError(f"{contender.name} ended with {codes}: {text}")
    # A child's ru_maxrss begins at its parent's size, so it says something only when it is more.
    own = high_water(os.getpid())
    peak = max(peaks.total, most if len(processes) == 1 and most > own else 0)
    if servers:
        time.sleep(SETTLE_SECONDS)
    each = tuple(round(cpu_seconds((pid,)) - spent, 3) for pid, spent in zip(servers, before, strict=True))
    return Measured(round(seconds, 3), round(cpu, 3), round(sum(each), 3), peak, round(busy, 3), each)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for pid in [pid for process in processes for pid in descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Peaks(threading.Thread):
    """Follows the high-water marks of some processes and all their descendants."""

    def __init__(self, roots: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self._roots = roots
        self._marks: dict[int, int] = {}
        self._end = threading.Event()

    def run(self) -> None:
        """Poll until stopped."""
        while not self._end.wait(POLL_SECONDS):
            for root in self._roots:
                for pid in descendants(root):
                    self._marks[pid] = max(self._marks.get(pid, 0), high_water(pid))

    def stop(self) -> None:
        """Stop polling."""
        self._end.set()
        self.join()

    @property
    def total(self) -> int:
        """The sum of the marks in bytes: a little more than was ever there at once."""
        return sum(self._marks.values())


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and everything it started that is still there."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from descendants(int(child))


def high_water(pid: int) -> int:
    """Return the most memory a process ever held, in bytes; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU seconds spent so far by servers, with what their children spent, those that are gone too."""
    total = 0
    for pid in (found for root in pids for found in descendants(root)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))  # own user and system, reaped children's user and system
    return total / TICKS


def machine_seconds() -> float:
    """Return the CPU seconds all cores spent on anything since the machine started."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / TICKS
