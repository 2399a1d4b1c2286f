"""The watchdog reads a real ledger, knows what is due, and tells people once by the file that it keeps."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, execute
from typer.testing import CliRunner
from web import Asked, Endpoint, Said, answering

import bulketl
from bulketl.cli.app import app
from bulketl.operations.watchdog import Watched

RULES = {"patient": {"table_importance": "critical"}, "log": {"table_importance": "audit"}}
HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the file of earlier looks go with the test, and nothing tried again."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("bulketl.connections.retrying.PAUSES", (0.0, 0.0, 0.0))


def loaded(lab: Lab) -> dt.datetime:
    """Load a table of two tiers, and return when that was."""
    lab.mysql("CREATE TABLE patient (id int PRIMARY KEY)", "CREATE TABLE log (id int PRIMARY KEY)")
    lab.load(rules=RULES)
    return dt.datetime.now(dt.UTC)


def age(lab: Lab, hours: float) -> None:
    """Have everything on record be that much longer ago."""
    ago = f"interval '{hours} hours'"
    lab.pg(
        f"UPDATE bulketl.published SET published_at = published_at - {ago} WHERE schema_name = '{lab.schema}';"
        f"UPDATE bulketl.run SET started_at = started_at - {ago}, finished_at = finished_at - {ago}"
        f" WHERE schema_name = '{lab.schema}'"
    )


def look(lab: Lab, endpoint: Endpoint, now: dt.datetime, taken_by: str = "", **more: Any) -> Watched:
    """Let the watchdog look at that moment."""
    alerts = {"webhook": endpoint.url, "tiers": {"audit": {"daily": False}}}
    return bulketl.watch_over(lab.config(alerts=alerts, **more), now, taken_by=taken_by)


def told(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return what people were told: of what kind, and of which tier."""
    return [(one["kind"], one["tier"]) for one in endpoint.events]


def test_what_came_in_time_is_told_to_nobody(maria_lab: Lab) -> None:
    """Nor what is still to come."""
    at = loaded(maria_lab)
    with answering(lambda _: (200, "")) as endpoint:
        found = look(maria_lab, endpoint, at + 25 * HOUR)
    assert found.well
    assert [(one.tier, one.late) for one in found.tiers] == [("critical", False), ("audit", False)]
    assert found.last
    assert found.last.outcome == "done"
    assert endpoint.asked == []


def test_what_did_not_come_is_told_once_and_when_it_is_over(maria_lab: Lab) -> None:
    """Each tier by its own limit; again when it happens again."""
    loaded(maria_lab)
    age(maria_lab, 27)
    late = {"late_after": {"audit": "8d"}}
    with answering(lambda _: (200, "")) as endpoint:
        found = look(maria_lab, endpoint, dt.datetime.now(dt.UTC), watchdog=late)
        assert not found.well
        assert [(one.tier, one.late) for one in found.tiers] == [("critical", True), ("audit", False)]
        look(maria_lab, endpoint, dt.datetime.now(dt.UTC), watchdog=late)
        assert told(endpoint) == [("open", "critical")]
        (message,) = endpoint.events
        assert message["title"] == f"nothing came in, schema {maria_lab.schema}"
        assert message["lines"][0].startswith("no table of tier critical has come since ")
        assert any("bulketl watchdog --ack" in line for line in message["lines"])
        maria_lab.load(tables=["patient"], rules=RULES)
        assert look(maria_lab, endpoint, dt.datetime.now(dt.UTC), watchdog=late).well
        assert told(endpoint) == [("open", "critical"), ("resolved", "critical")]
        look(maria_lab, endpoint, dt.datetime.now(dt.UTC) + 60 * HOUR)
    assert sorted(told(endpoint)[2:]) == [("open", "audit"), ("open", "critical")]
    assert len({one["incident"] for one in endpoint.events}) == 2


def test_nobody_is_told_twice_after_an_acknowledgement(maria_lab: Lab) -> None:
    """Until it expires, after four hours."""
    at = loaded(maria_lab) + 30 * HOUR
    late = {"late_after": {"critical": "26h", "audit": "8d"}}
    with answering(lambda _: (200, "")) as endpoint:
        look(maria_lab, endpoint, at, watchdog=late)
        found = look(maria_lab, endpoint, at + 0.1 * HOUR, "jane", watchdog=late)
        assert [one.acknowledged_by for one in found.open] == ["jane"]
        look(maria_lab, endpoint, at + HOUR, watchdog=late)
        assert told(endpoint) == [("open", "critical")]
        look(maria_lab, endpoint, at + 5 * HOUR, watchdog=late)
    assert told(endpoint) == [("open", "critical"), ("open", "critical")]


