"""Up to which stamp a load has surely seen every row of a table, and which rows it may have read too early.

A row gets its stamp when it is written, and becomes visible when its transaction commits. So rows that were stamped
shortly before a load may have become visible after it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from bulketl.postgres.compare.examine import Late
from bulketl.tables.cursor import LOOKBACK, Watermark, is_time
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Task


def edge(both: Both, task: Task) -> Watermark | None:
    """Return the value of the cursor up to which a load surely saw every row, for what is not looked at row by row."""
    late, mark = late_rows(both, task), task.mark
    if late is None or mark is None:
        return mark
    return dataclasses.replace(mark, value=min(mark.value, late.since[: len("2024-01-01 00:00:00")]))


def late_rows(both: Both, task: Task) -> Late | None:
    """Return since when a stamp does not tell whether the last load saw the row: it may have been committed later."""
    mark = task.mark
    if mark is None or task.loaded_at is None or not is_time(mark.type):
        return None
    kinds = {item.column: item.target_type.base for item in task.spec.casts}
    if kinds.get(mark.column) not in ("timestamp", "date"):
        return None
    seen = both.source_time(task.spec, task.loaded_at)
    span = task.lookback if isinstance(task.lookback, dt.timedelta) else LOOKBACK
    since = seen - max(span, dt.timedelta(days=1) if kinds[mark.column] == "date" else span)
    return Late(mark.column, since.isoformat(" "), (seen - dt.timedelta(seconds=2)).isoformat(" "))
