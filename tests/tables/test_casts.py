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
from bulketl.tables.casts import RULES, CastRule, cast, encoder_of, narrower, parse_target, quoted, typed
from bulketl.tables.catalog import Column
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
        ("point", "point", False),
    ],
)  # fmt: skip
def test_a_type_of_the_target_is_narrower_when_some_value_has_no_room(there: str, needed: str, expected: bool) -> None:
    assert narrower(there, needed) is expected
