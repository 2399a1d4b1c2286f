"""The exit code of a run, for whoever ran it and whoever watched it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from bulketl.errors import DONE, FAILED, INTERRUPTED, NOT_CERTIFIED, OUTSIDE_WINDOW, PARTLY_DONE, WRONG_REQUEST

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.tables.spec import Tier

_WORST = [DONE, PARTLY_DONE, OUTSIDE_WINDOW, NOT_CERTIFIED, WRONG_REQUEST, FAILED, INTERRUPTED]  # the worst last
_CODES = {"done": DONE, "stopped": OUTSIDE_WINDOW, "not certified": NOT_CERTIFIED, "interrupted": INTERRUPTED}
_CODES["superseded"] = INTERRUPTED  # and then a later load has taken its place


def exit_code(settings: Config, outcome: str, failed: Iterable[str]) -> int:
    """Return the exit code of a run with that outcome; `failed`: the tiers of the tables that failed."""
    tiers = set(failed)
    if outcome == "partly done" and tiers and not any(settings.blocks(cast("Tier", tier)) for tier in tiers):
        return PARTLY_DONE
    return _CODES.get(outcome, FAILED)


def worst(codes: Iterable[int]) -> int:
    """Return the worst of some exit codes."""
    return max(codes, key=_WORST.index, default=DONE)
