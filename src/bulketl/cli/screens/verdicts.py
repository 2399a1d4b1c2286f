"""What a terminal shows of a verification. Values in, rich renderables out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bulketl.cli.screens.listing import Rows, lines_of
from bulketl.tables.printable import in_a_line
from bulketl.verifying.verdicts import Figure, RowFinding, TableVerdict, Verification

_WORDS = {"missing": "missing in the target", "differs": "differs", "extra": "only in the target", "doubled": "there twice"}


def verification(result: Verification) -> Group:
    """Return what was found: a line per table that differs, its rows, what was left out, and the sum of it."""
    wrong = [verdict for verdict in result.tables if not verdict.equal]
    parts: list[Table | Text] = []
    if wrong:
        parts.append(_table(wrong))
        for verdict in wrong:
            parts += _findings(verdict)
    parts += _apart(result.tables)
    parts += _repairs(result)
    parts += [Text(f"\n{note}", style="yellow") for note in result.notes]
    return Group(*parts, Text("\n" + _end(result), style="bold"))


def _table(wrong: Sequence[TableVerdict]) -> Table:
    table = Rows()
    table.add_column("table", overflow="fold")
    for column in ("rows", "missing", "differ", "extra", "doubled"):
        table.add_column(column, justify="right")
    table.add_column("loaded")
    for item in wrong:
        counts = (item.missing, item.differing, item.extra, item.doubled)
        shown = (Text(f"{count:,}", style="red" if count else "") for count in counts)
        table.add_row(Text(item.table), f"{item.compared:,}", *shown, item.published)
    return table


def _findings(item: TableVerdict) -> list[Text]:
    lines = [f"  {kept}"] if (kept := _kept(item)) else []
    lines += [f"  {item.problem}"] if item.problem else []
    lines += [_row(row) for row in item.rows]
    more = item.wrong - len(item.rows)
    if item.rows and more > 0:
        lines.append(f"  and {more:,} more rows")
    lines += [_figure(figure) for figure in item.figures]
    if item.wrong and not item.cursor and item.level == "rows":
        lines.append("  it has no cursor, so whether the source was changed since it was loaded cannot be told")
    return [Text.assemble((f"\n{in_a_line(item.table)}\n", "bold"), lines_of(lines))] if lines else []


def _row(row: RowFinding) -> str:
    text = f"  {', '.join(row.key)}: {_WORDS[row.kind]}"
    if not row.columns:
        return text
    if not row.source:
        return f"{text} in {', '.join(row.columns)}"
    values = zip(row.columns, row.source, row.target, strict=True)
    return f"{text} in " + "; ".join(f"{c}: {_value(a)} at the source, {_value(b)} in the target" for c, a, b in values)


def _figure(figure: Figure) -> str:
    values = "" if figure.source is None and figure.target is None else f": {figure.source} at the source, {figure.target}"
    return f"  {figure.column}: {figure.what} differs{values}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _value(text: str | None) -> str:
    return "NULL" if text is None else repr(text)


def _apart(tables: Sequence[TableVerdict]) -> list[Text]:
    """Return what differs as it should."""
    lines = []
    for item in tables:
        counts = {
            "newer at the source than what was loaded": item.newer,
            "rejected by their load": item.rejected,
            "changed while they were looked at": item.changing,
        }
        said = [kept] if item.equal and (kept := _kept(item)) else []
        said += [f"{_rows(count)} {words}" for words, count in counts.items() if count] + list(item.notes)
        if not item.problem:
            said += [f"not compared: {column}" for column in item.uncompared]
        if said:
            lines.append(f"  {item.table}: {'; '.join(said)}")
    return [Text("\nNot counted as differences:"), lines_of(lines)] if lines else []


def _kept(item: TableVerdict) -> str:
    """Return which rows of the target are not as the source has them, because the table's rule keeps them."""
    edited, deleted = item.kept_edited, item.kept_deleted
    by = "by audit" if item.tier == "audit" else "by its rule"
    said = [f"{_rows(edited)} edited at the source, kept {by}"] if edited else []
    if deleted:
        what = f"{deleted:,}" if edited else _rows(deleted)
        said.append(f"{what} deleted at the source, kept{'' if edited else f' {by}'}")
    return "; ".join(said)


def _repairs(result: Verification) -> list[Text]:
    if not result.repaired:
        return []
    lines = []
    for item in result.repaired:
        done = "loaded whole, for no key tells its rows apart" if item.whole else f"{_rows(item.written)} written"
        gone = f", {item.removed:,} removed" if item.removed else ""
        lines.append(f"  {item.table}: {item.problem or done + gone}")
    left = [item for item in result.again if not item.equal]
    after = "; looked at again, they are equal" if not left else f"; {len(left)} of them still differ"
    return [Text(f"\nRepaired by run {result.run}{after}:"), lines_of(lines)]


def _end(result: Verification) -> str:
    rows = sum(item.compared for item in result.tables)
    unknown = sum(bool(item.problem) and not (item.wrong or item.compared) for item in result.tables)
    wrong = sum(not item.equal for item in result.tables) - unknown
    count = len(result.tables)
    what = {"count": "counted", "sums": "summed", "keys": "keys compared", "rows": "compared"}[result.level]
    share = (
        f", a sample of {result.sample * 100:.3g} % of the rows (--seed {result.seed} repeats it)"
        if result.sample < 1
        else ""
    )
    if not wrong and unknown:
        tables = "none differs" if unknown < count else "nothing was compared"
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
        tables += f", and {unknown} of {count} could not be compared" if count != 1 else ", for it could not be compared"
    edited, deleted = (sum(getattr(item, key) for item in result.tables) for key in ("kept_edited", "kept_deleted"))
    counts = [f"{count:,} {word}" for count, word in ((edited, "edited"), (deleted, "deleted")) if count]
    if counts:
        tables += f", but for {' and '.join(counts)} at the source, which the target keeps"
    return f"{tables}: {rows:,} rows {what} in {result.seconds:.1f} s{share}."
