"""Files that commands write for people, each as a whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bulketl.errors import ConfigError


def replace(path: Path, text: str) -> None:
    """Write a file so that it is never half there."""
    beside = path.with_name(path.name + ".new")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(text.encode())
        beside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder you may write to"
        ) from None


def keep_secret(path: Path, line: str) -> None:
    """Write a line into a file that its owner alone may read, from its first byte on; raise ConfigError."""
    beside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", hint="work in a folder you may write to") from None


def as_it_is(path: Path) -> str:
    """Return the text of a file with the line ends that it has."""
    return path.read_bytes().decode("utf-8")


def check_folder(path: Path) -> None:
    """Make a folder, unless it is there; raise ConfigError when files cannot be written into it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}", hint="name a folder that you may write to") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"nothing can be written into {path}", hint="name a folder that you may write to")
