"""What a terminal shows of the rules: what discover proposes, and what changed at the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding

from bulketl.cli.text import Text
from bulketl.survey.proposals import Proposal
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS

QUESTIONS = 8  # that are shown, and tables of each tier
SHOWN = {"critical": 16, "important": 8, "audit": 6, "reference": 3}


def proposed(every: Sequence[Proposal], *, whole: bool = False) -> Group:
    """Return in short what discover proposes: how many tables of each tier, what a person should decide, the largest.

    `whole`: no line is cut, where no terminal's width is to be kept.
    """
    asked = sorted((item for item in every if item.question), key=_largest)
    parts: list[RenderableType] = [Text(counted(every), style="bold")]
    if asked:
        parts.append(_section("questions for you", asked, QUESTIONS, lambda item: item.question, whole=whole))
    for tier in TIERS:
        mine = sorted((item for item in every if item.tier == tier and not item.exclude), key=_largest)
        if mine:
            parts.append(_section(tier, mine, SHOWN[tier], _why, whole=whole))
    if some := sorted((item for item in every if item.personal), key=lambda item: (-len(item.personal), item.table)):
        parts.append(_section("columns that look personal", some, QUESTIONS, _personal, whole=whole))
    if left := [in_a_line(item.table) for item in every if item.exclude]:
        more = f" and {len(left) - QUESTIONS:,} more" if len(left) > QUESTIONS else ""
        parts.append(Text.assemble((f"left out ({len(left):,})", "bold"), f"  {', '.join(left[:QUESTIONS])}{more}"))
    if every:
        parts.append(Text("-v shows every table, --explain TABLE every reason, --write FILE writes the rules", style="dim"))
    return Group(*parts)


def _largest(item: Proposal) -> tuple[float, str]:
    return (-item.megabytes, item.table)


def _why(item: Proposal) -> str:
    by = f"by {item.cursor}; " if item.cursor and item.strategy != "full_table" else ""
    return f"{by}{item.reasons['table_importance']}"


def _personal(item: Proposal) -> str:
    return f"{len(item.personal)}: " + ", ".join(f"{one.column} ({one.what})" for one in item.personal)


def _section(
    title: str, items: Sequence[Proposal], most: int, told: Callable[[Proposal], str], *, whole: bool
) -> RenderableType:
    """Return a heading with a line for each of the first tables, and how many more there are; a terminal cuts long lines."""
    rows = [(in_a_line(item.table), f"{item.megabytes:,.1f} MB", in_a_line(told(item))) for item in items[:most]]
    wide, wider = max(min(len(row[0]), 36) for row in rows), max(len(row[1]) for row in rows)
    lines = [Text.assemble(f"  {name:{wide}}  ", (f"{size:>{wider}}", "dim"), f"  {why}") for name, size, why in rows]
    for line in lines if not whole else ():
        line.no_wrap, line.overflow = True, "ellipsis"
    left = [Text(f"  and {len(items) - most:,} more", style="dim")] if len(items) > most else []
    return Group(Text(f"{title} ({len(items):,})", style="bold"), *lines, *left)


def explanation(table: str, reasons: Sequence[str], *, whole: bool = False) -> Group:
    """Return every reason for what is proposed for a table, a line each; what was decided stands out. `whole` as above."""
    lines = [Text(in_a_line(line), style="bold" if line.startswith("=>") else "") for line in reasons]
    indented = [Text.assemble("  ", line) if whole else Padding(line, (0, 0, 0, 2), expand=False) for line in lines]
    return Group(Text(in_a_line(table), style="bold"), *indented)


def proposals(every: Sequence[Proposal]) -> Group:
    """Return all that discover proposes: a paragraph per table by tier and size, and how many there are of each tier."""
    parts: list[RenderableType] = []
    for item in sorted(every, key=lambda p: (p.exclude, TIERS.index(p.tier), -p.megabytes, p.table)):
        tier = "left out" if item.exclude else item.tier
        by = f" by {item.cursor}" if item.cursor and item.strategy != "full_table" else ""
        parts.append(Text.assemble((in_a_line(item.table), "bold"), in_a_line(f"  {tier}, {item.strategy}{by}")))
        why = item.reasons["exclude" if item.exclude else "table_importance"]
        if item.question:
            parts.append(Padding(Text(in_a_line(item.question), style="yellow"), (0, 0, 0, 2), expand=False))
        reasons = in_a_line(f"{why}; {item.reasons['extraction_strategy']}")
        parts.append(Padding(Text(reasons, style="dim"), (0, 0, 0, 2), expand=False))
    return Group(*parts, Text(f"\n{counted(every)}", style="bold"))


def counted(proposed: Sequence[Proposal]) -> str:
    """Return how many tables are proposed for each tier, how many by their changes, and how many are to be left out."""
    if not proposed:
        return "the source has no table that this user may see: grant SELECT on its database, or correct its name in the URI"
    taken = [item for item in proposed if not item.exclude]
    tiers = Counter(item.tier for item in taken)
    left = sum(item.exclude for item in proposed)
    words = [f"{tiers[tier]} {tier}" for tier in TIERS if tiers[tier]] + ([f"{left} left out"] if left else [])
    changes = sum(item.strategy != "full_table" for item in taken)
    asked = sum(bool(item.question) for item in proposed)
    more = f"; {count_of(asked, 'question')} for you, `# audit?` in the file" if asked else ""
    personal = sum(len(item.personal) for item in proposed)
    if personal:
        more += f"; {count_of(personal, 'column')} look personal, `# personal?` in the file, and are loaded as they are"
    return f"{count_of(len(taken) + left, 'table')}: {', '.join(words)}; {changes} loaded by changes, the others whole{more}"


def changes(lines: Iterable[str]) -> Text:
    """Return what changed at the source, coloured as a diff."""
    text = Text("Changed at the source since the file was written:\n", style="bold")
    for line in lines:
        text.append(f"  {in_a_line(line)}\n", style={"+": "green", "-": "red"}.get(line[:1], "yellow"))
    return text
