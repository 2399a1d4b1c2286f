"""The source's columns change between two loads: the target follows, by name, and what people built on it survives."""

from __future__ import annotations

from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab, load

import bulketl
from bulketl.loading.events import ColumnsChanged, TableFailed, TableSkipped

PARTS = pytest.mark.parametrize("rows", [3, 200], ids=["direct", "staged"])


@pytest.fixture
def used(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int) -> Lab:
    """A table that was loaded once, with a view on it; with 200 rows it has several partitions."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), n int)",
                    f"INSERT INTO t SELECT seq, 'old', seq FROM seq_1_to_{rows}")  # fmt: skip
    maria_lab.load()
    maria_lab.pg("CREATE VIEW {s}.v AS SELECT id, c FROM {s}.t")
    return maria_lab


def column_types(lab: Lab) -> dict[str, str]:
    query = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{s}.t'::regclass"
    return dict(lab.pg(query + " AND attnum > 0 AND NOT attisdropped"))


def changes(done: Done) -> list[str]:
    return [line for event in done.events if isinstance(event, ColumnsChanged) for line in event.changes]


def loaded(lab: Lab, **overrides: Any) -> Done:
    done = lab.load(**overrides)
    assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
    return done


@PARTS
def test_a_new_column_is_added_wherever_it_stands_and_views_survive(used: Lab) -> None:
    """A column in the middle moves those behind it at the source; by name nothing moves."""
    used.mysql("ALTER TABLE t ADD COLUMN extra varchar(5) NOT NULL DEFAULT 'x' AFTER id")
    done = loaded(used)
    assert changes(done) == ["+ extra varchar(5)"]
    assert used.differences("t") == []
    assert used.pg("SELECT count(*) FROM {s}.v WHERE c = 'old'") == used.pg("SELECT count(*) FROM {s}.t")


@PARTS
def test_a_widened_column_is_widened_and_views_survive(used: Lab) -> None:
    """Also one that a view shows, which Postgres would not alter."""
    used.mysql("ALTER TABLE t MODIFY c varchar(50), MODIFY n bigint", "UPDATE t SET n = 5000000000, c = REPEAT('w', 50)")
    done = loaded(used)
    assert sorted(changes(done)) == ["~ c varchar(20) -> varchar(50)", "~ n integer -> bigint"]
    assert used.differences("t") == []
    assert used.pg("SELECT DISTINCT c FROM {s}.v") == [("w" * 50,)]


@PARTS
def test_a_dropped_column_is_kept_and_null(used: Lab) -> None:
    """A view that shows it goes on working; the next load finds nothing changed any more but says what is kept."""
    used.pg("CREATE VIEW {s}.w AS SELECT n FROM {s}.t")
    used.mysql("ALTER TABLE t DROP COLUMN n")
    assert changes(loaded(used)) == ["- n integer"]
    assert used.pg("SELECT DISTINCT n FROM {s}.w") == [(None,)]
    assert used.pg("SELECT count(id) FROM {s}.t") == used.mysql("SELECT COUNT(*) FROM t")


@PARTS
def test_a_dropped_column_is_dropped_where_that_is_declared(used: Lab) -> None:
    """`dropped_columns: drop`."""
    used.mysql("ALTER TABLE t DROP COLUMN n")
    loaded(used, dropped_columns="drop")
    assert set(column_types(used)) == {"id", "c"}
    assert used.differences("t") == []


@PARTS
def test_a_column_that_is_excluded_is_not_kept(used: Lab) -> None:
    """Who excludes a column wants its values gone."""
    loaded(used, rules={"t": {"exclude_columns": ["n"]}})
    assert set(column_types(used)) == {"id", "c"}


@PARTS
def test_a_column_that_is_excluded_is_refused_where_the_table_cannot_be_replaced(used: Lab) -> None:
    """Its values would stay there; once a person has dropped it the load goes on."""
    used.pg("CREATE TABLE {s}.other (id int REFERENCES {s}.t)")
    rules = {"t": {"exclude_columns": ["n"]}}
    plan = bulketl.make_plan(used.config(rules=rules))
    assert ["cannot be replaced because of" in item.message for item in plan.refused] == [True]
    used.pg("ALTER TABLE {s}.t DROP COLUMN n")
    assert used.load(rules=rules).summary.outcome == "done"
    assert set(column_types(used)) == {"id", "c"}


@PARTS
def test_a_column_of_another_type_makes_a_new_table_or_is_refused_as_declared(used: Lab) -> None:
    """Text where numbers were fits no column that is there."""
    used.mysql("ALTER TABLE t MODIFY n varchar(9)", "UPDATE t SET n = CONCAT('n', n)")
    refused = used.load(narrowed_columns="refuse")
    assert [table.table for table in refused.summary.failed] == ["t"]
    assert "~ n integer -> varchar(9)" in refused.summary.failed[0].message
    assert column_types(used)["n"] == "integer"
    loaded(used)
    assert column_types(used)["n"] == "character varying(9)"
    assert used.differences("t") == []


@PARTS
def test_a_renamed_key_is_refused_and_the_table_stays(used: Lab) -> None:
    """Rows of another key are other rows."""
    used.mysql("ALTER TABLE t CHANGE id ident int NOT NULL")
    done = used.load()
    assert "has the key ident at the source and id in the target" in done.summary.failed[0].message
    assert "id" in column_types(used)


@PARTS
@pytest.mark.parametrize(
    ("hanging", "change"),
    [
        ("MATERIALIZED VIEW {s}.m AS SELECT c FROM {s}.t", "ADD COLUMN extra int"),
        ("INDEX ON {s}.t (c)", "ADD COLUMN extra int, MODIFY n bigint"),
    ],
)
def test_a_table_that_cannot_be_swapped_is_altered_in_place(used: Lab, hanging: str, change: str) -> None:
    """New and wider columns are no reason to lose what hangs on the table; only what a view shows cannot be widened."""
    used.pg("DROP VIEW {s}.v; CREATE " + hanging)
    used.mysql("ALTER TABLE t " + change, "UPDATE t SET n = -n")
    done = loaded(used)
    assert done.how("t") == "refill"
    assert used.differences("t") == []
    assert used.pg("SELECT count(*) > 0 FROM pg_class WHERE relnamespace = '{s}'::regnamespace AND relkind IN ('m', 'i')")[
        0
    ][0]


@pytest.mark.parametrize("rows", [3], ids=["direct"])
def test_what_changed_is_in_the_ledger(used: Lab) -> None:
    """For whoever asks a month later."""
    used.mysql("ALTER TABLE t ADD COLUMN extra int")
    done = loaded(used)
    ((drift,),) = used.pg("SELECT drift FROM bulketl.table_load WHERE run = %s AND table_name = 't'", [done.summary.run])
    assert drift == ["+ extra integer"]


@pytest.mark.parametrize("rows", [3], ids=["direct"])
def test_a_table_new_at_the_source_is_reported_and_loaded_where_that_is_declared(used: Lab) -> None:
    """New is what was not there when the rules were last written; without that, every table is loaded."""
    used.mysql("CREATE TABLE fresh (id int PRIMARY KEY)")
    config = used.config().model_copy(update={"known": frozenset({"t"})})
    done = load(config)
    assert [event.table for event in done.events if isinstance(event, TableSkipped) and not event.proof] == ["fresh"]
    assert (done.summary.outcome, "fresh" in used.tables()) == ("done", False)
    load(config.model_copy(update={"new_tables": "load"}))
    assert "fresh" in used.tables()


@pytest.mark.parametrize("rows", [3], ids=["direct"])
def test_a_table_new_at_the_source_that_is_loaded_is_an_event_and_in_the_ledger_once(used: Lab) -> None:
    """`new_tables: load` is no reason not to tell; the next night it is new no more."""
    used.mysql("CREATE TABLE fresh (id int PRIMARY KEY)")
    config = used.config().model_copy(update={"known": frozenset({"t"}), "new_tables": "load"})
    done = load(config)
    assert changes(done) == ["+ table, new at the source"]
    kept = "SELECT drift FROM bulketl.table_load WHERE run = %s AND table_name = 'fresh'"
    assert used.pg(kept, [done.summary.run]) == [(["+ table, new at the source"],)]
    assert changes(load(config)) == []


@pytest.mark.parametrize("rows", [3], ids=["direct"])
@pytest.mark.parametrize("named", ["by a rule", "when the rules were written"])
def test_a_table_that_is_gone_from_the_source_is_an_event_and_in_the_ledger_and_the_target_keeps_it(
    used: Lab, named: str
) -> None:
    """Else nobody would learn that its rows grow old; a rule that excludes it ends that."""
    used.mysql("CREATE TABLE other (id int PRIMARY KEY)", "DROP TABLE t")
    config = used.config(rules={"t": {}} if named == "by a rule" else {})
    if named != "by a rule":
        config = config.model_copy(update={"known": frozenset({"t", "other"})})
    done = load(config)
    assert [event.table for event in done.events if isinstance(event, TableSkipped) and not event.proof] == ["t"]
    assert (done.summary.outcome, done.summary.tables["t"].outcome) == ("done", "skipped")
    kept = "SELECT outcome, error FROM bulketl.table_load WHERE run = %s AND table_name = 't'"
    ((outcome, error),) = used.pg(kept, [done.summary.run])
    assert outcome == "skipped"
    assert error.startswith("the source does not have it, and the target keeps its rows")
    assert used.pg("SELECT count(*) FROM {s}.t") == [(3,)]
    assert [skip.table for skip in load(config, tables=["o*"]).plan.skipped if not skip.proof] == []
    excluded = used.config(rules={"t": {"exclude": True}})
    assert [event for event in load(excluded).events if isinstance(event, TableSkipped) and not event.proof] == []


@PARTS
def test_a_refused_change_is_an_event_and_in_the_ledger(used: Lab) -> None:
    """With the columns and both types."""
    used.mysql("ALTER TABLE t MODIFY n varchar(9)")
    done = used.load(narrowed_columns="refuse")
    ((outcome, error),) = used.pg("SELECT outcome, error FROM bulketl.table_load WHERE run = %s", [done.summary.run])
    assert (outcome, "~ n integer -> varchar(9)" in error) == ("failed", True)
    assert any(isinstance(event, TableFailed) and "~ n integer" in event.message for event in done.events)
