"""What two looks at the same buckets say, without a server: only what both say alike counts, and none is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulketl.rows.reconcile import Buckets, Row
from bulketl.verifying.looks import (
    HASHED_BUCKETS,
    Look,
    Total,
    all_buckets,
    between,
    chosen,
    compare_listings,
    is_doubled,
    nearest,
    steady,
    united_digests,
)

TEXTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3 4"]), max_size=6)


def rows(hashes: dict[str, str]) -> dict[str, Row]:
    return {text: Row((text,), found) for text, found in hashes.items()}


@given(TEXTS, TEXTS, st.sets(st.sampled_from("abcdef")))
def test_each_row_that_differs_is_of_one_kind_and_newer_ones_of_none(
    ours: dict[str, str], theirs: dict[str, str], newer: set[str]
) -> None:
    found = compare_listings(rows(ours), rows(theirs), newer)
    assert found.missing.keys() == ours.keys() - theirs.keys() - newer
    assert found.extra.keys() == theirs.keys() - ours.keys() - newer
    assert found.differing.keys() == {k for k in ours.keys() & theirs.keys() if ours[k] != theirs[k]} - newer
    assert bool(found) == (bool(found.missing) or bool(found.extra) or bool(found.differing))


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_only_what_both_looks_say_alike_stays_and_the_others_are_counted(
    ours: dict[str, str], theirs: dict[str, str], later: dict[str, str], there: dict[str, str]
) -> None:
    first, second = compare_listings(rows(ours), rows(theirs)), compare_listings(rows(later), rows(there))
    found, changing = steady(first, second)
    for kind in ("missing", "differing", "extra"):
        before, after = getattr(first, kind), getattr(second, kind)
        assert getattr(found, kind) == {k: row for k, row in before.items() if after.get(k) == row}
    sizes = [len(one.missing) + len(one.differing) + len(one.extra) for one in (first, found)]
    assert changing == sizes[0] - sizes[1]
    assert steady(first, first) == (first, 0)


@given(TEXTS, TEXTS, st.integers(0, 3))
def test_a_total_keeps_the_first_rows_and_the_keys_of_all_others(
    ours: dict[str, str], theirs: dict[str, str], most: int
) -> None:
    look, total = compare_listings(rows(ours), rows(theirs)), Total()
    total.add(look, most)
    assert len(total.first.missing) + len(total.missing) == len(look.missing)
    assert len(total.first.extra) + len(total.extra) == len(look.extra)
    assert len(total.first.differing) + len(total.differing) + total.doubled == len(look.differing)
    assert max(len(total.first.missing), len(total.first.extra), len(total.first.differing)) <= most
    every = Total()
    every.add(look, None)
    assert every.first == look
    assert not every.more


def test_a_key_twice_in_the_target_is_doubled() -> None:
    look = compare_listings(rows({"a": "1", "b": "1"}), rows({"a": "1 1", "b": "2"}))
    assert {text: is_doubled(pair) for text, pair in look.differing.items()} == {"a": True, "b": False}
    assert not Look()


@given(st.integers(0, 10**6), st.floats(0.001, 1), st.integers(1, 500))
def test_a_sample_is_the_same_for_the_same_seed_and_about_the_share(seed: int, share: float, count: int) -> None:
    buckets = [str(n) for n in range(count)]
    some = chosen(buckets, "t", share, seed)
    assert some == chosen(reversed(buckets), "t", share, seed)
    assert set(some) <= set(buckets)
    assert share * count <= len(some) < share * count + 1 + 1e-6


def test_all_buckets_are_those_between_the_smallest_and_the_largest_key() -> None:
    assert len(all_buckets(Buckets())) == HASHED_BUCKETS
    assert all_buckets(Buckets(100)) == []
    assert all_buckets(Buckets(100), -150, 250) == ["-1", "0", "1", "2"]  # DIV truncates, on both servers


def test_lost_rows_are_matched_with_the_nearest_and_each_once() -> None:
    found = nearest([("a", "x", ("c1", "c2")), ("a", "y", ("c1",)), ("b", "y", ("c1", "c2")), ("b", "x", ("c1",))], 4)
    assert found == [("a", "y", ("c1",)), ("b", "x", ("c1",))]
    assert nearest([("a", "x", ("c1", "c2", "c3"))], 4) == []  # more than half of them: another row


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.tuples(st.integers(0, 9), st.integers(0, 9)))))
def test_digests_of_parts_add_up(parts: list[dict[str, tuple[int, int]]]) -> None:
    for bucket, (count, digest) in united_digests(parts).items():
        assert count == sum(part.get(bucket, (0, 0))[0] for part in parts)
        assert digest == sum(part.get(bucket, (0, 0))[1] for part in parts)


def test_a_range_is_open_where_it_has_no_end() -> None:
    assert [between("k", lo, hi) for lo, hi in ((None, None), (1, None), (None, 2), (1, 2))] == [
        "", "k >= 1", "k < 2", "k >= 1 AND k < 2",
    ]  # fmt: skip
