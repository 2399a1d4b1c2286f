"""What a table's rule takes from elsewhere in `tables.yaml`: from patterns that fit its name, and from its tier.

A key comes whole from the first place that has it: the table's own entry, then each pattern that fits, in the order of
the file, then the tier. The tier is the one that the entry names, or else the first pattern that names one. A key that no
place has gets its default. Only masks are combined, column by column, so that a table that masks one of its columns does
not lose the masks that hold for many tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulketl.config.masks import together
from bulketl.tables.patterns import matches
from bulketl.tables.spec import Tier

Keys = Mapping[str, Any]


def inherited(name: str, own: Keys, patterns: Mapping[str, Keys], tiers: Mapping[Tier, Keys]) -> dict[str, Any]:
    """Return the keys of a table's rule with those that it inherits."""
    found = dict(own)
    for pattern, keys in patterns.items():
        if matches(name, [pattern]):
            found = _nearer(found, keys)
    return _nearer(found, tiers.get(found.get("table_importance", "reference"), {}))


def _nearer(near: Keys, far: Keys) -> dict[str, Any]:
    """Return the keys of both, the nearer ones where both have them."""
    found = {**far, **near}
    if "mask" in far:
        found["mask"] = together(near.get("mask"), far["mask"], optional=True)
    return found
