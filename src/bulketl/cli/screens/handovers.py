"""Tables that changed hands: promoted, given back, and what the older pipeline has heard of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import lines_of, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line, size

if TYPE_CHECKING:
    from bulketl.loading.handovers import Told
    from bulketl.operations.migrate.promote import Promotion
    from bulketl.operations.migrate.rollback import Rollback
    from bulketl.operations.migrate.wayback import Returned
    from bulketl.operations.undo import Undone
    from bulketl.postgres.write.spared import Spared

HOW = {"swapped": "takes its place", "refilled": "gives it its rows", "moved": "moves in, because there was none"}


def promoted(found: Promotion, *, looked: bool) -> Group:
    """Return what became of tables that were promoted, or would when it was only `looked`."""
    if not found.tables:
        already = (
            f"; {count_of(len(found.already), 'table')} {_is(len(found.already))} bulketl's already" if found.already else ""
        )
        return Group(verdict(f"there is nothing to promote{already}"), *_handed(found.handed))
    many = count_of(len(found.tables), "table")
    rows = count_of(sum(one.rows or 0 for one in found.tables), "row")
    said = (
        f"{many} with {rows} would be bulketl's" if looked else f"{many} with {rows} {_is(len(found.tables))} bulketl's now"
    )
    lines: list[RenderableType] = [verdict(said)]
    if not looked:
        until = f"; the older ones are kept until {found.until:%Y-%m-%d %H:%M} UTC" if found.until else ""
        lines.append(lines_of([f"{_took(found.run, found.seconds, found.blocked, found.views)}{until}"]))
    table = rows_of("table", "tier", "rows", "bulketl's", "what is otherwise", numbers=("rows",))
    for one in sorted(found.tables, key=lambda one: (not one.told, one.table)):
        count = "" if one.rows is None else f"{one.rows:,}"
        table.add_row(Text(one.table), one.tier, count, HOW[one.how], in_a_line("; ".join(one.told)))
    return Group(*lines, *_handed(found.handed), "", table)


def returned(found: Rollback, *, looked: bool) -> Group:
    """Return what became of tables that the older pipeline serves again, or would when it was only `looked`."""
    lines: list[RenderableType] = []
    if not found.tables:
        what = "nothing can be rolled back" if found.impossible else "there is nothing to roll back"
        lines.append(verdict(what, "red" if found.impossible else ""))
    else:
        many = count_of(len(found.tables), "table")
        verb = "would be" if looked else _is(len(found.tables))
        how = f"{verb} served by the older pipeline again"
        lines.append(verdict(f"{many} {how}", "red" if found.impossible else ""))
    if found.run:
        stopped = f"; stopped before: {', '.join(found.stopped)}" if found.stopped else ""
        lines.append(lines_of([f"{_took(found.run, found.seconds, found.blocked, found.views)}{stopped}"]))
        stands = "every load leaves them alone" if found.act == "rollback" else "they are loaded beside the older ones"
        lines.append(Text(f"{stands} until they are promoted again"))
        if found.report is not None:
            lines.append(Text(f"incident report {found.report}: `bulketl report incident {found.report}`"))
    lines += [Text(f"table {in_a_line(table)!r} {in_a_line(why)}", style="red") for table, why in found.impossible]
    lines += [Text(in_a_line(_set_aside(one, found.shadow)), style="yellow") for one in found.spared]
    lines += _handed(found.handed)
    return Group(*lines, *(_coming_back(found.tables) if found.tables else []))


def _set_aside(one: Spared, shadow: str) -> str:
    """Return what became of a view that cannot be made over the older tables, or would."""
    why = f"view {one.view} cannot be made over the older table ({one.why})"
    if not one.now:
        first = "is made as it was before the promotion where that can be, and the present one " if one.again else ""
        return f"{why}: it {first}would go into schema {shadow!r} and read bulketl's table there"
    first = "it is as it was before the promotion; the other one" if one.again else "it"
    return f"{why}: {first} is {one.now} now and reads bulketl's table there"


def _took(run: str, seconds: float, blocked: float, views: int) -> str:
    waited = f"in which readers waited for {blocked:.2f} s at most"
    return f"run {run}: {seconds:.1f} s, {waited}; {count_of(views, 'view')} carried over"


def undone(found: Undone) -> Group:
    """Return which load of a table was undone, and that it is what it was."""
    said = (
        f"table {found.table!r} is what it was before run {found.undone}: {count_of(found.rows, 'row')}, counted and hashed"
    )
    more = f"run {found.run}: it had {count_of(found.before, 'row')} since {found.at:%Y-%m-%d %H:%M}"
    return Group(verdict(said), lines_of([f"{more}; the next load goes on where the one before was"]))


def _coming_back(tables: Sequence[Returned]) -> list[RenderableType]:
    """Return the tables, those that lose most first, and what else is to be known of some."""
    table = rows_of("table", "kept since", "rows", "size", "missing from it", numbers=("rows", "size"))
    for one in sorted(tables, key=lambda one: (-(one.since.added + one.since.edited + one.since.removed), one.table)):
        rows = "" if one.rows is None else f"{one.rows:,}"
        table.add_row(Text(one.table), f"{one.kept:%Y-%m-%d %H:%M}", rows, size(one.bytes), _missing(one))
    noted: list[RenderableType] = [Text(f"{in_a_line(one.table)}: {in_a_line(what)}") for one in tables for what in one.told]
    return ["", table, *(("", *noted) if noted else ())]


def _missing(one: Returned) -> str:
    since = one.since
    counts = {"added": since.added, "changed": since.edited, "removed": since.removed}
    words = [f"{count:,} {what}" for what, count in counts.items() if count]
    if not since.loads:
        return "nothing was loaded since"
    known = f"{', '.join(words) or 'no change is known'} in {count_of(since.loads, 'load')}"
    whole = (
        f"; {since.unknown:,} of them replaced all rows, and which changed is not known" if since.unknown and words else ""
    )
    return known + whole


def _handed(told: Told) -> list[RenderableType]:
    """Return what the older pipeline has heard of, and what not."""
    lines: list[RenderableType] = []
    many = count_of(len(told.untold), "handover")
    if told.told:
        lines.append(Text(f"the older pipeline was told of {count_of(told.told, 'handover')}"))
    if told.silent:
        words = f"nobody tells the older pipeline of {many}: migration.legacy.told is not set"
        lines.append(Text(words, style="yellow"))
    elif told.untold:
        first = told.untold[0]
        words = f"the older pipeline was not told of {many}, the first of run {first.run}: {first.answer or 'not tried yet'}"
        lines.append(Text(in_a_line(f"{words}; every later load tells it again"), style="red"))
    return lines


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
