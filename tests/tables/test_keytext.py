"""A key as a person writes it: which words are one, and which are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bulketl.errors import PlanError
from bulketl.tables.catalog import Column
from bulketl.tables.keytext import read_key, words_of

A, B = Column("a", "int(11)", False), Column("b", "varchar(20)", False)


def column(kind: str) -> Column:
    return Column("k", kind, False)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("1", "x"), (1, "x")),
        (("1,x",), (1, "x")),
        (("a=1,b=x",), (1, "x")),
        (("b=x,a=1",), (1, "x")),
        (("b=x", "a=1"), (1, "x")),
        (("a=1,b=x,y=2",), (1, "x,y=2")),
        (("a=1,b=",), (1, "")),
        (("1", "x,y"), (1, "x,y")),
    ],
)
def test_a_key_of_two_columns(words: tuple[str, ...], key: tuple[object, ...]) -> None:
    """In their order, or by their names; a text may hold commas and signs of equality."""
    assert read_key("t", words, (A, B)) == key


@pytest.mark.parametrize("words", [("1",), ("1", "x", "y"), ("a=1",), ("a=1,a=2",), ("a=1,b=x", "c"), ("one", "x")])
def test_what_is_no_key_of_two_columns(words: tuple[str, ...]) -> None:
    """It is refused, with how to write one."""
    with pytest.raises(PlanError) as found:
        read_key("t", words, (A, B))
    assert found.value.hint


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bigint(20)", "-3", -3),
        ("decimal(10,2)", "1.50", Decimal("1.50")),
        ("varchar(9)", "NULL", "NULL"),
        ("varchar(9)", "a=b", "a=b"),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "0000-00-00", "0000-00-00"),
        ("datetime(3)", "2024-02-29T01:02:03.456", "2024-02-29T01:02:03.456"),
        ("binary(4)", "\\x00ff", b"\0\xff\0\0"),
        ("binary(4)", "ab", b"ab\0\0"),
        ("varbinary(4)", "0x00FF", b"\0\xff"),
        ("binary(16)", "00112233-4455-6677-8899-aabbccddeeff", bytes.fromhex("00112233445566778899aabbccddeeff")),
        ("time", "-12:00:01", "-12:00:01"),
    ],
)
def test_a_value_is_spelt_as_the_source_prints_it(kind: str, text: str, value: object) -> None:
    """Bytes in hexadecimal, or as text; the server's padding is added."""
    assert read_key("t", (text,), (column(kind),)) == (value,)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int(11)", "1.5"), ("int(11)", ""), ("decimal(5,2)", "NaN"), ("date", "29.2.2024"), ("time", "noon"), ("uuid", "x"),
     ("varchar(9)", "\udc80"), ("date", "2024-02-29 10:00:00")],
)  # fmt: skip
def test_what_is_no_value_of_the_type(kind: str, text: str) -> None:
    """It is refused, and nothing is asked."""
    with pytest.raises(PlanError, match="is no value of k"):
        read_key("t", (text,), (column(kind),))


def test_keys_of_programs_become_words() -> None:
    """One value, several, or a mapping."""
    assert words_of(4711) == ("4711",)
    assert words_of((1, b"\xff")) == ("1", "\\xff")
    assert words_of({"a": 1, "b": "x"}) == ("a=1", "b=x")
