"""Classes of differences: each claims what its fault makes of a value, and nothing that it does not explain."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import execute

from bulketl.tables.differences import CLASSES, claiming, spelt

Fault = Callable[[Any], Any]  # what an older pipeline makes of a value of the source
BEYOND = re.compile("[^\x01-\x7f]")
HALF = dt.timedelta(milliseconds=500)
ZERO = dt.datetime(1970, 1, 1)


def lossless(fault: Fault) -> Fault:
    return lambda new: None if new is None else fault(new)


TEXT: dict[str, list[Fault]] = {
    "empty-for-null": [lambda new: "" if new is None else new],
    "null-for-empty": [lambda new: None if new == "" else new],
    "trailing-blanks": [lossless(lambda new: new.rstrip(" "))],
    "blanks": [lossless(lambda new: new.strip(" "))],
    "cut-text": [lossless(lambda new: new[:1]), lossless(lambda new: new[:3])],
    "case": [lossless(str.lower), lossless(str.upper)],
    "encoding": [
        lossless(lambda new: BEYOND.sub("?", new)),
        lossless(lambda new: BEYOND.sub("\ufffd", new)),
        lossless(lambda new: new.encode().decode("latin-1")),
    ],
}
TIME: dict[str, list[Fault]] = {
    "zero-date": [lambda new: ZERO if new is None else new],
    "seconds": [lossless(lambda new: new.replace(microsecond=0))],
    "rounded-seconds": [lossless(lambda new: (new + HALF).replace(microsecond=0))],
    "milliseconds": [lossless(lambda new: new.replace(microsecond=new.microsecond // 1000 * 1000))],
    "day": [lossless(lambda new: new.replace(hour=0, minute=0, second=0, microsecond=0))],
    "zone": [lossless(lambda new: new - dt.timedelta(hours=6)), lossless(lambda new: new + dt.timedelta(hours=5.5))],
}
NUMBER: dict[str, list[Fault]] = {
    "rounded": [lossless(lambda new: new.quantize(Decimal("0.1"), ROUND_HALF_UP))],
    "cut-places": [lossless(lambda new: new.quantize(Decimal("0.1"), ROUND_DOWN))],
}
FLAG: dict[str, list[Fault]] = {"boolean": [lossless(bool)]}
JSON: dict[str, list[Fault]] = {"json": [lossless(lambda new: json.dumps(json.loads(new), indent=1))]}
LETTERS = st.text(alphabet="aAbZ ä€é?1Ã\ufffd", max_size=6)
MOMENTS = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9998, 1, 1))
NEAR = st.integers(0, 2_000_000).map(lambda n: dt.datetime(2024, 1, 1) + dt.timedelta(microseconds=n * 100_000))
KINDS: dict[str, tuple[tuple[str, str], st.SearchStrategy[Any], st.SearchStrategy[Any], dict[str, list[Fault]]]] = {
    "text": (("varchar(60)", "text"), LETTERS, LETTERS, TEXT),
    "time": (("timestamp(6)", "timestamp(6)"), MOMENTS | NEAR, MOMENTS | NEAR, TIME),
    "number": (
        ("numeric(12,1)", "numeric(12,3)"),
        st.decimals(-99, 99, places=1), st.decimals(-99, 99, places=3), NUMBER,
    ),
    "flag": (("boolean", "smallint"), st.booleans(), st.integers(-2, 3), FLAG),
    "json": (
        ("text", "jsonb"), LETTERS | st.just('{"a": 1}'),
        st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 3) | LETTERS, max_size=2).map(json.dumps), JSON,
    ),
}  # fmt: skip


@st.composite
def pairs(draw: st.DrawFn, kind: str) -> list[tuple[Any, Any]]:
    """Values of both sides: anything, and what a fault makes of a value."""
    _, olds, news, faults = KINDS[kind]
    every = [fault for some in faults.values() for fault in some]
    made = draw(st.lists(st.tuples(news | st.none(), st.sampled_from(every)), max_size=12))
    free = draw(st.lists(st.tuples(olds | st.none(), news | st.none()), max_size=12))
    return [*free, *((fault(new), new) for new, fault in made)]


def claimed(target: str, kinds: tuple[str, str], found: Sequence[tuple[Any, Any]]) -> list[str]:
    """Return the class of each pair of values, 'equal' for no difference and 'unexplained' for no class."""
    version = int(execute(target, "SHOW server_version_num")[0][0])
    old, new = (f"v.{side}::{kind}" for side, kind in zip(("old", "new"), kinds, strict=True))
    cases = " ".join(
        f"WHEN {claiming(one, old, new, kinds)[0]} THEN '{one.name}'" for one in CLASSES if one.fits(*kinds, version)
    )
    one, other = spelt(old, new, kinds)
    query = (
        f"SELECT CASE WHEN {one} IS NOT DISTINCT FROM {other} THEN 'equal' {cases} ELSE 'unexplained' END"
        " FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY v(old, new, n) ORDER BY n"
    )
    texts = [[None if value is None else str(value) for value in side] for side in zip(*found, strict=True)]
    return [name for (name,) in execute(target, query, texts)] if found else []


def explains(name: str, old: Any, new: Any) -> bool:
    """Tell whether what a class says is a whole account of the difference, by Python's own means."""
    every = {name: some for _, _, _, faults in KINDS.values() for name, some in faults.items()}
    if name == "cut-text":
        return bool(0 < len(old) < len(new) and new.startswith(old))
    if name == "zone":
        hours = abs(old - new) / dt.timedelta(hours=1)
        return bool(0.25 <= hours <= 14 and (hours * 4).is_integer())
    if name == "zero-date":
        return new is None and old in (ZERO, dt.datetime(1, 1, 1))
    if name == "json":
        return bool(json.loads(old) == json.loads(new))
    if name == "boolean":
        return new in (0, 1) and bool(new) == old
    return any(fault(new) == old for fault in every[name])


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_claims_no_difference_that_it_does_not_explain(postgres: str, kind: str) -> None:
    kinds, _, _, faults = KINDS[kind]

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(pairs(kind))
    def check(found: list[tuple[Any, Any]]) -> None:
        for (old, new), name in zip(found, claimed(postgres, kinds, found), strict=True):
            if name == "equal":
                continue
            if name == "unexplained":
                assert not any(_whole(one, old, new) for one in faults), (old, new)
            else:
                assert explains(name, old, new), (name, old, new)

    check()


