"""A command that bulketl starts does not outlive an interruption, at whatever moment that comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bulketl.connections import commands

LASTS = (sys.executable, "-c", "import time; time.sleep(60)")


def interrupted_at(monkeypatch: pytest.MonkeyPatch, at: str, number: signal.Signals) -> list[int]:
    """Have a signal come while a command is started; return the processes that were."""
    started: list[int] = []
    popen, start = subprocess.Popen.__init__, threading.Thread.start

    def begun(self: subprocess.Popen[bytes], *words: Any, **options: Any) -> None:
        if at == "before":
            signal.raise_signal(number)
        popen(self, *words, **options)
        started.append(self.pid)
        if at == "as it is there":
            signal.raise_signal(number)

    def threaded(self: threading.Thread) -> None:
        start(self)
        if at == "as it is fed" and self.name == "bulketl-command":
            signal.raise_signal(number)

    monkeypatch.setattr(subprocess.Popen, "__init__", begun)
    monkeypatch.setattr(threading.Thread, "start", threaded)
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["before", "as it is there", "as it is fed"])
def test_an_interruption_while_it_is_started_ends_it(
    monkeypatch: pytest.MonkeyPatch, at: str, number: signal.Signals
) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        started = interrupted_at(monkeypatch, at, number)
        with pytest.raises(KeyboardInterrupt):
            commands.carry_out(LASTS, "", 60)
        assert all(signal.getsignal(one) is interrupt for one in before)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    (process,) = started
    assert not Path(f"/proc/{process}").exists()


def test_a_command_that_does_not_start_says_why_and_leaves_the_handlers() -> None:
    handler = signal.getsignal(signal.SIGINT)
    ran = commands.carry_out(("/no/such/program",), "", 60)
    assert (ran.code, ran.how) == (None, "did not start: No such file or directory")
    assert signal.getsignal(signal.SIGINT) is handler
