"""How Postgres reads a range for a comparison: along the key's index, also where it knows nothing of a new table yet."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Lab

import bulketl
from bulketl.postgres.compare import image


def test_no_range_of_a_new_table_is_sorted(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor read by workers: several ranges are read at once already."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, words varchar(250))",
        "INSERT INTO t SELECT seq, REPEAT('word ', 40) FROM seq_1_to_60000",
    )
    maria_lab.load()
    small_partitions(monkeypatch, 15_000)
    monkeypatch.setattr("bulketl.verifying.ranges.SLOW", 0)
    copied, plans = image._copied, list[str]()

    def explained(connection: Any, query: str) -> Any:
        inner = query.removeprefix("COPY (").rpartition(") TO STDOUT")[0]
        result = connection.exec_(f"EXPLAIN {inner}".encode())
        plans.append(b"\n".join(result.get_value(n, 0) for n in range(result.ntuples)).decode())
        return copied(connection, query)

    monkeypatch.setattr(image, "_copied", explained)
    assert bulketl.verify(maria_lab.config()).equal
    assert plans
    assert all("Index Scan" in plan and "Sort" not in plan and "Gather" not in plan for plan in plans), plans[0]
