"""What became of every table in each of the last loads into a schema: what a strip of nights shows.

The loads are chosen first, then their records are read run by run, so a look costs what it shows, however long the ledger
is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bulketl.postgres.ledger.looking import JUDGED, Look
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.server import LEDGER

MOST_LOADS = 120  # that are looked at: four a night for a month


class Nights(NamedTuple):
    """The last loads, the first one first: when each began, and by table the number of the load and what became of it there.

    `slow`: by table the numbers of the loads that took it longer than its nights allow.
    """

    began: Sequence[dt.datetime]
    outcomes: Mapping[str, Sequence[tuple[int, str]]]
    slow: Mapping[str, frozenset[int]]


def last_nights(look: Look, schema: str, since: dt.datetime, until: dt.datetime | None = None) -> Nights:
    """Return the loads into a schema that began at `since` or later, the last MOST_LOADS of them; one under way too.

    A table that has moved into the schema has its earlier nights there, with the loads that went into the other one.
    `until`: none that began then or later.
    """
    if (kind := kind_of(look.connection)) is None:
        return Nights((), {}, {})
    runs = look.connection.execute(
        f"SELECT run, started_at FROM {LEDGER}.run r WHERE {look.of_schema} AND started_at >= %(since)s"
        f" AND started_at < COALESCE(%(until)s::timestamptz, 'infinity') AND {kind} = 'load'"
        " ORDER BY started_at DESC, run DESC LIMIT %(first)s".encode(),
        {"schema": schema, "since": since, "until": until, "first": MOST_LOADS},
    ).fetchall()[::-1]
    names = [run for run, _ in runs]
    found = look.connection.execute(
        "SELECT t.table_name, array_agg(n.n ORDER BY n.n), array_agg(t.outcome ORDER BY n.n)"
        f" FROM unnest(%(runs)s::text[]) WITH ORDINALITY n (run, n) JOIN {LEDGER}.table_load t USING (run)"
        f" WHERE {look.of_table} GROUP BY 1".encode(),
        {"runs": names, "schemas": [schema]},
    ).fetchall()
    outcomes = {table: [(n - 1, word) for n, word in zip(*each, strict=True)] for table, *each in found}
    slow: dict[str, frozenset[int]] = {}
    if look.version >= JUDGED and names:
        numbers = {run: n for n, run in enumerate(names)}
        for table, run in look.connection.execute(
            f"SELECT table_name, run FROM {LEDGER}.finding WHERE schema_name = %s AND kind = 'slower' AND found_at >= %s",
            (schema, runs[0][1]),
        ):
            if run in numbers:
                slow[table] = slow.get(table, frozenset()) | {numbers[run]}
    return Nights([began for _, began in runs], outcomes, slow)
