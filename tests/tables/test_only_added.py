"""Whether rows are only ever added: each fact that counts at its edge, and the words in which it is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from bulketl.tables.catalog import Column, Table
from bulketl.tables.evidence import (
    LATELY,
    Arrival,
    against_audit,
    arrival,
    come_and_go,
    counting_key,
    edit_columns,
    edited,
    looked_at,
    nullable,
    state_columns,
    times,
)

KEY = Column("id", "bigint(20)", False, extra="auto_increment")
AT = Column("created_at", "datetime", False)
FOUND = Arrival(100, 1.0, "created_at", 1, True)
START = dt.datetime(2024, 1, 1)


def table(*columns: Column, name: str = "door_log", rows: int = 100, key: tuple[str, ...] = ("id",)) -> Table:
    return Table(name, columns, key, (), rows, 1000)


def texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "varchar(9)", True) for name in names)


SAID: dict[str, tuple[Table, Arrival | None, str]] = {
    "nothing": (table(KEY, AT), FOUND, ""),
    "a stamp of the server": (
        table(KEY, AT, Column("ts", "timestamp", False, extra="on update CURRENT_TIMESTAMP")), FOUND,
        "column ts, which the server stamps on every update, says that rows are edited",
    ),
    "a stamp of the server that was seen": (
        table(KEY, AT, Column("ts", "timestamp", False, extra="on update CURRENT_TIMESTAMP")),
        dataclasses.replace(FOUND, rows=2000, edited=(("ts", 1500),)),
        ("column ts, which the server stamps on every update, says that rows are edited: 1,500 of the newest 2,000 were, "
         "after they came"),
    ),
    "a stamp of the application": (
        table(KEY, AT, Column("updated_at", "int", True)), None, "column updated_at says by its name that rows are edited"
    ),
    "the one of two stamps that tells more": (
        table(KEY, AT, Column("updated_at", "int", True), Column("modified_at", "datetime", True)),
        dataclasses.replace(FOUND, edited=(("modified_at", 1),)),
        "column modified_at says by its name that rows are edited: 1 of the newest 100 were, after they came",
    ),
    "the server's stamp before all": (
        table(KEY, Column("updated_at", "datetime", True), Column("ts", "timestamp", False, extra="ON UPDATE now()")),
        dataclasses.replace(FOUND, edited=(("updated_at", 9),)),
        "column ts, which the server stamps on every update, says that rows are edited",
    ),
    "a passing name": (table(KEY, AT, name="ost_queue"), FOUND, "rows of such tables come and go (queue)"),
    "a state": (
        table(KEY, AT, *texts("status")), FOUND,
        "column status says by its name that a row has a state, which changes (status)",
    ),
    "a later time": (
        table(KEY, AT, Column("seen", "datetime", True)), dataclasses.replace(FOUND, after=(("x", 0), ("dispatch", 1))),
        "column seen says by its name that a row has a state, which changes (seen)",
    ),
    "a later time alone": (
        table(KEY, AT), dataclasses.replace(FOUND, rows=2000, after=(("x", 0), ("dispatch", 1200), ("y", 9))),
        "dispatch is later than created_at in 1,200 of the newest 2,000 rows, so they are written again",
    ),
    "what is filled later": (
        table(KEY, AT), dataclasses.replace(FOUND, filled=("went", "by")),
        "went is NULL in the newest rows far more often than in others, so it is filled later",
    ),
    "something about a log": (table(KEY, AT, name="log_search"), FOUND, "its name is of something about a log"),
    "no counting key": (
        table(Column("id", "int", False), AT), FOUND,
        "it has no key that counts up with its rows, so nothing tells whether they are only added",
    ),
    "nobody looked": (table(KEY, AT), None, "its newest rows were not looked at"),
    "an empty table": (table(KEY, AT, rows=0), None, "it has too few rows to tell whether they are only added"),
    "few rows": (
        table(KEY, AT), dataclasses.replace(FOUND, rows=19), "it has too few rows to tell whether they are only added"
    ),
    "enough rows": (table(KEY, AT), dataclasses.replace(FOUND, rows=20, backwards=0), ""),
    "deleted rows": (
        table(KEY, AT), dataclasses.replace(FOUND, gaps=2.0),
        "50% of the keys that its newest rows were given are gone, so rows are deleted",
    ),
    "fewer deleted rows": (table(KEY, AT), dataclasses.replace(FOUND, gaps=1.99), ""),
    "no time": (
        table(KEY), dataclasses.replace(FOUND, column=""), "it has no time that tells whether its rows are only added"
    ),
    "one row in a hundred out of order": (table(KEY, AT), dataclasses.replace(FOUND, backwards=1), ""),
    "two rows in a hundred out of order": (
        table(KEY, AT), dataclasses.replace(FOUND, backwards=2),
        "created_at does not grow with the key, so it does not tell that rows are only added",
    ),
    "times that do not grow": (
        table(KEY, AT), dataclasses.replace(FOUND, grows=False),
        "created_at does not grow with the key, so it does not tell that rows are only added",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_speaks_against_audit_is_told_in_words(name: str) -> None:
    one, found, said = SAID[name]
    assert against_audit(one, found) == said


@pytest.mark.parametrize(
    ("one", "found", "said"),
    [
        (table(KEY, AT), FOUND, ""),
        (table(KEY, AT), None, ""),
        (table(KEY, AT), dataclasses.replace(FOUND, gaps=4.0),
         "75% of the keys that its newest rows were given are gone, so rows are deleted"),
        (table(KEY, AT, name="token"), dataclasses.replace(FOUND, gaps=4.0), "rows of such tables come and go (token)"),
        (table(KEY, AT, Column("modified", "datetime", True)), dataclasses.replace(FOUND, gaps=4.0),
         "column modified says by its name that rows are edited"),
        (table(KEY, AT, *texts("status")), FOUND, ""),
    ],
)  # fmt: skip
def test_what_says_that_rows_are_edited_or_go_is_told_of_any_table(one: Table, found: Arrival | None, said: str) -> None:
    assert edited(one, found) == said


def test_rows_come_and_go_where_many_keys_are_gone_of_enough_rows() -> None:
    assert come_and_go(None) == ""
    assert come_and_go(Arrival(19, 9.0)) == ""
    assert come_and_go(Arrival(20, 10.0)) == "90% of the keys that its newest rows were given are gone"


@pytest.mark.parametrize(
    ("key", "columns", "counts"),
    [
        (("id",), (KEY,), True),
        *((("id",), (dataclasses.replace(KEY, type=kind),), True) for kind in ("int", "mediumint unsigned")),
        *((("id",), (dataclasses.replace(KEY, type=kind),), False) for kind in ("smallint", "double", "varchar(9)")),
        (("id",), (dataclasses.replace(KEY, extra=""),), False),
        (("id",), (dataclasses.replace(KEY, extra="AUTO_INCREMENT"),), True),
        (("id", "n"), (KEY, Column("n", "int", False)), False),
        ((), (KEY,), False),
        (("hidden",), (KEY,), False),
    ],
)
def test_a_key_counts_up_where_the_server_counts_it_in_a_type_that_lasts(
    key: tuple[str, ...], columns: tuple[Column, ...], counts: bool
) -> None:
    assert (counting_key(table(*columns, key=key)) is not None) == counts


def test_the_newest_rows_are_looked_at_where_they_could_say_more_than_the_name() -> None:
    assert looked_at(table(KEY))
    assert not looked_at(table(KEY, rows=0))
    assert not looked_at(table(KEY, key=()))
    assert not looked_at(table(KEY, name="orders"))


def test_a_few_columns_of_each_sort_are_looked_at() -> None:
    stamps = [Column(f"t{n}", "datetime", True) for n in range(7)]
    edits = [Column(f"updated{n}", "timestamp", True) for n in range(4)]
    one = table(KEY, *edits, Column("day", "date", True), *stamps)
    came, later = times(one)
    assert [column.name for column in came] == ["t0", "t1", "t2", "t3", "t4"]
    assert [column.name for column in later] == ["updated0", "updated1"]
    assert nullable(table(KEY, *texts(*(f"c{n}" for n in range(40))))) == texts(*(f"c{n}" for n in range(30)))
    stamped = (*edits, Column("changed", "date", True), Column("modified", "time", True))
    assert edit_columns(table(KEY, AT, *stamped, Column("modified", "int", True))) == stamped


def test_a_state_is_told_by_a_word_and_not_where_the_column_says_it_in_numbers_or_text() -> None:
    """The key has none, and a `state` beside a street is part of an address."""
    told = table(*texts("status", "state"), Column("paid", "datetime", True), Column("open", "decimal(9,2)", True))
    assert [(column.name, word) for column, word in state_columns(told)] == [
        ("status", "status"), ("state", "state"), ("paid", "paid"),
    ]  # fmt: skip
    for kind in ("text", "mediumtext", "longtext", "blob", "mediumblob", "longblob", "json", "float", "double"):
        assert state_columns(table(Column("paid", kind, True))) == ()
    for place in ("city", "town", "zip", "zipcode", "postal", "postcode", "country", "street", "address"):
        assert [column.name for column, _ in state_columns(table(*texts("status", "state", f"home_{place}")))] == ["status"]
    assert state_columns(table(*texts("status"), key=("status",))) == ()


def test_the_time_by_which_rows_came_says_nothing_of_a_state() -> None:
    """The one that grows with the key; or, where nobody knows, the only one there is."""
    paid, sent = Column("paid", "datetime", True), Column("sent", "datetime", True)
    by_paid = dataclasses.replace(FOUND, column="paid")
    assert against_audit(table(KEY, paid), by_paid) == ""
    assert "column sent says by its name" in against_audit(table(KEY, paid, sent), by_paid)
    assert "column paid says by its name" in against_audit(table(KEY, sent, paid), dataclasses.replace(FOUND, column="sent"))
    disordered = dataclasses.replace(by_paid, grows=False)
    assert "paid does not grow with the key" in against_audit(table(KEY, paid), disordered)
    assert "column paid says by its name" in against_audit(table(KEY, paid, sent), disordered)
    assert against_audit(table(KEY, paid), None) == "its newest rows were not looked at"


Value = Callable[[int], Any]  # of the row that so many came after


def came(rows: int, *values: Value, step: int = 1, **given: Any) -> Arrival:
    """Return how rows came that have these times, named a, b, c, in the order of their key."""
    names = "abc"[: len(values)]
    keys = [(step * (rows - n), *(value(n) for value in values)) for n in range(rows)]
    return arrival([*names], [], keys, **given)


def hours(n: int) -> dt.datetime:
    return START - dt.timedelta(hours=n)


def test_the_time_that_follows_the_key_best_tells_how_rows_came() -> None:
    """One that grows before one that does not; fewer steps back then; the first of two alike."""
    assert came(9, hours) == Arrival(9, 1.0, "a", 0, True)
    assert came(9, lambda n: START, hours).column == "b"
    assert came(9, hours, hours).column == "a"
    once_back = came(9, lambda n: hours(n if n != 4 else 6), hours)
    assert (once_back.column, once_back.backwards) == ("b", 0)
    assert came(9, lambda n: hours(n if n != 4 else 6)).backwards == 1
    assert came(9, lambda n: hours(-n)) == Arrival(9, 1.0, "a", 8, False)
    assert came(2, hours).grows
    assert not came(1, hours).grows
    assert came(0) == Arrival(0)


def test_a_time_that_most_rows_lack_tells_nothing() -> None:
    """NULL, no time at all, or a year in which no computer was."""
    for lacking in (None, "soon", dt.datetime(1901, 12, 31)):
        assert came(10, [*map(hours, range(5)), *[lacking] * 5].__getitem__).column == "a"
        assert came(10, [*map(hours, range(4)), *[lacking] * 6].__getitem__).column == ""
    assert came(10, lambda _: dt.datetime(1902, 1, 1)).column == "a"


def test_keys_that_are_gone_are_counted_in_steps_of_the_counter() -> None:
    assert came(10, step=3).gaps == 1.0
    assert arrival([], [], [(9,), (5,), (3,), (1,)]).gaps == pytest.approx(4 / 3)
    assert arrival([], [], [("x",), (5,)]).gaps == 1.0
    assert arrival([], [], [(5,)]).gaps == 1.0
    assert arrival([], [], [(9,), (5,)], {"e": [True] * 5 + [False] * 95}).gaps == 1.0


def test_rows_that_were_written_again_are_counted_by_each_later_time() -> None:
    """More than a second after they came; of columns that say so by name, and of each other time."""
    second = dt.timedelta(seconds=1)
    rows = [
        (3, hours(0), hours(0) + 2 * second, None), (2, hours(1), hours(1) + second, hours(0)),
        (1, hours(2), hours(2) - second, hours(1)),
    ]  # fmt: skip
    found = arrival(["a", "b"], ["c"], rows)
    assert (found.column, found.after, found.edited) == ("a", (("b", 1),), (("c", 2),))
    assert arrival(["a"], ["b", "c"], rows).edited == (("b", 1), ("c", 2))


def test_rows_came_lately_within_a_week_and_no_later_than_tomorrow() -> None:
    for ago, lately in (
        (LATELY, True), (LATELY + dt.timedelta(seconds=1), False), (-dt.timedelta(days=1), True),
        (-dt.timedelta(days=1, seconds=1), False),
    ):  # fmt: skip
        assert came(1, [START - ago].__getitem__, now=START).lately == lately
    old = came(3, lambda n: START - dt.timedelta(days=30 * n), now=START)
    assert old.lately, "the newest of them decides"
    assert not came(1, hours).lately


def filled(*empty: bool) -> bool:
    return came(len(empty), empty={"x": empty}).filled == ("x",)


def test_a_column_is_filled_later_where_the_newest_rows_lack_it_and_others_do_not() -> None:
    """Three in a row are no chance where hardly any other is NULL; nor is it when far more of the newest tenth are."""
    assert filled(*[True] * 3, *[False] * 997)
    assert not filled(*[True] * 2, *[False] * 998)
    assert not filled(*[True] * 3, *[n % 9 == 1 for n in range(997)]), "one in nine is NULL: three in a row are chance"
    assert filled(*[True] * 4, *[n % 9 == 1 for n in range(996)])
    assert not filled(*[True] * 1000), "it is NULL everywhere"
    assert not filled(*[True] * 3, *[False] * 16), "nineteen rows tell nothing"
    assert filled(*[True] * 3, *[False] * 17)
    assert not filled(False, *[True] * 10, *[False] * 989), "a tenth of the newest is no more than chance, where none is"
    assert filled(False, *[True] * 11, *[False] * 988)
    assert filled(False, *[n % 10 != 0 for n in range(99)], *[n % 2 == 0 for n in range(900)]), "nine of ten, and then half"
    assert not filled(False, *[n % 10 < 6 for n in range(99)], *[n % 2 == 0 for n in range(900)])
    assert not filled()
