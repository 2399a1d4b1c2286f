"""Incremental loads: what changed is read, merged and counted, and nothing is missed or doubled at the edges."""

from __future__ import annotations

import pytest
from faults import small_partitions
from lab import Lab
from nights import CHUNKED, INCREMENTAL, a_day_later, counts, night, reason, watermark, whole

import bulketl
from bulketl.errors import PlanError

MIRROR = {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": "mirror"}


@pytest.fixture
def used(maria_lab: Lab) -> Lab:
    """A table of 100 rows with an indexed stamp, one a minute, loaded once."""
    stamped(maria_lab)
    night(maria_lab)
    return maria_lab


def stamped(lab: Lab, kind: str = "datetime", rows: int = 100) -> None:
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at {kind}, KEY (at))")
    lab.insert("t", [(n, "old", f"2024-01-01 {n // 60 % 24:02}:{n % 60:02}:00") for n in range(rows)])


@pytest.mark.parametrize("index", [True, False])
def test_the_first_load_is_whole_and_the_second_reads_only_what_changed(lab: Lab, index: bool) -> None:
    """With an index on the stamp or without: the same rows, the same counts."""
    stamped(lab)
    if not index:
        lab.mysql("ALTER TABLE t DROP KEY at")
    first = night(lab)
    assert "full load, because it has no watermark yet" in reason(first)
    assert watermark(lab) == "2024-01-01 01:39:00"
    lab.mysql(
        "INSERT INTO t VALUES (1000, 'new', '2024-01-02 09:00:00')",
        "UPDATE t SET c = 'other', at = '2024-01-02 10:00:00' WHERE id = 3",
    )
    second = night(lab, {**INCREMENTAL, "lookback": "5m"})
    assert not whole(second)
    assert second.summary.tables["t"].rows == 8  # two changes, and the rows of the five minutes before, 01:34 to 01:39
    assert counts(second) == (1, 1, 6)
    assert watermark(lab) == "2024-01-02 10:00:00"
    assert lab.differences("t") == []
    third = night(lab, {**INCREMENTAL, "lookback": "5m"})
    assert counts(third) == (0, 0, 1)
    assert lab.differences("t") == []


def test_a_load_with_nothing_changed_says_that_it_has_counted(used: Lab) -> None:
    """The cursor is counting, and lookback 0 reads again only the newest row itself."""
    used.mysql("UPDATE t SET at = '2024-01-01 00:00:00' WHERE id < 99")
    done = night(used, {**INCREMENTAL, "lookback": "0s"})
    assert counts(done) == (0, 0, 1)
    assert "incremental: at from 2024-01-01 01:39:00 on" in reason(done)


def test_the_source_is_asked_two_queries_for_a_table_with_changes(used: Lab) -> None:
    """One measures, one reads; the general query log of the server tells."""
    used.mysql("UPDATE t SET c = 'new', at = NOW() WHERE id < 5")
    used.server.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
    try:
        used.server.execute("TRUNCATE mysql.general_log")
        night(used)
        asked = used.server.execute(
            "SELECT argument FROM mysql.general_log WHERE command_type IN ('Query', 'Execute', 'Prepare')"
            " AND argument LIKE '%%FROM `t` %%' AND argument NOT LIKE '%%general_log%%'"
        )
    finally:
        used.server.execute("SET GLOBAL general_log = 0, GLOBAL log_output = 'FILE'")
    assert len({text for (text,) in asked}) == 2, asked
    assert all("`at`>=" in text for (text,) in asked)
    assert used.differences("t") == []


def test_rows_with_the_stamp_of_the_watermark_itself_are_not_missed(used: Lab) -> None:
    """Ties: rows that got the same second after the load that saw the first of them, even without lookback."""
    rule = {**INCREMENTAL, "lookback": "0s"}
    used.mysql("INSERT INTO t VALUES (1001, 'tie', '2024-01-01 01:39:00'), (1002, 'tie', '2024-01-01 01:39:00')")
    assert counts(night(used, rule)) == (2, 0, 1)
    used.mysql("UPDATE t SET c = 'again' WHERE id = 1001")
    assert counts(night(used, rule)) == (0, 1, 2)
    assert used.differences("t") == []


