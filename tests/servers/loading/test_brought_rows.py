"""Only the rows for which a condition holds: in every way to load, count, compare and repair a table."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Lab

import bulketl
from bulketl.verifying.verdicts import Level

TABLE = "CREATE TABLE t (id int PRIMARY KEY, n int, c varchar(20), at datetime(3), KEY (at)) ENGINE={}"
ROWS = "INSERT INTO t SELECT seq, seq % 3, CONCAT('a%b', seq), '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_30"
WHERE = "n = 1 OR n = 2 -- not the others"
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "at"}
WAYS: dict[str, dict[str, Any]] = {
    "refill": {},
    "swap": {"publish": "swap"},
    "merge": {"deletes": "mark"},
    "incremental": {**CHANGES, "deletes": {"policy": "mirror", "every": "0s"}},
    "chunked": {**CHANGES, "extraction_strategy": "chunked_incremental", "deletes": {"policy": "mirror", "every": "0s"}},
    "keyless": {"exclude_columns": ["id"]},
    "re-read": {"consistency": "re-read"},
}
LEVELS: tuple[Level, ...] = ("count", "sums", "keys", "rows")


@pytest.fixture
def some(lab: Lab) -> Lab:
    lab.mysql(TABLE.format("InnoDB"), ROWS)
    return lab


def ruled(**rule: Any) -> dict[str, Any]:
    """Return rules by which a third of the rows is left out."""
    return {"t": {"where": WHERE, **rule}}


def living(lab: Lab) -> list[str]:
    """Return what the rows of the target have that are not marked as gone."""
    marked = lab.pg("SELECT 1 FROM pg_attribute WHERE attrelid = '{s}.t'::regclass AND attname = '_deleted_at'")
    return sorted(c for (c,) in lab.pg(f"SELECT c FROM {{s}}.t{' WHERE _deleted_at IS NULL' if marked else ''}"))


def wanted(lab: Lab) -> list[str]:
    """Return the same of the rows that are wanted of the source."""
    return sorted(c for (c,) in lab.mysql("SELECT c FROM t WHERE n IN (1, 2)"))


@pytest.mark.parametrize(
    ("way", "large", "engine"),
    [*((way, True, "InnoDB") for way in WAYS), ("refill", False, "InnoDB"), ("swap", True, "MyISAM"),
     ("incremental", False, "MyISAM")],
)  # fmt: skip
def test_every_way_to_load_and_compare_keeps_to_it(
    some: Lab, way: str, large: bool, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that leaves the condition is gone, one that comes into it is there, and one outside of it counts nowhere."""
    some.mysql(f"ALTER TABLE t ENGINE={engine}")
    if large:
        small_partitions(monkeypatch, 7)
    rules = ruled(**WAYS[way])
    done = some.load(rules=rules, certify=True)
    assert (done.summary.outcome, done.plan.refused, living(some)) == ("done", (), wanted(some))
    assert done.summary.tables["t"].rows == 20
    (load,) = done.plan.loads
    assert "only the rows for which its rule's where holds" in load.reason
    some.mysql("UPDATE t SET n = 0, at = NOW(3) WHERE id = 1", "UPDATE t SET n = 1, at = NOW(3) WHERE id IN (3, 4)",
               "INSERT INTO t VALUES (31, 0, 'no', NOW(3)), (32, 1, 'yes', NOW(3))",
               "DELETE FROM t WHERE id = 5")  # fmt: skip
    done = some.load(rules=rules, certify=True)
    assert (done.summary.outcome, living(some)) == ("done", wanted(some))
    config = some.config(rules=rules)
    for level in LEVELS:
        found = bulketl.verify(config, level=level)
        assert found.equal, found.tables
    some.pg("DELETE FROM {s}.t WHERE c = 'a%b7'")
    some.pg("UPDATE {s}.t SET n = 7 WHERE c = 'a%b8'")
    assert not bulketl.verify(config).equal
    assert bulketl.verify(config, repair=True).equal
    assert living(some) == wanted(some)
    (history,) = bulketl.compare_history(config, by="at").tables
    assert history.outcome == "equal"


