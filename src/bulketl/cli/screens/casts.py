"""The cast rules, and what was counted while they were applied."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from bulketl.cli.screens.listing import Rows
from bulketl.cli.text import Text
from bulketl.tables.alterations import KINDS
from bulketl.tables.casts import RULES, CastRule


def casts(rules: Iterable[CastRule] = RULES) -> Table:
    """Return the cast table; the first row of each MySQL type is its default."""
    table = Rows()
    for column in ("", "MySQL", "Postgres", "wire (Arrow)", "read as", "then", "by a load as", "unpacked"):
        table.add_column(column, overflow="fold")
    seen: set[tuple[str, bool | None, tuple[int, int]]] = set()
    for rule in rules:
        first = not any(rule.source == s and (u is None or u == rule.unsigned) and z == rule.size for s, u, z in seen)
        seen.add((rule.source, rule.unsigned, rule.size))
        table.add_row("default" if first else "", *cast_row(rule), style="" if first else "dim")
    return table


def counted() -> Text:
    """Return what may be done to a value beside its cast, and is counted then."""
    kinds = "; ".join(KINDS)
    return Text(f"Nothing else is done to a value. Counted per column where it happens: {kinds}. See docs/types.md.")


def cast_row(rule: CastRule) -> tuple[str, ...]:
    """Return a rule as seven texts; sizes as n, or p and s, and 10ⁿ where the number of places counts."""
    sign = {True: " unsigned", False: "", None: ""}[rule.unsigned]
    low, high = rule.size
    bounds = "" if high > 1 << 60 and not low else f"({low})" if low == high else f"({low}…{high})"
    read = rule.read if len(rule.read) < 60 else rule.read[:57] + "…"
    target = rule.target.replace("{0},{1}", "p,s").replace("{0}", "n")
    packed = rule.packed.replace("{c}", "c").replace("{unit}", "10ⁿ")
    return f"{rule.source}{bounds}{sign}", target, rule.wire, read.replace("{c}", "c"), rule.clean, packed, rule.unpack
