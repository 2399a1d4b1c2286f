"""The key `expect` of `tables.yaml`: how far a load may differ from earlier nights before somebody hears of it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from bulketl.config.values import Model, duration
from bulketl.tables.spec import Tier

OFF = "off"
WITHIN: dict[Tier, dt.timedelta] = {
    "critical": dt.timedelta(hours=36),
    "important": dt.timedelta(hours=36),
    "audit": dt.timedelta(days=3),
    "reference": dt.timedelta(days=8),
}


def _factor(value: object) -> object:
    """Return a factor as a float, `off` as None; YAML reads that word as false."""
    if value in (OFF, False):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 1:
        return float(value)
    raise ValueError("a number above 1 is expected, as in 2 for twice, or off")


def _duration(value: object) -> object:
    """Return a duration as a timedelta, `off` as the word."""
    return OFF if value in (OFF, False) else duration(value)


_FACTOR = {"anyOf": [{"type": "number", "exclusiveMinimum": 1}, {"const": OFF}, {"const": False}]}
_SPAN = {"anyOf": [{"type": "string"}, {"const": OFF}, {"const": False}]}
Factor = Annotated[Any, BeforeValidator(_factor), WithJsonSchema(_FACTOR)]  # a float, or None for off
Span = Annotated[dt.timedelta | Literal["off"], BeforeValidator(_duration), WithJsonSchema(_SPAN)]


class Expect(Model):
    """How a load of the table is expected to be. Each of these is `off` where nobody wants to hear of it.

    `slower`, `faster`: times its median of 14 nights; differences below `least_seconds` are none. `rows`: times as many as
    its median, or that part of it; differences below `least_rows` are none. `lag`: so much further behind than its nights
    say. `within`: it is loaded at least so often; None means what its tier says.
    """

    slower: Factor = 2.0
    faster: Factor = 4.0
    least_seconds: float = Field(default=10, ge=0)
    rows: Factor = 2.0
    least_rows: int = Field(default=100, ge=0)
    lag: Span = dt.timedelta(hours=12)
    within: Span | None = None

    def loaded_within(self, tier: Tier) -> dt.timedelta | None:
        """Return how often it has to be loaded at least, None for no such limit."""
        if self.within is None:
            return WITHIN[tier]
        return self.within if isinstance(self.within, dt.timedelta) else None

    @property
    def lag_seconds(self) -> float | None:
        """How much further behind it may be than usual, None for no such limit."""
        return self.lag.total_seconds() if isinstance(self.lag, dt.timedelta) else None
