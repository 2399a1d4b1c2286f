"""A run's certificate on a terminal: the verdict and why, a line per table that is not certified, the others counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import facts, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line, without_table

LISTED = 8  # figures that differ of a table
MOST = 20  # tables that are not certified, each with its line
FEW = 12  # tables, each of which has its line
HOW = "counts, minima, maxima and sums of every column, per range at the source and as a whole in the target"


def certificate(about: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]], verbose: bool = False) -> Group:
    """Return the screen. `about` has run, source, schema_name, host, version, started_at, finished_at, certified and why."""
    good = {name: table for name, table in tables.items() if table["certified"]}
    bad = {name: table for name, table in tables.items() if table["certified"] is False}
    parts: list[RenderableType] = [
        verdict(headline(about), "green" if about["certified"] else "red"),
        Text(counted(tables)),
        Text(in_a_line(f"run {about['run']}, from {about['source']} into schema {about['schema_name']}"), style="dim"),
        Text(in_a_line(f"{about['started_at']} to {about['finished_at'] or 'now'}, on {about['host']}, bulketl "
                       f"{about['version']}"), style="dim"),
    ]  # fmt: skip
    if about["certified"] and about.get("since"):
        parts += [Text(in_a_line(line), style="yellow") for line in about["since"]]
    shown = list(bad.items()) if verbose else list(bad.items())[:MOST]
    lines = [("not certified", "red", f"{name}: {'; '.join(reasons(name, table))}") for name, table in shown]
    parts += ["", facts(lines)] if lines else []
    if len(bad) > len(shown):
        parts.append(Text(f"and {count_of(len(bad) - len(shown), 'more table')}; -v shows all", style="dim"))
    if good and (verbose or len(tables) <= FEW):
        table = rows_of("table", "rows", "figures", "ranges", "source, batches and target",
                        numbers=("rows", "figures", "ranges"))  # fmt: skip
        for name, found in good.items():
            table.add_row(Text(name), f"{rows(found):,}", f"{len(found['figures']):,}", f"{found['ranges']:,}",
                          Text("agree", style="green"))  # fmt: skip
        parts += ["", table]
    return Group(*parts)


def headline(about: Mapping[str, Any]) -> str:
    """Return the first line: whether the run is certified, and why not."""
    return "CERTIFIED" if about["certified"] else f"NOT CERTIFIED: {'; '.join(about['why'])}"


def counted(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how many of the tables are certified, with their rows, and how many were not read."""
    good = [table for table in tables.values() if table["certified"]]
    idle = {word: sum(table["outcome"] == word for table in tables.values()) for word in ("unchanged", "skipped")}
    said = f"{len(good):,} of {count_of(len(tables), 'table')} certified: {count_of(sum(map(rows, good)), 'row')}, by {HOW}"
    words = {"unchanged": "unchanged and not read", "skipped": "not loaded"}
    return "; ".join([said, *(f"{count:,} {words[word]}" for word, count in idle.items() if count)])


def rows(table: Mapping[str, Any]) -> int:
    """Return the rows that the figures of a table are of."""
    return int(table["figures"].get("rows") or 0)


def reasons(name: str, table: Mapping[str, Any]) -> list[str]:
    """Return why a table is not certified: in a sentence, and the figures that differ by range; no value of any."""
    told = [without_table(table["why"], name)]
    if table["differ_in_the_target"]:
        told.append(f"in the target: {_listed(table['differ_in_the_target'])}")
    ranges = list(table["differ_at_the_source"].items())
    told += [f"at the source in range {index}: {_listed(names)}" for index, names in ranges[:2]]
    return [line for line in told if line] + ([f"and in {len(ranges) - 2:,} more"] if len(ranges) > 2 else [])


def _listed(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
