"""Ctrl-C while a hook runs after the load: it ends the hook, the load was done and says so, and no hook outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab import Lab
from processes import gone
from waiting import SECONDS, until

# A command that is to end is given so long that a second signal comes before it is made to.
PATIENT = """
import bulketl.connections.commands, bulketl.loading.hooks
bulketl.connections.commands.SOFT_SECONDS = bulketl.loading.hooks.ENDING_SECONDS = 60
from bulketl.cli.app import main
main()
"""
STUBBORN = "trap '' TERM; echo $$ > {pid}; while :; do sleep 0.1; done"  # it ignores the gentle way


@contextlib.contextmanager
def hooked(maria_lab: Lab, tmp_path: Path, *program: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Give a load whose hook runs for ever, once that has begun, and the number of the hook's process."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    pid = tmp_path / "pid"
    hook = {"on": "run_finished", "run": ["sh", "-c", STUBBORN.format(pid=pid)], "time_limit": "1h"}
    settings = tmp_path / "bulketl.yaml"
    settings.write_text(json.dumps({"hooks": [hook]}), encoding="utf-8")
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environ = {**os.environ, "BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}
    command = [sys.executable, *program, "load", "--config", str(settings)]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        until(lambda: process.poll() is not None or (pid.exists() and pid.read_text(encoding="utf-8").strip()))
        assert process.poll() is None
        yield process, int(pid.read_text(encoding="utf-8"))
        process.kill()


def said(process: subprocess.Popen[str], words: str) -> str:
    """Read what a process says until it has said these words, and return all of it."""
    assert process.stdout
    lines = list[str]()
    while words not in " ".join("".join(lines).split()):
        lines.append(process.stdout.readline())
        assert lines[-1], f"it ended: {lines}"
    return "".join(lines)


def test_a_signal_ends_the_hook_and_the_load_is_told_as_it_was(maria_lab: Lab, tmp_path: Path) -> None:
    """Its exit code is that of the load, which was over."""
    with hooked(maria_lab, tmp_path, "-m", "bulketl") as (process, hook):
        output = said(process, "its hooks are still running")
        process.send_signal(signal.SIGINT)
        output += process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0, output
    assert "done: 1 table loaded" in output
    assert "hook sh failed: was ended after " in output
    assert "is over and on record; its hooks are still running: sh (up to 1:00:00 for a call)" in " ".join(output.split())
    until(lambda: gone(hook))


def test_a_second_signal_ends_it_at_once_and_the_hook_with_it(maria_lab: Lab, tmp_path: Path) -> None:
    """Nothing that bulketl has started goes on without it."""
    with hooked(maria_lab, tmp_path, "-c", PATIENT) as (process, hook):
        process.send_signal(signal.SIGINT)
        said(process, "once more ends at once")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    until(lambda: gone(hook))