def _whole(name: str, old: Any, new: Any) -> bool:
    if (old is None or new is None) and name not in ("empty-for-null", "null-for-empty", "zero-date"):
        return False
    if name == "case" and not (str(old) + str(new)).isascii():
        return False  # whether Postgres knows the case of other letters depends on its locale
    try:
        return explains(name, old, new)
    except (TypeError, AttributeError, ValueError):
        return False


def test_every_class_of_values_is_made_by_a_fault_of_these_tests_or_named_here() -> None:
    made = {name for _, _, _, faults in KINDS.values() for name in faults}
    others = {"zero-date-text", "number-for-boolean", "real"}
    assert {one.name for one in CLASSES if one.what == "values"} == made | others


@pytest.mark.parametrize(
    ("name", "kinds", "old", "new"),
    [
        ("zero-date-text", ("varchar(10)", "date"), "0000-00-00", None),
        ("number-for-boolean", ("smallint", "boolean"), 1, "true"),
        ("real", ("real", "double precision"), "0.1", "0.1"),
        ("unexplained", ("real", "double precision"), "0.1", "1e300"),
        ("unexplained", ("boolean", "smallint"), "true", 2),
        ("unexplained", ("timestamp", "timestamp"), "infinity", "2024-01-01"),
        ("unexplained", ("text", "jsonb"), '"\\u0000"', '{"a": 1}'),
        ("equal", ("integer", "bigint"), 5, 5),
        ("equal", ("timestamptz", "timestamp"), "2024-01-01 10:00:00+00", "2024-01-01 10:00:00"),
        ("equal", ("character(5)", "varchar(5)"), "ab   ", "ab"),
        ("equal", ("date", "timestamp"), "2024-01-01", "2024-01-01 00:00:00"),
    ],
)
def test_two_values_are_of_this_class(postgres: str, name: str, kinds: tuple[str, str], old: Any, new: Any) -> None:
    assert claimed(postgres, kinds, [(old, new)]) == [name]
