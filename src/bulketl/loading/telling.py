"""Events as the ledger keeps them: a kind, which is the name of the class in snake_case, and a body of plain values.

A body holds no free text of a server: the public message takes the place of the message. Figures for certificates are not
kept, for these are on record themselves.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from bulketl.loading.events import Event, FiguresTaken

_PUBLIC = "public"


def kind_of(event: type) -> str:
    """Return the kind of a class of events: `TablePublished` is `table_published`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


KINDS: dict[str, type] = {kind_of(each): each for each in get_args(Event) if each is not FiguresTaken}


def to_record(event: Event) -> tuple[str, dict[str, Any]] | None:
    """Return the kind of an event and its values but the run, ready for JSON; None for an event that is not kept.

    Nor are values kept that say nothing of whether two events are equal.
    """
    kind = kind_of(type(event))
    if kind not in KINDS:
        return None
    kept = (field.name for field in dataclasses.fields(event) if field.compare and field.name != "run")
    body = {name: _plain(getattr(event, name)) for name in kept}
    if _PUBLIC in body:
        body["message"] = body.pop(_PUBLIC)
    return kind, body


def from_record(run: str, kind: str, body: Mapping[str, Any]) -> Event | None:
    """Return the event again; None when a later version of bulketl has recorded it, of whose kind or values we do not know.

    Values that a later version has added are passed over.
    """
    if (found := KINDS.get(kind)) is None:
        return None
    adapter, names = _adapter(found)
    values = {name: value for name, value in body.items() if name in names}
    if _PUBLIC in names:
        values[_PUBLIC] = values.get("message", "")
    from pydantic import ValidationError

    try:
        event: Event = adapter.validate_python({**values, "run": run})
    except ValidationError:
        return None
    return event


@cache
def _adapter(event: type) -> tuple[Any, frozenset[str]]:
    from pydantic import TypeAdapter  # only who reads events needs it

    return TypeAdapter(event), frozenset(field.name for field in dataclasses.fields(event))


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # for which JSON has no number
    return (
        {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)} if _is_value(value) else value
    )


def _is_value(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
