"""A column may have another name in the target than at the source: MySQL's statements use the one, Postgres' the other."""

from __future__ import annotations

import dataclasses

import pytest
from lab import Lab

import bulketl
import bulketl.plan.specify
from bulketl.tables.casts import Cast, cast
from bulketl.tables.catalog import Column
from bulketl.verifying.verdicts import Level

TABLE = "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime(3))"
SHOWN = 'SELECT "the id", "the c", "the at"::text FROM {s}.t ORDER BY 1'
ROWS = "INSERT INTO t VALUES (1, 'one', '2024-01-01 10:00:00'), (2, NULL, NULL), (3, 'three', '0000-00-00')"


@pytest.fixture
def renamed(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table with rows, whose columns are to get other names in the target, as no rule can say yet."""

    def other(column: Column, declared: str = "") -> Cast:
        return dataclasses.replace(cast(column, declared), name=f"the {column.name}")

    monkeypatch.setattr(bulketl.plan.specify, "cast", other)
    maria_lab.mysql(TABLE, ROWS, mode="")
    return maria_lab


@pytest.mark.parametrize("rule", [{}, {"deletes": "mirror"}, {"table_importance": "audit"}])
def test_a_table_is_created_and_written_again_by_the_targets_names(renamed: Lab, rule: dict[str, object]) -> None:
    """Whole, by a merge, and by an audit's append."""
    assert renamed.load(rules={"t": rule}).summary.outcome == "done"
    assert renamed.pg(SHOWN) == [
        (1, "one", "2024-01-01 10:00:00"), (2, None, None), (3, "three", None),
    ]  # fmt: skip
    renamed.mysql("UPDATE t SET c = 'two' WHERE id = 2", "INSERT INTO t VALUES (4, 'four', NULL)")
    done = renamed.load(rules={"t": rule}).summary
    assert done.outcome == "done", done.failed
    assert [row[:2] for row in renamed.pg(SHOWN) if row[0] != 2] == [(1, "one"), (3, "three"), (4, "four")]
    assert dict(row[:2] for row in renamed.pg(SHOWN))[2] == (None if rule.get("table_importance") else "two")


@pytest.mark.parametrize("level", ["count", "sums", "keys", "rows"])
def test_it_is_verified_by_them(renamed: Lab, level: Level) -> None:
    assert renamed.load().summary.outcome == "done"
    assert bulketl.verify(renamed.config(), level=level).equal
    renamed.pg('UPDATE {s}.t SET "the c" = $$other$$ WHERE "the id" = 1')
    assert bulketl.verify(renamed.config(), level=level).equal == (level in ("count", "keys"))
    if level == "rows":
        assert bulketl.verify(renamed.config(), repair=True).equal
        assert (1, "one") in [row[:2] for row in renamed.pg(SHOWN)]
