"""How far tables are behind the source, where it was asked: of one, of several together, and what is not known of which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bulketl.cli.screens.listing import Fact, named
from bulketl.operations.history.behind import NO_CURSOR, Behind
from bulketl.operations.history.standing import Standing
from bulketl.tables.printable import count_of, lasting


def is_asked(items: Iterable[Standing]) -> bool:
    """Tell whether the source was asked."""
    return any(item.lag.source is not None for item in items)


def how_far(item: Standing) -> str:
    """Return how far a table is behind the source."""
    return _distance(item.lag.source) if item.lag.source else ""


def furthest(items: Iterable[Standing]) -> str:
    """Return how far the tables that are furthest behind are, by time and by count, and of how many nobody knows."""
    found = [item.lag.source for item in items if item.lag.source is not None]
    times = [one for one in found if one.seconds is not None]
    counts = [one for one in found if one.values is not None]
    most = [*sorted(times, key=lambda one: one.seconds or 0)[-1:], *sorted(counts, key=lambda one: one.values or 0)[-1:]]
    told = [_distance(one) for one in most if one.seconds or one.values] or (["nothing"] if most else [])
    unknown = sum(one.unknown not in ("", NO_CURSOR) for one in found)
    if not most and not unknown and found:
        return NO_CURSOR
    return ", ".join([*told, *([f"{unknown:,} not known"] if unknown else [])])


def behind_source(items: Sequence[Standing]) -> list[Fact]:
    """Return what the source said: which tables are behind it, and why it is not known of others, each reason once."""
    asked = [(item.table, item.lag.source) for item in items if item.lag.source is not None]
    if not asked:
        return []
    known = [(table, one) for table, one in asked if not one.unknown]
    late = sorted(((t, one) for t, one in known if one.seconds or one.values), key=lambda p: -(p[1].seconds or 0))
    names = f": {named([f'{table} ({_distance(one)})' for table, one in late])}" if late else ""
    lines: list[Fact] = []
    if known:
        lines.append(("source", "", f"{len(late):,} of {count_of(len(known), 'table')} are behind it{names}"))
    reasons: dict[str, list[str]] = {}
    for table, one in asked:
        if one.unknown:
            reasons.setdefault(one.unknown, []).append(table)
    return lines + [("not known", "dim", f"{why}: {named(names)}") for why, names in reasons.items()]


def _distance(one: Behind) -> str:
    if one.unknown:
        return NO_CURSOR if one.unknown == NO_CURSOR else "not known"
    if one.seconds is not None:
        return lasting(one.seconds) if one.seconds else "nothing"
    return count_of(one.values or 0, "value") if one.values else "nothing"
