"""Names that bulketl makes of others fit Postgres, and two of them are two."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bulketl.tables.spec import NAME_BYTES, cut, joined

# Short ones with dots, and long ones that differ at their end or in letters of several bytes.
PARTS = st.text(alphabet="ab._", min_size=1, max_size=4) | st.builds(
    lambda letter, n, end: letter * n + end,
    st.sampled_from(["x", "é", "語", "😀", "."]), st.integers(1, NAME_BYTES), st.text(alphabet="ab._é", max_size=2),
)  # fmt: skip
PAIRS = st.tuples(PARTS, PARTS)


@settings(max_examples=100)
@given(st.sets(PAIRS, min_size=2, max_size=20))
def test_names_joined_of_others_are_others(pairs: set[tuple[str, str]]) -> None:
    """Wherever a dot stands, and however much of them there is; what is made of one is none that another would get."""
    made = {joined(*pair) for pair in pairs}
    assert len(made) == len(pairs)
    assert all(len(name.encode()) <= NAME_BYTES for name in made)
    for name in made:
        assert all(joined(*pair) != name or pair in pairs for pair in _splits(name))


def _splits(name: str) -> list[tuple[str, str]]:
    return [(name[:n], name[n + 1 :]) for n, letter in enumerate(name) if letter in "._" and 0 < n < len(name) - 1]


@given(st.sets(PARTS.map(lambda part: part * 3), min_size=2, max_size=20))
def test_long_names_are_cut_to_different_ones(texts: set[str]) -> None:
    """Also when a name is what another one would be cut to."""
    made = {text: cut(text) for text in texts | {cut(text) for text in texts}}
    assert len({*made.values()}) == len(made)
    assert all(len(name.encode()) <= NAME_BYTES for name in made.values())


def test_pairs_with_the_same_dots_do_not_meet() -> None:
    assert joined("raw", "payment") == "raw.payment"
    assert joined("a", "b.c") != joined("a.b", "c")
    assert joined("a" * 40, "é" * 20) != joined("a" * 40, "é" * 21)
