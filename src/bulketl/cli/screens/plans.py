"""What a terminal shows of a plan: what a load would do to each table, its statements, what is new since the last run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import Rows, facts, lines_of, named, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.plan.leftout import told
from bulketl.plan.plan import Plan, TableLoad
from bulketl.plan.stale import notes
from bulketl.tables.casts import Cast
from bulketl.tables.printable import count_of, in_a_line, size, without_table
from bulketl.tables.spec import TIERS

FEW = 12  # tables; so many have a paragraph each, beyond they are counted
MOST = 25  # lines of what needs attention
_SAME = {"int": "integer", "decimal": "numeric"}  # the same type in the other server's word
Fact = tuple[str, str, str]  # a word, its colour, and the text


def plan(planned: Plan, verbose: bool = False) -> Group:
    """Return what a load would do: what needs attention, and all tables by tier; of few, or `verbose`, each by itself."""
    loads = list(planned.loads)
    parts: list[RenderableType] = [*_verdict(planned, loads)]
    every = [*_refusals(planned, verbose), *_attention(loads, verbose), *_skipped(planned, verbose)]
    shown = every if verbose else every[:MOST]
    parts += ["", facts(shown)] if shown else []
    if len(every) > len(shown):
        parts.append(Text(f"and {count_of(len(every) - len(shown), 'more line')} like these; -v shows all", style="dim"))
    if loads:
        parts += ["", _tiers(loads)]
    if loads and (verbose or len(loads) <= FEW):
        parts += [_table(load) for load in loads]
    elif loads:
        parts.append(Text("\n-v or --tables shows what would be done to each table, and why", style="dim"))
    return Group(*parts)


def _verdict(planned: Plan, loads: Sequence[TableLoad]) -> list[RenderableType]:
    same = sum(bool(skip.proof) for skip in planned.skipped)
    counts = {"to load": len(loads), "unchanged": same, "not loaded": len(planned.skipped) - same}
    said = [(count, word) for word, count in counts.items() if count]
    total = len(loads) + len(planned.refused) + len(planned.skipped)
    words = [f"{n:,} {word}" for n, word in said]
    if planned.refused:
        text = f"{len(planned.refused):,} of {count_of(total, 'table')} cannot be loaded; {', '.join(words) or 'no other'}"
    elif len(said) == 1:
        text = f"{count_of(total, 'table')} {said[0][1]}"
    else:
        text = f"{count_of(total, 'table')}: {', '.join(words)}" if said else "no table to load"
    rows, weight = sum(load.rows for load in loads), sum(load.bytes for load in loads)
    about = f"about {count_of(rows, 'row')} and {size(weight)}{_took(loads)}" if loads else "nothing to read"
    about += "; nothing was changed"
    lines: list[RenderableType] = [
        verdict(text, "red" if planned.refused else ""),
        Text(about),
        Text(in_a_line(f"from {planned.source} into schema {planned.schema}, TIMESTAMP columns in zone {planned.zone}"),
             style="dim"),
    ]  # fmt: skip
    if planned.left_out:
        lines.append(lines_of([f"not taken from the source: {told(planned.left_out)}"], "dim"))
    return lines + [Text(in_a_line(note), style="yellow") for note in notes(planned)]


def _said(word: str, colour: str, found: Iterable[tuple[str, str]], verbose: bool) -> list[Fact]:
    """Return a line per text with the tables of which it is said; `found` has tables and texts."""
    tables: dict[str, list[str]] = {}
    for table, text in found:
        tables.setdefault(text, []).append(table)
    most = 1 << 30 if verbose else 3
    return [(word, colour, f"{named(names, most)}: {text}") for text, names in tables.items()]


def _refusals(planned: Plan, verbose: bool) -> list[Fact]:
    texts = [
        (r.table, f"{without_table(r.message, r.table)}. To do: {without_table(r.hint, r.table)}") for r in planned.refused
    ]
    return _said("refused", "red", texts, verbose)


def _attention(loads: Sequence[TableLoad], verbose: bool) -> list[Fact]:
    """Return what a person may want to know before a load: changed columns, what hangs on a table, who has to wait."""
    drift = [(load.spec.table, "; ".join(load.drift)) for load in loads if load.drift]
    kept = [(load.spec.table, ", ".join(load.hanging)) for load in loads if load.hanging]
    waits = [(load.spec.table, f"at the source {load.source_lock}") for load in loads if load.source_lock]
    return [
        *_said("columns", "yellow", drift, verbose), *_said("kept", "yellow", kept, verbose),
        *_said("locks", "yellow", waits, verbose),
    ]  # fmt: skip


def _skipped(planned: Plan, verbose: bool) -> list[Fact]:
    told = [(skip.table, skip.reason) for skip in planned.skipped if not skip.proof]
    same = [skip for skip in planned.skipped if skip.proof]
    if len(same) <= FEW or verbose:
        return [*_said("not loaded", "yellow", told, verbose),
                *_said("unchanged", "dim", ((skip.table, skip.reason) for skip in same), verbose)]  # fmt: skip
    by = [(skip.table, f"by {skip.proof}") for skip in same]
    return [*_said("not loaded", "yellow", told, verbose), *_said("unchanged", "dim", by, verbose)]


def _tiers(loads: Sequence[TableLoad]) -> Rows:
    columns = ("tables", "rows", "size", "whole", "by changes", "by range")
    table = rows_of("tier", *columns, "copied by", numbers=columns)

    def add(label: str, items: Sequence[TableLoad], style: str = "") -> None:
        whole = sum(load.spec.whole for load in items)
        ranges = sum(len(load.partitions) for load in items if len(load.partitions) > 1)
        cells = (f"{len(items):,}", f"{sum(load.rows for load in items):,}", size(sum(load.bytes for load in items)),
                 f"{whole:,}" if whole else "", f"{len(items) - whole:,}" if whole < len(items) else "",
                 f"{ranges:,}" if ranges else "", _encoders(items))  # fmt: skip
        table.add_row(label, *cells, style=style)

    tiers = {tier: [load for load in loads if load.tier == tier] for tier in TIERS}
    for tier, items in tiers.items():
        if items:
            add(tier, items)
    if sum(bool(items) for items in tiers.values()) > 1:
        add("all", loads, "bold")
    return table


def _took(loads: Sequence[TableLoad]) -> str:
    """Return how long the tables take one after another, as far as earlier loads tell."""
    known = [load.seconds for load in loads if load.seconds is not None]
    if not known:
        return ""
    seconds, some = sum(known), f" of {len(known)} of them" if len(known) < len(loads) else ""
    amount = f"about {seconds:.1f} s" if seconds < 60 else f"about {seconds / 60:.1f} min"
    amount = amount if seconds >= 0.05 else "under 0.1 s"
    return f", {amount}{' of one worker' if len(loads) > 1 else ''} by the last loads{some}"


def _encoders(loads: Sequence[TableLoad]) -> str:
    return " and ".join(sorted({load.spec.encoder for load in loads}))


def _table(load: TableLoad) -> RenderableType:
    parts = f", {len(load.partitions)} partitions" if len(load.partitions) > 1 else ""
    about = f"  {load.tier}, {count_of(load.rows, 'row')}, {size(load.bytes)}{parts}{_took([load])}"
    found = {
        **_details(load),
        "kept": ", ".join(load.hanging),
        "columns": "; ".join(load.drift),
        "types": _types(load.spec.casts) + f"; copied by {load.spec.encoder}",
        "declared": "; ".join(load.declared),
        "after": ", ".join(load.after),
    }
    return _paragraph(Text.assemble((in_a_line(load.spec.table), "bold"), about), found)


def _details(load: TableLoad) -> dict[str, str]:
    locks = {"target": load.lock, "source": load.source_lock}
    told = ", ".join(f"at the {where} {lock}" for where, lock in locks.items() if lock)
    names = [f"{item.column} -> {item.name}" for item in load.spec.casts if item.name != item.column]
    brought = {"where": load.spec.where, "names": ", ".join(names)}
    return {
        "why": load.reason,
        **brought,
        "DDL": ddl(load) or "none",
        "locks": told or "none",
        "read as": load.spec.consistency,
    }


def _paragraph(head: Text, details: Mapping[str, str]) -> RenderableType:
    lines = [(name, "dim", value) for name, value in details.items() if value]
    return Group("", head, facts(lines, 2))


def ddl(load: TableLoad) -> str:
    """Return the statements of a load that make, alter or empty tables, in short; '' for none. --sql has them whole."""
    spec = load.spec
    beside = "" if load.direct or load.chunked else "CREATE TABLE beside"
    if spec.publish == "create":
        return "CREATE TABLE" if load.direct else f"{beside}, its key, its new name and schema"
    if spec.publish == "swap":
        views = [thing for thing in load.hanging if thing.startswith("view ")]
        again = f", DROP VIEW and CREATE VIEW of {len(views)}" if views else ""
        return f"{beside}, its key, DROP TABLE of the old one, its name{again}"
    altered = [*(f"ADD COLUMN {column}" for column in spec.added), *(f"ALTER COLUMN {c} TYPE" for c in spec.widened)]
    steps = [beside, "TRUNCATE" if spec.publish == "refill" else "", f"ALTER TABLE {', '.join(altered)}" if altered else ""]
    return ", ".join(step for step in (*steps, "DROP TABLE beside" if beside else "") if step)


def _types(casts: Iterable[Cast]) -> str:
    """Return which columns get a type that is not their own in another word, counted by type."""
    made = [item for item in casts if item.source]
    kinds = Counter((item.source, item.target) for item in made if not _same(item))
    same = len(made) - sum(kinds.values())
    told = [f"{one} -> {other}" + (f" ×{n}" if n > 1 else "") for (one, other), n in kinds.items()]
    return ", ".join([*told, *([f"{_unchanged(same, bool(told))}"] if same else [])])


def _unchanged(count: int, others: bool) -> str:
    words = count_of(count, "other") if others else f"{count:,}"
    return f"{words} as {'it is' if count == 1 else 'they are'}"


def _same(item: Cast) -> bool:
    wanted = item.source_type
    return not wanted.unsigned and _SAME.get(wanted.base, wanted.base) == item.target.partition("(")[0]


def sql(statements: Mapping[str, Sequence[str]]) -> str:
    """Return the statements of every table as one script, its name above each."""
    return "\n\n".join(f"-- {in_a_line(table)}\n" + ";\n".join(found) + ";" for table, found in statements.items())


def plan_changes(run: str, lines: Sequence[str], known: int, tables: int) -> Text:
    """Return how a plan differs from that of a run, which was of `known` of its `tables`."""
    if not run:
        return Text("no run into this schema is on record")
    some = f", which was of {known:,} of these {count_of(tables, 'table')}" if known < tables else ""
    if not lines:
        return lines_of([f"the plan is that of run {run}{some}"])
    text = lines_of([f"Since run {run}{some}:"], "bold")
    for line in lines:
        text.append(
            f"\n  {in_a_line(line)}", style={"+": "not bold green", "-": "not bold red"}.get(line[:1], "not bold yellow")
        )
    return text
