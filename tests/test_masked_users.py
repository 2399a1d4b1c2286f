"""Whoever reads rows of the source, listed from the code: each masks what it read, or asks for what no mask is on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "bulketl"
# What asks the source for values of rows, or for figures of them, and why no masked value goes further.
ASKS = {
    "mysql/absence.py": "names of tables and columns, and whether one row can be read; no value",
    "mysql/arrivals.py": "for discover: how stamps and keys of the newest rows came",
    "mysql/changes.py": "the cursor and the key, which no mask is on: refused by plan/masking.py",
    "mysql/condition.py": "the server's words about itself, and how large its tables are",
    "mysql/counters.py": "the server's counters",
    "mysql/crowd.py": "the server's sessions, counted",
    "mysql/recent.py": "for the weekly report: how many rows have a stamp of the last days, counted",
    "mysql/digests.py": "keys without a mask, and hashes of columns without one: rows/canonical.py has no pair for others",
    "mysql/discover.py": "the catalogue, and ends of ranges along keys without a mask: plan/masking.py cuttable",
    "mysql/firstrows.py": "for a limit: values that refer, looked up and not kept, and keys without a mask, as for ranges",
    "mysql/grants.py": "rights",
    "mysql/health.py": "the server's sessions",
    "mysql/held.py": "the states of the server's sessions, and of which table each is",
    "mysql/locks.py": "locks",
    "mysql/matches.py": "for discover: counts of values",
    "mysql/months.py": "months and sums of columns without a mask: verifying/months.py",
    "mysql/newest.py": "cursors, which no mask is on: refused by plan/masking.py; shown to who asks, and not kept",
    "mysql/pressure.py": "the server's counters",
    "mysql/query.py": "a person's own SQL of a pair, shown to that person",
    "mysql/read.py": "rows, masked by rows/coerce.py; figures of a certificate, which stay in memory: rows/figures.py",
    "mysql/rights.py": "rights",
    "mysql/row.py": "one row for why, whose masked columns are not asked for: operations/why.py",
    "mysql/server.py": "the server's words about itself",
    "mysql/session.py": "settings of a session",
    "mysql/shapes.py": "for discover: counts of values",
    "mysql/small.py": "rows, masked by rows/coerce.py",
    "mysql/stream.py": "rows through a file, refused for a table with masks: plan/masking.py unspooled",
    "mysql/totals.py": "counts, figures of columns without a mask, keys",
    "mysql/zones.py": "zones",
}
_WORDS = ("SELECT ", "SHOW ")


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_whoever_coerces_rows_gives_the_key_of_masks() -> None:
    """The one way from rows as they were read to rows that are sent on."""
    found = dict(calls("coerce"))
    assert len(found) > 5
    assert [place for place, call in found.items() if len(call.args) != 4] == []


def test_nobody_reads_rows_and_sends_them_on_without_coercing_them() -> None:
    """What takes Arrow from the source is a module that coerces it, or the source itself."""
    readers = {place.partition(":")[0] for name in ("read_where", "read_all", "read_small") for place, _ in calls(name)}
    coercing = {place.partition(":")[0] for place, _ in calls("coerce")}
    assert {place for place in readers if not place.startswith("mysql/")} <= coercing


def test_every_module_that_asks_the_source_is_on_the_list() -> None:
    """A new one makes somebody think about what it shows of a masked column."""
    asking = set()
    for path in sorted((SOURCE / "mysql").rglob("*.py")):
        texts = [node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
        if any(word in text for text in texts for word in _WORDS):
            asking.add(str(path.relative_to(SOURCE)))
    assert sorted(asking - ASKS.keys()) == []
    assert all(reason for reason in ASKS.values())
