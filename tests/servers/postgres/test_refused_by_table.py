"""Rows that the target table refuses, by what a person has added to it: each is one reject, in every way of writing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab

import bulketl

LONG = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9_000))  # more than a page of an index
# What is added to the target, the row that it refuses, the column that is said, and words of the reason.
OTHER = "CREATE TABLE {s}.other (id int PRIMARY KEY); INSERT INTO {s}.other VALUES (1);"
POINTS = f"{OTHER} ALTER TABLE {{s}}.t ADD CONSTRAINT points FOREIGN KEY (p) REFERENCES {{s}}.other"
TRIGGER = """
CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.n = 5000 THEN RAISE EXCEPTION 'not 5000'; END IF; RETURN NEW; END $$;
CREATE TRIGGER no BEFORE INSERT OR UPDATE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()"""
BIG = (50, 5000, "x", 1)
REFUSALS: dict[str, tuple[str, tuple[object, ...], str, str]] = {
    "check": ("ALTER TABLE {s}.t ADD CONSTRAINT small CHECK (n < 1000)", BIG, "n", "violates check constraint"),
    "check of two": ("ALTER TABLE {s}.t ADD CONSTRAINT two CHECK (n < 1000 OR c <> 'x')", BIG, "n, c", "violates check"),
    "not null": ("ALTER TABLE {s}.t ALTER n SET NOT NULL", (50, None, "x", 1), "n", "violates not-null constraint"),
    "foreign key": (POINTS, (50, 5, "x", 7), "p", "foreign key"),
    "deferred": (f"{POINTS} DEFERRABLE INITIALLY DEFERRED", (50, 5, "x", 7), "p", "foreign key"),
    "trigger": (TRIGGER, BIG, "", "not 5000"),
    "index": ("CREATE INDEX own ON {s}.t (c)", (50, 5, LONG, 1), "", "index row"),
    "expression": ("CREATE INDEX own ON {s}.t ((10 / n))", (50, 0, "x", 1), "", "division by zero"),
}
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "id"}
WAYS: dict[str, tuple[int, dict[str, Any]]] = {  # rows of a partition, 0 for a small table, and the rule
    "group": (0, {}),
    "refill": (4, {"publish": "refill"}),
    "merge": (4, CHANGES),
    "small merge": (0, CHANGES),
    "mark": (4, {"deletes": "mark"}),
    "append": (4, {"table_importance": "audit"}),
    "chunks": (4, {**CHANGES, "extraction_strategy": "chunked_incremental", "lookback": 0}),
}


@pytest.fixture(params=sorted(WAYS))
def lab_of(request: pytest.FixtureRequest, maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> tuple[Lab, dict[str, Any]]:
    """A table of 20 good rows that is loaded, and how it is loaded from then on."""
    size, rule = WAYS[request.param]
    if size:
        small_partitions(monkeypatch, size)
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, n int, c longtext, p int)",
        "INSERT INTO t SELECT seq, seq, 'x', 1 FROM seq_1_to_20",
    )
    load(maria_lab, rule)
    return maria_lab, rule


def load(lab: Lab, rule: dict[str, Any], most: int | str = "50%") -> Done:
    return lab.load(rules={"t": {"max_rejects": most, **rule}}, tables=["t"])


@pytest.mark.parametrize("kind", sorted(REFUSALS))
def test_a_row_that_the_table_refuses_is_one_reject(lab_of: tuple[Lab, dict[str, Any]], kind: str) -> None:
    """The others are loaded, and what is on record says what is at fault."""
    lab, rule = lab_of
    added, row, column, reason = REFUSALS[kind]
    lab.pg(added)
    lab.insert("t", [(41, 7, "new", 1), row, (60, 8, "new", 1)])
    done = load(lab, rule)
    told = done.summary.tables["t"]
    assert (told.outcome, told.rejects) == ("loaded", 1), told.message
    assert lab.pg("SELECT id FROM {s}.t WHERE id > 20 ORDER BY id") == [(41,), (60,)]
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(22,)]
    (found,) = bulketl.show_rejects(lab.config(), ["t"], done.summary.run)
    assert (found.key, found.column, found.row["n"]) == ({"id": 50}, column, row[1])
    assert reason in found.reason
    assert lab.staged() == []


@pytest.mark.parametrize("kind", ["check", "foreign key", "trigger"])
def test_more_of_them_than_may_be_fail_the_table_and_are_shown(lab_of: tuple[Lab, dict[str, Any]], kind: str) -> None:
    """The table is as it was before."""
    lab, rule = lab_of
    added, row, _, _ = REFUSALS[kind]
    lab.pg(added)
    lab.insert("t", [(50 + n, *row[1:]) for n in range(6)])
    done = load(lab, rule, 2)
    told = done.summary.tables["t"]
    assert (told.outcome, told.error) == ("failed", "DataError"), told.message
    assert "max_rejects is 2" in told.message
    # Those of an earlier chunk are on record too, and all rows that point to nothing: of none is that known at first.
    shown = bulketl.show_rejects(lab.config(), ["t"], done.summary.run)
    assert len(shown) == 3 or (kind == "foreign key" or next(iter(done.plan.loads)).chunked)
    assert {item.key["id"] for item in shown} <= set(range(50, 56))
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(20,)]


@pytest.mark.parametrize("added", ["UNIQUE (n)", "EXCLUDE USING btree (n WITH =)"])
def test_rows_that_exclude_each_other_fail_the_table_with_their_value(
    lab_of: tuple[Lab, dict[str, Any]], added: str
) -> None:
    """Neither is at fault alone."""
    lab, rule = lab_of
    lab.pg(f"ALTER TABLE {{s}}.t ADD CONSTRAINT once {added}")
    lab.insert("t", [(50, 777, "a", 1), (51, 777, "b", 1)])
    told = load(lab, rule).summary.tables["t"]
    assert told.outcome == "failed"
    assert "777" in told.message
    assert "once" in told.message
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(20,)]


def test_rows_that_point_to_rows_of_their_own_table_are_not_rejected(lab_of: tuple[Lab, dict[str, Any]]) -> None:
    """Whatever their order; a row that points to a rejected one is rejected too."""
    lab, rule = lab_of
    lab.pg("ALTER TABLE {s}.t ADD CONSTRAINT up FOREIGN KEY (p) REFERENCES {s}.t")
    lab.insert("t", [(50 + n, 5, "x", 51 + n) for n in range(9)])  # the last points to one that is not there
    lab.insert("t", [(70 + n, 5, "x", 71 + n) for n in range(8)] + [(78, 5, "x", 1)])
    done = load(lab, rule)
    told = done.summary.tables["t"]
    if next(iter(done.plan.loads)).chunked:  # a chunk is published before the next is read
        assert told.rejects >= 9
        return
    assert (told.outcome, told.rejects) == ("loaded", 9), told.message
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(29,)]


EXCLUDING = {
    "index": "CREATE UNIQUE INDEX own ON {s}.t (c)",
    "expression": "CREATE UNIQUE INDEX own ON {s}.t (lower(c))",
    "constraint": "ALTER TABLE {s}.t ADD CONSTRAINT own UNIQUE (c)",
    "exclusion": "ALTER TABLE {s}.t ADD CONSTRAINT own EXCLUDE USING btree (c WITH =)",
}


@pytest.mark.parametrize("what", EXCLUDING)
@pytest.mark.parametrize("way", [*WAYS, "swap"])
def test_a_hint_is_about_the_index_or_constraint_that_refuses(
    maria_lab: Lab, way: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name: the key of the table may be as it should."""
    size, rule = WAYS.get(way, (4, {"publish": "swap"}))
    if size:
        small_partitions(monkeypatch, size)
    if way == "swap" and what not in ("index", "expression"):
        rule = {}
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(9))", "INSERT INTO t SELECT seq, seq FROM seq_1_to_20")
    load(maria_lab, rule)
    maria_lab.pg(EXCLUDING[what])
    maria_lab.mysql("INSERT INTO t VALUES (21, '7')")
    (failed,) = load(maria_lab, rule).summary.failed
    assert failed.hint.startswith("two rows exclude each other by 'own' in the target. If that is an index or a constraint")
