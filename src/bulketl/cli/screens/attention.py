"""Tables of a load that somebody should look at, and why: the worst first, what is said of several said once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from bulketl.cli.screens.common import edits
from bulketl.cli.screens.listing import NAMED, Fact, named
from bulketl.loading.summary import Summary, TableSummary
from bulketl.tables.alike import for_many, to_do
from bulketl.tables.checks import said
from bulketl.tables.printable import count_of, without_table

COLUMNS = 3  # that a line names; beyond, they are counted


def attention(result: Summary, verbose: bool = False) -> list[Fact]:
    """Return a line for each table that needs attention; tables of which the same is to be said share one."""
    found: dict[tuple[int, str, str, str], list[str]] = {}
    for item in _in_one_voice(result.tables.values()) if not verbose else result.tables.values():
        concerns = [(rank, word, text) for rank, (word, tell) in enumerate(_CONCERNS) if (text := tell(item, verbose))]
        if concerns:
            rank, word, first = concerns[0]
            text = "; ".join([first, *(other for _, _, other in concerns[1:])])
            found.setdefault((rank, word, text, _for_many(item)), []).append(item.table)
    lines: list[Fact] = []
    for key in sorted(found, key=lambda key: (key[0], found[key][0])):
        tables, (rank, word, text, hint) = found[key], key
        names = named(tables, len(tables) if verbose else NAMED)
        lines.append(
            (
                word,
                "red" if rank < 2 else "yellow",
                f"{names}{', each' if len(tables) > 1 else ''}: {text}{to_do(hint, tables)}",
            )
        )
    return lines


def _in_one_voice(items: Iterable[TableSummary]) -> list[TableSummary]:
    """Return tables with the same message where they failed alike and the server named each in its own words."""
    alike: dict[tuple[str, str, str], list[TableSummary]] = {}
    every = list(items)
    for item in every:
        if item.outcome == "failed" and item.public:
            alike.setdefault((item.error, without_table(item.public, item.table), _for_many(item)), []).append(item)
    told: dict[str, str] = {}
    for (_, public, _), tables in alike.items():
        if len({_failed(item, False) for item in tables}) > 1:
            example = f"{public} (of {tables[0].table}: {_failed(tables[0], False)})"
            told |= {item.table: example for item in tables}
    return [dataclasses.replace(item, message=told[item.table]) if item.table in told else item for item in every]


def _for_many(item: TableSummary) -> str:
    """Return what to do about a table that failed, with a place for the names of all tables of which the same is said."""
    return for_many(item.hint, item.table) if item.outcome == "failed" else ""


def _failed(item: TableSummary, _verbose: bool) -> str:
    return without_table(item.message or "it failed", item.table) if item.outcome == "failed" else ""


def _uncertified(item: TableSummary, _verbose: bool) -> str:
    if item.outcome != "loaded" or item.certified in (None, True):
        return ""
    return "its figures do not agree; `bulketl certificate` says which"


def _unfinished(item: TableSummary, _verbose: bool) -> str:
    return "the run ended before it; `bulketl load --resume last` goes on" if item.outcome == "unfinished" else ""


def _audited(item: TableSummary, _verbose: bool) -> str:
    """Return what is otherwise at the source than in an audited table: what this run has noted, and what was before."""
    noted = edits(item.noted.get("delete", 0), item.noted.get("update", 0))
    back = item.noted.get("return", 0)
    told = [f"{noted}, noted in bulketl.audit_trail"] if noted else []
    told += [f"{count_of(back, 'row')} there again, noted too"] if back else []
    gone, differing = (item.compared.get(key, 0) for key in ("gone", "differing")) if item.tier == "audit" else (0, 0)
    if gone > item.noted.get("delete", 0) or differing > item.noted.get("update", 0):
        told.append(f"{edits(gone, differing)} in all, kept as first seen")
    return "; ".join(told)


def _rejected(item: TableSummary, _verbose: bool) -> str:
    if not item.rejects or item.outcome == "failed":
        return ""
    return f"{count_of(item.rejects, 'row')} of {item.rows + item.rejects:,} rejected; `bulketl rejects list` says why"


def _checks(item: TableSummary, verbose: bool) -> str:
    """Return what the checks of a table found that was loaded all the same; of others the failure says it."""
    words = {"warn": "warning", "reject": "rejected"}
    found = [
        f"{label}: {said(label, figure)} ({words[severity]})"
        for severity, labels in item.checks.items()
        for label, figure in labels.items()
        if severity in words
    ]
    return _some(found, verbose)


def _quality(item: TableSummary, _verbose: bool) -> str:
    return f"quality score {item.quality:.6f}" if item.quality not in (None, 1.0) else ""


def _compared(item: TableSummary, _verbose: bool) -> str:
    counts = {word: count for word, count in item.compared.items() if item.tier != "audit" or word == "missing"}
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return f"{told} when it was compared with the source" if told else ""


def _changed(item: TableSummary, verbose: bool) -> str:
    found = [f"{count:,} × {kind} in {column}" for column, kinds in item.changed.items() for kind, count in kinds.items()]
    return _some(found, verbose)


def _columns(item: TableSummary, verbose: bool) -> str:
    return f"columns changed: {_some(item.drift, verbose)}" if item.drift else ""


def _part(item: TableSummary, _verbose: bool) -> str:
    return item.part if item.outcome == "loaded" else ""


def _unmet(item: TableSummary, _verbose: bool) -> str:
    return item.unmet if item.outcome == "loaded" else ""


def _late(item: TableSummary, _verbose: bool) -> str:
    return f"took {item.seconds / 60:.1f} min, longer than expected" if item.overdue else ""


def _second(item: TableSummary, _verbose: bool) -> str:
    if not item.first_failure or item.outcome != "loaded":
        return ""
    return f"loaded at the second try; at first: {without_table(item.first_failure, item.table)}"


def _skipped(item: TableSummary, _verbose: bool) -> str:
    return item.message if item.outcome == "skipped" else ""


def _some(found: Iterable[str], verbose: bool) -> str:
    every: Sequence[str] = list(found)
    more = f", and {len(every) - COLUMNS} more" if len(every) > COLUMNS and not verbose else ""
    return ", ".join(every if verbose else every[:COLUMNS]) + more


# Worst first: the first that is true of a table gives its line the word and its place.
_CONCERNS: Sequence[tuple[str, Callable[[TableSummary, bool], str]]] = (
    ("failed", _failed),
    ("not certified", _uncertified),
    ("not finished", _unfinished),
    ("audit", _audited),
    ("rejected", _rejected),
    ("check", _checks),
    ("quality", _quality),
    ("compared", _compared),
    ("values", _changed),
    ("columns", _columns),
    ("rule", _unmet),
    ("late", _late),
    ("again", _second),
    ("not loaded", _skipped),
    ("part", _part),
)
