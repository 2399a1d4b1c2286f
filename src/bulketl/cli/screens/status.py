"""How the tables stand: a verdict, runs and windows around it, the tables that need somebody, and all counted by tier."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.behind import behind_source, furthest, how_far, is_asked
from bulketl.cli.screens.common import runbooks_of
from bulketl.cli.screens.listing import NAMED, WIDE, Fact, Fitting, facts, named, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.errors import without_runbook
from bulketl.operations.history.runs import RunEntry
from bulketl.operations.history.standing import FINE, WORDS, WRONG, Standing, Word
from bulketl.operations.history.status import Status
from bulketl.tables.alike import for_many, to_do
from bulketl.tables.printable import count_of, lasting, without_table
from bulketl.tables.spec import TIERS

MOST = 15  # lines of tables that need attention
_SAID = {"never loaded": "never loaded", "rejected": "with rows rejected", "unfinished": "not finished"}
_COLOURS: dict[Word, str] = {"failed": "red", "overdue": "red", "well": "", "in part": "yellow", "not loaded": "dim"}


def status(found: Status, verbose: bool = False) -> Group:
    """Return how the tables stand; `verbose` names every table, with what is known of its last load."""
    parts: list[RenderableType] = [_verdict(found), facts(_around(found))]
    lines = _attention(found.attention, verbose)
    if lines:
        books = runbooks_of([item.hint for item in found.attention])
        parts += ["", facts([*(lines if verbose else lines[:MOST]), *books])]
    if len(lines) > MOST and not verbose:
        parts.append(Text(f"and {count_of(len(lines) - MOST, 'more line')} like these; -v shows all", style="dim"))
    if found.tables:
        parts += ["", Fitting(lambda width: _numbers(found, verbose, width))]
    return Group(*parts)


def clock(at: dt.datetime) -> str:
    """Return a time as every screen of the history shows it, in UTC."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def _verdict(found: Status) -> Text:
    if not found.tables:
        return verdict("nothing was loaded into this schema yet, and no rule names a table", "yellow")
    counts = found.counts
    parts = [f"{counts[word]:,} {_SAID.get(word, word)}" for word in WORDS if counts.get(word) and word not in FINE]
    tables = count_of(len(found.tables), "table")
    well = f"{'all ' if len(found.tables) > 1 else ''}well"
    if some := counts.get("in part"):
        well = f"all of them in part only, and {well}" if some == len(found.tables) else f"{some:,} in part only, and {well}"
    said = f"{tables}: {', '.join(parts)}" if parts else f"{tables}, {well}"
    died = f"{count_of(len(found.dead), 'run')} died; " if found.dead else ""
    return verdict(died + said, {1: "red", 3: "yellow"}.get(found.exit_code, "green"))


def _around(found: Status) -> list[Fact]:
    """Return what is to be known of the ledger, the runs and the windows, each as a fact."""
    lines: list[Fact] = [("schema", "dim", f"{found.schema} at {clock(found.now)} UTC")]
    for run in found.dead:
        go_on = f"; `bulketl load --resume {run.run}` goes on with it" if run.resumable else ""
        lines.append(("died", "red", f"{_run(run, found.now)}, whose process is gone: {_done(run)}{go_on}"))
    lines += [("running", "", f"{_run(run, found.now)}: {_done(run)}") for run in found.running]
    if found.last is not None and found.last.ended is not None:
        ago = f"ended {lasting((found.now - found.last.ended).total_seconds())} ago"
        lines.append(("last run", "dim", f"{found.last.run} ({found.last.kind}), {found.last.outcome}, {ago}"))
    if found.window is None:
        lines.append(("window", "dim", "none is set, so nobody knows when the next load is due"))
    elif found.window.open_until is not None:
        lines.append(("window", "dim", f"open until {clock(found.window.open_until)}"))
    else:
        ahead = lasting((found.window.next - found.now).total_seconds())
        lines.append(("window", "dim", f"the next opens at {clock(found.window.next)}, in {ahead}"))
    if parts := [item.table for item in found.tables if item.word == "in part"]:
        lines.append(("in part", "yellow", f"{named(parts)}: loaded under a limit; `bulketl state list` says which rows"))
    lines += behind_source(found.tables)
    for alert in found.alerts[:MOST]:
        by = f"acknowledged by {alert.acknowledged}" if alert.acknowledged else "nobody has acknowledged it"
        ago = lasting((found.now - alert.since).total_seconds())
        lines.append((f"alert {alert.number}", "yellow" if alert.acknowledged else "red", f"{alert.said}, {ago} ago; {by}"))
    if len(found.alerts) > MOST:
        lines.append(("alerts", "red", f"{len(found.alerts) - MOST:,} more are open; `bulketl alerts list` shows all"))
    if found.elsewhere:
        others = named([f"{schema} ({count_of(tables, 'table')})" for schema, tables in found.elsewhere])
        lines.append(("besides", "dim", f"this ledger has other schemas, which --schema shows: {others}"))
    return lines + ([("ledger", "yellow", found.note)] if found.note else [])


