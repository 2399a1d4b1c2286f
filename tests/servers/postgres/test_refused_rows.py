"""Rows that only Postgres refuses: found among the others, in whatever way their table is loaded, and put on record."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import pyarrow as pa
import pytest
from faults import small_partitions
from lab import Lab

import bulketl
import bulketl.loading.reading
import bulketl.postgres.write.copy
import bulketl.postgres.write.refused
from bulketl.rows.coerce import Batch, coerce
from bulketl.tables.spec import TableSpec


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows are in each trial that looks for them."""
    found: list[int] = []
    real = bulketl.postgres.write.refused._try

    def watched(*args: Any) -> Any:
        found.append(args[-1].num_rows)
        return real(*args)

    monkeypatch.setattr(bulketl.postgres.write.refused, "_try", watched)
    return found


REFUSED = {
    "varchar(5)": ("varchar(20)", "'fits'", "'too long'", "value too long"),
    "jsonb": ("longtext", "'{}'", '\'{"a": "\\\\u0000 COPY bulketl_trial, line 3"}\'', "\\u0000 cannot"),
}


@pytest.mark.parametrize("cast", sorted(REFUSED))
def test_rows_that_postgres_refuses_are_found_by_a_few_copies_each(maria_lab: Lab, tried: list[int], cast: str) -> None:
    """However many they are, beside each other, first and last; and no other row is rejected."""
    kind, good, bad, reason = REFUSED[cast]
    maria_lab.mysql(
        f"CREATE TABLE t (id int PRIMARY KEY, c {kind})",
        f"INSERT INTO t SELECT seq, IF(seq % 20 = 1 OR seq > 590, {bad}, {good}) FROM seq_1_to_600",
    )
    done = maria_lab.load(rules={"t": {"casts": {"c": cast}, "max_rejects": "10%"}})
    told = done.summary.tables["t"]
    assert (told.outcome, told.rows, told.rejects) == ("loaded", 560, 40), told.message
    assert len(tried) < 3 * 40
    found = maria_lab.pg("SELECT (row->>'id')::int, column_name, reason FROM bulketl.reject WHERE run = %s ORDER BY 1",
                         (done.summary.run,))  # fmt: skip
    assert [n for n, _, _ in found] == [n for n in range(1, 601) if n % 20 == 1 or n > 590]
    assert all(column == "c" and reason in why and "COPY" not in why for _, column, why in found)


