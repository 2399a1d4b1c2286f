"""Audit tables: only ever appended to; what the source changed or deleted is noted once, and tampering is found."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Lab
from nights import a_day_later, counts, night

from bulketl import reset, verify_audit

FULL: dict[str, Any] = {"table_importance": "audit"}
SLICED: dict[str, Any] = {
    **FULL, "extraction_strategy": "incremental", "incremental_column": "at", "deletes": {"every": "1d"},
}  # fmt: skip
CHUNKED: dict[str, Any] = {**SLICED, "extraction_strategy": "chunked_incremental"}
RULES = pytest.mark.parametrize("rule", [FULL, SLICED, CHUNKED], ids=["full", "incremental", "chunked"])


@pytest.fixture
def used(maria_lab: Lab) -> Lab:
    """A log of ten entries, one an hour, with types whose text depends on a session's settings."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime, raw varbinary(9), f double, ts timestamp NULL,"
        " took time, KEY (at))",
        "INSERT INTO t SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR, X'00FF', seq / 3, '2024-01-01', '30:00:00'"
        " FROM seq_1_to_10",
    )
    return maria_lab


def later(lab: Lab, rule: dict[str, Any], **options: Any) -> Any:
    """Load again, with the comparison due."""
    a_day_later(lab)
    done = night(lab, {**rule, "casts": {"ts": "timestamptz"}}, **options)
    assert problems(lab) == [""]
    return done


def problems(lab: Lab) -> list[str]:
    """Return what the chain says of the table."""
    return [verdict.problem for verdict in verify_audit(lab.config(), ["t"])]


def trail(lab: Lab) -> list[tuple[Any, ...]]:
    """Return what was noted: kind, key, and column c before and after."""
    return lab.pg(
        "SELECT kind, (key->>'id')::int, old_row->>'c', new_row->>'c' FROM bulketl.audit_trail"
        " WHERE schema_name = '{s}' ORDER BY seq"
    )


def identity(lab: Lab) -> list[tuple[Any, ...]]:
    """Return what a swap or a truncation would change."""
    return lab.pg("SELECT oid, relfilenode FROM pg_class WHERE oid = '{s}.t'::regclass")


@RULES
def test_new_rows_are_appended_and_changes_are_noted_once(used: Lab, rule: dict[str, Any]) -> None:
    """The row in the target stays as it was first seen; the trail has both, and not again every night."""
    later_first = night(used, {**rule, "casts": {"ts": "timestamptz"}})
    assert later_first.how("t") == "create"
    before = identity(used)
    used.mysql("INSERT INTO t (id, c, at) VALUES (11, 'new', '2024-01-02')", "DELETE FROM t WHERE id = 2",
               "UPDATE t SET c = 'changed', at = '2024-01-03' WHERE id = 3",
               "UPDATE t SET c = 'unstamped' WHERE id = 1")  # fmt: skip
    done = later(used, rule)
    assert done.how("t") == "append"
    assert counts(done)[:2] == (1, 0)
    noted = sorted([("delete", 2, "old", None), ("update", 1, "old", "unstamped"), ("update", 3, "old", "changed")])
    assert sorted(trail(used)) == noted
    for _ in range(2):
        later(used, rule)
        assert sorted(trail(used)) == noted
    assert used.pg("SELECT c, count(*) FROM {s}.t GROUP BY c ORDER BY c") == [("new", 1), ("old", 10)]
    assert identity(used) == before
    runs = used.pg("SELECT count(*) FROM bulketl.audit_trail WHERE run = %s", (done.summary.run,))
    assert runs == [(3,)]


@RULES
def test_a_second_change_a_reverted_one_and_a_returned_row_are_noted(used: Lab, rule: dict[str, Any]) -> None:
    """The trail tells the whole story, also when its end is as its beginning."""
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    for statement in (
        "UPDATE t SET c = 'one' WHERE id = 1",
        "UPDATE t SET c = 'two' WHERE id = 1",
        "UPDATE t SET c = 'old' WHERE id = 1",
        "DELETE FROM t WHERE id = 1",
        "INSERT INTO t SELECT 1, 'old', '2024-01-01 01:00:00', X'00FF', 1/3, '2024-01-01', '30:00:00'",
        "UPDATE t SET c = 'three' WHERE id = 1",
        "DELETE FROM t WHERE id = 1",
        "INSERT INTO t SELECT 1, 'four', '2024-01-01 01:00:00', X'00FF', 1/3, '2024-01-01', '30:00:00'",
    ):
        used.mysql(statement)
        later(used, rule)
        later(used, rule)
    assert [(kind, new) for kind, _, _, new in trail(used)] == [
        ("update", "one"), ("update", "two"), ("update", "old"), ("delete", None), ("return", "old"),
        ("update", "three"), ("delete", None), ("return", "four"),
    ]  # fmt: skip
    assert used.pg("SELECT c FROM {s}.t WHERE id = 1") == [("old",)]


