"""Tables in several ranges, read while others move money between their rows: what the label says is so."""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from faults import no_pauses, small_partitions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Done, Lab, configure, load

import bulketl
from bulketl.errors import SourceError
from bulketl.loading.engine import SIGN_SECONDS
from bulketl.loading.events import Event, SourceLocked, StepRetried, TablePublished
from bulketl.mysql import locks, source

ROWS, AMOUNT = 40_000, 100
TOTAL = ROWS * AMOUNT


@pytest.fixture
def accounts(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Accounts in sixteen ranges."""
    small_partitions(monkeypatch, ROWS // 16)
    make(maria_lab, "InnoDB")
    return maria_lab


@pytest.fixture
def wanders(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table in four ranges and buckets, with one row of text, which may wander, and one that may be rejected."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql(
        "CREATE OR REPLACE TABLE wanderer (id int PRIMARY KEY, v varchar(9) NOT NULL)",
        f"INSERT INTO wanderer SELECT seq, IF(seq = 3, 'w', '1') FROM seq_3_to_{ROWS - 1}_step_100",
        "INSERT INTO wanderer VALUES (7, '1')",
    )
    return maria_lab


def make(lab: Lab, engine: str) -> None:
    lab.mysql(
        f"CREATE OR REPLACE TABLE account (id int PRIMARY KEY, amount int NOT NULL) ENGINE={engine}",
        f"INSERT INTO account SELECT seq, {AMOUNT} FROM seq_1_to_{ROWS}",
    )


@contextlib.contextmanager
def movers(lab: Lab, *, pause: float = 0.0, atomic: bool = True) -> Iterator[list[int]]:
    """Move money between rows of different ranges, in one transaction or one statement each, until the block ends."""
    ends, moved = threading.Event(), [0]
    dice = random.Random(7)

    def move() -> None:
        with contextlib.closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
            while not ends.is_set():
                one, other = dice.randint(1, ROWS // 4), dice.randint(3 * ROWS // 4, ROWS)
                if atomic:
                    connection.begin()
                    cursor.execute("UPDATE account SET amount = amount - 1 WHERE id = %s", (one,))
                    cursor.execute("UPDATE account SET amount = amount + 1 WHERE id = %s", (other,))
                    connection.commit()
                else:
                    cursor.execute("UPDATE account SET amount = amount + IF(id = %s, -1, 1) WHERE id IN (%s, %s)",
                                   (one, one, other))  # fmt: skip
                moved[0] += 1
                ends.wait(pause)

    threads = [threading.Thread(target=move) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield moved
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def loaded(lab: Lab, asked: str | None, **overrides: Any) -> Done:
    rules = {"account": {"consistency": asked}} if asked else {}
    return load(lab.config(rules=rules, **overrides))


def label(done: Done) -> str:
    (event,) = [event for event in done.events if isinstance(event, TablePublished)]
    assert event.consistency == done.summary.tables["account"].consistency
    return event.consistency


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("asked", ["snapshot", "locked"])
def test_the_sum_is_exact_while_money_is_moved(accounts: Lab, asked: str, workers: int) -> None:
    """By one snapshot for all readers, or by a lock for as long as they read; ranges are more than one."""
    with movers(accounts) as moved:
        for _ in range(3):
            before = moved[0]
            done = loaded(accounts, asked, workers=workers)
            assert done.summary.outcome == "done", done.summary.failed
            assert label(done) == asked
            assert done.parts("account") == (min(workers, 4) if asked == "snapshot" else 16)
            assert accounts.pg("SELECT count(*), sum(amount) FROM {s}.account") == [(ROWS, TOTAL)]
            assert moved[0] > before
    locks = [event for event in done.events if isinstance(event, SourceLocked)]
    assert len(locks) == (0 if asked == "snapshot" and workers == 1 else 1)
    # Some 20 ms, and what the machine adds: longer than that it is let go of, and an error.
    assert asked == "locked" or all(event.seconds < SIGN_SECONDS + 1 for event in locks)
    assert [event for event in done.events if isinstance(event, StepRetried)] == []


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM", "Aria"])
def test_rows_are_read_again_until_all_are_of_one_moment(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """Without a lock, and on engines without transactions; here the writers rest when the load has read all ranges once."""
    small_partitions(monkeypatch, ROWS // 16)
    make(maria_lab, engine)
    settle, rest, rounds = source.MySQLSource.digests, threading.Event(), [0]

    def digests(*args: Any) -> Any:
        rounds[0] += 1
        if rounds[0] == 2:
            rest.set()
        return settle(*args)

    monkeypatch.setattr(source.MySQLSource, "digests", digests)
    with contextlib.ExitStack() as stack:
        moving = stack.enter_context(movers(maria_lab, atomic=False, pause=0.001))

        def end() -> None:
            rest.wait(60)
            stack.close()

        waiting = threading.Thread(target=end)
        waiting.start()
        done = loaded(maria_lab, "re-read")
        waiting.join()
    assert done.summary.outcome == "done", done.summary.failed
    assert moving[0] > 0
    assert rounds[0] >= 2
    assert label(done) == "re-read"
    assert maria_lab.pg("SELECT count(*), sum(amount) FROM {s}.account") == [(ROWS, TOTAL)]
    assert maria_lab.differences("account") == []


def test_rows_that_come_and_go_while_it_is_read_are_settled_too(accounts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inserted, deleted and moved to another key before the first comparison; the records agree with the rows."""
    digests, done_once = source.MySQLSource.digests, [False]

    def changed(*args: Any) -> Any:
        if not done_once[0]:
            done_once[0] = True
            accounts.mysql("DELETE FROM account WHERE id <= 10", f"INSERT INTO account VALUES ({ROWS + 5}, 1)",
                           "UPDATE account SET amount = 0 WHERE id = 777")  # fmt: skip
        return digests(*args)

    monkeypatch.setattr(source.MySQLSource, "digests", changed)
    done = loaded(accounts, "re-read")
    assert done.summary.outcome == "done", done.summary.failed
    assert accounts.differences("account") == []
    assert accounts.pg("SELECT sum(rows) FROM bulketl.partition WHERE schema_name = '{s}'") == [(ROWS - 9,)]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), max_size=10), st.booleans())
