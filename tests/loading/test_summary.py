"""The summary by computation: events in, what became of each table and of the run out, as values and as JSON."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.loading.events import (
    ColumnsChanged,
    Event,
    FiguresTaken,
    PartitionLoaded,
    RuleUnmet,
    RunFinished,
    RunStarted,
    SourceLocked,
    SourceReadAgain,
    SourceSpared,
    StepRetried,
    TableCompared,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableSkipped,
    TableStarted,
    WorkersChanged,
)
from bulketl.loading.summary import Summary
from bulketl.tables.catalog import Other

COUNT = st.integers(0, 1000)
PART = st.builds(
    PartitionLoaded,
    run=st.just("r"),
    table=st.sampled_from("ab"),
    partition=COUNT,
    rows=COUNT,
    rejects=COUNT,
    bytes=COUNT,
    seconds=st.just(1.0),
    changed=st.dictionaries(st.sampled_from("cd"), st.dictionaries(st.sampled_from("xy"), COUNT)),
    checks=st.dictionaries(st.sampled_from(["warn", "reject"]), st.dictionaries(st.sampled_from("xy"), COUNT)),
)
# What informs of a run under way, and is no figure of any table.
ASIDE: tuple[Event, ...] = (
    TableStarted("r", "a"),
    StepRetried("r", ("a", "b"), "copy", 2, "connection lost", 1.0, 500),
    WorkersChanged("r", 1, "deadlock"),
    SourceLocked("r", "a", "READ", 0.5),
    SourceSpared("r", "busy"),
    SourceReadAgain("r", 3.0),
)


def started(*tables: str) -> RunStarted:
    return RunStarted("r", "mysql://h:3306/d", "raw", "UTC", dict.fromkeys(tables, (10, "critical")))


def published(table: str, rows: int = 0) -> TablePublished:
    return TablePublished("r", table, rows, "swap", 2.5)


def failed(table: str, rejects: int = 0) -> TableFailed:
    return TableFailed("r", table, "DataError", "too many rejects", "raise max_rejects", 1.5, rejects)


def figures(table: str, target: str) -> FiguresTaken:
    return FiguresTaken("r", table, 0, {"rows": "3"}, (), {"rows": target}, frozenset())


def folded(*events: Event) -> Summary:
    summary = Summary()
    for event in events:
        summary.add(event)
    return summary


def per_label(found: Iterable[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the sums per pair of words."""
    sums: dict[str, dict[str, float]] = {}
    for words in found:
        for first, counts in words.items():
            for second, count in counts.items():
                sums.setdefault(first, {})[second] = sums.get(first, {}).get(second, 0) + count
    return sums


@given(st.lists(PART))
def test_the_figures_of_a_table_are_the_sums_over_its_own_partitions(parts: list[PartitionLoaded]) -> None:
    summary = folded(started("a", "b"), *parts)
    for name, table in summary.tables.items():
        own = [part for part in parts if part.table == name]
        assert table.rows == sum(part.rows for part in own)
        assert table.rejects == sum(part.rejects for part in own)
        assert table.bytes == sum(part.bytes for part in own)
        filled = {column: kinds for column, kinds in table.changed.items() if kinds}
        assert filled == per_label(part.changed for part in own)
        assert {severity: labels for severity, labels in table.checks.items() if labels} == per_label(p.checks for p in own)


@given(st.lists(PART), st.lists(st.sampled_from(ASIDE)))
def test_a_retry_and_a_pause_change_no_figure(parts: list[PartitionLoaded], aside: list[Event]) -> None:
    """A step that failed has copied nothing; a partition is told once, by the try that did."""
    plain = folded(started("a", "b"), *parts, published("a"), published("b"), RunFinished("r", 9.0))
    mixed = [event for pair in itertools.zip_longest(parts, aside) for event in pair if event is not None]
    told = folded(started("a", "b"), *mixed, published("a"), *aside, published("b"), RunFinished("r", 9.0))
    assert told.to_json() == plain.to_json()


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ((), "done"),
        ((published("a"), published("b")), "done"),
        ((published("a"), TableSkipped("r", "b", "nothing has changed", "hashes")), "done"),
        ((published("a"), TableSkipped("r", "b", "new at the source")), "done"),
        ((published("a"), failed("b")), "partly done"),
        ((failed("a"), failed("b")), "failed"),
        ((failed("a"), TableSkipped("r", "b", "new at the source")), "failed"),
        ((failed("a"), TableSkipped("r", "b", "nothing has changed", "hashes")), "partly done"),
        ((published("a"), None), "stopped"),
        ((failed("a"), None), "stopped"),
        ((None, None), "stopped"),
    ],
)
def test_a_run_is_done_partly_done_failed_or_stopped(ends: Sequence[Event | None], outcome: str) -> None:
    """By what became of its tables; None where it did not come to one."""
    events = [event for event in ends if event is not None]
    assert folded(started(*"ab"[: len(ends)]), *events, RunFinished("r", 1.0)).outcome == outcome


