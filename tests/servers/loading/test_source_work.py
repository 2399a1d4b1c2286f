"""What the source's server did for a load: in the summary, in JSON and in the ledger, and whose it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from faults import once, small_partitions, use
from lab import Lab, Server
from rich.console import Console

import bulketl
from bulketl.cli.demo.servers import MariaDB
from bulketl.cli.screens import summary as screen
from bulketl.errors import SourceError, TargetError
from bulketl.loading import engine
from bulketl.mysql.counters import Counters, counters

ROWS = 40_000


def fill(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, note varchar(80))",
              f"INSERT INTO t SELECT seq, REPEAT('x', 50) FROM seq_1_to_{ROWS}")  # fmt: skip


def on_record(lab: Lab) -> Any:
    ((found,),) = lab.pg("SELECT source_work FROM bulketl.run WHERE schema_name = '{s}'")
    return found


def shown(result: bulketl.Summary) -> str:
    console = Console(width=200)
    with console.capture() as caught:
        console.print(screen.summary(result))
    return caught.get()


def test_it_is_of_the_whole_server_where_nobody_counts_by_account(maria_lab: Lab) -> None:
    """And said so. Each row was handed out once at least, and its bytes were sent."""
    fill(maria_lab)
    summary = maria_lab.load().summary
    work = summary.source_work
    assert work == summary.to_json()["source_work"] == on_record(maria_lab)
    assert work["of"] == "server"
    assert ROWS <= int(str(work["rows_read"])) < 5 * ROWS
    assert 50 * ROWS < int(str(work["bytes_sent"])) < 500 * ROWS
    assert "sent for everybody; " in shown(summary)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A MariaDB that counts by account."""
    server = MariaDB(tmp_path_factory.mktemp("counting"), "--performance-schema=ON")
    yield Server("mariadb", server.uri(""))
    server.stop()


def test_it_is_of_the_user_where_the_server_counts_by_account(
    maria_lab: Lab, counting: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others read meanwhile is not in it; a user who may not look there gets the whole server's."""
    lab = dataclasses.replace(maria_lab, server=counting)
    counting.execute(f"CREATE DATABASE {lab.database}")
    fill(lab)
    counting.execute("CREATE USER reader IDENTIFIED BY 'r'")
    counting.execute(f"GRANT SELECT ON {lab.database}.* TO reader")
    uri = counting.database(lab.database, "reader", "r")
    assert lab.load(source=uri).summary.source_work["of"] == "server"
    counting.execute("GRANT SELECT ON performance_schema.status_by_account TO reader")
    lab.mysql("INSERT INTO t SELECT id + 100000, note FROM t")

    def amid_others(source: Any) -> Any:
        found = counters(source)
        lab.mysql(*["SELECT SUM(LENGTH(note)) FROM t"] * 10)
        return found

    monkeypatch.setattr("bulketl.loading.run.counters", amid_others)
    summary = lab.load(source=uri).summary
    assert summary.source_work["of"] == "account"
    assert 2 * ROWS <= int(str(summary.source_work["rows_read"])) < 8 * ROWS
    assert "sent for bulketl's user; " in shown(summary)
    assert lab.differences("t") == []


def test_a_load_does_without_where_the_source_does_not_say(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its beginning or at its end."""
    fill(maria_lab)
    calls = [0]

    def refused(source: Any) -> Any:
        calls[0] += 1
        if calls[0] in (1, 3):
            raise SourceError("the source does not answer", transient=True)
        return counters(source)

    monkeypatch.setattr("bulketl.loading.run.counters", refused)
    for _ in range(2):
        summary = maria_lab.load().summary
        assert (summary.outcome, summary.source_work) == ("done", {})
        assert "meanwhile" not in shown(summary)
    assert maria_lab.pg("SELECT count(*) FROM bulketl.run WHERE schema_name = '{s}' AND source_work IS NULL") == [(2,)]


def test_a_run_that_goes_on_adds_to_what_it_did_before(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    small_partitions(monkeypatch, ROWS // 4)
    fill(maria_lab)
    with monkeypatch.context() as patch:
        use(patch, once("publish", "before", TargetError("gone")))
        patch.setattr(engine, "run", _interrupted(engine.run))
        with pytest.raises(KeyboardInterrupt):
            maria_lab.load()
    first = on_record(maria_lab)
    assert first["rows_read"] > 0
    summary = bulketl.resume(maria_lab.config())
    assert summary.outcome == "done"
    whole = on_record(maria_lab)
    assert whole["of"] == "server"
    for name in ("rows_read", "bytes_sent", "server_lock_waits"):
        assert whole[name] == first[name] + summary.source_work[name]


def _interrupted(real: Any) -> Any:
    def interrupted(*args: Any, **more: Any) -> Any:
        for n, event in enumerate(real(*args, **more)):
            yield event
            if n == 3:
                raise KeyboardInterrupt

    return interrupted


@pytest.mark.parametrize(("before", "after", "work"), [
    (Counters("server", 5, 10, 1), Counters("server", 9, 10, 3),
     {"of": "server", "rows_read": 4, "bytes_sent": 0, "server_lock_waits": 2}),
    (Counters("account", 5, 10, 1), Counters("account", 5, 10, 1),
     {"of": "account", "rows_read": 0, "bytes_sent": 0, "server_lock_waits": 0}),
    (Counters("server", 5, 10, 1), Counters("server", 4, 90, 1), {}),
    (Counters("server", 5, 10, 1), Counters("account", 9, 90, 9), {}),
])  # fmt: skip
def test_counters_that_were_reset_or_are_of_somebody_else_are_not_compared(
    before: Counters, after: Counters, work: dict[str, object]
) -> None:
    """FLUSH STATUS, a server that was started again, a right that was taken away."""
    assert after.since(before) == work
