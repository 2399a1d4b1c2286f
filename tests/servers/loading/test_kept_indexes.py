"""Indexes and comments of the source, where a rule keeps them: built after the rows, by every way a table is published."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab

import bulketl

TABLE = """CREATE TABLE t (
    PatNum int PRIMARY KEY, LName varchar(20) COMMENT 'family name', Code varchar(10) NOT NULL, Note text, b int,
    DateTStamp datetime(3), UNIQUE KEY code (Code), KEY both_of (LName, b), KEY begin_of_note (Note(12)),
    FULLTEXT KEY words (Note)) COMMENT 'people'"""
ROWS = """INSERT INTO t VALUES (1, 'one', 'a', 'a first note', 10, NOW(3)), (2, 'two', 'b', NULL, 20, NOW(3)),
    (3, NULL, 'c', 'a third', 30, NOW(3))"""
KEEP: dict[str, Any] = {"keep": ["indexes", "comments"]}
KEY = "0123456789abcdef0123456789abcdef"  # of masks
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "DateTStamp"}
WAYS: dict[str, dict[str, Any]] = {
    "refill": {},
    "swap": {"publish": "swap"},
    "merge": CHANGES,
    "chunks": {**CHANGES, "extraction_strategy": "chunked_incremental"},
    "append": {"table_importance": "audit"},
    "mark": {"deletes": "mark"},
}


@pytest.fixture
def table(lab: Lab) -> Lab:
    lab.mysql(TABLE, ROWS)
    return lab


def indexes(lab: Lab, table: str = "t") -> dict[str, str]:
    """Return the definitions of the indexes of a table but its key's, from USING on, with UNIQUE before it."""
    found = lab.pg(
        "SELECT x.relname, i.indisunique, pg_get_indexdef(x.oid) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
        f" WHERE i.indrelid = '{{s}}.\"{table}\"'::regclass AND NOT i.indisprimary ORDER BY 1"
    )
    return {name: ("UNIQUE " if unique else "") + text.partition(" USING btree ")[2] for name, unique, text in found}


def comments(lab: Lab) -> dict[str, str]:
    """Return the comments of the table, under '', and of its columns."""
    found = lab.pg(
        "SELECT COALESCE(a.attname, ''), d.description FROM pg_description d LEFT JOIN pg_attribute a"
        " ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0"
        " WHERE d.objoid = '{s}.t'::regclass AND d.classoid = 'pg_class'::regclass"
    )
    return dict(found)


def load(lab: Lab, **rule: Any) -> Done:
    done = lab.load(rules={"t": {**KEEP, **rule}})
    assert done.summary.outcome == "done"
    return done


@pytest.mark.parametrize("way", WAYS)
def test_indexes_and_comments_are_there_after_every_way_to_publish(table: Lab, way: str) -> None:
    """And as they are at the source after a night in which these changed; what a person made stays."""
    rule = WAYS[way]
    unique = "UNIQUE " if way in ("refill", "swap") else ""
    done = load(table, **rule)
    want = {
        "begin_of_note": '("left"("Note", 12))',
        "both_of": '("LName", b)',
        "code": f'{unique}("Code")',
    }
    assert (indexes(table), comments(table)) == (want, {"": "people", "LName": "family name"})
    summary = done.summary.tables["t"]
    assert summary.beside == {"indexes": 3, "comments": 2}
    assert summary.unmet == "not kept: index words: a full-text index of MySQL has no equivalent"
    table.pg("CREATE INDEX mine ON {s}.t (b)")
    table.mysql(
        "ALTER TABLE t DROP KEY both_of, ADD KEY later (b, PatNum), MODIFY b int COMMENT 'a number', COMMENT 'all people'",
        "INSERT INTO t VALUES (4, 'four', 'd', NULL, 40, NOW(3))",
    )
    done = load(table, **rule)
    (plan,) = done.plan.loads
    assert [line for line in plan.drift if "index" in line] == [
        "+ index later",
        "- index both_of, gone or another one at the source, or no longer kept by its rule",
    ]
    del want["both_of"]
    assert indexes(table) == {**want, "later": '(b, "PatNum")', "mine": "(b)"}
    assert comments(table) == {"": "all people", "LName": "family name", "b": "a number"}
    assert table.pg("SELECT count(*) FROM {s}.t") == [(4,)]
    table.mysql("INSERT INTO t VALUES (5, 'five', 'e', NULL, 40, NOW(3))")
    (plan,) = load(table, **rule).plan.loads
    assert not plan.drift
    assert indexes(table) == {**want, "later": '(b, "PatNum")', "mine": "(b)"}


