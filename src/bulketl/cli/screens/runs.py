"""What became of asking for the end of a run."""

from __future__ import annotations

from rich.console import Group

from bulketl.cli.screens.listing import verdict
from bulketl.cli.text import Text
from bulketl.operations.cancelling import Cancelled
from bulketl.tables.printable import in_a_line


def cancelled(found: Cancelled) -> Group:
    """Return whether the driver took notice, and what is to be done now."""
    head, style, rest = _TOLD[found.state]
    lines = (line.format(run=found.run, host=found.host or "?", go_on=_go_on(found)) for line in rest(found))
    return Group(verdict(f"{head}: run {found.run}", style), *(Text(in_a_line(line)) for line in lines))


def _go_on(found: Cancelled) -> str:
    if found.kind == "load":
        return f"`bulketl load --resume {found.run}` goes on with it; a new load begins anew"
    return "give its command again for the rest"


def _heard(found: Cancelled) -> list[str]:
    if found.kind != "load":
        how = f"Its driver on {{host}} ends the {found.kind} before the next table."
    elif found.at_once:
        how = "Its driver on {host} ends the steps under way."
    else:
        how = "Its driver on {host} ends after the steps under way; --now ends these too."
    left = (
        "Tables whose rows are all there are still published."
        if found.kind == "load"
        else "The tables that are done stay done."
    )
    return [how, f"{left} Later {{go_on}}."]


def _ended(_found: Cancelled) -> list[str]:
    return ["It ended before its driver noticed the request; `bulketl watch {run}` shows how."]


def _dead(found: Cancelled) -> list[str]:
    load = found.kind == "load"
    left = "Tables that it did not publish are as they were before" if load else "Each table is done, or as it was before"
    return [
        "Nobody carries it out any more: its process on {host} ended without a word. There is nothing to cancel.",
        f"{left}; {{go_on}}.",
    ]


def _silent(_found: Cancelled) -> list[str]:
    return [
        "Its driver on {host} is alive and took no notice; the request stays, and counts as soon as it does.",
        "It may have lost its connection to the target, or be of an earlier version. There, Ctrl-C or SIGTERM ends it.",
    ]


_TOLD = {
    "heard": ("cancelled", "green", _heard),
    "ended": ("ended by itself", "green", _ended),
    "dead": ("dead", "red", _dead),
    "silent": ("no answer", "yellow", _silent),
}
