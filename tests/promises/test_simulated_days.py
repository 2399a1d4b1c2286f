"""Simulated days: a source that lives, one load a day, and every evening the target has what the source has, row by row."""

from __future__ import annotations

import datetime as dt
import functools
import random
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from faults import small_partitions, use
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lab import Lab
from nights import a_day_later

from bulketl.errors import TargetError

START = dt.datetime(2024, 3, 1)
MIRROR = {"policy": "mirror", "every": "1d", "guard": "100%"}
RULES: dict[str, dict[str, Any]] = {
    "indexed": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": MIRROR},
    "plain": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": MIRROR},
    "chunked": {"extraction_strategy": "chunked_incremental", "incremental_column": "at", "deletes": MIRROR},
    "application": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": MIRROR, "lookback": "1h"},
    "appended": {"extraction_strategy": "incremental", "incremental_column": "id", "deletes": MIRROR, "lookback": 50},
    "listed": {"extraction_strategy": "full_table", "deletes": {"guard": "100%"}},
}
KINDS = {
    "indexed": "id int PRIMARY KEY, c varchar(20), n smallint, at timestamp(3) NULL, KEY (at)",
    "plain": "id bigint unsigned, b varchar(10), c varchar(20), n smallint, at datetime, PRIMARY KEY (id, b)",
    "chunked": "id int PRIMARY KEY, c varchar(20), n smallint, at datetime(6), KEY (at)",
    "application": "id varchar(12) PRIMARY KEY, c varchar(20), n smallint, at datetime, KEY (at)",
    "appended": "id bigint PRIMARY KEY, c varchar(20), n smallint, at datetime",
    "listed": "id int PRIMARY KEY, c varchar(20), n smallint, at datetime",
}


class Clinic:
    """A source database that changes at random, reproducibly."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab, self.random, self.next = lab, random.Random(seed), dict.fromkeys(KINDS, 1)
        lab.mysql(*(f"CREATE TABLE {table} ({columns})" for table, columns in KINDS.items()))
        self.late: list[tuple[str, int, dt.datetime]] = []

    def insert(self, table: str, count: int, stamps: list[dt.datetime]) -> None:
        """Insert rows with stamps drawn from those given; some rows have none, or a sentinel."""
        rows = []
        for _ in range(count):
            number, self.next[table] = self.next[table], self.next[table] + self.random.choice((1, 1, 1, 7))
            stamp: object = self.random.choice(stamps)
            if self.random.random() < 0.05:
                stamp = None if table == "indexed" else self.random.choice((None, "0001-01-01", "0000-00-00"))
            key = (f"k{number}",) if table == "application" else (number, "b") if table == "plain" else (number,)
            rows.append((*key, f"c{self.random.randrange(100)}", self.random.randrange(-100, 100), stamp))
        with closing(self.lab.server.connect(self.lab.database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
            marks = ", ".join(["%s"] * len(rows[0]))
            names = "id, b, c, n, at" if table == "plain" else "id, c, n, at"
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)

    def day(self, number: int) -> None:
        """Let a day pass."""
        morning = START + dt.timedelta(days=number)
        rolled = self.random.random
        for table in KINDS:
            tie = morning + dt.timedelta(hours=self.random.randrange(24))
            stamps = [morning + dt.timedelta(seconds=self.random.randrange(86400)) for _ in range(5)] + [tie] * 3
            self.insert(table, self.random.randrange(5, 40), stamps)
            share, other = self.random.randrange(3, 15), self.random.randrange(100)
            stamp = f"'{tie}'" if rolled() < 0.5 else f"'{morning}' + INTERVAL FLOOR(RAND({number}) * 86399) SECOND"
            some = f"CRC32(CONCAT(id, {number}, '{table}')) % 100"
            self.lab.mysql(
                f"UPDATE {table} SET c = 'stamped', n = {other}, at = {stamp} WHERE {some} < {share}",
                f"UPDATE {table} SET c = 'unstamped' WHERE {some} BETWEEN 50 AND 53",
                f"DELETE FROM {table} WHERE {some} BETWEEN 90 AND 92",
                mode="",
            )
            # Committed after the load of the day before, with a stamp from before it.
            if number and rolled() < 0.7:
                self.insert(table, 3, [morning - dt.timedelta(minutes=self.random.randrange(30, 110))])
        if number == 6:  # a mass update in one second
            self.lab.mysql(*(f"UPDATE {table} SET c = 'mass', at = '{morning}' WHERE n % 8 = 0" for table in KINDS))

    def altered(self, number: int) -> None:
        """Change columns on some days."""
        tables = self.random.sample(list(KINDS), 3)
        if number in (3, 7):
            self.lab.mysql(*(f"ALTER TABLE {t} ADD extra{number} varchar(9) DEFAULT 'd{number}'" for t in tables), mode="")
        if number in (2, 5):
            kind = "int" if number == 2 else "bigint"
            self.lab.mysql(*(f"ALTER TABLE {table} MODIFY n {kind}" for table in KINDS), mode="")
            self.lab.mysql(*(f"UPDATE {table} SET n = 100000 * {number} WHERE n % 9 = 0" for table in KINDS), mode="")


@pytest.mark.parametrize("seed", [1, 2])
def test_every_day_ends_with_source_and_target_equal(lab: Lab, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Ten days of six tables: inserts, stamped and unstamped updates, ties, late commits, deletes, altered columns."""
    clinic = Clinic(lab, seed)
    small_partitions(monkeypatch, 25)
    ways = set()
    for number in range(10):
        clinic.day(number)
        clinic.altered(number)
        a_day_later(lab) if number else None
        done = lab.load(rules=RULES)
        assert done.summary.outcome == "done", [(table.table, table.message) for table in done.summary.failed]
        assert {table: lab.differences(table) for table in KINDS} == {table: [] for table in KINDS}, (seed, number)
        ways |= {(load.spec.table, load.spec.publish, load.spec.whole) for load in done.plan.loads}
    merged = {table for table, publish, whole in ways if publish == "merge" and not whole}
    assert merged == set(KINDS) - {"listed"}