def test_without_an_acknowledgement_it_is_escalated_once(maria_lab: Lab) -> None:
    """As the tier's alerts say."""
    at = loaded(maria_lab) + 30 * HOUR
    with answering(lambda _: (200, "")) as endpoint:
        for minutes in (0, 10, 20, 30, 40):
            look(maria_lab, endpoint, at + minutes * HOUR / 60, watchdog={"late_after": {"audit": "8d"}})
    assert told(endpoint) == [("open", "critical"), ("escalated", "critical")]


def test_a_rule_that_is_off_tells_nobody(maria_lab: Lab) -> None:
    """The exit code still says it."""
    at = loaded(maria_lab) + 30 * HOUR
    with answering(lambda _: (200, "")) as endpoint:
        found = bulketl.watch_over(maria_lab.config(alerts={"webhook": endpoint.url, "rules": {"silence": "off"}}), at)
    assert not found.well
    assert endpoint.asked == []


def test_a_message_that_nobody_took_is_sent_again(maria_lab: Lab) -> None:
    """At a later look."""
    at = loaded(maria_lab) + 30 * HOUR
    answers = iter([(503, ""), (200, ""), (200, "")])
    with answering(lambda _: next(answers)) as endpoint:
        first = look(maria_lab, endpoint, at, watchdog={"late_after": {"audit": "8d"}})
        assert [one.answer.delivered for one in first.sent] == [False]
        second = look(maria_lab, endpoint, at + HOUR / 10, watchdog={"late_after": {"audit": "8d"}})
    assert [one.answer.delivered for one in second.sent] == [True]


def test_with_windows_each_has_to_bring_something(maria_lab: Lab) -> None:
    """A tier that has no limit of its own is due by the end of the window that closed last."""
    at = loaded(maria_lab)
    begin = (at - HOUR).strftime("%H:00")
    windows = {"load": f"{begin}-{(at + HOUR).strftime('%H:00')} UTC"}
    with answering(lambda _: (200, "")) as endpoint:
        assert look(maria_lab, endpoint, at + 3 * HOUR, windows=windows).well
        found = look(maria_lab, endpoint, at + 27 * HOUR, windows=windows, watchdog={"late_after": {"audit": "8d"}})
    assert [(one.tier, one.late) for one in found.tiers] == [("critical", True), ("audit", False)]


def test_a_tier_that_has_to_come_and_never_did_is_late(maria_lab: Lab) -> None:
    """And so is a schema into which no load is on record: never loaded is never in time."""
    with answering(lambda _: (200, "")) as endpoint:
        found = look(maria_lab, endpoint, dt.datetime.now(dt.UTC))
        assert (found.well, found.tiers) == (False, ())
        assert told(endpoint) == [("open", "critical")]
        for at in (loaded(maria_lab), dt.datetime.now(dt.UTC) + HOUR / 2):  # important ones are told within 15 minutes
            found = look(maria_lab, endpoint, at, watchdog={"late_after": {"important": "26h"}})
    assert [(one.tier, one.came, one.late) for one in found.tiers if one.late] == [("important", None, True)]
    assert told(endpoint)[1:] == [("resolved", "critical"), ("open", "important")]


