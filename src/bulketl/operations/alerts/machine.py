"""What becomes of an incident: a pure machine of (state, event, now) -> (state, effects), which opens nothing.

What it promises: nobody is told anything after an acknowledgement or a resolution but that it is over; in each round an
incident is told once and escalated at most once; an acknowledgement expires, which begins a new round; what happened before
it was over does not open it again, so events may be read twice and in any number of places.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulketl.operations.alerts.policies import Policy
from bulketl.postgres.ledger.incidents import Incident, Member, Order
from bulketl.tables.spec import TIERS, Tier

LOADED_WELL = "bulketl"  # who resolves an incident when its tables are well again
FAILED_AGAIN = "a later failure"  # which has an incident of its own
MOST_KEY = 255  # characters of a key, as PagerDuty takes them


@dataclass(frozen=True, slots=True)
class Raised:
    """Tables, or the run as a whole as '', are in trouble. `daily`: by its rule it waits for the daily mail."""

    members: Mapping[str, Member]
    daily: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """Tables were well at that moment; all of them, when none is named. `by`: who says so."""

    tables: tuple[str, ...]
    at: dt.datetime
    by: str = LOADED_WELL


@dataclass(frozen=True, slots=True)
class Complete:
    """The run has ended, so no other table will join: those who wait for others are told."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody has taken it on. `marks`: where channels tell so and who else there, which counts once; none of a command."""

    by: str
    hold: dt.timedelta | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """Somebody says that it is over."""

    by: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A channel has its message."""

    channel: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


Event = Raised | Settled | Complete | Acknowledged | Resolved | Delivered | Ticked


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to be done: `hush` drops the messages that wait, `hasten` sends them then, `orders` are new ones."""

    orders: tuple[Order, ...] = ()
    hush: bool = False
    hasten: dt.datetime | None = None


NOTHING = Effects()


def advance(state: Incident, event: Event, now: dt.datetime, policies: Mapping[Tier, Policy]) -> tuple[Incident, Effects]:
    """Return what an incident becomes by an event at that moment (aware), and what is to be done."""
    match event:
        case Raised():
            return _raised(state, event, now, policies)
        case Settled():
            return _settled(state, event, now, policies)
        case Complete() if state.status == "open":
            return state, Effects(hasten=policies[state.tier].audible(now))
        case Acknowledged() if state.status in ("open", "acknowledged") and (
            not event.marks or not set(event.marks) <= set(state.heard)
        ):
            until = now + (event.hold or policies[state.tier].hold)
            heard = (*state.heard, *(mark for mark in event.marks if mark not in state.heard))
            taken = dataclasses.replace(
                state, status="acknowledged", escalates=None, acknowledged_by=event.by, acknowledged_until=until, heard=heard
            )
            return taken, Effects(hush=True)
        case Resolved() if state.status in ("open", "acknowledged"):
            over = {name: dataclasses.replace(one, over=one.over or now) for name, one in state.members.items()}
            return _over(dataclasses.replace(state, members=over), event.by, now, policies)
        case Delivered() if event.channel not in state.told:
            return dataclasses.replace(state, told=(*state.told, event.channel)), NOTHING
        case Ticked():
            return _ticked(state, now, policies)
    return state, NOTHING


def _raised(state: Incident, event: Raised, now: dt.datetime, policies: Mapping[Tier, Policy]) -> tuple[Incident, Effects]:
    fresh = {name: one for name, one in event.members.items() if _is_news(state.members.get(name), one)}
    if not fresh:
        return state, NOTHING
    members = {**state.members, **fresh}
    afresh = state.status in ("new", "resolved")
    # A round stays as urgent as it was. What was well again, and is not in this round, does not say how urgent it is.
    tier = highest([one.tier for one in fresh.values()] + ([] if afresh else [state.tier]))
    joined = dataclasses.replace(state, members=members, tier=tier)
    if afresh:
        return _begun(dataclasses.replace(joined, told=()), now, policies[tier], daily=event.daily)
    if state.status == "open" and TIERS.index(tier) < TIERS.index(state.tier) and not event.daily:
        return _more_urgent(state, joined, now, policies)
    return joined, NOTHING


