"""Messages are sent once, whatever is down or dies: the target, a channel, a ticker, two tickers at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alerted import MINUTE, configured, lab, pager, rules, run, switched, told
from lab import Lab
from waiting import NEVER
from web import Asked, Endpoint, Said, answering, closed, hang, talking

import bulketl
from bulketl.connections import web
from bulketl.operations.alerts.spool import place
from bulketl.operations.alerts.tick import tick_alerts
from bulketl.postgres.ledger import incidents
from bulketl.postgres.server import Connection

__all__ = ["lab", "pager"]


def test_a_target_that_is_down_is_told_from_the_spool_and_taken_over(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """A load that cannot begin, told at once; escalated by a tick; on record when the target is back; over by a load."""
    with switched(lab) as (line, uri):
        config = configured(lab, pager, rules(), tmp_path, target=uri)
        run(config)
        assert told(pager) == []
        line.go_down()
        began = time.monotonic()
        with pytest.raises(bulketl.TargetError), bulketl.alerting(config) as alert:
            bulketl.load(config, bulketl.make_plan(config), [alert])
        assert time.monotonic() - began < NEVER  # with the pauses of all that is tried again
        assert told(pager) == [("open", f"the load failed (TargetError at the target), schema {lab.schema}")]
        later = dt.datetime.now(dt.UTC) + 16 * MINUTE
        assert tick_alerts(config, later).aside
        tick_alerts(config, later)
        assert [kind for kind, _ in told(pager)] == ["open", "escalated"]
        assert len(list(tmp_path.glob("*.json"))) == 1
        line.off = False
        assert len(tick_alerts(config, later).open) == 1
        assert list(tmp_path.glob("*.json")) == []
        (alert_shown,) = bulketl.list_alerts(config).alerts
        assert [one.kind for one in alert_shown.deliveries if one.delivered] == ["open", "escalated"]
        run(config)
        assert [kind for kind, _ in told(pager)] == ["open", "escalated", "resolved"]
        assert len({one["incident"] for one in pager.events}) == 1


def test_a_target_that_goes_down_amid_a_load_is_told(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """By the load itself, from the spool; one message, though tables fail and then the run's own record."""
    with switched(lab) as (line, uri):
        config = configured(lab, pager, rules(), tmp_path, target=uri)
        plan = bulketl.make_plan(config)

        def cut(event: object) -> None:
            if type(event).__name__ == "TableStarted":
                line.go_down()

        with pytest.raises(bulketl.TargetError), bulketl.alerting(config) as alert:
            bulketl.load(config, plan, [alert, cut])
        assert [kind for kind, _ in told(pager)] == ["open"]
        assert "at the target" in told(pager)[0][1]


def test_a_tick_tells_of_a_target_that_does_not_answer_and_that_it_does_again(
    lab: Lab, pager: Endpoint, tmp_path: Path
) -> None:
    """Once for the outage, whoever finds it, and its end."""
    with switched(lab) as (line, uri):
        config = configured(lab, pager, rules(), tmp_path, target=uri)
        run(config)
        line.go_down()
        for _ in range(3):
            assert tick_alerts(config).aside
        line.off = False
        tick_alerts(config)
        assert told(pager) == [
            ("open", f"the target is out of reach (TargetError at the target), schema {lab.schema}"),
            ("resolved", f"resolved: the target is out of reach (TargetError at the target), schema {lab.schema}"),
        ]


def test_a_channel_that_is_down_gets_it_later(lab: Lab, tmp_path: Path) -> None:
    """Stored first; sent again after a pause, once."""
    codes = [500, 500, 200]

    def answer(_: Asked) -> Said:
        return codes.pop(0), "busy"

    with answering(answer) as pager:
        config = configured(lab, pager, rules("critical", "bad"), tmp_path)
        run(config)
        now = dt.datetime.now(dt.UTC)
        failing = bulketl.list_alerts(config).alerts[0]
        assert failing.waiting[0].answer.startswith("500")
        for minute in range(1, 6):
            tick_alerts(config, now + minute * MINUTE)
        assert len(pager.events) == 3
        assert bulketl.list_alerts(config).alerts[0].waiting == []