@RULES
def test_an_audit_table_survives_a_source_that_lost_everything(used: Lab, rule: dict[str, Any]) -> None:
    """No guard is needed where nothing is ever removed."""
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    used.mysql("DELETE FROM t")
    later(used, rule)
    assert used.pg("SELECT count(*) FROM {s}.t") == [(10,)]
    assert {kind for kind, *_ in trail(used)} == {"delete"}
    assert len(trail(used)) == 10


@RULES
@pytest.mark.parametrize("size", [3, 1000])
def test_appending_many_rows_in_pieces_keeps_the_chain(
    used: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any], size: int
) -> None:
    """Staged or chunked, and a load in which nothing is new."""
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    before = identity(used)
    small_partitions(monkeypatch, size)
    used.mysql("INSERT INTO t (id, c, at) SELECT seq, 'new', '2024-02-01' + INTERVAL seq HOUR FROM seq_11_to_30")
    assert counts(later(used, rule))[0] == 20
    assert counts(later(used, rule))[0] == 0
    assert used.differences("t") == []
    assert identity(used) == before


@RULES
def test_a_column_that_is_added_is_filled_and_the_chain_still_holds(used: Lab, rule: dict[str, Any]) -> None:
    """Old rows get its values; nothing of it counts as a change at the source."""
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    before = identity(used)
    used.mysql("ALTER TABLE t ADD COLUMN extra varchar(9) DEFAULT 'x'", "UPDATE t SET extra = 'y' WHERE id = 4")
    later(used, rule)
    later(used, rule)
    assert used.differences("t") == []
    assert trail(used) == []
    assert identity(used)[0][0] == before[0][0]


@RULES
def test_a_widened_column_keeps_rows_and_chain(used: Lab, rule: dict[str, Any]) -> None:
    """The table is altered where it stands."""
    used.mysql("ALTER TABLE t ADD n smallint DEFAULT 5, ADD g float DEFAULT 0.1, ADD d decimal(5,2) DEFAULT 1.5")
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    oid = identity(used)[0][0]
    used.mysql("ALTER TABLE t MODIFY n bigint DEFAULT 5, MODIFY c varchar(200), MODIFY d decimal(9,3) DEFAULT 1.5,"
               " MODIFY g double DEFAULT 0.1, MODIFY at datetime(3)",
               "INSERT INTO t (id, c, at, n) VALUES (11, REPEAT('w', 99), '2024-02-01', 5000000000)")  # fmt: skip
    later(used, rule)
    assert used.differences("t") == []
    assert identity(used)[0][0] == oid


def test_a_change_that_the_table_cannot_follow_is_refused(used: Lab) -> None:
    """It is never built anew."""
    night(used, FULL)
    used.mysql("UPDATE t SET c = '1'", "ALTER TABLE t MODIFY c int")
    told = night(used, FULL, fails=True).summary.tables["t"]
    assert "is of tier audit, so bulketl never replaces it" in told.message
    assert used.pg("SELECT count(*) FROM {s}.t") == [(10,)]


