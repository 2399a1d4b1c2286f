"""Which packages each thread is in, taken while none of them runs.

Frames of a thread that runs on cannot be followed one by one: between two steps of a loop it may leave the very frame that
is held, and what is reached from there is memory of something else. `faulthandler` writes the stacks of all threads in one
call, during which no other thread runs Python.
"""

from __future__ import annotations

import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Collection

_OURS = __name__.partition(".")[0]
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+)")
_FILE = re.compile(r'^  File "(.*)", line ')


def packages_of_threads(among: Collection[str]) -> dict[int, set[str]]:
    """Return for each thread those of some packages that it is in, from the innermost call to the first of bulketl's.

    Of more than a hundred threads the oldest are left out.
    """
    folders = {_folder(package): package for package in (_OURS, *among) if package in sys.modules}
    found: dict[int, set[str]] = {}
    inside: set[str] = set()
    ours = False
    for line in _written():
        if thread := _THREAD.match(line):
            inside, ours = found.setdefault(int(thread[1], 16), set()), False
        elif not ours and (file := _FILE.match(line)):
            package = next((name for folder, name in folders.items() if file[1].startswith(folder)), "")
            ours = package == _OURS
            inside.update({package} - {"", _OURS})
    return found


def _written() -> list[str]:
    # In memory where the system has that: a full disk must not blind the watch. A pipe might be full, and nobody would read.
    with os.fdopen(os.memfd_create("stacks"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read().decode("ascii", "replace").splitlines()


def _folder(package: str) -> str:
    """Return the folder of a package, with every character that is not ASCII as faulthandler writes it."""
    (folder, *_) = sys.modules[package].__path__
    return f"{folder}{os.sep}".encode("ascii", "backslashreplace").decode()
