"""A process that gives tables over, or back, and is killed by SIGKILL when it comes to a function or leaves it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

KILLED = """
import importlib, os, signal, sys
from bulketl.cli.app import main
module, name, when = sys.argv.pop(1).split(":")
home = importlib.import_module(f"bulketl.{module}")
act = getattr(home, name)
def killed(*args, **more):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    act(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(home, name, killed)
main()
"""


def killed(environ: dict[str, str], place: str, *words: str) -> None:
    """Give a command to a process that dies at a `module:function:before` or `:after`."""
    command = [sys.executable, "-c", KILLED, place, *words]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, (place, done.stdout, done.stderr)
