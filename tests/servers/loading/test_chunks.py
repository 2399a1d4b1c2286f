"""Chunked incremental loads: a commit and a moved watermark after each, so that a long catch-up resumes where it was."""

from __future__ import annotations

import datetime as dt

import pytest
from faults import no_pauses, once, small_partitions, use
from lab import Lab
from nights import CHUNKED, a_day_later, counts, failing_at, night, reason, watermark, whole

import bulketl
from bulketl.errors import TargetError

RULE = {**CHUNKED, "lookback": "1h"}


@pytest.fixture
def behind(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table that was loaded with 10 rows, and has 200 newer ones since: one every two hours."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, c varchar(20), at datetime(3) NULL, KEY (at))")
    maria_lab.insert("t", [(n, "old", f"2024-01-01 00:00:{n:02}") for n in range(1, 11)])
    night(maria_lab, RULE)
    start = dt.datetime(2024, 1, 2)
    maria_lab.insert("t", [(n, "new", start + dt.timedelta(hours=2 * n)) for n in range(11, 211)])
    small_partitions(monkeypatch, 30)
    return maria_lab


def test_each_chunk_is_committed_with_the_watermark_it_reaches(behind: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two chunks the target has the rows up to its watermark, and no newer ones."""
    seen: list[tuple[str | None, int]] = []

    def look(step: str, moment: str) -> None:
        if (step, moment) == ("chunk", "after"):
            ((newer,),) = behind.pg(
                "SELECT count(*) FROM {s}.t WHERE at >= (SELECT watermark::timestamp FROM bulketl.state"
                " WHERE schema_name = '{s}')"
            )
            seen.append((watermark(behind), newer))

    use(monkeypatch, look)
    done = night(behind, RULE)
    assert len(seen) == done.parts("t") >= 7
    marks = [mark or "" for mark, _ in seen]
    assert marks == sorted(set(marks))
    assert [newer for _, newer in seen] == [0] * (len(seen) - 1) + [1]  # the last is at its newest row
    assert counts(done) == (200, 0, 10)
    assert behind.differences("t") == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupted_catch_up_keeps_what_is_done_and_resumes_there(
    behind: Lab, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Failed at the fourth chunk: the first chunks stay, and the next load begins at the watermark they reached."""
    with monkeypatch.context() as patch:
        failing_at(patch, "chunk", moment, 4)
        done = night(behind, RULE, fails=True)
    assert "the disk is full" in done.summary.tables["t"].message
    kept = 3 if moment == "before" else 4
    ((rows,),) = behind.pg("SELECT count(*) FROM {s}.t")
    assert 10 + 20 * kept <= rows <= 10 + 30 * kept
    mark = watermark(behind)
    assert mark is not None
    assert mark > "2024-01-05"
    again = night(behind, RULE)
    assert "incremental: at from" in reason(again)
    assert counts(again)[0] == 210 - rows
    assert again.summary.tables["t"].rows < 210 - rows + 10
    assert behind.differences("t") == []
    assert watermark(behind) == behind.mysql("SELECT CAST(CAST(MAX(at) AS datetime) AS CHAR) FROM t")[0][0]


def test_a_chunk_whose_answer_was_lost_is_not_counted_or_written_twice(behind: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds its own record."""
    no_pauses(monkeypatch)
    use(monkeypatch, once("chunk", "after", TargetError("the answer was lost", transient=True)))
    done = night(behind, RULE)
    assert counts(done) == (200, 0, 10)
    assert behind.differences("t") == []


def test_a_row_that_is_changed_while_the_catch_up_runs_is_in_the_next_load(
    behind: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its new stamp is above the bound that was taken before."""

    def change(step: str, moment: str) -> None:
        if (step, moment) == ("chunk", "before"):
            behind.mysql("UPDATE t SET c = CONCAT(c, '+'), at = NOW() WHERE id IN (12, 205)")

    with monkeypatch.context() as patch:
        use(patch, change)
        night(behind, RULE)
    night(behind, RULE)
    assert behind.differences("t") == []


def test_ties_that_are_more_than_a_chunk_are_cut_along_the_key(behind: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mass update amid the catch-up; the watermark moves only when all pieces of one stamp are done."""
    behind.mysql("UPDATE t SET c = 'mass', at = '2024-01-06 12:34:56' WHERE id BETWEEN 50 AND 150")
    with monkeypatch.context() as patch:
        failing_at(patch, "chunk", "before", 5)
        night(behind, RULE, fails=True)
    assert (watermark(behind) or "") < "2024-01-06 12:34:56"
    done = night(behind, RULE)
    assert done.parts("t") >= 4
    assert behind.differences("t") == []


def test_rows_that_the_cursor_says_nothing_of_are_read_with_the_first_chunk(behind: Lab) -> None:
    """NULLs and sentinels, however many they are."""
    behind.mysql("UPDATE t SET c = 'null', at = NULL WHERE id BETWEEN 1 AND 70",
                 "UPDATE t SET c = 'none', at = '0001-01-01' WHERE id BETWEEN 71 AND 80")  # fmt: skip
    done = night(behind, RULE)
    assert not whole(done)
    assert behind.differences("t") == []


def test_only_rows_without_a_value_are_also_cut(behind: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many NULLs that they do not fit one piece, and nothing else that is new."""
    night(behind, RULE)
    behind.mysql("UPDATE t SET c = 'null', at = NULL WHERE id < 150")
    done = night(behind, {**RULE, "lookback": "0s"})
    assert done.parts("t") >= 5
    assert behind.differences("t") == []


def test_a_value_in_the_future_does_not_move_the_watermark_there_amid_a_catch_up(
    behind: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before the chunk with the future, the watermark is at most the newest true value."""
    behind.mysql("UPDATE t SET at = '2199-01-01' + INTERVAL id HOUR WHERE id > 150")
    with monkeypatch.context() as patch:
        parts = bulketl.make_plan(behind.config(rules={"t": RULE})).groups[0].loads[0].partitions
        failing_at(patch, "chunk", "before", len(parts))
        night(behind, RULE, fails=True)
    ((newest,),) = behind.mysql("SELECT CAST(CAST(MAX(at) AS datetime) AS CHAR) FROM t WHERE at <= NOW()")
    assert "2024-01-12" < (watermark(behind) or "") <= newest
    assert not whole(night(behind, RULE))
    assert behind.differences("t") == []


@pytest.mark.parametrize("kind", ["bigint unsigned", "int", "date"])
def test_chunks_of_counting_and_day_cursors_hold_every_row(lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Numbers in blocks, also negative ones and those near the type's end; days one by one."""
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at {kind}, KEY (at))")
    if kind == "date":
        values: list[object] = [dt.date(2024, 1, 1) + dt.timedelta(days=n // 3) for n in range(150)]
    else:
        values = [2**64 - 1000 + n * 5 if "unsigned" in kind else n * 5 - 300 for n in range(150)]
    lab.insert("t", [(n, "old", values[n]) for n in range(10)])
    rule = {**CHUNKED, "lookback": "1d" if kind == "date" else 7}
    night(lab, rule)
    lab.insert("t", [(n, "new", values[n]) for n in range(10, 150)])
    small_partitions(monkeypatch, 20)
    done = night(lab, rule)
    assert done.parts("t") >= 7
    assert counts(done)[0] == 140
    assert watermark(lab) == str(values[-1])
    assert lab.differences("t") == []


def test_a_column_that_marks_deleted_rows_may_be_added_by_a_chunked_load(behind: Lab) -> None:
    """The policy was changed since: the first chunk adds the column, and the others find it."""
    done = night(behind, {**RULE, "deletes": {"policy": "mark", "every": "1s"}})
    assert done.parts("t") >= 7
    assert behind.pg("SELECT count(*), count(_deleted_at) FROM {s}.t") == [(210, 0)]


def test_the_column_that_marks_deleted_rows_is_added_before_a_comparison(behind: Lab) -> None:
    """The load adds it, and the comparison after it finds rows to mark and to mend."""
    night(behind, RULE)
    a_day_later(behind)
    behind.mysql("DELETE FROM t WHERE id = 3", "UPDATE t SET c = 'unstamped' WHERE id = 4")
    night(behind, {**RULE, "deletes": "mark"})
    assert behind.pg("SELECT id FROM {s}.t WHERE _deleted_at IS NOT NULL") == [(3,)]
    assert behind.pg("SELECT c FROM {s}.t WHERE id = 4") == [("unstamped",)]


def test_a_chunk_with_too_many_rejects_stops_there_and_shows_them(behind: Lab) -> None:
    """What was before it is loaded; the rejects are listed."""
    rule = {**RULE, "casts": {"c": "jsonb"}}
    behind.pg("DROP TABLE {s}.t")
    behind.mysql("UPDATE t SET c = '1'")
    night(behind, rule)
    behind.mysql("UPDATE t SET c = 'no json', at = '2024-03-03' WHERE id = 150",
                 "UPDATE t SET c = '2', at = at + INTERVAL 1 MONTH WHERE id > 20 AND id < 150")  # fmt: skip
    done = night(behind, rule, fails=True)
    assert "1 row rejected" in done.summary.tables["t"].message
    assert behind.pg("SELECT count(*) > 30 FROM {s}.t WHERE c = '2'") == [(True,)]
    behind.mysql("UPDATE t SET c = '3' WHERE id = 150")
    night(behind, rule)
    assert behind.differences("t") == []
