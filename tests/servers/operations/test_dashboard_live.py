"""A run that many browsers follow: what each is sent, what it missed, and what all of them together cost the ledger."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from dashboards import config_of, pages, role, said, served
from lab import execute
from psycopg.conninfo import make_conninfo

from bulketl.operations.dashboard.live import SENT
from bulketl.postgres.ledger.schema import create

RUN = "20261127-060000-abcd"


@pytest.fixture
def ledger(postgres: str) -> Iterator[str]:
    """A ledger with a run that is under way: the connection that carries it out holds its lock."""
    name = f"t_{secrets.token_hex(5)}"
    execute(postgres, f"CREATE DATABASE {name}")
    target = make_conninfo(postgres, dbname=name)
    with psycopg.connect(target, autocommit=True) as connection:
        create(connection, "raw")
    begin(target, RUN)
    yield target
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def begin(target: str, run: str, tables: int = 5) -> None:
    """Put a run on record that has begun with so many tables of 100,000 rows."""
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO bulketl.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at)"
            " VALUES (%s, 'load', 'etl', 'mysql://x', 'raw', '', '', '{}', '1', clock_timestamp())",
            (run,),
        )
    names = {f"t{n}": [100_000, "critical"] for n in range(tables)}
    tell(target, run, ("run_started", {"source": "mysql://x", "schema": "raw", "zone": "", "tables": names}))
    tell(target, run, *(("table_started", {"table": f"t{n}"}) for n in range(tables)))


def loaded(table: str, n: int = 0) -> tuple[str, dict[str, Any]]:
    return "partition_loaded", {"table": table, "partition": n, "rows": 10, "rejects": 0, "bytes": 100, "seconds": 1.0}


def tell(target: str, run: str, *events: tuple[str, dict[str, Any]]) -> None:
    """Put events on record, as the journal of a driver does."""
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO bulketl.event (run, seq, at, kind, body)"
            " SELECT %s, COALESCE((SELECT max(seq) FROM bulketl.event WHERE run = %s), 0) + n, clock_timestamp(), kind, body"
            " FROM unnest(%s::text[], %s::jsonb[]) WITH ORDINALITY u (kind, body, n)",
            (run, run, [kind for kind, _ in events], [json.dumps(body) for _, body in events]),
        )


@dataclass
class Browser:
    """What reads /live as an EventSource does: its events, and the comments between them."""

    port: int
    events: list[tuple[str, str, str]] = field(default_factory=list)  # event, id, data
    comments: int = 0
    last: str = ""
    connection: http.client.HTTPConnection | None = None
    thread: threading.Thread | None = None

    def open(self, after: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"last-event-id": self.last} if self.last else {}
        self.connection.request("GET", f"/live?after={after}", headers=headers)
        answer = self.connection.getresponse()
        assert answer.getheader("content-type", "").startswith("text/event-stream")
        self.thread = threading.Thread(target=self._read, args=(answer,), daemon=True)
        self.thread.start()

    def _read(self, answer: http.client.HTTPResponse) -> None:
        kind, number, data = "", "", list[str]()
        with answer, contextlib.suppress(OSError, http.client.HTTPException):
            while line := answer.readline().decode():
                name, _, value = line.rstrip("\r\n").partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif name == "event":
                    kind = value
                elif name == "id":
                    number = self.last = value
                elif name == "data":
                    data.append(value)
                elif not name:
                    if kind:
                        self.events.append((kind, number, "\n".join(data)))
                    kind, number, data = "", "", []

    def lines(self) -> list[str]:
        """The lines of all events so far."""
        return [line for kind, _, data in self.events if kind == "lines" for line in data.splitlines()]

    def close(self) -> None:
        if self.connection is not None and self.thread is not None:
            if self.connection.sock is not None:
                with contextlib.suppress(OSError):
                    self.connection.sock.shutdown(socket.SHUT_RDWR)
            self.thread.join(10)
            self.connection.close()


def during(seconds: float, count: Callable[[], int]) -> int:
    before = count()
    time.sleep(seconds)
    return count() - before


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_browser_is_sent_what_happens_and_after_a_restart_what_it_missed(ledger: str) -> None:
    with role(ledger) as reader:
        with served(reader) as site:
            page = site.read("/run")
            assert f'data-after="{RUN}/6"' in page
            assert "0 of 5 tables are in, 5 are under way." in said(page)
            browser = Browser(site.port)
            browser.open(f"{RUN}/6")
            until(lambda: browser.events)
            tell(ledger, RUN, loaded("t1"), loaded("t2"))
            until(lambda: len(browser.lines()) >= 2)
            assert browser.last == f"{RUN}/8"
            assert not [data for kind, _, data in browser.events if kind == "missed"]
            port = site.port
        browser.close()
        tell(ledger, RUN, ("table_published", {"table": "t1", "rows": 10, "how": "swap", "seconds": 2.0}), loaded("t3"))
        before = len(browser.lines())
        with served(reader, port=port) as site:
            browser.open()
            until(lambda: len(browser.lines()) >= before + 2)
            seen = [re.sub("<[^>]*>", " ", line) for line in browser.lines()]
            assert len(seen) == 4  # none twice
            assert "published, swap" in seen[2]
            tell(ledger, RUN, ("table_failed", {"table": "t2", "kind": "DataError", "message": "bad", "hint": "mend it",
                                                "seconds": 1.0}))  # fmt: skip
            until(lambda: any("1 failed" in data for kind, _, data in browser.events if kind == "frame"))
            browser.close()


def test_a_new_run_is_followed_by_itself_and_told_from_its_begin(ledger: str) -> None:
    with role(ledger) as reader, served(reader) as site:
        browser = Browser(site.port)
        browser.open(f"{RUN}/6")
        until(lambda: browser.events)
        write_end = "UPDATE bulketl.run SET finished_at = clock_timestamp(), outcome = 'done' WHERE run = %s"
        with psycopg.connect(ledger, autocommit=True) as connection:
            connection.execute(write_end, (RUN,))
        until(lambda: any("The last load ended: done." in data for kind, _, data in browser.events if kind == "frame"))
        begin(ledger, "20261127-070000-efab", 2)
        until(lambda: any(kind == "begin" and "efab" in data for kind, _, data in browser.events))
        until(lambda: any("0 of 2 tables are in" in data for kind, _, data in browser.events if kind == "frame"))
        browser.close()


def test_ten_thousand_events_a_minute_are_sent_in_parts_and_what_is_left_out_is_told(ledger: str) -> None:
    with role(ledger) as reader, served(reader) as site:
        browser = Browser(site.port)
        browser.open(f"{RUN}/6")
        until(lambda: browser.events)
        browser.close()
        tell(ledger, RUN, *(loaded("t1", n) for n in range(10_000)))
        again = Browser(site.port)
        until(lambda: f'data-after="{RUN}/10006"' in site.read("/run"))
        again.open(f"{RUN}/6")
        until(lambda: len(again.lines()) >= SENT)
        (missed,) = [int(data) for kind, _, data in again.events if kind == "missed"]
        assert missed + len(again.lines()) == 10_000
        html = site.read("/run")
        assert "The newest of 10,006 events" in said(html)
        assert len(html) < 200_000
        again.close()


def test_fifty_browsers_cost_the_ledger_one_statement_a_second_and_none_costs_none(ledger: str, postgres: str) -> None:
    with role(ledger) as reader, served(reader) as site:
        user = psycopg.conninfo.conninfo_to_dict(reader)["user"]
        browsers = [Browser(site.port) for _ in range(50)]
        for browser in browsers:
            browser.open(f"{RUN}/6")
        until(lambda: all(browser.events for browser in browsers))

        def transactions() -> int:
            ((count,),) = execute(
                postgres, f"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname ="
                f" '{psycopg.conninfo.conninfo_to_dict(ledger)['dbname']}'",
            )  # fmt: skip
            return int(count)

        def sessions() -> int:
            ((count,),) = execute(postgres, f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'")
            return int(count)

        assert sessions() == 1
        time.sleep(2)
        before, began = transactions(), time.monotonic()
        time.sleep(10)
        took = time.monotonic() - began
        assert (
            transactions() - before <= 5 * took
        )  # fifty each second, if each browser asked; Postgres counts late, in parts
        frames = [sum(kind == "frame" for kind, _, _ in browser.events) for browser in browsers]
        assert min(frames) >= 8
        for browser in browsers:
            browser.close()
        time.sleep(12)  # then nobody looks, and nobody asks: six times in six seconds, if somebody did
        assert any(during(6, transactions) <= 1 for _ in range(6))


def test_a_comment_keeps_a_silent_connection_open(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with role(ledger) as reader, served(reader) as site:
        browser = Browser(site.port)
        browser.open(f"{RUN}/6")
        until(lambda: browser.comments >= 1, 20)
        browser.close()


def test_times_are_those_of_the_window_and_of_the_servers_clock(ledger: str) -> None:
    with role(ledger) as reader:
        zoned = config_of(reader, windows={"load": "21:00-06:00 America/Chicago"})
        now = dt.datetime(2026, 11, 27, 7, 0, 5, tzinfo=dt.UTC)
        with pages(zoned, lambda: now) as site:
            html = site.get("/run").text
            assert "All times America/Chicago, the zone of the load window." in said(html)
            assert 'data-asof>as of <time datetime="2026-11-27T07:00:05+00:00">27\N{NO-BREAK SPACE}Nov' in html
            assert "01:00:05</time>" in html


def test_a_target_that_goes_away_is_told_and_asked_again(ledger: str, postgres: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(ledger)["dbname"]
    with role(ledger) as reader, served(reader) as site:
        browser = Browser(site.port)
        browser.open(f"{RUN}/6")
        until(lambda: browser.events)
        execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            execute(postgres, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            until(lambda: "The ledger does not answer, and is asked again" in browser.events[-1][2])
        finally:
            execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        until(lambda: "does not answer" not in browser.events[-1][2])
        browser.close()
