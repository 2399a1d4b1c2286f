"""A key as a person writes it: which words are one, and which are refused."""

from __future__ import annotations

import datetime as dt
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
    with pytest.raises(PlanError, match="is not a value of k"):
        read_key("t", (text,), (column(kind),))


def test_keys_of_programs_become_words() -> None:
    """One value, several, or a mapping."""
    assert words_of(4711) == ("4711",)
    assert words_of((1, b"\xff")) == ("1", "\\xff")
    assert words_of({"a": 1, "b": "x"}) == ("a=1", "b=x")


A_SINGLE, A_PAIR = (Column("a", "int", False),), (A, B)


@pytest.mark.parametrize(
    ("words", "columns", "message", "hint"),
    [
        (("1", "2"), A_SINGLE, "'1 2' is not a key of table 't', whose key is a", "write a value of a"),
        (("1",), A_PAIR, "'1' is not a key of table 't', whose key is a, b", "write a=…,b=…, or 2 words in that order"),
        ((), A_PAIR, "'' is not a key of table 't', whose key is a, b", "write a=…,b=…, or 2 words in that order"),
        (("a=1,b=x", "c"), A_PAIR, "'a=1,b=x c' is not a key of table 't', whose key is a, b",
         "write a=…,b=…, or 2 words in that order"),
        (("a=1", "a=2"), A_PAIR, "'a=1 a=2' is not a key of table 't', whose key is a, b",
         "write a=…,b=…, or 2 words in that order"),
    ],
)  # fmt: skip
def test_what_is_no_key_is_told_with_how_to_write_one(
    words: tuple[str, ...], columns: tuple[Column, ...], message: str, hint: str
) -> None:
    with pytest.raises(PlanError) as found:
        read_key("t", words, columns)
    assert (found.value.message, found.value.hint) == (message, hint)


PRINTED = "write it as the source prints it"
FORMS = {
    "int": ("x", ""), "decimal(5,2)": ("x", ""), "double": ("x", ""), "year": ("x", ""), "bit(4)": ("x", ""),
    "date": ("x", ": 2024-01-31, or '2024-01-31 08:00:00'"), "datetime": ("x", ": 2024-01-31, or '2024-01-31 08:00:00'"),
    "timestamp": ("x", ": 2024-01-31, or '2024-01-31 08:00:00'"), "time": ("x", ": 08:00:00"),
    "uuid": ("x", ": 8-4-4-4-12 hexadecimal digits"), "varbinary(9)": ("\ud800", ": bytes as \\x0a1f"),
    "blob": ("\ud800", ": bytes as \\x0a1f"), "text": ("\ud800", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_no_value_is_told_with_how_it_is_spelt(kind: str) -> None:
    text, form = FORMS[kind]
    with pytest.raises(PlanError) as found:
        read_key("t", (text,), (column(kind),))
    assert found.value.message == f"{text!r} is not a value of k, which is {kind}, in the key of table 't'"
    assert found.value.hint == PRINTED + form


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("tinyint", "+5", 5), ("year", " 2024 ", 2024), ("bit(9)", "7", 7), ("float", "1.5", 1.5), ("double", "-2", -2.0),
        ("decimal(9,2)", "-1", Decimal(-1)), ("timestamp", "2024-01-31 08:00", "2024-01-31 08:00"),
        ("datetime", "2024-01-31", "2024-01-31"),
        ("datetime(6)", "2024-01-31 08:00:00.123456", "2024-01-31 08:00:00.123456"),
        ("time", "838:59:59", "838:59:59"), ("time(3)", "08:00:00.123", "08:00:00.123"), ("time", "08:00", "08:00"),
        ("uuid", "00112233445566778899AABBCCDDEEFF", "00112233445566778899AABBCCDDEEFF"),
        ("binary(16)", "00112233445566778899aabbccddeeff", bytes.fromhex("00112233445566778899aabbccddeeff")),
        ("varbinary(16)", "00112233445566778899aabbccddeeff", b"00112233445566778899aabbccddeeff"),
        *((kind, "0X0aFF", b"\x0a\xff") for kind in ("varbinary(9)", "tinyblob", "blob", "mediumblob", "longblob")),
        *((f"{kind}('a') character set binary", "\\x61", b"a") for kind in ("enum", "set")),
        ("varbinary(9)", "0x0", b"0x0"), ("varbinary(9)", "\\x", b""), ("varchar(9)", "0x61", "0x61"),
    ],
)  # fmt: skip
def test_each_type_has_its_spelling(kind: str, text: str, value: object) -> None:
    (found,) = read_key("t", (text,), (column(kind),))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("datetime", "2024-01-31 8:00"), ("datetime", "2024-01-31 08:00:00.1234567"), ("date", "2024-01-31 "),
        ("time", "8000:00"), ("time", "08:00:00.1234567"), ("uuid", "0011-2233445566778899aabbccddeeff"), ("int", "1 2"),
        ("uuid", "00112233-44556677-8899-aabbccddeeff"), ("decimal(9,2)", "Infinity"), ("year", "x1"),
    ],
)  # fmt: skip
def test_what_is_nearly_a_value_is_none(kind: str, text: str) -> None:
    with pytest.raises(PlanError):
        read_key("t", (text,), (column(kind),))


def test_names_are_told_from_values_by_the_columns_of_the_key() -> None:
    """The longer name first, where one begins another; an order of their own."""
    columns = (Column("a", "varchar(9)", False), Column("ab", "varchar(9)", False))
    assert read_key("t", ("ab=1,a=2",), columns) == ("2", "1")
    assert read_key("t", ("a=x, ab=y",), columns) == ("x", "y")
    assert read_key("t", ("ab=y", "a=x"), columns) == ("x", "y")
    assert read_key("t", ("c=1", "d=2"), columns) == ("c=1", "d=2")
    assert read_key("t", (" a=1",), columns[:1]) == ("1",)
    assert read_key("t", ("1, 2",), columns) == ("1", "2")


def test_a_key_of_a_program_has_times_as_the_source_prints_them() -> None:
    assert words_of(dt.datetime(2024, 1, 31, 8)) == ("2024-01-31 08:00:00",)
    assert words_of([dt.date(2024, 1, 31), Decimal("1.50")]) == ("2024-01-31", "1.50")
    assert words_of({"at": dt.datetime(2024, 1, 31, 8), "b": b"\x0a"}) == ("at=2024-01-31 08:00:00", "b=\\x0a")
    assert words_of(None) == ("None",)
