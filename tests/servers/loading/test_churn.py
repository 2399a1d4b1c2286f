"""Rows that come and go all the time while a table is loaded are no loss."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from faults import small_partitions
from lab import Lab


@contextmanager
def churning(lab: Lab, every: int) -> Iterator[None]:
    """Insert and delete rows between the others, as fast as the server takes it."""
    stop = threading.Event()

    def write() -> None:
        with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
            n = 0
            while not stop.is_set():
                n += 1
                key = n % 900 * every + 1
                cursor.execute(f"INSERT IGNORE INTO t VALUES ({key}, 'new')")
                if n % 3:
                    cursor.execute(f"DELETE FROM t WHERE id = {(n - 2) % 900 * every + 1}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("size", [100_000, 300])
def test_a_table_that_is_written_to_without_pause_is_loaded(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A small one and one of several ranges; each row that stayed is there."""
    small_partitions(monkeypatch, size)
    monkeypatch.setattr("bulketl.mysql.gaps.MOST", 10)  # counted, not proved
    maria_lab.mysql(
        "CREATE TABLE t (id bigint unsigned PRIMARY KEY, word varchar(9))",
        "INSERT INTO t SELECT seq * 37, 'old' FROM seq_1_to_1500",
    )
    with churning(maria_lab, 37):
        for _ in range(4):
            found = maria_lab.load(unforeseen="rows come and go")
            assert found.summary.outcome == "done", found.summary.failed[0].message
    assert maria_lab.pg("SELECT count(*) FROM {s}.t WHERE word = 'old'") == [(1500,)]
