"""What one act has asked the target over a session, the next one asks over the same, which is as good as a new one."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from lab import Lab, execute
from waiting import until

import bulketl
from bulketl import Config
from bulketl.errors import BulketlError
from bulketl.postgres import kept
from bulketl.postgres.kept import keeping
from bulketl.postgres.server import Connection, Postgres

STATE = """
SELECT (SELECT jsonb_object_agg(name, setting) FROM pg_settings WHERE name NOT LIKE 'plpgsql.%'),
    (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
    (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors WHERE name <> ''), current_user::text"""


def backend(target: Postgres) -> int:
    """Return which session an act has."""
    with target.connect() as connection:
        return connection.info.backend_pid


def acts() -> list[Callable[[Config], object]]:
    """Return whatever the library does with nothing but a configuration."""
    found: list[Callable[[Config], object]] = []
    for name in sorted(name for names in bulketl._HOMES.values() for name in names):
        act = getattr(bulketl, name)
        if inspect.isfunction(act):
            needed = [one.name for one in inspect.signature(act).parameters.values() if one.default is one.empty]
            found += [act] if needed == ["config"] else []
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the sessions that are opened meanwhile."""
    found: list[int] = []
    before = Postgres.opened

    def noted(self: Postgres, *args: Any, **more: Any) -> Any:
        connection = before(self, *args, **more)
        found.append(connection.info.backend_pid)
        return connection

    monkeypatch.setattr(Postgres, "opened", noted)
    return found


def test_a_load_opens_a_session_for_what_comes_before_the_rows_and_one_for_what_comes_after(
    maria_lab: Lab, opened: list[int]
) -> None:
    maria_lab.mysql("CREATE TABLE t (a int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    config = maria_lab.config()
    with keeping():
        assert bulketl.load(config, bulketl.make_plan(config)).outcome == "done"
    assert len(opened) == 4  # before and after, the locks', the worker's
    until(lambda: not execute(maria_lab.target, "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [opened]))


def test_a_session_that_is_kept_is_as_a_new_one(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    maria_lab.mysql("CREATE TABLE t (a int PRIMARY KEY, b datetime)", "INSERT INTO t VALUES (1, now()), (2, '0000-00-00')")
    config = maria_lab.config()
    target = Postgres.of(config)
    with target.connect() as connection:
        new = connection.execute(STATE).fetchone()
    taken: list[object] = []
    before = kept.take

    def looked_at(uri: str) -> Connection | None:
        connection = before(uri)
        if connection is not None:
            taken.append(connection.execute(STATE).fetchone())
        return connection

    monkeypatch.setattr("bulketl.postgres.server.take", looked_at)
    with keeping():
        for _ in range(2):
            bulketl.load(config, bulketl.make_plan(config))
            for act in acts():
                with contextlib.suppress(BulketlError):  # of a migration that there is not, for instance
                    act(config)
    assert len(taken) > len(acts()) > 9
    assert [one for one in taken if one != new] == []


def test_a_session_that_ended_meanwhile_is_not_asked(maria_lab: Lab) -> None:
    target = Postgres.of(maria_lab.config())
    with keeping():
        first = backend(target)
        assert backend(target) == first
        execute(maria_lab.target, "SELECT pg_terminate_backend(%s, 5000)", [first])
        assert backend(target) != first


def test_a_session_is_kept_for_seconds_only(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Postgres.of(maria_lab.config())
    with keeping():
        first = backend(target)
        monkeypatch.setattr("bulketl.postgres.kept.IDLE_SECONDS", 0.0)
        assert backend(target) != first


def test_a_session_with_an_error_or_in_a_transaction_is_not_kept(maria_lab: Lab) -> None:
    target = Postgres.of(maria_lab.config())
    with keeping():
        seen = [backend(target)]
        with pytest.raises(BulketlError, match="division by zero"):
            _divide(target, seen)
        with target.connect() as connection:
            seen.append(connection.info.backend_pid)
            connection.execute("BEGIN")
        seen.append(backend(target))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def _divide(target: Postgres, seen: list[int]) -> None:
    with target.connect() as connection:
        seen.append(connection.info.backend_pid)
        connection.execute("SELECT 1 / 0")


def test_two_acts_at_once_have_two_sessions(maria_lab: Lab) -> None:
    target = Postgres.of(maria_lab.config())
    with keeping():
        first = backend(target)
        with target.connect() as one, target.connect() as two:
            pair = one.info.backend_pid, two.info.backend_pid
        assert pair[0] == first != pair[1]
        others: list[int] = []
        thread = threading.Thread(target=lambda: others.append(backend(target)))
        thread.start()
        thread.join()
        assert others[0] not in pair


def test_nothing_is_kept_outside_and_nothing_is_left(maria_lab: Lab) -> None:
    target = Postgres.of(maria_lab.config())
    with keeping():
        with keeping():
            first = backend(target)
        assert backend(target) == first  # the outer one keeps it
    until(lambda: not execute(maria_lab.target, "SELECT pid FROM pg_stat_activity WHERE pid = %s", [first]))
    assert backend(target) != backend(target)


def test_a_closed_session_is_not_kept(maria_lab: Lab) -> None:
    with psycopg.connect(maria_lab.target, autocommit=True) as connection, keeping():
        connection.close()
        assert not kept.keep("a closed one", connection)
