"""What a terminal shows of an error's code: its message, what to do, and whether validate foresees it."""

from __future__ import annotations

from rich.console import Group

from bulketl.cli.screens.listing import facts, verdict
from bulketl.cli.text import Text
from bulketl.errors.catalog import PAGE, Entry
from bulketl.tables.printable import in_a_line


def entry(found: Entry) -> Group:
    """Return what the page says of an error."""
    lines = [("error", "bold", f"{found.error}, exit code {found.exit_code}"), ("what to do", "bold", found.advice)]
    lines.append(("does validate foresee it", "bold", found.foreseen))
    if not found.places:
        lines.append(("now", "bold", "only earlier versions of bulketl say this"))
    return Group(
        verdict(f"{found.code}: {found.said}"), facts(lines), Text(in_a_line(f"{PAGE}#{found.code.lower()}"), style="dim")
    )
