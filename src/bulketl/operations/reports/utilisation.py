"""How much of the available window, workers and sessions of the source was used in a period. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bulketl.config.config import Config
from bulketl.operations.capacity.forecast import Capacity
from bulketl.operations.capacity.limits import Limit
from bulketl.postgres.ledger.weeks import LoadEnd


class Use(NamedTuple):
    """One thing that is used: figures in words, and the share of the limit by the median, None when unknown.

    `unknown`: why it is not known, '' else.
    """

    name: str
    share: float | None
    median: str
    most: str
    limit: str
    unknown: str = ""


def uses(config: Config, loads: Sequence[LoadEnd], busy: Mapping[str, float], filled: Capacity) -> tuple[Use, ...]:
    """Return what was used; `busy`: seconds of all workers by run; `filled`: with the nights of the period among its own."""
    days = len({one.began.date() for one in loads})
    return (*(_filled(one, days) for one in filled.limits if one.kind != "key"), _workers(config, loads, busy))


def _filled(one: Limit, days: int) -> Use:
    values = [night.value for night in one.nights[-days:]] if days else []
    if not values:
        return Use(one.name, None, "–", "–", one.told(one.most) if one.most else "–", one.unknown or "no load of the period")
    middle = statistics.median(values)
    share = middle / one.most if one.most else None
    limit = one.told(one.most) if one.most else "not known"
    return Use(one.name, share, one.told(middle), one.told(max(values)), limit, "" if one.most else one.unknown)


def _workers(config: Config, loads: Sequence[LoadEnd], busy: Mapping[str, float]) -> Use:
    """Return which share of the workers' time they read, copied or compared, by the events of each load."""
    name, limit = "workers, busy", f"{config.at_once:,}"
    shares = [
        min(busy[one.run] / (long * config.at_once), 1.0)
        for one in loads
        if one.run in busy and (long := (one.ended - one.began).total_seconds()) > 0
    ]
    if not shares:
        return Use(name, None, "–", "–", limit, "no events of the period's loads are on record")
    middle = statistics.median(shares)
    return Use(name, middle, f"{middle:.0%}", f"{max(shares):.0%}", limit)
