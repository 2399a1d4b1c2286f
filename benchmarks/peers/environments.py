"""A virtual environment for each program that comes as a wheel, made when it is first needed and kept in a cache folder.

So versions do not fight each other, nor those of this project, and nobody installs them who does not measure. The folder is
BULKETL_BENCHMARK_CACHE, or `bulketl-benchmark` in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSTALL_SECONDS = 900
_DONE = "complete"


class NotMeasuredError(Exception):
    """A contender cannot run here; the message is the reason."""


def environment(name: str, requirements: Sequence[str]) -> Path:
    """Return the folder of the environment with these wheels, made now where it is not there; raise NotMeasuredError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bulketl-benchmark"
    mark = hashlib.sha256("\n".join((platform.python_version(), *requirements)).encode()).hexdigest()[:8]
    folder = Path(os.environ.get("BULKETL_BENCHMARK_CACHE") or cache) / f"{name}-{mark}"
    if not (folder / _DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted installation left
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        _run([*pip, *requirements])
        (folder / _DONE).touch()
    return folder


def installed(folder: Path, *packages: str) -> str:
    """Return the versions of packages of an environment, as `duckdb 1.5.5`."""
    text = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run([folder / "bin" / "python", "-c", text, *packages], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _run(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotMeasuredError(f"not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise NotMeasuredError(f"cannot be installed: {lines[-1].removeprefix('ERROR: ') if lines else 'pip says nothing'}")
