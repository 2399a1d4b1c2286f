"""What became of the older pipeline's night, and how the tables come over."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from bulketl.operations.migrate.legacy import wrong
from bulketl.operations.migrate.sides import Sides
from bulketl.postgres.ledger.legacyruns import LegacyRun
from bulketl.tables.printable import count_of, lasting


def legacy_run(run: LegacyRun) -> RenderableType:
    """Return what became of a night of the older pipeline."""
    found = wrong(run)
    state = "failed" if found else "well" if run.code == 0 else "not started here"
    colour = {"failed": "red", "well": "green"}.get(state, "dim")
    took = f" in {lasting(run.seconds)}" if run.seconds else ""
    head = Text.assemble(("older pipeline: ", "bold"), (state, colour), f", {count_of(len(run.tables), 'table')}{took}")
    lines = [Text(text, style="red") for text in found] or [Text(run.how, style="dim")]
    if run.loaded or run.failed:
        same = len(run.tables) - len(run.loaded) - len(run.failed)
        said = f"its books: {len(run.loaded):,} loaded, {len(run.failed):,} not, {same:,} with the entry of before"
        lines.append(Text(said, style="dim"))
    if run.log:
        lines.append(Text(f"what it printed is in {run.log}", style="dim"))
    return Group(head, *lines)


def shadowed(schema: str, found: Sides) -> RenderableType:
    """Return which tables are loaded beside the older pipeline from now on; `found`: who served them before."""
    lines = [Text(f"{count_of(len(found.legacy), 'table')} will be loaded beside the older pipeline, into schema {schema}")]
    if found.shadow:
        lines.append(Text(f"{count_of(len(found.shadow), 'table')} already were", style="dim"))
    if found.bulketl:
        lines.append(Text(f"{count_of(len(found.bulketl), 'table')} left out: bulketl serves them already", style="dim"))
    lines.append(Text("`bulketl load --hybrid` loads them; `bulketl migrate compare` compares them", style="dim"))
    return Group(*lines)
