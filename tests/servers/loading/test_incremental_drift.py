"""What a watermark stands for changes: columns, zone, cursor, key. The next load is whole, with that as its reason."""

from __future__ import annotations

import pytest
from lab import Lab
from nights import INCREMENTAL, counts, night, reason, watermark, whole


@pytest.fixture
def used(maria_lab: Lab) -> Lab:
    """A table of ten rows with a stamp, loaded once."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), n smallint, at datetime, ts timestamp NULL, KEY (at))",
        "INSERT INTO t SELECT seq, 'old', seq, '2024-01-01' + INTERVAL seq HOUR, '2024-01-01' FROM seq_1_to_10",
    )
    night(maria_lab)
    return maria_lab


def test_a_column_that_was_added_is_filled_in_old_rows_too(used: Lab) -> None:
    """Its default is in rows that bear no new stamp, so all rows are read."""
    used.mysql("ALTER TABLE t ADD COLUMN extra varchar(10) DEFAULT 'x'", "UPDATE t SET extra = 'y' WHERE id = 1")
    done = night(used)
    assert "full load, because extra is new, and no stamp says which rows have values in it" in reason(done)
    assert used.differences("t") == []
    assert not whole(night(used))


def test_a_widened_column_is_followed_without_a_full_load(used: Lab) -> None:
    """Old values fit it as they are."""
    used.mysql("ALTER TABLE t MODIFY n bigint, MODIFY c varchar(80)",
               "INSERT INTO t VALUES (11, REPEAT('w', 60), 5000000000, '2024-02-01', NULL)")  # fmt: skip
    done = night(used)
    assert (whole(done), counts(done)[0]) == (False, 1)
    assert used.differences("t") == []


def test_a_widened_column_with_a_view_on_it_is_followed_by_a_full_load(used: Lab) -> None:
    """The table is built anew and the view with it."""
    used.pg("CREATE VIEW {s}.seen AS SELECT n FROM {s}.t")
    used.mysql("ALTER TABLE t MODIFY n bigint", "INSERT INTO t VALUES (11, 'c', 5000000000, '2024-02-01', NULL)")
    done = night(used)
    assert "because n is wider now, and views show the table" in reason(done)
    assert used.differences("t") == []
    assert used.pg("SELECT max(n) FROM {s}.seen") == [(5000000000,)]


def test_a_dropped_column_is_kept_or_dropped_as_declared(used: Lab) -> None:
    """Kept with its old values without a full load; dropped by one."""
    used.mysql("ALTER TABLE t DROP COLUMN c", "UPDATE t SET at = '2024-02-01', n = 99 WHERE id = 1")
    assert counts(night(used))[:2] == (0, 1)
    assert used.pg("SELECT c FROM {s}.t WHERE id = 2") == [("old",)]
    done = night(used, dropped_columns="drop")
    assert "because c is to be dropped" in reason(done)
    assert used.differences("t") == []
    assert not whole(night(used, dropped_columns="drop"))


def test_a_column_that_was_kept_and_is_back_is_filled_in_old_rows_too(used: Lab) -> None:
    """The target has its values of before it was dropped, and no stamp tells that they are others now."""
    used.mysql("ALTER TABLE t DROP COLUMN c")
    night(used)
    used.mysql("ALTER TABLE t ADD COLUMN c varchar(20) DEFAULT 'other'")
    done = night(used)
    assert "full load, because c is new again, and no stamp says which rows have values in it" in reason(done)
    assert used.differences("t") == []
    assert not whole(night(used))


def test_a_column_of_another_type_makes_a_full_load(used: Lab) -> None:
    """Its old values may be others now."""
    used.mysql("ALTER TABLE t MODIFY n varchar(10)")
    assert "because n has another type now" in reason(night(used))
    assert used.differences("t") == []


def test_another_zone_for_timestamps_makes_a_full_load(used: Lab) -> None:
    """Every TIMESTAMP is written otherwise, and no stamp tells of it."""
    done = night(used, timestamp_zone="+05:00")
    assert "full load, because TIMESTAMP columns are written in another zone now" in reason(done)
    assert used.differences("t", zone="+05:00") == []
    assert not whole(night(used, timestamp_zone="+05:00"))
    assert whole(night(used))
    assert used.differences("t") == []


def test_another_zone_does_not_matter_to_a_table_without_timestamps(used: Lab) -> None:
    """DATETIME stays as it is."""
    used.mysql("CREATE TABLE u (id int PRIMARY KEY, at datetime)", "INSERT INTO u VALUES (1, '2024-01-01')")
    night(used, table="u")
    assert not whole(night(used, table="u", timestamp_zone="+05:00"), "u")


def test_a_timestamp_cursor_in_a_declared_zone_reads_what_changed(used: Lab) -> None:
    """The watermark is in that zone, and so is the condition."""
    rule = {**INCREMENTAL, "incremental_column": "ts", "lookback": "1h"}
    here, zone = "SET time_zone = '+00:00'", "-07:00"  # whatever the zone of the machine is
    used.mysql(here, "UPDATE t SET ts = '2024-01-01'", "ALTER TABLE t DROP COLUMN at")
    night(used, rule, timestamp_zone=zone)
    assert watermark(used) == "2023-12-31 17:00:00"
    used.mysql(here, "UPDATE t SET ts = '2024-01-01 00:30:00', n = -1 WHERE id = 1",
               "UPDATE t SET ts = '2023-12-31 22:59:00' WHERE id = 2")  # fmt: skip
    night(used, rule, timestamp_zone=zone)
    done = night(used, {**rule, "lookback": "0s"}, timestamp_zone=zone)
    assert (whole(done), counts(done)) == (False, (0, 0, 1))
    assert used.pg("SELECT n FROM {s}.t WHERE id = 1") == [(-1,)]


CHANGES = {
    "renamed": ("ALTER TABLE t CHANGE at changed_at datetime", "changed_at"),
    "of another type": ("ALTER TABLE t MODIFY at timestamp NULL", "at"),
    "another column": ("UPDATE t SET n = n + 1", "ts"),
    "to a date": ("ALTER TABLE t MODIFY at date", "at"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_cursor_that_is_another_one_makes_a_full_load_and_a_new_watermark(used: Lab, change: str) -> None:
    """The old value says nothing of the new column."""
    statement, column = CHANGES[change]
    used.mysql(statement)
    rule = {**INCREMENTAL, "incremental_column": column}
    done = night(used, rule, dropped_columns="drop")
    assert whole(done)
    assert reason(done).startswith(f"full load, because its watermark is of at (datetime), and the cursor is {column} (")
    assert used.differences("t") == []
    assert used.pg("SELECT cursor_column FROM bulketl.state WHERE schema_name = '{s}'") == [(column,)]
    assert not whole(night(used, rule))


@pytest.mark.parametrize("change", CHANGES)
def test_a_cursor_that_is_another_one_is_refused_where_that_is_declared(used: Lab, change: str) -> None:
    """invalid_watermark: refuse; nothing is touched, and --full is the way out."""
    statement, column = CHANGES[change]
    used.mysql(statement)
    rule = {**INCREMENTAL, "incremental_column": column}
    done = night(used, rule, fails=True, invalid_watermark="refuse")
    told = done.summary.tables["t"]
    assert "its watermark is of at (datetime), and the cursor is " + column in told.message
    assert "--full" in told.hint
    night(used, rule, full=True, invalid_watermark="refuse", dropped_columns="drop")
    assert used.differences("t") == []
    assert not whole(night(used, rule, invalid_watermark="refuse"))


def test_a_cursor_column_that_is_gone_makes_full_loads_that_say_so(used: Lab) -> None:
    """The rule was not changed with the table."""
    used.mysql("ALTER TABLE t CHANGE at changed_at datetime", "UPDATE t SET n = 7 WHERE id = 1")
    assert "because it has no column 'at', its incremental_column" in reason(night(used, dropped_columns="drop"))
    assert used.differences("t") == []


def test_a_cursor_column_that_is_gone_is_refused_where_that_is_declared(used: Lab) -> None:
    """There was a watermark, and it cannot be used any more."""
    used.mysql("ALTER TABLE t CHANGE at changed_at datetime")
    told = night(used, fails=True, invalid_watermark="refuse").summary.tables["t"]
    assert "it has no column 'at', its incremental_column" in told.message


def test_another_primary_key_at_the_source_is_refused_as_for_any_table(used: Lab) -> None:
    """Rows of the old key could not be told from rows of the new."""
    used.mysql("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, n)")
    told = night(used, fails=True).summary.tables["t"]
    assert "has the key id, n at the source and id in the target" in told.message


def test_a_table_that_is_gone_in_the_target_is_loaded_whole(used: Lab) -> None:
    """Whatever its watermark says."""
    used.pg("DROP TABLE {s}.t")
    assert whole(night(used))
    assert used.differences("t") == []


def test_a_table_whose_key_was_taken_away_in_the_target_is_loaded_whole(used: Lab) -> None:
    """Nothing can be merged into it then."""
    used.pg("ALTER TABLE {s}.t DROP CONSTRAINT t_pkey, ALTER id DROP NOT NULL")
    assert "because the target table has another primary key" in reason(night(used))
    assert used.differences("t") == []
    assert not whole(night(used))


def test_a_change_of_strategy_keeps_nothing_that_is_not_true(used: Lab) -> None:
    """Whole loads in between need no cursor; the watermark they leave behind is not older than their rows."""
    used.mysql("INSERT INTO t VALUES (11, 'n', 1, '2024-05-01', NULL)")
    night(used, {"extraction_strategy": "full_table"})
    used.mysql("INSERT INTO t VALUES (12, 'n', 1, '2024-03-01', NULL)")
    night(used)
    assert used.differences("t") == []
