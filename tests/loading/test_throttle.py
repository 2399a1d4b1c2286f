"""When the source is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulketl.loading.throttle import LOOK_SECONDS, Sparing


def test_nothing_is_read_while_a_look_says_why_not() -> None:
    """The source is looked at every few seconds, however often it is asked."""
    said = ["", "busy", "busy", ""]
    looks = iter(said)
    sparing = Sparing(lambda: next(looks))
    seen = [sparing.may_read(n * LOOK_SECONDS / 10) for n in range(40)]
    assert seen == [True] * 10 + [False] * 20 + [True] * 10
    assert sparing.since == LOOK_SECONDS


@given(st.floats(0.1, 100), st.lists(st.integers(0, 50_000_000), min_size=1, max_size=30))
def test_rows_come_no_faster_than_the_rate_in_the_long_run(rate: float, sizes: list[int]) -> None:
    """What was read is paid for before more is."""
    sparing, now = Sparing(mb_per_second=rate), 0.0
    for size in sizes:
        if not sparing.may_read(now):
            wakes = sparing.wakes(now)
            assert wakes is not None
            now = wakes
        assert sparing.may_read(now)
        sparing.read(size, now)
    now = sparing.wakes(now) or now
    assert now >= sum(sizes) / (rate * 1_000_000) * 0.999


def test_without_limits_nothing_waits() -> None:
    """And nobody is asked."""
    sparing = Sparing()
    sparing.read(1 << 40, 0.0)
    assert sparing.may_read(0.0)
    assert sparing.wakes(0.0) is None
