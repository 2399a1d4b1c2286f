"""Names of tables as people give them: a name, or a pattern with `*`, `?` and `[...]`; case counts."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from bulketl.errors import PlanError


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name matches one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def fitting(names: Iterable[str], patterns: Sequence[str], schema: str, hint: str) -> set[str]:
    """Return the names that fit, all of them where there is no pattern; raise PlanError for one that matches none."""
    known = list(names)
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in known):
            raise PlanError(f"nothing is known of a table {pattern!r} in schema {schema!r}", hint=hint)
    return {name for name in known if not patterns or matches(name, patterns)}
