"""A run as whoever watches it sees it: how it is, its tables under way, what waits and why, what failed, what comes next."""

from __future__ import annotations

from rich.console import Group, RenderableType

from bulketl.cli.progress.underway import table
from bulketl.cli.screens.listing import Fitting, facts, verdict
from bulketl.cli.text import Text
from bulketl.config.windows import parse_window
from bulketl.operations.following import Following
from bulketl.operations.watching import Due
from bulketl.postgres.ledger.watched import Sight
from bulketl.tables.printable import in_a_line, lasting

MOST = 8  # failures, and waits, that have a line
LEGEND = "left: seconds, from each table's earlier nights; ~ from the rate of this run"
_COLOURS = {"done": "green", "partly done": "yellow", "stopped": "yellow"}


def frame(seen: Following, due: Due, *, live: bool = False) -> Group:
    """Return what is to be seen at this moment; `live`: it is painted over the last one, and notes are printed above."""
    sight = seen.sight
    if sight is None:
        return Group(_unseen(seen), *_next(due, seen))
    parts: list[RenderableType] = [*_head(seen, sight)]
    if seen.under_way.begun:
        parts += [
            "",
            Fitting(lambda width: table(seen.under_way, width, seen.now, lasts=seen.state == "under way", still=live)),
        ]
        if seen.state == "under way":
            parts.append(Text(LEGEND, style="dim", no_wrap=True, overflow="ellipsis"))
    elif seen.state == "under way":
        parts.append(Text("it has not said yet which tables it will load"))
    told = [
        *_failed(seen),
        *_waits(seen),
        *(note for note in seen.notes if not live and note[0] not in ("failed", "waiting")),
    ]
    if told:
        parts += ["", facts(told)]
    if seen.trouble:
        parts += ["", Text(in_a_line(f"the ledger does not answer, and is asked again: {seen.trouble}"), style="yellow")]
    return Group(*parts, *_next(due, seen))


def standing(seen: Following, due: Due) -> Group:
    """Return how the run is and what comes next, without its tables."""
    head = _head(seen, seen.sight) if seen.sight else [_unseen(seen)]
    return Group(*head, *_next(due, seen)[1:])


def _unseen(seen: Following) -> Text:
    if seen.trouble:
        return verdict(f"nobody knows whether a run is under way: {seen.trouble}", "yellow")
    return verdict("no run is on record yet")


def _head(seen: Following, sight: Sight) -> list[RenderableType]:
    where = Text(in_a_line(f"from {sight.source or 'no source'} into schema {sight.schema}"), style="dim")
    what = f"{sight.kind} {sight.run}"
    if seen.state == "ended":
        finished = sight.finished or sight.now
        took, ago = (lasting(time.total_seconds()) for time in (finished - sight.began, sight.now - finished))
        style = _COLOURS.get(sight.outcome, "red")
        return [verdict(f"{sight.outcome}: {what}, in {took}, ended {ago} ago", style), where]
    if seen.state == "dead":
        silent = lasting(abs((sight.now - sight.last).total_seconds()))
        return [verdict(f"dead: {what} on {sight.host}, without a word for {silent}", "red"), *_what_to_do(sight), where]
    lasts = lasting((sight.now - sight.began).total_seconds())
    return [verdict(f"under way: {what} on {sight.host}, for {lasts}"), where]


def _what_to_do(sight: Sight) -> list[RenderableType]:
    if sight.kind == "load":
        left = "Tables that it did not publish are as they were before;"
        return [Text("Its process ended without a word: killed, or its machine went down."),
                Text(f"{left} `bulketl load --resume {sight.run}` goes on with it, a new load begins anew.")]  # fmt: skip
    left = f"Each table is done, or as it was before; give the command of the {sight.kind} again for the rest."
    return [Text("Its process ended without a word: killed, or its machine went down."), Text(left)]


def _failed(seen: Following) -> list[tuple[str, str, str]]:
    found = [("failed", "red", event.message) for event in seen.failed.values()]
    more = len(found) - MOST
    return found[:MOST] + ([("failed", "red", f"and {more:,} more")] if more > 0 else [])


def _waits(seen: Following) -> list[tuple[str, str, str]]:
    found = [("waiting", "yellow", f"{what}: {why}") for what, why in seen.waiting()]
    more = len(found) - MOST
    return found[:MOST] + ([("waiting", "yellow", f"and {more:,} more")] if more > 0 else [])


def _next(due: Due, seen: Following) -> list[RenderableType]:
    """Return when the next load is due, of a moment when none is under way."""
    if seen.state == "under way":
        return []
    return ["", Text(_when(due))]


def _when(due: Due) -> str:
    if due.at is None:
        return "When the next load is due is not known: bulketl.yaml has no windows."
    zone = parse_window(due.window)[2]
    if due.until is not None:
        return f"The next load is due now: the window {due.window} is open until {due.until.astimezone(zone):%A %H:%M}."
    return f"The next load is due {due.at.astimezone(zone):%A %H:%M}, when the window {due.window} opens."