def test_a_run_whose_figures_differ_is_not_certified_unless_something_worse_is_true() -> None:
    differ, agree = figures("a", "4"), figures("b", "3")
    summary = folded(started("a", "b"), differ, agree, published("a"), published("b"))
    assert [table.table for table in summary.uncertified] == ["a"]
    assert (summary.outcome, summary.tables["a"].certified, summary.tables["b"].certified) == ("not certified", False, True)
    assert folded(started("a", "b"), differ, published("a"), failed("b")).outcome == "partly done"
    assert folded(started("a", "b"), differ, published("a")).outcome == "stopped"
    # Of a table that is not published nothing has to be certified, and nothing was asked of the other.
    alone = folded(started("a", "b"), differ, TableSkipped("r", "a", "the same"), published("b"))
    assert (alone.outcome, alone.tables["b"].certified) == ("done", None)


def test_a_failed_table_says_why_and_adds_no_rows_to_the_total() -> None:
    loaded = PartitionLoaded("r", "a", 0, 7, 2, 70, 1.0)
    summary = folded(
        started("a", "b"), loaded, failed("a", 5), PartitionLoaded("r", "b", 0, 3, 0, 30, 1.0), published("b", 3)
    )
    table = summary.tables["a"]
    assert (table.outcome, table.seconds, table.rejects) == ("failed", 1.5, 5)  # as many as it was given up for
    assert (table.error, table.message, table.hint) == ("DataError", "too many rejects", "raise max_rejects")
    assert summary.failed == [table]
    totals = summary.totals
    assert (totals["tables"], totals["failed"], totals["rows"], totals["bytes"]) == (1, 1, 3, 30)


@given(COUNT, COUNT)
def test_rows_that_were_loaded_before_an_interruption_count(now: int, all_in_all: int) -> None:
    """A run that goes on tells the partitions of its own time; the publish knows those of before too."""
    summary = folded(started("a"), PartitionLoaded("r", "a", 1, now, 0, 0, 1.0), published("a", all_in_all))
    assert summary.tables["a"].rows == max(now, all_in_all)


def test_the_totals_count_tables_by_what_became_of_them() -> None:
    summary = folded(
        started("a", "b", "c", "d", "e"), published("a", 4), TableSkipped("r", "b", "the same", "hashes"),
        TableSkipped("r", "c", "new"), failed("d"), RunFinished("r", 1.23456),
    )  # fmt: skip
    assert [table.outcome for table in summary.tables.values()] == ["loaded", "unchanged", "skipped", "failed", "unfinished"]
    assert (summary.tables["b"].proof, summary.tables["c"].message) == ("hashes", "new")
    assert summary.totals == {
        "tables": 1, "unchanged": 1, "failed": 1, "unfinished": 1, "rows": 4, "bytes": 0, "rejects": 0, "seconds": 1.235,
    }  # fmt: skip


def test_a_shortened_table_counts_as_done() -> None:
    """By retention, which publishes nothing."""
    summary = folded(started("a"))
    summary.tables["a"].outcome, summary.tables["a"].rows = "shortened", 6
    assert (summary.outcome, summary.totals["tables"], summary.totals["rows"]) == ("done", 1, 6)


def test_what_publishing_and_comparing_say_is_kept_apart() -> None:
    """A comparison tells its own three counts, and the audit trail of the run so far."""
    publish = TablePublished(
        "r", "a", 9, "merge", 1.0, inserted=1, updated=2, unchanged=3, deleted=4, consistency="locked", quality=0.5,
        noted={"delete": 1, "update": 1},
    )  # fmt: skip
    summary = folded(started("a"), publish, TableCompared("r", "a", 5, 6, 7, "mirror", 1.0, {"update": 3}))
    table = summary.tables["a"]
    assert (table.inserted, table.updated, table.unchanged, table.deleted) == (1, 2, 3, 4)
    assert (table.consistency, table.quality) == ("locked", 0.5)
    assert table.compared == {"missing": 5, "differing": 6, "gone": 7}
    assert table.noted == {"delete": 1, "update": 3}
    assert (summary.tables["a"].outcome, summary.outcome) == ("loaded", "done")