@pytest.mark.parametrize("rule", [{}, {"publish": "refill"}, CHANGES])
def test_a_large_table_is_swapped_although_it_has_indexes(
    table: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]
) -> None:
    """Those that bulketl keeps are no reason to lock the table while it is filled; a person's are."""
    small_partitions(monkeypatch, 50)
    table.mysql("INSERT INTO t SELECT seq, 'x', CONCAT('k', seq), REPEAT('n', 30), seq, NOW(3) FROM seq_10_to_200")
    for how in ("create", rule.get("publish", "merge" if rule else "swap"), None):
        done = load(table, **rule)
        assert how in (None, done.how("t"))
        assert sorted(indexes(table)) == ["begin_of_note", "both_of", "code"]
        assert table.staged() == []
        table.mysql("UPDATE t SET b = b + 1, DateTStamp = NOW(3)")
    assert done.parts("t") > 1


def test_a_unique_index_that_rows_do_not_satisfy_is_built_without_unique_and_said(table: Lab) -> None:
    """Two texts of the source are one in the target, without the NUL that Postgres cannot hold: the rows are all there."""
    table.mysql("CREATE TABLE u (id int PRIMARY KEY, w varchar(9) COLLATE utf8mb4_bin, UNIQUE KEY word (w))",
                "INSERT INTO u VALUES (1, 'x'), (2, CONCAT('x', CHAR(0)))")  # fmt: skip
    done = table.load(rules={"u": KEEP})
    assert (done.summary.outcome, indexes(table, "u")) == ("done", {"word": "(w)"})
    assert done.summary.tables["u"].unmet == "index word is there without UNIQUE, because rows have the same values in it"
    table.mysql("DELETE FROM u WHERE id = 2")
    assert table.load(rules={"u": KEEP}).summary.tables["u"].unmet == ""
    assert indexes(table, "u") == {"word": "UNIQUE (w)"}


def test_a_value_that_is_used_again_under_another_key_costs_no_row(table: Lab) -> None:
    """A table of changes has the row that is gone until it is compared, and both have the value of a unique index."""
    load(table, **CHANGES)
    table.mysql("DELETE FROM t WHERE PatNum = 1", "INSERT INTO t VALUES (9, 'nine', 'a', NULL, 1, NOW(3))")
    load(table, **CHANGES)
    assert table.pg("""SELECT "PatNum" FROM {s}.t WHERE "Code" = 'a' ORDER BY 1""") == [(1,), (9,)]


def test_names_are_the_sources_unless_two_tables_have_the_same(lab: Lab) -> None:
    long = "i" * 64
    lab.mysql(
        f"CREATE TABLE a (id int PRIMARY KEY, b int, KEY shared (b), KEY {long} (b, id), KEY a_b (b))",
        "CREATE TABLE b (id int PRIMARY KEY, b int, KEY shared (b), KEY a (b), KEY a_pkey (b))",
    )
    rules: dict[str, Any] = {"a": KEEP, "b": KEEP}
    done = lab.load(rules=rules)
    assert done.summary.outcome == "done"
    assert {"a_b", "a_shared"} < set(indexes(lab, "a"))
    assert set(indexes(lab, "b")) == {"b_a", "b_a_pkey", "b_shared"}
    assert all(len(name) <= 63 for name in indexes(lab, "a"))
    lab.mysql("INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)")
    assert not [load for load in lab.load(rules=rules).plan.loads if load.drift]


