"""What is carried out while something goes wrong: seven ways to use bulketl, what each promises, and how it is made good."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from trials.house import CHANGING, OLDER, SCHEMA, House, rows_of_source, rows_of_target
from trials.warm import Ended

Images = dict[str, frozenset[tuple[str, ...]]]
WHOLE = ("swapped", "moment", "settled", "keyless", "exact", "small0", "small1")
MERGED = ("merged", "chunked", "marked")
TORN = ("swapped", "merged", "small0")  # rows of which are torn in the target, for what verifies and repairs


@dataclass(frozen=True, slots=True)
class Way:
    """One command, with what has to be done before it and what is asked after it.

    `between(house, before, done)`: what is wrong now that the command has ended, however; `before`: the rows from before.
    `good(house, done, dice)`: carries out whatever follows, and returns what that did wrong.
    """

    name: str
    words: tuple[str, ...]
    tables: tuple[str, ...]
    prepare: Callable[[House], None]
    between: Callable[[House, Images, Ended], list[str]]
    good: Callable[[House, Ended, random.Random], list[str]]
    schema: str = SCHEMA


def _loading(name: str, tables: tuple[str, ...], atomic: bool) -> Way:
    words = ("load", "--tables", ",".join(tables), "--json")

    def between(house: House, before: Images, done: Ended) -> list[str]:
        wrong = []
        now = house.images(tables)
        for table in tables:
            if now[table] == before[table] or not house.lost([table])[0]:
                continue
            if atomic or table == "marked":
                wrong.append(f"{table} is neither what it was nor complete")
            elif wrong_rows := _torn(house, table, before, now):
                wrong.append(f"{table}: {wrong_rows}")
        if done.code == 0 and (found := house.lost(tables))[0]:
            wrong.append(f"it ended with 0, and {found[1][:3]}")
        return wrong

    def good(house: House, done: Ended, dice: random.Random) -> list[str]:
        if dice.random() < 0.5:
            again = house.run("load", "--resume", "last", "--json")
            if again.code not in (0, 2):
                return [f"--resume ended with {again.code}: {again.out[-600:]} {again.err[-600:]}"]
        return _ends_well(house, words)

    return Way(name, words, tables, lambda house: house.another_day(tables), between, good)


def _torn(house: House, table: str, before: Images, now: Images) -> str:
    """Say what is in a table that neither was there nor is at the source, or is gone though both have it."""
    source = rows_of_source(house.lab, table)
    strange = now[table] - before[table] - source
    ids = {row[0] for row in now[table]}
    lost = {row[0] for row in before[table]} & {row[0] for row in source} - ids
    twice = len(now[table]) - len(ids)
    return "; ".join(
        f"{len(what) if isinstance(what, (set, frozenset)) else what} rows {how}"
        for what, how in ((strange, "nobody ever had"), (lost, "lost"), (twice, "twice"))
        if what
    )


def _ends_well(house: House, words: tuple[str, ...], schema: str = SCHEMA) -> list[str]:
    again = house.run(*words, schema=schema)
    return [] if again.code == 0 else [f"the next one ended with {again.code}: {again.out[-900:]} {again.err[-900:]}"]


def _tear(house: House) -> None:
    """Make rows of the target other than the source's."""
    house.another_day(TORN)
    house.must("load", "--tables", ",".join(TORN))
    for table in TORN:
        house.lab.pg(f"DELETE FROM raw.{table} WHERE id % 7 = 1; UPDATE raw.{table} SET n = -1 WHERE id % 7 = 2;"
                     f" INSERT INTO raw.{table} (id, n, at) VALUES (100000, 0, '2024-01-01')")  # fmt: skip


def _repaired_or_not(house: House, before: Images, done: Ended) -> list[str]:
    wrong = [] if done.code else house.lost(TORN)[1]
    for table, rows in house.images(TORN).items():
        if strange := rows - before[table] - rows_of_source(house.lab, table):
            wrong.append(f"{table}: {len(strange)} rows nobody ever had")
    return wrong


def _told_or_not(house: House, before: Images, done: Ended) -> list[str]:
    wrong = ["it called equal what differs"] if done.code == 0 else []
    return wrong + ["it changed something"] * (house.images(TORN) != before)


REPAIR = ("verify", "--repair", "--tables", ",".join(TORN), "--allow-deletes", ",".join(TORN), "--json")


def _older_again(house: House) -> None:
    done = house.run("migrate", "demote", "--reason", "x", "--json", schema=OLDER)
    assert done.code == 0, (done.out, done.err)


PROMOTE = ("migrate", "promote", "--force", "--reason", "x", "--json")


def _all_or_none(house: House, before: Images, done: Ended) -> list[str]:
    """All tables have changed hands, or none has, and what the views show is whole."""
    now = house.images(CHANGING, OLDER)
    over = [table for table in CHANGING if not house.lost([table], OLDER)[0]]
    views = [len(house.lab.pg(f"SELECT id, n FROM {OLDER}.stg_{table}")) for table in CHANGING]
    wrong = [] if now == before or len(over) == len(CHANGING) else ["tables are neither the old nor the new"]
    wrong += [] if views == [len(now[table]) for table in CHANGING] else [f"views show {views}"]
    return wrong + ["it ended with 0, and they are the old ones"] * (done.code == 0 and len(over) < len(CHANGING))


def _new_version(house: House) -> None:
    house.must("load", "--tables", "kept")
    house.version = rows_of_target(house.lab, "kept", SCHEMA)
    house.another_day(["kept"])
    house.must("load", "--tables", "kept")


def _one_version(house: House, before: Images, done: Ended) -> list[str]:
    now = house.images(["kept"])["kept"]
    wrong = [] if now in (before["kept"], house.version) else ["kept is of no version"]
    return wrong + ["it ended with 0, and nothing was undone"] * (done.code == 0 and now != house.version)


def _undo_again(house: House, done: Ended, dice: random.Random) -> list[str]:
    again = house.run("undo", "kept", "--json")
    if again.code not in (0, 2):
        return [f"the next one ended with {again.code}: {again.out[-600:]} {again.err[-600:]}"]
    return _ends_well(house, ("load", "--tables", "kept", "--json"))


def _promote_again(house: House, done: Ended, dice: random.Random) -> list[str]:
    again = house.run(*PROMOTE, schema=OLDER)
    if again.code == 0 and not (again.told() or {}).get("run"):  # it was done, and so no run has ended what is left
        _older_again(house)
        return _ends_well(house, PROMOTE, OLDER)
    return [] if again.code == 0 else [f"the next one ended with {again.code}: {again.out[-900:]} {again.err[-900:]}"]


def _repair_again(house: House, done: Ended, dice: random.Random) -> list[str]:
    return _ends_well(house, REPAIR) or _ends_well(house, ("load", "--tables", ",".join(TORN), "--json"))


LOAD = _loading("load", WHOLE, True)
MERGE = _loading("merge", MERGED, False)
AUDIT = _loading("audit", ("log",), False)
REPAIRING = Way("repair", REPAIR, TORN, _tear, _repaired_or_not, _repair_again)
VERIFY = Way("verify", ("verify", "--tables", ",".join(TORN), "--json"), TORN, _tear, _told_or_not, _repair_again)
PROMOTING = Way("promote", PROMOTE, CHANGING, _older_again, _all_or_none, _promote_again, OLDER)
UNDO = Way("undo", ("undo", "kept", "--json"), ("kept",), _new_version, _one_version, _undo_again)
WAYS = {way.name: way for way in (LOAD, MERGE, AUDIT, PROMOTING, REPAIRING, VERIFY, UNDO)}
