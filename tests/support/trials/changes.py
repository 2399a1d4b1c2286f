"""A source that changes its shape, or the keys of its rows, while it is read."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

from trials.house import House, rows_of_source, rows_of_target
from trials.sessions import at_a_moment
from trials.trial import Fault, Tried, tried
from trials.warm import Ended
from trials.ways import LOAD, MERGE, Images

DDL = {
    "ADD COLUMN": "ALTER TABLE {t} ADD COLUMN extra int NOT NULL DEFAULT 7 FIRST",
    "DROP COLUMN": "ALTER TABLE {t} DROP COLUMN v",
    "RENAME COLUMN": "ALTER TABLE {t} RENAME COLUMN v TO extra",
    "MODIFY COLUMN": "ALTER TABLE {t} MODIFY v text",
    "TRUNCATE": "TRUNCATE {t}",
    "DROP TABLE": "DROP TABLE {t}",
    "RENAME TABLE": "RENAME TABLE {t} TO {t}_elsewhere",
}
FAR = 100_000  # how far keys move: into another range, or out of all


def altered(house: House, dice: random.Random, count: int) -> Iterator[Tried]:
    """Give each of these statements at the source, at so many random moments of a load."""
    for _ in range(count):
        for what in DDL:
            for way, tables in ((LOAD, ("swapped", "moment", "settled")), (MERGE, ("merged", "chunked"))):
                if "COLUMN" in what and way is MERGE:
                    continue  # which have none to spare
                yield _altered(house, way is MERGE, dice.choice(tables), what, dice)


def _altered(house: House, merges: bool, table: str, what: str, dice: random.Random) -> Tried:
    lab, seen = house.lab, list[frozenset[tuple[str, ...]]]()

    @contextlib.contextmanager
    def and_back() -> Iterator[None]:
        lab.mysql(f"CREATE TABLE kept_{table} LIKE {table}", f"INSERT INTO kept_{table} SELECT * FROM {table}")
        seen.append(rows_of_source(lab, table))
        try:
            yield
        finally:
            there = lab.mysql(f"SHOW TABLES LIKE '{table}'")
            seen.append(rows_of_source(lab, table) if there else frozenset())
            lab.mysql(
                f"DROP TABLE IF EXISTS {table}", f"DROP TABLE IF EXISTS {table}_elsewhere",
                f"RENAME TABLE kept_{table} TO {table}",
            )  # fmt: skip
            lab.pg(f"ALTER TABLE raw.{table} DROP COLUMN IF EXISTS extra")
            # Rows that are back bear no new stamp: the comparison that finds them is due, however fast this was.
            lab.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '1 minute'")

    def between(before: Images, done: Ended) -> list[str]:
        """Every row is one that was there or at the source, and what was at the source all the time is not lost."""
        now, (first, last) = rows_of_target(lab, table, "raw"), seen
        if now == before[table]:
            return []
        strange, lost = now - before[table] - first - last, (first & last) - now
        if merges:  # rows that it has not come to are the old ones
            lost = frozenset(row for row in lost if row[0] not in {one[0] for one in now})
        return [f"{table}: {len(rows)} rows {how}" for rows, how in ((strange, "nobody ever had"), (lost, "lost")) if rows]

    statement = DDL[what].format(t=table)
    during, struck = at_a_moment(lab, "source", dice.randint(1, 40), lambda _found: lab.mysql(statement))
    fault = Fault(f"{what} meanwhile", "source", and_back(), during, between, struck=lambda: bool(struck))
    done = tried(house, MERGE if merges else LOAD, fault, dice)
    done.where = table
    return done


def moving(house: House, dice: random.Random, count: int) -> Iterator[Tried]:
    """Move rows from range to range as fast as the source does it, while they are read."""
    for _ in range(count):
        yield _moving(house, dice)


def _moving(house: House, dice: random.Random) -> Tried:
    lab, stop, moves = house.lab, threading.Event(), [0]
    tables = ("swapped", "moment", "settled")

    def move() -> None:
        with contextlib.closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
            for here, there in ((f"id < {FAR}", f"+ {FAR}"), (f"id >= {FAR}", f"- {FAR}")) * 1_000_000:
                for table in tables:
                    cursor.execute(f"UPDATE {table} SET id = id {there} WHERE n % 3 = 1 AND {here}")
                moves[0] += 1
                if stop.is_set() and "-" in there:
                    return
                time.sleep(0.005)

    @contextlib.contextmanager
    def mover() -> Iterator[None]:
        thread = threading.Thread(target=move)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def between(before: Images, done: Ended) -> list[str]:
        now = {table: rows_of_target(lab, table, "raw") for table in tables}
        return [line for table in tables if now[table] != before[table] for line in _strayed(house, table)]

    fault = Fault("rows move from range to range", "source", mover(), between=between, struck=lambda: moves[0] > 1)
    return tried(house, LOAD, fault, dice)


def _strayed(house: House, table: str) -> list[str]:
    """Say which rows are lost or there twice, by their texts; a best effort owes nothing to those that move."""
    best_effort = table == "swapped"
    texts = Counter(text for (text,) in house.lab.pg(f"SELECT v FROM raw.{table}"))
    owed = {text for (text,) in house.lab.mysql(f"SELECT v FROM {table}" + " WHERE n % 3 <> 1" * best_effort)}
    lost, twice = owed - texts.keys(), [text for text, count in texts.items() if count > 1 and not best_effort]
    return [f"{table}: {len(rows)} rows {how}" for rows, how in ((lost, "lost"), (twice, "twice")) if rows]
