"""What looks personal: by words of names, sorts of values, and shapes."""

from __future__ import annotations

import re

import pytest

from bulketl.config.masks import MaskEntry
from bulketl.tables.catalog import Column, Table
from bulketl.tables.personal import RULES, SHAPES, Shapes, personal

NOBODY: frozenset[str] = frozenset()


def looks(name: str, kind: str, shapes: Shapes | None = None) -> str:
    table = Table("t", (Column(name, kind, True),))
    found = personal(table, {name: shapes} if shapes else {}, NOBODY)
    return found[0].what if found else ""


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("SSN", "varchar(100)", "number of social security"),
        ("patient_ssn", "int", "number of social security"),
        ("socialsecurity", "char(9)", "number of social security"),
        ("Birthdate", "date", "date of birth"),
        ("dob", "datetime", "date of birth"),
        ("birth_city", "varchar(30)", ""),
        ("WirelessPhone", "varchar(30)", "phone number"),
        ("PhoneNum", "bigint", ""),
        ("microphone", "varchar(30)", ""),
        ("EmailAddress", "varchar(99)", "e-mail address"),
        ("e_mail", "varchar(99)", "e-mail address"),
        ("LName", "varchar(100)", "last name"),
        ("lastname", "varchar(100)", "last name"),
        ("FirstName", "varchar(100)", "first name"),
        ("Zip", "varchar(10)", "ZIP"),
        ("Address2", "varchar(100)", "address"),
        ("AddrNote", "text", "free text"),
        ("Note", "varchar(20)", ""),
        ("name", "varchar(100)", ""),
        ("Balance", "double", ""),
    ],
)
def test_a_name_is_read_by_its_words_and_the_type_counts_too(name: str, kind: str, what: str) -> None:
    """And a word is not looked for inside another one."""
    assert looks(name, kind) == what


def test_values_tell_where_no_name_does() -> None:
    """If there are enough of them, and most have the shape."""
    assert looks("contact", "varchar(99)", Shapes(100, 80, 0, 0)) == "e-mail address"
    assert looks("contact", "varchar(99)", Shapes(100, 30, 0, 0)) == ""
    assert looks("contact", "varchar(99)", Shapes(5, 5, 0, 0)) == ""
    assert looks("code", "varchar(99)", Shapes(100, 0, 100, 100)) == "number of social security"


@pytest.mark.parametrize(
    ("value", "shape"), [("a@b.org", 0), ("123-45-6789", 1), ("(555) 123-4567", 2), ("+49 30 1234567", 2), ("2024-01-31", 2)]
)
def test_the_shapes_fit(value: str, shape: int) -> None:
    """A date may pass for a phone number: it is text then, and a person looks at it."""
    assert re.search(SHAPES[shape], value)


def test_what_no_mask_can_be_on_is_not_proposed() -> None:
    """The key and the cursor."""
    table = Table("t", (Column("SSN", "varchar(9)", False), Column("Phone", "varchar(9)", False)))
    assert [one.column for one in personal(table, {}, frozenset({"SSN"}))] == ["Phone"]


def test_every_proposed_mask_is_one() -> None:
    """As tables.yaml takes it."""
    for rule in RULES:
        assert MaskEntry.model_validate(rule.mask if isinstance(rule.mask, dict) else {"method": rule.mask})
