"""A value of ours with hostile text wherever a text of somebody else's may stand, in the shape that it has.

What is left as it is: what the code chose itself, as tiers, outcomes and the keys of its records are.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bulketl.errors import BulketlError

SOURCES = Path(__file__).parents[2] / "src" / "bulketl"
Text = Callable[[str], str]
_OURS = re.compile(  # a number, a moment, a window, an incident by its rule
    r"-?[\d.,]+|\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*|\d\d:\d\d(-\d\d:\d\d [\w/]+)?|(table|run|mass|missing|not)_[a-z]+-.*"
)


@functools.cache
def closed() -> frozenset[str]:
    """Return every text that stands in the source code as a whole: what the code chose, looks up, or writes itself."""
    texts = (path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    return frozenset(found for text in texts for found in re.findall(r'"([^"\\\n{}]*)"', text))


def poisoned(value: Any, text: Text) -> Any:
    """Return a value with each text in it, and each text that is a key, as `text` makes it."""
    again = functools.partial(poisoned, text=text)
    made = value
    if isinstance(value, str):
        made = value if value in closed() or not value or _OURS.fullmatch(value) else text(value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = map(again, value)
        made = type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
    elif isinstance(value, dict):
        made = type(value)({again(key): again(one) for key, one in value.items()})
    elif isinstance(value, Path):
        made = Path(text(str(value)).replace("\0", ""))
    elif isinstance(value, BulketlError):
        made = type(value)(text(str(value)), hint=again(value.hint), said=again(value.said))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field for field in dataclasses.fields(value) if field.init)
        made = type(value)(**{field.name: again(getattr(value, field.name)) for field in fields})
    return made
