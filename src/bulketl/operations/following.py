"""A run that somebody follows: a fold over the looks at its record, which says at any moment how the run stands.

Times are those of the driver, because events are. If its clock differs from that of the target by more than CLOCKS
seconds, the fold corrects for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from bulketl.loading.events import (
    Event,
    EventsLost,
    HookRan,
    PartitionLoaded,
    RunCancelled,
    RunStarted,
    SourceLocked,
    SourceReadAgain,
    SourceSpared,
    SourceWaited,
    SourceWaits,
    StepRetried,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableRetried,
    WorkersChanged,
)
from bulketl.loading.telling import from_record
from bulketl.operations.underway import UnderWay
from bulketl.operations.watching import Look
from bulketl.postgres.ledger.events import Recorded
from bulketl.postgres.ledger.watched import Sight
from bulketl.tables.printable import count_of, lasting, minutes_of

CLOCKS = 5.0
NOTES = 5  # that are kept of what was told
Note = tuple[str, str, str]  # a word, its colour, and the text
State = Literal["none", "under way", "ended", "dead"]


class Told(NamedTuple):
    """An event as it is on record and as a value, and what is to be told of it at once."""

    record: Recorded
    event: Event
    note: Note | None


class Following:
    """What is known of the run that is looked at; another run begins anew. `tiers`: the tables that are shown."""

    def __init__(self, tiers: Collection[str] = ()) -> None:
        self._tiers = tiers
        self.sight: Sight | None = None
        self.trouble = ""
        self._begin(Look(None))

    def _begin(self, look: Look) -> None:
        self.under_way = UnderWay(look.usual, self._tiers)
        self.failed: dict[str, TableFailed] = {}
        self.notes: deque[Note] = deque(maxlen=NOTES)
        self._tier: dict[str, str] = {}
        self._skew, self._spared = 0.0, ""
        self._pauses: dict[str, tuple[float, StepRetried]] = {}
        self._locked: dict[str, tuple[float, str]] = {}  # tables that wait at the source: since when, and for what

    def add(self, look: Look) -> list[Told]:
        """Take a look into account; return what of its events is of a tier that is shown."""
        if look.sight and (self.sight is None or self.sight.run != look.sight.run):
            self._begin(look)
        self.under_way.usual = look.usual
        self.sight, self.trouble = look.sight or self.sight, look.trouble
        found = list[Told]()
        for record in look.sight.events if look.sight else ():
            event = from_record(record.run, record.kind, record.body)
            if event is None:
                continue
            note = _note(event)
            self._take(event, record.at.timestamp())
            if self._shown(*(getattr(event, "tables", None) or [getattr(event, "table", "")])):
                found.append(Told(record, event, note))
                self.notes.extend([note] if note else [])
        return found

    def _shown(self, *tables: str) -> bool:
        """Tell whether something is of a tier that is shown, or of no table."""
        return not self._tiers or any(not table or self._tier.get(table) in self._tiers for table in tables)

    def _take(self, event: Event, at: float) -> None:
        self.under_way.add(event, at)
        match event:
            case RunStarted():
                self._start(event, at)
            case SourceSpared():
                self._spared = event.why
            case SourceReadAgain():
                self._spared = ""
            case SourceWaits(table=table):
                self._locked[table] = (at, event.why)
            case SourceWaited(table=table):
                self._locked.pop(table, None)
            case StepRetried():
                self._pauses |= dict.fromkeys(event.tables, (at + event.wait_seconds, event))
            case PartitionLoaded(table=table) | TablePublished(table=table):
                self._pauses.pop(table, None)
            case TableFailed(table=table):
                self._pauses.pop(table, None)
                if self._shown(table):
                    self.failed[table] = event

    def _start(self, event: RunStarted, at: float) -> None:
        if self.sight and not self._tier:  # the first one, of a run that may have gone on since
            skew = at - self.sight.began.timestamp()
            self._skew = skew if abs(skew) > CLOCKS else 0.0
        self._tier = {name: tier for name, (_, tier) in event.tables.items()}
        self._spared = ""
        self.failed.clear()
        self._pauses.clear()
        self._locked.clear()

    @property
    def state(self) -> State:
        """Whether there is a run, and how it is."""
        if self.sight is None:
            return "none"
        return "ended" if self.sight.ended else "dead" if self.sight.dead else "under way"

    @property
    def now(self) -> float:
        """The moment of the last look by the driver's clock; of a run that is over that of its last event."""
        if self.sight is None:
            return 0.0
        if self.state != "under way":
            return self.sight.last.timestamp()
        return self.sight.now.timestamp() + self._skew

    def to_json(self) -> dict[str, object]:
        """Return how the run is as plain values."""
        sight = self.sight
        if sight is None:
            return {"state": self.state, "run": None}
        return {
            "state": self.state,
            "run": sight.run,
            "kind": sight.kind,
            "host": sight.host,
            "source": sight.source,
            "schema": sight.schema,
            "began": sight.began.isoformat(),
            "finished": sight.finished.isoformat() if sight.finished else None,
            "outcome": sight.outcome,
            **self.under_way.to_json(self.now),
            "failures": [{"table": table, "message": event.message} for table, event in self.failed.items()],
            "waiting": [{"what": what, "why": why} for what, why in self.waiting()],
        }

    @property
    def failed_tiers(self) -> list[str]:
        """The tiers of the tables that failed."""
        return [self._tier.get(table, "") for table in self.failed]

    def waiting(self) -> list[tuple[str, str]]:
        """Return what waits and for what: all reading, tables that are tried again, tables whose turn has not come."""
        if self.state != "under way":
            return []
        found = [("reading", self._spared)] if self._spared else []
        for table, (until, event) in self._pauses.items():
            if until > self.now and self._shown(table):
                found.append(
                    (table, f"is tried again in {until - self.now:.0f} s, after try {event.attempt}: {event.message}")
                )
        for table, (since, why) in self._locked.items():
            if self._shown(table):
                waited = lasting(max(self.now - since, 0))
                found.append((table, f"for a lock at the source, for {waited} (there: {why.lower()!r})"))
        found += [
            _held_up(one) for one in (self.sight.held_up if self.sight else None) or () if self._shown(str(one["table"]))
        ]
        if self.under_way.to_come:
            found.append((count_of(self.under_way.to_come, "table"), "for a free worker, or for tables before them"))
        return found


