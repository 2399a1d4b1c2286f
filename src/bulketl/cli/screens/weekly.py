"""A weekly report on a terminal: the state in a sentence, what to change first, what slows down, what is full when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import facts, lines_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import in_a_line, lasting

if TYPE_CHECKING:
    from bulketl.operations.reports.weekly import Weekly

NAMED = 5  # of each list


def weekly(report: Weekly, written: str) -> Group:
    """Return what a person should know of the report; `written`: the file that has all of it, '' for none."""
    parts: list[RenderableType] = [verdict(report.headline), Text(f"report {report.number}", "dim")]
    for one in report.advice[:NAMED]:
        said = [("change", "yellow", f"{in_a_line(one.table)}: {one.title}, up to {lasting(one.seconds)} a night")]
        said += [("", "", f"{one.why} {one.verb}"), ("", "", in_a_line(one.line))]
        parts += ["", facts(said)]
    slow = [
        ("slower", "yellow", f"{in_a_line(one.table)}: {one.growth} a week, {one.now} now; {one.reading}")
        for one in report.slowing[:NAMED]
    ]
    parts += ["", facts(slow)] if slow else []
    full = [
        f"{one.name}: {'full ' if one.state in ('full', 'filling') else ''}{one.when}"
        + (f"; {one.told(one.now)} of {one.told(one.most)}" if one.most and one.now is not None else "")
        for one in report.capacity.limits
    ]
    odd = [f"{one.name}: {one.now:,.0f}, {one.before or 0:,.0f} before" for one in report.figures if one.now]
    parts += ["", lines_of(full)]
    parts += ["", lines_of(odd, "yellow")] if odd else []
    about = {
        "period": f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} {report.until.tzname()}",
        "loads": report.lede,
        "migration": report.coming.sentence if report.coming else "",
        "source": f"not asked: {report.unasked}" if report.unasked else "",
        "all of it": written or "with --html FILE, --markdown or --json",
    }
    return Group(*parts, "", facts([(key, "dim", in_a_line(value)) for key, value in about.items() if value], 2))
