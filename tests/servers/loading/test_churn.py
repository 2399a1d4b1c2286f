"""Rows that come and go all the time while a table is loaded are no loss."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from faults import small_partitions
from lab import Lab

CHURN = """
BEGIN NOT ATOMIC
  DECLARE n INT DEFAULT 0;
  WHILE NOT EXISTS (SELECT 1 FROM stop) DO
    SET n = n + 1;
    INSERT IGNORE INTO t VALUES (n % 900 * 37 + 1, 'new');
    IF n % 3 THEN DELETE FROM t WHERE id = (n + 898) % 900 * 37 + 1; END IF;
  END WHILE;
END"""


@contextmanager
def churning(lab: Lab) -> Iterator[None]:
    """Let the server insert and delete rows between the others, as fast as it can."""
    lab.mysql("CREATE TABLE stop (id int PRIMARY KEY)")
    with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
        writer = threading.Thread(target=cursor.execute, args=(CHURN,))
        writer.start()
        try:
            yield
        finally:
            lab.mysql("INSERT INTO stop VALUES (1)")
            writer.join()


@pytest.mark.parametrize("size", [100_000, 300])
def test_a_table_that_is_written_to_without_pause_is_loaded(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A small one and one of several ranges; each row that stayed is there."""
    small_partitions(monkeypatch, size)
    monkeypatch.setattr("bulketl.mysql.gaps.MANY", 10)  # counted, not proved
    maria_lab.mysql(
        "CREATE TABLE t (id bigint unsigned PRIMARY KEY, word varchar(9))",
        "INSERT INTO t SELECT seq * 37, 'old' FROM seq_1_to_1500",
    )
    with churning(maria_lab):
        for _ in range(4):
            found = maria_lab.load(tables=["t"], unforeseen="rows come and go")
            assert found.summary.outcome == "done", found.summary.failed[0].message
    assert maria_lab.pg("SELECT count(*) FROM {s}.t WHERE word = 'old'") == [(1500,)]
