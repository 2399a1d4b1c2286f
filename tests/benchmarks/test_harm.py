"""The clinic of `bench -- harm` hides no wait, and what is beyond the limits is told."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from benchmarks.harm import clinic
from benchmarks.harm.clinic import Station
from benchmarks.harm.results import IDLE, Did, Harm, HarmScenario, Waits
from benchmarks.report import BULKETL


class Clock:
    """A clock that a statement moves by the next of some seconds, and a pause by its own; and what asks at it."""

    def __init__(self, seconds: list[float]) -> None:
        self.now, self.seconds = 100.0, seconds

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return not self.seconds

    def execute(self, *_: object) -> None:
        self.now += self.seconds.pop(0)

    def fetchall(self) -> None: ...

    def cursor(self) -> Clock:
        return self

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_request_that_could_not_begin_has_waited_since_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """At ten a second, one takes a second: the nine behind it waited too, though each of them took a millisecond."""
    clock: Any = Clock([0.001, 1.0, *[0.001] * 20])
    monkeypatch.setattr(clinic, "time", clock)
    station = Station("writes", 10.0, lambda _: ("DO 0", ()))
    station.work(clock, 7, clock)
    took = [seconds for _, seconds in station.took]
    assert took[0] == pytest.approx(0.001)
    assert took[1] == pytest.approx(1.0)
    assert took[2:11] == pytest.approx([0.901 - 0.099 * n for n in range(9)])
    assert took[13] == pytest.approx(0.001)
    due = [moment for moment, _ in station.took]
    assert [after - before for before, after in itertools.pairwise(due)] == pytest.approx([0.1] * (len(due) - 1))


def test_every_workplace_asks_for_what_its_group_says() -> None:
    """Twenty small tables, half of them read; at the large one as many reads as writes."""
    places = clinic.stations("db.payment", 1000)
    dice = random.Random(1)
    assert len(places) == 2 + clinic.SMALL
    assert sum(place.rate for place in places) == 2 * clinic.LARGE_RATE + clinic.SMALL * clinic.SMALL_RATE
    for place in places:
        words = {place.ask(dice)[0].split()[0] for _ in range(200)}
        assert words == ({"SELECT"} if place.group.endswith("reads") else {"UPDATE", "INSERT"})
    tables = {place.ask(dice)[0].split("FROM ")[1].split()[0] for place in places if place.group == "small, reads"}
    assert len(tables) == clinic.SMALL // 2


def test_percentiles_are_of_requests_that_there_were() -> None:
    assert Waits.of([n / 1000 for n in range(1, 101)]) == Waits(100, 50.0, 95.0, 99.0, 100.0)
    assert Waits.of([0.5]) == Waits(1, 500.0, 500.0, 500.0, 500.0)


def harm(name: str, seconds: list[float], rows_read: int = 100) -> Harm:
    return Harm(name, runs=[Did(1.0, 100, rows_read, 5, 0, 0.1, 0.1, "")], took={"large, writes": seconds})


@pytest.mark.parametrize(("ours", "told"), [
    (harm(BULKETL, [0.05] * 100), []),
    (harm(BULKETL, [0.05] * 99 + [0.2]), ["waited up to 190 ms longer; the limit is 100"]),
    (harm(BULKETL, [0.05] * 100, 131), ["1.31 rows read per row loaded; the limit is 1.3"]),
    (harm(BULKETL, [0.09] * 100), ["95 took up to 90.0 ms, under DuckDB 60.0"]),
])  # fmt: skip
def test_what_is_beyond_a_limit_is_told(ours: Harm, told: list[str]) -> None:
    scenario = HarmScenario("MyISAM", 100, [harm(IDLE, [0.01] * 100), ours, harm("DuckDB", [0.06] * 100)])
    assert [text.endswith(part) for text, part in zip(scenario.exceeded, told, strict=True)] == [True] * len(told)
    assert scenario.to_json()["exceeded"] == scenario.exceeded


def test_where_bulketl_was_not_measured_nothing_is_held() -> None:
    assert HarmScenario("MyISAM", 100, [harm(IDLE, [0.01])]).exceeded == ["MyISAM: not measured"]
