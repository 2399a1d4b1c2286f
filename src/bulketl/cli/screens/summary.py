"""What a terminal shows at the end of a load: what became of it, the tables that need somebody, and the others counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.attention import attention
from bulketl.cli.screens.common import edits
from bulketl.cli.screens.listing import WIDE, Fitting, facts, lines_of, rows_of, verdict
from bulketl.cli.screens.oddities import oddities
from bulketl.cli.text import Text
from bulketl.loading.summary import Summary, TableSummary
from bulketl.plan.leftout import told
from bulketl.postgres.ledger.findings import Anomaly
from bulketl.tables.printable import count_of, in_a_line, size
from bulketl.tables.spec import TIERS

MOST = 15  # tables that need attention, each with its line
FEW = 12  # tables, each of which has its line
CHANGED = 8  # tables with the most changes, beyond
_COLOURS = {"done": "green", "partly done": "yellow", "stopped": "yellow"}
_ONE = {"indexes": "index", "comments": "comment", "defaults": "default", "foreign keys": "foreign key"}
_NUMBERS = ("rows", "+", "~", "-", "rejects", "size", "seconds")


def summary(result: Summary, verbose: bool = False, odd: Sequence[Anomaly] = ()) -> Group:
    """Return what became of a load, worst first; `verbose` names every table, and all that was done to it.

    `odd`: what is not normal of its tables, or overdue.
    """
    parts: list[RenderableType] = [*_verdict(result)]
    told_of = [*attention(result, verbose), *oddities(odd, verbose)]
    shown = told_of if verbose else told_of[:MOST]
    if shown:
        parts += ["", facts(shown)]
    if len(told_of) > len(shown):
        parts.append(Text(f"and {count_of(len(told_of) - len(shown), 'more line')} like these; -v shows all", style="dim"))
    if result.tables:
        parts += ["", Fitting(lambda width: _numbers(result, verbose, width))]
    if footing := _footing(result):
        parts += ["", lines_of(footing, "dim")]
    return Group(*parts)


def _verdict(result: Summary) -> list[RenderableType]:
    """Return the first lines: the outcome, the one set of counts, what audit found, the run."""
    totals = result.totals
    counts = Counter(item.outcome for item in result.tables.values())
    words = {
        "failed": "failed", "unfinished": "not finished", "loaded": "loaded", "shortened": "shortened",
        "unchanged": "unchanged", "skipped": "not loaded",
    }  # fmt: skip
    said = [f"{counts[key]:,} {word}" for key, word in words.items() if counts[key]]
    tables = count_of(len(result.tables), "table")
    what = f"{tables} {said[0].partition(' ')[2]}" if len(said) == 1 else f"{tables}: {', '.join(said)}"
    style = _COLOURS.get(result.outcome, "red")
    rejects = f", {count_of(int(totals['rejects']), 'row')} rejected" if totals["rejects"] else ""
    line = f"{count_of(int(totals['rows']), 'row')}, {size(totals['bytes'])}; {_moved(result.tables.values())}{rejects}"
    lines: list[RenderableType] = [
        verdict(f"{result.outcome or 'done'}: {what if result.tables else 'no table'}", style),
        Text(f"{line}, in {result.seconds:.1f} s"),
    ]
    if result.cancelled:
        lines.append(Text(in_a_line(f"cancelled by {result.cancelled}"), style="yellow"))
    lines += [Text(line, style="yellow") for line in _found(result)]
    if result.run:
        lines.append(Text(in_a_line(f"run {result.run}, from {result.source} into schema {result.schema}"), style="dim"))
    lines += [Text(in_a_line(line), style="red") for line in _hooks(result)]
    return lines + [Text(in_a_line(note), style="yellow") for note in result.notes]


def _hooks(result: Summary) -> list[str]:
    """Return the hooks that failed, or were left out, each with why."""
    lines = []
    for name, hook in result.hooks.items():
        often = f", {hook.failed:,} of {hook.calls:,} calls" if hook.calls > 1 else ""
        if hook.failed:
            lines.append(f"hook {name} failed{often}: {hook.message}")
    return lines


def _found(result: Summary) -> list[str]:
    """Return what audit and the comparisons with the source found, all in all."""
    items = result.tables.values()
    deleted, edited = (sum(item.kept[n] for item in items) for n in (0, 1))
    lines = [f"audit: {edits(deleted, edited)}, kept as first seen"] if deleted or edited else []
    compared = [item for item in items if item.tier != "audit" and any(item.compared.values())]
    counts = {word: sum(item.compared.get(word, 0) for item in compared) for word in ("missing", "differing", "gone")}
    if compared:
        told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
        lines.append(f"compared with the source: {told} in {count_of(len(compared), 'table')}, treated as the rules say")
    return lines


def _moved(items: Iterable[TableSummary]) -> str:
    """Return rows added, changed and deleted, all in all, and of how many tables only the balance is known."""
    every = list(items)
    added, edited, removed = (sum(getattr(item, key) for item in every) for key in ("added", "edited", "removed"))
    whole = sum(_is_balance(item) for item in every)
    balance = f" ({count_of(whole, 'table')} replaced whole: the balance)" if whole else ""
    return f"+{added:,} ~{edited:,} -{removed:,}{balance}"


def _is_balance(item: TableSummary) -> bool:
    """Tell whether of a table only is known how many more or fewer rows it has than before."""
    return item.replaced and bool(item.before)


def _numbers(result: Summary, verbose: bool, width: int) -> RenderableType:
    """Return the tables that changed most, a line each; then each tier and the whole, counted."""
    every = list(result.tables.values())
    single = (
        every if verbose or len(every) <= FEW else sorted((i for i in every if i.moved), key=lambda i: -i.moved)[:CHANGED]
    )
    columns = [name for name in _NUMBERS if name != "rejects" or any(item.rejects for item in every)]
    if width < WIDE:
        columns.remove("size")
    table = rows_of("table", "tier", *columns, numbers=columns)
    for tier in TIERS:
        for item in sorted((i for i in single if i.tier == tier), key=lambda i: (-i.rows, i.table)):
            table.add_row(Text(item.table), Text(tier, style="dim"), *_cells([item], columns), style=_style(item))
    for tier in TIERS:
        items = [item for item in every if item.tier == tier]
        if items and (len(items) > 1 or len(single) < len(every)) and len(items) < len(every):
            table.add_row(count_of(len(items), "table"), tier, *_cells(items, columns), style="italic")
    if len(every) > 1:
        label = every[0].tier if len({item.tier for item in every}) == 1 else "all"
        table.add_row(count_of(len(every), "table"), label, *_cells(every, columns, result.seconds), style="bold")
    return table


def _style(item: TableSummary) -> str:
    return {"failed": "red", "unchanged": "dim", "loaded": ""}.get(item.outcome, "yellow")


def _cells(items: Sequence[TableSummary], columns: Sequence[str], seconds: float | None = None) -> list[str]:
    found = {
        "rows": f"{sum(item.rows for item in items):,}",
        "+": _count(sum(item.added for item in items)),
        "~": "?" if all(map(_is_balance, items)) else _count(sum(item.edited for item in items)),
        "-": _count(sum(item.removed for item in items)),
        "rejects": _count(sum(item.rejects for item in items)),
        "size": size(sum(item.bytes for item in items)),
        "seconds": f"{items[0].seconds if seconds is None else seconds:.1f}" if len(items) == 1 or seconds else "",
    }
    return [found[column] for column in columns]


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _footing(result: Summary) -> list[str]:
    """Return what is to be known of the rows besides: of which moment they are, what proved tables unchanged, the source."""
    items = result.tables.values()
    labels = Counter(item.consistency for item in items if item.consistency)
    proofs = Counter(item.proof for item in items if item.proof)
    lines = []
    if labels:
        lines.append(f"Read as: {', '.join(f'{n:,} {label}' for label, n in sorted(labels.items(), key=lambda p: p[1]))}")
    if proofs:
        lines.append(f"Unchanged: {', '.join(f'{n:,} by {proof}' for proof, n in proofs.most_common())}")
    beside = sum((Counter(item.beside) for item in items), Counter({"foreign keys": result.foreign_keys}))
    if beside := +beside:
        told_of = (f"{n:,} {_ONE.get(kind, kind) if n == 1 else kind}" for kind, n in sorted(beside.items()))
        lines.append(f"Kept of the source beside rows: {', '.join(told_of)}")
    if result.hooks:
        called = (f"{name} {count_of(hook.calls, 'call')} in {hook.seconds:.1f} s" for name, hook in result.hooks.items())
        lines.append(f"Hooks: {', '.join(called)}")
    if result.left_out:
        lines.append(f"Not taken from the source: {told(result.left_out)}")
    return lines + _source_work(result) + _pruned(result)


def _pruned(result: Summary) -> list[str]:
    """Return what has left the ledger because it was old."""
    if result.pruned is None:
        return []
    gone = [f"{count_of(rows, 'row')} of {table}" for table, rows in result.pruned.rows.items()]
    left = f"; {count_of(result.pruned.left, 'old run')} left for the next loads" if result.pruned.left else ""
    return [f"Older than {result.pruned.older}, so gone from the ledger: {', '.join(gone) or 'nothing'}{left}"]


def _source_work(result: Summary) -> list[str]:
    """Return what the source's server did meanwhile, and for whom."""
    work = result.source_work
    if not work:
        return []
    whose = "for bulketl's user" if work["of"] == "account" else "for everybody"
    waits = count_of(int(str(work["server_lock_waits"])), "statement")
    read, sent = f"{count_of(int(str(work['rows_read'])), 'row')} read", size(int(str(work["bytes_sent"])))
    return [f"The source meanwhile: {read} and {sent} sent {whose}; {waits} waited for a lock"]
