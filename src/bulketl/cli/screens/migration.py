"""What became of the older pipeline's night, and how the tables come over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import NAMED, facts, lines_of, rows_of
from bulketl.cli.text import Text
from bulketl.operations.migrate.importing import Imported
from bulketl.operations.migrate.legacy import wrong
from bulketl.operations.migrate.moves import LINES, Move
from bulketl.operations.migrate.ready import Readiness
from bulketl.operations.migrate.sides import Sides
from bulketl.operations.migrate.status import MigrationStatus
from bulketl.postgres.ledger.legacyruns import LegacyRun
from bulketl.tables.printable import count_of, in_a_line, lasting


def legacy_run(run: LegacyRun) -> RenderableType:
    """Return what became of a night of the older pipeline."""
    found = wrong(run)
    state = "failed" if found else "well" if run.code == 0 else "not started here"
    colour = {"failed": "red", "well": "green"}.get(state, "dim")
    took = f" in {lasting(run.seconds)}" if run.seconds else ""
    head = Text.assemble(("older pipeline: ", "bold"), (state, colour), f", {count_of(len(run.tables), 'table')}{took}")
    lines = [lines_of(found, "red") if found else lines_of([run.how], "dim")]
    if run.loaded or run.failed:
        same = len(run.tables) - len(run.loaded) - len(run.failed)
        said = f"its books: {len(run.loaded):,} loaded, {len(run.failed):,} not, {same:,} with an unchanged entry"
        lines.append(Text(said, style="dim"))
    if run.log:
        lines.append(lines_of([f"what it printed is in {run.log}"], "dim"))
    return Group(head, *lines)


def shadowed(schema: str, found: Sides) -> RenderableType:
    """Return which tables are loaded beside the older pipeline from now on; `found`: who served them before."""
    lines = [
        lines_of([f"{count_of(len(found.legacy), 'table')} will be loaded beside the older pipeline, into schema {schema}"])
    ]
    if found.shadow:
        lines.append(Text(f"{count_of(len(found.shadow), 'table')} already were", style="dim"))
    if found.bulketl:
        lines.append(Text(f"{count_of(len(found.bulketl), 'table')} left out: bulketl serves them already", style="dim"))
    lines.append(Text("`bulketl load --hybrid` loads them; `bulketl migrate compare` compares them", style="dim"))
    return Group(*lines)


def status(found: MigrationStatus, verbose: bool) -> RenderableType:
    """Return how the move stands: who serves how many tables, and each week with its goals; `verbose` names the tables."""
    counts = found.counts
    said = ", ".join((
        f"{counts['bulketl']:,} of {count_of(len(found.owners), 'table')} served by bulketl",
        f"{counts['shadow']:,} loaded beside the older pipeline, into {found.shadow_schema}",
        f"{counts['legacy']:,} served by the older pipeline alone",
    ))  # fmt: skip
    parts: list[RenderableType] = [lines_of([f"schema {found.schema}: {said}"], "bold")]
    if found.note:
        parts.append(lines_of([found.note], "yellow"))
    for week in found.weeks:
        state, colour = ("done", "green") if week.done else ("under way", "yellow") if week.served else ("to come", "dim")
        head = f", {week.title}: {week.served:,} of {count_of(len(week.tables), 'table')} served"
        parts += ["", Text.assemble((f"week {week.number}", "bold"), (f" {state}", colour), head)]
        if verbose:
            names = [f"{table} ({found.owners[table]})" for table in week.tables]
            parts.append(lines_of([", ".join(names)], "dim"))
        rows = rows_of("", "", "")
        rows.show_header = False
        for goal in week.goals:
            word, style = {True: ("met", "green"), False: ("not met", "red"), None: ("not known", "dim")}[goal.met]
            rows.add_row(Text(word, style=style), goal.name, Text(goal.figure, style="dim"))
        parts.append(rows)
    able = sum(one.ready for one in found.ready.values())
    if found.ready:
        parts += ["", Text(f"{able:,} of {count_of(len(found.ready), 'table')} beside the older pipeline may be promoted")]
    if found.untold:
        lines = (
            f"the older pipeline has not heard of {one.act} {one.run}: {one.answer or 'not told'}" for one in found.untold
        )
        parts += ["", lines_of(lines, "red")]
    if found.older:
        parts += ["", legacy_run(found.older)]
    return Group(*parts)


def plan(found: Sequence[Move], ready: Mapping[str, Readiness]) -> RenderableType:
    """Return the next steps, week by week; `ready`: how near tables are to being promoted."""
    if not found:
        return Text("bulketl serves every table: nothing is left to do", style="green")
    parts: list[RenderableType] = []
    for move in found:
        nights = f", {count_of(move.nights, 'night')} to go at least" if move.nights else ""
        head = f": {LINES[move.step]}, {count_of(len(move.tables), 'table')}{nights}"
        parts += [Text.assemble((f"week {move.week}", "bold"), head), Text(in_a_line(f"  {move.command}"), style="cyan")]
        if move.step == "compare":
            parts.append(lines_of((f"  {table}: {ready[table].words}" for table in move.tables[:NAMED]), "dim"))
            if len(move.tables) > NAMED:
                parts.append(Text(f"  and {count_of(len(move.tables) - NAMED, 'more table')}", style="dim"))
        parts += [Text(in_a_line(f"  not yet {table}: it {why}"), style="red") for table, why in move.against]
        if move.untried:
            words = f"  what prevents it is not checked here, --dry-run does that: {move.untried}"
            parts.append(Text(in_a_line(words), style="yellow"))
    return Group(*parts)


def imported(found: Sequence[Imported], dry_run: bool) -> RenderableType:
    """Return which tables' states were taken over, and which were not and why."""
    taken = [one for one in found if not one.refused]
    would = "would be" if dry_run else "was" if len(taken) == 1 else "were"
    head = f"{count_of(len(taken), 'table')} {would} taken over, {len(found) - len(taken):,} not"
    refused = [(f"{one.table}", "red", one.refused) for one in found if one.refused]
    rows = rows_of("table", "up to", "rows", "newer", "gone", numbers=("rows", "newer", "gone"))
    for one in taken:
        counts = ["" if count is None else f"{count:,}" for count in (one.rows, one.newer, one.more)]
        rows.add_row(one.table, f"{one.column} {one.value}", *counts)
    parts: list[RenderableType] = ["", facts(refused)] if refused else []
    return Group(Text(head, style="bold"), *parts, *(("", rows) if taken else ()))
