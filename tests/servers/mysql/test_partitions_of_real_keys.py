"""Promise 2: every row is in exactly one partition, whatever its key: along real indexes, in the servers' own order."""

from __future__ import annotations

import random
import statistics
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab

ROWS, SIZE = 600, 50
Rows = list[tuple[Any, ...]]


def numbers(*values: int) -> Rows:
    return [(value, n) for n, value in enumerate(values)]


def words() -> Rows:
    letters = "abcXYZéÉß 'ñ\\\"%_-中😀\0"
    pick = random.Random(7)
    made = {"".join(pick.choice(letters) for _ in range(pick.randint(0, 12))) + str(n % 50) for n in range(ROWS)}
    return [(word, n) for n, word in enumerate(sorted(made))]


def uuids() -> Rows:
    pick = random.Random(7)
    return [(str(uuid.UUID(int=pick.getrandbits(128), version=(1, 4)[n % 2])), n) for n in range(ROWS)]


def days() -> Rows:
    return [(f"{1900 + n // 300}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}", n) for n in range(ROWS)]


# name -> columns, key, rows (the last column counts them)
KEYS: dict[str, tuple[str, str, Callable[[], Rows]]] = {
    "int without gaps": ("k int", "PRIMARY KEY (k)", lambda: numbers(*range(ROWS))),
    "int with a huge gap": (
        "k bigint",
        "PRIMARY KEY (k)",
        lambda: numbers(*range(300), *range(10**15, 10**15 + 300)),
    ),
    "int skewed": ("k int", "PRIMARY KEY (k)", lambda: numbers(*range(500), *(n * n * 1000 for n in range(1, 101)))),
    "bigint at both ends": (
        "k bigint",
        "PRIMARY KEY (k)",
        lambda: numbers(*range(-(2**63), -(2**63) + 300), *range(2**63 - 300, 2**63)),
    ),
    "bigint unsigned beyond 2^63": (
        "k bigint unsigned",
        "PRIMARY KEY (k)",
        lambda: numbers(*range(300), *range(2**64 - 300, 2**64)),
    ),
    "nullable unique": (
        "k int NULL",
        "UNIQUE KEY u (k)",
        lambda: [*numbers(*range(ROWS)), *((None, n) for n in range(40))],
    ),
    "nullable unique, unsigned": (
        "k bigint unsigned NULL",
        "UNIQUE KEY u (k)",
        lambda: [*numbers(*range(2**63 - 100, 2**63 + 500)), *((None, n) for n in range(40))],
    ),
    "text without case": ("k varchar(60) COLLATE utf8mb4_general_ci", "PRIMARY KEY (k)", words),
    "text by code": ("k varchar(60) COLLATE utf8mb4_bin", "PRIMARY KEY (k)", words),
    "text in unicode order": ("k varchar(60) COLLATE utf8mb4_unicode_520_ci", "PRIMARY KEY (k)", words),
    "text in latin1": ("k varchar(60) CHARACTER SET latin1", "PRIMARY KEY (k)", words),
    "nullable text": (
        "k varchar(60) NULL",
        "UNIQUE KEY u (k)",
        lambda: [*words(), *((None, n) for n in range(40))],
    ),
    "char uuid": ("k char(36) CHARACTER SET ascii", "PRIMARY KEY (k)", uuids),
    "uuid": ("k uuid", "PRIMARY KEY (k)", uuids),
    "binary": ("k varbinary(20)", "PRIMARY KEY (k)", lambda: [(uuid.UUID(u).bytes, n) for u, n in uuids()]),
    "decimal": ("k decimal(30,5)", "PRIMARY KEY (k)", lambda: [(f"{n * 7919 - 999}.0000{n % 9}", n) for n in range(ROWS)]),
    "date": ("k date", "PRIMARY KEY (k)", days),
    "datetime": ("k datetime(6)", "PRIMARY KEY (k)", lambda: [(f"{day} 10:00:00.{n:06}", n) for day, n in days()]),
    "timestamp": (
        "k timestamp(6)",
        "PRIMARY KEY (k)",
        lambda: [(f"2024-{n // 60 + 1:02}-{n % 28 + 1:02} 02:30:00.{n:06}", n) for n in range(ROWS)],
    ),
    "two columns, skewed": (
        "a int, k varchar(20)",
        "PRIMARY KEY (a, k)",
        lambda: [(1 if n < 500 else n, f"k{n:05}", n) for n in range(ROWS)],
    ),
    "two columns, in another order": (
        "a varchar(9), k int",
        "PRIMARY KEY (k, a)",
        lambda: [("xX"[n % 2] + str(n), n // 60, n) for n in range(ROWS)],
    ),
    "three columns": (
        "a date, b int unsigned, k varchar(5)",
        "PRIMARY KEY (a, b, k)",
        lambda: [("2024-01-01", n % 2, f"{n}", n) for n in range(ROWS)],
    ),
    "year and number": (
        "a year, k int",
        "PRIMARY KEY (a, k)",
        lambda: [([0, 1901, 2155][n % 3], n, n) for n in range(ROWS)],
    ),
    "quoted names": ('`k``"%s k` int', 'PRIMARY KEY (`k``"%s k`)', lambda: numbers(*range(ROWS))),
}


def loaded(lab: Lab, columns: str, key: str, rows: Rows) -> Done:
    """Create, fill and load table t."""
    lab.mysql(f"CREATE TABLE t ({columns}, n int, {key})")
    lab.insert("t", rows, mode="")
    lab.mysql("ANALYZE TABLE t")
    done = lab.load()
    assert done.summary.outcome == "done", done.summary.failed
    return done


def sizes(lab: Lab, done: Done) -> list[int]:
    """Return the rows of each partition as the ledger has them."""
    rows = lab.pg("SELECT rows FROM bulketl.partition WHERE run = %s ORDER BY partition", (done.summary.run,))
    return [int(count) for (count,) in rows]


@pytest.mark.parametrize("name", KEYS)
def test_every_row_is_in_exactly_one_partition(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Cut into a dozen partitions, every row arrives once, and no partition has ten times the rows of the others."""
    columns, key, made = KEYS[name]
    rows = made()
    if columns == "k uuid" and lab.server.kind == "mysql":
        pytest.skip("MySQL has no uuid")
    if "latin1" in columns or "_ci" in columns or columns.startswith("k varchar(60) NULL"):
        folded = {str(k).casefold().encode("latin1", "replace").rstrip(): (k, n) for k, n in rows if k is not None}
        rows = [*folded.values(), *((k, n) for k, n in rows if k is None)]
        rows = [(k and k.encode("latin1", "replace").decode("latin1"), n) for k, n in rows]
        rows = _distinct(lab, columns, rows)
    small_partitions(monkeypatch, SIZE)
    done = loaded(lab, columns, key, rows)
    assert done.parts("t") >= 6
    assert lab.differences("t") == []
    counts = sizes(lab, done)
    assert sum(counts) == len(rows)
    full = [count for count in counts if count]
    assert max(counts) <= 10 * statistics.median(full)


def _distinct(lab: Lab, columns: str, rows: Rows) -> Rows:
    """Keep the rows that the collation of the column tells apart."""
    lab.mysql(f"CREATE TABLE d ({columns}, n int, UNIQUE KEY (k))")
    connection = lab.server.connect(lab.database)
    with connection, connection.cursor() as cursor:
        cursor.executemany("INSERT IGNORE INTO d VALUES (%s, %s)", rows)
        cursor.execute("SELECT * FROM d")
        kept = list(cursor.fetchall())
        cursor.execute("DROP TABLE d")
    assert len(kept) > ROWS // 3
    return kept


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ("k int", "KEY (k)"),
        ("k float", "PRIMARY KEY (k)"),
        ("k int, b int NULL", "UNIQUE KEY (k, b)"),
        ("k int", "KEY j (n)"),
    ],
    ids=["no unique key", "float key", "nullable pair", "no key at all"],
)
def test_a_large_table_without_a_key_to_cut_is_streamed_whole(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, columns: str, key: str
) -> None:
    """One pass in batches, when no key gives ranges."""
    small_partitions(monkeypatch, SIZE)
    width = columns.count(",") + 1
    done = loaded(lab, columns, key, [(*[n] * width, n) for n in range(ROWS)])
    (load,) = done.plan.loads
    assert load.partitions[0].stream == SIZE
    assert lab.differences("t") == []
    assert sizes(lab, done) == [ROWS]


def test_rows_that_are_equal_in_every_column_all_arrive(lab: Lab) -> None:
    """A table without a key may hold the same row many times; so does the target."""
    lab.mysql("CREATE TABLE t (a int, b varchar(9))", "INSERT INTO t VALUES (1,'x'),(1,'x'),(1,'x'),(NULL,NULL),(NULL,NULL)")
    lab.load()
    assert lab.differences("t") == []


def test_invalid_dates_in_a_key_are_cut_along_and_end_as_rejects(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zero date in a key cannot be NULL in a primary key: that row is a reject, and no other row is lost."""
    small_partitions(monkeypatch, SIZE)
    lab.mysql("CREATE TABLE t (k date, n int, PRIMARY KEY (k, n))")
    rows = [
        (["0000-00-00", "2024-02-31", "2024-05-00"][n % 3] if n < 90 else f"2020-01-{n % 28 + 1:02}", n) for n in range(ROWS)
    ]
    lab.insert("t", rows, mode="ALLOW_INVALID_DATES")
    done = lab.load(max_rejects=90)
    assert done.summary.outcome == "done", done.summary.failed
    (load,) = done.plan.loads  # MySQL refuses such dates as literals, so it cannot be cut there
    assert len(load.partitions) > 3 or load.partitions[0].stream
    assert (done.summary.tables["t"].rows, done.summary.tables["t"].rejects) == (ROWS - 90, 90)
    assert lab.pg("SELECT count(*), count(DISTINCT n) FROM {s}.t") == [(ROWS - 90, ROWS - 90)]


def test_a_table_may_be_cut_along_a_column_of_its_rule(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not unique, with NULLs, and with one value on half of the rows: every row once, the others evenly."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, day date NULL, INDEX (day))",
                    "INSERT INTO t SELECT seq, CASE WHEN seq <= 200 THEN '2024-01-01' WHEN seq <= 390"
                    " THEN DATE '2024-01-01' + INTERVAL seq DAY END FROM seq_1_to_400")  # fmt: skip
    done = maria_lab.load(rules={"t": {"partition_by": "day"}})
    assert done.summary.outcome == "done"
    assert done.parts("t") >= 6
    assert maria_lab.differences("t") == []


def test_a_declared_key_becomes_the_key_of_a_table_without_one(maria_lab: Lab) -> None:
    """`primary_key` in its rule."""
    maria_lab.mysql("CREATE TABLE t (id int, c int)", "INSERT INTO t VALUES (1, 1), (2, 2)")
    assert maria_lab.load(rules={"t": {"primary_key": ["id"]}}).summary.outcome == "done"
    assert maria_lab.pg("SELECT conname FROM pg_constraint WHERE conrelid = '{s}.t'::regclass AND contype = 'p'") == [
        ("t_pkey",)
    ]
