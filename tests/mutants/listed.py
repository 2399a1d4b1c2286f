"""The mutants that no test can notice or need notice, each with its reason: survivors.yaml."""

from __future__ import annotations

from pathlib import Path

import yaml

FILE = Path(__file__).with_name("survivors.yaml")
Key = tuple[str, str, str, str, int]  # file, function, what stood there, what stands there now, which of several


def listed() -> dict[Key, str]:
    """Return the reason of each, by what names it however its lines move."""
    found: dict[Key, str] = {}
    for path, functions in (yaml.safe_load(FILE.read_text()) or {}).items():
        for function, entries in functions.items():
            for one in entries:
                found[path, function, one["was"], one["now"], one.get("twin", 1)] = one["why"]
    return found
