"""What a terminal shows: the summary, the cast table, states, an error. Values in, rich renderables out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bulketl.errors import BulketlError
from bulketl.listing import Rows, lines_of
from bulketl.loading.summary import Summary, TableSummary
from bulketl.plan.leftout import told
from bulketl.postgres.compare.chain import Verdict
from bulketl.postgres.ledger.states import Known
from bulketl.postgres.write.retention import Expired
from bulketl.rows.coerce import INVALID_DATE, NUL_BYTE
from bulketl.rows.jsontext import KINDS
from bulketl.tables.casts import RULES, CastRule
from bulketl.tables.checks import said
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS

MANY = 40  # tables; beyond, small uneventful ones are counted in one line per tier
NAMED = 6  # so few tables are named where others are counted
SMALL_ROWS = 1000


def size(count: float) -> str:
    """Return a number of bytes for people: 999 B, 1.2 kB, 38 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


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
    return Group(table, *notes, *_failures(result.failed))


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


def casts(rules: Iterable[CastRule] = RULES) -> Table:
    """Return the cast table; the first row of each MySQL type is its default."""
    table = Rows()
    for column in ("MySQL", "Postgres", "wire (Arrow)", "read as", "then"):
        table.add_column(column, overflow="fold")
    seen: set[tuple[str, bool | None, tuple[int, int]]] = set()
    for rule in rules:
        first = not any(rule.source == s and (u is None or u == rule.unsigned) and z == rule.size for s, u, z in seen)
        seen.add((rule.source, rule.unsigned, rule.size))
        table.add_row(*cast_row(rule), style="" if first else "dim")
    return table


def counted() -> Text:
    """Return what may be done to a value beside its cast, and is counted then."""
    kinds = "; ".join((INVALID_DATE, NUL_BYTE, *KINDS))
    return Text(f"Nothing else is done to a value. Counted per column where it happens: {kinds}. See docs/types.md.")


def cast_row(rule: CastRule) -> tuple[str, str, str, str, str]:
    """Return a rule as five texts; sizes as n, or p and s."""
    sign = {True: " unsigned", False: "", None: ""}[rule.unsigned]
    low, high = rule.size
    bounds = "" if high > 1 << 60 and not low else f"({low})" if low == high else f"({low}…{high})"
    read = rule.read if len(rule.read) < 60 else rule.read[:57] + "…"
    target = rule.target.replace("{0},{1}", "p,s").replace("{0}", "n")
    return f"{rule.source}{bounds}{sign}", target, rule.wire, read.replace("{c}", "c"), rule.clean


def error(problem: BulketlError) -> Text:
    """Return an error as people read it: what, and then what to do."""
    text = Text.assemble(("error: ", "bold red"), problem.message)
    return text.append(f"\n{problem.hint}") if problem.hint else text


def states(found: Sequence[Known]) -> Table | Text:
    """Return the state of each table, a line each."""
    if not found:
        return Text("nothing was loaded into this schema yet")
    table = Rows()
    for column in ("table", "cursor", "watermark"):
        table.add_column(column, overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("published")
    table.add_column("compared")
    for item in found:
        rows = "" if item.rows is None else f"{item.rows:,}"
        forgotten = "" if item.source else "forgotten"
        table.add_row(Text(item.table), item.column, item.watermark or forgotten, rows, item.published, item.compared)
    return table


def state(item: Known) -> Text:
    """Return everything that is known of one table."""
    text = Text(f"{in_a_line(item.table)}\n", style="bold")
    details = {
        "source": item.source or "forgotten: it is loaded whole the next time",
        "cursor": f"{item.column} ({item.type})" if item.column else "none: it is loaded whole every time",
        "watermark": item.watermark,
        "rows": "unknown" if item.rows is None else f"{item.rows:,}",
        "published": f"{item.published} by run {item.run}",
        "compared": item.compared or "never",
    }
    for key, value in details.items():
        if value:
            text.append(f"  {key}: ", style="dim not bold").append(f"{in_a_line(value)}\n", style="not bold")
    text.rstrip()
    return text


def verdicts(found: Sequence[Verdict]) -> Group | Text:
    """Return what the chains of audited tables say, a line each."""
    if not found:
        return Text("no table of this schema is audited yet: give it table_importance: audit, and load it")
    table = Rows()
    table.add_column("table", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("entries", justify="right")
    table.add_column("verdict", overflow="fold")
    table.add_column("head", overflow="fold")
    for item in found:
        well = f"not audited any more since it was loaded {item.ended}" if item.ended else "as loaded"
        verdict = Text(item.problem, style="red") if item.problem else Text(well, style="green")
        table.add_row(Text(item.table), f"{item.rows:,}", f"{item.entries:,}", verdict, item.head)
    wrong = sum(bool(item.problem) for item in found)
    end = f"{wrong} of {count_of(len(found), 'table')} altered" if wrong else f"{count_of(len(found), 'table')} as loaded"
    return Group(table, Text(f"\n{end}", style="bold red" if wrong else "bold"))


def expired(found: Sequence[Expired], *, done: bool) -> Table | Text:
    """Return which rows left by retention, or would when not `done`."""
    if not found:
        return Text("no table has a retention in its rule")
    table = Rows()
    for column in ("table", "rows before", "rows", "left" if done else "would leave", "archive"):
        table.add_column(column, overflow="fold", justify="right" if column == "rows" else "left")
    for item in found:
        what = item.action if item.rows else "none so old"
        table.add_row(Text(item.table), f"{item.column} {item.limit}", f"{item.rows:,}", what, item.file)
    return table
