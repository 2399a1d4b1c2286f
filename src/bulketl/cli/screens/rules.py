"""What a terminal shows of the rules: what discover proposes, and what changed at the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from bulketl.survey.proposals import Proposal
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS


def proposals(proposed: Sequence[Proposal]) -> Group:
    """Return what discover proposes: a paragraph per table by tier and size, and how many there are of each tier."""
    parts: list[RenderableType] = []
    for item in sorted(proposed, key=lambda p: (p.exclude, TIERS.index(p.tier), -p.megabytes, p.table)):
        tier = "left out" if item.exclude else item.tier
        by = f" by {item.cursor}" if item.cursor and item.strategy != "full_table" else ""
        parts.append(Text.assemble((in_a_line(item.table), "bold"), in_a_line(f"  {tier}, {item.strategy}{by}")))
        why = item.reasons["exclude" if item.exclude else "table_importance"]
        if item.question:
            parts.append(Padding(Text(in_a_line(item.question), style="yellow"), (0, 0, 0, 2), expand=False))
        reasons = in_a_line(f"{why}; {item.reasons['extraction_strategy']}")
        parts.append(Padding(Text(reasons, style="dim"), (0, 0, 0, 2), expand=False))
    return Group(*parts, Text(f"\n{counted(proposed)}", style="bold"))


def counted(proposed: Sequence[Proposal]) -> str:
    """Return how many tables are proposed for each tier, how many by their changes, and how many are to be left out."""
    taken = [item for item in proposed if not item.exclude]
    tiers = Counter(item.tier for item in taken)
    left = sum(item.exclude for item in proposed)
    words = [f"{tiers[tier]} {tier}" for tier in TIERS if tiers[tier]] + ([f"{left} left out"] if left else [])
    changes = sum(item.strategy != "full_table" for item in taken)
    asked = sum(bool(item.question) for item in proposed)
    more = f"; {count_of(asked, 'question')} for you, `# audit?` in the file" if asked else ""
    return f"{count_of(len(taken) + left, 'table')}: {', '.join(words)}; {changes} loaded by changes, the others whole{more}"


def changes(lines: Iterable[str]) -> Text:
    """Return what changed at the source, coloured as a diff."""
    text = Text("Changed at the source since the file was written:\n", style="bold")
    for line in lines:
        text.append(f"  {in_a_line(line)}\n", style={"+": "green", "-": "red"}.get(line[0], "yellow"))
    return text
