"""A terminal for programs: a pseudo-terminal of some width, what was sent to it, and what it shows then."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

HEIGHT = 24


def shows(output: str) -> list[str]:
    """Return the lines of a terminal that was sent this, as far as it knows the sequences that move and erase."""
    rows, row, column = [""], 0, 0
    for count, final, char in re.findall(r"\x1b\[([?\d;]*)([A-Za-z])|(.)", output, re.DOTALL):
        if final == "A":
            row = max(0, row - int(count or 1))
        elif final == "K":
            rows[row] = rows[row][:column]
        elif final == "J":
            rows[row:] = [rows[row][:column]]
        elif char == "\r":
            column = 0
        elif char == "\n":
            row, column = row + 1, 0
            rows += [""] * (row >= len(rows))
        elif char:
            rows[row] = rows[row][:column].ljust(column) + char + rows[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in rows]


@dataclass
class Terminal:
    """A program in a pseudo-terminal, and all that it has sent."""

    process: subprocess.Popen[bytes]
    descriptor: int
    sent: list[tuple[float, str]] = field(default_factory=list)

    def read(self, seconds: float) -> None:
        """Take what comes in some seconds at most."""
        if select.select([self.descriptor], [], [], seconds)[0]:
            try:
                text = os.read(self.descriptor, 1 << 16).decode("utf-8", "replace")
            except OSError:  # the program has ended
                return
            self.sent.append((time.monotonic(), text))

    @property
    def output(self) -> str:
        """All that was sent."""
        return "".join(text for _, text in self.sent)

    def until(self, condition: Callable[[str], bool], seconds: float = 60) -> str:
        """Read until the lines that are shown fulfil a condition, and return them."""
        end = time.monotonic() + seconds
        while not condition(text := "\n".join(shows(self.output))):
            assert time.monotonic() < end, f"waited in vain:\n{text}"
            self.read(0.1)
        return text

    def ended(self, seconds: float = 60) -> int:
        """Read to the end of the program, and return its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"waited in vain:\n{self.output}"
            self.read(0.1)
        self.read(0.1)
        return self.process.returncode


@contextlib.contextmanager
def bulketl(words: Sequence[str], width: int, environ: Mapping[str, str]) -> Iterator[Terminal]:
    """Run bulketl in a terminal of that width; it is killed at the end, if it has not ended."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "bulketl", *words], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
        env={**os.environ, "TERM": "xterm-256color", **environ}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
