"""The kinds of values that keys of the configuration take: durations, shares, limits, and a model that is strict."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400 + 6 * 3600}


def duration(value: object) -> object:
    """Return a duration as `30d`, `12h`, `15m`, `90s`, `2w`, `7y` as a timedelta; raise ValueError for other text."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d{1,6})\s*([smhdwy])", value.strip())
    if not found:
        raise ValueError(f"a duration is a number and s, m, h, d, w or y, as in 30d; not {value!r}")
    return dt.timedelta(seconds=int(found[1]) * _UNITS[found[2]])


_NAMES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks", "y": "years"}


def period(value: object) -> object:
    """Return `7y` or `90d` as Postgres counts back from a day, `7 years`; raise ValueError for other text."""
    if isinstance(duration(value), dt.timedelta) and isinstance(value, str):
        return f"{int(value.strip()[:-1])} {_NAMES[value.strip()[-1]]}"
    return value


def share(value: object) -> object:
    """Return a share as 0.05 or `5%` as a float; raise ValueError for other text."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", value.strip())
        if not found:
            raise ValueError(f"a share is a number between 0 and 1 or a percentage, as in 5%; not {value!r}")
        return float(found[1]) / 100
    return float(value) if type(value) is int else value


def row_limit(value: object) -> object:
    """Return a number of rows as an int, a share of the rows (`0.1%`, 0.001) as a float; raise ValueError for others."""
    if type(value) is int and value >= 0:
        return value
    with contextlib.suppress(ValueError):
        found = value if type(value) is int else share(value)
        if type(found) is float and 0 <= found <= 1:
            return found
    raise ValueError("a number of rows is expected, as in 10, or a share of them, as in 0.1%")


Duration = Annotated[dt.timedelta, BeforeValidator(duration)]
Period = Annotated[str, BeforeValidator(period)]  # by the calendar: years with a day more are not a day shorter
Share = Annotated[float, BeforeValidator(share), Field(ge=0, le=1)]
_LIMIT = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0, "maximum": 1}, {"type": "string"}]}
RowLimit = Annotated[Any, BeforeValidator(row_limit), WithJsonSchema(_LIMIT)]  # int: rows, float: a share of them


class Model(BaseModel):
    """A part of the configuration: no key but those declared, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
