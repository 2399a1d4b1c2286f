"""One row's story: its values side by side, what is on record of it, and at the end why it is what it is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from bulketl.tables.printable import count_of, in_a_line

if TYPE_CHECKING:
    from bulketl.verifying.rowstory import ColumnStory, RowStory, Side

COLUMNS = 5  # that are shown
PIPED = 200  # characters of a value that goes into a pipe or a file
_VERDICTS = {
    "equal": ("equal", "green"), "differs": ("differs", "red"), "missing": ("not in the target", "red"),
    "extra": ("only in the target", "red"), "deleted": ("deleted, as at the source", "green"),
    "unknown": ("not known", "yellow"),
}  # fmt: skip
_PLAIN = ("smallint", "integer", "bigint", "numeric", "real", "double", "date", "timestamp", "time", "interval", "boolean",
          "uuid", "bytea")  # fmt: skip
_INDENT = 13


def story(found: RowStory, width: int | None) -> Text:
    """Return the screen, at most `width` columns wide; None for a pipe, where a fact is one line."""
    word, style = _VERDICTS[found.verdict]
    key = found.key[0][1] if len(found.key) == 1 else ", ".join(f"{column}={value}" for column, value in found.key)
    what = f"{found.table} {key}" + (f", {found.column}" if found.column else "")
    lines = [Text.assemble((f"{_cut(what, (width or 4 * PIPED) - 30)}: ", "bold"), (word, style))]
    lines += _values(found, width)
    for name, fact in _facts(found):
        lines.append(Text(_wrapped(f"  {name:<{_INDENT - 4}}  ", fact, width)))
    lines.append(Text(""))
    lines.append(Text(_wrapped("", found.because, width), style="bold"))
    return Text("\n").join(lines)


def _values(found: RowStory, width: int | None) -> list[Text]:
    shown = found.looked_at[:COLUMNS]
    names = [_cut(in_a_line(item.column), 24) for item in shown]
    first = max([len("column"), *map(cell_len, names)])
    room = PIPED if width is None else max(14, (width - first - 6) // 2)
    pairs = [
        (_value(item, item.source, found.source, room), _value(item, item.target, found.target, room)) for item in shown
    ]
    second = max([len("source"), *(cell_len(ours) for ours, _ in pairs)])
    lines = [Text(f"  {'column':<{first}}  {'source':<{second}}  target", style="dim")] if shown else []
    for item, name, (ours, theirs) in zip(shown, names, pairs, strict=True):
        line = f"  {set_cell_size(name, first)}  {set_cell_size(ours, second)}  {theirs}"
        lines.append(Text(line.rstrip(), style="red" if item.state in ("differs", "source only") else ""))
    left = len(found.looked_at) - len(shown)
    if left > 0:
        others = found.looked_at[COLUMNS:]
        differ = sum(item in found.differing for item in others)
        both = found.source == found.target == "there" and not found.deleted_at
        said = "" if not both or found.refused else f", {differ} of them different" if differ else ", equal"
        lines.append(Text(f"  and {count_of(left, 'more column')}{said}", style="dim"))
    return lines


def _value(item: ColumnStory, text: str | None, side: Side, room: int) -> str:
    if side == "unknown":
        return "not known"
    if side == "absent":
        return "no row"
    if not item.shown:
        return "not shown"
    if text is None and item.state == "source only" and item.source is not None:
        return "no such column"
    if text is None:
        return "no such column" if item.state == "target only" else "NULL"
    kind = item.cast.rpartition("-> ")[2]
    quote = "" if kind.startswith(_PLAIN) and text else "'"
    length = len(text)
    if cell_len(text) + 2 * len(quote) <= room:
        return f"{quote}{in_a_line(text)}{quote}"
    told = f"… ({length:,} long)"
    return f"{quote}{_cut(in_a_line(text[:room]), room - len(told) - 2, '')}{told}"


def _facts(found: RowStory) -> list[tuple[str, str]]:
    from bulketl.verifying.because import then, written

    record, facts = found.record, []
    if found.column:
        facts += [
            ("cast", f"{item.cast}{', as a rule declares' if item.declared else ''}")
            for item in found.looked_at
            if item.cast
        ]
    if found.target == "there":
        facts.append(("written", written(found)))
    elif record.loaded:
        facts.append(("loaded", f"run {record.loaded.run} loaded the table at {record.loaded.at}"))
    if record.last and record.last.outcome == "failed":
        facts.append(("last load", f"run {record.last.run} failed at the table at {record.last.at}"))
    if record.rejects:
        one = record.rejects[0]
        settled = f"settled by run {one.settled}" if one.settled else "open"
        what = count_of(len(record.rejects), "reject")
        facts.append(("rejects", f"{what}, the last by run {one.run}: {one.column} {one.reason} ({settled})"))
    if found.tier == "audit":
        noted = (
            f"{record.trail[0].kind} by run {record.trail[0].run} at {record.trail[0].at}"
            if record.trail
            else "none of the row"
        )
        facts.append(("audit", f"notes: {noted}; chain: {record.chain or 'none'}"))
    if found.target_problem == "" or record.compared:
        compared = record.compared
        known = f"{compared.what} (run {compared.run} at {compared.at})" if compared else (
            f"none on record; `bulketl verify --tables {found.table}` looks at every row"
        )  # fmt: skip
        facts.append(("compared", known))
    if found.next:
        deletes = f"; deletes: {found.deletes}" if found.next.act in ("whole", "changes") and found.tier != "audit" else ""
        ends = found.next.why or then(found)
        among = ""
        if found.next.act == "changes" and found.source == "there":
            among = "; the row is among them" if found.within else "; the row is not among them"
        facts.append(("next load", f"{ends}{among}{deletes}"))
    return facts


def _wrapped(head: str, text: str, width: int | None) -> str:
    text = in_a_line(text)
    if width is None:
        return head + text
    return textwrap.fill(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _cut(text: str, room: int, end: str = "…") -> str:
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(1, room - len(end))).rstrip() + end
