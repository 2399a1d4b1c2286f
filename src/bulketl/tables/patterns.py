"""Names of tables as people give them: a name, or a pattern in which `*` and `?` stand for others; case counts.

Whatever a table is called can be named: every other character is itself, `[` too, and a backslash makes `*` and `?` so.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from bulketl.errors import PlanError


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name is one of the patterns, or fits one."""
    return any(name == pattern or _compiled(pattern).fullmatch(name) is not None for pattern in patterns)


def exactly(name: str) -> str:
    """Return the pattern that fits this name, and no other but one that is spelt as the pattern itself."""
    return re.sub(r"[*?\\]", r"\\\g<0>", name)


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\[*?\\]|.", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


def fitting(names: Iterable[str], patterns: Sequence[str], schema: str, hint: str) -> set[str]:
    """Return the names that fit, all of them where there is no pattern; raise PlanError for one that matches none."""
    known = list(names)
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in known):
            raise PlanError(f"nothing is known of a table {pattern!r} in schema {schema!r}", hint=hint)
    return {name for name in known if not patterns or matches(name, patterns)}
