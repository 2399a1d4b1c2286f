"""The commands of an older pipeline: names of tables become words of them, and never options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.migration import with_tables
from bulketl.errors import ConfigError

NAMES = st.lists(st.text(min_size=1, max_size=8) | st.sampled_from(["-x", "--", "--drop", "-", "a b", "$(x)", "{tables}"]))
WORDS = st.lists(st.sampled_from(["-v", "--all", "old", "--"]), max_size=3)


@given(WORDS, WORDS, NAMES)
def test_each_name_is_one_word_and_none_can_be_an_option(before: list[str], after: list[str], names: list[str]) -> None:
    """Every word of the command stays where it is; a dash at the front of a name needs a `--` before it."""
    command = ["old", *before, "{tables}", *after]
    if any(name.startswith("-") for name in names) and "--" not in before:
        with pytest.raises(ConfigError, match="begins with a dash") as refused:
            with_tables(command, names)
        assert "standard input" in refused.value.hint
    else:
        assert with_tables(command, names) == ["old", *before, *names, *after]


@given(WORDS, NAMES)
def test_a_command_without_the_names_is_as_it_was(words: list[str], names: list[str]) -> None:
    assert with_tables(["old", *words], names) == ["old", *words]
