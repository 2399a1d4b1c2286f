"""Source and target as the configuration names them, and as the engine sees them."""

from __future__ import annotations

import getpass
import os
import socket
import warnings
from typing import TypeVar

from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import LEDGER, STAGING, Postgres

End = TypeVar("End", MySQL, Postgres)


def endpoints(config: Config) -> tuple[MySQL, Postgres]:
    """Return source and target; raise ConfigError naming what is not set."""
    return source_of(config), target_of(config)


def source_of(config: Config) -> MySQL:
    """Return the source; raise ConfigError when it is not set."""
    return _noted(MySQL(_uri(config.source, "source"), stall_seconds=config.stall_seconds))


def target_of(config: Config) -> Postgres:
    """Return the target; raise ConfigError when it is not set, or the schema cannot be loaded into."""
    if config.target_schema in (LEDGER, STAGING, "information_schema") or config.target_schema.startswith("pg_"):
        whose = "bulketl's own" if config.target_schema in (LEDGER, STAGING) else "the system's"
        raise ConfigError(
            f"the target schema cannot be {config.target_schema!r}: it is {whose}", hint="choose another with --schema"
        )
    return _noted(Postgres(_uri(config.target, "target"), stall_seconds=config.stall_seconds))


def _noted(end: End) -> End:
    """Warn once, wherever this was asked for, of a word for TLS that has another meaning or a newer name."""
    if note := end.protection.note:
        warnings.warn(note, UserWarning, stacklevel=2)
    return end


def _uri(value: str, name: str) -> str:
    if not value:
        raise ConfigError(
            f"no {name} is set",
            hint=f"set BULKETL_{name.upper()} to its URI, or {name}: in config/bulketl.yaml",
        )
    return value


def person() -> str:
    """Return who runs this, as the operating system knows them, and on which machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