def test_a_row_that_commits_late_with_an_older_stamp_is_found_within_the_lookback(used: Lab) -> None:
    """Its transaction was open while the load ran; the default looks back two hours, and a rule may say more."""
    used.mysql("INSERT INTO t VALUES (1001, 'next', '2024-01-01 12:00:00')")
    night(used)
    used.mysql("INSERT INTO t VALUES (1002, 'late', '2024-01-01 10:00:00')")
    assert counts(night(used))[0] == 1
    used.mysql("INSERT INTO t VALUES (1003, 'too late', '2024-01-01 09:59:59')")
    assert counts(night(used))[0] == 0
    assert counts(night(used, {**INCREMENTAL, "lookback": "3h"}))[0] == 1
    assert used.differences("t") == []


def test_an_open_transaction_at_the_time_of_the_load_costs_nothing(used: Lab) -> None:
    """The row is invisible to the load that runs meanwhile, and its stamp is older than that load's watermark."""
    with used.server.connect(used.database) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute("INSERT INTO t VALUES (1001, 'late', '2024-01-01 05:00:00')")
        used.mysql("INSERT INTO t VALUES (1002, 'quick', '2024-01-01 05:00:10')")
        assert counts(night(used))[0] == 1
        connection.commit()
    assert counts(night(used))[0] == 1
    assert used.differences("t") == []


@pytest.mark.parametrize("kind", ["datetime", "date", "timestamp", "int", "bigint unsigned"])
def test_rows_without_a_cursor_value_are_read_in_every_load(lab: Lab, kind: str) -> None:
    """NULL says nothing of when a row changed, so such rows are always read."""
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at {kind} NULL, KEY (at))")
    value = "5" if "int" in kind else "'2024-01-01'"
    lab.mysql(f"INSERT INTO t VALUES (1, 'a', {value}), (2, 'b', NULL)")
    night(lab)
    lab.mysql("UPDATE t SET c = 'changed' WHERE id = 2", "INSERT INTO t VALUES (3, 'c', NULL)")
    assert counts(night(lab)) == (1, 1, 1)
    assert lab.differences("t") == []


@pytest.mark.parametrize("kind", ["datetime", "date"])
def test_rows_with_a_sentinel_for_no_date_are_read_in_every_load(lab: Lab, kind: str) -> None:
    """0000-00-00 and 0001-01-01 are no times; a clinic's tables are full of them."""
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at {kind}, KEY (at))",
              "INSERT INTO t VALUES (1, 'a', '2024-01-01'), (2, 'b', '0000-00-00'), (3, 'c', '0001-01-01')",
              mode="")  # fmt: skip
    night(lab)
    assert (watermark(lab) or "").startswith("2024-01-01")
    lab.mysql("UPDATE t SET c = 'changed' WHERE id > 1", mode="")
    done = night(lab)
    assert (whole(done), counts(done)) == (False, (0, 2, 1))
    assert lab.differences("t") == []


@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED])
def test_a_mass_update_in_one_second_is_read_in_bounded_pieces(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, str]
) -> None:
    """12 % of the table get one stamp; no piece has more rows than a partition may, nothing is missed or doubled."""
    stamped(lab, rows=1000)
    night(lab, rule)
    lab.mysql("UPDATE t SET c = 'stamped', at = '2024-03-01 00:00:00' WHERE id % 25 < 3")
    small_partitions(monkeypatch, 20)
    done = night(lab, {**rule, "lookback": "0s"})
    assert not whole(done)
    assert done.parts("t") >= 6
    read = [event.rows for event in done.events if isinstance(event, bulketl.loading.events.PartitionLoaded)]
    assert max(read) <= 25
    assert counts(done) == (0, 120, 1)
    assert lab.differences("t") == []


