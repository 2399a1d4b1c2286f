"""The key `alerts` of `bulketl.yaml`, typed: who hears of what goes wrong, by which channel, and when.

What a person leaves out is as the guide has it, restricted to channels that are set: critical tables at once by PagerDuty,
mail and Slack, important ones by mail and Slack, audit and reference tables in the daily mail.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from bulketl.config.channels import Channel, Channels, ChannelSettings
from bulketl.config.values import Model
from bulketl.config.windows import parse_window
from bulketl.tables.spec import Tier

Rule = Literal[
    "table_failed", "run_failed", "overtime", "quality", "rejects", "mass_delete", "drift", "withheld", "verification",
    "missing_run",
    "died", "unreachable", "silence", "lag", "not_loaded", "unusual", "rolled_back", "untold", "written",
]  # fmt: skip
RULES: tuple[Rule, ...] = get_args(Rule)
Way = Literal["tell", "daily", "off"]


def _way(value: object) -> object:
    """Return a way; YAML reads the word off as false."""
    return "off" if value is False else value


AnyWay = Annotated[
    Way,
    BeforeValidator(_way),
    WithJsonSchema({"anyOf": [{"enum": list(get_args(Way))}, {"const": False}]}),
]
WAYS: dict[Rule, Way] = {"drift": "daily"}  # the others are told as their tier says
PREFERRED: dict[Tier, tuple[Channel, ...]] = {
    "critical": ("pagerduty", "email", "slack", "webhook", "command", "apprise"),
    "important": ("email", "slack", "webhook", "command", "apprise"),
    "audit": ("email",),
    "reference": ("email",),
}
WITHIN: dict[Tier, float] = {"important": 15}  # minutes; critical ones at once
ESCALATION: dict[Tier, float] = {"critical": 15, "important": 60, "audit": 24 * 60, "reference": 24 * 60}  # minutes
ONCE_MORE: tuple[Tier, ...] = ("critical", "important")


def _hours(text: str) -> str:
    parse_window(text)
    return text


def parse_time(text: str) -> tuple[dt.time, str]:
    """Return time and zone of `07:00 Europe/Berlin`; the zone is '' where none is named. Raise ValueError for other text."""
    found = re.fullmatch(r"(\d\d?):(\d\d)(?:\s+(\S+))?", text.strip())
    if found is None:
        raise ValueError("a time is expected, like 07:00 or 07:00 Europe/Berlin")
    try:
        at = dt.time(int(found[1]), int(found[2]))
    except ValueError:
        raise ValueError("a time is from 00:00 to 23:59") from None
    if found[3]:
        other = "00:00" if at != dt.time() else "12:00"
        parse_window(f"{at:%H:%M}-{other} {found[3]}")  # which says what is wrong with the zone
    return at, found[3] or ""


def _clock(value: object) -> object:
    """Return a time as text; YAML reads 10:30 as a number of minutes."""
    return f"{value // 60:02}:{value % 60:02}" if type(value) is int and value >= 0 else value


def _time(text: str) -> str:
    parse_time(text)
    return text


Hours = Annotated[str, AfterValidator(_hours)]
Minutes = Annotated[float, Field(ge=0)]


class TierAlerts(Model):
    """Who hears of a tier's troubles: some channels at once or in the daily mail, others when nobody acknowledges them."""

    to: Channels | None = None
    within_minutes: Minutes | None = None
    daily: bool | None = None
    escalate_minutes: float | None = Field(default=None, gt=0)
    escalate_to: Channels = ()
    quiet_hours: Hours | None = None
    auto_retry: bool | None = None

    @model_validator(mode="after")
    def _both(self) -> TierAlerts:
        if (self.escalate_minutes is None) != (not self.escalate_to):
            raise ValueError("escalate_minutes and escalate_to belong together")
        if self.daily and self.within_minutes is not None:
            raise ValueError("what goes into the daily mail is told then, and within_minutes does not apply")
        return self


class Alerts(ChannelSettings):
    """The channels that hear of troubles, and what differs per tier and per rule.

    `daily_at`: when the daily mail goes, in the zone of the window, or else of the machine, unless it names one.
    `quiet_hours`: of all tiers but critical. `acknowledged_hours`: how long an acknowledgement holds. `spool`: the folder of
    what is to be sent while the target is down.
    """

    tiers: dict[Tier, TierAlerts] = Field(default_factory=dict)
    rules: dict[Rule, AnyWay] = Field(default_factory=dict)
    daily_at: Annotated[str, BeforeValidator(_clock), AfterValidator(_time)] = "07:00"
    quiet_hours: Hours | None = None
    acknowledged_hours: float = Field(default=4, gt=0)
    spool: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _reachable(self) -> Alerts:
        if not self.channels and not self.heartbeat:
            raise ValueError(
                "nobody would hear them: name at least one of pagerduty, email, slack, webhook, command, apprise"
            )
        missing = [
            f"tiers.{tier} names {name}, which is not set here"
            for tier, own in self.tiers.items()
            for name in dict.fromkeys((*(own.to or ()), *own.escalate_to))
            if name not in self.channels
        ]
        if missing:
            raise ValueError("; ".join(missing))
        return self

    def way(self, rule: Rule) -> Way:
        """Return whether troubles of a rule are told as their tier says, in the daily mail, or not at all."""
        return self.rules.get(rule, WAYS.get(rule, "tell"))

    def to(self, tier: Tier) -> tuple[Channel, ...]:
        """Return the channels that hear of a tier's troubles first."""
        own = self.tiers.get(tier, TierAlerts()).to
        return self._set(PREFERRED[tier]) if own is None else own

    def daily(self, tier: Tier) -> bool:
        """Tell whether a tier's troubles wait for the daily mail."""
        own = self.tiers.get(tier, TierAlerts())
        return own.within_minutes is None and tier in ("audit", "reference") if own.daily is None else own.daily

    def within(self, tier: Tier) -> dt.timedelta:
        """Return how long a tier's troubles may wait for others of the same run, to be told together."""
        own = self.tiers.get(tier, TierAlerts()).within_minutes
        return dt.timedelta(minutes=WITHIN.get(tier, 0) if own is None else own)

    def escalation(self, tier: Tier) -> tuple[dt.timedelta, tuple[Channel, ...]] | None:
        """Return after how long without an acknowledgement a trouble is escalated, and to whom; None for never."""
        own = self.tiers.get(tier, TierAlerts())
        if own.escalate_minutes is not None:
            return dt.timedelta(minutes=own.escalate_minutes), own.escalate_to
        to = self.to(tier)
        if "escalate_to" in own.model_fields_set or not to:
            return None
        return dt.timedelta(minutes=ESCALATION[tier]), self._set(PREFERRED["critical" if tier == "important" else tier])

    def auto_retry(self, tier: Tier) -> bool:
        """Tell whether a run loads a table of that tier once more when it failed."""
        own = self.tiers.get(tier, TierAlerts()).auto_retry
        return tier in ONCE_MORE if own is None else own

    def quiet(self, tier: Tier) -> str | None:
        """Return the hours in which nobody hears of a tier's troubles, as a window, or None."""
        own = self.tiers.get(tier, TierAlerts()).quiet_hours
        return own or (None if tier == "critical" else self.quiet_hours)

    def _set(self, preferred: tuple[Channel, ...]) -> tuple[Channel, ...]:
        """Return those of the channels that are set, or all that are where none of them is."""
        return tuple(name for name in preferred if name in self.channels) or self.channels