def test_other_names_left_out_columns_and_masks(table: Lab) -> None:
    rule = {**KEEP, "target_name": "people", "rename": {"LName": "family"}, "exclude_columns": ["b"],
            "mask": {"Code": {"method": "hmac"}}}  # fmt: skip
    done = table.load(rules={"t": rule}, mask_key=KEY)
    assert done.summary.outcome == "done"
    assert indexes(table, "people") == {"begin_of_note": '("left"("Note", 12))', "code": '("Code")'}
    summary = done.summary.tables["people"]
    assert summary.unmet.startswith("not kept: index both_of: b is not loaded; ")
    (plan,) = done.plan.loads
    assert "with 2 indexes, 2 comments of the source; index code without UNIQUE, because Code is masked" in plan.reason


def test_what_a_rule_keeps_no_longer_goes(table: Lab) -> None:
    load(table)
    table.mysql("UPDATE t SET b = 1")
    assert table.load(rules={"t": {}}).summary.outcome == "done"
    assert indexes(table) == {}


def test_an_index_that_something_in_the_target_needs_stays(table: Lab) -> None:
    load(table)
    table.pg('CREATE TABLE {s}.other (code text REFERENCES {s}.t ("Code"))')
    table.mysql("UPDATE t SET b = 1")
    assert table.load(rules={"t": KEEP}).summary.outcome == "done"
    assert indexes(table)["code"] == 'UNIQUE ("Code")'


def test_two_rows_may_exchange_their_values_where_rows_are_merged(table: Lab) -> None:
    """While a foreign key points to a table that is otherwise replaced, none of its indexes is unique."""
    load(table)
    table.pg('CREATE TABLE {s}.other (n int REFERENCES {s}.t ("PatNum"))')
    table.mysql("UPDATE t SET Code = 'z' WHERE PatNum = 1", "UPDATE t SET Code = 'a' WHERE PatNum = 2",
                "UPDATE t SET Code = 'b' WHERE PatNum = 1")  # fmt: skip
    done = load(table)
    assert (done.how("t"), indexes(table)["code"]) == ("merge", '("Code")')
    assert table.pg('SELECT "Code" FROM {s}.t ORDER BY "PatNum"') == [("b",), ("a",), ("c",)]


def test_a_deferred_constraint_of_the_target_costs_the_index_and_no_row(table: Lab) -> None:
    """While one waits for the end of the transaction, Postgres lets nobody alter the table."""
    load(table, **CHANGES)
    table.pg('CREATE TABLE {s}.word (w text PRIMARY KEY); INSERT INTO {s}.word SELECT "LName" FROM {s}.t WHERE "PatNum" < 3;'
             'ALTER TABLE {s}.t ADD FOREIGN KEY ("LName") REFERENCES {s}.word DEFERRABLE INITIALLY DEFERRED')  # fmt: skip
    table.mysql("ALTER TABLE t ADD KEY later (b)", "INSERT INTO t VALUES (4, 'one', 'd', NULL, 40, NOW(3))")
    done = load(table, **CHANGES)
    assert "index later could not be built" in done.summary.tables["t"].unmet
    assert table.pg("SELECT count(*) FROM {s}.t") == [(4,)]


def test_a_table_whose_indexes_alone_changed_is_loaded(table: Lab) -> None:
    load(table)
    (skip,) = bulketl.make_plan(table.config(rules={"t": KEEP})).skipped
    assert skip.proof
    table.mysql("ALTER TABLE t ADD KEY later (b)")
    load(table)
    assert "later" in indexes(table)


def test_a_value_too_long_for_an_index_costs_the_index_and_no_row(lab: Lab) -> None:
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, w varchar(700) CHARACTER SET utf8mb4, l text, d datetime,"
        " KEY wide (w), KEY cut (l(500)), KEY too_cut (l(700)), KEY down (d DESC, id))",
        "INSERT INTO t VALUES (1, REPEAT('é', 700), REPEAT('x', 60000), NULL)",
    )
    done = load(lab)
    assert indexes(lab) == {"cut": '("left"(l, 500))', "down": "(d DESC, id)"}
    assert "index wide: its values may take 2,800 bytes" in done.summary.tables["t"].unmet
    assert "index too_cut: its values may take" in done.summary.tables["t"].unmet
