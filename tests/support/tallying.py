"""Prints what was tried, by kind of input and of output, and fails a whole run that has tried too little."""

from __future__ import annotations

from typing import Any

import pytest
import tally


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what this process has counted to the one that prints it."""
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["tried"] = tally.counts()
    elif tally.ALL and tally.total() < tally.WANTED and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_testnodedown(node: Any) -> None:
    """Take what a process of xdist has counted."""
    tally.add(getattr(node, "workeroutput", {}).get("tried", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table."""
    if tally.ALL:
        terminalreporter.section("hostile input")
        for line in tally.table():
            terminalreporter.write_line(line)
        if tally.total() < tally.WANTED:
            terminalreporter.write_line(f"too few: {tally.WANTED:,} are wanted")
