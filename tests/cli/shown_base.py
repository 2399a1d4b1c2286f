"""What several golden screens show: names that are long, odd or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bulketl.tables.spec import TIERS

SOURCE, SCHEMA, RUN = "mysql://clinic:3306/opendental", "raw", "20261127-011200-c3d4"
LATER = "20261128-011200-e5f6"
AT = "2026-11-27 01:12:40+00"
LONG = "ehrquarterlykey_of_every_provider_since_the_first_day_of_all_of"  # as long as Postgres lets a name be
ODD = "n\nforged line\x1b[31m"
HEAD = "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e"
MANY = [f"table_{n:03d}" for n in range(432)]
HASHES = "equal hashes on both servers"
Made = Callable[[bool], Any]  # takes whether much is asked for


def tier_of(n: int) -> str:
    return TIERS[0 if n < 12 else 1 if n < 60 else 2 if n < 70 else 3]
