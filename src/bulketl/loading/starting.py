"""How a process of bulketl's own starts: the command line's, and those of steps. A notebook imports as it likes.

Nearly all of the time is Python's, which imports one library after the other; docs/performance.md has the figures.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_ours: set[str] = set()  # variables of the environment that stand only while libraries are imported


def hold() -> None:
    """Have nothing collected while libraries are imported: nothing of them goes again, and all of it would be looked at.

    `begin` is to be called when that is done. Nor does the end of the process look at anything.
    """
    gc.disable()
    if _PLUGINS not in os.environ:  # pydantic would read what every installed package says of itself
        os.environ[_PLUGINS] = "__all__"
        _ours.add(_PLUGINS)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def begin() -> None:
    """Collect again what goes, if `hold` was called; what is there by now stays, and is never looked at."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    while _ours:  # what is started from here looks for its own
        os.environ.pop(_ours.pop(), None)


def import_arrow() -> None:
    """Import Arrow without NumPy, which it would import where that is installed, and which nothing here uses.

    It can be imported afterwards, for a picture for instance, but Arrow does not take or give its arrays any more.
    """
    if "pyarrow" in sys.modules or "numpy" in sys.modules:
        return
    modules: dict[str, object] = vars(sys)["modules"]
    modules["numpy"] = None  # so that `import numpy` fails
    try:
        import pyarrow.compute  # noqa: F401
    finally:
        del modules["numpy"]
