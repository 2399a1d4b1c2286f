"""Promise 7: no secret is shown anywhere; and promise 8: the source is only read, by a user who may do nothing else."""

from __future__ import annotations

import logging
import secrets
import threading
import urllib.parse
from collections.abc import Iterator

import psycopg
import pytest
from faults import no_pauses, small_partitions
from lab import Lab
from psycopg import sql
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl.errors import BulketlError

PASSWORD = "s3cr3t!@:/"
LEDGER = ("run", "partition", "reject", "published", "table_load")


@pytest.fixture
def reader(lab: Lab) -> Iterator[str]:
    """A user of the source with a password and SELECT on the database, and nothing else; dropped afterwards."""
    name = f"r_{secrets.token_hex(4)}"
    lab.server.execute(f"CREATE USER '{name}'@'%%' IDENTIFIED BY %s", (PASSWORD,))
    lab.server.execute(f"GRANT SELECT ON `{lab.database}`.* TO '{name}'@'%'")
    yield name
    lab.server.execute(f"DROP USER '{name}'@'%'")


@pytest.fixture
def writer(postgres: str) -> Iterator[str]:
    """A connection string of a target user with the password; the user is dropped afterwards."""
    name = f"w_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(PASSWORD))
        )
        yield make_conninfo(postgres, user=name, password=PASSWORD)
        connection.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}".encode())


def shown(text: str) -> list[str]:
    """Return the ways in which the password stands in a text."""
    return [way for way in ("s3cr3t", urllib.parse.quote(PASSWORD, safe="")) if way in text]


def test_no_secret_is_in_a_plan_an_event_the_ledger_a_log_line_a_repr_or_a_message(
    lab: Lab,
    reader: str,
    writer: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Promise 7: a load that succeeds for one table and fails for another shows its passwords nowhere."""
    caplog.set_level(logging.DEBUG)
    no_pauses(monkeypatch)
    small_partitions(monkeypatch, 40)
    lab.mysql("CREATE TABLE good (id int PRIMARY KEY)", "CREATE TABLE bad (id int PRIMARY KEY, c tinyint)",
              "CREATE TABLE gone (id int PRIMARY KEY)")  # fmt: skip
    lab.insert("good", [(n,) for n in range(100)])
    lab.insert("bad", [(n, 2) for n in range(100)])
    config = lab.config(
        source=lab.server.database(lab.database, reader, PASSWORD),
        target=writer,
        rules={"bad": {"casts": {"c": "boolean"}}},
    )
    plan = bulketl.make_plan(config)
    lab.insert("gone", [(1,)])
    lab.mysql("DROP TABLE gone")
    events: list[object] = []
    summary = bulketl.load(config, plan, [events.append])
    assert summary.outcome == "partly done"
    texts = {
        "config": repr(config) + str(config),
        "plan": plan.to_json() + repr(plan),
        "events": repr(events),
        "summary": str(summary.to_json()),
        "log": caplog.text,
        "output": "".join(capfd.readouterr()),
    }
    for table in LEDGER:
        rows = lab.pg(f"SELECT t::text FROM bulketl.{table} t WHERE run = %s", (summary.run,))
        texts[table] = repr(rows)
    assert {name: shown(text) for name, text in texts.items() if shown(text)} == {}


def refused(lab: Lab, reader: str, kind: str) -> tuple[str, str]:
    """Return a source and a target URI that cannot be used, with the password in the one that is at fault."""
    source, target = lab.source, lab.target
    encoded = urllib.parse.quote(PASSWORD, safe="")
    if kind == "wrong source password":
        source = lab.server.database(lab.database, reader, PASSWORD + "x")
    elif kind == "unknown source database":
        source = lab.server.database("t_nothing", reader, PASSWORD)
    elif kind == "closed source port":
        source = lab.server.database(lab.database, reader, PASSWORD, port=1)
    elif kind == "source port is no number":
        source = f"mysql://{reader}:{encoded}@127.0.0.1:x/{lab.database}"
    elif kind == "password not encoded":
        source = f"mysql://{reader}:{PASSWORD}@127.0.0.1/{lab.database}"
    elif kind == "closed target port":
        target = f"postgresql://{reader}:{encoded}@127.0.0.1:1/postgres"
    elif kind == "target is no URI":
        target = f"postgresql://{reader}:{PASSWORD}@127.0.0.1:x/postgres?what=1"
    elif kind == "unknown target parameter":
        target = f"postgresql://{reader}:{encoded}@127.0.0.1/postgres?what={encoded}"
    else:
        target = f"host=127.0.0.1 password='{PASSWORD}' nonsense"
    return source, target


@pytest.mark.parametrize(
    "kind",
    [
        "wrong source password", "unknown source database", "closed source port", "source port is no number",
        "password not encoded", "closed target port", "target is no URI", "unknown target parameter", "half a conninfo",
    ],
)  # fmt: skip
def test_no_secret_is_in_the_message_of_a_server_that_cannot_be_used(lab: Lab, reader: str, kind: str) -> None:
    """Promise 7: neither the error nor what it was raised from quotes the URI with its password."""
    source, target = refused(lab, reader, kind)
    with pytest.raises(BulketlError) as caught:
        bulketl.make_plan(lab.config(source=source, target=target))
    error: BaseException | None = caught.value
    while error is not None:
        assert shown(f"{error!r} {error} {getattr(error, 'hint', '')}") == []
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_the_source_is_only_read_and_its_connections_and_variables_stay_within_bounds(
    lab: Lab, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 8: SELECT suffices, at most `workers` + 1 connections at any moment, and no global variable is changed."""
    small_partitions(monkeypatch, 300)
    lab.mysql("CREATE TABLE a (id int PRIMARY KEY, c varchar(90))", "CREATE TABLE b (id int, c varchar(90))",
              "CREATE TABLE c (id int PRIMARY KEY, d timestamp NULL)")  # fmt: skip
    rows = [(n, "x" * 90) for n in range(6000)]
    lab.insert("a", rows)
    lab.insert("b", rows)
    lab.insert("c", [(1, "2024-01-01 10:00:00")])
    before = lab.server.execute("SHOW GLOBAL VARIABLES")
    most, stop, looks = [0], threading.Event(), [0]

    def look() -> None:
        connection = lab.server.connect()
        with connection, connection.cursor() as cursor:
            before = set[int]()
            while not stop.is_set():
                cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (reader,))
                found = {int(number) for (number,) in cursor.fetchall()}
                most[0] = max(most[0], len(found if len(found) <= 3 else found & before))
                before, looks[0] = found, looks[0] + 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        done = lab.load(source=lab.server.database(lab.database, reader, PASSWORD), workers=2, timestamp_zone="+00:00")
    finally:
        stop.set()
        thread.join(20)
    assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
    assert done.parts("a") >= 10
    assert next(load for load in done.plan.loads if load.spec.table == "b").partitions[0].stream
    assert looks[0] > 20
    assert 1 <= most[0] <= 3
    assert [pair for pair in lab.server.execute("SHOW GLOBAL VARIABLES") if pair not in before] == []
