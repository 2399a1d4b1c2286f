"""`capacity`: what will be full when, by the nights on record: the window, integer keys, the source's sessions, the disk.

If something was not measured, the forecast says that it is not known, and why. Only the ledger is asked.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.config.windows import window_of, zone_of_window
from bulketl.connections.retrying import patient
from bulketl.operations.capacity.limits import ENOUGH, YEARS, Limit, State, limit
from bulketl.postgres.ledger.looking import MEASURED, Look, looking
from bulketl.postgres.ledger.measures import Series, measures
from bulketl.postgres.ledger.weeks import LoadEnd, load_ends
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief, count_of

DAYS = 90  # of nights that a trend is taken from
HALF = 0.5  # from which on a key is named whatever its trend
_MARGIN = 4  # keys that would not be full at so many times their pace are not looked at any closer
_WORST: tuple[State, ...] = ("full", "filling", "no trend", "far", "not known")
_UNTOLD = "no load has measured it yet; the next one does"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What fills up in a schema's loads, at `at`, by the last DAYS days, what is full first.

    `limits`: the window, the sessions, the disk, and the keys that are full within YEARS years or more than half full.
    `keys`: how many keys are measured; `waiting`: how many of them have too few nights for a trend. `note`: what a person
    should know of the ledger's version, '' for nothing.
    """

    schema: str
    at: dt.datetime
    limits: tuple[Limit, ...]
    keys: int
    waiting: int
    note: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, limits=len(self.limits), keys=self.keys)

    @property
    def headline(self) -> str:
        """What is full first, in a sentence."""
        first = self.limits[0] if self.limits else None
        if first is None or first.state not in ("full", "filling"):
            unknown = sum(one.state == "not known" for one in self.limits)
            if unknown == len(self.limits):
                return "When anything is full is not known yet."
            said = f"; of {unknown} more that is not known" if unknown else ""
            known = count_of(len(self.limits) - unknown, "limit")
            return f"{known} looked at, and none is full within {YEARS} years by a trend{said}."
        name = f"Key {first.name}" if first.kind == "key" else f"{first.name[0].upper()}{first.name[1:]}"
        return f"{name} {'is full' if first.state == 'full' else 'fills up'} {first.when}."

    @property
    def rest(self) -> str:
        """What is to be said of the keys that are not among the limits."""
        told = sum(one.kind == "key" for one in self.limits)
        if not self.keys:
            return "Integer keys: not known, no load has measured one yet."
        left = self.keys - told - self.waiting
        said = [f"{count_of(left, 'other integer key', 'is')} not full within {YEARS} years"]
        said += [f"of {self.waiting:,} there are too few nights for a trend"] if self.waiting else []
        return f"{'; '.join(said if left or self.waiting else ['These are all integer keys'])}."

    def of(self, kind: str) -> list[Limit]:
        """Return the limits of one kind."""
        return [one for one in self.limits if one.kind == kind]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return {
            "schema": self.schema,
            "at": self.at.isoformat(),
            "headline": self.headline,
            "limits": [one.to_json() for one in self.limits],
            "keys": self.keys,
            "keys_waiting": self.waiting,
            "note": self.note,
        }


def capacity(config: Config, now: dt.datetime | None = None) -> Capacity:
    """Return what fills up, as seen at `now` (aware), by default at this moment.

    Raise ConfigError or TargetError when the ledger cannot be used.
    """
    return patient(_capacity, config, now or dt.datetime.now(dt.UTC))


def _capacity(config: Config, now: dt.datetime) -> Capacity:
    with looking(Postgres.of(config)) as look:
        return capacity_in(look, config, now)


