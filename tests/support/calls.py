"""bulketl's command line in a process that is killed by SIGKILL at a call of a function of bulketl's, whichever that is.

As a program it takes the number of that call, 0 for none, and the words of the command; it prints how many calls there were.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import bulketl.tables.partitions
from bulketl.cli.app import main


@contextlib.contextmanager
def killed_at(number: int) -> Iterator[None]:
    """Kill this process at such a call, in any of its threads; print on standard error how many there were."""
    calls, place = itertools.count(1), os.sep + "bulketl" + os.sep

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and place in frame.f_code.co_filename and next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        print("calls", next(calls), file=sys.stderr)


if __name__ == "__main__":
    bulketl.tables.partitions.MOST_ROWS = 50
    with killed_at(int(sys.argv.pop(1))):
        main()
