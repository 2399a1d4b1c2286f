"""Rows that are lost or doubled on the way are noticed, by counts of the source's own around the read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from faults import no_pauses, small_partitions
from lab import Lab, load

from bulketl.loading.events import TableFailed, TablePublished
from bulketl.mysql import source
from bulketl.postgres.write.stage import keyed

Change = Callable[[Any], Any]


def reading(monkeypatch: pytest.MonkeyPatch, table: str, change: Change, partition: int | None = None) -> None:
    """Change what the source gives of a table, or of one partition of it."""
    read = source.MySQLSource.read

    def changed(source: Any, spec: Any, part: Any, *rest: Any) -> Iterator[Any]:
        for rows in read(source, spec, part, *rest):
            yield change(rows) if spec.table == table and partition in (None, part.index) else rows

    monkeypatch.setattr(source.MySQLSource, "read", changed)


def lose(rows: Any) -> Any:
    return rows.slice(5)


def double(rows: Any) -> Any:
    return pa.concat_tables([rows, rows.slice(0, 1)])


@pytest.fixture
def pair(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of ten ranges and a small one, both loaded; then one row of each is changed."""
    small_partitions(monkeypatch, 100)
    no_pauses(monkeypatch)
    for name, rows in (("big", 1000), ("small", 50)):
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c varchar(20))",
                        f"INSERT INTO {name} SELECT seq, 'old' FROM seq_1_to_{rows}")  # fmt: skip
    assert load(maria_lab.config()).summary.outcome == "done"
    maria_lab.mysql("UPDATE big SET c = 'new' WHERE id = 7", "UPDATE small SET c = 'new' WHERE id = 7")
    return maria_lab


@pytest.mark.parametrize(("table", "partition", "told"), [
    ("big", 3, "995 rows for 1,000 of the source, a score of 0.995, and data_quality_threshold is 1 (partition 3: 95 of 1"),
    ("small", None, "45 rows for 50 of the source, a score of 0.9"),
])  # fmt: skip
def test_a_table_that_lost_rows_on_the_way_is_not_published(
    pair: Lab, monkeypatch: pytest.MonkeyPatch, table: str, partition: int | None, told: str
) -> None:
    """The message names where; the target is as it was, and the other table is loaded."""
    reading(monkeypatch, table, lose, partition)
    done = load(pair.config())
    (failed,) = [event for event in done.events if isinstance(event, TableFailed)]
    assert (failed.table, failed.kind) == (table, "DataQualityError")
    assert told in failed.message
    assert pair.pg(f"SELECT c FROM {{s}}.{table} WHERE id = 7") == [("old",)]
    other = "small" if table == "big" else "big"
    assert pair.pg(f"SELECT c FROM {{s}}.{other} WHERE id = 7") == [("new",)]


@pytest.mark.parametrize("table", ["big", "small"])
def test_a_threshold_lets_so_many_be_lost_and_the_score_is_on_record(
    pair: Lab, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """In the event, the summary and the ledger."""
    reading(monkeypatch, table, lose, 3 if table == "big" else None)
    done = load(pair.config(rules={table: {"monitoring": {"data_quality_threshold": 0.9}}}))
    assert done.summary.outcome == "done", done.summary.failed
    score = 0.995 if table == "big" else 0.9
    assert [event.quality for event in done.events if isinstance(event, TablePublished) and event.table == table] == [score]
    assert done.summary.tables[table].quality == score
    assert pair.pg(
        f"SELECT quality FROM bulketl.table_load WHERE run = '{done.summary.run}' AND table_name = '{table}'"
    ) == [(score,)]


def test_rows_that_are_doubled_on_the_way_fail_a_table_without_a_key(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else would notice; no threshold allows it."""
    no_pauses(monkeypatch)
    maria_lab.mysql("CREATE TABLE t (c varchar(20))", "INSERT INTO t SELECT 'x' FROM seq_1_to_50")
    reading(monkeypatch, "t", double)
    (failed,) = load(maria_lab.config(rules={"t": {"monitoring": {"data_quality_threshold": 0.1}}})).summary.failed
    assert "51 rows for 50 of the source" in failed.message
    assert "more than the source has is never right" in failed.message


@pytest.mark.parametrize("statement", [
    "INSERT INTO {table} SELECT seq, 'x' FROM seq_2001_to_2100", "DELETE FROM {table} WHERE id BETWEEN 20 AND 24",
])  # fmt: skip
@pytest.mark.parametrize("table", ["big", "small"])
def test_rows_that_come_or_go_while_it_is_read_are_no_loss(
    pair: Lab, monkeypatch: pytest.MonkeyPatch, table: str, statement: str
) -> None:
    """Counted before and after."""
    seen, read = [False], source.MySQLSource.read

    def late(source: Any, spec: Any, part: Any, *rest: Any) -> Any:
        if not seen[0] and spec.table == table:
            seen[0] = True
            pair.mysql(statement.format(table=table))
        return read(source, spec, part, *rest)

    monkeypatch.setattr(source.MySQLSource, "read", late)
    done = load(pair.config())
    assert done.summary.outcome == "done", done.summary.failed
    assert done.summary.tables[table].quality == 1


def test_a_chunk_that_lost_rows_does_not_move_the_watermark(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunks before it stay."""
    small_partitions(monkeypatch, 100)
    no_pauses(monkeypatch)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_100")
    rules = {"t": {"extraction_strategy": "chunked_incremental", "incremental_column": "id", "lookback": 0}}
    load(maria_lab.config(rules=rules))
    maria_lab.mysql("INSERT INTO t SELECT seq FROM seq_101_to_1000")
    reading(monkeypatch, "t", lose, 3)
    (failed,) = load(maria_lab.config(rules=rules)).summary.failed
    assert failed.error == "DataQualityError"
    monkeypatch.undo()
    assert load(maria_lab.config(rules=rules)).summary.outcome == "done"
    assert maria_lab.differences("t") == []


def test_a_row_that_is_lost_while_it_is_staged_is_placed(pair: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Postgres counts before a publish is held against the records, and a difference is of a partition."""

    def lossy(run: str, spec: Any) -> list[str]:
        return [*keyed(run, spec), f'DELETE FROM bulketl_staging."{run} {spec.table}" WHERE id = 350']

    monkeypatch.setattr("bulketl.postgres.target.keyed", lossy)
    told = load(pair.config(), unforeseen="planted amid the load").summary.tables["big"]
    assert (told.outcome, told.error) == ("failed", "DataError")
    assert "100 of partition 3, and Postgres counts 99" in told.message
    assert pair.pg("SELECT count(*) FROM {s}.big WHERE c = 'old'") == [(1000,)]
