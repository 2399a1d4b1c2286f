"""`doctor` on real servers: what it says of each is so, one that is away does not silence it, and nothing is changed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from lab import Lab, execute
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app

AWAY = {"source": "mysql://root:hush@127.0.0.1:1/x", "target": "postgresql://x:hush@127.0.0.1:1/x"}
ABOUTS = {"version", "clock", "zone", "sessions", "rights"}
Doctor = Callable[..., tuple[int, dict[tuple[str, str], dict[str, Any]]]]


@pytest.fixture
def doctor(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Doctor:
    """Run the command; return its code, and what it found by side and subject."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bulketl.connections.retrying.PAUSES", (0.0, 0.0, 0.0))

    def call(**sides: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
        target = f"postgresql:///?{'&'.join(lab.target.split())}"
        given = {"source": lab.source, "target": target} | sides
        env = {f"BULKETL_{side.upper()}": uri for side, uri in given.items()} | {"BULKETL_SCHEMA": lab.schema}
        done = CliRunner().invoke(app, ["doctor", "--json"], env=env)
        assert "hush" not in done.output
        found = json.loads(done.stdout)
        assert found["ready"] is (done.exit_code == 0)
        return done.exit_code, {(one["side"], one["about"]): one for one in found["checked"]}

    return call


def test_sound_servers_let_a_load_begin(lab: Lab, doctor: Doctor) -> None:
    """Nothing is made in the target for it."""
    before = lab.pg("SELECT count(*) FROM pg_class")
    code, found = doctor()
    assert code == 0, [one for one in found.values() if one["verdict"] == "wrong"]
    for side in ("source", "target"):
        assert {about for at, about in found if at == side} >= ABOUTS
        assert found[side, "clock"]["verdict"] == "fine"
    assert found["here", "libraries"]["verdict"] == "fine"
    assert lab.pg("SELECT count(*) FROM pg_class") == before


@pytest.mark.parametrize("away", ["source", "target"])
def test_with_a_side_away_the_other_is_told(doctor: Doctor, away: str) -> None:
    code, found = doctor(**{away: AWAY[away]})
    other = {"source": "target", "target": "source"}[away]
    assert code == 1
    assert [about for side, about in found if side == away] == ["connection"]
    assert found[away, "connection"]["verdict"] == "wrong"
    assert found[away, "connection"]["mend"]
    assert {about for side, about in found if side == other} >= ABOUTS


def test_a_side_that_nobody_named_is_told_and_what_to_set(doctor: Doctor) -> None:
    code, found = doctor(source="", target="")
    assert code == 1
    for side in ("source", "target"):
        assert f"BULKETL_{side.upper()}" in found[side, "connection"]["mend"]


def test_a_right_that_the_loader_lacks_is_wrong_and_an_excess_is_not(maria_lab: Lab) -> None:
    user = f"u{secrets.token_hex(4)}"
    execute(maria_lab.target, f"CREATE ROLE {user} LOGIN PASSWORD 'x'")
    try:
        target = make_conninfo(maria_lab.target, user=user, password="x")
        found = bulketl.doctor(maria_lab.config(target=target)).of("wrong")
        assert {one.side for one in found} == {"target"}
        assert "rights" in {one.about for one in found}
        assert any("grants --role loader" in one.mend for one in found)
    finally:
        execute(maria_lab.target, f"DROP OWNED BY {user}; DROP ROLE {user}")


def test_a_zone_that_the_source_does_not_know_is_wrong_and_the_rest_is_told(maria_lab: Lab) -> None:
    found = bulketl.doctor(maria_lab.config(timestamp_zone="Mars/Olympus"))
    assert [(one.side, one.about) for one in found.of("wrong")] == [("source", "zone")]
    assert ("source", "rights") in {(one.side, one.about) for one in found.checked}


def test_who_may_make_what_is_not_there_yet_lacks_nothing(maria_lab: Lab, empty: str) -> None:
    """As where there has been no load, and so no ledger."""
    found = bulketl.doctor(maria_lab.config(target=empty))
    (rights,) = [one for one in found.checked if (one.side, one.about) == ("target", "rights")]
    assert "lacks" not in rights.found
    assert found.ready


def test_settings_of_the_target_are_found_as_they_are(maria_lab: Lab, empty: str) -> None:
    """Each in its own unit, as the server has it."""
    from bulketl.postgres.condition import condition
    from bulketl.postgres.server import Postgres

    found = condition(Postgres(empty))
    for name in ("shared_buffers", "max_wal_size", "maintenance_work_mem"):
        ((size,),) = execute(empty, "SELECT pg_size_bytes(current_setting(%s))", [name])
        assert float(found.settings[name]) == size
    assert found.free is None or found.free > 0
    assert found.encoding == "UTF8"


def test_the_disk_of_a_target_on_this_machine_is_seen_and_a_strange_folder_is_not(maria_lab: Lab, tmp_path: Any) -> None:
    from bulketl.postgres import condition as module

    ((folder, since),) = execute(
        maria_lab.target,
        "SELECT current_setting('data_directory'), floor(extract(epoch FROM pg_postmaster_start_time()))::bigint",
    )
    (tmp_path / "postmaster.pid").write_text(f"1\n{tmp_path}\n{since + 60}\n", encoding="utf-8")
    assert module._free(str(tmp_path), since) is None
    assert module._free(str(tmp_path), since + 60)
    assert module._free("", since) is None
    assert module._free(folder, since) is None or module._free(folder, since)
