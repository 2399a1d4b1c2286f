"""Who runs this, for records that say who did something."""

from __future__ import annotations

import getpass
import os
import socket


def person() -> str:
    """Return who runs this, as the operating system knows them, and on which machine: name@host.

    A container may run as a number that has no name.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
