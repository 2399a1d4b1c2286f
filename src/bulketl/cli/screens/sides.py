"""What a terminal shows of two pipelines side by side. Values in, rich renderables out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import WIDE, Fitting, Indented, Rows, facts, lines_of, named, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.operations.migrate.comparison import Comparison, Judged, TableCompared, ViewCompared
from bulketl.postgres.ledger.sidebyside import Waiver
from bulketl.tables.differences import Difference
from bulketl.tables.printable import count_of, in_a_line

DETAILED = 8  # tables whose differences are listed, a line each
_STYLES = {"equal": "green", "waived": "green", "differs": "red", "not compared": "yellow"}
_ORDER = ("not compared", "differs", "waived", "equal")


def comparison(found: Comparison, verbose: bool = False) -> Group:
    """Return what was found: the verdict, a line per table that is not equal, its differences, and the views."""
    ordered = sorted(found.tables, key=lambda one: (_ORDER.index(one.outcome), one.table))
    shown = [one for one in ordered if verbose or one.outcome != "equal"]
    parts: list[RenderableType] = [_verdict(found)]
    parts.append(Text(in_a_line(f"schema {found.schema} beside {found.shadow}, from {found.source}"), style="dim"))
    parts += [Text(in_a_line(note), style="yellow") for note in found.notes]
    if shown:
        parts += ["", Fitting(lambda width: _table(shown, width))]
    detailed = [one for one in shown if one.differences or one.problem or one.notes or one.uncompared]
    few = detailed if verbose else detailed[:DETAILED]
    for one in few:
        parts += [Text(f"\n{in_a_line(one.table)}", style="bold"), Indented(lines_of(_lines(one)))]
    if len(detailed) > len(few):
        parts.append(Text(f"and {count_of(len(detailed) - len(few), 'more table')}; -v shows all", style="dim"))
    return Group(*parts, *_views(found.views, verbose))


def _verdict(found: Comparison) -> Text:
    counts = {what: sum(one.outcome == what for one in found.tables) for what in reversed(_ORDER)}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    style = "green" if found.equal else "red" if counts["differs"] else "yellow"
    return verdict(f"{count_of(len(found.tables), 'table')}: {told or 'none'}, in {found.seconds:.1f} s", style)


def _table(tables: Sequence[TableCompared], width: int) -> Rows:
    wide = width >= WIDE
    more = ("older pipeline took", "bulketl took") if wide else ()
    table = rows_of("table", "outcome", "older rows", "our rows", *more, numbers=("older rows", "our rows", *more))
    for one in tables:
        cells = [_count(one.legacy_rows), _count(one.shadow_rows)]
        cells += [_seconds(one.legacy_seconds), _seconds(one.shadow_seconds)] if wide else []
        table.add_row(Text(one.table), Text(one.outcome, style=_STYLES[one.outcome]), *cells)
    return table


def _count(rows: int | None) -> str:
    return "" if rows is None else f"{rows:,}"


def _seconds(took: float | None) -> str:
    return "not known" if took is None else f"{took:,.1f} s"


def _lines(one: TableCompared) -> list[str]:
    judged = {(found.column, found.name): found for found in one.judged}
    lines = [one.problem] if one.problem else []
    lines += [_difference(found, judged.get((found.column, found.name))) for found in one.differences]
    return [*lines, *(f"not compared: {column}" for column in one.uncompared), *one.notes]


def _difference(one: Difference, judged: Judged | None) -> str:
    where = f"{one.column}: " if one.column else ""
    rows = f", {count_of(one.rows, 'row')}" if one.rows else ""
    told = f"{where}{one.words}{rows} [{one.name}]"
    told += f"; {who}" if (who := _who(judged)) else ""
    return f"{told}; waived by {one.waived}" if one.waived else told


def _who(judged: Judged | None) -> str:
    if judged is None:
        return ""
    counts = {
        "bulketl is right": judged.shadow, "the older pipeline is right": judged.legacy, "neither is right": judged.both,
        "changed since": judged.changed,
    }  # fmt: skip
    said = [f"{words} ({count})" for words, count in counts.items() if count]
    return f"by the source {', '.join(said)}" if said else ""


def _views(views: Sequence[ViewCompared], verbose: bool) -> list[RenderableType]:
    if not views:
        return []
    told = []
    for one in views:
        rows = f"rows: {_count(one.legacy_rows)} and {_count(one.shadow_rows)}"
        sums = f"; another sum of {named(one.columns)}" if one.columns else ""
        what = one.problem or f"{rows}{sums}"
        if verbose or one.outcome != "equal":
            told.append((in_a_line(one.view), _STYLES[one.outcome], f"{one.outcome}: {what}"))
    equal = sum(one.outcome == "equal" for one in views)
    head = Text(f"\nviews over both: {equal:,} of {len(views):,} equal", style="bold")
    return [head, *([facts(told, 2)] if told else [])]


def waivers(found: Sequence[Waiver], became: str) -> Group:
    """Return waivers, a line each, after what became of them: on record, ended, or '' where they are only listed."""
    if not found:
        return Group(verdict("nothing is waived"))
    table = rows_of("table", "column", "class", "by", "since", "why")
    for one in found:
        table.add_row(
            Text(one.table), Text(one.column or "any"), one.name, Text(one.by), f"{one.at:%Y-%m-%d %H:%M}", Text(one.reason)
        )
    return Group(verdict(f"{count_of(len(found), 'waiver')}{f' {became}' if became else ''}"), "", table)