def _held_up(one: Mapping[str, Any]) -> tuple[str, str]:
    """Return the table at which the run waits for a lock, and who holds it."""
    who = f"{one['user'] or '?'} (session {one['pid'] or '?'}{', ' + one['application'] if one['application'] else ''})"
    return str(one["table"]), f"for a lock in the target, which {who} holds, for {lasting(one['seconds'] or 0)}"


def _note(event: Event) -> Note | None:
    if isinstance(event, TableFailed):
        return "failed", "red", event.message
    if isinstance(event, EventsLost):
        return "lost", "yellow", f"{count_of(event.events, 'event')}, which the target did not take in time"
    return next(((word, "yellow", text) for word, text in told(event)), None)


def told(event: Event) -> Iterator[tuple[str, str]]:
    """Yield what a person should hear at once of an event that is no table's beginning or end: a word, and the text."""
    match event:
        case StepRetried():
            rows = f"; {count_of(event.batch_rows, 'row')} at a time from now on" if event.batch_rows else ""
            yield "again", f"{', '.join(event.tables[:5])}: {event.message}{rows}"
        case TableRetried():
            yield "again", f"{event.table}: it failed, and is loaded once more now that the others are done"
        case WorkersChanged():
            yield "workers", f"{count_of(event.workers, 'step')} at a time from now on: {event.why}"
        case TableOverdue():
            yield "late", f"{event.table}: longer than the {minutes_of(event.seconds)} it should take; it goes on"
        case HookRan() if event.code != 0:
            yield "hook", f"{event.hook} {event.message}"
        case RunCancelled():
            how = "steps under way are ended" if event.at_once else "it ends after the steps under way"
            yield "cancelled", f"by {event.by}: {how}"
        case _:
            yield from _of_source(event)


def _of_source(event: Event) -> Iterator[tuple[str, str]]:
    match event:
        case SourceSpared():
            yield "waiting", event.why
        case SourceReadAgain():
            yield "reading", f"again, after {event.seconds:.0f} s"
        case SourceWaits():
            yield "waiting", f"{event.table}: for a lock at the source, which calls it {event.why.lower()!r}"
        case SourceWaited():
            yield "reading", f"{event.table}: again, after {event.seconds:.0f} s of waiting for a lock at the source"
        case SourceLocked():
            yield "locked", f"{event.table} at the source for {event.seconds:.3f} s ({event.how})"
