"""The daily report on a terminal: the state in a sentence, what needs somebody, and the rest counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.common import runbooks_of
from bulketl.cli.screens.listing import WIDE, Fact, Fitting, facts, named, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.errors import without_runbook
from bulketl.tables.printable import count_of, in_a_line, size

if TYPE_CHECKING:
    from bulketl.operations.dashboard.overview import Trouble
    from bulketl.operations.reports.daily import Daily
    from bulketl.operations.reports.trends import Figure

MOST = 12  # lines of a kind


def daily(report: Daily, written: str) -> Group:
    """Return what a person should know of the night; `written`: the file that has all of it, '' for none."""
    found = report.overview
    parts: list[RenderableType] = [
        verdict(report.headline, {1: "red", 3: "yellow"}.get(report.exit_code, "green")),
        Text(in_a_line(f"night of {report.night}, schema {report.schema}. {report.lede}"), "dim"),
    ]
    lines = [_trouble(one) for one in report.troubles]
    parts += ["", facts([*_first(lines), *runbooks_of([one.hint for one in report.troubles])])] if lines else []
    if report.groups:
        parts += ["", Fitting(lambda width: _groups(report, width))]
    if report.loads:
        parts += ["", Fitting(lambda width: _figures(report.figures, width))]
    about = [("rejected", "yellow", f"{one.table}: {'; '.join(one.reasons)}; columns {one.where}") for one in report.rejects]
    about += [("changed", "", f"{one.table}: {', '.join(one.lines)}") for one in report.drift]
    about = _first(about)
    if report.groups:
        about += [("verified", "dim", " ".join(report.verified.told)), ("well", "dim", report.well)]
    about += [(f"alert {one.incident.number}", "red" if one.free else "yellow", one.title) for one in found.alerts[:MOST]]
    if found.coming:
        about.append(("migration", "dim", found.coming.sentence))
    if found.status.elsewhere:
        others = named([f"{schema} ({count_of(tables, 'table')})" for schema, tables in found.status.elsewhere])
        about.append(("besides", "dim", f"this ledger has other schemas, which --schema shows: {others}"))
    about += [("ledger", "yellow", found.status.note)] if found.status.note else []
    about.append(("all of it", "dim", written or "with --html FILE, --markdown, --json or --mail"))
    return Group(*parts, "", facts(about))


def _first(found: Sequence[Fact]) -> list[Fact]:
    """Return the first MOST facts, and how many more there are."""
    more = [("", "dim", f"and {count_of(len(found) - MOST, 'more line')} like these; --html shows all")]
    return [*found[:MOST], *(more if found[MOST:] else [])]


def _trouble(one: Trouble) -> Fact:
    names = named([each.of.table for each in one.tables])
    each = ", each" if len(one.tables) > 1 else ""
    hint = f". To do: {told}" if (told := without_runbook(one.hint)) else ""
    return one.word, "red" if one.state == "failed" else "yellow", f"{names} ({one.tiers}){each}: {one.why}{hint}"


def _groups(report: Daily, width: int) -> RenderableType:
    """Return each tier and source with what became of its tables, whose counts add up, and what was read."""
    groups, outcomes = report.groups, report.outcomes
    numbers = ["tables", *outcomes, "rows", *(["volume"] if width >= WIDE else [])]
    table = rows_of("tier" if not any(group.source for group in groups) else "tier, source", *numbers, numbers=numbers)
    for group in groups:
        counts = [f"{group.outcomes[name]:,}" if group.outcomes[name] else "" for name in outcomes]
        volume = [size(group.bytes) if group.bytes else ""] if width >= WIDE else []
        table.add_row(
            group.title, f"{group.tables:,}", *counts, f"{group.rows:,}" if group.rows else "", *volume,
            style="bold" if group.title == "all" else "",
        )  # fmt: skip
    return table


def _figures(figures: Sequence[Figure], width: int) -> RenderableType:
    """Return what the loads moved beside other nights, as many of these as there is room for."""
    columns = ["this night", "median of 14", "against it", *(["night before", "week before"] if width >= WIDE else [])]
    table = rows_of("", *columns, numbers=columns)
    for one in figures:
        others = [one.told(one.before), one.told(one.week)] if width >= WIDE else []
        table.add_row(one.title, one.told(one.last), one.usual, one.against, *others)
    return table
