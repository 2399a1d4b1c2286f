"""What a terminal shows: the summary, the cast table, states, an error. Values in, rich renderables out."""

from __future__ import annotations

from collections import Counter

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bulketl.cli.screens.common import MANY, SMALL_ROWS, size
from bulketl.cli.screens.listing import Rows, lines_of
from bulketl.loading.summary import Summary, TableSummary
from bulketl.plan.leftout import told
from bulketl.tables.checks import said
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS

NAMED = 6  # so few tables are named where others are counted


def summary(result: Summary) -> Group:
    """Return the final table, one line per table in its tier; then what was changed and what failed."""
    table = Rows()
    table.add_column("table", overflow="fold")
    table.add_column("tier")
    for column in ("rows", "size", "seconds", "rejects"):
        table.add_column(column, justify="right")
    table.add_column("outcome")
    tiers = {tier: [item for item in result.tables.values() if item.tier == tier] for tier in TIERS}
    for tier, items in tiers.items():
        _tier_rows(table, tier, items, len(result.tables))
        if items and len(items) < len(result.tables):
            table.add_row(*_sums(count_of(len(items), "table"), tier, items), style="italic")
            table.add_section()
    totals = result.totals
    table.add_section()
    table.add_row(
        count_of(int(totals["tables"]), "table"), "", f"{totals['rows']:,.0f}", size(totals["bytes"]),
        f"{result.seconds:.1f}", f"{totals['rejects']:.0f}", result.outcome, style="bold",
    )  # fmt: skip
    found = (*_noted(result), *_comparisons(result))
    first = (Text(f"\n{in_a_line(note)}", style="yellow") for note in result.notes)
    notes = (*first, *_moments(result), *_changes(result), *_checks(result), *_drifts(result), *found)
    return Group(table, *notes, *_source_work(result), *_failures(result.failed))


def _source_work(result: Summary) -> list[Text]:
    """Return what the source's server did meanwhile, and for whom."""
    work = result.source_work
    if not work:
        return []
    whose = "for bulketl's user" if work["of"] == "account" else "for everybody"
    waits = count_of(int(str(work["server_lock_waits"])), "statement")
    told = (
        f"{work['rows_read']:,} rows read and {size(int(str(work['bytes_sent'])))} sent {whose}; {waits} waited for a lock"
    )
    return [Text(f"\nThe source meanwhile: {told}", style="dim")]


def _tier_rows(table: Table, tier: str, items: list[TableSummary], total: int) -> None:
    if not items:
        return
    quiet = [i for i in items if i.outcome == "loaded" and i.rows < SMALL_ROWS and not i.rejects] if total > MANY else []
    same = [i for i in items if i.outcome == "unchanged"]
    for item in sorted((i for i in items if i not in quiet and i not in same), key=lambda i: -i.rows):
        style = {"loaded": "green", "failed": "red"}.get(item.outcome, "yellow")
        rejects = Text(f"{item.rejects}", style="red" if item.rejects else "")
        table.add_row(
            Text(item.table), tier, f"{item.rows:,}", size(item.bytes), f"{item.seconds:.1f}", rejects,
            Text.assemble((item.outcome, style), _merged(item)),
        )  # fmt: skip
    if quiet:
        rows, weight = sum(i.rows for i in quiet), sum(i.bytes for i in quiet)
        label = f"{len(quiet)} tables below {SMALL_ROWS:,} rows"
        loaded = Text("loaded", style="green")
        table.add_row(Text(label, style="dim"), tier, f"{rows:,}", size(weight), "", "0", loaded)
    if same:
        same_ = Text(count_of(len(same), "table"), style="dim")
        table.add_row(same_, tier, "", "", "", "", Text("unchanged", style="dim"))


def _moments(result: Summary) -> list[Text]:
    """Return what the rows of each table have in common, why some were not read, did not all arrive, or came late."""
    labels: dict[str, list[str]] = {}
    for item in result.tables.values():
        if item.consistency:
            labels.setdefault(item.consistency, []).append(item.table)
    words = []
    for label, names in sorted(labels.items(), key=lambda pair: len(pair[1])):
        few = in_a_line(f" ({', '.join(sorted(names))})") if len(names) <= NAMED and len(result.tables) > 1 else ""
        words.append(f"{label}{few}" if len(result.tables) == 1 else f"{len(names)} {label}{few}")
    low = [f"{item.table} {item.quality:.6f}" for item in result.tables.values() if item.quality not in (None, 1.0)]
    late = [f"{item.table} ({item.seconds / 60:.1f} min)" for item in result.tables.values() if item.overdue]
    lines = [Text(f"\nRead as: {', '.join(words)}")] if words else []
    proofs = Counter(item.proof for item in result.tables.values() if item.proof)
    lines += [Text(f"\nUnchanged: {', '.join(f'{n} by {proof}' for proof, n in proofs.most_common())}")] if proofs else []
    lines += [Text(f"\nQuality score below 1: {in_a_line(', '.join(low))}", style="yellow")] if low else []
    return lines + ([Text(f"\nTook longer than expected: {in_a_line(', '.join(late))}", style="yellow")] if late else [])


