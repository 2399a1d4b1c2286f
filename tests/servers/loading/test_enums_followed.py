"""Enum types in what comes after a load: retries, repairs, an undo, a run that goes on, other names, columns that go."""

from __future__ import annotations

import pytest
from faults import small_partitions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Lab
from test_brought_enums import ALL, ROWS, TABLE, VALUES, kind, labels, unequal, values
from test_kept_indexes import WAYS

import bulketl
from bulketl.loading.events import Event, PartitionLoaded


def test_a_reject_is_retried_and_a_new_label_repaired(lab: Lab) -> None:
    """Both give a type the labels that the source has got since the last load."""
    rules = {"t": {"max_rejects": 5}}
    lab.mysql("CREATE TABLE t (PatNum int PRIMARY KEY, state enum('a','b'))")
    lab.mysql("INSERT IGNORE INTO t VALUES (1, 'a'), (2, 'none of them'), (3, 'b')", mode="")
    lab.load(rules=rules, **ALL)
    lab.mysql("ALTER TABLE t MODIFY state enum('a','x','b')", "UPDATE t SET state = 'x' WHERE PatNum = 2")
    config = lab.config(rules=rules, **ALL)
    assert [(one.table, one.loaded) for one in bulketl.retry_rejects(config)] == [("t", 1)]
    assert (values(lab), labels(lab)) == ([(1, "a"), (2, "x"), (3, "b")], {"t_state": ["a", "x", "b"]})
    lab.mysql("ALTER TABLE t MODIFY state enum('a','x','b','y')", "UPDATE t SET state = 'y' WHERE PatNum = 3")
    assert bulketl.verify(config, repair=True).equal
    assert (values(lab), labels(lab)) == ([(1, "a"), (2, "x"), (3, "y")], {"t_state": ["a", "x", "b", "y"]})


