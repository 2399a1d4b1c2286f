"""What is on record of a table goes on when it changes hands: its nights, its figures and trends, in one history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from lab import Lab, load
from sidebyside import Beside, dropped

import bulketl
from bulketl import Config
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.history.status import status
from bulketl.plan.selection import Selection
from bulketl.postgres.ledger import manynights, measures, onetable, weeks

TO_COME = dt.timedelta(hours=1)


@pytest.fixture
def beside(maria_lab: Lab) -> Iterator[Beside]:
    """Two tables of both pipelines."""
    for table in ("claim", "patient"):
        maria_lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1), (2)")
        maria_lab.pg(f"CREATE TABLE {{s}}.{table} (id integer PRIMARY KEY); INSERT INTO {{s}}.{table} VALUES (1)")
    yield Beside(maria_lab)
    dropped(maria_lab)


def nights(config: Config, schema: str) -> dict[str, dict[str, int]]:
    """Return how many nights each reader of the ledger sees of each table of a schema."""
    until = dt.datetime.now(dt.UTC) + TO_COME
    since = until - dt.timedelta(days=2)
    with sight(config) as look:
        runs = [one.run for one in weeks.load_ends(look, schema, since, until, moved=True)]
        strips = manynights.last_nights(look, schema, since).outcomes
        return {
            table: {
                "strip": len(strips.get(table, ())),
                "trend": sum(len(one.loads) for one in weeks.table_nights(look, [schema], runs) if one.table == table),
                "page": sum(one.kind == "load" for one in onetable.loads_of(look, schema, table, 10)),
                "key": sum(len(one.at) for one in measures.measures(look, schema, since, until) if one.table == table),
            }
            for table in ("claim", "patient")
        }


def each(count: int) -> dict[str, int]:
    return dict.fromkeys(("strip", "trend", "page", "key"), count)


def test_a_promoted_table_has_its_nights_from_before_and_the_other_keeps_its_own(beside: Beside) -> None:
    """And a rollback takes them back: neither schema shows a night of the other's table."""
    lab, config = beside.lab, beside.shadowed(["claim", "patient"])
    lab.mysql("INSERT INTO patient VALUES (3)", "INSERT INTO claim VALUES (3)")
    beside.load_beside()
    assert nights(config, beside.shadow) == {"claim": each(2), "patient": each(2)}
    assert nights(config, lab.schema) == {"claim": each(0), "patient": each(0)}
    bulketl.promote(config, selection=Selection(tables=("patient",)), reason="x", force=True)
    assert nights(config, lab.schema) == {"claim": each(0), "patient": each(2)}
    assert nights(config, beside.shadow) == {"claim": each(2), "patient": each(0)}
    assert [(one.table, one.loaded_at is not None) for one in status(config).tables] == [("patient", True)]
    lab.mysql("INSERT INTO patient VALUES (4)")
    load(config, tables=["patient"])
    assert nights(config, lab.schema)["patient"] == each(3)
    bulketl.rollback(config, reason="y", act="demote")
    assert nights(config, lab.schema) == {"claim": each(0), "patient": each(0)}
    assert nights(config, beside.shadow) == {"claim": each(2), "patient": each(3)}
