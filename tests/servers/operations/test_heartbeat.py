"""A heartbeat hears of start, success and failure of real loads, at a local endpoint that stands for healthchecks."""

from __future__ import annotations

import json
import time
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner
from waiting import NEVER
from web import Asked, Endpoint, Said, answering, closed, hang, talking

import bulketl
from bulketl import Summary
from bulketl.cli.app import app
from bulketl.errors import TargetError
from bulketl.operations import heartbeat

CANARY = "canary-7731"


def well(_asked: Asked) -> Said:
    """Answer as healthchecks."""
    return 200, "OK"


def loaded(lab: Lab, url: str, **more: Any) -> Summary:
    """Load as a notebook does."""
    config = lab.config(alerts={"heartbeat": url}, **more)
    with bulketl.beating(config) as observer:
        return bulketl.load(config, bulketl.make_plan(config), [observer])


def signals(endpoint: Endpoint) -> list[str]:
    """Return what was signalled, in order."""
    return [urllib.parse.urlsplit(one.path).path.removeprefix("/ping/check") for one in endpoint.asked]


def failing(lab: Lab, tier: str) -> dict[str, Any]:
    """Make a table of a tier that fails with words of the server that quote a value, and one that is well; return rules."""
    rules = {name: {"table_importance": tier, "publish": "refill"} for name in ("bad", "good")}
    lab.mysql("CREATE TABLE good (id int PRIMARY KEY)", "CREATE TABLE bad (id int PRIMARY KEY, c varchar(20))")
    lab.load(rules=rules)
    lab.pg("CREATE UNIQUE INDEX ON {s}.bad (c)")
    lab.insert("bad", [(1, CANARY), (2, CANARY)])
    return rules


def test_a_load_that_went_well_is_a_start_and_a_success(maria_lab: Lab) -> None:
    """Of one `rid`, with the run's name and what became of it."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    with answering(well) as endpoint:
        loaded(maria_lab, f"{endpoint.url}/ping/check?create=1")
    assert signals(endpoint) == ["/start", ""]
    queries = [urllib.parse.parse_qs(urllib.parse.urlsplit(one.path).query) for one in endpoint.asked]
    assert queries[0] == queries[1]
    assert queries[0]["create"] == ["1"]
    assert uuid.UUID(queries[0]["rid"][0])
    ((run,),) = maria_lab.pg("SELECT run FROM bulketl.run WHERE schema_name = %s", [maria_lab.schema])
    first, last = endpoint.asked[1].body.splitlines()
    assert first.startswith(f"run {run}: 1 table from ")
    assert last.startswith("done: 1 loaded; 2 rows in ")


@pytest.mark.parametrize(
    ("tier", "signal"), [("critical", "/fail"), ("important", "/fail"), ("audit", ""), ("reference", "")]
)
def test_a_table_that_failed_is_a_failure_when_its_tier_blocks(maria_lab: Lab, tier: str, signal: str) -> None:
    """With our own words: a value of a row is in none of them."""
    rules = failing(maria_lab, tier)
    with answering(well) as endpoint:
        summary = loaded(maria_lab, f"{endpoint.url}/ping/check", rules=rules)
    assert CANARY in summary.tables["bad"].message  # the server quotes it
    assert signals(endpoint) == ["/start", signal]
    lines = endpoint.asked[1].body.splitlines()
    assert any(line.startswith("failed bad: ") for line in lines)
    assert "partly done: " in lines[-1]
    assert not any(CANARY in one.body + one.path for one in endpoint.asked)


def test_a_load_that_cannot_begin_is_a_failure(maria_lab: Lab) -> None:
    """It has no start, for nothing began."""
    with answering(well) as endpoint, pytest.raises(TargetError):
        loaded(maria_lab, f"{endpoint.url}/ping/check", target="postgresql://nobody:hunter2@127.0.0.1:1/none")
    assert signals(endpoint) == ["/fail"]
    assert endpoint.asked[0].body.startswith("TargetError: ")
    assert "hunter2" not in endpoint.asked[0].body


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError(CANARY)])
def test_a_load_that_is_interrupted_is_a_failure(maria_lab: Lab, raised: Any) -> None:
    """So is a mistake, of which only the kind is told."""
    with answering(well) as endpoint:
        config = maria_lab.config(alerts={"heartbeat": f"{endpoint.url}/ping/check"})
        with pytest.raises((KeyboardInterrupt, ValueError)), bulketl.beating(config):
            raise raised
    assert signals(endpoint) == ["/fail"]
    assert CANARY not in endpoint.asked[0].body


def test_what_does_not_answer_is_tried_again(maria_lab: Lab) -> None:
    """Three times, and no answer but a server's error."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    answers = iter([(500, ""), (200, "OK"), (404, "not found")])
    with answering(lambda _: next(answers)) as endpoint:
        loaded(maria_lab, f"{endpoint.url}/ping/check")
    assert signals(endpoint) == ["/start", "/start", ""]


