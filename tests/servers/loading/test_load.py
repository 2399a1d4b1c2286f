"""A load as a whole: what comes out equals what is at the source, and the comparison itself notices when it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab

from bulketl.mysql import source


def test_a_loaded_table_equals_its_source_and_a_changed_cell_is_noticed(lab: Lab) -> None:
    """The yardstick of the other tests measures: equal tables have no differences, one changed cell or row has one."""
    lab.mysql("CREATE TABLE visits (id int PRIMARY KEY, fee decimal(10,2), seen datetime(3), note varchar(40), f float)")
    lab.mysql("CREATE TABLE items (a int, b varchar(9))")
    lab.insert("visits", [(n, f"{n}.50", f"2024-02-{n % 28 + 1:02} 10:00:00.120", f"é{n}", n / 3) for n in range(200)])
    lab.insert("items", [(1, "x"), (1, "x"), (2, None)])
    done = lab.load()
    assert done.summary.outcome == "done"
    assert lab.differences("visits") == []
    assert lab.differences("items") == []
    lab.pg("UPDATE {s}.visits SET fee = fee + 0.01 WHERE id = 7; DELETE FROM {s}.visits WHERE id = 9;"
           "INSERT INTO {s}.items VALUES (1, 'x')")  # fmt: skip
    assert (
        lab.differences("visits")
        == [
            "visits.fee: id='7': '7.50' in the source, '7.51' in the target",
            "visits: id='9': 0 times in the target",
        ]
        or len(lab.differences("visits")) == 2
    )
    assert lab.differences("items") == ["items: 2 times in the source and 3 in the target: ('1', 'x')"]


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_a_large_table_is_loaded_whole_and_exact(maria_lab: Lab, engine: str) -> None:
    """Six hundred thousand rows arrive, cut by the real limits, and each of them is equal."""
    maria_lab.mysql(
        f"CREATE TABLE big (id int PRIMARY KEY, day date, fee decimal(12,4), name varchar(60), at datetime) ENGINE={engine}",
        "INSERT INTO big SELECT seq, DATE '2000-01-01' + INTERVAL seq % 9000 DAY, seq / 7, REPEAT(CHAR(97 + seq % 26), 50),"
        " '2020-02-29 12:00:00' FROM seq_1_to_600000",
    )
    done = maria_lab.load()
    assert done.parts("big") > 1
    assert maria_lab.differences("big") == []


@pytest.mark.parametrize(("cap", "most"), [(None, 3), (1, 1)])
def test_no_more_steps_read_at_once_than_the_source_may_have_connections(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, cap: int | None, most: int
) -> None:
    """Whatever the workers; each read has one connection."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_1000")
    guard, reading, seen, read = threading.Lock(), [0], [0], source.MySQLSource.read

    def counted(source: source.MySQLSource, *step: Any) -> Iterator[Any]:
        with guard:
            reading[0] += 1
            seen[0] = max(seen[0], reading[0])
        time.sleep(0.05)
        yield from read(source, *step)
        with guard:
            reading[0] -= 1

    monkeypatch.setattr(source.MySQLSource, "read", counted)
    assert maria_lab.load(source_connections=cap).summary.outcome == "done"
    assert seen[0] == most
