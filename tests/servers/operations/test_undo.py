"""A publish undone: the version before is there again, proven, whatever the way it was replaced; or figures say why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from faults import small_partitions
from handkills import killed
from heldup import environ
from lab import Lab, load
from runbooks import Clinic
from waiting import until

import bulketl
from bulketl import Config
from bulketl.errors import DataError, PlanError
from bulketl.mysql.source import MySQLSource

BY_TIME = {"extraction_strategy": "incremental", "incremental_column": "at"}
ROWS = "SELECT id, c, at FROM {s}.t ORDER BY id"


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """A table of 200 rows."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime)",
                    "INSERT INTO t SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_200")  # fmt: skip
    return maria_lab


def configured(lab: Lab, **rule: Any) -> Config:
    return lab.config(rules={"t": rule}, keep_previous=1)


def edit(lab: Lab) -> None:
    lab.mysql("UPDATE t SET c = 'new', at = NOW() WHERE id % 2 = 0", "INSERT INTO t VALUES (1000, 'new', NOW())")


@pytest.mark.parametrize(
    ("way", "rule"),
    [("refill", {}), ("swap", {"publish": "swap"}), ("merge", BY_TIME), ("merge", {"deletes": "ignore"})],
)
@pytest.mark.parametrize("parts", [1, 8])
def test_the_version_before_is_there_again_whatever_the_way(
    lab: Lab, way: str, rule: dict[str, Any], parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next load goes on where the one before was; a second undo has nothing."""
    if parts > 1:
        small_partitions(monkeypatch, 25)
        way = "swap" if way == "refill" else way
    config = configured(lab, **rule)
    load(config)
    before, state = lab.pg(ROWS), lab.pg("SELECT watermark, rows FROM bulketl.state WHERE schema_name = '{s}'")
    edit(lab)
    done = load(config)
    assert done.how("t") == way
    after = lab.pg(ROWS)
    assert after != before
    found = bulketl.undo(config, "t")
    assert (found.undone, found.rows, found.before) == (done.summary.run, 200, 201)
    assert lab.pg(ROWS) == before
    assert lab.pg("SELECT watermark, rows FROM bulketl.state WHERE schema_name = '{s}'") == state
    with pytest.raises(PlanError, match="there is no previous version"):
        bulketl.undo(config, "t")
    assert load(config).summary.outcome == "done"
    assert lab.pg(ROWS) == after
    assert lab.differences("t") == []


def test_a_load_in_chunks_is_undone_whole_also_when_it_failed_amid_them(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk is published alone, and the version before is that of before the first of them."""
    small_partitions(monkeypatch, 25)
    rule = {"extraction_strategy": "chunked_incremental", "incremental_column": "id", "lookback": 0, "deletes": "ignore"}
    config = configured(lab, **rule)
    load(config)
    before, state = lab.pg(ROWS), lab.pg("SELECT watermark, rows FROM bulketl.state WHERE schema_name = '{s}'")
    lab.mysql("INSERT INTO t SELECT seq, 'new', NOW() FROM seq_201_to_400")
    read = MySQLSource.read

    def losing(source: MySQLSource, spec: Any, part: Any, *rest: Any) -> Iterator[Any]:
        yield from (rows.slice(5) if part.index == 3 else rows for rows in read(source, spec, part, *rest))

    monkeypatch.setattr(MySQLSource, "read", losing)
    (failed,) = load(config).summary.failed
    assert len(lab.pg(ROWS)) > len(before), failed
    bulketl.undo(config, "t")
    assert lab.pg(ROWS) == before
    assert lab.pg("SELECT watermark, rows FROM bulketl.state WHERE schema_name = '{s}'") == state
    monkeypatch.undo()
    assert load(config).summary.outcome == "done"
    assert lab.differences("t") == []


def test_rows_that_changed_since_are_told_in_figures(lab: Lab) -> None:
    """Their number, or that their content is another."""
    config = configured(lab)
    load(config)
    edit(lab)
    load(config)
    changes = {
        "DELETE FROM {s}.t WHERE id = 1000": "has 200 rows, and run .* left 201",
        "INSERT INTO {s}.t VALUES (1000, 'other')": "has 201 rows of other content, and run .* left 201",
    }
    for change, said in changes.items():
        lab.pg(change)
        with pytest.raises(DataError, match=said):
            bulketl.undo(config, "t")


def test_columns_that_came_with_the_load_are_empty_again(lab: Lab) -> None:
    """And what hung on the table stays."""
    config = configured(lab)
    load(config)
    before = lab.pg(ROWS)
    lab.pg("CREATE VIEW {s}.v AS SELECT count(*) AS n FROM {s}.t; CREATE MATERIALIZED VIEW {s}.m AS SELECT id FROM {s}.t")
    lab.mysql("ALTER TABLE t ADD COLUMN more int", "UPDATE t SET more = id, c = 'new'")
    load(config)
    assert lab.pg("SELECT count(more) FROM {s}.t") == [(200,)]
    bulketl.undo(config, "t")
    assert lab.pg(ROWS) == before
    assert lab.pg("SELECT count(more) FROM {s}.t") == [(0,)]
    assert lab.pg("SELECT n FROM {s}.v") == [(200,)]


def test_columns_that_came_with_the_load_are_filled_by_the_next(lab: Lab) -> None:
    """The rows of before have values in them that no stamp tells of, so all are read once."""
    config = configured(lab, **BY_TIME)
    load(config)
    lab.mysql("ALTER TABLE t ADD COLUMN more int DEFAULT 5")
    assert next(load(config).plan.loads).spec.whole
    bulketl.undo(config, "t")
    assert lab.pg("SELECT DISTINCT more FROM {s}.t") == [(None,)]
    again = next(load(config).plan.loads)
    assert again.spec.whole
    assert "more is new again" in again.reason
    assert lab.differences("t") == []
    assert not next(load(config).plan.loads).spec.whole


def test_the_plan_says_what_it_costs_and_where_it_is_turned_off_it_goes(lab: Lab) -> None:
    """A table without it, an audit table and one whose masks are others now keep nothing."""
    config = configured(lab)
    load(config)
    edit(lab)
    done = load(config)
    (reason,) = (item.reason for item in done.plan.loads)
    assert "the version before is kept, its size, which Postgres has not counted yet, more in the target" in reason
    lab.pg("ANALYZE {s}.t")  # as Postgres does by itself
    lab.mysql("UPDATE t SET c = 'newer', at = NOW() WHERE id = 1")
    (reason,) = (item.reason for item in load(config).plan.loads)
    assert re.search(r"the version before is kept, about \d+\.?\d* kB more in the target", reason), reason
    masked = configured(lab, mask={"c": "null"})
    load(masked)
    assert lab.pg("SELECT count(*) FROM bulketl.previous WHERE schema_name = '{s}'") == [(0,)]
    assert lab.pg("SELECT count(*) FROM pg_class WHERE relname = '{s}.t'") == [(0,)]
    with pytest.raises(PlanError, match="no load has kept one"):
        bulketl.undo(masked, "t")
    with pytest.raises(PlanError, match="there is no table 'nothing'"):
        bulketl.undo(masked, "nothing")


@pytest.mark.parametrize(
    ("place", "undone"),
    [
        ("operations.undo:refill:after", False),
        ("operations.undo:_put_back:after", False),
        ("loading.record:_end:before", True),
    ],
)
def test_a_kill_leaves_the_version_of_before_or_of_now(lab: Lab, tmp_path: Path, place: str, undone: bool) -> None:
    """Within the transaction nothing has changed and the command can be given again; after it, all is done."""
    config = configured(lab, **BY_TIME)
    load(config)
    before = lab.pg(ROWS)
    edit(lab)
    load(config)
    after = lab.pg(ROWS)
    (tmp_path / "bulketl.yaml").write_text("{}", encoding="utf-8")
    settings = {**environ(lab), "BULKETL_SCHEMA": lab.schema}
    killed(settings, place, "undo", "t", "--config", str(tmp_path / "bulketl.yaml"))
    assert lab.pg(ROWS) == (before if undone else after)
    if undone:
        with pytest.raises(PlanError, match="there is no previous version"):
            bulketl.undo(config, "t")
    else:
        assert bulketl.undo(config, "t").rows == 200
    assert lab.pg(ROWS) == before


def test_a_partitioned_table_is_undone_in_its_partitions(lab: Lab) -> None:
    """Its rows are in them, so they are looked at and replaced there."""
    lab.pg("""CREATE TABLE {s}.t (id integer PRIMARY KEY, c varchar(20), at timestamp(0)) PARTITION BY RANGE (id);
        CREATE TABLE {s}.low PARTITION OF {s}.t FOR VALUES FROM (0) TO (50);
        CREATE TABLE {s}.high PARTITION OF {s}.t DEFAULT""")
    config = configured(lab, adopt=True)
    load(config)
    before = lab.pg(ROWS)
    edit(lab)
    load(config)
    assert lab.pg(ROWS) != before
    assert bulketl.undo(config, "t").rows == 200
    assert lab.pg(ROWS) == before


def test_versions_of_tables_whose_names_read_alike_are_kept_apart(lab: Lab) -> None:
    """A dot in the name of a table, or of a schema, leads to no other table's rows."""
    lab.mysql("CREATE TABLE `x.t` (id int PRIMARY KEY)", "INSERT INTO `x.t` VALUES (1), (2), (3)")
    other = Lab(lab.server, lab.database, lab.target, f"{lab.schema}.x")
    try:
        for one, table in ((lab, r"x.t"), (other, "t")):
            load(one.config(keep_previous=1), tables=[table])
            lab.mysql(f"DELETE FROM `{table}` WHERE id = 1")
            load(one.config(keep_previous=1), tables=[table])
        assert bulketl.undo(lab.config(keep_previous=1), "x.t").rows == 3
        assert bulketl.undo(other.config(keep_previous=1), "t").rows == 200
    finally:
        lab.pg(f'DROP SCHEMA "{other.schema}" CASCADE')


def test_two_tables_may_be_the_first_to_keep_a_version_at_the_same_moment(clinic: Clinic) -> None:
    """Each would make the schema for it; the later one waits and takes what the other has made."""
    clinic.rules(patient={"table_importance": "critical"})
    clinic.settings(keep_previous=1)
    clinic.well("bulketl load")
    clinic.mysql("UPDATE patient SET LName = 'new' WHERE PatNum = 1")
    with psycopg.connect(clinic.target) as other, ThreadPoolExecutor(1) as pool:
        other.execute("CREATE SCHEMA bulketl_previous")
        loading = pool.submit(clinic.run, "bulketl load --tables patient")
        until(lambda: clinic.pg("SELECT 1 FROM pg_locks WHERE NOT granted") or loading.done())
        other.commit()
        done = loading.result()
    assert done.returncode == 0, done.stdout
    clinic.well("bulketl undo patient")
