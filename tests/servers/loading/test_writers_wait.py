"""Tables that a reader locks are read in slices: writers get in between, and every row is there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from faults import no_pauses, small_partitions
from lab import Done, Lab

import bulketl
from bulketl.errors import TargetError
from bulketl.mysql import read, slices
from bulketl.mysql.server import MySQL
from bulketl.postgres.target import PostgresTarget
from bulketl.tables.slices import WHOLE_ROWS
from bulketl.tables.spec import TableSpec

ROWS = 60_000
PER_SECOND = 20_000  # by the clock of these tests, so that a slice has a thousand rows
COLUMNS = """id int, PRIMARY KEY (id) USING BTREE, amount decimal(12,2) NOT NULL, day date, name varchar(60), at datetime(3),
    note varchar(200), KEY (day)"""

# It ends itself at the thirtieth statement that reads rows.
KILLED = f"""
import itertools, os, signal
import bulketl.tables.partitions
from bulketl.cli.app import main
from bulketl.mysql import read, slices
arrow, calls = read._arrow, itertools.count(1)
def counted(*args):
    if next(calls) == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return arrow(*args)
read._arrow, slices.FIRST_ROWS, slices.MOST_ROWS = counted, 1000, 1000
bulketl.tables.partitions.MOST_ROWS = {ROWS // 8}
main()
"""


def fill(lab: Lab, engine: str, rows: int = ROWS, step: int = 1) -> None:
    """Make a table whose rows are in no order; of some columns a fifth of the values is NULL, between keys are gaps."""
    lab.mysql(
        f"CREATE OR REPLACE TABLE big ({COLUMNS}) ENGINE={engine}",
        f"INSERT INTO big SELECT seq * {step}, seq / 7, IF(seq % 5, DATE '2000-01-01' + INTERVAL seq % 9000 DAY, NULL),"
        f" IF(seq % 5 = 1, NULL, CONCAT('é ', seq)), '2020-02-29 12:00:00.125' + INTERVAL seq SECOND, REPEAT('n', seq % 90)"
        f" FROM seq_1_to_{rows} ORDER BY seq % 101, seq",
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A clock by which rows take their time, and each statement that reads rows, with how many it gave."""
    now, seen, arrow = [0.0], list[tuple[str, int]](), read._arrow

    def timed(source: MySQL, spec: TableSpec, query: str, before: list[str]) -> pa.Table:
        rows = arrow(source, spec, query, before)
        seen.append((query, rows.num_rows))
        now[0] += 0.01 + rows.num_rows / PER_SECOND
        return rows

    monkeypatch.setattr(read, "_arrow", timed)
    monkeypatch.setattr(slices, "clock", lambda: now[0])
    return seen


@pytest.fixture
def log(maria_lab: Lab) -> Iterator[list[str]]:
    """What the server is asked about the table, as it notes it; to be looked at when the test has ended its loads."""
    found: list[str] = []
    maria_lab.server.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
    maria_lab.server.execute("TRUNCATE mysql.general_log")
    yield found
    maria_lab.server.execute("SET GLOBAL general_log = 0, GLOBAL log_output = 'FILE'")


def noted(lab: Lab) -> list[str]:
    """Return the statements on the table so far."""
    rows = lab.server.execute(
        "SELECT argument FROM mysql.general_log WHERE command_type IN ('Query', 'Execute')"
        " AND argument LIKE '%%FROM `big`%%' AND argument NOT LIKE '%%general_log%%'"
    )
    return [text.decode() if isinstance(text, bytes) else str(text) for (text,) in rows]


def handed_out(lab: Lab) -> int:
    """Return how many rows the engines of the server have handed out so far."""
    rows = lab.server.execute("SHOW GLOBAL STATUS LIKE 'Handler_read%%'")
    return sum(int(value) for name, value in rows if not name.endswith(("deleted", "retry")))


def done(lab: Lab, **overrides: Any) -> Done:
    found = lab.load(**overrides)
    assert found.summary.outcome == "done", [table.message for table in found.summary.failed]
    return found


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "Aria TRANSACTIONAL=0", "MEMORY"])
@pytest.mark.parametrize(("ranges", "step"), [(1, 1), (6, 1), (6, 100)])
def test_no_statement_of_a_load_reads_more_rows_than_the_clock_allows(
    maria_lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    clock: list[tuple[str, int]],
    log: list[str],
    engine: str,
    ranges: int,
    step: int,
) -> None:
    """Once it has learnt how fast rows come; whether they are one range or several. Every cell is equal.

    Nor does the server read many more rows than there are; where the key has large gaps, each entry of its index once more.
    """
    if ranges > 1:
        small_partitions(monkeypatch, ROWS // ranges)
    if engine == "MEMORY":
        maria_lab.server.execute("SET GLOBAL max_heap_table_size = 268435456")
    fill(maria_lab, engine, step=step)
    before = handed_out(maria_lab)
    found = done(maria_lab)
    read_rows = handed_out(maria_lab) - before
    log += noted(maria_lab)
    assert found.parts("big") >= ranges
    assert found.summary.tables["big"].consistency == "best effort"
    rows = [rows for _, rows in clock]
    assert sum(rows) == ROWS
    assert all(rows <= 1200 for rows in rows[6:])
    reading = [query for query in log if "`amount`" in query or "`note`" in query]
    assert len(reading) >= len(rows)
    assert all(re.search(r"LIMIT \d+ /\*", query) for query in reading)
    assert read_rows < (1.3 if step == 1 else 2.3) * ROWS
    assert maria_lab.differences("big") == []


def test_between_two_slices_whoever_writes_has_the_table(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, clock: list[tuple[str, int]]
) -> None:
    """With three workers too: nobody reads it while the next slice has not begun."""
    small_partitions(monkeypatch, ROWS // 8)
    fill(maria_lab, "MyISAM")
    arrow, written = read._arrow, [0]

    def after_a_writer(*args: Any) -> pa.Table:
        maria_lab.mysql("SET lock_wait_timeout = 1", "LOCK TABLES big WRITE", "UPDATE big SET amount = 5 WHERE id = 3")
        written[0] += 1
        return arrow(*args)

    monkeypatch.setattr(read, "_arrow", after_a_writer)
    done(maria_lab, workers=3)
    assert written[0] > 40


@pytest.mark.parametrize(("rule", "rows", "label", "statements"), [
    ({"consistency": "locked"}, ROWS, "locked", 1),
    ({"consistency": "snapshot"}, ROWS, "locked", 1),
    ({"consistency": "re-read"}, ROWS, "locked", 1),
    ({}, WHOLE_ROWS, "locked", 1),
    ({}, WHOLE_ROWS + 1, "best effort", 3),
])  # fmt: skip
def test_rows_of_one_moment_are_read_by_one_statement_where_they_are_asked_for(
    maria_lab: Lab, clock: list[tuple[str, int]], rule: dict[str, str], rows: int, label: str, statements: int
) -> None:
    """Or where they are so few that nobody waits long."""
    fill(maria_lab, "MyISAM", rows)
    found = done(maria_lab, rules={"big": rule})
    assert found.summary.tables["big"].consistency == label
    assert (len(clock) == 1) if statements == 1 else (len(clock) >= statements)
    assert maria_lab.differences("big") == []


def test_a_large_table_that_is_read_again_is_read_in_slices(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, clock: list[tuple[str, int]]
) -> None:
    """Under a lock for the whole time it is not: whoever writes waits all the same."""
    small_partitions(monkeypatch, ROWS // 6)
    fill(maria_lab, "MyISAM")
    assert done(maria_lab, rules={"big": {"consistency": "re-read"}}).summary.tables["big"].consistency == "re-read"
    assert len(clock) > 40
    clock.clear()
    found = done(maria_lab, rules={"big": {"consistency": "locked"}})
    assert len(clock) == found.parts("big")
    assert maria_lab.differences("big") == []


def test_a_load_that_is_killed_amid_slices_goes_on_with_what_is_left(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, clock: list[tuple[str, int]]
) -> None:
    """The ranges that are on record are not read again."""
    small_partitions(monkeypatch, ROWS // 8)
    fill(maria_lab, "MyISAM")
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environ = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}
    command = [sys.executable, "-c", KILLED, "load", "--workers", "2"]
    killed = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert bulketl.resume(maria_lab.config()).outcome == "done"
    assert 0 < sum(rows for _, rows in clock) < ROWS
    assert maria_lab.differences("big") == []


def test_a_step_that_is_tried_again_reads_its_slices_anew(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, clock: list[tuple[str, int]]
) -> None:
    small_partitions(monkeypatch, ROWS // 4)
    no_pauses(monkeypatch)
    fill(maria_lab, "MyISAM")
    load, failed = PostgresTarget.load, list[str]()

    def once(target: Any, spec: Any, partition: Any, batches: Any, counted: Any) -> Any:
        result = load(target, spec, partition, batches, counted)
        if partition.index == 2 and not failed:
            failed.append("here")
            raise TargetError("the line was lost", transient=True)
        return result

    monkeypatch.setattr(PostgresTarget, "load", once)
    done(maria_lab)
    assert failed
    assert maria_lab.differences("big") == []


@pytest.mark.parametrize(("key", "engine", "told"), [
    ("int PRIMARY KEY", "MyISAM", "all of id, a slice of some 50 ms at a time, so that writers get in between"),
    ("int PRIMARY KEY", "InnoDB", "one read"),
    ("int", "MyISAM", "one read, which writers wait for: no unique key to cut it by is one integer column"),
    ("varchar(20) PRIMARY KEY", "MyISAM", "which writers wait for: no unique key to cut it by is one integer column"),
])  # fmt: skip
def test_the_plan_says_who_waits_for_a_table_and_why(maria_lab: Lab, key: str, engine: str, told: str) -> None:
    maria_lab.mysql(f"CREATE TABLE t (id {key}, n int) ENGINE={engine}", "INSERT INTO t SELECT seq, 1 FROM seq_1_to_11000")
    (load,) = bulketl.make_plan(maria_lab.config()).loads
    assert load.reason.startswith("full load: ")
    assert f"{told};" in load.reason
    assert (load.source_lock == "") == ("writers wait" not in told)
    done(maria_lab)
    assert maria_lab.differences("t") == []


@pytest.mark.parametrize(("key", "told"), [
    ("int PRIMARY KEY", "ranges of id, a slice of some 50 ms at a time, so that writers get in between"),
    ("varchar(20) PRIMARY KEY", "ranges of id, and writers wait for each: it is not one integer column of a unique key"),
])  # fmt: skip
def test_the_plan_says_who_waits_for_ranges(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, key: str, told: str) -> None:
    small_partitions(monkeypatch, 1000)
    maria_lab.mysql(f"CREATE TABLE t (id {key}, n int) ENGINE=MyISAM", "INSERT INTO t SELECT seq, 1 FROM seq_1_to_9000")
    (load,) = bulketl.make_plan(maria_lab.config()).loads
    assert told in load.reason
    done(maria_lab)
    assert maria_lab.differences("t") == []


@pytest.mark.parametrize(("kind", "first"), [
    ("bigint unsigned", "18446744073709551615"), ("bigint", "9223372036854775807"), ("bigint", "-9223372036854775808"),
    ("int unsigned", "4294967295"), ("smallint unsigned", "65535"), ("mediumint", "-8388608"), ("int(9) zerofill", "0"),
])  # fmt: skip
def test_keys_at_the_ends_of_their_types_are_read_once(
    maria_lab: Lab, clock: list[tuple[str, int]], kind: str, first: str
) -> None:
    """The greatest has no successor in its own type."""
    maria_lab.mysql(
        f"CREATE TABLE t (id {kind} PRIMARY KEY, n int) ENGINE=MyISAM", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        f"INSERT INTO t VALUES ({first}, 7)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_11000",
    )  # fmt: skip
    done(maria_lab)
    assert len(clock) > 3
    assert maria_lab.differences("t") == []


def test_rows_whose_key_is_null_are_read_too(maria_lab: Lab, clock: list[tuple[str, int]]) -> None:
    maria_lab.mysql("CREATE TABLE t (id int UNIQUE, n int) ENGINE=MyISAM",
                    "INSERT INTO t SELECT IF(seq % 4, seq, NULL), seq FROM seq_1_to_19000")  # fmt: skip
    done(maria_lab)
    assert len(clock) > 3
    assert maria_lab.differences("t") == []


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "InnoDB"])
def test_no_query_locks_two_tables_whose_rows_it_looks_at_for_long(maria_lab: Lab, log: list[str], engine: str) -> None:
    """Neither the one that looks for long values, nor the one that proves by a hash that nothing has changed."""
    for name in ("one", "other"):
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, note mediumtext) ENGINE={engine}",
                        f"INSERT INTO {name} SELECT seq, REPEAT('x', 300) FROM seq_1_to_11000")  # fmt: skip
    for _ in range(2):
        done(maria_lab)
    rows = maria_lab.server.execute(
        "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute')"
    )
    both = [text for (text,) in rows if "`one`" in text and "`other`" in text]
    assert bool(both) == (engine == "InnoDB"), both
    assert maria_lab.differences("one") == maria_lab.differences("other") == []
