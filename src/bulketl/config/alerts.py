"""The key `alerts` of `bulketl.yaml`, typed: the channels that hear of failures, and what differs per tier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bulketl.config.values import Model
from bulketl.tables.spec import Tier

Channel = Literal["email", "slack", "webhook", "command"]
Channels = Annotated[tuple[Channel, ...], Field(strict=False)]
Text = Annotated[str, Field(min_length=1)]


class TierAlerts(Model):
    """Who hears of a tier's failures: some channels at once, others when they last."""

    to: Channels | None = None
    escalate_minutes: float | None = Field(default=None, gt=0)
    escalate_to: Channels = ()

    @model_validator(mode="after")
    def _both(self) -> TierAlerts:
        if (self.escalate_minutes is None) != (not self.escalate_to):
            raise ValueError("escalate_minutes and escalate_to belong together")
        return self


class Alerts(Model):
    """The channels that hear of failures, and what differs per tier; a tier without an entry uses all that are set."""

    email: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(default=(), strict=False)
    smtp: str = Field(default="smtp://localhost", pattern=r"^smtps?://[^\s/]", repr=False)
    slack: str | None = Field(default=None, pattern=r"^https://[^\s/]", repr=False)
    webhook: str | None = Field(default=None, pattern=r"^https?://[^\s/]", repr=False)
    command: tuple[Text, ...] = Field(default=(), strict=False, repr=False)
    tiers: dict[Tier, TierAlerts] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reachable(self) -> Alerts:
        if not self.channels:
            raise ValueError("nobody would hear them: name at least one of email, slack, webhook, command")
        for tier, own in self.tiers.items():
            missing = [name for name in (*(own.to or ()), *own.escalate_to) if name not in self.channels]
            if missing:
                raise ValueError(f"tiers.{tier} names {missing[0]}, which is not set here")
        return self

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that are set."""
        every: tuple[Channel, ...] = ("email", "slack", "webhook", "command")
        return tuple(name for name in every if getattr(self, name))
