"""Commands in processes of their own, forked from one that has imported everything: a fifth of a second instead of one.

As a program it is that process: an order per line on standard input, a line per child that began or ended on its output.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

MODULES = (
    "bulketl.cli.loading", "bulketl.cli.verify", "bulketl.cli.migrate", "bulketl.cli.records", "bulketl.cli.screens.summary",
    "bulketl.loading.run", "bulketl.loading.worker", "bulketl.survey.planning", "bulketl.mysql.native", "bulketl.operations",
    "polars", "pyarrow", "pyarrow.ipc", "connectorx", "adbc_driver_postgresql.dbapi", "pgpq", "psycopg", "pymysql",
)  # fmt: skip
HUNG_SECONDS = 60.0
ROWS = 50  # of a range, so that few rows make many ranges


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: its exit code, negative for a signal, and what it printed. `hung`: it was ended for that."""

    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False

    @property
    def calls(self) -> int:
        """How many calls of bulketl's functions there were, where they were counted."""
        found = [line for line in self.err.splitlines() if line.startswith("calls ")]
        return int(found[-1].split()[1]) if found else 0

    def told(self) -> Any:
        """Return the document on standard output, None where there is none."""
        with contextlib.suppress(ValueError):
            return json.loads(self.out)
        return None


@dataclass(slots=True)
class Running:
    """A command under way, with a temporary folder of its own."""

    warm: Warm
    process: int
    folder: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def temporary(self) -> Path:
        """Its TMPDIR."""
        return self.folder / "tmp"

    @property
    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self.process in self.warm.codes

    @property
    def over(self) -> bool:
        """Tell whether it has ended, or hangs: nobody goes on striking at it."""
        return self.ended or time.monotonic() - self.began > HUNG_SECONDS

    def kill(self) -> None:
        """End it by SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    def wait(self, seconds: float) -> Ended:
        """Wait for its end; after so many seconds it hangs and is killed."""
        with self.warm.changed:
            seconds -= time.monotonic() - self.began
            hung = not self.warm.changed.wait_for(lambda: self.ended, seconds)
            took = time.monotonic() - self.began
            if hung:
                self.kill()
                self.warm.changed.wait_for(lambda: self.ended, 10)
            code = self.warm.codes[self.process]
        out, err = ((self.folder / name).read_text(errors="replace") for name in ("out", "err"))
        return Ended(code, out, err, took, hung)


class Warm:
    """The process from which commands are forked."""

    def __init__(self) -> None:
        """Start it, and wait until it has imported all."""
        self.codes: dict[int, int] = {}
        self.changed = threading.Condition()
        self._began: SimpleQueue[int] = SimpleQueue()
        self._folder = tempfile.TemporaryDirectory(prefix="bulketl-trials-")
        self._number = 0
        self._one = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self._hearing = threading.Thread(target=self._heard, daemon=True)
        self._hearing.start()

    def _heard(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            word, process, *code = line.split()
            if word == "began":
                self.codes.pop(int(process), None)  # of a process of the same number, long ago
                self._began.put(int(process))
                continue
            with self.changed:
                self.codes[int(process)] = int(code[0])
                self.changed.notify_all()

    def start(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        *,
        kill_at: int = -1,
        more_mb: int = 0,
        slow: bool = False,
        temporary: str = "",
    ) -> Running:
        """Begin a command. `kill_at`: as calls.py has it; `slow`: with the pauses that users have between two tries.

        `more_mb`: the address space that it may take beyond what it begins with; `temporary`: another TMPDIR.
        """
        assert self._process.stdin
        with self._one:
            self._number += 1
            folder = Path(self._folder.name, str(self._number))
            (folder / "tmp").mkdir(parents=True)
            order = {
                "words": list(words), "folder": str(folder), "kill_at": kill_at, "more_mb": more_mb, "slow": slow,
                "environ": {**environ, "TMPDIR": temporary or str(folder / "tmp")},
            }  # fmt: skip
            self._process.stdin.write(json.dumps(order) + "\n")
            return Running(self, self._began.get(timeout=60), folder)

    def run(self, words: Sequence[str], environ: Mapping[str, str], seconds: float = 90, **how: Any) -> Ended:
        """Carry out a command."""
        return self.start(words, environ, **how).wait(seconds)

    def stop(self) -> None:
        """End the process; commands that are under way go on."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        self._hearing.join(10)
        assert self._process.stdout
        self._process.stdout.close()
        self._folder.cleanup()


def _carry_out(order: dict[str, Any]) -> None:
    """Be the command; never returns."""
    folder, code = Path(order["folder"]), 1
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(order["environ"])
    tempfile.tempdir = None
    if order["more_mb"]:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (order["more_mb"] << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _hasten(slow=order["slow"])
    sys.argv = ["bulketl", *order["words"]]
    from calls import killed_at

    try:
        with killed_at(order["kill_at"]) if order["kill_at"] >= 0 else contextlib.nullcontext():
            from bulketl.cli.app import main

            main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _hasten(*, slow: bool) -> None:
    """Cut small ranges, and make short pauses unless it is to be slow."""
    import bulketl.connections.retrying
    import bulketl.loading.patience
    import bulketl.tables.partitions
    import bulketl.verifying.looks

    bulketl.tables.partitions.MOST_ROWS = ROWS
    bulketl.verifying.looks.PAUSE_SECONDS = 0.1
    if not slow:
        bulketl.connections.retrying.PAUSES = (0.05, 0.2, 0.5)
        bulketl.loading.patience.AWAY_PAUSE = 0.3
        bulketl.loading.patience.AWAY_SECONDS = 3.0


def main() -> None:
    """Import everything, and fork a child for each order."""
    import importlib

    for name in MODULES:
        importlib.import_module(name)
    for line in sys.stdin:
        order, child = json.loads(line), os.fork()
        if not child:
            _carry_out(order)
        print("began", child, flush=True)
        threading.Thread(target=_awaited, args=(child,), daemon=True).start()


def _awaited(child: int) -> None:
    _, status = os.waitpid(child, 0)
    print("ended", child, os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
