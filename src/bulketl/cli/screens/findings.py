"""What a terminal shows of what validate finds, and of what its fixes changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bulketl.survey.findings import SEVERITIES, Finding
from bulketl.tables.printable import count_of, in_a_line


def findings(found: Sequence[Finding]) -> Group:
    """Return what validate found, a paragraph per finding, and their number."""
    colours = {"error": "bold red", "warning": "bold yellow", "note": "bold dim"}
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in found:
        text = Text.assemble(
            (in_a_line(item.table), "bold"),
            f": {in_a_line(item.message)}\n",
            f"otherwise: {in_a_line(item.otherwise)}\n",
            f"instead: {in_a_line(item.advice)}",
        )
        table.add_row(Text(item.severity, style=colours[item.severity]), text)
    counts = [(severity, sum(item.severity == severity for item in found)) for severity in SEVERITIES]
    end = ", ".join(count_of(count, severity) for severity, count in counts if count)
    return Group(table, Text(end or "nothing found: the rules fit both servers", style="bold"))


def fixed(path: Path, changed: Mapping[str, Mapping[str, object]]) -> Text:
    """Return what --fix has changed in the file of rules."""
    if not changed:
        return Text(f"{path} stays as it is: there is nothing to mend without a decision of yours")
    lines = [
        f"  {name}: {', '.join(f'{key}: {_shown(new)}' for key, new in values.items())}" for name, values in changed.items()
    ]
    lines.append(f"wrote fixes for {count_of(len(changed), 'table')} to {path}; run it again to see what is left")
    return Text("\n".join(lines))


def _shown(value: object) -> str:
    return "null" if value is None else str(value)
