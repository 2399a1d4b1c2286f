"""Who hears of what goes wrong: what alerts, how it is told, and what ends it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from alerted import MINUTE, configured, lab, pager, rules, run, told
from faults import use
from lab import Lab
from web import Endpoint

import bulketl
from bulketl.operations.alerts.tick import tick_alerts
from bulketl.postgres.ledger.runs import Start, start_run
from bulketl.postgres.server import Postgres
from bulketl.tables.spec import Tier

__all__ = ["lab", "pager"]


def window(opens: dt.datetime, closes: dt.datetime) -> dict[str, str]:
    """Return the settings of a daily window, so that it is the same whenever the test runs."""
    return {"load": f"{opens:%H:%M}-{closes:%H:%M} UTC"}


def half_a_day_from_now() -> str:
    """Return a time of day that no test runs into."""
    return f"{dt.datetime.now(dt.UTC) + 720 * MINUTE:%H:%M} UTC"


def test_a_load_tells_of_its_failures_once_and_of_their_end(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """One message for all tables of a cause; the next good load resolves the same key."""
    config = configured(lab, pager, rules("critical", "bad", "worse"), tmp_path)
    run(config)
    assert told(pager) == [("open", f"2 tables have more rejected rows than allowed, schema {lab.schema}")]
    assert pager.events[0]["lines"][0].startswith("bad, worse (critical): 1 row rejected, and max_rejects is 0")
    for _ in range(3):  # what is on record of the run is nothing new
        tick_alerts(config)
    assert len(pager.events) == 1
    lab.mysql("UPDATE bad SET n = 1", "UPDATE worse SET n = 1")
    run(config)
    assert [kind for kind, _ in told(pager)] == ["open", "resolved"]
    assert pager.events[0]["incident"] == pager.events[1]["incident"]
    assert tick_alerts(config).open == ()


def test_a_load_that_was_killed_is_told_by_the_next_tick(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """Nobody carries the run out any more, and its record has no end."""
    config = configured(lab, pager, rules(), tmp_path)
    run(config)
    with Postgres.of(config).connect() as connection:
        start_run(connection, "20261127-031200-dead", Start("load", config.source, lab.schema, "", "", "{}"))
    lab.pg("UPDATE bulketl.run SET started_at = now() - interval '2 minutes' WHERE run = '20261127-031200-dead'")
    tick_alerts(config)
    tick_alerts(config)
    assert told(pager) == [("open", f"a load was killed, schema {lab.schema}")]
    run(config)
    assert [kind for kind, _ in told(pager)] == ["open", "resolved"]


def test_a_window_without_a_load_is_told_once(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """Not before it closed: it opens three hours after the last load, and closes two hours later."""
    now = dt.datetime.now(dt.UTC)
    config = configured(lab, pager, rules(), tmp_path, windows=window(now + 180 * MINUTE, now + 300 * MINUTE))
    run(config)
    assert tick_alerts(config, now + 240 * MINUTE).open == ()
    for minute in (330, 331, 440):
        tick_alerts(config, now + minute * MINUTE)
    assert [kind for kind, _ in told(pager)] == ["open", "escalated"]
    assert "no load ran in its window" in pager.events[0]["title"]


def test_a_window_in_which_a_load_began_is_well(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """Also when it has closed."""
    now = dt.datetime.now(dt.UTC)
    config = configured(lab, pager, rules(), tmp_path, windows=window(now - 60 * MINUTE, now + 60 * MINUTE))
    run(config)
    assert tick_alerts(config, now + 90 * MINUTE).open == ()
    assert told(pager) == []


def test_reference_tables_wait_for_the_daily_mail(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """One message for all that waited, and none for what was over before."""
    config = configured(lab, pager, rules("reference", "bad", "worse"), tmp_path, daily_at=half_a_day_from_now())
    run(config)
    assert told(pager) == []
    lab.mysql("UPDATE worse SET n = 1")
    run(config)  # bad fails again: the alert of this run takes the place of the other
    (kept,) = bulketl.list_alerts(config).alerts
    assert list(kept.incident.members) == ["bad"]
    mail = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    tick_alerts(config, mail)
    tick_alerts(config, mail)
    assert told(pager) == [("digest", f"1 trouble since the last daily mail, schema {lab.schema}")]


def test_a_table_that_asks_for_no_alerts_has_none(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """`alert_on_failure: false` goes before the tier, however urgent it is."""
    quiet = rules("critical", "bad", monitoring={"alert_on_failure": False})
    config = configured(lab, pager, quiet, tmp_path)
    run(config)
    assert (told(pager), tick_alerts(config).open) == ([], ())


@pytest.mark.parametrize("times", [1, 2])
def test_a_failed_table_is_loaded_once_more(
    times: int, lab: Lab, pager: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the others; told once when it fails again, and told to be over when it does not."""
    left = [times]

    def refuse(at: str, when: str) -> None:
        if when == "before" and left[0] and at in ("group", "load"):
            left[0] -= 1
            raise bulketl.TargetError("the disk is full")

    use(monkeypatch, refuse)
    config = configured(lab, pager, {"good": {"table_importance": "critical"}}, tmp_path)
    events: list[str] = []
    with bulketl.alerting(config) as alert:
        plan = bulketl.make_plan(config, tables=["good"])
        summary = bulketl.load(config, plan, [alert, lambda event: events.append(type(event).__name__)])
    assert events.count("TableFailed") == times
    assert events.count("TableRetried") == 1
    table = summary.tables["good"]
    assert (table.outcome, table.first_failure) == ("failed" if times == 2 else "loaded", "the disk is full")
    if times == 1:
        assert lab.differences("good") == []
    assert [kind for kind, _ in told(pager)].count("open") <= 1
    open_now = tick_alerts(config).open
    assert [one.kind for one in open_now] == (["table_failed-TargetError"] if times == 2 else [])
    assert len({one["incident"] for one in pager.events}) <= 1


