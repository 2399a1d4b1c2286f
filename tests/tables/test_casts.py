"""Types taken apart, rules chosen, and what cannot be refused with a reason."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bulketl.cli.app import app
from bulketl.errors import PlanError
from bulketl.tables.casts import (
    RULES,
    CastRule,
    Masked,
    cast,
    encoder_of,
    held_type,
    narrower,
    parse_target,
    quoted,
    typed,
    unhashed,
)
from bulketl.tables.catalog import Column
from bulketl.tables.masks import Mask
from bulketl.tables.types import TypeName, parse_type


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int(10) unsigned zerofill", TypeName("int", (10,), True)),
        ("decimal(10,2)", TypeName("decimal", (10, 2))),
        ("DECIMAL(7)", TypeName("decimal", (7, 0))),
        ("decimal", TypeName("decimal", (10, 0))),
        ("datetime", TypeName("datetime", (0,))),
        ("datetime(6)", TypeName("datetime", (6,))),
        ("enum('a(1)','b),unsigned')", TypeName("enum")),
        ("set('x')", TypeName("set")),
        ("bit", TypeName("bit", (1,))),
        ("double unsigned", TypeName("double", (), True)),
        ("varchar(191)", TypeName("varchar", (191,))),
        ("timestamp /* mariadb-5.3 */", TypeName("timestamp", (0,))),
    ],
)
def test_a_mysql_type_is_taken_apart(text: str, expected: TypeName) -> None:
    """As information_schema spells it."""
    found = parse_type(text)
    assert (found.base, found.sizes) == (expected.base, expected.sizes)
    assert found.unsigned == expected.unsigned or found.base == "enum"


@given(st.text(max_size=30))
def test_any_text_is_taken_apart_or_refused_as_a_type(text: str) -> None:
    """No input makes the parsers fail otherwise."""
    parse_type(text)
    with contextlib.suppress(ValueError):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INT4", ("integer", ())),
        ("timestamp with time zone", ("timestamptz", ())),
        ("numeric( 12 , 4 )", ("numeric", (12, 4))),
        ("character varying(9)", ("varchar", (9,))),
        (" double precision ", ("double precision", ())),
    ],
)
def test_a_postgres_type_is_known_by_all_its_names(text: str, expected: tuple[str, tuple[int, ...]]) -> None:
    """Declared types may be spelt as people do."""
    assert parse_target(text) == expected


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_target_that_is_a_type_and_a_read_that_names_its_column(rule: CastRule) -> None:
    """The list is data; this is what the data must be."""
    parse_target(rule.target.format(1, 1))
    assert "{c}" in rule.read


@pytest.mark.parametrize(
    ("kind", "declared", "words"),
    [
        ("money", "", "no cast rule takes"),
        ("int", "date", "no cast rule makes"),
        ("varchar(9)", "integer", "no cast rule makes"),
        ("decimal(10,4)", "numeric(10,2)", "does not fit"),
        ("decimal(10,4)", "numeric(8,4)", "does not fit"),
        ("bigint unsigned", "numeric(10)", "does not fit"),
    ],
)
def test_a_cast_that_would_lose_something_or_is_none_is_refused(kind: str, declared: str, words: str) -> None:
    """The message names the column, the hint what to declare."""
    with pytest.raises(PlanError, match=words) as caught:
        cast(Column("fee", kind, True), declared)
    assert "'fee'" in caught.value.message
    assert caught.value.hint


REFUSED: list[tuple[str, str, str, str]] = [
    ("money", "", "column 'fee' has the type 'money', which no cast rule takes",
     "exclude the column with exclude_columns, or cast it in a view at the source and name that in tables.yaml"),
    ("int", "date", "column 'fee' is int, which no cast rule makes into 'date'",
     "declare one of: bigint, boolean, integer, numeric, smallint"),
    ("varchar(9)", "integer", "column 'fee' is varchar(9), which no cast rule makes into 'integer'",
     "declare one of: json, jsonb, text, varchar"),
    ("decimal(10,4)", "numeric(10,2)", "column 'fee' is decimal(10,4), which does not fit the declared numeric(10,2)",
     "declare numeric(10,4) or wider: a narrower one would round or refuse values"),
    ("decimal(10,4)", "numeric(9,4)", "column 'fee' is decimal(10,4), which does not fit the declared numeric(9,4)",
     "declare numeric(10,4) or wider: a narrower one would round or refuse values"),
    ("bigint unsigned", "numeric(19)", "column 'fee' is bigint unsigned, which does not fit the declared numeric(19)",
     "declare numeric(20,0) or wider: a narrower one would round or refuse values"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "declared", "message", "hint"), REFUSED)
def test_a_refused_cast_says_what_would_do(kind: str, declared: str, message: str, hint: str) -> None:
    with pytest.raises(PlanError) as caught:
        cast(Column("fee", kind, True), declared)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("kind", "declared", "target", "wire"),
    [
        ("decimal(10,4)", "numeric(10,4)", "numeric(10,4)", "decimal128(10, 4)"),
        ("decimal(10,4)", "numeric(12,6)", "numeric(12,6)", "decimal128(12, 6)"),
        ("decimal(10,4)", "numeric", "numeric(10,4)", "decimal128(10, 4)"),
        ("decimal(10)", "numeric(10)", "numeric(10,0)", "decimal128(10, 0)"),
        ("decimal(38,2)", "", "numeric(38,2)", "decimal128(38, 2)"),
        ("decimal(39,2)", "", "numeric(39,2)", "decimal256(39, 2)"),
        ("decimal(38,2)", "numeric(39,2)", "numeric(39,2)", "decimal256(39, 2)"),
        ("bigint unsigned", "numeric(20)", "numeric(20,0)", "uint64"),
        ("int", "numeric(20,0)", "numeric(20,0)", "int64"),
        ("varchar(9)", "varchar", "varchar", "string"), ("varchar(9)", "varchar(20)", "varchar(20)", "string"),
        ("varchar(9)", "", "varchar(9)", "string"), ("varchar(0)", "", "text", "string"), ("char(255)", "", "varchar(255)",
         "string"),
        ("datetime(3)", "timestamp", "timestamp(3)", "timestamp[us]"),
        ("timestamp", "TIMESTAMP WITH TIME ZONE", "timestamptz(0)", "timestamp[us, tz=UTC]"),
        ("tinyint(1)", "bool", "boolean", "bool"), ("int", "int8", "bigint", "int64"), ("int", "int2", "smallint", "int16"),
        ("float", "float8", "double precision", "double"), ("float", "float4", "real", "float"),
        ("time", "time without time zone", "time(0)", "time64[us]"),
        ("datetime", "timestamp without time zone", "timestamp(0)", "timestamp[us]"),
        ("decimal(5,2)", "decimal(5,2)", "numeric(5,2)", "decimal128(5, 2)"),
        ("tinyint", "int4", "integer", "int32"), ("year", "int", "integer", "int32"),
        ("bit(1)", "", "boolean", "bool"), ("bit(2)", "", "bigint", "int64"), ("bit(63)", "", "bigint", "int64"),
        ("bit(64)", "", "numeric(20,0)", "uint64"), ("binary(16)", "uuid", "uuid", "large_binary"),
    ],
)  # fmt: skip
def test_a_column_becomes_what_is_declared_or_the_first_that_holds_it(
    kind: str, declared: str, target: str, wire: str
) -> None:
    """However the declared type is spelt; its sizes are those declared, or the source's own."""
    made = cast(Column("c", kind, True), declared)
    assert (made.target, made.wire, made.source, made.nullable) == (target, wire, kind, True)


