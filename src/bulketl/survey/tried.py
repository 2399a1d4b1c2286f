"""Which series of both servers were tried, as docs/compatibility.md has them."""

from __future__ import annotations

import re

SOURCES: dict[str, tuple[str, ...]] = {"MariaDB": ("10.11", "11.8"), "MySQL": ("5.7", "8.0", "9.7")}
TARGETS = ("15", "16", "17", "18")
PAGE = "docs/compatibility.md"


def source_series(version: str) -> tuple[str, str]:
    """Return the product and the series of a source that calls itself so: 11.8.9-MariaDB is of MariaDB 11.8."""
    # Old clients took MariaDB 10 for MySQL 5.5, so it may say that first.
    found = re.match(r"(?:5\.5\.5-)?(\d+\.\d+)", version)
    return "MariaDB" if "mariadb" in version.lower() else "MySQL", found[1] if found else version


def target_series(version: str) -> str:
    """Return the series of a Postgres that calls itself so: 17.12 (Debian …) is of 17."""
    return version.partition(".")[0]