CURSORS = [
    ("date", "'2024-01-05'", "'2024-01-06'", "2024-01-05"),
    ("datetime(6)", "'2024-01-05 10:00:00.123456'", "'2024-01-05 10:00:00.123457'", "2024-01-05 10:00:00.123456"),
    ("datetime(1)", "'2024-01-05 10:00:00.5'", "'2024-01-05 10:00:00.6'", "2024-01-05 10:00:00.500000"),
    ("timestamp(3) NULL", "'2024-01-05 10:00:00.25'", "'2024-01-05 10:00:01'", "2024-01-05 10:00:00.250000"),
    ("int", "-5", "-4", "-5"),
    ("smallint unsigned", "65534", "65535", "65534"),
    ("bigint unsigned", "18446744073709551614", "18446744073709551615", "18446744073709551614"),
    ("bigint", "-9223372036854775808", "9223372036854775807", "-9223372036854775808"),
]


@pytest.mark.parametrize(("kind", "old", "new", "mark"), CURSORS)
def test_a_cursor_of_every_ordered_type_is_kept_as_it_is(lab: Lab, kind: str, old: str, new: str, mark: str) -> None:
    """To the last digit, so that the next value above it is new and the value itself is read again."""
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at {kind}, KEY (at))",
              f"INSERT INTO t VALUES (1, 'a', {old})")  # fmt: skip
    zero = {**INCREMENTAL, "lookback": 0 if "int" in kind else "0s"}
    night(lab, zero)
    assert watermark(lab) == mark
    lab.mysql("UPDATE t SET c = 'tie'", f"INSERT INTO t VALUES (2, 'b', {new})")
    done = night(lab, zero)
    assert (whole(done), counts(done)) == (False, (1, 1, 0))
    assert lab.differences("t") == []
    assert counts(night(lab, zero)) == (0, 0, 1)


def test_an_append_only_table_is_read_by_its_growing_key(lab: Lab) -> None:
    """A number is drawn before its row is committed, so a thousand keys are read again."""
    lab.mysql("CREATE TABLE t (at bigint PRIMARY KEY AUTO_INCREMENT, c varchar(20))")
    lab.insert("t", [(n, "old") for n in range(1, 3001) if n != 2500])
    night(lab)
    lab.mysql("INSERT INTO t (c) VALUES ('new'), ('new')", "INSERT INTO t VALUES (2500, 'late')")
    done = night(lab)
    assert counts(done)[0] == 3
    assert done.summary.tables["t"].rows == 1003
    assert lab.differences("t") == []