def test_drift_and_lateness_are_of_their_table_alone() -> None:
    summary = folded(
        started("a", "b"), ColumnsChanged("r", "a", ("+ c text", "- d date")), TableOverdue("r", "b", 300.0),
        RuleUnmet("r", "b", "loaded whole, though its rule says incremental: it has no column 'at'"),
    )  # fmt: skip
    assert [table.unmet for table in summary.tables.values()] == [
        "", "loaded whole, though its rule says incremental: it has no column 'at'",
    ]  # fmt: skip
    assert [(table.drift, table.overdue) for table in summary.tables.values()] == [
        (("+ c text", "- d date"), False),
        ((), True),
    ]


def test_a_check_on_the_whole_table_stands_beside_those_on_its_rows() -> None:
    """Rows add up over partitions; the figure of the table is what it is."""
    part = PartitionLoaded("r", "a", 0, 5, 0, 0, 1.0, checks={"warn": {"not_null c": 2}})
    whole = {"warn": {"sum fee": math.nan}, "fail": {"unique id": 1.0}}
    failure = TableFailed("r", "a", "DataQualityError", "m", "h", 1.0, checks=whole)
    summary = folded(started("a"), part, part, failure)
    checks = summary.to_json()["tables"][0]["checks"]  # type: ignore[index]
    assert checks == {"warn": {"not_null c": 4, "sum fee": "nan"}, "fail": {"unique id": 1.0}}


def test_the_json_says_which_run_it_is_of_and_all_of_each_table() -> None:
    sessions: dict[str, dict[str, object]] = {
        "source": {"server": "MariaDB 11", "unset": ("a",)},
        "target": {"server": "Postgres 18"},
    }
    tables = {"b": (10, "critical"), "a": (0, "audit")}
    start = RunStarted(
        "r", "mysql://h:3306/d", "raw", "+01:00", tables, (Other("view", "v"),), ("look at this",), sessions
    )  # fmt: skip
    part = PartitionLoaded("r", "b", 0, 3, 1, 30, 1.0, {"c": {"invalid date to NULL": 2}})
    document = json.loads(json.dumps(folded(start, part, published("b", 3), failed("a"), RunFinished("r", 4.0)).to_json()))
    rows = document.pop("tables")
    assert document.pop("totals")["rows"] == 3
    assert document == {
        "run": "r",
        "source": "mysql://h:3306/d",
        "schema": "raw",
        "outcome": "partly done",
        "cancelled": "",
        "timestamp_zone": "+01:00",
        "sessions": {"source": {"server": "MariaDB 11", "unset": ["a"]}, "target": {"server": "Postgres 18"}},
        "source_work": {},
        "left_out": [{"kind": "view", "name": "v", "rows": None}],
        "notes": ["look at this"],
        "hooks": [],
        "pruned": None,
    }
    assert [row["table"] for row in rows] == ["b", "a"]  # as in the plan
    assert rows[0] == {
        "table": "b", "tier": "critical", "outcome": "loaded", "rows": 3, "before": None, "rejects": 1,
        "bytes": 30, "seconds": 2.5,
        "changed": {"c": {"invalid date to NULL": 2}}, "drift": [], "part": "", "unmet": "",
        "inserted": None, "updated": None, "unchanged": None,
        "deleted": None, "compared": {}, "noted": {}, "consistency": "", "quality": 1.0, "overdue": False,
        "first_failure": "", "proof": "",
        "error": "", "message": "", "hint": "", "checks": {}, "certified": None,
    }  # fmt: skip
    assert rows[1].keys() == rows[0].keys()


@pytest.mark.parametrize(
    ("more", "moved"),
    [
        ({"inserted": 3, "updated": 2, "deleted": 1}, (3, 2, 1)),
        ({"before": 0}, (100, 0, 0)),
        ({"before": 4100}, (0, 0, 4000)),
        ({}, (0, 0, 0)),  # nobody knows what was there
    ],
)
def test_rows_that_came_changed_and_went_are_counted(more: dict[str, int], moved: tuple[int, int, int]) -> None:
    """By a merge as it counts them; of a table that was replaced, by how many it has more or fewer."""
    end = TablePublished("run", "t", 100, "refill", 1.0, **more)  # type: ignore[arg-type]
    table = folded(started("t"), end).tables["t"]
    assert (table.added, table.edited, table.removed) == moved


@pytest.mark.parametrize(("deletes", "gone"), [("mirror", 4000), ("mark", 4000), ("ignore", 0)])
def test_what_a_comparison_mended_counts_too(deletes: str, gone: int) -> None:
    """But for rows that the table keeps."""
    end = TablePublished("run", "t", 0, "merge", 1.0, inserted=0, updated=0, deleted=0)
    table = folded(started("t"), end, TableCompared("run", "t", 1, 2, 4000, deletes, 1.0)).tables["t"]
    assert (table.added, table.edited, table.removed) == (1, 2, gone)
