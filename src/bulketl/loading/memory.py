"""How much memory the process has, if the system tells."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
from pathlib import Path

_STATM = Path("/proc/self/statm")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def resident_mb() -> float:
    """Return the process's resident memory in MB, 0 where there is no /proc."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


@functools.cache
def limited() -> bool:
    """Tell whether somebody has limited the memory of this process, or of the group that it is in."""
    limits = [resource.getrlimit(resource.RLIMIT_AS)[0]]
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # there is none, or it says `max`
            limits.append(int(path.read_text(encoding="ascii")))
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return any(0 <= limit < most for limit in limits)