def test_rows_of_the_last_business_days_are_read_again_whatever_their_stamp(lab: Lab) -> None:
    """`reread` names date columns; an unstamped change in them is found, one outside is not."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime, ProcDate date, PayDate date, KEY (at))",
              "INSERT INTO t VALUES (1, 'a', '2024-01-01', CURDATE() - INTERVAL 10 DAY, NULL),"
              " (2, 'b', '2024-01-01', CURDATE() - INTERVAL 40 DAY, NULL),"
              " (3, 'c', '2024-01-01', NULL, CURDATE()), (4, 'd', '2024-05-01', NULL, NULL)")  # fmt: skip
    rule = {**INCREMENTAL, "reread": {"columns": ["ProcDate", "PayDate"], "last": "30d"}}
    night(lab, rule)
    lab.mysql("UPDATE t SET c = 'changed' WHERE id < 4")
    assert counts(night(lab, rule)) == (0, 2, 1)
    assert lab.pg("SELECT id FROM {s}.t WHERE c = 'changed' ORDER BY id") == [(1,), (3,)]


def test_a_range_can_be_loaded_again_and_the_watermark_stays(used: Lab) -> None:
    """--since is included, --until is not; rows outside are not read."""
    used.mysql("UPDATE t SET c = 'unstamped' WHERE id BETWEEN 5 AND 15", "INSERT INTO t VALUES (500, 'n', '2024-06-01')")
    done = night(used, since="2024-01-01 00:05:00", until="2024-01-01 00:10")
    assert counts(done) == (0, 5, 0)
    assert watermark(used) == "2024-01-01 01:39:00"
    assert used.pg("SELECT id FROM {s}.t WHERE c = 'unstamped' ORDER BY id") == [(n,) for n in range(5, 10)]
    assert counts(night(used, since="2024-01-01 00:10:00")) == (1, 6, 84)
    assert watermark(used) == "2024-01-01 01:39:00"
    assert used.differences("t") == []
    assert counts(night(used))[0] == 0


@pytest.mark.parametrize(
    ("rule", "since", "words"),
    [
        ({"extraction_strategy": "full_table"}, "2024-01-01", "names no cursor"),
        ({**INCREMENTAL, "incremental_column": "nothing"}, "2024-01-01", "no column 'nothing'"),
    ],
)
def test_a_range_that_cannot_be_loaded_is_refused_with_its_reason(
    used: Lab, rule: dict[str, str], since: str, words: str
) -> None:
    """Nothing is loaded instead of it."""
    done = night(used, rule, since=since, fails=True)
    told = done.summary.tables["t"]
    assert words in told.message
    assert told.hint
    assert list(done.plan.loads) == []


@pytest.mark.parametrize(
    ("rule", "since", "words"),
    [
        (INCREMENTAL, "yesterday", "'yesterday' is not a value of a cursor of type datetime"),
        ({**INCREMENTAL, "incremental_column": "id"}, "2024-01-01", "not a value of a cursor of type int"),
        (INCREMENTAL, "2024-01-01 08:00:00+02:00", "not a value of a cursor of type datetime"),
    ],
)
def test_a_range_that_is_none_of_any_table_is_a_wrong_request(
    used: Lab, rule: dict[str, str], since: str, words: str
) -> None:
    """No run begins."""
    with pytest.raises(PlanError, match=words) as told:
        bulketl.make_plan(used.config(rules={"t": rule}), since=since)
    assert told.value.hint


def test_a_range_that_is_one_of_some_tables_refuses_the_others_alone(used: Lab) -> None:
    """They may have cursors of several types."""
    used.mysql("CREATE TABLE n (id int PRIMARY KEY)", "INSERT INTO n VALUES (1)")
    rules = {"t": INCREMENTAL, "n": {**INCREMENTAL, "incremental_column": "id"}}
    used.load(rules=rules)
    plan = bulketl.make_plan(used.config(rules=rules), since="2024-01-01")
    assert [load.spec.table for load in plan.loads] == ["t"]
    (refused,) = plan.refused
    assert "not a value of a cursor of type int" in refused.message


def test_a_range_of_days_has_no_hours(maria_lab: Lab) -> None:
    """Cut at eight o'clock, the day before it would be left out."""
    stamped(maria_lab, "date")
    night(maria_lab)
    with pytest.raises(PlanError, match="'2024-01-01 08:00:00' is not a value of a cursor of type date"):
        night(maria_lab, until="2024-01-01 08:00:00")
    assert counts(night(maria_lab, until="2024-01-02")) == (0, 0, 100)


@pytest.mark.parametrize("until", ["2024-01-01", "2023-12-31 23:59:59"])
def test_a_range_that_ends_where_it_begins_is_refused(used: Lab, until: str) -> None:
    """Its 0 rows would look like a success."""
    with pytest.raises(PlanError, match="no row has a at from 2024-01-01 00:00:00 on and before") as told:
        night(used, since="2024-01-01", until=until)
    assert "--until" in told.value.hint


def test_a_load_is_whole_or_of_a_part(used: Lab) -> None:
    """Neither is taken for the other."""
    with pytest.raises(PlanError, match="not both"):
        bulketl.make_plan(used.config(rules={"t": INCREMENTAL}), full=True, since="2024-01-01")


def test_a_part_of_a_table_that_was_never_loaded_is_refused(maria_lab: Lab) -> None:
    """The part would look like the whole."""
    stamped(maria_lab)
    done = night(maria_lab, since="2024-01-01", fails=True)
    assert "never loaded" in done.summary.tables["t"].message
    assert "without --since" in done.summary.tables["t"].hint


def test_a_full_load_can_be_asked_for_and_moves_the_watermark(used: Lab) -> None:
    """Unstamped changes and rows that are gone arrive with it."""
    used.mysql("UPDATE t SET c = 'unstamped' WHERE id = 1", "DELETE FROM t WHERE id = 2",
               "INSERT INTO t VALUES (500, 'new', '2024-02-01')")  # fmt: skip
    done = night(used, full=True)
    assert "full load, as asked" in reason(done)
    assert watermark(used) == "2024-02-01 00:00:00"
    assert used.differences("t") == []
    assert not whole(night(used))