def _is_news(known: Member | None, raised: Member) -> bool:
    return known is None or (known.over is not None and raised.at > known.over)


def _begun(state: Incident, now: dt.datetime, policy: Policy, *, daily: bool) -> tuple[Incident, Effects]:
    """Begin a round: those who hear first are told, whether they know of it or not."""
    told = policy.next_mail(now) if policy.daily else now
    escalates = told + policy.escalates if policy.escalates is not None and not daily else None
    daily = daily or policy.daily
    begun = dataclasses.replace(
        state, status="open", round=state.round + 1, opened=now, escalates=escalates, daily=daily, resolved=None,
        resolved_by="", acknowledged_by="", acknowledged_until=None,
    )  # fmt: skip
    return begun, Effects(_told(policy.to, now, policy, daily=daily), hush=True)


def _more_urgent(
    before: Incident, state: Incident, now: dt.datetime, policies: Mapping[Tier, Policy]
) -> tuple[Incident, Effects]:
    """Tell those that a more urgent tier tells first, and that do not know of it; escalate what is not escalated yet."""
    policy = policies[state.tier]
    due = None if policy.escalates is None or _escalated(before, policies) else now + policy.escalates
    escalates = min((at for at in (due, state.escalates) if at is not None), default=None)
    raised = dataclasses.replace(state, escalates=escalates, daily=policy.daily)
    channels = tuple(name for name in policy.to if name not in state.told)
    return raised, Effects(_told(channels, now, policy, daily=policy.daily), hush=True)


def _escalated(state: Incident, policies: Mapping[Tier, Policy]) -> bool:
    """Tell whether an open incident is escalated in this round: its tier has it escalated, and nothing of that is due."""
    policy = policies[state.tier]
    daily_by_rule = state.daily and not policy.daily  # which nobody escalates
    return policy.escalates is not None and not daily_by_rule and state.escalates is None


def _told(channels: tuple[str, ...], now: dt.datetime, policy: Policy, *, daily: bool) -> tuple[Order, ...]:
    if not channels:
        return ()
    return (Order("digest", channels, policy.next_mail(now), True) if daily else Order("open", channels, policy.first(now)),)


def _settled(state: Incident, event: Settled, now: dt.datetime, policies: Mapping[Tier, Policy]) -> tuple[Incident, Effects]:
    if state.status not in ("open", "acknowledged"):
        return state, NOTHING
    names = event.tables or tuple(state.members)
    members = {
        name: dataclasses.replace(one, over=event.at) if name in names and one.over is None and one.at < event.at else one
        for name, one in state.members.items()
    }
    settled = dataclasses.replace(state, members=members)
    if any(one.over is None for one in members.values()):
        return settled, NOTHING
    return _over(settled, event.by, now, policies)


def _over(state: Incident, by: str, now: dt.datetime, policies: Mapping[Tier, Policy]) -> tuple[Incident, Effects]:
    """Resolve it, and tell all who know of it; what goes by the daily mail is told there."""
    over = dataclasses.replace(
        state, status="resolved", escalates=None, acknowledged_until=None, resolved_by=by, resolved=now
    )
    policy = policies[state.tier]
    due = policy.next_mail(now) if state.daily else policy.audible(now)
    order = Order("resolved", state.told, due, state.daily)
    return over, Effects((order,) if state.told else (), hush=True)


def _ticked(state: Incident, now: dt.datetime, policies: Mapping[Tier, Policy]) -> tuple[Incident, Effects]:
    policy = policies[state.tier]
    if state.status == "acknowledged" and state.acknowledged_until is not None and now >= state.acknowledged_until:
        return _begun(state, now, policy, daily=state.daily and not policy.daily)
    if state.status == "open" and state.escalates is not None and now >= state.escalates:
        order = Order("escalated", policy.escalate_to, policy.audible(now))
        return dataclasses.replace(state, escalates=None), Effects((order,) if policy.escalate_to else ())
    return state, NOTHING


def highest(tiers: Sequence[Tier]) -> Tier:
    """Return the most urgent of the tiers."""
    return min(tiers, key=TIERS.index)
