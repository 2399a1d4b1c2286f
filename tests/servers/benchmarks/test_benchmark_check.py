"""The check of the benchmarks sees what a contender loaded otherwise: a value rounded, cut, lost or made up, a row less."""

from __future__ import annotations

import pytest
from lab import Lab

from benchmarks.peers.check import Sums, checked, created, summed

COLUMNS = """id bigint NOT NULL PRIMARY KEY, amount decimal(12,2), share double, born date, seen datetime(6),
    note varchar(50), image blob, flag tinyint(1), small smallint unsigned"""


@pytest.fixture
def sums(lab: Lab) -> Sums:
    lab.mysql(f"CREATE TABLE fees ({COLUMNS})")
    lab.insert(
        "fees",
        [
            (1, "10000.50", 0.25, "0001-01-01", "2024-02-29 23:59:59.999999", "", b"\x00\xff", 1, 65535),
            (2, None, None, None, None, None, None, None, None),
            (3, "-0.01", 1e-9, "9999-12-31", "1969-12-31 00:00:00.000001", "Müller 😀 'x'", b"", 0, 0),
        ],
    )
    lab.load(tables=["fees"])
    return summed(lab.source)


def test_what_postgres_cannot_have_is_no_difference(lab: Lab) -> None:
    lab.mysql("CREATE TABLE odd (id int PRIMARY KEY, born date, seen datetime, note text)",
              "INSERT INTO odd VALUES (1, '0000-00-00', '2024-00-10', CONCAT('a', CHAR(0), 'b'))", mode="")  # fmt: skip
    lab.load(tables=["odd"])
    assert checked(summed(lab.source), lab.target, lab.schema).verdict == "equal"
    lab.pg("UPDATE {s}.odd SET note = 'a'")
    assert "note: other values" in checked(summed(lab.source), lab.target, lab.schema).verdict


def test_what_bulketl_loads_is_equal_in_every_column_and_keyed(lab: Lab, sums: Sums) -> None:
    found = checked(sums, lab.target, lab.schema)
    assert (found.different, found.types, found.verdict) == ([], [], "equal")
    assert (found.tables, found.rows, found.sums, found.keyed) == (1, 3, 9, 1)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("UPDATE {s}.fees SET amount = 15000.00 WHERE id = 1", "amount"),
        ("UPDATE {s}.fees SET share = 0.2500001 WHERE id = 1", "share"),
        ("UPDATE {s}.fees SET born = born + 1 WHERE id = 1", "born"),
        ("UPDATE {s}.fees SET seen = date_trunc('second', seen) WHERE id = 1", "seen"),
        ("UPDATE {s}.fees SET note = NULL WHERE id = 1", "note"),
        ("UPDATE {s}.fees SET note = '' WHERE id = 2", "note"),
        ("UPDATE {s}.fees SET note = left(note, 6) WHERE id = 3", "note"),
        ("UPDATE {s}.fees SET image = '\\x00'::bytea WHERE id = 1", "image"),
        ("UPDATE {s}.fees SET small = 32767 WHERE id = 1", "small"),
        ("ALTER TABLE {s}.fees DROP COLUMN note", "note: not there"),
        ("DELETE FROM {s}.fees WHERE id = 2", "2 of 3 rows"),
        ("DROP TABLE {s}.fees", "not there"),
    ],
)
def test_one_cell_that_is_otherwise_shows(lab: Lab, sums: Sums, change: str, column: str) -> None:
    lab.pg(change)
    assert column in checked(sums, lab.target, lab.schema).verdict


def test_other_names_and_types_with_the_same_values_are_told_and_no_difference(lab: Lab, sums: Sums) -> None:
    lab.pg(
        'ALTER TABLE {s}.fees RENAME small TO sm_all; ALTER TABLE {s}.fees RENAME note TO "No_Te";'
        "ALTER TABLE {s}.fees ALTER sm_all TYPE text, ALTER seen TYPE timestamptz USING seen AT TIME ZONE 'UTC';"
        'ALTER TABLE {s}.fees RENAME TO "Fees"; ALTER TABLE {s}."Fees" DROP CONSTRAINT fees_pkey'
    )
    found = checked(sums, lab.target, lab.schema)
    assert (found.different, found.keyed) == ([], 0)
    assert sorted(found.types) == ["fees.seen timestamp with time zone", "fees.small text"]


def test_a_type_that_cannot_be_summed_is_told_and_the_others_are_compared(lab: Lab, sums: Sums) -> None:
    lab.pg("ALTER TABLE {s}.fees ALTER amount TYPE text USING 'about ' || amount")
    found = checked(sums, lab.target, lab.schema)
    assert len(found.different) == 1
    assert "amount: text cannot be compared" in found.different[0]
    assert found.sums == 9


def test_tables_for_contenders_that_create_none_take_the_same_rows(lab: Lab, sums: Sums) -> None:
    for statement in created(lab.source, f"{lab.schema}_other"):
        lab.pg(statement)
    lab.pg("INSERT INTO {s}_other.fees SELECT * FROM {s}.fees")
    found = checked(sums, lab.target, f"{lab.schema}_other")
    lab.pg("DROP SCHEMA {s}_other CASCADE")
    assert (found.different, found.types, found.keyed) == ([], [], 0)
