"""A source that goes away for good amid a load: known at once, told of every table in one way, and waited for once."""

from __future__ import annotations

import time

import pytest
from lab import Lab
from lines import to_source

import bulketl
from bulketl.loading import patience
from bulketl.loading.events import Event, PartitionLoaded, TableStarted

TABLES = 24


@pytest.mark.parametrize("rows", [2, 2100], ids=["read together", "by connectorx"])
def test_a_source_that_goes_for_good_costs_a_load_its_patience_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Not once a table, nor the half minute for which connectorx asks again."""
    monkeypatch.setattr(patience, "AWAY_SECONDS", 3.0)
    monkeypatch.setattr(patience, "AWAY_PAUSE", 0.5)
    for n in range(TABLES):
        lab.mysql(f"CREATE TABLE t{n:02} (id int PRIMARY KEY, v varchar(20))")
        lab.insert(f"t{n:02}", [(key, "v") for key in range(rows)])
    lab.mysql("CREATE TABLE aside (v int)")
    with to_source(lab) as (line, uri):
        config = lab.config(source=uri)
        plan = bulketl.make_plan(config)
        gone: list[float] = []

        def cut(event: Event) -> None:
            if isinstance(event, (TableStarted, PartitionLoaded)) and not gone:
                gone.append(time.monotonic())
                line.stop()

        summary = bulketl.load(config, plan, [cut])
        ended = time.monotonic()
    failed = [table for table in summary.failed if table.table.startswith("t")]
    assert len(failed) > TABLES // 2
    assert len({table.public for table in failed}) == 1
    assert "does not answer" in failed[0].public
    assert ended - gone[0] < 25  # a patience for each table would be a minute and a half, connectorx' half minutes six
