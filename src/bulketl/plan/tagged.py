"""Values that JSON has no form for, tagged with their type, so that a stored plan comes back as it was."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache
from typing import Any

_TEXTS: dict[str, Any] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "decimal": Decimal,
    "bytes": base64.b64decode,
    "seconds": lambda text: dt.timedelta(seconds=float(text)),
}


def tagged(value: object) -> object:
    """Return a value of a plan in a form that JSON has: fields by their names, others tagged with their type.

    Raise TypeError for a value of another type.
    """
    if is_dataclass(value):
        return {name: getattr(value, name) for name in _names(type(value))}  # type: ignore[arg-type]
    if isinstance(value, bytes):
        return {"$": "bytes", "text": base64.b64encode(value).decode()}
    if isinstance(value, dt.datetime):
        return {"$": "datetime", "text": value.isoformat()}
    if isinstance(value, dt.date):
        return {"$": "date", "text": value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"$": "seconds", "text": str(value.total_seconds())}
    if isinstance(value, Decimal):
        return {"$": "decimal", "text": str(value)}
    raise TypeError(f"{type(value).__name__} has no place in a plan")


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def untagged(found: dict[str, Any]) -> Any:
    """Return the value of a tagged mapping, any other mapping as it is; for `json.loads(object_hook=...)`."""
    return _TEXTS[found["$"]](found["text"]) if found.keys() == {"$", "text"} else found