CHANGES = {
    "stamped": "UPDATE {t} SET c = 'stamped', at = '{now}' WHERE id % 3 = {n} % 3",
    "unstamped": "UPDATE {t} SET c = 'unstamped {n}' WHERE id % 4 = {n} % 4",
    "deleted": "DELETE FROM {t} WHERE id % 5 = {n} % 5",
    "inserted": "INSERT IGNORE INTO {t} SELECT seq + {n} * 7, 'new', '{now}' FROM seq_1_to_9",
    "late": "INSERT IGNORE INTO {t} SELECT seq + 1000 + {n} * 5, 'late', '{now}' - INTERVAL 90 MINUTE FROM seq_1_to_4",
    "null": "UPDATE {t} SET c = 'null', at = NULL WHERE id % 11 = {n} % 11",
    "back": "UPDATE {t} SET c = 'back', at = '2023-01-01' WHERE id % 7 = {n} % 7",
    "future": "UPDATE {t} SET c = 'future', at = '2199-01-01' WHERE id % 13 = {n} % 13",
    "moved": "UPDATE {t} SET id = id + 5000 WHERE id = {n}",
    "emptied": "DELETE FROM {t}",
}
# At the so-manieth moment of a load, of whatever step: a step fails, that and all after it, or the source is changed.
FAULTS = st.tuples(
    st.integers(1, 9), st.one_of(st.just("fails"), st.just("all fail from there"), st.sampled_from(sorted(CHANGES)))
)
ACTIONS = st.one_of(st.sampled_from(sorted(CHANGES)), st.just("load"), FAULTS)
TABLES = {
    "direct": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": MIRROR},
    "chunks": {"extraction_strategy": "chunked_incremental", "incremental_column": "at", "deletes": MIRROR},
    "listed": {"extraction_strategy": "full_table", "deletes": {"guard": "100%"}},
}


class Meanwhile:
    """A fault at the `number`-th moment of a load; `acted` tells at which it was, "" if there were not so many."""

    def __init__(self, number: int, what: str, change: Callable[[], None]) -> None:
        self.left, self.what, self.change, self.acted = number, what, change, ""
        self.lock = threading.Lock()

    def __call__(self, step: str, moment: str) -> None:
        with self.lock:
            self.left -= 1
            if self.left == 0:
                self.acted = f"{moment} {step}"
            now, later = self.left == 0, self.left < 0
        if (now and self.what == "fails") or ((now or later) and self.what == "all fail from there"):
            raise TargetError("the disk is full")
        if now:
            self.change()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    actions=st.lists(ACTIONS, min_size=1, max_size=7),
    size=st.sampled_from([4, 1000]),
    engine=st.sampled_from(["InnoDB", "MyISAM"]),
)
def test_any_changes_and_interrupted_loads_and_then_one_clean_load_give_equality(
    maria_lab: Lab, actions: list[str | tuple[int, str]], size: int, engine: str
) -> None:
    """Whatever step a load was ended at, and whatever changed while it ran: the next one that is let be makes all equal."""
    lab = maria_lab
    lab.mysql(
        *(f"DROP TABLE IF EXISTS {table}" for table in TABLES),
        *(
            f"CREATE TABLE {t} (id int PRIMARY KEY, c varchar(30), at datetime NULL, KEY (at)) ENGINE={engine}"
            for t in TABLES
        ),
        *(f"INSERT INTO {table} SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_12" for table in TABLES),
    )
    lab.pg("; ".join(f"DROP TABLE IF EXISTS {{s}}.{table}" for table in TABLES))

    def change(n: int, which: str) -> None:
        now = dt.datetime(2024, 2, 1) + dt.timedelta(hours=n)
        lab.mysql(*(CHANGES[which].format(t=table, n=n, now=now) for table in TABLES))

    def due() -> None:
        if lab.pg("SELECT to_regclass('bulketl.state')") != [(None,)]:
            a_day_later(lab)

    with pytest.MonkeyPatch.context() as patch:
        small_partitions(patch, size)
        for n, action in enumerate(actions):
            if action == "load":
                assert lab.load(rules=TABLES).summary.outcome == "done"
            elif isinstance(action, str):
                change(n, action)
            else:
                number, what = action
                fault = Meanwhile(number, what, functools.partial(change, n, what))
                with pytest.MonkeyPatch.context() as interrupted:
                    use(interrupted, fault)
                    due()
                    done = lab.load(rules=TABLES, unforeseen="the fault is planted")
                if what == "all fail from there":  # a group that failed once is loaded table by table
                    assert (done.summary.outcome == "done") == (not fault.acted)
                event(f"{what if what not in CHANGES else 'a change'} {fault.acted or 'never'}")
        due()
        done = lab.load(rules=TABLES)
    assert done.summary.outcome == "done", [(table.table, table.message) for table in done.summary.failed]
    assert {table: lab.differences(table) for table in TABLES} == {table: [] for table in TABLES}
    assert lab.staged() == []