@pytest.mark.parametrize(
    ("kind", "declared", "packed", "unpack"),
    [
        ("decimal(18,2)", "", "CAST(`c`*100 AS SIGNED)", "digits"), ("decimal(19,2)", "", "", ""),
        ("date", "", "CAST(`c`*1 AS SIGNED)", "date"), ("datetime(4)", "", "CAST(`c`*10000 AS SIGNED)", "moment"),
        ("datetime(5)", "", "", ""), ("timestamp(4)", "", "CAST(`c`*10000 AS SIGNED)", "moment"),
        ("timestamp(5)", "", "", ""), ("time(6)", "", "CAST(`c`*1000000 AS SIGNED)", "span"),
        ("time", "time", "CAST(`c`*1 AS SIGNED)", "clock"),
        ("timestamp(6)", "timestamptz", "CAST(UNIX_TIMESTAMP(`c`)*1000000 AS SIGNED)", "instant"),
        ("bit(1)", "", "CAST(`c` AS UNSIGNED)", "flag"), ("int", "", "", ""),
    ],
)  # fmt: skip
def test_what_a_number_of_64_bits_has_room_for_is_read_as_one(kind: str, declared: str, packed: str, unpack: str) -> None:
    made = cast(Column("c", kind, True), declared)
    assert (made.packed, made.unpack) == (packed, unpack)


def test_how_a_column_is_called_packed_and_masked_is_not_in_its_text() -> None:
    """The hash of how a table is loaded is of that text: a faster way to read has no table loaded again."""
    one = cast(Column("c", "decimal(9,2)", True))
    more = dataclasses.replace(one, name="d", packed="x", unpack="y", masked=Masked(Mask("null"), "text", "string"))
    assert repr(more) == repr(one)
    for field in ("column", "source", "target", "wire", "read", "clean", "nullable", "guarded"):
        assert f"{field}=" in repr(one)
    assert (one.name, more.name) == ("c", "d")
    assert (more.unmasked.target, more.unmasked.wire, more.unmasked.masked) == ("text", "string", None)
    assert (more.written.target, more.written.masked) == (one.target, None)
    assert one.unmasked is one
    assert one.written is one
    assert not more.hashable


