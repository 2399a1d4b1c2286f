"""One row's story: its values side by side, what is on record of it, and at the end why it is what it is."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Group

from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line

if TYPE_CHECKING:
    from bulketl.verifying.rowstory import ColumnStory, RowStory, Side

COLUMNS = 5  # that are shown
PIPED = 60  # characters of a value that goes into a pipe or a file
_VERDICTS = {
    "equal": ("equal", "green"), "differs": ("differs", "red"), "missing": ("not in the target", "red"),
    "extra": ("only in the target", "red"), "deleted": ("deleted, as at the source", "green"),
    "unknown": ("not known", "yellow"),
}  # fmt: skip
_PLAIN = ("smallint", "integer", "bigint", "numeric", "real", "double", "date", "timestamp", "time", "interval", "boolean",
          "uuid", "bytea")  # fmt: skip
_INDENT = 13
_WORDS = re.compile(r"`[^`]{1,60}`[^\s`]*|\S+")  # a command is one of them, to be copied


def story(found: RowStory, width: int | None) -> Group:
    """Return the screen, at most `width` columns wide; None for a pipe, where a fact is one line."""
    word, style = _VERDICTS[found.verdict]
    key = found.key[0][1] if len(found.key) == 1 else ", ".join(f"{column}={value}" for column, value in found.key)
    what = f"{found.table} {key}" + (f", {found.column}" if found.column else "")
    lines = [Text.assemble((f"{_cut(in_a_line(what), (width or 4 * PIPED) - 30)}: ", "bold"), (word, style))]
    lines += _values(found, width)
    for name, fact in _facts(found):
        lines.append(Text(_wrapped(f"  {name:<{_INDENT - 4}}  ", fact, width)))
    lines.append(Text(""))
    lines.append(Text(_wrapped("", found.because, width), style="bold"))
    return Group(*lines)


def _values(found: RowStory, width: int | None) -> list[Text]:
    """Return the columns that differ, or, where none does, the first ones; a line for each, and one for the others."""
    shown = (found.differing or found.looked_at)[:COLUMNS]
    names = [_cut(in_a_line(item.column), 24) for item in shown]
    first = max([len("column"), *map(cell_len, names)])
    room = PIPED if width is None else max(14, (width - first - 6) // 2)
    pairs = [_pair(found, item, room) for item in shown]
    second = max([len("source"), *(cell_len(ours) for ours, _ in pairs)])
    lines = [Text(f"  {'column':<{first}}  {'source':<{second}}  target", style="dim")] if shown else []
    for item, name, (ours, theirs) in zip(shown, names, pairs, strict=True):
        line = f"  {set_cell_size(name, first)}  {set_cell_size(ours, second)}  {theirs}"
        lines.append(Text(line.rstrip(), style="red" if item.state in ("differs", "source only") else ""))
    left = len(found.looked_at) - len(shown)
    if left > 0:
        differ = len(found.differing) - sum(item in found.differing for item in shown)
        both = found.source == found.target == "there" and not (found.deleted_at or found.refused)
        said = "" if not both else f", {differ} of them different" if differ else ", equal"
        lines.append(Text(f"  and {count_of(left, 'more column')}{said}", style="dim"))
    return lines


def _pair(found: RowStory, item: ColumnStory, room: int) -> tuple[str, str]:
    """Return both values of a column; of long ones that differ, the part where they begin to."""
    ours, theirs = item.source, item.target
    skipped = 0
    if item.state == "differs" and ours is not None and theirs is not None and min(len(ours), len(theirs)) > room // 2:
        alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False))
        same = sum(1 for _ in alike)
        skipped = same - room // 6 if same > room // 3 else 0
    return _value(item, ours, found.source, room, skipped), _value(item, theirs, found.target, room, skipped)


def _value(item: ColumnStory, text: str | None, side: Side, room: int, skipped: int) -> str:
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
    head = quote if not skipped else "…"
    if not skipped and cell_len(text) + 2 * len(quote) <= room:
        return f"{quote}{in_a_line(text)}{quote}"
    told, rest = f" ({len(text):,} long)", in_a_line(text[skipped : skipped + room])
    if cell_len(rest) + len(told) + 2 <= room and skipped + room >= len(text):
        return f"{head}{rest}{quote}{told}"
    return f"{head}{_cut(rest, room - len(told) - 2, '')}…{told}"


def _facts(found: RowStory) -> list[tuple[str, str]]:
    """Return what is on record of the row, and what comes next, each with its name."""
    return [*_origin(found), *_noted(found), *_compared(found), *_next(found)]


def _origin(found: RowStory) -> list[tuple[str, str]]:
    from bulketl.verifying.because import written

    record, facts = found.record, []
    if found.column:
        declared = {True: ", as a rule declares", False: ""}
        casts = [item for item in found.looked_at if item.cast and not item.cast.startswith("->")]
        facts += [("cast", f"{item.cast}{declared[item.declared]}") for item in casts]
    if found.target == "there":
        facts.append(("written", written(found)))
    elif record.loaded:
        facts.append(("loaded", f"run {record.loaded.run} loaded the table at {record.loaded.at}"))
    if record.last and record.last.outcome in ("failed", "running", "unfinished"):
        facts.append(("last load", f"run {record.last.run}: {record.last.outcome} at {record.last.at}"))
    return facts


def _noted(found: RowStory) -> list[tuple[str, str]]:
    record, facts = found.record, []
    if record.rejects:
        one = record.rejects[0]
        settled = f"settled by run {one.settled}" if one.settled else "open"
        what = count_of(len(record.rejects), "reject")
        facts.append(("rejects", f"{what}, the last by run {one.run}: {one.column} {one.reason} ({settled})"))
    if found.tier == "audit":
        last = record.trail[0] if record.trail else None
        facts.append(("audit", f"{last.kind} noted by run {last.run} at {last.at}" if last else "nothing noted of the row"))
        facts.append(("chain", record.chain or "none"))
    return facts


def _compared(found: RowStory) -> list[tuple[str, str]]:
    if one := found.record.compared:
        return [("compared", f"{one.what} (run {one.run} at {one.at})")]
    if found.target_problem:
        return []
    return [("compared", f"not on record; `bulketl verify --tables {found.table}` does it")]


def _next(found: RowStory) -> list[tuple[str, str]]:
    if found.next is None:
        return []
    told = [found.next.why]
    if found.next.act == "changes" and found.source == "there":
        told.append("the row is among them" if found.within else "the row is not among them")
    if found.next.act in ("whole", "changes") and found.tier != "audit":
        told.append(f"deletes: {found.deletes}")
    return [("next load", "; ".join(told))]


def _wrapped(head: str, text: str, width: int | None) -> str:
    """Return a fact in lines no wider than that, by the cells that its characters take."""
    if width is None:
        return head + in_a_line(text)
    lines, empty = [head], True
    room = max(20, width - len(head))
    for word in _WORDS.findall(in_a_line(text)):
        for part in _folded(word, room):
            if not empty and cell_len(lines[-1]) + 1 + cell_len(part) > width:
                lines.append(" " * len(head))
                empty = True
            lines[-1] += part if empty else f" {part}"
            empty = False
    return "\n".join(lines)


def _folded(word: str, room: int) -> list[str]:
    parts = []
    while cell_len(word) > room:
        part = set_cell_size(word, room).rstrip()
        parts.append(part)
        word = word[len(part) :]
    return [*parts, word]


def _cut(text: str, room: int, end: str = "…") -> str:
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(1, room - len(end))).rstrip() + end