def _run(run: RunEntry, now: dt.datetime) -> str:
    return f"{run.kind} {run.run} on {run.host or '?'}, begun {lasting((now - run.began).total_seconds())} ago"


def _done(run: RunEntry) -> str:
    return f"{count_of(run.counts.get('published', 0), 'table')} done so far, {count_of(run.rows, 'row')}"


def _attention(items: Sequence[Standing], verbose: bool) -> list[Fact]:
    """Return a line for each table that needs somebody; those of which the same is to be said share one."""
    found: dict[tuple[Word, bool, str, str], list[Standing]] = {}
    for item in items:
        hint = for_many(without_runbook(item.hint), item.table)
        key = (item.word, item.blocks, without_table(item.why, item.table), hint)
        found.setdefault(key, []).append(item)
    lines: list[Fact] = []
    for (word, blocks, told, hint), same in found.items():
        every = [item.table for item in same]
        names = named(every, len(same) if verbose else NAMED)
        tiers = ", ".join(tier for tier in TIERS if any(item.tier == tier for item in same))
        each = ", each" if len(same) > 1 else ""
        text = f"{names} ({tiers}){each}: {told}{to_do(hint, every)}"
        lines.append((word, "red" if word in WRONG and blocks else "yellow", text))
    return lines


def _numbers(found: Status, verbose: bool, width: int) -> RenderableType:
    return _each(found, width) if verbose or len(found.tables) <= NAMED else _by_tier(found, width)


def _by_tier(found: Status, width: int) -> RenderableType:
    """Return each tier with how its tables stand, counted, and how far the table furthest behind is behind."""
    words = [word for word in FINE if found.counts.get(word) or word == "well"]
    numbers = ["tables", *reversed(words), "attention", "rows", "last read"]
    if is_asked(found.tables):
        numbers = [*(numbers if width >= WIDE else numbers[:-1]), "behind source"]
    table = rows_of("tier", *numbers, numbers=numbers)
    groups = [(tier, [item for item in found.tables if item.tier == tier]) for tier in TIERS]
    groups = [group for group in groups if group[1]]
    for tier, items in [*groups, ("all", list(found.tables))] if len(groups) > 1 else groups:
        fine: dict[str, int] = {word: sum(item.word == word for item in items) for word in words}
        counts: dict[str, int] = {"tables": len(items), **fine, "attention": len(items) - sum(fine.values())}
        cells = {name: f"{count:,}" if count else "" for name, count in counts.items()}
        cells |= {"rows": _rows(items), "last read": _oldest(items), "behind source": furthest(items)}
        table.add_row(tier, *(cells[name] for name in numbers), style="bold" if tier == "all" else "")
    return table


def _rows(items: Iterable[Standing]) -> str:
    return f"{sum(item.rows or 0 for item in items):,}"


def _oldest(items: Sequence[Standing]) -> str:
    """Return how long ago the tables were read, from the newest to the oldest."""
    ages = sorted(item.lag.behind for item in items if item.lag.behind is not None)
    if not ages:
        return "never" if all(item.loaded_at is None for item in items) else "unknown"
    first, last = lasting(ages[0]), lasting(ages[-1])
    return f"{first} ago" if first == last else f"{first} to {last} ago"


def _each(found: Status, width: int) -> RenderableType:
    """Return a line for each table, in the order of the verdict."""
    columns = ["last", "rows", "seconds", "median", "read", "newest row"]
    if width < WIDE:
        columns = ["rows", "seconds", "median", "read"]
    if is_asked(found.tables):
        columns = [name for name in columns if name not in ("last", "median", "newest row")] + ["behind source"]
    table = rows_of("table", "tier", "state", *columns, numbers=[name for name in columns if name != "newest row"])
    for item in found.tables:
        cells = {
            "last": f"{clock(item.at)}" if item.at else "never",
            "rows": "" if item.rows is None else f"{item.rows:,}",
            "seconds": "" if item.seconds is None else f"{item.seconds:,.1f}",
            "median": f"{item.times:.1f} ×" if item.times else "",
            "read": "never" if item.loaded_at is None else _ago(item.lag.behind),
            "newest row": _newest(item),
            "behind source": how_far(item),
        }
        word = Text(item.word, style=_COLOURS.get(item.word, "yellow"))
        table.add_row(Text(item.table), Text(item.tier, style="dim"), word, *(cells[name] for name in columns))
    return table


def _ago(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{lasting(seconds)} ago"


def _newest(item: Standing) -> str:
    if item.lag.newest_age is not None:
        return f"{lasting(item.lag.newest_age)} old"
    return f"{item.lag.newest}; age unknown" if item.lag.newest else "unknown"
