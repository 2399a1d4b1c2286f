"""Cursors, watermarks and keys that are not what they should be: each is recognised, explained, and nothing is lost."""

from __future__ import annotations

import psycopg
import pytest
from faults import small_partitions
from lab import Lab
from nights import CHUNKED, INCREMENTAL, MIRRORED, a_day_later, counts, night, reason, watermark, whole

from bulketl.postgres.ledger.states import reset_states


@pytest.fixture
def used(maria_lab: Lab) -> Lab:
    """A table of ten rows with a stamp, loaded once."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime, KEY (at))",
        "INSERT INTO t SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_10",
    )
    night(maria_lab)
    return maria_lab


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED])
def test_a_cursor_in_the_future_does_not_hide_what_comes_before_it(used: Lab, rule: dict[str, str], index: bool) -> None:
    """The watermark stays behind it, the plan says so, and the row is read each time until its hour has come."""
    if not index:
        used.mysql("ALTER TABLE t DROP KEY at")
    used.mysql("INSERT INTO t VALUES (11, 'typo', '2204-01-01'), (12, 'new', '2024-02-01')")
    done = night(used, rule)
    assert "(values up to 2204-01-01 00:00:00 lie in the future; the watermark stays behind them)" in reason(done)
    assert watermark(used) == "2024-02-01 00:00:00"
    used.mysql("INSERT INTO t VALUES (13, 'newer', '2024-02-02')", "UPDATE t SET c = 'still in the future' WHERE id = 11")
    assert counts(night(used, rule)) == (1, 1, 1)
    assert used.differences("t") == []


def test_a_table_with_nothing_but_values_in_the_future_is_loaded_whole_until_it_has_others(used: Lab) -> None:
    """There is no watermark to go by."""
    used.mysql("UPDATE t SET at = '2204-01-01'")
    assert "full load, because" in reason(night(used))
    used.mysql("UPDATE t SET c = 'x'", "INSERT INTO t VALUES (99, 'n', '2024-02-01')")
    assert "because it had no row with a value of the cursor" in reason(night(used))
    assert used.differences("t") == []
    assert not whole(night(used))


def test_a_cursor_that_is_always_null_makes_whole_loads_that_say_so(used: Lab) -> None:
    """Also a table that has no rows at all."""
    used.mysql("UPDATE t SET at = NULL, c = 'x'")
    assert "as its highest at" in reason(night(used))
    assert used.differences("t") == []
    used.mysql("UPDATE t SET c = 'y'", "DELETE FROM t WHERE id = 1")
    assert "because it had no row with a value of the cursor" in reason(night(used))
    assert used.differences("t") == []
    used.mysql("DELETE FROM t")
    night(used, allow=("t",))
    used.mysql("INSERT INTO t VALUES (1, 'back', '2020-01-01')")
    assert counts(night(used)) != (0, 0, 0)
    assert used.differences("t") == []


@pytest.mark.parametrize("kind", ["varchar(30)", "decimal(10,2)", "double", "time", "enum('2024')"])
def test_a_cursor_whose_values_have_no_order_to_go_by_is_refused(used: Lab, kind: str) -> None:
    """At the first load already; the hint says what to do, and doing it loads the table."""
    used.mysql(f"CREATE TABLE u (id int PRIMARY KEY, at {kind})", "INSERT INTO u VALUES (1, NULL)")
    told = night(used, table="u", fails=True).summary.tables["u"]
    assert f"incremental_column 'at' is {kind}" in told.message.replace('"', "'")
    assert "only numbers, dates and times say how new a row is" in told.message
    assert "full_table" in told.hint
    night(used, {"extraction_strategy": "full_table"}, table="u")
    assert used.differences("u") == []


def test_stamps_that_go_back_beyond_the_lookback_are_found_by_the_comparison(used: Lab) -> None:
    """A clock that was set back: the load cannot see such rows, so the comparison must."""
    night(used, MIRRORED)
    used.mysql("INSERT INTO t VALUES (11, 'back', '2023-06-01')", "UPDATE t SET c = 'b', at = '2023-07-01' WHERE id = 5")
    a_day_later(used)
    done = night(used, MIRRORED)
    assert counts(done)[:2] == (0, 0)
    assert done.summary.tables["t"].compared == {"missing": 1, "differing": 1, "gone": 0}
    assert used.differences("t") == []


def test_a_counting_cursor_that_is_not_monotone_loses_nothing_once_it_is_compared(used: Lab) -> None:
    """A key that is set by hand below the watermark and its lookback."""
    rule = {**MIRRORED, "incremental_column": "id", "lookback": 2}
    used.mysql("CREATE TABLE u (id int PRIMARY KEY, c varchar(20))", "INSERT INTO u VALUES (100, 'a'), (101, 'b')")
    night(used, rule, table="u")
    used.mysql("INSERT INTO u VALUES (5, 'by hand'), (-7, 'by hand'), (102, 'c')")
    assert counts(night(used, rule, table="u"), "u")[0] == 1
    a_day_later(used)
    night(used, rule, table="u")
    assert used.differences("u") == []


def test_a_watermark_of_another_source_is_refused_and_a_reset_heals_it(used: Lab) -> None:
    """The other server's rows have other stamps: going on from here would skip some in silence."""
    used.pg("UPDATE bulketl.state SET source = 'mysql://elsewhere:3306/clinic' WHERE schema_name = '{s}'")
    used.mysql("INSERT INTO t VALUES (11, 'older', '2020-01-01')")
    told = night(used, fails=True).summary.tables["t"]
    assert "was loaded from mysql://elsewhere:3306/clinic, and this source is mysql://127.0.0.1" in told.message
    assert "`bulketl state reset t`" in told.hint
    assert "another schema" in told.hint
    assert used.pg("SELECT count(*) FROM {s}.t") == [(10,)]
    with psycopg.connect(used.target, autocommit=True) as connection:
        assert reset_states(connection, used.schema, ["t"]) == 1
    assert "because it has no watermark yet" in reason(night(used))
    assert used.differences("t") == []
    assert not whole(night(used))


