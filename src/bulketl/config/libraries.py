"""The versions of libraries below which values are lost or changed without an error."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import version

from bulketl.errors import ConfigError

# Older ones lose rows or corrupt money without an error (docs/types.md).
LEAST_VERSIONS = {"connectorx": (0, 4, 6), "adbc-driver-postgresql": (1, 13, 0)}
_installed = functools.cache(version)  # it reads a file, and no other version comes in later


def check_libraries(versions: Mapping[str, str] | None = None, where: str = "") -> None:
    """Raise ConfigError when a library is installed that would lose rows or corrupt values silently.

    `versions` are what another process has installed, and `where` says which one.
    """
    for name, least in LEAST_VERSIONS.items():
        found = _installed(name) if versions is None else versions[name]
        numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:3] if part.isdigit())
        if numbers < least:
            wanted = ".".join(map(str, least))
            raise ConfigError(
                f"{name} {found} is installed{where}, and versions before {wanted} lose rows or corrupt values silently",
                hint=f"pip install '{name}>={wanted}'{where}",
            )
