"""Runs on a terminal: a list, one of them as a timeline, one table through all of them with its sparklines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import NAMED, WIDE, Fact, Fitting, facts, lines_of, named, rows_of, verdict
from bulketl.cli.screens.status import clock
from bulketl.cli.text import Text
from bulketl.operations.history.runs import RunEntry, TableNights, Timeline
from bulketl.postgres.ledger.runlist import TableEnd
from bulketl.postgres.ledger.tableloads import WELL
from bulketl.tables.alike import for_many, to_do
from bulketl.tables.printable import count_of, in_a_line, lasting, without_table

SLOWEST = 5  # tables of a run that are shown with their seconds
_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"done": "green", "failed": "red", "dead": "red", "running": "bold"}
_ORDER = ("failed", "unfinished", "loaded", "shortened", "unchanged", "skipped", "published")


def runs(found: Sequence[RunEntry]) -> Group:
    """Return a line for each run, the last one first, and why tables failed in it."""
    if not found:
        return Group(verdict("no run into this schema is on record"))
    ended = [run for run in found if run.ended is not None]
    bad = sum(run.outcome not in ("done", "running") for run in found)
    said = f"{count_of(len(found), 'run')}, {bad:,} of them not done" if bad else f"{count_of(len(ended), 'run')}, all done"
    return Group(verdict(said, "yellow" if bad else "green"), "", Fitting(lambda width: _list(found, width)), *_why(found))


def _list(found: Sequence[RunEntry], width: int) -> RenderableType:
    columns = ["began", "run", "kind", "outcome", "tables", "rows", "rejects", "time"]
    if width < WIDE:
        columns = ["run", "kind", "outcome", "tables", "rows", "time"]
    if not any(run.rejects for run in found) and "rejects" in columns:
        columns.remove("rejects")
    table = rows_of(*columns, numbers=("tables", "rows", "rejects", "time"))
    for run in found:
        cells: dict[str, str | Text] = {
            "began": clock(run.began),
            "run": run.run,
            "kind": run.kind,
            "outcome": Text(run.outcome, style=_COLOURS.get(run.outcome, "yellow")),
            "tables": f"{sum(run.counts.values()):,}",
            "rows": f"{run.rows:,}",
            "rejects": f"{run.rejects:,}" if run.rejects else "",
            "time": "" if run.seconds is None else lasting(run.seconds),
        }
        table.add_row(*(cells[name] for name in columns))
    return table


def _why(found: Sequence[RunEntry]) -> list[RenderableType]:
    lines = []
    for run in found:
        failed = run.counts.get("failed", 0)
        if failed:
            names = named([*run.failed, *[""] * (failed - len(run.failed))], len(run.failed))
            lines.append((run.run, "red", f"{names} failed: {without_table(run.error, run.failed[0])}"))
        elif run.resumable:
            word = "died" if run.outcome == "dead" else f"was {run.outcome}"
            lines.append((run.run, "yellow", f"it {word}; `bulketl load --resume {run.run}` goes on with it"))
    return ["", facts(lines)] if lines else []


def timeline(found: Timeline, verbose: bool = False) -> Group:
    """Return what happened in a run; `verbose`: why each of its tables ended as it did as well."""
    run = found.run
    counts = ", ".join(f"{run.counts[word]:,} {word}" for word in _ORDER if run.counts.get(word))
    took = "" if run.seconds is None else f" in {lasting(run.seconds)}"
    style = _COLOURS.get(run.outcome, "yellow")
    parts: list[RenderableType] = [
        verdict(f"{run.kind} {run.run}: {run.outcome}", style),
        Text(f"{counts or 'no table'}; {count_of(run.rows, 'row')}, {count_of(run.rejects, 'row')} rejected{took}"),
        lines_of([_about(run)], "dim"),
    ]
    bad = [table for table in found.tables if table.outcome in ("failed", "unfinished", "skipped")]
    if bad:
        parts += ["", facts(_endings(bad, verbose))]
    slow = [table for table in found.tables if table.outcome == "loaded"][: None if verbose else SLOWEST]
    if slow:
        table = rows_of("table" if verbose else "slowest", "tier", "rows", "seconds", numbers=("rows", "seconds"))
        for item in slow:
            table.add_row(Text(item.table), Text(item.tier, style="dim"), f"{item.rows:,}", f"{item.seconds:,.1f}")
        parts += ["", table]
    return Group(*parts, "", *_events(found))


def _about(run: RunEntry) -> str:
    return f"from {run.source or '?'} into schema {run.schema}, begun {clock(run.began)} UTC on {run.host or '?'}"


def _style(outcome: str) -> str:
    return {"failed": "red", "skipped": "dim"}.get(outcome, "yellow")


def _endings(bad: Sequence[TableEnd], verbose: bool) -> list[Fact]:
    """Return why tables did not end well; those of which the same is to be said share a line."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for table in sorted(bad, key=lambda table: (_ORDER.index(table.outcome), table.table)):
        key = (table.outcome, without_table(table.error, table.table), for_many(table.hint, table.table))
        found.setdefault(key, []).append(table.table)
    lines: list[Fact] = []
    for (outcome, told, hint), tables in found.items():
        names = named(tables, len(tables) if verbose else NAMED)
        each = ", each" if len(tables) > 1 else ""
        said = f"{told}{to_do(hint, tables)}".removeprefix(". ")
        lines.append((outcome, _style(outcome), f"{names}{each}: {said}" if said else names))
    return lines


