"""Pairs of SQL: the file with all its mistakes, and figures held against each other without an error of rounding."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulketl.config.pairs import Pair, Tolerance, load_checks, tolerance_of
from bulketl.config.sqltext import Answer
from bulketl.errors import ConfigError, DataError
from bulketl.verifying.pairs import agree, compare_answers, plain, value_text

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40)
DAY = dt.date(2026, 3, 1)


def checks(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "checks.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def pair(**values: object) -> Pair:
    return Pair.model_validate({"source": "SELECT 1", "target": "SELECT 1", **values})


def test_every_mistake_of_the_file_is_told_with_file_line_and_key(tmp_path: Path) -> None:
    """Nobody corrects one mistake per run."""
    path = checks(
        tmp_path,
        "pairs:\n"
        "  a:\n    source: SELECT 1\n    target: DELETE FROM t\n    severty: warn\n"
        "  b:\n    source: SELECT 1; SELECT 2\n    tolerance: -1\n    last: 30\n"
        "  c:\n    target: SELECT 1\n    source: SELECT 1\n    tolerance: {x: 0.001, y: 200%}\n    key: day\n"
        "    time_limit: 0s\n"
        "  d:\n    source: SELECT :sinse\n    target: SELECT 1\n"
        "  e:\n    source: SELECT :since\n    target: SELECT :since\n"
        "  f:\n    source: SELECT :since\n    target: SELECT 1\n    last: 30d\n"
        "pair: {}\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_checks(path)
    assert caught.value.exit_code == 2
    for line in (
        f"{path}:4: pairs.a.target: a SELECT is expected, or WITH, and it begins with DELETE",
        f"{path}:5: pairs.a.severty: unknown key; did you mean 'severity'?",
        f"{path}:7: pairs.b.source: one statement is expected",
        f"{path}:8: pairs.b.tolerance: a tolerance is a number",
        f"{path}:9: pairs.b.last",
        f"{path}:6: pairs.b.target: Field required",
        f"{path}:13: pairs.c.tolerance.y: a share is at most 100%",
        f"{path}:14: pairs.c.key: a list is expected",
        f"{path}:15: pairs.c.time_limit",
        f"{path}:16: pairs.d: source has :sinse, and there are :since and :today",
        f"{path}:19: pairs.e: source has :since, and no last says",
        f"{path}:22: pairs.f: last is set, and target does not have :since",
        f"{path}:26: pair: unknown key; did you mean 'pairs'?",
    ):
        assert line in caught.value.message
    assert "pairs.c.tolerance.x" not in caught.value.message


@pytest.mark.parametrize("text", ["", "pairs: {}\n", "pairs:\n", "pairs: [1]\n", "pairs: {a: 1}\n", "- a\n"])
def test_a_file_without_pairs_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing checked must not look like all is well."""
    with pytest.raises(ConfigError, match=r"checks\.yaml"):
        load_checks(checks(tmp_path, text))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(ConfigError, match=r"there is no file of pairs .*none\.yaml"):
        load_checks(tmp_path / "none.yaml")


def test_pairs_are_chosen_by_name_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    """With the one that was meant."""
    path = checks(
        tmp_path, "pairs:\n" + "".join(f"  {n}: {{source: SELECT 1, target: SELECT 1}}\n" for n in ("fees", "payments"))
    )
    assert list(load_checks(path)) == ["fees", "payments"]
    assert list(load_checks(path, ["payments"])) == ["payments"]
    with pytest.raises(ConfigError) as caught:
        load_checks(path, ["payment"])
    assert "did you mean 'payments'" in caught.value.hint


@given(st.integers(0, 400_000), st.sampled_from("smhdwy"))
def test_the_window_is_whole_days_and_never_shorter_than_asked(number: int, unit: str) -> None:
    """A part of a day counts as a day."""
    one = pair(source="SELECT :since", target="SELECT :since", last=f"{number % 9999}{unit}")
    assume(one.last is not None and one.last < dt.timedelta(days=700_000))
    window = one.window(DAY)
    assert one.last is not None
    assert window["today"] == DAY
    assert dt.timedelta(0) <= (DAY - window["since"]) - one.last < dt.timedelta(days=1)


