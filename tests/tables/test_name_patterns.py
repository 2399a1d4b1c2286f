"""A pattern names the tables that are meant, and every table can be named, whatever it is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.cli.options import split_commas
from bulketl.tables.patterns import exactly, matches

NAMES = st.text(st.sampled_from("ab*?[]\\,!- \n"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("pattern", "fit", "others"),
    [
        ("claim*", ["claim", "claimproc"], ["Claim", "xclaim"]),
        ("t?", ["t1", "t?"], ["t", "t12"]),
        ("z[ab]", ["z[ab]"], ["za", "zb"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("a\\?*", ["a?", "a?b"], ["ab"]),
        ("a\\b", ["a\\b"], ["ab"]),
        ("[!x]*", ["[!x]", "[!x]y"], ["y"]),
        ("*", ["x\ny", ""], []),
    ],
)
def test_only_stars_and_question_marks_stand_for_others(pattern: str, fit: list[str], others: list[str]) -> None:
    assert [name for name in (*fit, *others) if matches(name, [pattern])] == fit


@given(NAMES, NAMES)
def test_every_table_can_be_named_alone(name: str, other: str) -> None:
    """By its name with a backslash before each star, question mark and backslash; and its name alone fits it as well."""
    only = "".join(f"\\{letter}" if letter in "*?\\" else letter for letter in name)
    assert matches(name, [only])
    assert matches(name, [name])
    assert matches(other, [only]) == (other in (name, only))


def test_a_comma_of_a_name_is_written_with_a_backslash() -> None:
    assert split_commas(["a\\,b, c"]) == ("a,b", "c")
    assert split_commas(["a,b", "c"]) == ("a", "b", "c")


@given(st.text("ab*?\\,[\n"), st.text("ab*?\\,[\n"))
def test_the_pattern_of_a_name_fits_it_alone(name: str, other: str) -> None:
    pattern = exactly(name)
    assert matches(name, [pattern])
    assert not matches(other, [pattern]) or other in (name, pattern)