def test_a_heartbeat_that_hangs_or_is_gone_slows_no_load(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told at the end, without the URL, which is a secret."""
    monkeypatch.setattr(heartbeat, "END_SECONDS", 1.0)
    monkeypatch.setattr(heartbeat, "SECONDS", 0.5)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    with talking(hang) as url:
        began = time.monotonic()
        loaded(maria_lab, f"{url}/ping/s3cret")
        assert time.monotonic() - began < NEVER
    loaded(maria_lab, f"{closed()}/ping/s3cret")
    assert "heartbeat: it does not answer" in caplog.text
    assert "heartbeat: success was not taken: no answer" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.fixture
def command(maria_lab: Lab, tmp_path: Path) -> Callable[[Endpoint, str], int]:
    """Run a load as a scheduler does, with a heartbeat and a webhook, and return its exit code."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    path = tmp_path / "bulketl.yaml"
    environ = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": maria_lab.target, "BULKETL_SCHEMA": maria_lab.schema}

    def run(endpoint: Endpoint, *words: str) -> int:
        alerts = {"heartbeat": f"{endpoint.url}/ping/check", "webhook": f"{endpoint.url}/hook", "spool": str(tmp_path)}
        path.write_text(json.dumps({"alerts": alerts}), encoding="utf-8")
        return CliRunner().invoke(app, ["load", "--config", str(path), *words], env=environ).exit_code

    return run


def test_a_load_of_some_tables_is_no_sign_of_life(command: Callable[..., int]) -> None:
    """It would hide that the night's load did not come."""
    with answering(well) as endpoint:
        assert command(endpoint, "--tables", "t") == 0
        assert endpoint.asked == []
        assert command(endpoint) == 0
    assert signals(endpoint) == ["/start", ""]


def test_nothing_to_resume_is_no_failure(command: Callable[..., int]) -> None:
    """Schedulers ask for it before every load."""
    with answering(well) as endpoint:
        assert command(endpoint) == 0
        assert command(endpoint, "--resume", "last") == 2
        assert signals(endpoint) == ["/start", ""]
        assert command(endpoint, "--adopt", "no-such-table") == 2  # by the scheduler, to whom nobody listens
    assert "/fail" in signals(endpoint)


def test_alerts_test_tries_the_heartbeat_too(tmp_path: Path) -> None:
    """As a note in its log: a test is neither a start nor an end of a load."""
    path = tmp_path / "bulketl.yaml"
    with answering(lambda asked: (200, "OK") if "/log" in asked.path else (404, f"no {asked.path}")) as endpoint:
        for url, code, answer in ((f"{endpoint.url}/ping/check", 0, "200 OK"), (f"{closed()}/s3cret-word", 1, "refused")):
            path.write_text(json.dumps({"alerts": {"heartbeat": url}}), encoding="utf-8")
            for words in ([], ["heartbeat"]):
                done = CliRunner().invoke(app, ["alerts", "test", *words, "--json", "--config", str(path)])
                assert done.exit_code == code, done.output
                assert answer in json.loads(done.stdout)["heartbeat"]["answer"]
                assert "s3cret-word" not in done.output
    assert signals(endpoint) == ["/log", "/log"]
