"""Each event of an incident by itself: what the incident is afterwards, field by field, and all that is to be done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bulketl.config.alerts import Alerts
from bulketl.config.config import Config
from bulketl.config.windows import Windows
from bulketl.errors import ConfigError
from bulketl.operations.alerts.machine import (
    FAILED_AGAIN,
    LOADED_WELL,
    MOST_KEY,
    NOTHING,
    Acknowledged,
    Complete,
    Delivered,
    Effects,
    Raised,
    Resolved,
    Settled,
    Ticked,
    advance,
    highest,
)
from bulketl.operations.alerts.policies import Policy, alerts_of, policies
from bulketl.postgres.ledger.incidents import Incident, Member, Order
from bulketl.tables.spec import TIERS, Tier

NOW = dt.datetime(2026, 11, 27, 3, 12, tzinfo=dt.UTC)
MAIL = dt.datetime(2026, 11, 27, 7, 0, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
BLANK = Incident("k", "mysql://h/d", "raw", "run", "source", "table_failed-SourceError", "reference", NOW)
QUIET = "02:00-06:00 UTC"
MORNING = NOW.replace(hour=6, minute=0)
POLICIES: Mapping[Tier, Policy] = {
    "critical": Policy(("pagerduty", "email"), escalates=15 * MINUTE, escalate_to=("slack",)),
    "important": Policy(("email",), 15 * MINUTE, escalates=60 * MINUTE, escalate_to=("pagerduty",)),
    "audit": Policy(("email",), daily=True, escalates=DAY, escalate_to=("email",)),
    "reference": Policy(("slack",), 5 * MINUTE),
}


def member(tier: Tier, at: dt.datetime = NOW, over: dt.datetime | None = None) -> Member:
    return Member(tier, "refused", "", at, over)


def opened(tier: Tier = "critical", **given: object) -> Incident:
    """Return an incident that is open in its first round."""
    one = replace(BLANK, tier=tier, status="open", round=1, members={"a": member(tier)})
    return replace(one, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tier", "escalates", "daily", "orders"),
    [
        ("critical", NOW + 15 * MINUTE, False, (Order("open", ("pagerduty", "email"), NOW),)),
        ("important", NOW + 60 * MINUTE, False, (Order("open", ("email",), NOW + 15 * MINUTE),)),
        ("audit", MAIL + DAY, True, (Order("digest", ("email",), MAIL, True),)),
        ("reference", None, False, (Order("open", ("slack",), NOW + 5 * MINUTE),)),
    ],
)
def test_trouble_opens_it_as_its_tier_says(
    tier: Tier, escalates: dt.datetime | None, daily: bool, orders: tuple[Order, ...]
) -> None:
    """Told at once, within its time or by the daily mail; escalated from when it is told by mail, or from now."""
    later = NOW + HOUR * 0
    state, effects = advance(BLANK, Raised({"a": member(tier)}), later, POLICIES)
    assert state == replace(
        BLANK, tier=tier, status="open", round=1, opened=later, escalates=escalates, daily=daily, members={"a": member(tier)}
    )
    assert effects == Effects(orders, hush=True)


def test_a_rule_that_waits_for_the_daily_mail_is_escalated_by_nobody() -> None:
    state, effects = advance(BLANK, Raised({"a": member("critical")}, daily=True), NOW, POLICIES)
    assert (state.daily, state.escalates) == (True, None)
    assert effects == Effects((Order("digest", ("pagerduty", "email"), MAIL, True),), hush=True)


def test_who_tells_nobody_orders_nothing() -> None:
    nobody: Mapping[Tier, Policy] = {**POLICIES, "critical": Policy((), escalates=MINUTE)}
    state, effects = advance(BLANK, Raised({"a": member("critical")}), NOW, nobody)
    assert effects == Effects((), hush=True)
    _, effects = advance(state, Ticked(), NOW + MINUTE, nobody)
    assert effects == NOTHING


def test_one_more_table_as_urgent_joins_without_a_word() -> None:
    at = NOW + MINUTE
    for tier in ("critical", "important", "reference"):
        state, effects = advance(opened("critical", told=("email",)), Raised({"b": member(tier, at)}), at, POLICIES)
        assert state == opened("critical", told=("email",), members={"a": member("critical"), "b": member(tier, at)})
        assert effects == NOTHING


def test_a_more_urgent_table_tells_who_does_not_know_and_escalates_at_the_earlier_time() -> None:
    at = NOW + 5 * MINUTE
    before = opened("important", told=("email",), escalates=NOW + 60 * MINUTE)
    state, effects = advance(before, Raised({"b": member("critical", at)}), at, POLICIES)
    assert (state.tier, state.escalates, state.round, state.daily, state.opened) == (
        "critical", at + 15 * MINUTE, 1, False, NOW,
    )  # fmt: skip
    assert effects == Effects((Order("open", ("pagerduty",), at),), hush=True)
    late = NOW + 50 * MINUTE
    state, _ = advance(before, Raised({"b": member("critical", late)}), late, POLICIES)
    assert state.escalates == NOW + 60 * MINUTE, "which was due before"


def test_a_more_urgent_table_does_not_escalate_a_second_time() -> None:
    """What was escalated in this round stays so; what by its rule nobody escalates is escalated with the urgent one."""
    at = NOW + 70 * MINUTE
    state, _ = advance(opened("important", escalates=None), Raised({"b": member("critical", at)}), at, POLICIES)
    assert state.escalates is None
    state, _ = advance(opened("important", escalates=None, daily=True), Raised({"b": member("critical", at)}), at, POLICIES)
    assert (state.escalates, state.daily) == (at + 15 * MINUTE, False)
    state, _ = advance(opened("audit", escalates=None, daily=True), Raised({"b": member("critical", at)}), at, POLICIES)
    assert state.escalates is None
    state, _ = advance(opened("reference"), Raised({"b": member("critical", at)}), at, POLICIES)
    assert state.escalates == at + 15 * MINUTE


def test_a_more_urgent_table_by_a_daily_rule_or_while_somebody_works_on_it_joins_without_a_word() -> None:
    at = NOW + MINUTE
    state, effects = advance(opened("important"), Raised({"b": member("critical", at)}, daily=True), at, POLICIES)
    assert (state.tier, effects) == ("critical", NOTHING)
    state, effects = advance(opened("important", status="acknowledged"), Raised({"b": member("critical", at)}), at, POLICIES)
    assert (state.tier, state.status, effects) == ("critical", "acknowledged", NOTHING)


def test_a_more_urgent_tier_may_go_by_the_daily_mail() -> None:
    at = NOW + MINUTE
    daily: Mapping[Tier, Policy] = {**POLICIES, "important": replace(POLICIES["important"], daily=True)}
    state, effects = advance(opened("reference"), Raised({"b": member("important", at)}), at, daily)
    assert state.daily
    assert effects == Effects((Order("digest", ("email",), MAIL, True),), hush=True)


def test_what_was_well_again_opens_it_anew_when_it_fails_after_that() -> None:
    """As urgent as what failed now, and told to all; a failure from before it was over is no news."""
    over = NOW + MINUTE
    known = {"a": member("critical", NOW, over), "b": member("important", NOW, over)}
    before = opened(
        "critical", status="resolved", members=known, told=("email", "pagerduty"), resolved=over, resolved_by="ann",
        acknowledged_by="ann", acknowledged_until=over,
    )  # fmt: skip
    assert advance(before, Raised({"a": member("critical", NOW)}), NOW + HOUR, POLICIES) == (before, NOTHING)
    assert advance(before, Raised({"a": member("critical", over)}), NOW + HOUR, POLICIES) == (before, NOTHING)
    again = NOW + 2 * HOUR
    state, effects = advance(before, Raised({"b": member("important", again)}), again, POLICIES)
    assert state == replace(
        before, status="open", round=2, tier="important", opened=again, escalates=again + HOUR, told=(), resolved=None,
        resolved_by="", acknowledged_by="", acknowledged_until=None, members={**known, "b": member("important", again)},
    )  # fmt: skip
    assert effects == Effects((Order("open", ("email",), again + 15 * MINUTE),), hush=True)


def test_a_table_that_is_known_and_not_well_is_no_news() -> None:
    assert advance(opened(), Raised({"a": member("critical", NOW + HOUR)}), NOW + HOUR, POLICIES) == (opened(), NOTHING)
    assert advance(opened(), Raised({}), NOW, POLICIES) == (opened(), NOTHING)


def test_an_acknowledgement_silences_until_it_expires() -> None:
    """For as long as it says, or as the tier holds; marks of channels are kept once each."""
    at = NOW + MINUTE
    before = opened(escalates=NOW + 15 * MINUTE, heard=("x",))
    state, effects = advance(before, Acknowledged("ann", 2 * HOUR, ("x", "y")), at, POLICIES)
    assert state == replace(
        before,
        status="acknowledged",
        escalates=None,
        acknowledged_by="ann",
        acknowledged_until=at + 2 * HOUR,
        heard=("x", "y"),
    )
    assert effects == Effects(hush=True)
    again, _ = advance(state, Acknowledged("bob"), at, POLICIES)
    assert (again.acknowledged_by, again.acknowledged_until, again.heard) == ("bob", at + 4 * HOUR, ("x", "y"))
    assert advance(state, Acknowledged("bob", marks=("y",)), at, POLICIES) == (state, NOTHING)
    for status in ("new", "resolved"):
        one = opened(status=status)
        assert advance(one, Acknowledged("ann"), at, POLICIES) == (one, NOTHING)


def test_an_acknowledgement_that_expires_begins_a_round_that_is_told_to_all() -> None:
    before = opened(status="acknowledged", acknowledged_by="ann", acknowledged_until=NOW + HOUR, told=("email",))
    assert advance(before, Ticked(), NOW + 59 * MINUTE, POLICIES) == (before, NOTHING)
    at = NOW + HOUR
    state, effects = advance(before, Ticked(), at, POLICIES)
    assert state == replace(
        before, status="open", round=2, opened=at, escalates=at + 15 * MINUTE, acknowledged_by="", acknowledged_until=None
    )
    assert effects == Effects((Order("open", ("pagerduty", "email"), at),), hush=True)
    daily, effects = advance(replace(before, daily=True), Ticked(), at, POLICIES)
    assert (daily.daily, daily.escalates, effects.orders) == (
        True, None, (Order("digest", ("pagerduty", "email"), MAIL, True),),
    )  # fmt: skip
    audit = replace(before, tier="audit", daily=True)
    assert advance(audit, Ticked(), at, POLICIES)[0].escalates == MAIL + DAY


def test_it_is_escalated_when_its_time_has_come_and_once() -> None:
    quiet: Mapping[Tier, Policy] = {**POLICIES, "critical": replace(POLICIES["critical"], quiet=QUIET)}
    before = opened(escalates=NOW + 15 * MINUTE)
    assert advance(before, Ticked(), NOW + 14 * MINUTE, quiet) == (before, NOTHING)
    at = NOW + 15 * MINUTE
    state, effects = advance(before, Ticked(), at, POLICIES)
    assert state == replace(before, escalates=None)
    assert effects == Effects((Order("escalated", ("slack",), at),))
    assert advance(state, Ticked(), NOW + DAY, POLICIES) == (state, NOTHING)
    assert advance(before, Ticked(), at, quiet)[1].orders[0].due == MORNING
    resolved = replace(before, status="resolved")
    assert advance(resolved, Ticked(), at, POLICIES) == (resolved, NOTHING)


def test_a_run_that_is_complete_hastens_what_waits_unless_hours_are_quiet() -> None:
    quiet: Mapping[Tier, Policy] = {**POLICIES, "critical": replace(POLICIES["critical"], quiet=QUIET)}
    assert advance(opened(), Complete(), NOW, POLICIES) == (opened(), Effects(hasten=NOW))
    assert advance(opened(), Complete(), NOW, quiet) == (opened(), Effects(hasten=MORNING))
    taken = opened(status="acknowledged")
    assert advance(taken, Complete(), NOW, POLICIES) == (taken, NOTHING)


@pytest.mark.parametrize("status", ["open", "acknowledged"])
def test_it_is_over_when_all_of_its_tables_are_well(status: str) -> None:
    """All who know of it hear so; what failed after that moment is not well, and what was well before keeps its moment."""
    early, at = NOW + MINUTE, NOW + HOUR
    members = {"a": member("critical"), "b": member("important", NOW, early), "c": member("critical")}
    before = opened(
        status=status, members=members, told=("email", "slack"), escalates=at, acknowledged_until=at
    )  # fmt: skip
    state, effects = advance(before, Settled(("a",), early), at, POLICIES)
    assert state == replace(before, members={**members, "a": member("critical", NOW, early)})
    assert effects == NOTHING
    assert advance(state, Settled(("c",), NOW), at, POLICIES) == (state, NOTHING)
    assert advance(state, Settled(("x",), at), at, POLICIES) == (state, NOTHING)
    over, effects = advance(state, Settled(("c",), at, FAILED_AGAIN), at, POLICIES)
    assert over == replace(
        state, status="resolved", escalates=None, acknowledged_until=None, resolved_by=FAILED_AGAIN, resolved=at,
        members={**state.members, "c": member("critical", NOW, at)},
    )  # fmt: skip
    assert effects == Effects((Order("resolved", ("email", "slack"), at),), hush=True)
    everything, _ = advance(before, Settled((), at), at, POLICIES)
    assert (everything.status, everything.resolved_by) == ("resolved", LOADED_WELL)
    assert [one.over for one in everything.members.values()] == [at, early, at]


def test_a_person_may_say_that_it_is_over() -> None:
    """Of those by the daily mail people hear in the next one, of others when it is not quiet; nobody who knows nothing."""
    at, early = NOW + HOUR, NOW + MINUTE
    members = {"a": member("critical"), "b": member("critical", NOW, early)}
    before = opened(members=members, told=("email",))
    state, effects = advance(before, Resolved("ann"), at, POLICIES)
    assert (state.status, state.resolved_by, state.resolved) == ("resolved", "ann", at)
    assert [one.over for one in state.members.values()] == [at, early]
    assert effects == Effects((Order("resolved", ("email",), at, False),), hush=True)
    daily = advance(replace(before, daily=True), Resolved("ann"), at, POLICIES)[1]
    assert daily.orders == (Order("resolved", ("email",), MAIL, True),)
    quiet: Mapping[Tier, Policy] = {**POLICIES, "critical": replace(POLICIES["critical"], quiet=QUIET)}
    assert advance(before, Resolved("ann"), at, quiet)[1].orders[0].due == MORNING
    assert advance(replace(before, told=()), Resolved("ann"), at, POLICIES)[1] == Effects((), hush=True)
    assert advance(state, Resolved("bob"), at, POLICIES) == (state, NOTHING)
    assert advance(state, Settled((), at), at, POLICIES) == (state, NOTHING)


def test_a_channel_that_has_its_message_knows_of_it_once() -> None:
    state, effects = advance(opened(told=("email",)), Delivered("slack"), NOW, POLICIES)
    assert (state, effects) == (opened(told=("email", "slack")), NOTHING)
    assert advance(state, Delivered("slack"), NOW, POLICIES) == (state, NOTHING)


def test_words_that_channels_and_reports_go_by() -> None:
    """PagerDuty takes keys of 255 characters; who has resolved it is told from people by these words."""
    assert (MOST_KEY, LOADED_WELL, FAILED_AGAIN) == (255, "bulketl", "a later failure")
    assert highest(["reference", "important", "audit"]) == "important"
    assert highest(TIERS) == "critical"


def test_the_next_mail_is_of_its_zone_and_after_now() -> None:
    """At that very moment it is the one of tomorrow; where clocks change it keeps its time of day."""
    policy = Policy((), daily=True, daily_at=(dt.time(7), "Europe/Berlin"))
    assert policy.next_mail(NOW) == NOW.replace(hour=6, minute=0)
    assert policy.next_mail(NOW.replace(hour=6, minute=0)) == NOW.replace(hour=6, minute=0) + DAY
    assert policy.next_mail(NOW.replace(hour=23, minute=30)) == NOW.replace(hour=6, minute=0) + DAY
    assert policy.next_mail(dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC)) == dt.datetime(2026, 10, 25, 6, tzinfo=dt.UTC)
    assert policy.first(NOW) == policy.next_mail(NOW)
    far = replace(policy, daily_at=(dt.time(1), "Pacific/Kiritimati"))
    assert far.next_mail(NOW) == NOW.replace(hour=11, minute=0)
    own = NOW.astimezone().replace(hour=7, minute=0, second=0)
    expected = own if own > NOW else own + DAY
    assert replace(policy, daily_at=(dt.time(7), "")).next_mail(NOW) == expected


def test_hours_are_quiet_until_they_end() -> None:
    policy = Policy((), 15 * MINUTE, quiet=QUIET)
    assert policy.audible(NOW) == MORNING
    assert policy.audible(MORNING) == MORNING
    assert policy.first(NOW.replace(hour=1, minute=50)) == MORNING, "what begins before them waits too"
    assert policy.first(NOW.replace(hour=1, minute=30)) == NOW.replace(hour=1, minute=45)
    assert replace(policy, quiet=None).first(NOW) == NOW + 15 * MINUTE
    plain = Policy(("email",))
    assert (plain.within, plain.daily, plain.escalates, plain.escalate_to, plain.quiet, plain.hold, plain.daily_at) == (
        dt.timedelta(), False, None, (), None, 4 * HOUR, (dt.time(7), "UTC"),
    )  # fmt: skip


def test_a_configuration_without_alerts_is_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"^no alerts are set, so nobody would hear of anything$") as caught:
        alerts_of(Config())
    assert caught.value.hint == "write alerts: with at least one channel into config/bulketl.yaml; docs/alerts.md shows how"


def test_policies_take_every_key_of_the_configuration() -> None:
    """The zone of the daily mail is its own, or that of the nights; an acknowledgement holds for the hours that are set."""
    hook = "http://localhost:1/"
    plain = Alerts.model_validate({"webhook": hook, "daily_at": "08:30", "acknowledged_hours": 3})
    night = Windows.model_validate({"load": "22:00-05:00 Europe/Berlin"})
    assert {one.daily_at for one in policies(Config(alerts=plain)).values()} == {(dt.time(8, 30), "")}
    assert {one.daily_at for one in policies(Config(alerts=plain, windows=night)).values()} == {
        (dt.time(8, 30), "Europe/Berlin")
    }
    own = Alerts.model_validate({"webhook": hook, "daily_at": "08:30 America/Chicago"})
    assert policies(Config(alerts=own, windows=night))["audit"].daily_at == (dt.time(8, 30), "America/Chicago")
    assert {one.hold for one in policies(Config(alerts=plain)).values()} == {3 * HOUR}
    assert list(policies(Config(alerts=plain))) == list(TIERS)
    never = Alerts.model_validate({"webhook": hook, "tiers": {"critical": {"escalate_to": []}}})
    critical = policies(Config(alerts=never))["critical"]
    assert (critical.escalates, critical.escalate_to) == (None, ())
