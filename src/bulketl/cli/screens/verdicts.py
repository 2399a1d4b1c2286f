"""What a terminal shows of a verification. Values in, rich renderables out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.common import edits
from bulketl.cli.screens.listing import NAMED, WIDE, Fitting, Indented, Rows, facts, lines_of, named, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line, verb_of, without_table
from bulketl.tables.spec import TIERS
from bulketl.verifying.verdicts import Figure, RowFinding, TableVerdict, Verification

DETAILED = 3  # tables that differ, of each of which the rows are listed
TABLES = 15  # that differ, each with its line
LINES = 12  # of reasons; -v has no bound
_WORDS = {"missing": "missing in the target", "differs": "differs", "extra": "only in the target", "doubled": "there twice"}


def verification(result: Verification, verbose: bool = False) -> Group:
    """Return what was found: the verdict, a line per table that differs, their rows, what differs as it should."""
    wrong = sorted((item for item in result.tables if not item.equal), key=_badness)
    looked = [item for item in wrong if item.wrong or item.figures or item.compared or not item.problem]
    parts: list[RenderableType] = [*_verdict(result)]
    if looked:
        shown = looked if verbose else looked[:TABLES]
        parts += ["", Fitting(lambda width: _table(shown, result.level, width))]
        if len(looked) > len(shown):
            parts.append(Text(f"and {count_of(len(looked) - len(shown), 'more table')}; -v shows all", style="dim"))
    parts += _unknown([item for item in wrong if item not in looked], verbose)
    parts += _details(looked, verbose)
    parts += _apart(result.tables, verbose)
    return Group(*parts)


def _badness(item: TableVerdict) -> tuple[int, int, str]:
    return TIERS.index(item.tier) if item.tier in TIERS else 0, -item.wrong, item.table


def _verdict(result: Verification) -> list[RenderableType]:
    style = "green" if result.equal and not result.repaired else "yellow" if result.equal else "red"
    lines: list[RenderableType] = [verdict(_end(result), style)]
    wrong = [item for item in result.tables if item.wrong]
    words = {"missing": "missing", "differing": "different", "extra": "only in the target", "doubled": "there twice"}
    counts = {word: sum(getattr(item, key) for item in wrong) for key, word in words.items()}
    if wrong:
        lines.append(Text("rows: " + ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)))
    kept = sum(item.kept_edited for item in result.tables), sum(item.kept_deleted for item in result.tables)
    if any(kept) and not result.equal:
        lines.append(Text(f"kept by the target: {edits(kept[1], kept[0])}", style="yellow"))
    lines.append(Text(in_a_line(f"from {result.source} into schema {result.schema}"), style="dim"))
    lines += _repairs(result)
    return lines + [Text(in_a_line(note), style="yellow") for note in result.notes]


def _table(wrong: Sequence[TableVerdict], level: str, width: int) -> Rows:
    counts = {"missing": "missing", "differ": "differing", "extra": "extra", "doubled": "doubled"}
    used = [name for name, key in counts.items() if any(getattr(item, key) for item in wrong)]
    figures, head = level == "sums", ["table", "tier", "rows"] if width >= WIDE else ["table", "rows"]
    columns = (*head, *used, *(["figures"] if figures else []), "loaded")
    table = rows_of(*columns, numbers=("rows", "figures", "loaded", *counts))  # fmt: skip
    for item in wrong:
        cells = [Text(f"{count:,}" if (count := getattr(item, counts[name])) else "", style="red") for name in used]
        cells += [Text(f"{len(item.figures):,}", style="red")] if figures else []
        table.add_row(
            Text(item.table), *([item.tier] if "tier" in head else []), f"{item.compared:,}", *cells, item.published
        )
    return table


def _unknown(tables: Sequence[TableVerdict], verbose: bool) -> list[RenderableType]:
    """Return why tables could not be compared, what is said of several once."""
    reasons: dict[str, list[str]] = {}
    for item in tables:
        reasons.setdefault(without_table(item.problem, item.table), []).append(item.table)
    most = 1 << 30 if verbose else NAMED
    found = [("not compared", "red", f"{named(names, most)}: {why}") for why, names in reasons.items()]
    shown = found if verbose else found[:LINES]
    more = [Text(f"and {count_of(len(found) - len(shown), 'more reason')}; -v shows all", style="dim")]
    return ["", facts(shown), *(more if len(found) > len(shown) else [])] if found else []


def _details(wrong: Sequence[TableVerdict], verbose: bool) -> list[RenderableType]:
    """Return the rows and figures that differ: of some tables a line for each row, of more a line for each table."""
    if verbose or len(wrong) <= DETAILED:
        every = [(item, found) for item in wrong if (found := _findings(item))]
        parts = [Group(Text(f"\n{in_a_line(item.table)}", style="bold"), Indented(lines_of(found))) for item, found in every]
        return [*parts]
    lines = [(in_a_line(item.table), "bold", told) for item in wrong[:TABLES] if (told := _in_a_line(item))]
    return ["", facts(lines), Text("-v names all of these rows, --tables only the rows of some tables", style="dim")]


def _in_a_line(item: TableVerdict) -> str:
    """Return what differs in a table in a line: the first rows of each kind, and why it could not be compared."""
    kinds: dict[str, list[str]] = {}
    for row in item.rows:
        columns = ", ".join(row.columns)
        what = f"{_WORDS[row.kind]} in {columns}" if columns else _WORDS[row.kind]
        kinds.setdefault(what, []).append(", ".join(row.key))
    told = [f"{what}: {named(keys)}" for what, keys in kinds.items()]
    told += [f"{figure.what} of {figure.column}" for figure in item.figures[:NAMED]]
    told += [f"and {count_of(len(item.figures) - NAMED, 'more figure')}"] if len(item.figures) > NAMED else []
    return "; ".join([*([without_table(item.problem, item.table)] if item.problem else []), *told])


def _findings(item: TableVerdict) -> list[str]:
    lines = [kept] if (kept := _kept(item)) else []
    lines += [without_table(item.problem, item.table)] if item.problem else []
    lines += [_row(row) for row in item.rows]
    more = item.wrong - len(item.rows)
    if item.rows and more > 0:
        lines.append(f"and {count_of(more, 'more row')}")
    lines += [_figure(figure) for figure in item.figures]
    if item.wrong and not item.cursor and item.level == "rows":
        lines.append("it has no cursor, so nobody can tell whether the source was changed after the load")
    return lines


def _row(row: RowFinding) -> str:
    text = f"{', '.join(row.key)}: {_WORDS[row.kind]}"
    if not row.columns:
        return text
    if not row.source:
        return f"{text} in {', '.join(row.columns)}"
    values = zip(row.columns, row.source, row.target, strict=True)
    return f"{text} in " + "; ".join(f"{c}: {_value(a)} at the source, {_value(b)} in the target" for c, a, b in values)


def _figure(figure: Figure) -> str:
    values = (
        ""
        if figure.source is None and figure.target is None
        else f": {figure.source} at the source, {figure.target} in the target"
    )
    return f"{figure.column}: {figure.what} differs{values}"


def _value(text: str | None) -> str:
    return "NULL" if text is None else repr(text)


def _apart(tables: Sequence[TableVerdict], verbose: bool) -> list[RenderableType]:
    """Return what differs as it should; what is said of several tables once."""
    told: dict[str, list[str]] = {}
    for item in tables:
        counts = {
            "written at the source after the load": item.newer,
            "rejected by their load": item.rejected,
            "changed during the comparison": item.changing,
        }
        said = [kept] if item.equal and (kept := _kept(item)) else []
        said += [f"{count_of(count, 'row')} {words}" for words, count in counts.items() if count] + list(item.notes)
        if not item.problem:
            said += [f"not compared: {column}" for column in item.uncompared]
        if said:
            told.setdefault("; ".join(said), []).append(item.table)
    most = 1 << 30 if verbose else NAMED
    lines = [f"{named(names, most)}{', each' if len(names) > 1 else ''}: {text}" for text, names in told.items()]
    shown = lines if verbose else lines[:LINES]
    more = [f"and {count_of(len(lines) - len(shown), 'more line')} like these; -v shows all"]
    shown = shown + (more if len(lines) > len(shown) else [])
    return [Text("\nNot counted as differences:"), Indented(lines_of(shown))] if lines else []


def _kept(item: TableVerdict) -> str:
    """Return which rows of the target are not as the source has them, because the table's rule keeps them."""
    edited, deleted = item.kept_edited, item.kept_deleted
    by = "by audit" if item.tier == "audit" else "by its rule"
    said = [f"{count_of(edited, 'row')} edited at the source, kept {by}"] if edited else []
    if deleted:
        what = f"{deleted:,}" if edited else count_of(deleted, "row")
        said.append(f"{what} deleted at the source, kept{'' if edited else f' {by}'}")
    return "; ".join(said)


