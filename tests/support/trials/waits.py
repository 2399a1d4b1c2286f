"""Others who hold what a run needs: locks, in an order that makes a deadlock or for long; and servers of short patience."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator

import psycopg
from lab import execute

from trials.house import CHANGING, OLDER, House
from trials.trial import OPEN, Fault, Tried, tried
from trials.warm import Running
from trials.ways import LOAD, WAYS

PAIRS = {"load": ("raw.small0", "raw.small1"), "promote": tuple(f"{OLDER}.{table}" for table in CHANGING)}
WAITS = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
SOURCE_WAITS = "SELECT 1 FROM information_schema.PROCESSLIST WHERE db = DATABASE() AND state LIKE 'Waiting for table%'"


def deadlocked(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Lock tables in the order opposite to that of a run which holds the first of them, so many times."""
    for _ in range(count):
        for name, pair in PAIRS.items():
            if name in ways:
                yield _deadlocked(house, name, pair if dice.random() < 0.5 else pair[::-1], dice)


def _deadlocked(house: House, name: str, pair: tuple[str, ...], dice: random.Random) -> Tried:
    """Hold one table until the run has the other and waits for this one, then ask for that."""
    struck: list[str] = []

    def during(running: Running) -> None:
        with psycopg.connect(house.lab.target) as other, psycopg.connect(house.lab.target, autocommit=True) as look:
            other.execute(f"LOCK TABLE {pair[0]} IN ACCESS EXCLUSIVE MODE".encode())
            while not running.over:
                if look.execute(WAITS.encode(), (pair[0],)).fetchone():
                    with contextlib.suppress(psycopg.errors.DeadlockDetected):
                        other.execute(b"SET LOCAL lock_timeout = '5s'")
                        with contextlib.suppress(psycopg.errors.LockNotAvailable):
                            struck.append("asked")
                            other.execute(f"LOCK TABLE {pair[1]} IN ACCESS EXCLUSIVE MODE".encode())
                    other.rollback()
                    return
                time.sleep(0.01)

    done = tried(house, WAYS[name], Fault("deadlock", "target", during=during, struck=lambda: bool(struck)), dice)
    done.where = f"{pair[0]} first"
    return done


def locked(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Hold a table until a run waits for it, and let it go then; or until `stop_after_minutes` is over, at the source."""
    for _ in range(count):
        yield _locked_source(house, dice, for_good=False)
        yield _locked_source(house, dice, for_good=True)
        yield _locked_target(house, dice)


def _locked_source(house: House, dice: random.Random, *, for_good: bool) -> Tried:
    struck: list[str] = []

    def during(running: Running) -> None:
        with contextlib.closing(house.lab.server.connect(house.lab.database)) as other, other.cursor() as cursor:
            while not (running.over or house.lab.pg(OPEN)):  # until it has planned
                time.sleep(0.01)
            cursor.execute("LOCK TABLES swapped WRITE, moment WRITE")
            while not running.over and not (struck and not for_good):
                struck.extend("waits" for _ in house.lab.mysql(SOURCE_WAITS))
                time.sleep(0.02)
            cursor.execute("UNLOCK TABLES")

    stop = {"stop_after_minutes": 2 / 60}
    house.rules = {"swapped": stop, "moment": stop} if for_good else {}
    what = "locked until stop_after_minutes" if for_good else "locked for a while"
    try:
        return tried(house, LOAD, Fault(what, "source", during=during, struck=lambda: bool(struck)), dice)
    finally:
        house.rules = {}


def _locked_target(house: House, dice: random.Random) -> Tried:
    struck: list[str] = []

    def during(running: Running) -> None:
        with psycopg.connect(house.lab.target) as other, psycopg.connect(house.lab.target, autocommit=True) as look:
            other.execute(b"LOCK TABLE raw.swapped IN ACCESS SHARE MODE")
            while not running.over:
                if look.execute(WAITS.encode(), ("raw.swapped",)).fetchone():
                    struck.append("waits")
                    return
                time.sleep(0.02)

    return tried(house, LOAD, Fault("locked for a while", "target", during=during, struck=lambda: bool(struck)), dice)


SHORT_SOURCE = {"wait_timeout": 1, "net_read_timeout": 1, "net_write_timeout": 1, "lock_wait_timeout": 1,
                "max_statement_time": 0.001, "idle_transaction_timeout": 1}  # fmt: skip
SHORT_TARGET = {
    "lock_timeout": "1ms", "statement_timeout": "500ms", "transaction_timeout": "1s",
    "idle_in_transaction_session_timeout": "500ms", "idle_session_timeout": "500ms",
}  # fmt: skip


def limited(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Have each server give up on everybody after next to no time, which a session of bulketl's has otherwise."""
    for _ in range(count):
        for name in ways:
            for side, around in (("source", _short_source), ("target", _short_target)):
                yield tried(house, WAYS[name], Fault("time-outs of the server", side, around(house), codes=(0, 1)), dice)


@contextlib.contextmanager
def _short_source(house: House) -> Iterator[None]:
    before = {name: house.lab.mysql(f"SELECT @@GLOBAL.{name}")[0][0] for name in SHORT_SOURCE}
    for name, value in SHORT_SOURCE.items():
        house.lab.mysql(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        with contextlib.closing(house.lab.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION max_statement_time = 0")
            for name, value in before.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")


@contextlib.contextmanager
def _short_target(house: House) -> Iterator[None]:
    database = house.lab.database
    for name, value in SHORT_TARGET.items():
        execute(house.servers.conninfo, f"ALTER DATABASE {database} SET {name} = '{value}'")
    try:
        yield
    finally:
        execute(house.servers.conninfo, f"ALTER DATABASE {database} RESET ALL")
