"""The events of every run as records of the logger `bulketl.events`, for programs that gather logs.

A record is typed: its message is the event's kind, and run, table and the event's values are attributes of it. What a
server said is not part of it, but of a separate debug record, because it may quote a row. As long as nobody listens to
the logger, nothing is made of an event. The logger passes nothing on to its parents, so a notebook shows no line that it
did not ask for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bulketl.loading.events import (
    Event,
    EventsLost,
    HookRan,
    RunStarted,
    SourceSpared,
    SourceWaits,
    StepRetried,
    TableFailed,
    TableOverdue,
    WorkersChanged,
)
from bulketl.loading.telling import to_record

_LEVELS: Mapping[type, int] = {
    TableFailed: logging.ERROR,
    **dict.fromkeys((StepRetried, WorkersChanged, TableOverdue, SourceSpared, SourceWaits, EventsLost), logging.WARNING),
}
_log = logging.getLogger("bulketl.events")
_log.addHandler(logging.NullHandler())
_log.propagate = False


def log(event: Event) -> None:
    """Log one event."""
    level = _LEVELS.get(type(event), logging.INFO)
    if not _log.isEnabledFor(level) or (told := to_record(event)) is None:
        return
    kind, values = told
    if isinstance(event, RunStarted):  # a line says how many there are; which ones, their own lines say
        values |= {"tables": len(event.tables), "sizes": sum(event.sizes.values()), "left_out": len(event.left_out)}
    _log.log(level, kind, extra=_attributes(event, values))
    if isinstance(event, (TableFailed, StepRetried, HookRan)) and event.message != event.public:
        _log.debug("said", extra=_attributes(event, {"message": event.message}))


def _attributes(event: Event, values: dict[str, Any]) -> dict[str, Any]:
    tables = getattr(event, "tables", ())
    table = tables[0] if isinstance(tables, tuple) and len(tables) == 1 else getattr(event, "table", None)
    return {"run": event.run, "table": table, "values": {key: value for key, value in values.items() if key != "table"}}
