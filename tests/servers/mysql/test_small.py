"""Small tables that are read over one session arrive as connectorx delivers them, value by value and type by type."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pytest
from conftest import fresh
from lab import Lab, Server
from matrix import CASES, create

import bulketl
from bulketl.mysql.read import read
from bulketl.mysql.server import MySQL
from bulketl.mysql.small import read_small
from bulketl.mysql.source import MySQLSource
from bulketl.plan.plan import TableLoad


@pytest.fixture(scope="module")
def cases(source_server: Server, postgres: str) -> Iterator[tuple[Lab, list[TableLoad]]]:
    """Every case of the type matrix as a table, with how it would be loaded."""
    for lab in fresh(source_server, postgres):
        refused: dict[int, str] = {}
        rules = {}
        with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
            for n, case in enumerate(CASES):
                if case.only in (None, lab.server.kind):
                    create(cursor, n, case, refused)
                    rules[f"t{n}"] = {"casts": {"c": case.to} if case.to else {}}
            connection.commit()
        plan = bulketl.make_plan(
            lab.config(rules={name: rule for name, rule in rules.items() if int(name[1:]) not in refused})
        )
        yield lab, [load for load in plan.loads if load.partitions]


def texts(column: pa.ChunkedArray) -> list[object]:
    """Return values so that two which differ in a bit differ: minus zero, a year that Python does not have."""
    kind = column.type
    values: list[object] = (column if pa.types.is_large_binary(kind) else column.cast(pa.string())).to_pylist()
    return values


@pytest.mark.parametrize("packed", [True, False])
def test_every_value_of_every_type_is_what_connectorx_delivers(cases: tuple[Lab, list[TableLoad]], packed: bool) -> None:
    """Or the table is left to it. The same Arrow types, the same bits; read as integers and read as they are."""
    lab, loads = cases
    source = MySQL(lab.source)
    pieces = [(dataclasses.replace(load.spec, packed=packed), load.partitions[0]) for load in loads]
    left = set()
    for (spec, partition), table in zip(pieces, read_small(source, pieces), strict=True):
        if table is None:
            left.add(spec.casts[-1].source.partition(" ")[0])
            continue
        (other,) = read(source, spec, partition)
        for name, mine, theirs in zip(table.column_names, table.columns, other.columns, strict=True):
            what = (spec.table, spec.casts[-1].source, spec.casts[-1].target, name)
            assert texts(mine) == texts(theirs), what
    assert {kind.partition("(")[0] for kind in left} <= {"float", "double", "datetime"}
    assert "float" in left


def test_a_table_that_has_grown_is_left_to_connectorx(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what a person's application adds at night does not fill the memory; and all of it arrives."""
    monkeypatch.setattr("bulketl.mysql.small.MOST_ROWS", 50)
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    maria_lab.mysql("INSERT INTO b SELECT seq FROM seq_1_to_49")
    plan = bulketl.make_plan(maria_lab.config())
    maria_lab.mysql("INSERT INTO b SELECT seq FROM seq_50_to_200")
    pieces = [(load.spec, load.partitions[0]) for load in plan.loads]
    read = {spec.table: rows for (spec, _), rows in zip(pieces, read_small(MySQL(maria_lab.source), pieces), strict=True)}
    assert read["a"] is not None
    assert read["b"] is None
    assert maria_lab.load(plan=plan).summary.outcome == "done"
    assert maria_lab.pg("SELECT count(*) FROM {s}.b") == [(200,)]


def test_a_table_that_is_gone_fails_alone_and_by_its_name(maria_lab: Lab) -> None:
    """As it does when connectorx reads it; the others of its group arrive."""
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in "abc"))
    maria_lab.mysql(*(f"INSERT INTO {name} VALUES (1)" for name in "abc"))
    plan = bulketl.make_plan(maria_lab.config())
    maria_lab.mysql("DROP TABLE b")
    summary = maria_lab.load(plan=plan).summary
    assert {name: one.outcome for name, one in summary.tables.items()} == {"a": "loaded", "b": "failed", "c": "loaded"}
    assert "table 'b' cannot be read" in summary.tables["b"].message


def test_one_session_reads_them_all(maria_lab: Lab) -> None:
    """One connection for the rows of forty tables, in place of forty."""
    maria_lab.mysql(*(f"CREATE TABLE t{n} (id int PRIMARY KEY, d date, w varchar(9))" for n in range(40)))
    maria_lab.mysql(*(f"INSERT INTO t{n} VALUES (1, '2024-01-31', 'ä')" for n in range(40)))
    plan = bulketl.make_plan(maria_lab.config())

    def connections() -> int:
        ((_, count),) = maria_lab.mysql("SHOW GLOBAL STATUS LIKE 'Connections'")
        return int(count)

    before = connections()
    assert maria_lab.load(plan=plan).summary.outcome == "done"
    assert connections() - before < 20
    assert maria_lab.pg("SELECT * FROM {s}.t7") == [(1, dt.date(2024, 1, 31), "ä")]


def test_what_arrow_cannot_read_is_left_to_connectorx(maria_lab: Lab) -> None:
    """A moment of the year 0, which is read as it is spelt."""
    maria_lab.mysql(
        "CREATE TABLE a (id int PRIMARY KEY, c datetime(6))", "INSERT INTO a VALUES (1, '0000-05-01 10:00:00')", mode=""
    )
    (load,) = bulketl.make_plan(maria_lab.config()).loads
    (table,) = read_small(MySQL(maria_lab.source), [(load.spec, load.partitions[0])])
    assert table is None or table.column("c").cast(pa.int64())[0].as_py() < -62_135_596_800_000_000


def test_what_nobody_foresaw_while_reading_together_costs_no_table(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table of the group is then read alone, by connectorx."""
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in "abc"))
    maria_lab.mysql(*(f"INSERT INTO {name} VALUES (1)" for name in "abc"))

    def broken(*_: object) -> Iterator[pa.Table | None]:
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(MySQLSource, "read_small", broken)
    summary = maria_lab.load().summary
    assert {name: one.outcome for name, one in summary.tables.items()} == dict.fromkeys("abc", "loaded")


def test_a_declared_zone_holds_for_small_tables_too(lab: Lab) -> None:
    """As for any other: the digits are those of that zone, an instant is the instant."""
    for name in "ab":
        lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c timestamp NULL, i timestamp NULL)")
        noon = "'2024-01-15 12:00:00'"
        lab.mysql("SET time_zone = '+00:00'", f"INSERT INTO {name} VALUES (1, {noon}, {noon})")
    done = lab.load(timestamp_zone="+05:00", rules={name: {"casts": {"i": "timestamptz"}} for name in "ab"})
    assert done.summary.outcome == "done"
    for name in "ab":
        shown = lab.pg(f"SET timezone = 'UTC'; SELECT c::text, i::text FROM {{s}}.{name}")
        assert shown == [("2024-01-15 17:00:00", "2024-01-15 12:00:00+00")]