def test_a_row_that_moves_between_any_two_statements_is_there_once(wanders: Lab, moves: list[bool], spoilt: bool) -> None:
    """Each statement may find it under either key, and another row rejected or fit; what changes too fast is refused."""
    far, fit = iter(moves), itertools.cycle([not spoilt, True])

    def moved(really: Callable[..., Any], *args: Any) -> Any:
        if (there := next(far, None)) is not None:
            wanders.mysql(f"UPDATE wanderer SET id = {ROWS if there else 3} WHERE v = 'w'")
            wanders.mysql(f"UPDATE wanderer SET v = {'1' if next(fit) else 'CHAR(0, 49)'} WHERE id = 7")
        return really(*args)

    with pytest.MonkeyPatch.context() as patch:
        no_pauses(patch)
        for name in ("read", "digests", "rows"):
            patch.setattr(
                source.MySQLSource, name, functools.partialmethod(_hooked, moved, getattr(source.MySQLSource, name))
            )
        rule = {"consistency": "re-read", "max_rejects": 1, "deletes": {"guard": "100%"}}
        done = load(wanders.config(rules={"wanderer": rule}, workers=1, nul_bytes="reject"))
    if done.summary.failed:
        assert "faster than they can be read" in done.summary.failed[0].message
        return
    rejected = wanders.mysql("SELECT id FROM wanderer WHERE v LIKE CONCAT('%', CHAR(0), '%')")
    owed = {row for row in wanders.mysql("SELECT id, v FROM wanderer") if row[:1] not in rejected}
    assert set(wanders.pg("SELECT id, v FROM {s}.wanderer")) == owed


def _hooked(self: Any, moved: Callable[..., Any], really: Callable[..., Any], *args: Any) -> Any:
    return moved(really, self, *args)