def _repairs(result: Verification) -> list[RenderableType]:
    if not result.repaired:
        return []
    lines = []
    for item in result.repaired:
        done = (
            "loaded whole, because no key tells its rows apart" if item.whole else f"{count_of(item.written, 'row')} written"
        )
        gone = f", {item.removed:,} removed" if item.removed else ""
        lines.append(f"{item.table}: {item.problem or done + gone}")
    left = [item for item in result.again if not item.equal]
    after = (
        f"; looked at again, {len(left)} still {verb_of(len(left), 'differs')}"
        if left
        else (f"; looked at again, {'it is' if len(result.repaired) == 1 else 'they are'} equal")
    )
    return ["", lines_of([f"Repaired by run {result.run}{after}:"]), Indented(lines_of(lines))]


def _end(result: Verification) -> str:
    rows = count_of(sum(item.compared for item in result.tables), "row")
    unknown = sum(bool(item.problem) and not (item.wrong or item.compared) for item in result.tables)
    wrong = sum(not item.equal for item in result.tables) - unknown
    count = len(result.tables)
    what = {"count": "counted", "sums": "summed", "keys": "compared by key", "rows": "compared"}[result.level]
    share = (
        f", a sample of {result.sample * 100:.3g} % of the rows (--seed {result.seed} repeats it)"
        if result.sample < 1
        else ""
    )
    if unknown == count:
        return f"{count_of(count, 'table')} could not be compared, in {result.seconds:.1f} s"
    if not wrong and unknown:
        tables = "none differs"
    elif not wrong:
        tables = f"all {count} tables are equal" if count != 1 else "the table is equal"
    elif result.repaired:
        after = {item.table: item for item in result.again}
        left = sum(not after.get(item.table, item).equal for item in result.tables)
        still = f"{left} still {'do' if left > 1 else 'does'}" if left else "all is equal now"
        tables = f"{wrong} of {count} tables differed, and {still}" if count != 1 else f"the table differed, and {still}"
    else:
        tables = f"{wrong} of {count} tables differ" if count != 1 else "the table differs"
    if unknown:
        tables += f", and {unknown} of {count} could not be compared"
    edited, deleted = (sum(getattr(item, key) for item in result.tables) for key in ("kept_edited", "kept_deleted"))
    counts = [f"{count:,} {word}" for count, word in ((edited, "edited"), (deleted, "deleted")) if count]
    if counts and not (wrong or unknown):
        tables += f", but for {' and '.join(counts)} at the source, which the target keeps"
    return f"{tables}: {rows} {what} in {result.seconds:.1f} s{share}"