def _merged(item: TableSummary) -> str:
    """Return what a merge did, in a few words; nothing for a table that was replaced as a whole."""
    if item.inserted is None:
        return ""
    counts = {"new": item.inserted, "changed": item.updated, "deleted": item.deleted}
    return ": " + (", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "nothing new")


def _noted(result: Summary) -> list[Text]:
    """Return what is otherwise at the source than in audited tables: what this run has noted, and what was before."""
    lines = []
    for item in result.tables.values():
        new = _edits(item.noted.get("delete", 0), item.noted.get("update", 0))
        back = item.noted.get("return", 0)
        said = [f"{new}, noted in bulketl.audit_trail"] if new else []
        said += [f"{count_of(back, 'row')} there again, noted too"] if back else []
        gone, differing = (item.compared.get(key, 0) for key in ("gone", "differing")) if item.tier == "audit" else (0, 0)
        if gone > item.noted.get("delete", 0) or differing > item.noted.get("update", 0):
            said.append(f"{_edits(gone, differing)} in all, kept as first seen")
        if said:
            lines.append(f"  {item.table}: {'; '.join(said)}")
    return [Text("\nKept by audit, and otherwise at the source:", style="yellow"), lines_of(lines)] if lines else []


def _edits(deleted: int, edited: int) -> str:
    words = [f"{count_of(deleted, 'row')} deleted"] if deleted else []
    words += [f"{f'{edited:,}' if deleted else count_of(edited, 'row')} edited"] if edited else []
    return f"{' and '.join(words)} at the source" if words else ""


def _comparisons(result: Summary) -> list[Text]:
    found = []
    for item in result.tables.values():
        counts = {word: count for word, count in item.compared.items() if item.tier != "audit" or word == "missing"}
        if any(counts.values()):
            found.append(f"  {item.table}: " + ", ".join(f"{count:,} {word}" for word, count in counts.items() if count))
    return [Text("\nFound by comparing with the source, and treated as the rules say:"), lines_of(found)] if found else []


def _drifts(result: Summary) -> list[Text]:
    found = [f"  {item.table}: {line}" for item in result.tables.values() for line in item.drift]
    skipped = [f"  {item.table}: {item.message}" for item in result.tables.values() if item.outcome == "skipped"]
    texts = [Text("\nColumns that changed:"), lines_of(found)] if found else []
    texts += [Text("\nNot loaded:"), lines_of(skipped)] if skipped else []
    return texts + ([Text(f"\nNot taken from the source: {in_a_line(told(result.left_out))}")] if result.left_out else [])


def _sums(label: str, tier: str, items: list[TableSummary]) -> tuple[str, ...]:
    rows, weight, rejects = (sum(getattr(i, key) for i in items) for key in ("rows", "bytes", "rejects"))
    failed = sum(i.outcome not in ("loaded", "skipped", "unchanged") for i in items)
    outcome = next((word for word in ("loaded", "unchanged") if any(i.outcome == word for i in items)), "")
    return label, tier, f"{rows:,}", size(weight), "", f"{rejects:,}", f"{failed} failed" if failed else outcome


def _changes(result: Summary) -> list[Text]:
    found = [
        f"  {item.table}.{column}: {count:,} × {kind}"
        for item in result.tables.values()
        for column, kinds in item.changed.items()
        for kind, count in kinds.items()
    ]
    if not found:
        return []
    more = [f"  and {len(found) - 12} more columns (--json lists all)"] if len(found) > 12 else []
    return [Text("\nChanged on the way, because Postgres cannot hold them:"), lines_of(found[:12] + more)]


def _checks(result: Summary) -> list[Text]:
    """Return what the checks of tables found that were loaded all the same; of others the failure says it."""
    words = {"warn": "warning", "reject": "rejected"}
    found = [
        f"  {item.table}: {label}: {said(label, figure)} ({words[severity]})"
        for item in result.tables.values()
        for severity, labels in item.checks.items()
        for label, figure in labels.items()
        if severity in words
    ]
    return [Text("\nFound by checks:", style="yellow"), lines_of(found)] if found else []


def _failures(failed: list[TableSummary]) -> list[Text]:
    lines = []
    for item in failed:
        if item.message:
            lines.append(Text(f"\n{item.message}", style="red"))
            lines.append(Text(f"  {item.hint}") if item.hint else Text(""))
    return lines