def test_a_table_that_changes_faster_than_it_can_be_read_again_is_not_published(
    accounts: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as it was before, and the message says what to do."""
    no_pauses(monkeypatch)
    loaded(accounts, None)
    digests = source.MySQLSource.digests

    def changed(*args: Any) -> Any:
        accounts.mysql("UPDATE account SET amount = amount + 1 WHERE id = 5")
        return digests(*args)

    monkeypatch.setattr(source.MySQLSource, "digests", changed)
    done = loaded(accounts, "re-read")
    (failed,) = done.summary.failed
    assert "faster than they can be read" in failed.message
    assert accounts.pg("SELECT amount FROM {s}.account WHERE id = 5") == [(AMOUNT,)]


@pytest.mark.parametrize(
    ("engine", "rows", "expected"),
    [("InnoDB", 10, "snapshot"), ("MyISAM", 10, "locked"), ("InnoDB", ROWS, "best effort"), ("MyISAM", ROWS, "best effort")],
)
def test_without_being_asked_the_label_says_what_is_so(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str, rows: int, expected: str
) -> None:
    """One statement is of one moment; several are not. The ledger keeps the label."""
    small_partitions(monkeypatch, ROWS // 16)
    make(maria_lab, engine)
    maria_lab.mysql(f"DELETE FROM account WHERE id > {rows}")
    assert label(loaded(maria_lab, None)) == expected
    assert maria_lab.pg("SELECT consistency FROM bulketl.table_load WHERE schema_name = '{s}'") == [(expected,)]


@pytest.mark.parametrize(
    ("engine", "rule", "told"),
    [
        ("MyISAM", {"consistency": "snapshot"}, "engine MyISAM has no snapshots"),
        (
            "InnoDB",
            {"consistency": "re-read", "extraction_strategy": "incremental", "incremental_column": "id"},
            "only its changes",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_in_the_plan(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str, rule: dict[str, Any], told: str
) -> None:
    """With what can be asked for instead."""
    small_partitions(monkeypatch, ROWS // 16)
    make(maria_lab, engine)
    if "incremental_column" in rule:
        load(maria_lab.config(rules={"account": {**rule, "consistency": None}}))
        maria_lab.mysql(f"INSERT INTO account SELECT seq, 1 FROM seq_{ROWS + 1}_to_{2 * ROWS}")
    (refused,) = bulketl.make_plan(maria_lab.config(rules={"account": rule})).refused
    assert told in refused.message
    assert "consistency" in refused.hint


def test_without_the_right_to_lock_the_message_names_the_grant(accounts: Lab) -> None:
    """SELECT alone is enough for re-read."""
    accounts.server.execute("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'r'")
    accounts.server.execute(f"GRANT SELECT ON {accounts.database}.* TO reader@'%'")
    source = accounts.server.database(accounts.database, "reader", "r")

    def asking(asked: str) -> Done:
        rules = {"account": {"consistency": asked}}
        return load(configure(source, accounts.target, accounts.schema, rules=rules, timestamp_zone="+00:00"))

    for asked in ("snapshot", "locked"):
        (failed,) = asking(asked).summary.failed
        assert "may not lock it" in failed.message
        assert f"GRANT LOCK TABLES ON `{accounts.database}`.*" in failed.hint
    assert asking("re-read").summary.outcome == "done"


def test_a_writer_that_does_not_end_makes_the_lock_a_passing_failure(accounts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again; meanwhile nothing is held."""
    no_pauses(monkeypatch)
    monkeypatch.setattr("bulketl.mysql.locks.WAIT_SECONDS", 1)
    with contextlib.closing(accounts.server.connect(accounts.database)) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute("UPDATE account SET amount = amount WHERE id = 1")
        events: list[Event] = []

        def released(event: Event) -> None:
            events.append(event)
            if isinstance(event, StepRetried):
                connection.commit()

        config = accounts.config(rules={"account": {"consistency": "snapshot"}})
        summary = bulketl.load(config, bulketl.make_plan(config), [released])
    assert summary.outcome == "done", summary.failed
    assert any("Lock wait timeout" in event.message for event in events if isinstance(event, StepRetried))
    assert accounts.pg("SELECT sum(amount) FROM {s}.account") == [(TOTAL,)]


def test_a_reader_that_fails_under_the_snapshot_has_all_ranges_read_again(
    accounts: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others have read is of another moment."""
    no_pauses(monkeypatch)
    read, failed = source.MySQLSource.read, [0]

    def faulty(source: source.MySQLSource, spec: Any, partition: Any, sign: str = "") -> Any:
        if partition.index == 1 and failed[0] < 2:
            failed[0] += 1
            raise SourceError("lost", transient=True)
        return read(source, spec, partition, sign)

    monkeypatch.setattr(source.MySQLSource, "read", faulty)
    with movers(accounts):
        done = loaded(accounts, "snapshot", workers=3)
    assert done.summary.outcome == "done", done.summary.failed
    assert failed[0] == 2
    assert accounts.pg("SELECT count(*), sum(amount) FROM {s}.account") == [(ROWS, TOTAL)]


def test_a_lock_that_is_lost_while_it_is_read_fails_the_table(accounts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody killed the session that held it."""

    @contextlib.contextmanager
    def killed(*args: Any) -> Iterator[Any]:
        with locks.locked(*args) as lock:
            lock.cursor.execute("SELECT CONNECTION_ID()")
            ((number,),) = lock.cursor.fetchall()
            accounts.server.execute(f"KILL {number}")
            with contextlib.suppress(pymysql.MySQLError):
                yield lock

    monkeypatch.setattr("bulketl.mysql.source.locked", killed)
    (failed,) = loaded(accounts, "locked").summary.failed
    assert "was lost while it was read" in failed.message
    assert accounts.tables() == set()