TAMPERINGS = {
    "a row is changed": "UPDATE {s}.t SET c = 'forged' WHERE id = 3",
    "a row is added": "INSERT INTO {s}.t (id, c) VALUES (99, 'forged')",
    "a row is removed": "DELETE FROM {s}.t WHERE id = 3",
    "a row is exchanged": "DELETE FROM {s}.t WHERE id = 3; INSERT INTO {s}.t (id, c) VALUES (99, 'forged')",
    "a value is taken away": "UPDATE {s}.t SET c = NULL WHERE id = 3",
    "values are swapped": "UPDATE {s}.t SET f = 13 - id WHERE id IN (6, 7)",
    "the table is dropped": "DROP TABLE {s}.t",
    "the chain is shortened": "DELETE FROM bulketl.audit_chain WHERE schema_name = '{s}' AND seq = 1",
    "the chain has lost its end": "DELETE FROM bulketl.audit_chain WHERE schema_name = '{s}' AND seq > 4",
    "the chain has a gap": "DELETE FROM bulketl.audit_chain WHERE schema_name = '{s}' AND seq = 2",
    "the gap is closed": "DELETE FROM bulketl.audit_chain WHERE schema_name = '{s}' AND seq = 2;"
    " UPDATE bulketl.audit_chain SET seq = seq - 1 WHERE schema_name = '{s}' AND seq > 2",
    "entries are reordered": "UPDATE bulketl.audit_chain SET seq = -seq WHERE schema_name = '{s}';"
    " UPDATE bulketl.audit_chain SET seq = CASE seq WHEN -2 THEN 4 WHEN -4 THEN 2 ELSE -seq END WHERE schema_name = '{s}'",
    "an entry is inserted": "INSERT INTO bulketl.audit_chain SELECT schema_name, table_name, seq + 1, kind, run, 0,"
    " array_fill(0::numeric, ARRAY[4]), all_rows, all_hash, link, at FROM bulketl.audit_chain"
    " WHERE schema_name = '{s}' AND seq = 6",
    "the chain is gone": "DELETE FROM bulketl.audit_chain WHERE schema_name = '{s}'",
    "a note is removed": "DELETE FROM bulketl.audit_trail WHERE schema_name = '{s}' AND key = '{\"id\": 2}'",
    "a note is altered": "UPDATE bulketl.audit_trail SET new_row = old_row WHERE schema_name = '{s}'",
    "a note bears another time": "UPDATE bulketl.audit_trail SET seen_at = seen_at + interval '1s'",
    "a note is added": "INSERT INTO bulketl.audit_trail (run, schema_name, table_name, key, kind)"
    " VALUES ('x', '{s}', 't', '{}', 'delete')",
    "null inside JSON is taken away": "UPDATE {s}.t SET j = '{}' WHERE id = 1",
    "JSON's null becomes SQL's": "UPDATE {s}.t SET j = NULL WHERE id = 2",
    "SQL's null becomes JSON's": "UPDATE {s}.t SET j = 'null' WHERE id = 3",
    "an entry is altered": "UPDATE bulketl.audit_chain SET rows = rows + 1 WHERE schema_name = '{s}' AND seq = 1",
    "an entry bears another time": "UPDATE bulketl.audit_chain SET at = at + interval '1s' WHERE schema_name = '{s}'",
    "an entry bears another run": "UPDATE bulketl.audit_chain SET run = 'x' WHERE schema_name = '{s}' AND seq = 2",
    "row and sums are altered": "UPDATE {s}.t SET c = 'forged' WHERE id = 3; UPDATE bulketl.audit_chain"
    " SET hash = array_fill(1::numeric, ARRAY[4]), all_hash = array_fill(1::numeric, ARRAY[4]) WHERE schema_name = '{s}'",
}


@pytest.mark.parametrize("way", TAMPERINGS)
def test_tampering_is_found(used: Lab, way: str) -> None:
    """Whatever is altered behind the loader's back, rows or the chain itself."""
    rule = {**FULL, "casts": {"j": "jsonb"}}
    used.mysql("ALTER TABLE t ADD j text",
               """UPDATE t SET j = CASE id WHEN 1 THEN '{"a": null}' WHEN 2 THEN 'null' END""")  # fmt: skip
    night(used, rule)
    for number in (11, 12):
        used.mysql(f"INSERT INTO t (id, c) VALUES ({number}, 'new')")
        night(used, rule)
    used.mysql("UPDATE t SET c = 'changed' WHERE id = 1", "DELETE FROM t WHERE id = 2")
    night(used, rule)
    assert problems(used) == [""]
    used.pg(TAMPERINGS[way])
    (problem,) = problems(used)
    assert problem


def test_tampering_is_not_covered_up_by_the_next_load(used: Lab) -> None:
    """Neither by an append nor by a column that is filled: that load stops."""
    night(used, FULL)
    used.pg("UPDATE {s}.t SET c = 'forged' WHERE id = 3")
    used.mysql("INSERT INTO t (id, c) VALUES (11, 'new')")
    night(used, FULL)
    assert problems(used) != [""]
    used.mysql("ALTER TABLE t ADD COLUMN extra int DEFAULT 1")
    told = night(used, FULL, fails=True).summary.tables["t"]
    assert "rows were changed in the target since they were loaded" in told.message
    assert problems(used) != [""]


def test_the_chain_holds_whatever_a_database_prefers(used: Lab) -> None:
    """Who verifies may be shown times, bytes, floats and intervals otherwise than who loaded."""
    casts = {"casts": {"ts": "timestamptz"}}
    night(used, {**FULL, **casts})
    ((database,),) = used.pg("SELECT current_database()")
    preferred = {"timezone": "Asia/Tokyo", "bytea_output": "escape", "extra_float_digits": 0, "intervalstyle": "iso_8601"}
    try:
        for name, preference in preferred.items():
            used.pg(f"ALTER DATABASE {database} SET {name} = '{preference}'")
        assert [verdict.problem for verdict in verify_audit(used.config(), ["t"])] == [""]
        used.mysql("INSERT INTO t SELECT 11, 'new', '2024-05-01', X'FF', 1/7, '2024-02-02', '-5:00:00'")
        night(used, {**SLICED, **casts})
    finally:
        for name in preferred:
            used.pg(f"ALTER DATABASE {database} RESET {name}")
    assert problems(used) == [""]
    assert used.differences("t") == []


