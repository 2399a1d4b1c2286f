"""What a terminal shows of `doctor`: whether a load can begin, what stands against it with its mend, and what is well."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import Rows, verdict
from bulketl.cli.text import Text
from bulketl.survey.checked import VERDICTS, Checked, Checkup, Side, Verdict
from bulketl.tables.printable import in_a_line

_COLOURS: dict[Verdict, str] = {
    "wrong": "bold red", "doubtful": "bold yellow", "slow": "yellow", "unknown": "bold dim", "fine": "green",
}  # fmt: skip
_SIDES: dict[Side, str] = {"here": "this machine", "source": "source", "target": "target"}


def checkup(found: Checkup, *, each: bool = False) -> Group:
    """Return what was found, the worst first; with `each` what is well too, and else how much of it there is."""
    shown = [one for one in found.checked if each or one.verdict != "fine"]
    table = Rows(gap=1)
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in shown:
        table.add_row(Text(one.verdict, style=_COLOURS[one.verdict]), _said(one))
        if one.mend:
            table.add_row("", Text(f"instead: {in_a_line(one.mend)}"))
    parts: list[RenderableType] = [verdict(told(found), "green" if found.ready else "red"), *([table] if shown else [])]
    return Group(*parts, *([Text(after, style="dim")] if (after := _after(found, each=each)) else []))


def told(found: Checkup) -> str:
    """Return in a line whether a load can begin."""
    counts = Counter(one.verdict for one in found.checked)
    said = ", ".join(f"{counts[one]:,} {one}" for one in VERDICTS if counts[one])
    return f"{'nothing stops a load' if found.ready else 'a load would be stopped, or go wrong'}: {said}"


def _said(one: Checked) -> Text:
    return Text.assemble((f"{_SIDES[one.side]}, {in_a_line(one.about)}", "bold"), f": {in_a_line(one.found)}")


def _after(found: Checkup, *, each: bool) -> str:
    steps = [] if each or not found.of("fine") else ["-v shows what is fine"]
    then = "next: `bulketl validate`, which looks at the tables"
    return "; ".join([*steps, then if found.ready else "mend what is wrong, and look again"])