def test_all_tables_of_a_lost_source_are_one_alert(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """As urgent as its most urgent table, with a list; audit and reference tables among them have no mail of their own."""
    tiers: list[Tier] = ["critical", "important", "audit", "reference"]
    tables = {f"t{n}": tiers[n % 4] for n in range(40)}
    for table in tables:
        lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    own = {table: {"table_importance": tier} for table, tier in tables.items()}
    config = configured(
        lab, pager, own, tmp_path, tiers={"critical": {"auto_retry": False}, "important": {"auto_retry": False}}
    )
    plan = bulketl.make_plan(config, tables=["t*"])
    for table in tables:
        lab.mysql(f"RENAME TABLE {table} TO {table}_gone")
    with bulketl.alerting(config) as alert:
        summary = bulketl.load(config, plan, [alert])
    assert len(summary.failed) == 40
    assert len({table.error for table in summary.failed}) == 1
    assert [kind for kind, _ in told(pager)] == ["open"]
    (one,) = tick_alerts(config).open
    assert (set(one.members), one.tier, one.source) == (set(tables), "critical", plan.source)


def test_what_is_not_normal_is_told_and_is_over_when_it_is_so_no_more(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """The ledger's findings, with their figures, once."""
    config = configured(lab, pager, rules("critical"), tmp_path)
    run(config)
    lab.pg("INSERT INTO bulketl.finding (schema_name, table_name, kind, run, source, tier, value, expected, bound, nights,"
           " found_at) SELECT '{s}', 'good', 'slower', run, source, 'critical', 900, 60, 120, 14, now() FROM bulketl.run"
           " WHERE schema_name = '{s}'")  # fmt: skip
    tick_alerts(config)
    tick_alerts(config)
    assert told(pager) == [("open", f"the load of table good was not as usual (slower), schema {lab.schema}")]
    assert "15 min" in pager.events[0]["lines"][0]
    lab.pg("UPDATE bulketl.finding SET closed_at = now() WHERE schema_name = '{s}'")
    tick_alerts(config)
    assert [kind for kind, _ in told(pager)] == ["open", "resolved"]


def test_columns_that_changed_wait_for_the_daily_mail(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """Though the table is critical; and the next load, in which they did not, ends it."""
    config = configured(lab, pager, rules("critical"), tmp_path)
    run(config)
    lab.mysql("ALTER TABLE good ADD COLUMN more int")
    run(config)
    assert told(pager) == []
    (one,) = tick_alerts(config).open
    assert (one.kind, one.daily, list(one.members)) == ("drift", True, ["good"])
    tick_alerts(config, dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    assert [kind for kind, _ in told(pager)] == ["digest"]
    assert "+ more" in "\n".join(pager.events[0]["lines"])
    lab.mysql("UPDATE good SET n = 5")
    run(config)
    assert tick_alerts(config).open == ()


def test_a_load_that_is_stopped_at_the_end_of_its_window_is_told(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """Tables were left; the load that goes on ends it."""
    config = configured(lab, pager, rules("critical"), tmp_path)
    plan = bulketl.make_plan(config)
    with bulketl.alerting(config) as alert:
        summary = bulketl.load(config, plan, [alert], closed=lambda: True)
    assert summary.outcome == "stopped"
    assert told(pager) == [("open", f"the load failed (stopped), schema {lab.schema}")]
    with bulketl.alerting(config) as alert:
        bulketl.resume(config, observers=[alert])
    assert [kind for kind, _ in told(pager)] == ["open", "resolved"]


def test_a_certificate_that_does_not_hold_is_told(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """When the run has ended."""
    config = configured(lab, pager, rules("critical"), tmp_path)
    run(config)
    lab.pg("INSERT INTO bulketl.certificate (run, source, schema_name, table_name, certified, document)"
           " SELECT run, source, schema_name, 'good', false, '{{}}' FROM bulketl.run WHERE schema_name = '{s}'"
           .replace("{{}}", "{}"))  # fmt: skip
    lab.pg("UPDATE bulketl.alerted SET done = false WHERE schema_name = '{s}'")
    tick_alerts(config)
    assert told(pager) == [("open", f"table good differs from its source, schema {lab.schema}")]


def test_a_verification_that_differs_is_told_and_one_that_is_equal_ends_it(
    lab: Lab, pager: Endpoint, tmp_path: Path
) -> None:
    """In numbers, by one alert however often it is verified; a repair ends it, too."""
    config = configured(lab, pager, rules("critical"), tmp_path)
    run(config)
    lab.pg("DELETE FROM {s}.good WHERE id = 2")
    now = dt.datetime.now(dt.UTC)
    for minute in (0, 1):
        bulketl.alert_verification(config, bulketl.verify(config), now + minute * MINUTE)
    assert [kind for kind, _ in told(pager)] == ["open", "resolved", "open"]  # the later one takes its place
    assert told(pager)[0][1] == f"table good differs from its source, schema {lab.schema}"
    assert pager.events[0]["lines"][0] == "good (critical): differs from its source: 1 row missing"
    found = bulketl.verify(config, repair=True)
    assert bulketl.alert_verification(config, found, now + 2 * MINUTE).open == ()
    assert [kind for kind, _ in told(pager)] == ["open", "resolved", "open", "resolved"]


def test_important_tables_are_told_together_when_the_run_has_ended(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """Not one by one while it lasts, though 15 minutes are not over."""
    config = configured(lab, pager, rules("important", "bad", "worse"), tmp_path)
    during: list[int] = []

    def look(event: object) -> None:
        if type(event).__name__ == "TableFailed":
            tick_alerts(config)
            during.append(len(pager.events))

    with bulketl.alerting(config) as alert:
        bulketl.load(config, bulketl.make_plan(config), [alert, look])
    assert during == [0, 0]
    assert told(pager) == [("open", f"2 tables have more rejected rows than allowed, schema {lab.schema}")]


def test_status_shows_the_alerts_that_are_open(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """With who has taken them on, until they are over; and what failed, by its tier."""
    config = configured(lab, pager, rules("critical", "bad"), tmp_path)
    run(config)
    found = bulketl.status(config)
    (alert,) = found.alerts
    assert (alert.said, alert.acknowledged, found.exit_code) == ("table bad has more rejected rows than allowed", "", 1)
    bulketl.acknowledge_alerts(config, [str(alert.number)], by="ann")
    assert [one.acknowledged for one in bulketl.status(config).alerts] == ["ann"]
    lab.mysql("UPDATE bad SET n = 1")
    run(config)
    after = bulketl.status(config)
    assert (after.alerts, after.exit_code) == ((), 0)