def _events(found: Timeline) -> list[RenderableType]:
    if not found.recorded:
        return [Text("Its events are not on record: an earlier bulketl carried it out, or they are pruned.", style="dim")]
    table = rows_of("after", "event", "", numbers=("after",))
    for event in found.events:
        bad = event.kind in ("table_failed", "events_lost") or (event.kind == "hook_ran" and event.body.get("code") != 0)
        kind = Text(event.kind.replace("_", " "), style="red" if bad else "")
        table.add_row(f"{event.seconds:,.1f} s", kind, told_of(event.kind, event.body))
    left = found.recorded - len(found.events)
    more = f"and {count_of(left, 'event')} of tables that went well, or that --first leaves out; -v shows all"
    return [table, *([Text(more, style="dim")] if left else [])]


def told_of(kind: str, body: Mapping[str, Any]) -> str:
    """Return the values of an event in a line, those first that say what it is about."""
    tables = body.get("tables")
    if kind == "run_started" and isinstance(tables, Mapping):
        return f"{count_of(len(tables), 'table')} from {body.get('source') or '?'}"
    table = str(body.get("table") or "")
    if isinstance(tables, list):
        table = named([str(one) for one in tables])
    words = [str(word) for word in (body.get("hook"), body.get("on"), table) if word]
    if message := body.get("message") or body.get("reason") or body.get("why"):
        words.append(without_table(str(message), table))
    shown = {"rows": "{:,} rows", "workers": "{:,} workers", "attempt": "attempt {}", "seconds": "{:,.1f} s", "how": "{}",
             "part": "{}", "outcome": "{}", "events": "{:,} events"}  # fmt: skip
    words += [text.format(body[name]) for name, text in shown.items() if body.get(name) not in (None, "")]
    if isinstance(changes := body.get("changes"), list):
        words.append(", ".join(map(str, changes)))
    return in_a_line(", ".join(words))


def nights(found: TableNights) -> Group:
    """Return one table through its runs: sparklines of seconds and rows, the oldest at the left, and a line for each run."""
    last = found.nights[0]
    well = [night for night in found.nights if night.outcome == "loaded"]
    failed = sum(night.outcome == "failed" for night in found.nights)
    said = f"{in_a_line(found.table)}: {last.outcome} in the last of {count_of(len(found.nights), 'run')}"
    style = "green" if last.outcome in WELL else "red"
    lines = [("failed", "red", f"{failed:,} of {count_of(len(found.nights), 'run')}")] if failed else []
    if well:
        for name, values in (("seconds", [n.seconds for n in well]), ("rows", [float(n.rows) for n in well])):
            kept = [getattr(n, name) if n.outcome == "loaded" else None for n in reversed(found.nights)]
            low, high = min(values), max(values)
            lines.append((name, "", f"{sparkline(kept)}  {_figure(name, low)} to {_figure(name, high)}"))
    return Group(verdict(said, style), facts(lines), "", Fitting(lambda width: _nights(found, width)))


def _nights(found: TableNights, width: int) -> RenderableType:
    columns = ["began", "run", "outcome", "rows", "rejects", "seconds", ""]
    if width < WIDE:
        columns.remove("began")  # its run's name tells it
    if not any(night.rejects for night in found.nights):
        columns.remove("rejects")
    table = rows_of(*columns, numbers=("began", "run", "rows", "rejects", "seconds"))
    for night in found.nights:
        bad = "red" if night.outcome == "failed" else "yellow"
        cells: dict[str, str | Text] = {
            "began": clock(night.began),
            "run": night.run,
            "outcome": Text(night.outcome, style="" if night.outcome in WELL else bad),
            "rows": f"{night.rows:,}",
            "rejects": f"{night.rejects:,}" if night.rejects else "",
            "seconds": f"{night.seconds:,.1f}",
            "": "; ".join(
                [*([] if night.kind == "load" else [night.kind]), *filter(None, [without_table(night.error, found.table)])]
            ),
        }
        table.add_row(*(cells[name] for name in columns))
    return table


def _figure(name: str, value: float) -> str:
    return f"{value:,.1f} s" if name == "seconds" else f"{value:,.0f}"


def sparkline(values: Sequence[float | None]) -> str:
    """Return values as bars between the lowest and the highest of them; × for one that is not there."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    steps = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join("×" if value is None else _BARS[round((value - low) * steps)] for value in values)
