"""Who serves a table of the target: the older pipeline, the older one with bulketl beside it, or bulketl."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple

Owner = Literal["legacy", "shadow", "bulketl"]
WORDS: dict[Owner, str] = {
    "legacy": "the older pipeline serves it",
    "shadow": "the older pipeline serves it, and bulketl loads it beside that one",
    "bulketl": "bulketl serves it",
}


class Owned(NamedTuple):
    """Who serves a table, since when, who said so, and why."""

    owner: Owner
    at: dt.datetime
    by: str
    reason: str
