"""What goes wrong with one table stays with it: mistakes of our own, and the room that a failed table has taken."""

from __future__ import annotations

from typing import Any

import pytest
from faults import one_by_one, small_partitions, use
from lab import Lab

import bulketl
from bulketl.errors import TargetError
from bulketl.loading.events import Event, PartitionLoaded
from bulketl.mysql import source


def make(lab: Lab, *names: str, rows: int = 400) -> None:
    for name in names:
        lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c varchar(20))",
                  f"INSERT INTO {name} SELECT seq, 'row' FROM seq_1_to_{rows}")  # fmt: skip


class PanicException(BaseException):
    """No Exception at all."""


@pytest.mark.parametrize("error", [KeyError("nobody foresaw this"), PanicException("nobody foresaw this")])
@pytest.mark.parametrize("wrong", ["large", "b"])
def test_a_bug_fails_its_table_and_the_others_are_loaded(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, error: BaseException, wrong: str
) -> None:
    """Staged or in a group; the message says what was raised, the hint where, and the ledger has both."""
    small_partitions(monkeypatch, 50)
    make(maria_lab, "large", "larger")
    make(maria_lab, "a", "b", "c", rows=3)
    one_by_one(monkeypatch)
    read = source.MySQLSource.read

    def faulty(source: Any, spec: Any, *rest: Any) -> Any:
        if spec.table == wrong:
            raise error
        return read(source, spec, *rest)

    monkeypatch.setattr(source.MySQLSource, "read", faulty)
    done = maria_lab.load()
    (failed,) = done.summary.failed
    assert (failed.table, failed.error, done.summary.outcome) == (wrong, "BugError", "partly done")
    assert type(error).__name__ in failed.message
    assert "nobody foresaw this" in failed.message
    assert "test_isolation.py:" in failed.hint
    others = {"large", "larger", "a", "b", "c"} - {wrong}
    assert maria_lab.tables() == others
    assert [line for name in others for line in maria_lab.differences(name)] == []
    assert maria_lab.pg(
        "SELECT error FROM bulketl.table_load WHERE run = %s AND outcome = 'failed'", (done.summary.run,)
    ) == [(failed.public,)]


def test_what_a_failed_table_has_staged_is_gone_before_the_next_is_read(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is full the room is its neighbours'."""
    small_partitions(monkeypatch, 50)
    make(maria_lab, "large", rows=800)
    make(maria_lab, "small")
    loads, staged = [0], list[list[str]]()

    def fault(step: str, moment: str) -> None:
        if (step, moment) == ("load", "after"):
            loads[0] += 1
            if loads[0] == 3:
                raise TargetError("table 'large': could not extend file: No space left on device")

    def look(event: Event) -> None:
        if isinstance(event, PartitionLoaded) and event.table == "small":
            staged.append(sorted(name.split()[1] for name in maria_lab.staged()))

    use(monkeypatch, fault)
    config = maria_lab.config(workers=1)
    summary = bulketl.load(config, bulketl.make_plan(config), [look])
    assert [table.table for table in summary.failed] == ["large"]
    assert staged == [["small"]] * 8
    assert maria_lab.differences("small") == []