def test_nothing_is_sent_after_an_acknowledgement_until_it_expires(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """And then once, and an escalation after it."""
    config = configured(lab, pager, rules("critical", "bad"), tmp_path)
    run(config)
    now = dt.datetime.now(dt.UTC)
    number = str(bulketl.list_alerts(config).alerts[0].incident.number)
    (taken,) = bulketl.acknowledge_alerts(config, [number], "ann", 2, now)
    assert (taken.incident.status, taken.incident.acknowledged_by) == ("acknowledged", "ann")
    for minute in range(0, 120, 5):
        tick_alerts(config, now + minute * MINUTE)
    assert [kind for kind, _ in told(pager)] == ["open"]
    for minute in range(120, 150):
        tick_alerts(config, now + minute * MINUTE)
    assert [kind for kind, _ in told(pager)] == ["open", "open", "escalated"]
    bulketl.resolve_alerts(config, [number], "ann")
    tick_alerts(config, now + 600 * MINUTE)
    assert [kind for kind, _ in told(pager)] == ["open", "open", "escalated", "resolved"]
    with pytest.raises(bulketl.PlanError, match="resolved already, by ann"):
        bulketl.acknowledge_alerts(config, [number])


def test_two_tickers_send_nothing_twice(lab: Lab, tmp_path: Path) -> None:
    """Eight at the same moment, while the channel takes its time."""

    def answer(_: Asked) -> Said:
        time.sleep(0.2)
        return 200, "ok"

    with answering(answer) as pager:
        config = configured(lab, pager, rules("critical", "bad", "worse"), tmp_path, rules={"drift": "off"})
        bulketl.load(config, bulketl.make_plan(config))  # of which nobody hears but by a tick
        now = dt.datetime.now(dt.UTC)
        for moment in (now, now + 16 * MINUTE):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda at: tick_alerts(config, at), [moment] * 8))
        assert [kind for kind, _ in told(pager)] == ["open", "escalated"]


