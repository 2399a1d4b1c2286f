"""The clinic's day, a process of its own: short reads and writes on many tables, each due at a moment that is fixed before.

A station has a connection and a rate. A request that could not begin when it was due, because the one before it still
waited, has waited from then on: nothing is left out because the clinic was held up. Ends when its standard input does, and
prints what each request took and what the server did for it.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pymysql

from benchmarks.harm.counters import COUNTERS, counted

DATABASE = "bulketl_harm_clinic"
SMALL, SMALL_ROWS = 20, 2000
ENGINES = ("InnoDB", "MyISAM")
LARGE_RATE, SMALL_RATE = 50.0, 5.0  # requests a second: writes to the large table, as many reads; of each small table
INSERTS = 10  # of so many writes one is a new row
Statement = tuple[str, tuple[object, ...]]
_MADE = """CREATE TABLE {} (id int AUTO_INCREMENT PRIMARY KEY, patient int NOT NULL, note varchar(200) NOT NULL,
    at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (patient)) ENGINE={}"""
_PAYMENT = """INSERT INTO payment (PatNum, ClinicNum, PayType, PayAmt, Tax, PayDate, DateEntry, IsSplit, PaymentStatus,
    PaymentSource, CheckNum, PayNote) VALUES (%s, 1, 301, %s, 1.25, CURDATE(), NOW(), 0, 1, 2, '', 'by card')"""


@dataclass(slots=True)
class Station:
    """One workplace: what it asks, how often, and what each request took: when it was due, and seconds from then."""

    group: str
    rate: float
    ask: Callable[[random.Random], Statement]
    took: list[tuple[float, float]] = field(default_factory=list)

    def work(self, connection: pymysql.Connection[pymysql.cursors.Cursor], seed: int, end: threading.Event) -> None:
        """Ask until the end."""
        dice = random.Random(seed)
        due = time.monotonic() + dice.random() / self.rate
        with connection.cursor() as cursor:
            while not end.wait(max(0.0, due - time.monotonic())):
                cursor.execute(*self.ask(dice))
                cursor.fetchall()
                self.took.append((due, time.monotonic() - due))
                due += 1 / self.rate


def made(cursor: pymysql.cursors.Cursor) -> None:
    """Make the database of the small tables anew."""
    cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    cursor.execute(f"CREATE DATABASE {DATABASE}")
    for n in range(SMALL):
        table = f"{DATABASE}.visit_{n}"
        cursor.execute(_MADE.format(table, ENGINES[n % 2]))
        rows = ((patient % 500, "a note of some words on what was done " * 3) for patient in range(SMALL_ROWS))
        cursor.executemany(f"INSERT INTO {table} (patient, note) VALUES (%s, %s)", list(rows))


def stations(large: str, most: int) -> list[Station]:
    """Return the workplaces: two at the table `large`, whose keys go up to `most`, one at each small table."""
    found = [
        Station("large, writes", LARGE_RATE, lambda dice: _write_large(large, most, dice)),
        Station("large, reads", LARGE_RATE, lambda dice: _read_large(large, most, dice)),
    ]
    for n in range(SMALL):
        kind, ask = ("writes", _write_small) if n % 4 < 2 else ("reads", _read_small)
        table = f"{DATABASE}.visit_{n}"
        found.append(Station(f"small, {kind}", SMALL_RATE, lambda dice, ask=ask, table=table: ask(table, dice)))  # type: ignore[misc]
    return found


def _write_large(table: str, most: int, dice: random.Random) -> Statement:
    if dice.randrange(INSERTS) == 0:
        return _PAYMENT.replace("INTO payment", f"INTO {table}"), (dice.randrange(400_000), dice.randrange(10_000) / 100)
    return f"UPDATE {table} SET PayAmt = PayAmt + 1 WHERE PayNum = %s", (dice.randrange(most),)


def _read_large(table: str, most: int, dice: random.Random) -> Statement:
    first = dice.randrange(most)
    return f"SELECT PatNum, PayAmt, PayNote FROM {table} WHERE PayNum BETWEEN %s AND %s", (first, first + 20)


def _write_small(table: str, dice: random.Random) -> Statement:
    if dice.randrange(INSERTS) == 0:
        return f"INSERT INTO {table} (patient, note) VALUES (%s, 'came without an appointment')", (dice.randrange(500),)
    return f"UPDATE {table} SET note = CONCAT(LEFT(note, 100), %s) WHERE id = %s", (
        dice.random(),
        dice.randrange(SMALL_ROWS),
    )


def _read_small(table: str, dice: random.Random) -> Statement:
    return f"SELECT id, note, at FROM {table} WHERE patient = %s", (dice.randrange(500),)


def main() -> None:
    """Work until standard input ends; print the requests of each group and what the server counted for all of them."""
    order = json.loads(sys.stdin.readline())
    sys.setswitchinterval(0.0005)
    places, end = stations(order["large"], order["most"]), threading.Event()
    connections = [pymysql.connect(**order["login"], autocommit=True) for _ in places]
    threads = [
        threading.Thread(target=station.work, args=(connection, n, end))
        for n, (station, connection) in enumerate(zip(places, connections, strict=True))
    ]
    for thread in threads:
        thread.start()
    print("at work", flush=True)
    sys.stdin.read()
    end.set()
    for thread in threads:
        thread.join()
    spent = dict.fromkeys(COUNTERS, 0)
    for connection in connections:
        with connection, connection.cursor() as cursor:
            spent = {name: spent[name] + value for name, value in counted(cursor, "SESSION").items()}
    print(json.dumps({"took": [(station.group, station.took) for station in places], "spent": spent}))


if __name__ == "__main__":
    main()
