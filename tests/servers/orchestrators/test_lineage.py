"""Lineage by OpenLineage: its own library reads what arrives, and a collector that is down costs no load."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from lab import Lab
from waiting import NEVER, SECONDS
from web import Endpoint, answering, closed, hang, talking

import bulketl
from bulketl.config.lineage import OpenLineage

pytest.importorskip("openlineage")
RULES: dict[str, Any] = {
    "patient": {
        "table_importance": "reference",
        "checks": [{"not_null": "born"}, {"one_of": "kind", "values": ["KARLSSON", "b"]}, {"row_count": {"min": 1}}],
        "max_rejects": 5,
    }
}


@pytest.fixture
def clinic(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Patients, of whom one has a kind that the rule does not know."""
    monkeypatch.setattr("bulketl.operations.lineage.FLUSH_SECONDS", SECONDS)
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, kind varchar(20), born date)",
        "INSERT INTO patient VALUES (1, 'KARLSSON', '1970-01-01'), (2, 'LUNDGREN', '1971-01-01')",
        "CREATE TABLE visit (id int PRIMARY KEY, fee decimal(8,2))",
        "INSERT INTO visit VALUES (1, 10)",
    )
    return maria_lab


def load(lab: Lab, url: str, **more: str) -> tuple[bulketl.Summary, float]:
    """Load with a collector; return how long the end took, too."""
    config = lab.config(rules=RULES, openlineage=OpenLineage(url=url, **more))
    plan = bulketl.make_plan(config)
    with bulketl.lineage(config) as told:
        assert told is not None
        summary = bulketl.load(config, plan, [told])
        ended = time.monotonic()
    return summary, time.monotonic() - ended


def of(endpoint: Endpoint, job: str) -> list[Any]:
    """Return the events of a job, by the end of its name."""
    return [event for event in endpoint.events if event["job"]["name"].endswith(job)]


def test_a_run_and_each_table_begin_and_end_with_rows_columns_and_checks(clinic: Lab) -> None:
    with answering(lambda _: (201, "")) as endpoint:
        summary, _ = load(clinic, f"{endpoint.url}/", api_key="secret", namespace="nights")
    assert summary.outcome == "done"
    assert {(one.path, one.headers["Authorization"]) for one in endpoint.asked} == {("/api/v1/lineage", "Bearer secret")}
    job = f"load.{clinic.database}.{clinic.schema}"
    run, patient = of(endpoint, job), of(endpoint, f"{job}.patient")
    assert [event["eventType"] for event in run] == ["START", "COMPLETE"]
    assert [event["eventType"] for event in patient] == ["START", "COMPLETE"]
    assert len({event["run"]["runId"] for event in patient}) == 1
    parent = patient[1]["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["namespace"], parent["job"]["name"]) == (
        run[0]["run"]["runId"], "nights", job
    )  # fmt: skip
    ((read,), (written,)) = patient[1]["inputs"], patient[1]["outputs"]
    source = urlsplit(clinic.source)
    assert (read["namespace"], read["name"]) == (
        f"mysql://{source.hostname}:{source.port or 3306}", f"{clinic.database}.patient"
    )  # fmt: skip
    assert written["namespace"].startswith("postgres://")
    assert written["name"].endswith(f".{clinic.schema}.patient")
    assert [(one["name"], one["type"]) for one in read["facets"]["schema"]["fields"]] == [
        ("id", "int(11)"), ("kind", "varchar(20)"), ("born", "date"),
    ]  # fmt: skip
    assert [(one["name"], one["type"]) for one in written["facets"]["schema"]["fields"]] == [
        ("id", "integer"), ("kind", "varchar(20)"), ("born", "date"),
    ]  # fmt: skip
    figures = written["outputFacets"]["outputStatistics"]
    assert figures["rowCount"] == 2
    assert figures["size"] == summary.tables["patient"].bytes > 0
    found = read["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(one["name"], one["success"], one["severity"], one.get("actual")) for one in found] == [
        ("not_null born", True, "warn", "0"), ("one_of kind", False, "warn", "1"), ("row_count", True, "warn", None),
        ("rejects", True, "warn", "0"),
    ]  # fmt: skip
    assert len(endpoint.events) == 6


