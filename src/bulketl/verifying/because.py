"""Why a row is what it is: one sentence, from its story. Values in, words out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bulketl.postgres.ledger.rowrecords import RunOfTable
from bulketl.tables.alterations import DOUBLE_KEY, INVALID_DATE, MINUS_ZERO, NUL_BYTE
from bulketl.tables.printable import count_of
from bulketl.verifying.rowstory import RowStory, Verdict

NAMED = 4  # columns
Said = tuple[Verdict, str]
_ALTERED = {
    INVALID_DATE: "is not a date at the source, so loads write NULL",
    NUL_BYTE: "has NUL bytes at the source, which loads take out because Postgres has no place for them",
    MINUS_ZERO: "has -0 in its JSON, which jsonb keeps as 0",
    DOUBLE_KEY: "has a key twice in its JSON, of which jsonb keeps the last",
}

_FAILED = {
    "failed": "failed", "running": "is loading now, and has not published the table",
    "unfinished": "ended before it had the table",
}  # fmt: skip


def explained(story: RowStory) -> RowStory:
    """Return the story with its verdict, and the sentence that says why."""
    verdict, because = _said(story)
    return dataclasses.replace(story, verdict=verdict, because=because)


def writer(story: RowStory) -> RunOfTable | None:
    """Return the one run on record that wrote the target's row, None where none or several may have."""
    return story.record.writers[0] if len(story.record.writers) == 1 else None


def written(story: RowStory) -> str:
    """Return who wrote the target's row, and when, in words."""
    run = writer(story)
    if run:
        return f"run {run.run} wrote it at {story.loaded_at or run.at}"
    if story.stamped_run:
        return f"by its stamp run {story.stamped_run} wrote it at {story.loaded_at}"
    if story.record.writers:
        return f"one of {count_of(len(story.record.writers), 'run')} wrote it"
    return "no run on record wrote it"


def _said(s: RowStory) -> Said:
    if s.source == "unknown" or s.target == "unknown":
        return "unknown", _unknown(s)
    if s.source == "there":
        return _both(s) if s.target == "there" else ("missing", _missing(s))
    if s.target == "there":
        return _extra(s)
    return "deleted", _neither(s)


def _unknown(s: RowStory) -> str:
    if s.source == "unknown":
        there = {"there": f"The target has the row ({written(s)})", "absent": "The target does not have the row"}
        known = there.get(s.target, "Neither side can be asked for the row")
        return f"{known}; what the source has now is not known: {s.source_problem}."
    known = "The source has the row" if s.source == "there" else "The source does not have the row"
    return f"{known}; what the target has is not known: {s.target_problem}."


def _both(s: RowStory) -> Said:
    if s.deleted_at:
        return (
            "differs",
            f"The source has the row again, and the target has it marked as deleted since {s.deleted_at}; {then(s)}.",
        )
    asked = next(iter(s.looked_at), None) if s.column else None
    if asked and asked.note and asked.state != "differs":
        return ("equal" if asked.state == "equal" else "differs"), f"Column {asked.column}: {asked.note}."
    if not s.differing:
        return _alike(s)
    return "differs", _differing(s)


def _differing(s: RowStory) -> str:
    """Return why a row that both sides have is not the same."""
    columns = _named([item.column for item in s.differing])
    if s.foreign:
        nobody = "No run on record wrote the target's row as it is: somebody changed it there, or the database was restored"
        chain = f"; `bulketl audit verify {s.table}` says whether the chain still holds" if s.tier == "audit" else ""
        return f"{nobody}; {then(s)}{chain}."
    if s.tier == "audit":
        kept = f"The source changed {columns} after the row was loaded, and an audited table keeps what it has"
        if s.noted and s.record.trail:
            return f"{kept}; run {s.record.trail[0].run} noted the change at {s.record.trail[0].at}."
        return f"{kept}; {then(s)}."
    if s.refused:
        return f"The source's row cannot be loaded now, and the target has an earlier one: {s.refused}; {then(s)}."
    new = [item for item in s.differing if item.state == "source only"]
    if len(new) == len(s.differing):
        return f"The target lacks {columns}, and equals the source but for that; {then(s)}."
    if all(item.note for item in s.differing):
        return f"{s.differing[0].column}: {s.differing[0].note}; {then(s)}."
    failed = _failure(s)
    if failed:
        return f"{failed}, so the target still has the row of before; {then(s)}."
    return f"{_changed(s, columns)}; {then(s)}."