def test_a_channel_that_hangs_does_not_hold_up_a_load(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end waits five seconds at the most, however long a channel may take, and says that messages are on their way."""
    monkeypatch.setattr("bulketl.operations.alerts.lookout.END_SECONDS", 5.0)
    monkeypatch.setattr("bulketl.operations.alerts.sending.SECONDS", 600.0)
    monkeypatch.setattr(web.ask, "__defaults__", (None, None, 600.0))
    with talking(hang) as url:
        config = configured(lab, url, rules("critical", "bad"), tmp_path)
        plan = bulketl.make_plan(config)
        began = time.monotonic()
        with bulketl.alerting(config) as alert:
            bulketl.load(config, plan, [alert])
            loaded = time.monotonic() - began
        assert max(loaded, time.monotonic() - began - loaded) < NEVER
        assert "still on their way" in caplog.text


class Crash(BaseException):
    """The process dies here."""


STEPS = [(name, when) for name in ("lock", "take", "hold", "due", "save", "claim", "read_to", "answered") for when in (0, 1)]


@pytest.mark.parametrize("minutes", [0, 16])
@pytest.mark.parametrize(("step", "when"), STEPS)
def test_a_ticker_that_dies_loses_no_message_and_repeats_none_that_is_on_record(
    step: str, when: int, minutes: int, lab: Lab, pager: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before or after any statement that writes: the next ticker tells what was not told, once."""
    config = configured(lab, pager, rules("critical", "bad"), tmp_path)
    bulketl.load(config, bulketl.make_plan(config))
    now = dt.datetime.now(dt.UTC)
    if minutes:
        tick_alerts(config, now)
    before = len(pager.events)
    real = getattr(incidents, step)

    def dying(*args: Any, **more: Any) -> Any:
        if when:
            real(*args, **more)
        raise Crash

    monkeypatch.setattr(incidents, step, dying)
    with contextlib.suppress(Crash):
        tick_alerts(config, now + minutes * MINUTE)
    monkeypatch.undo()
    for _ in range(3):
        tick_alerts(config, now + minutes * MINUTE)
    # What a channel has answered and nobody could put on record is told again: better twice than never.
    sent = len(pager.events) - before
    assert sent == 1 or (step in ("answered", "save") and sent == 2), told(pager)
    assert {kind for kind, _ in told(pager)[before:]} == {"escalated" if minutes else "open"}


def test_an_acknowledgement_goes_both_ways_with_pagerduty(lab: Lab, tmp_path: Path) -> None:
    """Who acknowledges there is asked for; who does so here is told there; the end closes the same key."""
    asked: list[tuple[str, str]] = []
    status = {"status": "triggered"}
    by_jane = {"acknowledgements": [{"acknowledger": {"type": "user_reference", "summary": "Jane"}}]}

    def answer(request: Asked) -> Said:
        if request.method == "GET":
            return 200, json.dumps({"incidents": [status | by_jane]})
        asked.append((request.json["event_action"], request.json["dedup_key"]))
        return 202, json.dumps({"status": "success", "message": "Event processed"})

    with answering(answer) as server:
        both = {"events_url": server.url, "api_url": server.url, "routing_key": "k", "api_token": "t"}
        config = configured(lab, closed(), rules("critical", "bad"), tmp_path, pagerduty=both)
        run(config)
        assert [action for action, _ in asked] == ["trigger"]
        now = dt.datetime.now(dt.UTC)
        (one,) = tick_alerts(config, now).open
        assert one.status == "open"
        status["status"] = "acknowledged"
        (one,) = tick_alerts(config, now + MINUTE).open
        assert (one.status, one.acknowledged_by) == ("acknowledged", "Jane (pagerduty)")
        tick_alerts(config, now + 20 * MINUTE)
        assert [action for action, _ in asked] == ["trigger"]
        later = now + 5 * 60 * MINUTE  # it has expired, and PagerDuty still says so
        (one,) = tick_alerts(config, later).open
        assert (one.status, one.round) == ("open", 2)
        bulketl.acknowledge_alerts(config, [one.key], "ann", now=later)
        lab.mysql("UPDATE bad SET n = 1")
        run(config)
    assert [action for action, _ in asked] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert len({key for _, key in asked}) == 1


def test_tickers_that_wait_for_each_other_do_not_call_the_target_lost(
    lab: Lab, pager: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres ends one of two that do; it begins again."""
    config = configured(lab, pager, rules("critical", "bad"), tmp_path)
    bulketl.load(config, bulketl.make_plan(config))
    real, left = incidents.claim, [1]

    def deadlocked(connection: Connection, run: str, schema: str) -> int | None:
        if left and left.pop():
            connection.execute("DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$")
        return real(connection, run, schema)

    monkeypatch.setattr(incidents, "claim", deadlocked)
    assert tick_alerts(config).aside == ""
    assert [kind for kind, _ in told(pager)] == ["open"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"incidents": [{}], "deliveries": []}', "\x00"])
def test_a_spool_that_cannot_be_read_keeps_nothing_from_being_told(
    text: str, lab: Lab, pager: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is put aside, and said so."""
    config = configured(lab, pager, rules(), tmp_path, target="postgresql://nobody@127.0.0.1:1/none")
    place(config).write_text(text)
    assert tick_alerts(config).aside
    assert [kind for kind, _ in told(pager)] == ["open"]
    assert "cannot be read" in caplog.text
    assert len(list(tmp_path.glob("*.unreadable"))) == 1


def test_a_spool_that_cannot_be_written_keeps_nothing_from_being_told(
    lab: Lab, pager: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder takes its place, and a line of the log says so; where there is none either, that is an error."""
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    config = configured(lab, pager, rules(), tmp_path / "file", target="postgresql://nobody@127.0.0.1:1/none")
    for _ in range(2):
        assert tick_alerts(config).aside
    assert [kind for kind, _ in told(pager)] == ["open"]
    assert "cannot be written to; what cannot be told yet is kept in" in caplog.text
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(bulketl.ConfigError, match="alerts cannot be kept in"):
        tick_alerts(config)
