"""What a terminal shows of what validate finds: the verdict first, and equal findings once; and what its fixes changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import Rows, lines_of
from bulketl.cli.text import Text
from bulketl.connections.line import Line
from bulketl.survey.examination import FINDING_RULES
from bulketl.survey.findings import SEVERITIES, Finding
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.rights import Held

NAMED = 3  # tables that are named of those of which the same is found
_COLOURS = {"error": "bold red", "warning": "bold yellow", "note": "bold dim"}
_SEVERAL = frozenset(rule.name for rule in FINDING_RULES if not rule.one)
Alike = Sequence[Finding]
_SIDES = {"source": "source"} | dict.fromkeys(("loader", "dashboard", "analyst"), "target")


def findings(found: Sequence[Finding], *, each: bool = False) -> Group:
    """Return what validate found: the verdict, a paragraph per kind, or per finding with `each`, and what is next."""
    table = Rows(gap=1)
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    groups = [[item] for item in found] if each else alike(found)
    for group in groups:
        severity = group[0].severity
        for n, line in enumerate(_lines(group)):
            table.add_row(Text("" if n else severity, style=_COLOURS[severity]), line)
    parts: list[RenderableType] = [Text(verdict(found), style="bold"), *([table] if groups else [])]
    after = _after(found, folded=any(len(group) > NAMED for group in groups))
    return Group(*parts, *([Text(after, style="dim")] if after else []))


def verdict(found: Sequence[Finding]) -> str:
    """Return in a line what validate found."""
    counts = [(severity, sum(item.severity == severity for item in found)) for severity in SEVERITIES]
    said = ", ".join(count_of(count, severity) for severity, count in counts if count)
    if not said:
        return "nothing found: the rules fit both servers"
    if not counts[0][1]:
        return f"no errors; {said}"
    errors = [item for item in found if item.severity == "error"]
    if any(item.otherwise == "no load begins" for item in errors):
        return f"{said}: no load can begin"
    if all(item.kind == "not here" for item in errors):
        return f"{said}: bulketl.yaml names what this machine does not have, and a load goes on without it"
    return f"{said}: a load would leave out tables, or lose rows"


def alike(found: Sequence[Finding]) -> list[Alike]:
    """Return the findings in groups that say the same of different tables, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for item in found:
        words = (_bare(item, item.message), _bare(item, item.advice)) if item.kind in _SEVERAL else ()
        groups.setdefault((item.severity, item.kind, *words), []).append(item)
    return list(groups.values())


def _bare(item: Finding, text: str) -> str:
    """Return a text without what is of one table only: its name, what is quoted, and numbers."""
    text = re.sub(r"\([^()]*\)|'[^']*'|\d[\d,.]*|\b\S*_\S*", "", text)
    return re.sub(rf"(?<!\w){re.escape(item.table)}(?!\w)", "", text)


def _lines(group: Alike) -> Iterator[Text]:
    first, advice = group[0], {item.advice for item in group}
    if len(group) > NAMED or (len(group) > 1 and len({item.message for item in group}) == 1):
        yield Text.assemble((count_of(len(group), "table"), "bold"), f": {_named([item.table for item in group])}")
        group, advice = group[:1], {first.advice}
    for item in group:
        own = f"; instead: {in_a_line(item.advice)}" if len(advice) > 1 else ""
        yield Text.assemble((in_a_line(item.table), "bold"), f": {in_a_line(_without(item))}{own}")
    yield Text(f"otherwise: {in_a_line(first.otherwise)}")
    if len(advice) == 1:
        yield Text(f"instead: {in_a_line(first.advice)}")


def _without(item: Finding) -> str:
    """Return the message without the name of the table, which stands before it."""
    return item.message.removeprefix(f"table {item.table!r}: ").removeprefix(f"table {item.table!r} ")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(map(in_a_line, names[:NAMED])) + more


def _after(found: Sequence[Finding], *, folded: bool) -> str:
    """Return what a person can do next: see each finding, have those mended that need no decision."""
    mended = sum(bool(item.fix) for item in found)
    steps = ["--all lists each finding"] if folded else []
    steps += [f"--fix mends {count_of(mended, 'finding')} in the file of rules"] if mended else []
    return "; ".join(steps)


def fixed(path: Path, changed: Mapping[str, Mapping[str, object]]) -> Text:
    """Return what --fix has changed in the file of rules."""
    if not changed:
        return lines_of([f"{path} stays as it is: everything that is left needs a decision of yours"])
    lines = [
        f"  {in_a_line(name)}: {', '.join(f'{key}: {_shown(new)}' for key, new in values.items())}"
        for name, values in changed.items()
    ]
    lines.append(f"wrote fixes for {count_of(len(changed), 'table')} to {path}; run it again to see what is left")
    return lines_of(lines)


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def stood_on(lines: Sequence[Line], held: Sequence[Held]) -> Text:
    """Return how both servers are reached, and whether the users there have other rights than a load needs."""
    said = []
    for line in lines:
        cipher = f", {line.cipher}" if line.cipher else ""
        said.append(f"{line.side} {line.identity}: {line.server}, {line.tls}{cipher}")
    for one in held:
        counts = ((len(one.missing), "missing"), (len(one.excess), "in excess"))
        if found := [f"{count_of(count, 'right')} {what}" for count, what in counts if count]:
            said.append(
                f"user {one.user} of the {_SIDES[one.role]}: {', '.join(found)}; `bulketl grants --check` names them"
            )
    return Text("\n".join(map(in_a_line, said)), style="dim")
