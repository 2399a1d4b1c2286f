"""A run's certificate as one page: the run, a line per table, and what differs. Values in, rich renderables out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from bulketl.cli.screens.listing import Rows

NAMED = 8  # figures that differ of a table


def certificate(about: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> Group:
    """Return the page. `about` has run, source, schema_name, host, version, started_at, finished_at, outcome."""
    good = sum(bool(found["certified"]) for found in tables.values())
    rows = sum(int(found["figures"].get("rows") or 0) for found in tables.values())
    head = Text.assemble(
        ("Load certificate\n", "bold"),
        f"run {about['run']}, from {about['source']} into schema {about['schema_name']}\n",
        f"{about['started_at']} to {about['finished_at']}, on {about['host']}, bulketl {about['version']}\n",
    )
    table = Rows()
    table.add_column("table", overflow="fold")
    for column in ("rows", "figures", "ranges"):
        table.add_column(column, justify="right")
    table.add_column("source, batches and target")
    for name, found in tables.items():
        verdict = Text("agree", style="green") if found["certified"] else Text(_differs(found), style="red")
        counts = (f"{int(found['figures'].get('rows') or 0):,}", f"{len(found['figures']):,}", f"{found['ranges']}")
        table.add_row(Text(name), *counts, verdict)
    words = "every" if good == len(tables) else f"{good} of {len(tables)}"
    end = f"\n{words} table{'s are' if good != len(tables) else ' is'} certified: {rows:,} rows, "
    end += (
        "compared by counts, minima, maxima and sums of every column, per range with the source and as a whole in the target"
    )
    return Group(head, table, Text(end, style="green" if good == len(tables) else "red"))


def _differs(found: Mapping[str, Any]) -> str:
    """Return in a few words why a table is not certified."""
    if found["differ_in_the_target"]:
        return f"the target differs: {_listed(found['differ_in_the_target'])}"
    ranges = found["differ_at_the_source"]
    if ranges:
        first = next(iter(ranges))
        return f"the source differs in {len(ranges)} ranges, {first}: {_listed(ranges[first])}"
    return "figures of the target are missing: a part was loaded before an interruption"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
