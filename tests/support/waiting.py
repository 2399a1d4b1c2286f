"""Waiting in tests for what is about to be: patiently, for the machine may be busy with others.

A test that asserts how long something takes gives it NEVER seconds where the mistake is to wait for what does not end.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 120  # no test asserts how long it waits here; it is the end of what never comes
PAUSE = 0.02
NEVER = 100  # more than whatever is right takes on any machine, less than a test may take


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for something that is about to be. Raise AssertionError when it has not come within these seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(PAUSE)
