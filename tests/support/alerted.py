"""What the tests of alerts share: a pager that keeps what it is told, tables that fail, and a target that goes down."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from lines import Line, Session
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from waiting import SECONDS
from web import Asked, Endpoint, Said, answering

import bulketl
from bulketl import Config
from bulketl.tables.spec import Tier

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def pager() -> Iterator[Endpoint]:
    """What stands for everybody who is told by webhook."""

    def answer(_: Asked) -> Said:
        return 200, "ok"

    with answering(answer) as endpoint:
        yield endpoint


@pytest.fixture
def lab(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A good table, and two whose rows are rejected; the end of a load has time to tell of them on a busy machine, too."""
    monkeypatch.setattr("bulketl.operations.alerts.lookout.END_SECONDS", SECONDS)
    for table in ("good", "bad", "worse"):
        maria_lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY, n int)", f"INSERT INTO {table} VALUES (1, 1), (2, -1)")
    return maria_lab


def rules(tier: Tier = "critical", *bad: str, **more: Any) -> dict[str, Any]:
    """Return rules in which some tables reject a row, and may not."""
    check = {"checks": [{"range": "n", "min": 0, "severity": "reject"}]}
    return {
        table: {"table_importance": tier, **(check if table in bad else {}), **more} for table in ("good", "bad", "worse")
    }


def configured(lab: Lab, pager: Endpoint | str, tables: dict[str, Any], folder: Path, **more: Any) -> Config:
    """Return a configuration whose alerts go to the pager; `more` are keys of alerts, and of the settings."""
    url = pager if isinstance(pager, str) else pager.url
    others = {key: more.pop(key) for key in ("target", "windows") if key in more}
    return lab.config(rules=tables, alerts={"webhook": url, "spool": str(folder), **more}, **others)


def told(pager: Endpoint) -> list[tuple[str, str]]:
    """Return kind and title of each message."""
    return [(one["kind"], one["title"]) for one in pager.events]


def run(config: Config) -> None:
    """Load as a notebook does."""
    with bulketl.alerting(config) as alert:
        bulketl.load(config, bulketl.make_plan(config), [alert])


class Switch(Line):
    """A line to the target that can be switched off and on."""

    off = False

    def _pump(self, source: socket.socket, sink: socket.socket, session: Session, answers: bool) -> None:
        if self.off:
            source.close()
            sink.close()
        else:
            super()._pump(source, sink, session, answers)

    def go_down(self) -> None:
        self.off = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def switched(lab: Lab) -> Iterator[tuple[Switch, str]]:
    """Give a line to the target, and the target's URI over it."""
    parts = conninfo_to_dict(lab.target)
    host, port = str(parts.get("host") or "localhost"), int(parts.get("port") or 5432)
    line = Switch(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port))
    try:
        yield line, make_conninfo(lab.target, host="127.0.0.1", port=line.port)
    finally:
        line.stop()