def test_no_value_of_a_row_or_a_rule_and_no_secret_is_told(clinic: Lab) -> None:
    """Of a table that its target refuses with words that quote the row, either."""
    clinic.load(rules=RULES)
    clinic.pg("ALTER TABLE {s}.patient ADD CONSTRAINT no CHECK (kind <> 'OLOFSSON') NOT VALID")
    clinic.mysql("INSERT INTO patient SELECT 10 + seq, 'OLOFSSON', NULL FROM seq_1_to_9")
    with answering(lambda _: (201, "")) as endpoint:
        summary, _ = load(clinic, endpoint.url, api_key="secret")
    assert summary.outcome == "failed" or summary.failed
    failed = of(endpoint, ".patient")[-1]
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"] == summary.tables["patient"].public
    assert "outputStatistics" not in failed["outputs"][0]["outputFacets"]
    assert of(endpoint, f".{clinic.schema}")[-1]["eventType"] == "FAIL"
    everything = "".join(one.body for one in endpoint.asked)
    for secret in ("KARLSSON", "LUNDGREN", "OLOFSSON", "secret", urlsplit(clinic.source).password or "secret"):
        assert secret not in everything


def test_a_table_with_another_name_in_the_target_is_read_by_its_own(clinic: Lab) -> None:
    with answering(lambda _: (201, "")) as endpoint:
        config = clinic.config(rules={"visit": {"target_name": "seen"}}, openlineage=OpenLineage(url=endpoint.url))
        plan = bulketl.make_plan(config)
        with bulketl.lineage(config) as told:
            bulketl.load(config, plan, [told or print])
    last = of(endpoint, ".seen")[-1]
    (read,), (written,) = last["inputs"], last["outputs"]
    assert read["name"] == f"{clinic.database}.visit"
    assert written["name"].endswith(f"{clinic.schema}.seen")


def test_what_an_interruption_leaves_open_is_aborted(clinic: Lab) -> None:
    with answering(lambda _: (201, "")) as endpoint:
        config = clinic.config(openlineage=OpenLineage(url=endpoint.url))
        plan = bulketl.make_plan(config)

        def interrupt(event: object) -> None:
            if type(event).__name__ == "TableStarted":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), bulketl.lineage(config) as told:
            bulketl.load(config, plan, [told or print, interrupt])
    begun = [event["run"]["runId"] for event in endpoint.events if event["eventType"] == "START"]
    ended = [event["run"]["runId"] for event in endpoint.events if event["eventType"] == "ABORT"]
    assert len(begun) >= 2
    assert sorted(begun) == sorted(ended)


@pytest.mark.parametrize("how", ["nobody", "silent", "refusing"])
def test_a_collector_that_is_down_costs_five_seconds_at_most_and_is_told_of_once(
    how: str, clinic: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bulketl.operations.lineage.FLUSH_SECONDS", 5.0)
    if how == "silent":
        with talking(hang) as url:
            summary, seconds = load(clinic, url)
    elif how == "refusing":
        with answering(lambda _: (403, "KARLSSON")) as endpoint:
            summary, seconds = load(clinic, endpoint.url)
    else:
        summary, seconds = load(clinic, closed())
    assert summary.outcome == "done"
    assert seconds < NEVER
    (told,) = [
        record.getMessage() for record in caplog.records if record.name == "bulketl" and record.levelno >= logging.WARNING
    ]
    assert told.startswith("OpenLineage's collector did not take 6 events of 6, which are lost: ")
    assert "KARLSSON" not in told


def test_nothing_is_told_unless_it_is_asked_for(clinic: Lab) -> None:
    with bulketl.lineage(clinic.config()) as told:
        assert told is None


def test_without_the_extra_it_is_told_what_to_install(
    clinic: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there: Callable[[str], object] = lambda _name: None  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", there)
    with bulketl.lineage(clinic.config(openlineage=OpenLineage(url="http://127.0.0.1:1"))) as told:
        assert told is None
    assert "pip install 'bulketl[openlineage]'" in caplog.text
