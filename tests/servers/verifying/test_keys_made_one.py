"""Keys that are two at the source and one in the target: a comparison says what makes them one."""

from __future__ import annotations

import pytest
from lab import Lab

import bulketl

KEYS = {  # the key, two of its values, and what is said
    "date": ("d date", ("'0000-00-00'", "'2024-00-00'"), "invalid dates in d of its key"),
    "datetime": ("d datetime", ("'0000-00-00'", "'2024-00-00'"), "invalid dates in d of its key"),
    "date and more": ("d date, n int", ("'0000-00-00', 1", "'2024-05-00', 1"), "invalid dates in d of its key"),
    "NUL bytes": ("d varchar(19) CHARACTER SET latin1 COLLATE latin1_bin", ("'a'", "'a\\0'"), "once NUL bytes are stripped"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_that_become_one_are_not_called_ambiguous_at_the_source(maria_lab: Lab, kind: str) -> None:
    columns, values, why = KEYS[kind]
    good = "'2020-01-01', 1" if kind == "date and more" else "'2020-01-01'"
    names = ", ".join(part.split()[0] for part in columns.split(", "))
    maria_lab.mysql(f"CREATE TABLE t ({columns}, c int, PRIMARY KEY ({names}))", f"INSERT INTO t VALUES ({good}, 9)")
    maria_lab.load()
    maria_lab.mysql(*(f"INSERT INTO t VALUES ({value}, {n})" for n, value in enumerate(values)), mode="ALLOW_INVALID_DATES")
    texts = [item.problem for item in bulketl.verify(maria_lab.config()).tables]
    assert any(why in text for text in texts)
    assert not any("not unique" in text for text in texts)