@given(NUMBERS, NUMBERS, st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=6))
def test_an_amount_is_compared_exactly(source: Decimal, target: Decimal, amount: Decimal) -> None:
    """As fractions would be: neither 28 digits nor the size of the numbers matter."""
    allowed = Tolerance(amount)
    assert agree(source, target, allowed) == (abs(Fraction(target) - Fraction(source)) <= Fraction(amount))
    assert agree(source, target, allowed) == agree(target, source, allowed)


@given(NUMBERS, NUMBERS, st.decimals(0, 1, allow_nan=False, allow_infinity=False, places=8))
def test_a_share_is_of_the_figure_at_the_source_and_exact(source: Decimal, target: Decimal, share: Decimal) -> None:
    """At a source figure of zero only zero agrees."""
    difference = abs(Fraction(target) - Fraction(source))
    assert agree(source, target, Tolerance(share, share=True)) == (difference <= Fraction(share) * abs(Fraction(source)))


@given(NUMBERS, st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=4))
def test_the_edge_of_the_tolerance_agrees_and_the_next_digit_does_not(source: Decimal, amount: Decimal) -> None:
    """A cent is a cent at any size."""
    with localcontext(prec=200):
        edge, beyond = source + amount, source + amount + Decimal("1e-60")
    assert agree(source, edge, Tolerance(amount))
    assert not agree(source, beyond, Tolerance(amount))


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), NUMBERS))
def test_a_number_counts_the_same_whatever_the_driver_made_of_it(value: float | Decimal) -> None:
    """An integer, a float and a decimal of the same digits are equal; a float loses none of its digits."""
    found = plain(value)
    assert isinstance(found, Decimal)
    assert agree(found, Decimal(str(value)), Tolerance(Decimal(0)))
    if isinstance(value, float):
        assert float(value_text(found)) == value


@pytest.mark.parametrize(
    ("source", "target", "equal"),
    [
        (0.1, Decimal("0.10"), True),
        (1, Decimal("1.000"), True),
        (True, 1, True),
        (None, None, True),
        (None, 0, False),
        (0, None, False),
        (-0.0, 0, True),
        (float("nan"), float("nan"), True),
        (float("nan"), 0, False),
        (float("inf"), float("-inf"), False),
        (dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), True),
        (dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 0, 0, 1), False),
        (dt.datetime(2024, 1, 1, 6), dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-6))), True),
        (dt.timedelta(hours=8), dt.time(8), True),
        ("a", "A", False),
        (b"a", b"a", True),
    ],
)
def test_values_of_other_types_are_equal_where_they_mean_the_same(source: object, target: object, equal: bool) -> None:
    """And NULL equals only NULL: a sum over no rows is not zero."""
    assert agree(plain(source), plain(target), Tolerance(Decimal(0))) is equal


