"""ENUM columns as enum types of the target, where a cast asks: the values of the source, whatever the night brings."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Lab
from test_kept_indexes import WAYS

import bulketl
from bulketl.verifying.verdicts import LEVELS

ALL: dict[str, Any] = {"casts": [{"type": "enum", "to": "enum"}]}
TABLE = """CREATE TABLE t (
    PatNum int PRIMARY KEY, state enum('new','in it''s way','done') CHARACTER SET utf8mb4,
    DateTStamp datetime NOT NULL DEFAULT '2024-01-01')"""
ROWS = "INSERT INTO t (PatNum, state) VALUES (1, 'done'), (2, NULL), (3, 'in it''s way'), (4, 'new')"
VALUES = [(1, "done"), (2, None), (3, "in it's way"), (4, "new")]


def labels(lab: Lab) -> dict[str, list[str]]:
    """Return the enum types of the schema with their labels."""
    found = lab.pg(
        "SELECT typname, (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)"
        " FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = '{s}' AND typtype = 'e' ORDER BY 1"
    )
    return dict(found)


def kind(lab: Lab, column: str = "state", table: str = "t") -> str:
    """Return the type of a column of the target."""
    found = lab.pg(
        "SELECT typname FROM pg_attribute a JOIN pg_type y ON y.oid = atttypid JOIN pg_class c ON c.oid = attrelid"
        " JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '{s}' AND relname = %s AND attname = %s",
        (table, column),
    )
    return str(found[0][0])


def values(lab: Lab) -> list[tuple[Any, ...]]:
    """Return the rows of the table."""
    return lab.pg('SELECT "PatNum", state::text FROM {s}.t ORDER BY 1')


def unequal(lab: Lab, **overrides: Any) -> dict[str, list[str]]:
    """Return what a verification finds of every table that is not as at the source, by level."""
    config = lab.config(**ALL, **overrides)
    found = {level: [repr(one) for one in bulketl.verify(config, level=level).tables if not one.equal] for level in LEVELS}
    return {level: tables for level, tables in found.items() if tables}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_publish_brings_labels_in_their_order_and_new_ones_where_they_belong(lab: Lab, way: str) -> None:
    rules = {"t": WAYS[way]}
    lab.mysql(TABLE, ROWS)
    done = lab.load(rules=rules, **ALL)
    assert done.summary.outcome == "done"
    assert labels(lab) == {"t_state": ["new", "in it's way", "done"]}
    assert (kind(lab), values(lab)) == ("t_state", VALUES)
    lab.mysql(
        "ALTER TABLE t MODIFY state enum('first','new','in it''s way','later','done','last') CHARACTER SET utf8mb4",
        "INSERT INTO t VALUES (5, 'last', '2024-01-02'), (6, 'first', '2024-01-02'), (7, 'later', '2024-01-02')",
    )
    done = lab.load(rules=rules, **ALL)
    assert (done.summary.outcome, done.how("t")) == ("done", way if way in ("refill", "swap", "append") else "merge")
    (plan,) = done.plan.loads
    assert "+ 3 labels of state: 'first', 'later', 'last'" in plan.drift
    assert labels(lab) == {"t_state": ["first", "new", "in it's way", "later", "done", "last"]}
    assert values(lab) == [*VALUES, (5, "last"), (6, "first"), (7, "later")]
    assert not unequal(lab, rules=rules)


def test_a_large_table_is_swapped_with_its_type_and_views_of_it_stay(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    small_partitions(monkeypatch, 50)
    lab.mysql("CREATE TABLE t (PatNum int PRIMARY KEY, state enum('a','b','c'), v varchar(40))")
    lab.insert("t", [(n, "abc"[n % 3], "x" * (n % 40)) for n in range(500)])
    for how in ("create", "swap", "swap"):
        done = lab.load(**ALL)
        assert (done.summary.outcome, done.how("t"), done.parts("t") > 1) == ("done", how, True)
        assert lab.pg("SELECT state::text, count(*) FROM {s}.t GROUP BY 1 ORDER BY 1") == [
            ("a", 167),
            ("b", 167),
            ("c", 166),
        ]
        lab.mysql("UPDATE t SET v = 'y' WHERE PatNum = 7")
        lab.pg("CREATE OR REPLACE VIEW {s}.bees AS SELECT * FROM {s}.t WHERE state = 'b'")
    lab.mysql("ALTER TABLE t MODIFY state enum('a','z','b','c')", "UPDATE t SET state = 'z' WHERE PatNum = 0")
    assert lab.load(**ALL).how("t") == "swap"
    assert lab.pg("SELECT count(*) FROM {s}.bees") == [(167,)]
    assert labels(lab) == {"t_state": ["a", "z", "b", "c"]}
    assert not unequal(lab)


def test_the_error_value_of_an_enum_is_rejected_and_counted(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (PatNum int PRIMARY KEY, state enum('a','b'))")
    lab.mysql("INSERT IGNORE INTO t VALUES (1, 'a'), (2, 'none of them'), (3, NULL)", mode="")
    assert lab.mysql("SELECT state, state + 0 FROM t WHERE PatNum = 2") == [("", 0.0)]
    done = lab.load(rules={"t": {"max_rejects": 1}}, **ALL)
    summary = done.summary.tables["t"]
    assert (done.summary.outcome, summary.rows, summary.rejects) == ("done", 2, 1)
    assert values(lab) == [(1, "a"), (3, None)]
    assert lab.pg("SELECT column_name, reason FROM bulketl.reject WHERE schema_name = '{s}'") == [
        ("state", f'is no label of "{lab.schema}"."t_state"')
    ]


def test_an_empty_label_is_a_label(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (PatNum int PRIMARY KEY, state enum('','b'))", "INSERT INTO t VALUES (1, ''), (2, 'b')")
    assert lab.load(**ALL).summary.outcome == "done"
    assert (labels(lab), values(lab)) == ({"t_state": ["", "b"]}, [(1, ""), (2, "b")])


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (f"enum('a','{'x' * 64}')", f"the label '{'x' * 64}' has 64 bytes, and Postgres takes 63"),
        ("enum('a','b','a')", "two of its labels are the same: 'a'"),
        ("enum('a','b\\0','b')", "two of its labels are the same: 'b'"),
        ("enum('a','b') CHARACTER SET binary", "its labels are bytes"),
        (
            "enum('a','\U0001f600') CHARACTER SET utf8mb4",
            "the source shows a label with a question mark, which may stand for a character that it cannot show",
        ),
    ],
)
def test_what_no_type_can_have_stays_text_and_is_said(lab: Lab, column: str, why: str) -> None:
    lab.mysql(f"CREATE TABLE t (PatNum int PRIMARY KEY, state {column})", "INSERT INTO t VALUES (1, 'a'), (2, 2)", mode="")
    done = lab.load(**ALL)
    assert done.summary.outcome == "done"
    assert (kind(lab), labels(lab), done.summary.tables["t"].unmet) == ("text", {}, f"no enum type: state stays text: {why}")
    found = [one.message for one in bulketl.validate(lab.config(**ALL)) if one.kind == "no enum type"]
    assert found == [f"no enum type: state stays text: {why}"]
    assert not unequal(lab)


def test_a_masked_column_stays_text(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    done = lab.load(rules={"t": {"mask": {"state": {"method": "constant", "value": "hidden"}}}}, **ALL)
    assert done.summary.tables["t"].unmet == "no enum type: state stays text: it is masked"
    assert (done.summary.outcome, kind(lab), values(lab)[0]) == ("done", "text", (1, "hidden"))


def test_a_cast_of_one_column_makes_a_type_of_it_alone(lab: Lab) -> None:
    lab.mysql(
        "CREATE TABLE t (PatNum int PRIMARY KEY, state enum('a'), other enum('b'))", "INSERT INTO t VALUES (1, 'a', 'b')"
    )
    done = lab.load(rules={"t": {"casts": {"state": "enum"}}})
    assert (done.summary.outcome, labels(lab), kind(lab, "other")) == ("done", {"t_state": ["a"]}, "text")
    assert next(iter(done.plan.loads)).declared == (f'state enum(\'a\') -> "{lab.schema}"."t_state"',)


def test_a_name_that_something_else_has_is_never_taken(lab: Lab) -> None:
    lab.mysql(
        TABLE, ROWS, "CREATE TABLE t_state (id int PRIMARY KEY)",
        "CREATE TABLE a (id int PRIMARY KEY, b_c enum('x'))", "CREATE TABLE a_b (id int PRIMARY KEY, c enum('y'))",
    )  # fmt: skip
    lab.pg("CREATE TYPE {s}.t_state_1 AS ENUM ('mine')")
    for _ in range(2):
        done = lab.load(**ALL)
        assert done.summary.outcome == "done"
        (reason,) = [one.reason for one in done.plan.loads if one.spec.table == "t"] or [""]
        assert "the type of state is called t_state_2, because its name is taken" in reason
        assert labels(lab) == {
            "a_b_c": ["x"],
            "a_b_c_1": ["y"],
            "t_state_1": ["mine"],
            "t_state_2": ["new", "in it's way", "done"],
        }
        assert (kind(lab), values(lab)) == ("t_state_2", VALUES)
        lab.mysql("UPDATE t SET DateTStamp = '2024-02-02' WHERE PatNum = 1")


def test_names_are_quoted_wherever_they_come_from(lab: Lab) -> None:
    table, column = 'T "x" %s; $$', "wéird'\"col umn" + "n" * 45
    lab.mysql(f"CREATE TABLE `{table}` (id int PRIMARY KEY, `{column}` enum('%s','a\"b'))")
    lab.mysql(f"INSERT INTO `{table}` VALUES (1, '%s'), (2, 'a\"b')")
    for _ in range(2):
        done = lab.load(**ALL)
        assert done.summary.outcome == "done"
        ((called, found),) = labels(lab).items()
        assert (len(called.encode()), found) == (63, ["%s", 'a"b'])
        assert not unequal(lab)


def test_a_renamed_column_has_its_types_name_from_its_own(lab: Lab) -> None:
    lab.mysql(
        "CREATE TABLE `OrderList` (`OrderNum` int PRIMARY KEY, `OrderState` enum('a'))",
        "INSERT INTO OrderList VALUES (1, 'a')",
    )
    assert lab.load(names="snake_case", **ALL).summary.outcome == "done"
    assert labels(lab) == {"order_list_order_state": ["a"]}
    rules = {"OrderList": {"rename": {"OrderState": "state"}}}
    assert lab.load(names="snake_case", rules=rules, **ALL).summary.outcome == "done"
    assert labels(lab) == {"order_list_state": ["a"]}


def test_labels_that_the_source_has_no_longer_stay_and_other_orders_are_said(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    lab.load(**ALL)
    lab.mysql("UPDATE t SET state = NULL WHERE state = 'new'", "ALTER TABLE t MODIFY state enum('done','in it''s way')")
    done = lab.load(**ALL)
    (plan,) = done.plan.loads
    assert (done.summary.outcome, plan.drift) == ("done", ())
    assert "state keeps 'new' in its type, which the source has no longer" in plan.reason
    assert "state has its labels in another order than the source" in plan.reason
    assert labels(lab) == {"t_state": ["new", "in it's way", "done"]}
    assert values(lab) == [(1, "done"), (2, None), (3, "in it's way"), (4, None)]
    assert not unequal(lab)


@pytest.mark.parametrize("way", ["refill", "swap", "merge"])
def test_text_becomes_a_type_only_where_columns_may_narrow_and_text_again_at_once(lab: Lab, way: str) -> None:
    rules = {"t": WAYS[way]}
    lab.mysql(TABLE, ROWS)
    lab.load(rules=rules)
    lab.pg("CREATE VIEW {s}.mine AS SELECT state FROM {s}.t")
    refused = lab.load(rules=rules, narrowed_columns="refuse", **ALL)
    assert "narrowed_columns: swap" in refused.plan.refused[0].hint
    done = lab.load(rules=rules, **ALL)
    assert (done.summary.outcome, done.how("t"), kind(lab), values(lab)) == ("done", "swap", "t_state", VALUES)
    for source in ("varchar(20)", "enum('new','in it''s way','done')"):
        lab.mysql(f"ALTER TABLE t MODIFY state {source}")
        done = lab.load(rules=rules, **ALL)
        assert (done.summary.outcome, values(lab)) == ("done", VALUES)
        assert (kind(lab), len(labels(lab))) == (("varchar", 0) if source[0] == "v" else ("t_state", 1))
    lab.pg("DROP VIEW {s}.mine")
    done = lab.load(rules=rules)
    assert (done.summary.outcome, kind(lab), values(lab), labels(lab)) == ("done", "text", VALUES, {})


def test_a_view_that_no_new_type_fits_keeps_the_table_as_it_was(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    lab.load(**ALL)
    lab.pg("CREATE VIEW {s}.mine AS SELECT * FROM {s}.t WHERE state = 'new'")
    lab.mysql("INSERT INTO t VALUES (9, 'new', '2024-01-01')")
    done = lab.load(narrowed_columns="swap")
    assert (done.summary.outcome, kind(lab), values(lab)) == ("failed", "t_state", VALUES)
    assert lab.pg("SELECT count(*) FROM {s}.mine") == [(1,)]


def test_a_type_that_a_killed_load_left_is_used_and_one_that_nothing_needs_is_dropped(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    lab.load(**ALL)
    lab.pg("DROP TABLE {s}.t")
    assert lab.load(**ALL).summary.outcome == "done"
    assert (kind(lab), list(labels(lab)), values(lab)) == ("t_state", ["t_state"], VALUES)
    lab.pg("CREATE TABLE {s}.mine (x {s}.t_state)")
    assert lab.load(narrowed_columns="swap").summary.outcome == "done"
    assert (kind(lab), list(labels(lab))) == ("text", ["t_state"])
    lab.pg("DROP TABLE {s}.mine")
    lab.mysql("UPDATE t SET DateTStamp = '2024-02-02' WHERE PatNum = 1")
    assert lab.load(narrowed_columns="swap").summary.outcome == "done"
    assert labels(lab) == {}


def test_a_type_of_somebody_elses_that_appears_meanwhile_fails_the_table(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    plan = bulketl.make_plan(lab.config(**ALL))
    lab.pg("CREATE TYPE {s}.t_state AS ENUM ('new', 'done')")
    done = lab.load(plan=plan, **ALL)
    assert done.summary.outcome == "failed"
    assert "has appeared in the target" in done.summary.tables["t"].message
    assert labels(lab) == {"t_state": ["new", "done"]}


def test_plan_sql_shows_the_type(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    config = lab.config(**ALL)
    statements = bulketl.statements(config, bulketl.make_plan(config))["t"]
    making = f"CREATE TYPE \"{lab.schema}\".\"t_state\" AS ENUM ('new', 'in it''s way', 'done')"
    assert any(making in statement for statement in statements)


def test_an_enum_may_be_part_of_the_key(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (PatNum int, state enum('b','a'), v int, PRIMARY KEY (PatNum, state))")
    lab.mysql("INSERT INTO t VALUES (1, 'a', 1), (1, 'b', 2), (2, 'a', 3)")
    rules = {"t": {"deletes": "mark"}}
    lab.load(rules=rules, **ALL)
    lab.mysql("DELETE FROM t WHERE state = 'b'", "UPDATE t SET v = 9 WHERE PatNum = 2")
    assert lab.load(rules=rules, **ALL).summary.outcome == "done"
    assert lab.pg("SELECT state::text, v, _deleted_at IS NULL FROM {s}.t ORDER BY 1, 2") == [
        ("a", 1, True), ("a", 9, True), ("b", 2, False),
    ]  # fmt: skip
    lab.pg("UPDATE {s}.t SET v = 5 WHERE v = 9")
    assert bulketl.verify(lab.config(rules=rules, **ALL), repair=True).equal
    assert not unequal(lab, rules=rules)
