"""Prints what was tried, by kind of input and of output, and fails a whole run that has tried too little.

And what a test logs and prints is text, so that xdist can hand it on, whatever names were tried.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import tally


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell halves of surrogate pairs in what was logged and printed: no process can send them to another."""
    report = yield
    report.sections[:] = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


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
