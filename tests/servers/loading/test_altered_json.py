"""What jsonb changes in meaning is counted per column when it is loaded, and noted when it is verified."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab, execute

import bulketl
from bulketl.rows.jsontext import altered, json_changes
from bulketl.tables.alterations import DOUBLE_KEY, MINUS_ZERO, OF_JSON

TEXTS: list[tuple[str, set[str]]] = [
    ('{"a": -0.0}', {MINUS_ZERO}), ("-0", {MINUS_ZERO}), ("-0e5", {MINUS_ZERO}), ("[1, -0.00 ]", {MINUS_ZERO}),
    ("-0E-3", {MINUS_ZERO}), ('{"a": 1, "a": 2}', {DOUBLE_KEY}), ('{"a": 1, "\\u0061": 2}', {DOUBLE_KEY}),
    ('[{"x": {"b": 1, "c": 2, "b": 1}}]', {DOUBLE_KEY}), ('{"x": "v", ":": 1, ":": 2}', {DOUBLE_KEY}),
    ('{"a": -0.0, "a": 1}', {MINUS_ZERO, DOUBLE_KEY}), ('{"a b": 1, "a b" : 2}', {DOUBLE_KEY}),
    ('{"": 1, "": 2}', {DOUBLE_KEY}),
    ('{"a": 0.0}', set()), ('{"a": "-0"}', set()), ('"x: -0, y"', set()), ('[{"a": 1}, {"a": 2}]', set()),
    ('{"a": {"a": 1}}', set()), ('{"a": -0.01, "d": "2024-01-05"}', set()), ("1e2", set()), ("1.00", set()),
    ('{"b": 1,   "a": 2}', set()), ('{"n": 1234567890123456789012345678901234567890.5}', set()), ('"a\\":-0"', set()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kinds"), TEXTS)
def test_each_kind_is_seen_and_nothing_else(text: str, kinds: set[str]) -> None:
    """By the search, and by the parse behind it."""
    assert json_changes(text) == kinds
    found = altered(pa.chunked_array([pa.array([None, text, "1", "no json"])]), parsed=False)
    assert {kind: mask.to_pylist() for kind, mask in found.items()} == {kind: [False, True, False, False] for kind in kinds}
    assert set(altered(pa.chunked_array([pa.array([text])]), parsed=True)) == kinds - {DOUBLE_KEY} or DOUBLE_KEY in kinds


KEYS = st.sampled_from(["a", "b", ":", " :", '"', "\\", "é", "\n", ", ", "{", 'a":'])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["0", "-0", "-0.0", "1.5", "-1", "null", "true", '"-0"', '"a\\":-0,"', '","', '":"', '"{"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(KEYS, inner, st.booleans()), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{_spelt(key, odd)} : {value}" for key, value, odd in pairs) + "}"
        )
    ),
    max_leaves=8,
)


def _spelt(key: str, odd: bool) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"' if odd else json.dumps(key)


@given(VALUES)
def test_the_search_misses_nothing_that_the_parse_sees(text: str) -> None:
    """Whatever strings and keys look like JSON themselves."""
    assert set(altered(pa.chunked_array([pa.array([text])]), parsed=False)) == json_changes(text)


def test_jsonb_changes_what_is_counted_and_nothing_else_in_meaning(postgres: str) -> None:
    """Held against Postgres itself, by the texts of `json`, which keeps them."""
    for text, kinds in TEXTS:
        ((shown,),) = execute(postgres, "SELECT %s::jsonb::text", (text,))
        same = json.loads(shown, object_pairs_hook=list, parse_float=_exact, parse_int=_exact)
        kept = json.loads(text, object_pairs_hook=list, parse_float=_exact, parse_int=_exact)
        assert (_sorted(same) == _sorted(kept)) == (not kinds), text


def _exact(digits: str) -> tuple[Any, ...]:
    value = Decimal(digits)
    return ("number", value.is_signed(), abs(value).normalize())


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        items = [_sorted(item) for item in value]
        return (
            sorted(items, key=repr) if value and all(isinstance(item, tuple) and len(item) == 2 for item in value) else items
        )
    return tuple(_sorted(item) for item in value) if isinstance(value, tuple) and len(value) == 2 else value


@pytest.mark.parametrize("kind", ["json", "longtext"])
def test_what_is_changed_is_counted_in_the_load_and_noted_by_verify(lab: Lab, kind: str) -> None:
    """For MySQL's own JSON, which has each key once and keeps -0.0, and for text that is declared jsonb."""
    parsed = kind == "json" and lab.server.kind == "mysql"
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, doc {kind})")
    lab.insert("t", [(n, text) for n, (text, _) in enumerate(TEXTS)])
    stored = [json_changes(text) for (text,) in lab.mysql("SELECT CAST(doc AS CHAR) FROM t")]
    expected = {kind: sum(kind in found for found in stored) for kind in OF_JSON if any(kind in found for found in stored)}
    assert MINUS_ZERO in expected
    assert parsed or DOUBLE_KEY in expected
    rules: dict[str, Any] = {"t": {"casts": {"doc": "jsonb"}}}
    done = lab.load(rules=rules)
    assert done.summary.tables["t"].changed == {"doc": expected}
    for _ in range(2):
        (verdict,) = bulketl.verify(lab.config(rules=rules)).tables
        assert verdict.equal
        told = {note for note in verdict.notes if "equal but for that" in note}
        assert told == {
            f"doc: {kind}: {count:,} rows are equal but for that (docs/types.md)" for kind, count in expected.items()
        }


def test_blanks_that_postgres_would_cut_are_no_silent_change(maria_lab: Lab) -> None:
    """A text that is too long by blanks alone is rejected like any that is too long."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), d text)",
        "INSERT INTO t VALUES (1, 'abcde', 'abcde'), (2, 'abcde  ', 'a'), (3, 'a', 'abcde '), (4, 'abcdef', 'a')",
        "INSERT INTO t VALUES (5, 'ab  ', NULL)",
    )
    done = maria_lab.load(rules={"t": {"casts": {"c": "varchar(5)", "d": "varchar(5)"}, "max_rejects": 5}})
    assert maria_lab.pg("SELECT id, c, d FROM {s}.t ORDER BY id") == [(1, "abcde", "abcde"), (5, "ab  ", None)]
    assert done.summary.tables["t"].rejects == 3
