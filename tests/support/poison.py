"""A value of ours with hostile text wherever a text of somebody else's may stand, in the shape that it has.

What is left as it is: what the code chose itself, as tiers, outcomes and the keys of its records are.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

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
    if isinstance(value, str):
        stays = value in closed() or not value or _OURS.fullmatch(value)
        return value if stays else text(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(again, value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(map(again, value))
    if isinstance(value, Path):
        return Path(text(str(value)).replace("\0", ""))
    if isinstance(value, dict):
        return type(value)({again(key): again(one) for key, one in value.items()})
    if isinstance(value, Mapping) or isinstance(value, (BaseModel, type)):
        return value
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{name: again(one) for name, one in vars(value).items()})
    if isinstance(value, BaseException):
        made = type(value)(text(str(value)))
        for name in ("hint", "said", "code"):
            if getattr(value, name, None):
                setattr(made, name, again(getattr(value, name)))
        return made
    if dataclasses.is_dataclass(value):
        given = {field.name: again(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return type(value)(**given)
    return value
