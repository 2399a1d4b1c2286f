"""Defaults of the source's columns, where a rule keeps them: as they are there, after every way a table is published."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Lab
from test_kept_indexes import WAYS

TABLE = """CREATE TABLE t (
    id int PRIMARY KEY AUTO_INCREMENT, word varchar(20) DEFAULT 'it''s a \\\\', none varchar(9), n int NOT NULL DEFAULT -5,
    fee decimal(8,2) DEFAULT 1.5, flag bit(1) DEFAULT b'1', at datetime DEFAULT '2000-01-01', made date DEFAULT (curdate()),
    span time DEFAULT '08:00', DateTStamp datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3))"""
WANTED = {
    "word": "'it''s a \\'::character varying", "n": "'-5'::integer", "fee": "1.50", "flag": "true",
    "at": "'2000-01-01 00:00:00'::timestamp without time zone", "span": "'08:00:00'::interval(0)",
    "DateTStamp": "LOCALTIMESTAMP",
}  # fmt: skip
KEEP: dict[str, Any] = {"keep": ["defaults"]}


def defaults(lab: Lab) -> dict[str, str]:
    """Return the default of each column of the table that has one."""
    found = lab.pg(
        "SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute a ON a.attrelid = adrelid"
        " AND attnum = adnum WHERE adrelid = '{s}.t'::regclass"
    )
    return dict(found)


@pytest.mark.parametrize("way", WAYS)
def test_defaults_are_those_of_the_source_after_every_way_to_publish(lab: Lab, way: str) -> None:
    rules = {"t": {**KEEP, **WAYS[way]}}
    lab.mysql(TABLE, "INSERT INTO t (id) VALUES (1), (2)")
    done = lab.load(rules=rules)
    (plan,) = done.plan.loads
    summary = done.summary.tables["t"]
    assert (done.summary.outcome, defaults(lab), summary.beside) == ("done", WANTED, {"defaults": len(WANTED)})
    assert summary.unmet == "not kept: default of made: it is an expression of MySQL"
    assert "7 defaults of the source; id without AUTO_INCREMENT; DateTStamp without ON UPDATE" in plan.reason
    lab.pg("ALTER TABLE {s}.t ALTER none SET DEFAULT 'mine'")
    lab.mysql("ALTER TABLE t ALTER n SET DEFAULT 7, ALTER fee DROP DEFAULT", "INSERT INTO t (id, fee) VALUES (3, 1)")
    assert lab.load(rules=rules).summary.outcome == "done"
    want = {name: text for name, text in WANTED.items() if name != "fee"}
    assert defaults(lab) == {**want, "n": "7"}
    lab.mysql("ALTER TABLE t DROP word", "INSERT INTO t (id, fee) VALUES (4, 1)")
    assert lab.load(rules=rules).summary.outcome == "done"
    assert "word" not in defaults(lab)
    assert lab.pg("SELECT word FROM {s}.t WHERE id = 4") == [(None,)]


def test_a_large_table_is_swapped_although_it_has_defaults(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    small_partitions(monkeypatch, 50)
    lab.mysql(TABLE, "INSERT INTO t (id) SELECT seq FROM seq_1_to_200")
    for how in ("create", "swap", "swap"):
        done = lab.load(rules={"t": KEEP})
        assert (done.summary.outcome, done.how("t"), defaults(lab)) == ("done", how, WANTED)
        lab.mysql("UPDATE t SET n = n + 1")


def test_a_default_that_postgres_refuses_costs_the_default_and_no_row(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, big time DEFAULT '838:59:59')", "INSERT INTO t VALUES (1, '01:00')")
    done = lab.load(rules={"t": {**KEEP, "casts": {"big": "time"}}})
    assert done.summary.outcome == "done"
    assert done.summary.tables["t"].unmet == "default of big is refused by Postgres"
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(1,)]
