"""What the watchdog saw: which tiers came, which did not, and who was told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import lines_of, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of

if TYPE_CHECKING:
    from bulketl.operations.watchdog import TierNews, Watched


def watched(found: Watched) -> Group:
    """Return whether everything came, each tier with when it did, and what became of every message."""
    parts: list[RenderableType] = [verdict(_said(found), "green" if found.well else "red")]
    if found.last:
        last = found.last
        ended = f"ended {last.outcome} {_moment(last.ended)}" if last.ended else "has not ended"
        parts.append(lines_of([f"the last load, {last.run}, began {_moment(last.began)} and {ended}"], "dim"))
    if found.tiers:
        table = rows_of("tier", "came last", "due", "")
        for one in found.tiers:
            word, style = _state(one)
            table.add_row(one.tier, _moment(one.came) or "never", _moment(one.due), Text(word, style=style))
        parts += ["", table]
    if told := [*_told(found)]:
        parts += ["", lines_of(told, "yellow")]
    return Group(*parts)


def _said(found: Watched) -> str:
    where = f"schema {found.schema}"
    if found.silent:
        return f"the ledger of {where} does not answer: {found.silent}"
    if not found.tiers:
        return f"no load into {where} is on record"
    late = [one.tier for one in found.tiers if one.late]
    if not late:
        return f"everything came, {where}"
    return f"{count_of(len(late), 'tier')} of {len(found.tiers)} did not come, {where}: {', '.join(late)}"


def _state(one: TierNews) -> tuple[str, str]:
    return ("late" if one.came else "never came", "red") if one.late else ("in time", "green")


def _told(found: Watched) -> list[str]:
    """Return who was told now and what channels answered, and who has taken on what is open."""
    lines = [
        f"{one.delivery.kind} by {one.delivery.channel}{'' if one.answer.delivered else ' was not taken'}: {one.answer.text}"
        for one in found.sent
    ]
    taken = {one.acknowledged_by: one.acknowledged_until for one in found.open if one.status == "acknowledged"}
    lines += [f"{who} looks after it until {_moment(until)}" for who, until in taken.items()]
    if not found.told and not found.well:
        lines.append("no alerts are set in bulketl.yaml, so nobody is told; only the exit code says it")
    return lines


def _moment(at: dt.datetime | None) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if at else ""