def _changed(s: RowStory, columns: str) -> str:
    column, value = s.stamp
    if s.newer:
        return f"The source changed {columns} after the last load: its {column} is {value}, past the watermark {s.watermark}"
    if s.next and s.next.act == "changes" and not s.within:
        return f"The source changed {columns} without a new stamp: {column} is {value}, before what loads still read"
    run = writer(s)
    return f"The source changed {columns} after run {run.run} wrote the row" if run else f"The source changed {columns}"


def _alike(s: RowStory) -> Said:
    """Return what there is to say of a row that is not known to differ."""
    if unknown := [item.column for item in s.looked_at if item.state == "unknown" and item.shown]:
        why = f"a load would reject the row: {s.refused}" if s.refused else "the target lets nobody compare them"
        return "unknown", f"Whether {_named(unknown)} is the same on both sides is not known, for {why}."
    if s.refused:
        return "equal", f"The target has the row as the source has it, and a load would reject it now: {s.refused}."
    return _equal(s)


def _equal(s: RowStory) -> Said:
    altered = [f"{item.column} {_ALTERED[kind]}" for item in s.looked_at for kind in item.altered]
    if altered:
        more = f"; {count_of(len(altered) - 2, 'more value', 'is')} changed on the way" if len(altered) > 2 else ""
        return "equal", f"Equal but for the way: {'; '.join(altered[:2])}{more}."
    cast = next((item for item in s.looked_at if s.column and item.source != item.target), None)
    if cast:
        how = ", as a rule declares" if cast.declared else ""
        return "equal", f"Equal by the cast {cast.cast}{how}: {written(s)}."
    if s.foreign:
        nobody = "no run on record wrote the row: somebody else did, or the database was restored"
        return "equal", f"The target has what the source has, although {nobody}."
    return "equal", f"The target has what the source has: {written(s)}."


def _missing(s: RowStory) -> str:
    """Return why the target lacks a row that the source has."""
    return _not_loaded(s) or _rejected(s) or _not_come(s)


def _not_loaded(s: RowStory) -> str:
    """Return why the target has none of the table's rows, or not those of the row's age; '' when it has."""
    if s.next and s.next.act == "excluded":
        return f"The table is not loaded: {s.next.why}."
    if s.next and s.next.act == "waits":
        return f"The table is not loaded yet: {s.next.why}; `bulketl discover --write` adds it to them."
    if not s.in_target:
        return f"{_failure(s) or 'The table was never loaded'}, so the target has none of its rows; {then(s)}."
    if s.part:
        return f"The table was loaded under a limit and is {s.part}; this row is not among them."
    return "" if s.stays else "Retention removed the row from the target, and no load brings it back."


def _rejected(s: RowStory) -> str:
    """Return why no load could take the row; '' when one can, and none has rejected it."""
    retry = f"`bulketl rejects retry {s.table}`"
    one = next((one for one in s.record.rejects if not one.settled and one.loaded), None)
    if one:
        why = f"Run {one.run} rejected the row at {one.at}: {one.column} {one.reason}"
        if s.refused:
            return f"{why}, and so would the next load; correct it at the source, then {retry}."
        return f"{why}; the source's row is good now, and {retry} brings it."
    if s.refused:
        return f"No load can take the row as it is: {s.refused}; correct it at the source, or choose another cast."
    return ""


def _not_come(s: RowStory) -> str:
    """Return why a good row of a table that is loaded is not there."""
    column, value = s.stamp
    act = s.next.act if s.next else ""
    if failed := _failure(s):
        return f"{failed}, so the row has not come; {then(s)}."
    if s.newer:
        return (
            f"The row is newer than what was loaded: its {column} is {value}, past the watermark {s.watermark}; {then(s)}."
        )
    if act == "changes" and not s.within:
        return f"The row came late: its {column} is {value}, before what loads still read; {then(s)}."
    if act == "unchanged":
        return f"The target has lost the row, because the source's table is as it was loaded; {then(s)}."
    run = s.record.loaded
    since = f" after run {run.run} loaded the table at {run.at}" if run else ""
    return f"The row came to the source{since}; {then(s)}."