def test_rows_are_held_against_each_other_by_key_whatever_their_order_and_case() -> None:
    """A row that one side lacks differs whatever the tolerance; a figure by column."""
    one = pair(key=["Day"], tolerance={"Amount": "0.01"})
    source = Answer(
        ("day", "n", "amount"), [(DAY, 2, Decimal("10.00")), (dt.date(2026, 3, 2), 1, Decimal(5)), (None, 1, None)]
    )
    target = Answer(
        ("Amount", "DAY", "N"), [(None, None, 1), (10.01, dt.datetime(2026, 3, 1), 3), (0, dt.date(2026, 3, 3), 0)]
    )
    compared, found = compare_answers(one, source, target)
    assert compared == 4
    assert [(value_text(d.key[0]), d.column, d.missing, d.by) for d in found] == [
        ("2026-03-01", "n", "", Decimal(1)), ("2026-03-02", "", "target", None), ("2026-03-03", "", "source", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "source", "target", "words"),
    [
        ({}, (["a"], [(1,)]), (["b"], [(1,)]), "answers with a and the target with b"),
        ({}, (["a"], [(1,), (2,)]), (["a"], [(1,)]), "without a key one row is expected"),
        ({}, (["a"], []), (["a"], []), "without a key one row is expected"),
        ({"key": ["k"]}, (["a"], [(1,)]), (["a"], [(1,)]), "names 'k'"),
        ({"tolerance": {"x": 1}}, (["a"], [(1,)]), (["a"], [(1,)]), "names 'x'"),
        ({"key": ["k"]}, (["k", "a"], [(None, 1), (None, 2)]), (["k", "a"], []), "two rows for k NULL"),
        ({"key": ["k"]}, (["k", "a"], [(1, 1), (1.0, 2)]), (["k", "a"], []), "two rows for k 1"),
        ({"key": ["k"]}, (["k"], [("1",)]), (["k"], [(1,)]), "key 'k' is text in the source and a number"),
        ({}, (["a"], [("1",)]), (["a"], [(1,)]), "figure 'a' is text in the source and a number"),
        ({}, (["a", "A"], [(1, 1)]), (["a"], [(1,)]), "two columns 'a'"),
        ({}, (["a"], [({},)]), (["a"], [(1,)]), "holds a dict"),
        ({"key": ["k"]}, (["k"], [(n,) for n in range(100_001)]), (["k"], []), "more than 100,000 rows"),
    ],
)
def test_answers_that_cannot_be_compared_are_told_and_never_equal(
    values: dict[str, object], source: tuple[list[str], list[object]], target: tuple[list[str], list[object]], words: str
) -> None:
    """Each with what to do."""
    with pytest.raises(DataError) as caught:
        compare_answers(pair(**values), *(Answer(tuple(names), rows) for names, rows in (source, target)))  # type: ignore[arg-type]
    assert words in caught.value.message
    assert caught.value.hint


@given(st.dictionaries(st.tuples(st.one_of(st.none(), st.integers()), st.text(max_size=3)), NUMBERS), st.data())
def test_what_differs_is_exactly_what_was_changed(rows: dict[tuple[int | None, str], Decimal], data: st.DataObject) -> None:
    """Any rows, some changed, some taken out: these are found, and no other."""
    gone = {key for key in rows if data.draw(st.booleans())} if len(rows) < 8 else set()
    raised = {key for key in rows if key not in gone and data.draw(st.booleans())} if len(rows) < 8 else set()
    target = {key: value for key, value in rows.items() if key not in gone}
    with localcontext(prec=300):
        target |= {key: target[key] + 1 for key in raised}
    answers = [Answer(("a", "b", "n"), [(*key, value) for key, value in side.items()]) for side in (rows, target)]
    compared, found = compare_answers(pair(key=["a", "b"]), *answers)
    assert compared == len(rows)
    assert {(item.key, item.missing) for item in found} == {(key, "target") for key in gone} | {(key, "") for key in raised}
    assert all(item.by == 1 for item in found if not item.missing)


@given(st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=5))
def test_a_tolerance_is_what_was_written(value: Decimal) -> None:
    """As a number, as text or as a share."""
    assert tolerance_of(str(value)) == Tolerance(value)
    assert tolerance_of(float(value)) == Tolerance(Decimal(repr(float(value))))
    if value <= 100:
        assert tolerance_of(f"{value}%") == Tolerance(value / 100, share=True)


@pytest.mark.parametrize("value", [-1, "-1", "1 000", "x", None, True, [], float("nan"), float("inf"), "101%"])
def test_what_is_no_tolerance_is_refused(value: object) -> None:
    """Loudly."""
    with pytest.raises(ValueError, match=r"tolerance|share"):
        tolerance_of(value)
