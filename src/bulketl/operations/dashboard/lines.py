"""An event as a line of text: a word for what happened, of which table, and how bad that is. No value of a row is in it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from bulketl.loading.events import (
    ColumnsChanged,
    Event,
    EventsLost,
    HookRan,
    PartitionLoaded,
    RunEnded,
    RunStarted,
    StepRetried,
    TableCompared,
    TableDone,
    TableFailed,
    TablePublished,
    TableRetried,
    TableSkipped,
    TableStarted,
)
from bulketl.operations.following import told
from bulketl.tables.printable import count_of, lasting, without_table

Weight = Literal["", "warn", "bad"]
_NO_WEIGHT: Weight = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What happened: its number in its run, when, of which table ('' for none), and in which words."""

    seq: int
    at: dt.datetime
    table: str
    text: str
    weight: Weight = ""
    more: str = ""


def line_of(seq: int, at: dt.datetime, kind: str, event: Event | None) -> Line:
    """Return an event as a line; one that only a later bulketl knows by its kind alone, None as its value."""
    words, more, weight = (kind.replace("_", " "), "", _NO_WEIGHT) if event is None else _words(event)
    return Line(seq, at, str(getattr(event, "table", "") or ""), words, weight, more)


def _words(event: Event) -> tuple[str, str, Weight]:
    """Return what happened, what more there is to say, and how bad it is."""
    if found := _of_table(event) or _of_trouble(event) or _of_run(event):
        return found
    said = next(iter(told(event)), None)
    return (said[0], _without(said[1], str(getattr(event, "table", ""))), "warn") if said else (_plainly(event), "", "")


def _of_table(event: Event) -> tuple[str, str, Weight] | None:
    match event:
        case TableStarted():
            return "started", "", ""
        case PartitionLoaded():
            rejects = f", {event.rejects:,} rejected" if event.rejects else ""
            loaded = f"{count_of(event.rows, 'row')}{rejects}, {_took(event.seconds)}"
            return f"range {event.partition + 1} loaded", loaded, ""
        case TablePublished():
            return f"published, {event.how}", f"{count_of(event.rows, 'row')}, {_took(event.seconds)}", ""
        case TableDone():
            return event.outcome, f"{count_of(event.rows, 'row')}, {_took(event.seconds)}", ""
        case TableCompared():
            found = f"{event.missing:,} missing, {event.differing:,} differing, {event.gone:,} gone"
            return "compared with its source", found, ""
        case TableSkipped():
            return "not loaded", event.reason, ""
        case ColumnsChanged():
            return "columns changed", "; ".join(event.changes), "warn"
    return None


def _of_trouble(event: Event) -> tuple[str, str, Weight] | None:
    match event:
        case TableFailed():
            return "failed", _without(event.public or event.message, event.table), "bad"
        case StepRetried():
            tables = ", ".join(event.tables[:5])
            return f"try {event.attempt} failed", f"{tables}: {event.public or event.message}", "warn"
        case TableRetried():
            return "loaded once more", "it failed, and the others are done", "warn"
        case EventsLost():
            return f"{count_of(event.events, 'event')} lost", "the target did not take them in time", "warn"
    return None


def _of_run(event: Event) -> tuple[str, str, Weight] | None:
    match event:
        case RunStarted():
            return f"{event.kind} began", f"{count_of(len(event.tables), 'table')} from {event.source}", ""
        case HookRan() if event.code == 0:
            return f"hook {event.hook} ran", "", ""
        case RunEnded():
            return f"the run ended: {event.outcome}", _took(event.seconds), ""
    return None


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else lasting(seconds)


def _without(message: str, table: str) -> str:
    """Return a message without the name of its table, which stands before it."""
    return without_table(message, table).removeprefix(f"{table}: ") if table else message


def _plainly(event: Event) -> str:
    name = type(event).__name__
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