@RULES
def test_a_column_that_is_added_does_not_make_old_notes_new(used: Lab, rule: dict[str, Any]) -> None:
    """What was noted once is not noted again because rows have a column more, or one less."""
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    used.mysql("UPDATE t SET c = 'x' WHERE id = 1", "DELETE FROM t WHERE id = 2")
    later(used, rule)
    assert len(trail(used)) == 2
    used.mysql("ALTER TABLE t ADD COLUMN extra int DEFAULT 1")
    later(used, rule)
    later(used, rule)
    used.mysql("ALTER TABLE t DROP COLUMN raw")
    later(used, rule)
    assert len(trail(used)) == 2
    used.mysql("UPDATE t SET extra = 2 WHERE id IN (1, 3)")
    later(used, rule)
    later(used, rule)
    assert len(trail(used)) == 4


def test_a_table_that_becomes_an_audit_table_begins_its_chain_there(used: Lab) -> None:
    """What is in it is kept from then on."""
    night(used, {"table_importance": "reference"})
    before = identity(used)
    used.mysql("DELETE FROM t WHERE id = 2", "INSERT INTO t (id, c) VALUES (11, 'new')")
    night(used, FULL)
    assert identity(used) == before
    assert trail(used) == [("delete", 2, "old", None)]
    assert used.pg("SELECT count(*) FROM {s}.t") == [(11,)]
    assert problems(used) == [""]
    used.pg("DELETE FROM {s}.t WHERE id = 2")
    assert problems(used) != [""]


def test_an_audit_table_that_gets_another_tier_is_not_emptied_in_silence(used: Lab) -> None:
    """A slip in a file must not undo what the tier promised."""
    night(used, FULL)
    used.mysql("DELETE FROM t WHERE id = 2")
    night(used, FULL)
    told = night(used, {"table_importance": "reference"}, fails=True).summary.tables["t"]
    assert "audit" in told.message
    assert told.hint
    assert used.pg("SELECT count(*) FROM {s}.t") == [(10,)]
    reset(used.config(), ["t"])
    for _ in range(2):
        night(used, {"table_importance": "reference"})
        used.mysql("UPDATE t SET c = CONCAT(c, '+')")
    assert used.pg("SELECT count(*) FROM {s}.t") == [(9,)]
    (verdict,) = verify_audit(used.config(), ["t"])
    assert (verdict.problem, "by run" in verdict.ended) == ("", True)
    used.mysql("INSERT INTO t (id, c) VALUES (11, 'new')")
    night(used, FULL)  # audited again: what is there now is covered, and what comes
    night(used, FULL)
    assert problems(used) == [""]
    used.pg("DELETE FROM {s}.t WHERE id = 11")
    assert problems(used) == ["it has 9 rows, and 10 were loaded"]


@RULES
def test_an_audit_table_that_was_dropped_is_not_made_anew_in_silence(used: Lab, rule: dict[str, Any]) -> None:
    """A load must not cover up that everything is gone; a reset says that a new audit is meant."""
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    used.pg("DROP TABLE {s}.t")
    told = night(used, {**rule, "casts": {"ts": "timestamptz"}}, fails=True).summary.tables["t"]
    assert "is audited, and it is gone in the target" in told.message
    assert "state reset t" in told.hint
    assert problems(used) == ["the table is gone"]
    reset(used.config(), ["t"])
    used.mysql("UPDATE t SET c = 'now'")
    night(used, {**rule, "casts": {"ts": "timestamptz"}})
    later(used, rule)
    assert used.differences("t") == []


def test_the_chain_covers_every_column_whatever_it_is_called(maria_lab: Lab) -> None:
    """Also `r` and `x`, which statements might use."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, x int, r int, note varchar(9))", "INSERT INTO t VALUES (1, 2, 3, 'n')"
    )
    night(maria_lab, {"table_importance": "audit"})
    maria_lab.pg("UPDATE {s}.t SET note = 'forged', x = 99")
    config = maria_lab.config()
    assert [verdict.problem for verdict in verify_audit(config)] == ["rows in it are not as they were loaded"]
    maria_lab.pg("UPDATE {s}.t SET note = 'n', x = 2")
    maria_lab.mysql("UPDATE t SET note = 'new'")
    night(maria_lab, {"table_importance": "audit"})
    ((old, new),) = maria_lab.pg("SELECT old_row, new_row FROM bulketl.audit_trail WHERE schema_name = '{s}'")
    assert (old, new) == ({"id": 1, "x": 2, "r": 3, "note": "n"}, {"id": 1, "x": 2, "r": 3, "note": "new"})
