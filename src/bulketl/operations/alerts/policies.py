"""Whom to tell about what, and when: the policy of each tier, from the configuration. The caller passes in the time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bulketl.config.alerts import Alerts, parse_time
from bulketl.config.channels import Channel
from bulketl.config.config import Config
from bulketl.config.windows import Windows, closes, parse_window
from bulketl.errors import ConfigError
from bulketl.tables.spec import TIERS, Tier


@dataclass(frozen=True, slots=True)
class Policy:
    """How a tier's troubles are told.

    `to`: the channels that hear first, `within` that time, or at the next `daily_at`, when it is `daily`. `escalates`: how
    long after that, without an acknowledgement, others hear of it: `escalate_to`; None for never. Nothing is sent in `quiet`
    hours. An acknowledgement holds for `hold`.
    """

    to: tuple[Channel, ...]
    within: dt.timedelta = dt.timedelta()
    daily: bool = False
    escalates: dt.timedelta | None = None
    escalate_to: tuple[Channel, ...] = ()
    quiet: str | None = None
    hold: dt.timedelta = dt.timedelta(hours=4)
    daily_at: tuple[dt.time, str] = (dt.time(7), "UTC")

    def audible(self, at: dt.datetime) -> dt.datetime:
        """Return that moment (aware), or the end of the quiet hours that it lies in."""
        if self.quiet is None:
            return at
        return closes(Windows(load=self.quiet), at) or at

    def first(self, now: dt.datetime) -> dt.datetime:
        """Return when those who hear first are told of what began now (aware)."""
        return self.next_mail(now) if self.daily else self.audible(now + self.within)

    def next_mail(self, now: dt.datetime) -> dt.datetime:
        """Return when the next daily mail goes, after now (aware); without a zone in that of the machine."""
        at, name = self.daily_at
        zone = ZoneInfo(name) if name else now.astimezone().tzinfo
        today = now.astimezone(zone).date()
        days = (dt.datetime.combine(today + dt.timedelta(days=n), at, zone).astimezone(dt.UTC) for n in (0, 1, 2))
        return next(mail for mail in days if mail > now)


def alerts_of(config: Config) -> Alerts:
    """Return the alerts of a configuration. Raise ConfigError when none are set."""
    if config.alerts is None:
        raise ConfigError(
            "no alerts are set, so nobody would hear of anything",
            hint="write alerts: with at least one channel into config/bulketl.yaml; docs/alerts.md shows how",
        )
    return config.alerts


def policies(config: Config) -> Mapping[Tier, Policy]:
    """Return the policy of each tier. Raise ConfigError when no alerts are set."""
    alerts = alerts_of(config)
    at, zone = parse_time(alerts.daily_at)
    if not zone and config.windows is not None:
        zone = parse_window(config.windows.load)[2].key
    found = {}
    for tier in TIERS:
        escalation = alerts.escalation(tier)
        found[tier] = Policy(
            alerts.to(tier),
            alerts.within(tier),
            alerts.daily(tier),
            escalation[0] if escalation else None,
            escalation[1] if escalation else (),
            alerts.quiet(tier),
            dt.timedelta(hours=alerts.acknowledged_hours),
            (at, zone),
        )
    return found