def test_the_other_source_itself_is_told_apart_by_its_database(used: Lab) -> None:
    """The same server, another database, into the same schema."""
    other = used.database + "_other"
    used.server.execute(f"CREATE DATABASE {other}")
    try:
        used.server.execute(f"CREATE TABLE {other}.t LIKE {used.database}.t")
        told = night(used, fails=True, source=used.server.database(other)).summary.tables["t"]
        assert f"/{used.database}, and this source is" in told.message
    finally:
        used.server.execute(f"DROP DATABASE {other}")
    assert used.pg("SELECT count(*) FROM {s}.t") == [(10,)]


KEYLESS = {**INCREMENTAL, "primary_key": ["id"], "lookback": "0s"}


@pytest.fixture
def keyless(maria_lab: Lab) -> Lab:
    """A table without a key, whose rule says that `id` is one, loaded once."""
    maria_lab.mysql(
        "CREATE TABLE t (id int, c varchar(20), at datetime)",
        "INSERT INTO t SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_10",
    )
    night(maria_lab, KEYLESS)
    return maria_lab


@pytest.mark.parametrize("key", [11, 3])
@pytest.mark.parametrize("many", [False, True])
def test_a_declared_key_that_has_two_new_rows_stops_the_table(
    keyless: Lab, monkeypatch: pytest.MonkeyPatch, key: int, many: bool
) -> None:
    """A new key twice, or an old one twice: one of the two would be lost. Nothing is changed, and the words say why."""
    keyless.mysql(f"INSERT INTO t VALUES ({key}, 'one', '2024-02-01'), ({key}, 'two', '2024-02-01')")
    if many:
        small_partitions(monkeypatch, 1)
    told = night(keyless, KEYLESS, fails=True).summary.tables["t"]
    assert "key" in told.message
    assert any(word in told.message for word in ("duplicate", "more than once", "twice", "not unique")), told.message
    assert told.hint
    assert keyless.pg("SELECT count(*), max(c) FROM {s}.t") == [(10, "old")]


def test_a_declared_key_that_no_index_keeps_unique_is_loaded_whole_and_a_second_row_found(keyless: Lab) -> None:
    """Its changes alone would not show that the source has two rows of the key."""
    keyless.mysql("INSERT INTO t VALUES (3, 'second', '2024-02-01')")
    a_day_later(keyless)
    told = night(keyless, {**KEYLESS, "deletes": "mirror"}, fails=True).summary.tables["t"]
    assert "duplicate key value" in told.message
    assert "primary_key" in told.hint
    assert "no unique index of the source keeps its key" in reason(
        night(keyless, {**KEYLESS, "deletes": "mirror"}, fails=True)
    )


def test_a_table_without_any_key_is_loaded_whole_and_says_why(maria_lab: Lab) -> None:
    """Nothing tells which of its rows changed."""
    maria_lab.mysql("CREATE TABLE t (c int, at datetime)", "INSERT INTO t VALUES (1, '2024-01-01'), (1, '2024-01-01')")
    night(maria_lab)
    maria_lab.mysql("INSERT INTO t VALUES (1, '2024-01-01')")
    assert "full load, because it has no primary key to merge by" in reason(night(maria_lab))
    assert maria_lab.differences("t") == []


@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED, {**INCREMENTAL, "deletes": "mark"}])
def test_a_source_restored_from_an_older_backup_is_recognised_and_loaded_whole(used: Lab, rule: dict[str, str]) -> None:
    """Its highest stamp is below the watermark; rows that it had written since are other rows now."""
    night(used, rule)
    used.mysql("CREATE TABLE backup LIKE t", "INSERT INTO backup SELECT * FROM t WHERE id <= 8",
               "UPDATE backup SET c = 'as then' WHERE id = 8", "DROP TABLE t", "RENAME TABLE backup TO t")  # fmt: skip
    done = night(used, rule)
    words = "the source has 2024-01-01 08:00:00 as its highest at and 2024-01-01 10:00:00 was loaded"
    assert words in reason(done)
    assert "restored from a backup" in reason(done)
    if rule.get("deletes") == "mark":
        assert used.pg("SELECT id FROM {s}.t WHERE _deleted_at IS NOT NULL ORDER BY id") == [(9,), (10,)]
        assert used.pg("SELECT c FROM {s}.t WHERE id = 8") == [("as then",)]
    else:
        assert used.differences("t") == []
    assert watermark(used) == "2024-01-01 08:00:00"
    assert not whole(night(used, rule))


def test_an_older_backup_that_would_take_many_rows_away_stops_at_the_guard(used: Lab) -> None:
    """The target may be the only place that still has them."""
    used.mysql("INSERT INTO t SELECT 1000 + seq, 'new', '2024-02-01' FROM seq_1_to_1000")
    night(used)
    used.mysql("DELETE FROM t WHERE id > 1000")
    told = night(used, fails=True).summary.tables["t"]
    assert "1,000 of its 1,010 rows are gone at the source, 99.0%, and 5% may go" in told.message
    assert used.pg("SELECT count(*) FROM {s}.t") == [(1010,)]
    night(used, allow=("t",))
    assert used.differences("t") == []