def capacity_in(look: Look, config: Config, now: dt.datetime, loads: Sequence[LoadEnd] | None = None) -> Capacity:
    """Return what fills up, in a look that is open; `loads`: those of the last DAYS days, where they are known already."""
    since = now - dt.timedelta(days=DAYS)
    if loads is None:
        loads = load_ends(look, config.target_schema, since, now)
    found = measures(look, config.target_schema, since, now)
    keys = [one for one in found if one.what == "key"]
    limits = [_key(one, config) for one in keys if _near(one)]
    told = [one for one in limits if one.state in ("full", "filling") or (one.share or 0) >= HALF]
    nights = {at: _night(at, config) for at in {at for one in keys for at in one.at}}  # which keys have in common
    waiting = sum(len({nights[at] for at in one.at}) < ENOUGH for one in keys) - sum(one.unknown != "" for one in told)
    limits = [_window(config, loads), *_sessions(found, config), _disk(found, config), *told]
    return Capacity(
        config.target_schema, now, tuple(sorted(limits, key=_first)), len(keys), waiting,
        "" if not look.version or look.version >= MEASURED else look.note,
    )  # fmt: skip


def _first(one: Limit) -> tuple[int, dt.date, float]:
    about = one.dates[0] if one.dates and one.state == "filling" else None
    return _WORST.index(one.state), about or dt.date.max, -(one.share or 0)


def _night(at: dt.datetime, config: Config) -> dt.date:
    """Return the day on which the night of a moment began, in the zone of the window; a night goes from noon to noon."""
    return (at.astimezone(zone_of_window(config.windows)) - dt.timedelta(hours=12)).date()


def _window(config: Config, loads: Iterable[LoadEnd]) -> Limit:
    """Return how full the window is: how long after its beginning the last load of each night ended.

    A load that was stopped counts when it ended with the window, for this stopped it; one that failed tells nothing.
    """
    name = "the window for loads"
    if config.windows is None:
        return Limit("window", name, "no window", None, unknown="bulketl.yaml has no windows: say `windows: {load: ...}`")
    figures, most = list[tuple[dt.date, float]](), None
    for load in loads:
        window = window_of(config.windows, load.began)
        if window is None or load.outcome in ("failed", "interrupted", "superseded"):
            continue
        begin, end = window
        if load.outcome != "stopped" or load.ended >= end:
            figures.append((_night(load.began, config), (load.ended - begin).total_seconds()))
            most = (end - begin).total_seconds()
    if most is None:
        return Limit("window", name, config.windows.load, None, unknown="no load that went well began in it")
    return limit("window", name, config.windows.load, most, figures)


def _sessions(found: Iterable[Series], config: Config) -> list[Limit]:
    """Return how many sessions each source has while a load is on, bulketl's and those of others."""
    known = [
        limit("connections", "sessions at the source", f"max_connections of {one.source}", one.most, _figures(one, config))
        for one in found
        if one.what == "connections"
    ]
    return known or [Limit("connections", "sessions at the source", "max_connections", None, unknown=_UNTOLD)]


def _disk(found: Iterable[Series], config: Config) -> Limit:
    most = config.capacity.disk
    one = next((one for one in found if one.what == "database"), None)
    name, what = "the target's database", "capacity.disk" if most else "no limit is known"
    if one is None:
        return Limit("disk", name, what, most, unknown=_UNTOLD)
    made = limit("disk", name, what, most, _figures(one, config))
    if most:
        return made
    return dataclasses.replace(made, unknown="say `capacity: {disk: 200 GB}` in bulketl.yaml, with what there is")


def _key(one: Series, config: Config) -> Limit:
    whose = {"source": "its type at the source", "target": "its type in the target"}.get(one.side, "its type on both sides")
    return limit("key", f"{one.table}.{one.column}", whose, one.most, _figures(one, config))


def _figures(one: Series, config: Config) -> list[tuple[dt.date, float]]:
    return [(_night(at, config), value) for at, value in zip(one.at, one.values, strict=True)]


def _near(one: Series) -> bool:
    """Tell whether a key is worth a closer look: it is half full, or would be full soon at several times its pace."""
    if not one.most or one.values[-1] >= HALF * one.most:
        return bool(one.most)
    days = (one.at[-1] - one.at[0]).total_seconds() / 86400
    pace = (max(one.values) - min(one.values)) / days if days > 0 else 0.0
    return one.values[-1] + _MARGIN * pace * YEARS * 366 >= one.most
