"""What the tests of the dashboard share: a role with exactly the rights of `dashboard`, pages asked for, alerts raised."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from lab import configure, execute
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from starlette.testclient import TestClient

from bulketl.config.config import Config
from bulketl.operations.alerts.causes import Cause
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.alerts.machine import Raised
from bulketl.operations.alerts.policies import Policy
from bulketl.operations.dashboard.doors import HERE, Doors
from bulketl.operations.dashboard.site import Clock, Site
from bulketl.postgres.grants import Target, grants
from bulketl.postgres.ledger.incidents import Member
from bulketl.tables.spec import TIERS

TOKEN = "a token that nobody guesses"
NOBODY = dict.fromkeys(TIERS, Policy(()))  # whom nothing is told


@contextlib.contextmanager
def role(target: str, schema: str = "raw") -> Iterator[str]:
    """Give the connection string of a new role that has what `bulketl grants --role dashboard` prints, and no more."""
    user, loader, database = f"d_{secrets.token_hex(4)}", f"l_{secrets.token_hex(4)}", conninfo_to_dict(target)["dbname"]
    execute(target, f"CREATE ROLE {loader}")
    for statement, _ in grants(Target(str(database), schema, loader), "dashboard", user).statements:
        execute(target, statement)
    execute(target, f"ALTER ROLE {user} LOGIN PASSWORD 'pw'")
    try:
        yield make_conninfo(target, user=user, password="pw")
    finally:
        execute(target, f"DROP OWNED BY {user}, {loader}; DROP ROLE {user}, {loader}")


def config_of(target: str, schema: str = "raw", **more: Any) -> Config:
    """Return a configuration that has a target, and no source."""
    return configure("", target, schema, **more)


@contextlib.contextmanager
def pages(config: Config, clock: Clock | None = None, *, always: bool = False) -> Iterator[TestClient]:
    """Give what asks for pages as a browser on this machine does."""
    doors = Doors(HERE, TOKEN, always)
    site = Site(config, doors) if clock is None else Site(config, doors, clock)
    with TestClient(
        site.app(), base_url="http://localhost", follow_redirects=False, headers={"accept": "text/html"}
    ) as made:
        yield made


def said(html: str) -> str:
    """Return the text of a page, without what marks it up."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html.partition("<main")[2])).replace("\N{NO-BREAK SPACE}", " ")


def raise_alert(
    target: str, *tables: str, text: str = "10 rows rejected", schema: str = "raw", rule: str = "table_failed"
) -> int:
    """Put an open alert on record; return its number."""
    now = dt.datetime.now(dt.UTC)
    cause = Cause(schema, f"run {secrets.token_hex(3)}", "source", "table_failed", "DataError")
    blank = cause.blank("critical", now)
    with psycopg.connect(target, autocommit=True) as connection:
        book = LedgerBook(connection, schema, NOBODY)
        book.change(blank, Raised({table: Member("critical", text, "look at it", now) for table in tables or ("",)}), now)
        (found,) = book.search([blank.key])
    return found.number


@dataclass(frozen=True)
class Served:
    """A dashboard in a process of its own."""

    url: str
    port: int
    process: subprocess.Popen[str]

    def read(self, path: str, seconds: float = 30, **headers: str) -> str:
        """Return a page."""
        request = urllib.request.Request(f"{self.url}{path.lstrip('/')}", headers=headers)
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def served(target: str, schema: str = "raw", port: int = 0, *words: str) -> Iterator[Served]:
    """Run `bulketl dashboard` as a person does, and end it by Ctrl-C."""
    environ = {**os.environ, "BULKETL_TARGET": target, "BULKETL_SCHEMA": schema, "BULKETL_DASHBOARD_TOKEN": TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-m", "bulketl", "dashboard", "--port", str(port), *words],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)/", line)
        assert found, line + (process.stdout.read() if process.poll() is not None else "")
        yield Served(found[0], int(found[1]), process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