def test_a_load_is_undone_although_its_type_got_labels(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    lab.load(keep_previous=1, **ALL)
    lab.mysql("ALTER TABLE t MODIFY state enum('x','new','in it''s way','done')", "UPDATE t SET state = 'x'")
    config = lab.config(keep_previous=1, **ALL)
    lab.load(keep_previous=1, **ALL)
    assert {state for _, state in values(lab)} == {"x"}
    bulketl.undo(config, "t")
    assert (values(lab), kind(lab)) == (VALUES, "t_state")
    assert lab.load(keep_previous=1, **ALL).summary.outcome == "done"
    assert {state for _, state in values(lab)} == {"x"}


def test_a_load_that_ends_before_its_rows_are_there_is_gone_on_with(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves its types, and the run that goes on with it uses them."""
    small_partitions(monkeypatch, 50)
    lab.mysql("CREATE TABLE t (PatNum int PRIMARY KEY, state enum('a','b','c'), v varchar(40))")
    lab.insert("t", [(n, "abc"[n % 3], "x" * (n % 40)) for n in range(500)])
    config = lab.config(**ALL)

    def die(event: Event) -> None:
        if isinstance(event, PartitionLoaded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [die])
    assert labels(lab) == {"t_state": ["a", "b", "c"]}
    assert bulketl.resume(config).outcome == "done"
    assert lab.pg("SELECT count(*) FROM {s}.t GROUP BY state ORDER BY state") == [(167,), (167,), (166,)]
    assert not unequal(lab)


def test_a_part_of_the_rows_has_the_whole_type(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    assert lab.load(rules={"t": {"limit": 2}}, **ALL).summary.outcome == "done"
    assert (len(values(lab)), labels(lab)) == (2, {"t_state": ["new", "in it's way", "done"]})


def test_indexes_defaults_and_checks_take_a_type_as_they_take_text(lab: Lab) -> None:
    lab.mysql(
        "CREATE TABLE p (word varchar(9) PRIMARY KEY)", "INSERT INTO p VALUES ('a'), ('b')",
        "CREATE TABLE t (PatNum int PRIMARY KEY, state enum('b','a') DEFAULT 'a', KEY s (state, PatNum))",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)",
    )  # fmt: skip
    checks = [{"foreign_key": "state", "to": "p.word"}, {"one_of": "state", "values": ["a", "b"]}]
    rules = {"p": {}, "t": {"keep": ["indexes", "defaults"], "checks": checks}}
    done = lab.load(rules=rules, **ALL)
    assert (done.summary.outcome, done.summary.tables["t"].beside) == ("done", {"indexes": 1, "defaults": 1})
    lab.pg('INSERT INTO {s}.t ("PatNum") VALUES (9)')
    assert lab.pg('SELECT state::text FROM {s}.t WHERE "PatNum" = 9') == [("a",)]


def test_a_table_is_certified_with_its_types(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    done = lab.load(certify=True, **ALL)
    assert (done.summary.outcome, done.summary.tables["t"].certified) == ("done", True)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(
        st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_characters="?\0"), max_size=9),
        min_size=1,
        max_size=6,
    ),
    after=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True),
)
def test_whatever_the_labels_were_and_become_the_values_are_the_sources(
    lab: Lab, before: list[str], after: list[str]
) -> None:
    """Labels of all kinds, and then others, some before and some behind those that are there."""
    lab.mysql("DROP TABLE IF EXISTS t")
    lab.pg("DROP TABLE IF EXISTS {s}.t")
    kept: list[str] = []
    for word in (text.rstrip(" ") for text in before):
        if word not in kept:
            kept.append(word)
    for words in (kept, [*after[: len(after) // 2], *kept, *after[len(after) // 2 :]]):
        quoted = ",".join("'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in dict.fromkeys(words))
        kind_ = f"enum({quoted}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        made = lab.mysql("SHOW TABLES LIKE 't'")
        lab.mysql(
            f"ALTER TABLE t MODIFY state {kind_}" if made else f"CREATE TABLE t (PatNum int PRIMARY KEY, state {kind_})"
        )
        rows = [(n, word) for n, word in enumerate(dict.fromkeys(words))]
        lab.mysql("DELETE FROM t")
        lab.insert("t", rows)
        done = lab.load(**ALL)
        assert (done.summary.outcome, done.summary.tables["t"].unmet) == ("done", "")
        assert (kind(lab), values(lab)) == ("t_state", rows)


def test_a_type_that_was_renamed_is_known_by_its_comment(lab: Lab) -> None:
    """As somebody renames it for a table that comes with its name."""
    lab.mysql(TABLE, ROWS)
    lab.load(**ALL)
    lab.mysql("CREATE TABLE t_state (id int PRIMARY KEY)")
    refused = lab.load(**ALL).plan.refused
    assert [(one.table, "an enum type" in one.message) for one in refused] == [("t_state", True)]
    lab.pg("ALTER TYPE {s}.t_state RENAME TO moods")
    lab.mysql("ALTER TABLE t MODIFY state enum('new','in it''s way','done','last')", "UPDATE t SET state = 4")
    done = lab.load(**ALL)
    assert (done.summary.outcome, kind(lab), list(labels(lab))) == ("done", "moods", ["moods"])
    assert {state for _, state in values(lab)} == {"last"}


@pytest.mark.parametrize("way", ["refill", "swap", "merge"])
def test_a_column_that_the_source_drops_keeps_its_type_while_the_target_keeps_the_column(lab: Lab, way: str) -> None:
    rules = {"t": WAYS[way]}
    lab.mysql(TABLE, ROWS)
    lab.load(rules=rules, **ALL)
    lab.mysql("ALTER TABLE t DROP state", "UPDATE t SET DateTStamp = '2024-03-03' WHERE PatNum < 3")
    for _ in range(2):
        assert lab.load(rules=rules, **ALL).summary.outcome == "done"
        assert (kind(lab), list(labels(lab))) == ("t_state", ["t_state"])
        lab.mysql("UPDATE t SET DateTStamp = DateTStamp + INTERVAL 1 DAY")
    done = lab.load(rules=rules, dropped_columns="drop", **ALL)
    assert (done.summary.outcome, labels(lab)) == ("done", {})


def test_a_frame_an_audit_and_the_story_of_a_row_have_the_labels(lab: Lab) -> None:
    lab.mysql(TABLE, ROWS)
    rules = {"t": {"table_importance": "audit"}}
    config = lab.config(rules=rules, **ALL)
    lab.load(rules=rules, **ALL)
    lab.mysql("UPDATE t SET state = 'new', DateTStamp = '2024-02-02' WHERE PatNum = 1")
    assert lab.load(rules=rules, **ALL).summary.outcome == "done"
    assert bulketl.read("t", config=config).sort("PatNum")["state"].to_list() == ["new", None, "in it's way", "new"]
    assert [one.problem for one in bulketl.verify_audit(config)] == [""]
    assert "in it's way" in str(bulketl.why(config, "t", 3).to_json())
