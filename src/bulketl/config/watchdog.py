"""The key `watchdog` of `bulketl.yaml`, typed: how long a tier may be without news before `bulketl watchdog` says so."""

from __future__ import annotations

import datetime as dt

from pydantic import Field, model_validator

from bulketl.config.values import Duration, Model
from bulketl.tables.spec import Tier

LATE_AFTER = dt.timedelta(hours=26)  # a day, and a load that begins later or takes longer than the last


class Watchdog(Model):
    """Per tier, how long after its last table came the next has to; a tier that stands here is one that has to come.

    One that does not has to come in each window, or where there are none within LATE_AFTER.
    """

    late_after: dict[Tier, Duration] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some_time(self) -> Watchdog:
        for tier, limit in self.late_after.items():
            if limit <= dt.timedelta(0):
                raise ValueError(f"late_after.{tier} is longer than nothing, as in 26h")
        return self