def _extra(s: RowStory) -> Said:
    if s.table_gone:
        return "extra", "The source does not have the table any more, and the target keeps the rows that it has of it."
    if s.deleted_at:
        return (
            "deleted",
            f"The source does not have the row any more, and the target has it marked as deleted since {s.deleted_at}.",
        )
    gone = "The source does not have the row any more"
    if s.tier == "audit":
        noted = next(iter(s.record.trail), None)
        if noted and noted.kind == "delete":
            return "extra", f"{gone}; an audited table keeps it, and run {noted.run} noted that at {noted.at}."
        return "extra", f"{gone}, and an audited table keeps it; {_comparing(s, 'notes that it is gone')}."
    if s.foreign:
        nobody = "No run on record wrote the row, and the source does not have it: somebody added it in the target"
        return "extra", f"{nobody}; {_leaving(s)}."
    return "extra", f"{gone}; {_leaving(s)}."


def _leaving(s: RowStory) -> str:
    """Return what becomes of a row that only the target has."""
    if s.next is None or s.next.act not in ("whole", "changes"):
        return then(s)
    if s.next.deletes == "ignore":
        return "deletes: ignore keeps it in the target"
    does = {"mark": "marks it as deleted", "mirror": "removes it", "fail": "fails for it"}[s.next.deletes]
    return f"{_comparing(s, does)} (deletes: {s.next.deletes})"


def _comparing(s: RowStory, does: str) -> str:
    if s.next is None or s.next.act not in ("whole", "changes"):
        return then(s)
    if s.next.act == "whole":
        return f"the next load, which reads the whole table, {does}"
    if s.next.compare:
        return f"the comparison after the next load {does}"
    return f"the next comparison with the source, which is not due yet, {does}"


def _neither(s: RowStory) -> str:
    told = []
    if s.record.rejects:
        one = s.record.rejects[0]
        told.append(f"run {one.run} rejected it at {one.at}: {one.column} {one.reason}")
    if s.record.trail:
        entry = s.record.trail[0]
        told.append(f"run {entry.run} noted its {entry.kind} at {entry.at}")
    return f"Neither side has the row now; {'; '.join(told)}."


def _failure(s: RowStory) -> str:
    """Return that the last load of the table failed after the one that loaded it, '' when it did not."""
    last, loaded = s.record.last, s.record.loaded
    if last is None or last.outcome not in _FAILED or (loaded and loaded.run == last.run):
        return ""
    return f"Run {last.run} {_FAILED[last.outcome]}{f': {last.error}' if last.error else ''}"


def then(s: RowStory) -> str:
    """Return what the next load does with the row as the source has it."""
    if s.next is None:
        return "what the next load does with it is not known" + ("" if not s.table_gone else ", because its table is gone")
    repair = f"`bulketl verify --tables {s.table} --repair` brings it"
    act = s.next.act
    if act == "refused":
        return f"the next load refuses the table: {s.next.why}"
    if act in ("excluded", "waits"):
        return f"no load takes the table: {s.next.why}"
    if act == "unchanged":
        return f"the next load leaves the table out, {s.next.why}; {repair}"
    if s.refused:
        return "the next load rejects it"
    brings = "notes the change" if s.next.publish == "append" and s.target == "there" else "brings it"
    if act == "whole":
        return f"the next load reads the whole table and {brings}"
    if s.within:
        return f"the next load {brings}"
    if s.next.compare:
        return f"the next load does not read it, but the comparison after it {brings}"
    if s.tier == "audit":
        return "the next comparison notes it"
    return f"no load brings it, but `bulketl verify --tables {s.table} --repair` does"


def _named(columns: Sequence[str]) -> str:
    more = f" and {count_of(len(columns) - NAMED, 'more column')}" if len(columns) > NAMED else ""
    shown = columns[:NAMED]
    if more or len(shown) == 1:
        return ", ".join(shown) + more
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
