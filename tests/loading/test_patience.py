"""A load is patient with a step that failed for a passing reason, and with a side on which nobody answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.connections import retrying
from bulketl.connections.retrying import ATTEMPTS
from bulketl.errors import BulketlError, DataError, SourceError, TargetError
from bulketl.loading.patience import AWAY_PAUSE, AWAY_SECONDS, Patience

PASSING = SourceError("m", transient=True)
AWAY = {SourceError: SourceError("m", transient=True, away=True), TargetError: TargetError("m", transient=True, away=True)}


def patience() -> Patience:
    return Patience(lambda: 1.0)


def test_a_passing_reason_has_some_attempts_and_any_other_one() -> None:
    assert [patience().pause(attempt, PASSING, 0) for attempt in range(1, ATTEMPTS + 1)] == [*retrying.PAUSES, None]
    for error in (DataError("m"), SourceError("m"), ValueError("v")):
        assert patience().pause(1, error, 0) is None


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40))
def test_a_side_that_is_away_has_half_a_minute_whichever_steps_ask(steps: list[float]) -> None:
    """Whatever their attempt, and none from then on."""
    waits, now = patience(), 100.0
    for later in steps:
        now += later
        expected = AWAY_PAUSE if now - (100.0 + steps[0]) < AWAY_SECONDS else None  # rounded as the clock is
        assert waits.pause(ATTEMPTS, AWAY[SourceError], now) == expected


@pytest.mark.parametrize("side", AWAY)
def test_who_has_answered_has_all_of_it_again_and_the_other_side_has_not(side: type[BulketlError]) -> None:
    waits = patience()
    for error in AWAY.values():
        assert waits.pause(1, error, 0) == AWAY_PAUSE
    waits.answered(side)
    found = {one: waits.pause(1, error, AWAY_SECONDS) for one, error in AWAY.items()}
    assert found == {one: AWAY_PAUSE if one is side else None for one in AWAY}
