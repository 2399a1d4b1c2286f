"""A command of the user's, carried out: no shell, text on its standard input, an end, and the tail of what it prints.

What it prints is read all the time and thrown away but for the tail, so that a flood neither fills memory nor stops it.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TAIL_BYTES = 4096
LOG_BYTES = 16 << 20  # that are kept of what one command prints
SOFT_SECONDS = 2.0  # between SIGTERM and SIGKILL
LOOK_SECONDS = 0.5
TAIL_SECONDS = 1.0  # for the tail, once the command has ended: what it has started may hold its output open

_running: set[subprocess.Popen[bytes]] = set()
_CALL = """
import importlib, json, sys
module, _, path = sys.argv[1].partition(":")
found = importlib.import_module(module)
for name in path.split("."):
    found = getattr(found, name)
if not callable(found):
    raise TypeError(f"{sys.argv[1]} cannot be called")
if len(sys.argv) == 2:
    found(json.load(sys.stdin))
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code, None when it did not start or was ended, and how that went in a few words.

    `last` is the last line that it printed, '' for none. `ended`: it had to be.
    """

    code: int | None
    how: str
    last: str
    seconds: float
    ended: bool = False


def label(words: Sequence[str]) -> str:
    """Return the name by which people know a command: its program, for an argument may be a secret."""
    return Path(words[0]).name or words[0]


def calling(name: str, *, only_look: bool = False) -> tuple[str, ...]:
    """Return the command that calls a `module:function` of Python with the JSON that it reads, or looks whether it could."""
    return (sys.executable, "-c", _CALL, name, *(["look"] if only_look else []))


def carry_out(
    words: Sequence[str],
    text: str,
    seconds: float,
    environ: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    log: IO[bytes] | None = None,
) -> Ran:
    """Run a command to its end, or end it and all that it has started in its session after so many seconds.

    `environ` is added to the environment. Once `stop` is set the command is ended, too; so it is by an interruption, which
    goes on. `log` takes what it prints, up to LOG_BYTES, and its tail where there was more. Nothing else is raised.
    """
    began = time.monotonic()
    tail = bytearray()
    process: subprocess.Popen[bytes] | None = None
    try:
        with _interruptions_later():  # one between its start and our taking note of it would leave it running
            process = subprocess.Popen(
                list(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})}, start_new_session=True,
            )  # fmt: skip
            _running.add(process)
            reading = threading.Thread(target=_read, args=(process.stdout, tail, log), name="bulketl-command", daemon=True)
            feeding = threading.Thread(target=_feed, args=(process.stdin, text), name="bulketl-command", daemon=True)
            reading.start()
            feeding.start()
        ended = _awaited(process, began + seconds, stop or threading.Event())
        if ended:
            _end(process)
    except (OSError, ValueError) as error:  # not there, not to be executed, no program; a NUL in a word
        if process is not None:
            raise
        return Ran(None, f"did not start: {getattr(error, 'strerror', None) or type(error).__name__}", "", 0.0)
    except BaseException:
        if process is not None:
            _end(process)
        raise
    finally:
        if process is not None:
            _running.discard(process)
    reading.join(TAIL_SECONDS)
    took = time.monotonic() - began
    lines = bytes(tail).decode("utf-8", "replace").strip().splitlines()
    last = lines[-1].strip() if lines else ""
    if ended:
        return Ran(None, f"was ended after {min(took, seconds):.3g} s", last, took, ended=True)
    code = process.returncode
    return Ran(code, f"ended with {code}" if code >= 0 else f"was killed by signal {-code}", last, took)


@contextlib.contextmanager
def _interruptions_later() -> Iterator[None]:
    """Have a Ctrl-C or SIGTERM wait for the end of the context; only the main thread hears of them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda came, _: heard.append(came)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)  # None: one that is not Python's
        for came in heard:
            signal.raise_signal(came)


def kill_all() -> None:
    """Kill every command that is running, for a process that ends at once."""
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _awaited(process: subprocess.Popen[bytes], until: float, stop: threading.Event) -> bool:
    """Wait for a command, and return whether it is to be ended."""
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        try:
            process.wait(min(left, LOOK_SECONDS))
        except subprocess.TimeoutExpired:
            continue
        return False
    return True


def _read(stream: IO[bytes] | None, tail: bytearray, log: IO[bytes] | None) -> None:
    if stream is None:
        return
    sink, left = log or io.BytesIO(), LOG_BYTES if log else 0
    more = 0
    with stream, contextlib.suppress(OSError, ValueError):
        while block := os.read(stream.fileno(), 65536):
            tail += block
            del tail[:-TAIL_BYTES]
            sink.write(block[:left])
            more += max(len(block) - left, 0)
            left = max(left - len(block), 0)
    if more and log:
        cut = max(more - len(tail), 0)
        with contextlib.suppress(OSError, ValueError):
            log.write(f"\n[bulketl left out {cut:,} bytes here]\n".encode() + bytes(tail[-more:]))


def _feed(stream: IO[bytes] | None, text: str) -> None:
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError), stream:  # whoever does not read may close it
        stream.write(text.encode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started: gently first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SOFT_SECONDS)
