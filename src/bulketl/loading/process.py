"""A process for steps of many bytes: where the system ends it for want of memory, one table fails and not the run.

Native code aborts when it gets no memory, and the kernel kills whoever has most. Such steps run one after another in a
process of the thread that has them; it is kept, starts when the first one comes, and ends with that thread. Steps go in and
results come out as pickles, over its standard input and output.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from bulketl.connections import watch
from bulketl.connections.watch import ASK_SECONDS
from bulketl.errors import MEMORY, SourceError
from bulketl.loading.starting import begin
from bulketl.mysql.stream_process import end_with
from bulketl.postgres.write.copy import leave

_ALLOCATION = re.compile(r"memory allocation of \d+ bytes failed")
_START = f"from bulketl.loading import starting as s; s.hold(); s.import_arrow(); from {__name__} import main; main()"
_FIRST_TO_GO = "500"  # of the processes that the kernel may kill


class Apart:
    """The process, from the first step that it gets."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115, what native code says as it aborts; it goes with this object

    def carry_out(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call a function there; return what it does or raise what it raises. SourceError when the process dies of it."""
        process = self._process = self._process or _started(self._words)
        to, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        try:
            pickle.dump((fn, args), to)
            to.flush()
            done, result = pickle.load(answers)  # noqa: S301, our own
        except (OSError, EOFError, pickle.UnpicklingError):
            tables = ", ".join(map(repr, getattr(args[-1], "tables", ())))
            raise SourceError(
                f"table {tables}: the process that loaded it {_end(process)}{self._said()}", hint=MEMORY, ease="batch"
            ) from None
        finally:
            if process.poll() is not None:
                self._process = None
                _close(process)
        if done:
            return result
        raise result

    def _said(self) -> str:
        """Return what native code said of memory: nothing else, for it may be a value."""
        self._words.seek(0)
        found = _ALLOCATION.findall(self._words.read().decode(errors="replace"))
        return f": {found[-1]}" if found else ""

    def end(self) -> None:
        """End it, and what it is at, at both servers too; it has some seconds for that."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(2 * ASK_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        _close(process)

    def close(self) -> None:
        """End it, for good."""
        self.end()
        self._words.close()


def _started(words: IO[bytes]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    process = subprocess.Popen(
        # -P: what lies in the current folder, a types.py perhaps, is imported there only if it would be here.
        [sys.executable, "-P", "-c", _START],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words,
        # Native code that panics for want of memory wants more for its backtrace, and waits for ever when it gets none.
        env={**os.environ, "PYTHONPATH": path, "RUST_BACKTRACE": "0"},
        process_group=0,  # Ctrl-C is for the driver: it lets this one end its step
    )  # fmt: skip
    pickle.dump(os.getpid(), cast(IO[bytes], process.stdin))
    return process


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close what leads to a process that has ended."""
    with contextlib.suppress(OSError), process:  # what it was told last may not have gone out
        pass


def _end(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def main() -> None:
    """Carry out what comes until nothing does, or SIGTERM says that it is over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in all threads, which inherit it
    threading.Thread(target=_end_when_told, daemon=True).start()
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    given = sys.stdin.buffer
    end_with(pickle.load(given))  # noqa: S301
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    while True:
        try:
            fn, args = pickle.load(given)  # noqa: S301
        except EOFError:
            return
        begin()
        _answer(told, fn, args)


def _end_when_told() -> None:
    signal.sigwait({signal.SIGTERM})  # a driver may keep the main thread from handling it
    watch.end_all("it was ended", ASK_SECONDS + 1)
    os._exit(1)


def _answer(told: IO[bytes], fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        answer = (True, fn(*args))
    except Exception as error:
        answer = (False, error)
    finally:
        leave()  # a process that is killed leaves no session behind that holds anything
    try:
        text = pickle.dumps(answer)
        pickle.loads(text)  # noqa: S301
    except Exception:
        text = pickle.dumps((False, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))
    told.write(text)
    told.flush()