@pytest.fixture
def reader(maria_lab: Lab) -> Iterator[str]:
    """A user who may read the ledger, and nothing else; whoever takes it has loaded before."""
    loaded(maria_lab)
    role = f"watcher_{maria_lab.schema}"
    execute(maria_lab.target, f"CREATE ROLE {role} LOGIN PASSWORD 'hunter2'; GRANT USAGE ON SCHEMA bulketl TO {role};"
            f" GRANT SELECT ON ALL TABLES IN SCHEMA bulketl TO {role}")  # fmt: skip
    yield role
    execute(maria_lab.target, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_it_needs_to_read_the_ledger_and_nothing_else(maria_lab: Lab, reader: str) -> None:
    """So that its host holds no keys to the data."""
    with answering(lambda _: (200, "")) as endpoint:
        assert look(maria_lab, endpoint, dt.datetime.now(dt.UTC), target=f"{maria_lab.target} user={reader}").well


def test_a_ledger_that_does_not_answer_is_told_and_nothing_else_is_known(maria_lab: Lab, reader: str) -> None:
    """A tier that was late stays so: what was said of it is not taken back before the ledger says that it came."""
    target = f"{maria_lab.target} user={reader} password=hunter2"
    given: dict[str, Any] = {"target": target, "watchdog": {"late_after": {"audit": "8d"}}}
    age(maria_lab, 27)
    with answering(lambda _: (200, "")) as endpoint:
        look(maria_lab, endpoint, dt.datetime.now(dt.UTC), **given)
        execute(maria_lab.target, f"ALTER ROLE {reader} NOLOGIN")
        found = look(maria_lab, endpoint, dt.datetime.now(dt.UTC), **given)
        assert not found.well
        assert found.silent
        look(maria_lab, endpoint, dt.datetime.now(dt.UTC), **given)
        assert told(endpoint) == [("open", "critical"), ("open", "critical")]
        assert endpoint.events[1]["lines"][0].startswith("the ledger does not answer: ")
        execute(maria_lab.target, f"ALTER ROLE {reader} LOGIN")
        look(maria_lab, endpoint, dt.datetime.now(dt.UTC), **given)
        assert told(endpoint)[2:] == [("resolved", "critical")]
        maria_lab.load(rules=RULES)
        look(maria_lab, endpoint, dt.datetime.now(dt.UTC), **given)
    assert told(endpoint)[3:] == [("resolved", "critical")]
    assert [one["incident"] for one in endpoint.events[2:]] == [one["incident"] for one in reversed(endpoint.events[:2])]
    assert "hunter2" not in json.dumps(endpoint.events)


def test_the_command_has_an_exit_code_and_json(maria_lab: Lab) -> None:
    """Without alerts it only looks, and says that nobody is told."""
    environ = {
        "BULKETL_TARGET": maria_lab.target,
        "BULKETL_SCHEMA": maria_lab.schema,
    }
    done = CliRunner().invoke(app, ["watchdog"], env=environ)
    assert done.exit_code == 1
    assert "no load into schema" in done.output
    assert "nobody is told" in " ".join(done.output.split())
    loaded(maria_lab)
    done = CliRunner().invoke(app, ["watchdog", "--json"], env=environ)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["well"]
    assert [one["tier"] for one in document["tiers"]] == ["critical", "audit"]
    assert document["last_load"]["outcome"] == "done"
    done = CliRunner().invoke(app, ["watchdog", "--by", "jane"], env=environ)
    assert done.exit_code == 2


def test_an_acknowledgement_in_slack_is_told_to_pagerduty_once(maria_lab: Lab) -> None:
    """Else PagerDuty would go on to call people; what it is told by us is no acknowledgement of its own."""
    at = loaded(maria_lab) + 30 * HOUR
    by_us = {"status": "acknowledged", "acknowledgements": [{"acknowledger": {"type": "service_reference"}}]}
    eyes = {"message": {"reactions": [{"name": "eyes", "users": ["U1"], "count": 1}]}}
    reacted: list[str] = []

    def answer(asked: Asked) -> Said:
        if asked.path.startswith("/reactions.get"):
            return 200, json.dumps({"ok": True, **(eyes if reacted else {})})
        if asked.path.startswith("/incidents"):
            return 200, json.dumps({"incidents": [by_us]})
        return 202, json.dumps({"ok": True, "channel": "C1", "ts": "1.2"})

    with answering(answer) as endpoint:
        alerts = {
            "slack": {"token": "t", "channel": "#c", "api_url": endpoint.url}, "acknowledged_hours": 1,
            "pagerduty": {"routing_key": "k", "api_token": "t", "events_url": endpoint.url, "api_url": endpoint.url},
        }  # fmt: skip
        config = maria_lab.config(alerts=alerts, watchdog={"late_after": {"audit": "8d"}})
        bulketl.watch_over(config, at)
        assert [one.get("event_action") for one in endpoint.events if "event_action" in one] == ["trigger"]
        reacted.append("eyes")
        found = bulketl.watch_over(config, at + HOUR / 60)
        assert [one.acknowledged_by for one in found.open] == ["U1 (slack)"]
        for minutes in (2, 3, 70, 71):  # after an hour it is told anew, and the reaction of then does not count again
            found = bulketl.watch_over(config, at + minutes * HOUR / 60)
    assert [one.status for one in found.open] == ["open"]
    actions = [one["event_action"] for one in endpoint.events if "event_action" in one]
    assert actions == ["trigger", "acknowledge", "trigger"]