@pytest.mark.parametrize(
    ("kind", "declared", "hashable"),
    [("text", "jsonb", False), ("json", "", True), ("text", "json", True), ("int", "", True)],
)
def test_a_text_that_becomes_jsonb_is_in_no_hash(kind: str, declared: str, hashable: bool) -> None:
    """Postgres spells it anew; JSON of the source is spelt alike by both."""
    one = cast(Column("c", kind, True), declared)
    assert one.hashable == hashable
    assert unhashed((one, dataclasses.replace(one, column="x", source=""))) == (() if hashable else ("c",))


def test_an_invalid_date_is_guarded_against_where_it_can_be_one() -> None:
    guarded = [
        kind for kind in ("date", "datetime", "timestamp", "time", "year", "int") if cast(Column("c", kind, True)).guarded
    ]
    assert guarded == ["date", "datetime", "timestamp"]
    assert not cast(Column("c", "date", True), "text").guarded


def test_a_type_that_no_rule_makes_is_its_own_name() -> None:
    assert held_type("numeric(9,2)") == ("numeric", (9, 2))
    for text in ("mood", "integer[]", "interval day to second(3)", "", "numeric(1,2,3)"):
        assert held_type(text) == (text, ())
    with pytest.raises(ValueError, match=r"^'mood' is not a type that a cast rule makes; one of: bigint, boolean, bytea"):
        parse_target("mood")


@given(st.text())
def test_a_name_in_backticks_ends_where_it_should(name: str) -> None:
    """Backticks inside are doubled."""
    inside = quoted(name)[1:-1]
    assert inside.replace("``", "").count("`") == 0
    assert inside.replace("``", "`") == name


def test_the_command_prints_every_rule_and_what_is_counted() -> None:
    """Nobody has to open the docs to learn that a value may be changed."""
    shown = " ".join(CliRunner().invoke(app, ["casts"], env={"COLUMNS": "200"}).stdout.split())
    assert all(rule.source in shown for rule in RULES)
    assert "invalid date to NULL; NUL byte stripped; -0 in JSON to 0; double key in JSON" in shown


def test_a_type_of_character_set_binary_is_told_from_its_members() -> None:
    """Members may be spelt like anything; MySQL leaves the character set's name out."""
    assert parse_type("enum('a) unsigned','x character set binary')").base == "enum"
    assert parse_type(typed("enum('a','b')", "binary")).base == "enum binary"
    assert parse_type(typed("set('a')", "")).base == "set binary"
    assert typed("set('a')", "latin1") == "set('a')"
    assert typed("varbinary(3)", "") == "varbinary(3)"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.wire} {rule.target}")
def test_json_and_integers_that_become_numerics_are_copied_by_adbc_and_nothing_else_is(rule: CastRule) -> None:
    """The type matrix copies each; this is why it takes the one encoder or the other."""
    item = dataclasses.replace(cast(Column("c", "int", True)), wire=rule.wire.format(9, 2), target=rule.target.format(9, 2))
    integer = rule.wire.startswith("int") and rule.target.startswith("numeric")
    assert encoder_of((item,)) == ("adbc" if rule.wire.startswith("extension") or integer else "pgpq")


@pytest.mark.parametrize(
    ("there", "needed", "expected"),
    [
        ("numeric(10,2)", "numeric(12,2)", True), ("numeric(10,2)", "numeric(10,4)", True),
        ("numeric(12,4)", "numeric(10,2)", False),
        ("numeric", "numeric(10,2)", False), ("numeric(10,2)", "numeric", True), ("integer", "bigint", True),
        ("bigint", "integer", False), ("real", "double precision", True), ("varchar(9)", "varchar(10)", True),
        ("varchar(10)", "varchar(9)", False), ("varchar", "varchar(9)", False), ("varchar(9)", "text", True),
        ("varchar", "text", False), ("text", "varchar(9)", False), ("numeric", "bigint", False), ("bytea", "text", True),
        ("point", "point", False), ("mood", "text", True), ("text", "mood", False), ("numeric(10,0)", "numeric(10,2)", True),
        ("numeric(12,2)", "numeric(12,2)", False), ("numeric(12,2)", "numeric(11,1)", False), ("smallint", "integer", True),
        ("numeric(12,2)", "numeric(12,1)", True), ("integer", "smallint", False), ("integer", "integer", False),
        ("integer", "real", False), ("real", "bigint", True), ("double precision", "bigint", False),
        ("timestamp(0)", "timestamp(3)", True), ("timestamp(3)", "timestamp(0)", False), ("varchar(9)", "varchar", True),
        ("varchar(9)", "varchar(9)", False), ("text", "integer", False), ("integer", "numeric", True),
        ("varchar(9)", "integer", True), ("varchar", "integer", False),
    ],
)  # fmt: skip
def test_a_type_of_the_target_is_narrower_when_some_value_has_no_room(there: str, needed: str, expected: bool) -> None:
    assert narrower(there, needed) is expected
