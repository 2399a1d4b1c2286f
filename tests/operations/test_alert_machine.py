"""What becomes of an incident, whatever happens in whatever order: a machine held to its promises by invented histories."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulketl.config.alerts import Alerts
from bulketl.config.config import Config
from bulketl.operations.alerts.machine import (
    Acknowledged,
    Complete,
    Delivered,
    Effects,
    Event,
    Raised,
    Resolved,
    Settled,
    Ticked,
    advance,
)
from bulketl.operations.alerts.policies import Policy, policies
from bulketl.postgres.ledger.incidents import Incident, Member, Order
from bulketl.tables.spec import TIERS, Tier

BEGIN = dt.datetime(2026, 11, 27, 3, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
BLANK = Incident("k", "mysql://h/d", "raw", "run", "source", "table_failed-SourceError", "reference", BEGIN)
POLICIES: Mapping[Tier, Policy] = {
    "critical": Policy(("pagerduty", "email"), escalates=15 * MINUTE, escalate_to=("slack",)),
    "important": Policy(("email",), 15 * MINUTE, escalates=60 * MINUTE, escalate_to=("pagerduty",)),
    "audit": Policy(("email",), daily=True, escalates=1440 * MINUTE, escalate_to=("email",)),
    "reference": Policy((), quiet="00:00-06:00 UTC"),
}


def member(tier: Tier, at: dt.datetime) -> Member:
    return Member(tier, "refused", "", at)


@dataclass
class Told:
    """An incident with the messages that wait and those that were sent, as a store keeps them."""

    incident: Incident = BLANK
    now: dt.datetime = BEGIN
    waiting: list[tuple[Order, str]] = field(default_factory=list)
    sent: list[tuple[dt.datetime, int, str, str]] = field(default_factory=list)  # when, in which round, kind, channel
    escalated: list[int] = field(default_factory=list)  # in which rounds

    def hear(self, event: Event) -> Effects:
        self.incident, effects = advance(self.incident, event, self.now, POLICIES)
        if effects.hush:
            self.waiting.clear()
        if effects.hasten is not None:
            early = effects.hasten
            self.waiting = [(o._replace(due=min(o.due, early)) if not o.daily else o, c) for o, c in self.waiting]
        self.escalated += [self.incident.round for order in effects.orders if order.kind == "escalated"]
        self.waiting += [(order, channel) for order in effects.orders for channel in order.channels]
        return effects

    def post(self) -> None:
        """Send what is due."""
        for order, channel in [one for one in self.waiting if one[0].due <= self.now]:
            self.waiting.remove((order, channel))
            self.sent.append((self.now, self.incident.round, order.kind, channel))
            self.hear(Delivered(channel))


TABLES = st.sampled_from(["a", "b", "c", ""])
STEPS = st.one_of(
    st.tuples(st.just("raise"), TABLES, st.sampled_from(TIERS)),
    st.tuples(st.just("settle"), TABLES, st.none()),
    st.tuples(st.sampled_from(["ack", "resolve", "complete", "post", "replay"]), st.none(), st.none()),
    st.tuples(st.just("pass"), st.integers(1, 2000), st.none()),
)


def carry_out(told: Told, step: tuple[str, object, object], past: list[Event]) -> None:
    """Do what a step says; `replay` has the incident hear again of all troubles so far."""
    what, one, two = step
    told.now += dt.timedelta(seconds=1)
    event: Event | None = None
    if what == "raise":
        event = Raised({str(one): member(two, told.now)})  # type: ignore[arg-type]
        past.append(event)
    elif what == "settle":
        event = Settled((str(one),), told.now)
    elif what == "ack":
        event = Acknowledged("ann")
    elif what == "resolve":
        event = Resolved("ann")
    elif what == "complete":
        event = Complete()
    elif what == "pass":
        told.now += int(str(one)) * MINUTE
        event = Ticked()
    elif what == "post":
        told.post()
    else:
        for old in past:
            before = told.incident
            effects = told.hear(old)
            assert (told.incident, effects.orders) == (before, ()), "what is known already is no news"
    if event is not None:
        told.hear(event)


@example(
    [("raise", "b", "critical"), ("raise", "c", "important"), ("settle", "b", None), ("pass", 15, None),
     ("raise", "a", "important"), ("settle", "a", None), ("post", None, None), ("raise", "a", "critical"),
     ("pass", 15, None), ("post", None, None)]
)  # fmt: skip
@given(st.lists(STEPS, max_size=40))
def test_no_history_breaks_a_promise(steps: list[tuple[str, object, object]]) -> None:
    """Silence after an acknowledgement, one escalation in a round, and an end for all who know."""
    told, past = Told(), list[Event]()
    for step in steps:
        count = len(told.sent)
        carry_out(told, step, past)
        new = told.sent[count:]
        if told.incident.status == "acknowledged":
            assert new == []
        if told.incident.status in ("resolved", "new"):
            assert {kind for _, _, kind, _ in new} <= {"resolved"}
            assert {channel for _, _, _, channel in new} <= set(told.incident.told)
        assert told.incident.status != "acknowledged" or not told.waiting
        assert (told.incident.status == "open") or told.incident.escalates is None
        once = [(number, kind, channel) for _, number, kind, channel in told.sent]
        assert len(once) == len(set(once)), "told twice in a round"
        assert len(told.escalated) == len(set(told.escalated)), "escalated twice in a round"


@given(st.lists(STEPS, max_size=30))
def test_whoever_knows_of_it_hears_that_it_is_over(steps: list[tuple[str, object, object]]) -> None:
    """A channel that has a message of it gets one more when it is resolved, and only one."""
    told, past = Told(), list[Event]()
    for step in steps:
        carry_out(told, step, past)
    if told.incident.status in ("open", "acknowledged"):
        knows = set(told.incident.told)
        told.hear(Resolved("ann"))
        told.now += 3 * 1440 * MINUTE
        count = len(told.sent)
        told.post()
        told.post()
        assert sorted(channel for _, _, _, channel in told.sent[count:]) == sorted(knows)
        assert {kind for _, _, kind, _ in told.sent[count:]} <= {"resolved"}


@pytest.mark.parametrize(("tier", "first", "last"), [("critical", 0, 15), ("important", 15, 60)])
def test_a_tier_is_told_and_escalated_by_the_clock(tier: Tier, first: int, last: int) -> None:
    """Critical at once and after 15 minutes, important after 15 and 60; a minute before nothing happens."""
    told = Told()
    told.hear(Raised({"a": member(tier, BEGIN)}))
    for minute in range(200):
        told.now = BEGIN + minute * MINUTE
        told.hear(Ticked())
        told.post()
    kinds = {(kind, (at - BEGIN) // MINUTE) for at, _, kind, _ in told.sent}
    assert kinds == {("open", first), ("escalated", last)}


def test_an_acknowledgement_expires_and_begins_a_new_round() -> None:
    """After its hours it is told and escalated anew, once."""
    told = Told()
    told.hear(Raised({"a": member("critical", BEGIN)}))
    told.post()
    told.hear(Acknowledged("ann", 60 * MINUTE))
    for minute in range(1, 300):
        told.now = BEGIN + minute * MINUTE
        told.hear(Ticked())
        told.post()
    assert [((at - BEGIN) // MINUTE, kind, channel) for at, _, kind, channel in told.sent] == [
        (0, "open", "pagerduty"), (0, "open", "email"),
        (60, "open", "pagerduty"), (60, "open", "email"), (75, "escalated", "slack"),
    ]  # fmt: skip


def test_an_acknowledgement_of_a_channel_counts_once() -> None:
    """The channel keeps saying so when it has expired."""
    told = Told()
    told.hear(Raised({"a": member("critical", BEGIN)}))
    told.hear(Acknowledged("ann", MINUTE, marks=("pagerduty ann",)))
    told.now += 2 * MINUTE
    told.hear(Ticked())
    told.hear(Acknowledged("ann", MINUTE, marks=("pagerduty ann",)))
    assert (told.incident.status, told.incident.round) == ("open", 2)


def test_a_more_urgent_table_tells_those_who_do_not_know_yet() -> None:
    """Mail has it; the pager hears of it when a critical table joins, and mail not again."""
    told = Told()
    told.hear(Raised({"a": member("important", BEGIN)}))
    told.now += 15 * MINUTE
    told.post()
    told.hear(Raised({"b": member("critical", told.now)}))
    told.post()
    assert [(kind, channel) for _, _, kind, channel in told.sent] == [("open", "email"), ("open", "pagerduty")]
    assert told.incident.escalates == BEGIN + 30 * MINUTE


def test_a_run_that_ended_keeps_nobody_waiting() -> None:
    """Important troubles wait for others of their run, and no longer."""
    told = Told()
    told.hear(Raised({"a": member("important", BEGIN)}))
    told.now += 3 * MINUTE
    told.post()
    assert told.sent == []
    told.hear(Complete())
    told.post()
    assert len(told.sent) == 1


def test_nothing_is_sent_in_quiet_hours() -> None:
    """It goes when they end, and not at all when it is over before."""
    quiet = replace(POLICIES["critical"], quiet="00:00-06:00 UTC")
    opened, effects = advance(BLANK, Raised({"a": member("critical", BEGIN)}), BEGIN, {**POLICIES, "critical": quiet})
    assert [order.due for order in effects.orders] == [BEGIN.replace(hour=6, minute=0)]
    _, over = advance(opened, Settled(("a",), BEGIN + MINUTE), BEGIN + MINUTE, {**POLICIES, "critical": quiet})
    assert (over.hush, over.orders) == (True, ())


def test_the_policies_of_the_guide_are_the_defaults() -> None:
    """Restricted to channels that are set."""
    alerts = Alerts(email=("dba@clinic.example",), slack="https://hooks.slack.example/x", pagerduty="k")  # type: ignore[arg-type]
    found = policies(Config(alerts=alerts))
    assert {tier: (one.to, one.within // MINUTE, one.daily) for tier, one in found.items()} == {
        "critical": (("pagerduty", "email", "slack"), 0, False),
        "important": (("email", "slack"), 15, False),
        "audit": (("email",), 0, True),
        "reference": (("email",), 0, True),
    }
    assert {tier: one.escalates // MINUTE for tier, one in found.items() if one.escalates} == {
        "critical": 15, "important": 60, "audit": 1440, "reference": 1440,
    }  # fmt: skip
    only = policies(Config(alerts=Alerts(webhook="http://localhost:1/")))
    assert {one.to for one in only.values()} == {("webhook",)}


def test_quiet_hours_are_of_all_tiers_but_critical_unless_it_has_its_own() -> None:
    """And a tier's own go before those of all."""
    night, noon = "22:00-07:00 UTC", "12:00-13:00 UTC"
    alerts = {"webhook": "http://localhost:1/", "quiet_hours": night, "tiers": {"audit": {"quiet_hours": noon}}}
    found = policies(Config(alerts=Alerts.model_validate(alerts)))
    assert {tier: one.quiet for tier, one in found.items()} == {
        "critical": None, "important": night, "audit": noon, "reference": night,
    }  # fmt: skip
    alerts["tiers"] = {"critical": {"quiet_hours": noon}}
    assert policies(Config(alerts=Alerts.model_validate(alerts)))["critical"].quiet == noon