def test_rows_of_an_audited_table_are_those_that_were_wanted(some: Lab) -> None:
    rules = ruled(table_importance="audit")
    some.load(rules=rules)
    some.mysql("UPDATE t SET n = 0 WHERE id = 1", "INSERT INTO t VALUES (31, 0, 'no', NOW(3)), (32, 1, 'yes', NOW(3))")
    assert some.load(rules=rules).summary.outcome == "done"
    assert some.pg("SELECT count(*) FROM {s}.t") == [(21,)]
    assert [verdict.problem for verdict in bulketl.verify_audit(some.config(rules=rules))] == [""]


def test_a_condition_that_the_server_refuses_is_told_with_the_name_of_the_table(some: Lab) -> None:
    for rule in ({}, CHANGES):
        rules = {"t": {"where": "nothing = 1", **rule}}
        (refused,) = bulketl.make_plan(some.config(rules=rules)).refused
        assert (refused.table, "nothing" in refused.message, "correct its where" in refused.hint) == ("t", True, True)
        told = [(one.table, one.message) for one in bulketl.validate(some.config(rules=rules)) if one.severity == "error"]
        assert ("t", refused.message) in told


@pytest.mark.parametrize("text", ["", " -- x", "a) OR (b", "a = '1", "a; DROP TABLE t", "WHERE a", "a /* b", "(a"])
def test_what_is_no_condition_is_a_mistake_in_the_file(some: Lab, text: str) -> None:
    with pytest.raises(bulketl.ConfigError, match=r"source_tables\.t\.where"):
        some.config(rules={"t": {"where": text}})


@pytest.mark.parametrize("rule", [{}, CHANGES, {"deletes": "mark"}])
def test_another_condition_is_said_and_reads_the_table_whole(some: Lab, rule: dict[str, Any]) -> None:
    some.load(rules=ruled(**rule))
    other = {"t": {"where": "n <> 2", **rule, "deletes": {"policy": rule.get("deletes", "mirror"), "guard": "100%"}}}
    (note,) = bulketl.verify(some.config(rules=other)).tables[0].notes
    assert note == "its rule's where is not the one that it was loaded with; the next load takes it whole"
    done = some.load(rules=other)
    (load,) = done.plan.loads
    assert load.spec.whole
    assert "its rule's where is not the one that it was loaded with" in load.reason
    assert living(some) == sorted(c for (c,) in some.mysql("SELECT c FROM t WHERE n <> 2"))
    (load,) = bulketl.make_plan(some.config(rules={"t": rule})).loads
    assert "its rule's where is not the one that it was loaded with" in load.reason


def test_a_condition_that_lets_most_rows_go_meets_the_guard(some: Lab) -> None:
    some.mysql("INSERT INTO t SELECT seq, 1, 'x', NOW(3) FROM seq_100_to_200")
    some.load(rules=ruled())
    done = some.load(rules={"t": {"where": "n = 2"}}, unforeseen="how many rows go")
    assert "--allow-deletes t" in done.summary.failed[0].hint
    assert len(living(some)) == 121


def test_a_condition_by_the_clock_is_never_taken_for_unchanged(some: Lab) -> None:
    some.mysql("ALTER TABLE t ENGINE=MyISAM", "UPDATE t SET at = NOW(3)")
    rules = {"t": {"where": "at >= NOW() - INTERVAL 1 DAY"}}
    some.load(rules=rules)
    assert not bulketl.make_plan(some.config(rules=rules)).skipped


def test_a_frame_has_only_these_rows(some: Lab) -> None:
    assert bulketl.read("t", config=some.config(rules=ruled())).height == 20
    assert bulketl.read("t", where="id < 4 # x", config=some.config(rules=ruled())).height == 2