@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED])
def test_a_composite_and_a_text_key_are_merged_by(lab: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, str]) -> None:
    """Many changes, so that they are cut along that key."""
    lab.mysql("CREATE TABLE pair (a int, b varchar(20), c int, at datetime, PRIMARY KEY (a, b), KEY (at))",
              "CREATE TABLE word (w varchar(40) PRIMARY KEY, c int, at datetime)")  # fmt: skip
    lab.insert("pair", [(n % 7, f"Zeile {n}", 0, "2024-01-01") for n in range(60)])
    lab.insert("word", [(f"wört {n}", 0, "2024-01-01") for n in range(60)])
    for table in ("pair", "word"):
        night(lab, rule, table=table)
        lab.mysql(f"UPDATE {table} SET c = 1, at = '2024-02-01' WHERE RIGHT(at, 1) = 0")
    lab.insert("pair", [(n % 7, f"neu {n}", 2, f"2024-02-{n + 1:02}") for n in range(20)])
    small_partitions(monkeypatch, 10)
    for table, new in (("pair", 20), ("word", 0)):
        done = night(lab, {**rule, "lookback": "1s"}, table=table)
        assert done.parts(table) >= 5
        assert counts(done, table)[:2] == (new, 60), reason(done, table)
        assert lab.differences(table) == []
        a_day_later(lab)


def test_excluded_and_declared_columns_are_as_the_rule_says_in_every_load(used: Lab) -> None:
    """The cursor itself may be left out: it is asked at the source only."""
    used.mysql("CREATE TABLE u (id int PRIMARY KEY, secret text, flag tinyint, at datetime)",
               "INSERT INTO u VALUES (1, 's', 0, '2024-01-01'), (2, 's', 1, '2024-01-02')")  # fmt: skip
    rule = {**INCREMENTAL, "exclude_columns": ["secret", "at"], "casts": {"flag": "boolean"}}
    night(used, rule, table="u")
    used.mysql(
        "UPDATE u SET flag = 1, at = '2024-01-03' WHERE id = 1", "UPDATE u SET secret = 'x', at = '2024-01-03' WHERE id = 2"
    )
    assert counts(night(used, rule, table="u"), "u") == (0, 1, 1)
    assert used.pg("SELECT * FROM {s}.u ORDER BY id") == [(1, True), (2, True)]


def test_a_pattern_that_fits_no_table_is_an_error_also_for_a_range(used: Lab) -> None:
    """As for any load."""
    with pytest.raises(PlanError, match="no table"):
        bulketl.make_plan(used.config(), tables=["nothing"], since="2024-01-01")


@pytest.mark.parametrize("rule", [{"table_importance": "audit"}, {"deletes": "ignore"}], ids=["audit", "ignore"])
@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
def test_rows_of_another_source_are_never_mixed_in(maria_lab: Lab, rule: dict[str, object], strategy: str) -> None:
    """A test system's, say; with --full neither."""
    import bulketl

    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)", "INSERT INTO t VALUES (1, NOW())")
    rule = {**rule, "extraction_strategy": strategy, "incremental_column": "at"}
    night(maria_lab, rule)
    maria_lab.pg("UPDATE bulketl.state SET source = 'mysql://elsewhere:3306/clinic' WHERE schema_name = '{s}'")
    maria_lab.mysql("INSERT INTO t VALUES (2, NOW())")
    config = maria_lab.config(rules={"t": rule})
    for full in (False, True):
        summary = bulketl.load(config, bulketl.make_plan(config, full=full))
        assert "was loaded from mysql://elsewhere:3306/clinic" in summary.tables["t"].message
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(1,)]


@pytest.mark.parametrize(("column", "lookback"), [("at", 5), ("id", "30d")])
def test_a_lookback_of_the_wrong_kind_is_refused(maria_lab: Lab, column: str, lookback: object) -> None:
    """A number of rows is no time."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)", "INSERT INTO t VALUES (1, NOW())")
    night(maria_lab, {**MIRROR, "incremental_column": column})
    done = night(maria_lab, {**MIRROR, "incremental_column": column, "lookback": lookback}, fails=True)
    assert "has lookback" in done.summary.tables["t"].message
