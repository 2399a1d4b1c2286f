"""What the plan takes for the number of a table's rows, where the server's statistics are old."""

from __future__ import annotations

import pytest
from faults import small_partitions
from lab import Lab, numbers

import bulketl


@pytest.mark.parametrize("rows", [1000, 11, 10, 9, 0])
@pytest.mark.parametrize("remembered", [0, 1000])
def test_rows_are_counted_up_to_two_partitions_whatever_the_statistics_say(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, remembered: int, rows: int
) -> None:
    """A table that has lost its rows since is planned by those it has, and one that has got many is cut."""
    small_partitions(monkeypatch, 5)
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY) ENGINE=InnoDB STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
        f"INSERT INTO t SELECT seq FROM {numbers(remembered)}",
        "ANALYZE TABLE t",
        "DELETE FROM t",
        f"INSERT INTO t SELECT seq FROM {numbers(rows)}",
    )
    (load,) = bulketl.make_plan(lab.config()).loads
    if rows > 10:
        assert (load.rows >= 11, len(load.partitions) > 1) == (True, True)
    else:
        assert (load.rows, len(load.partitions)) == (rows, 1 if rows else 0)