def test_the_search_for_refused_rows_ends_when_there_are_too_many(maria_lab: Lab, tried: list[int]) -> None:
    """A share of a small table is known at once; the rest need not be looked for."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20))", "INSERT INTO t SELECT seq, 'long' FROM seq_1_to_400"
    )
    told = maria_lab.load(rules={"t": {"casts": {"c": "varchar(2)"}, "max_rejects": "1%"}}).summary.tables["t"]
    assert (told.outcome, told.rejects) == ("failed", 5)
    assert "max_rejects is 1%" in told.message
    assert len(tried) < 20


@pytest.fixture
def streamed(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A large table without a key, in batches of 50 rows, three of which have a text that only Postgres refuses."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int, doc longtext)", "INSERT INTO t SELECT seq, '{\"a\": 1}' FROM seq_1_to_400")
    maria_lab.mysql('UPDATE t SET doc = \'{"a": "\\\\u0000"}\' WHERE id IN (7, 222, 400)')
    return maria_lab


@pytest.mark.parametrize("most", [3, "1%"])
def test_a_streamed_table_loses_only_the_rows_that_postgres_refuses(streamed: Lab, most: int | str) -> None:
    """Wherever they are; each is on record with its reason."""
    done = streamed.load(rules={"t": {"casts": {"doc": "jsonb"}, "max_rejects": most}})
    told = done.summary.tables["t"]
    assert "one streamed read" in next(iter(done.plan.loads)).reason
    assert (told.outcome, told.rows, told.rejects) == ("loaded", 397, 3), told.message
    found = streamed.pg("SELECT (row->>'id')::int, column_name, reason FROM bulketl.reject WHERE run = %s ORDER BY 1",
                        (done.summary.run,))  # fmt: skip
    assert [(n, column) for n, column, _ in found] == [(n, "doc") for n in (7, 222, 400)]
    assert all("\\u0000 cannot" in reason and "COPY" not in reason for _, _, reason in found)
    assert streamed.pg("SELECT count(*), count(DISTINCT id) FROM {s}.t") == [(397, 397)]


def test_a_streamed_table_with_too_many_of_them_fails_and_shows_them(streamed: Lab) -> None:
    """The table is not published; the rows are on record."""
    done = streamed.load(rules={"t": {"casts": {"doc": "jsonb"}, "max_rejects": 2}})
    told = done.summary.tables["t"]
    assert (told.outcome, told.rejects) == ("failed", 3), told.message
    assert "t" not in streamed.tables()
    assert len(bulketl.show_rejects(streamed.config(), ["t"], done.summary.run)) == 3


def test_the_second_reading_of_a_stream_is_bounded_in_memory(maria_lab: Lab) -> None:
    """Batch after batch, as the first."""
    maria_lab.mysql(
        "CREATE TABLE t (id int, doc longtext)",
        "INSERT INTO t SELECT seq, CONCAT('{\"a\": \"', REPEAT('x', 2000), '\"}') FROM seq_1_to_40000",
        'UPDATE t SET doc = \'{"a": "\\\\u0000"}\' WHERE id = 39999',
    )
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    peak = 0

    def watch(rows: Any, spec: TableSpec, null_bits: list[list[str]], mask_key: str = "") -> Batch:
        nonlocal peak
        peak = max(peak, pa.total_allocated_bytes() - before)
        return real(rows, spec, null_bits, mask_key)

    real = coerce
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulketl.loading.reading, "coerce", watch)
        done = maria_lab.load(rules={"t": {"casts": {"doc": "jsonb"}, "max_rejects": 1}})
    tracemalloc.stop()
    assert (done.summary.tables["t"].rows, done.summary.tables["t"].rejects) == (39999, 1)
    assert peak < 60 << 20, f"{peak >> 20} MB"  # of 80


def test_bytes_that_are_no_value_of_their_type_are_a_bug_and_no_reject(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wire type that passes the check of types, and that Postgres cannot read: no row is at fault, nor was any altered."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c bigint)", "INSERT INTO t VALUES (1, 1)")
    real = coerce

    def planted(rows: Any, spec: TableSpec, null_bits: list[list[str]], mask_key: str = "") -> Batch:
        batch = real(rows, spec, null_bits, mask_key)
        good = batch.good.set_column(1, "c", batch.good.column("c").cast(pa.int32()))
        return dataclasses.replace(batch, good=good)

    monkeypatch.setattr(bulketl.loading.reading, "coerce", planted)
    allowed = bulketl.postgres.write.copy.ALLOWED
    monkeypatch.setitem(allowed, "bigint", allowed["bigint"] | {"int32"})
    done = maria_lab.load(rules={"t": {"max_rejects": "100%"}})
    told = done.summary.tables["t"]
    assert (told.outcome, told.error, told.rejects) == ("failed", "BugError", 0), told.message
    assert "insufficient data left in message" in told.message
    assert "mistake in bulketl" in told.hint
    assert "altered" not in told.message + told.hint
    assert maria_lab.pg("SELECT count(*) FROM bulketl.reject WHERE run = %s", (done.summary.run,)) == [(0,)]


@pytest.mark.parametrize("beside", ["int", "decimal(65,30)", "blob", "datetime(6)"])
def test_many_refused_rows_are_found_by_one_statement(maria_lab: Lab, tried: list[int], beside: str) -> None:
    """Whichever column is at fault, also where each value of a row is taken alone; no other row is rejected."""
    rows, every = 3_000, bulketl.postgres.write.refused.MANY
    maria_lab.mysql(
        f"CREATE TABLE t (id int PRIMARY KEY, a varchar(20), b longtext, n {beside}, e longtext)",
        f"INSERT INTO t SELECT seq, 'fits', '{{}}', NULL, 'é😀\\\\' FROM seq_1_to_{rows}",
        "UPDATE t SET a = 'too long' WHERE id % 4 = 1",
        "UPDATE t SET b = '[\"\\\\u0000\"]' WHERE id % 4 = 3",
    )
    done = maria_lab.load(rules={"t": {"casts": {"a": "varchar(5)", "b": "jsonb"}, "max_rejects": "100%"}})
    told = done.summary.tables["t"]
    assert (told.outcome, told.rows, told.rejects) == ("loaded", rows // 2, rows // 2), told.message
    assert len(tried) < 3 * every
    assert maria_lab.pg("SELECT count(*) FROM {s}.t WHERE id % 2 = 0 AND e = 'é😀\\'") == [(rows // 2,)]
    found = maria_lab.pg(
        "SELECT column_name, (row->>'id')::int %% 4, min(value), reason, count(*) FROM bulketl.reject"
        " WHERE run = %s GROUP BY 1, 2, 4 ORDER BY 1", (done.summary.run,)
    )  # fmt: skip
    assert [(column, rest, value, count) for column, rest, value, _, count in found] == [
        ("a", 1, "too long", rows // 4), ("b", 3, '["\\u0000"]', rows // 4),
    ]  # fmt: skip
