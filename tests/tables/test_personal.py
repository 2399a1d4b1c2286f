"""What looks personal: by words of names, sorts of values, and shapes."""

from __future__ import annotations

import re

import pytest

from bulketl.config.masks import MaskEntry
from bulketl.tables.catalog import Column, Table
from bulketl.tables.personal import ENOUGH, RULES, SHAPES, Shapes, personal, sort_of, texts_of

NOBODY: frozenset[str] = frozenset()
KINDS = {"text": "varchar(99)", "long text": "text", "date": "date", "integer": "int"}  # a type of each sort


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


# What each may be: the sorts of values that it has, the mask that is proposed, and names, each with the word that tells.
NAMED: dict[str, tuple[str, object, str]] = {
    "e-mail address": (
        "text, long text",
        "hmac",
        "ContactEmail email, all_emails emails, e_mail email, home_e_mail e mail, emailaddress2 emailaddress",
    ),
    "number of social security": (
        "text, long text, integer",
        "hmac",
        "PatSSN ssn, social_security_no social security, nino nino",
    ),
    "date of birth": (
        "date",
        "generalise",
        "Birthdate birthdate, birthday birthday, date_of_birth birth, dob dob, dateofbirth dateofbirth",
    ),
    "date of death": (
        "date",
        "generalise",
        "deceased_on deceased, DateOfDeath death, died died",
    ),
    "phone number": (
        "text, long text",
        "partial",
        (
            "HmPhone phone, phones phones, telephone_1 telephone, tel tel, mobile mobile, cell_no cell, Fax fax, "
            "phonenumber phonenumber"
        ),
    ),
    "number of a person": (
        "text, long text, integer",
        "hmac",
        (
            "MedicaidID medicaid, medicare_no medicare, passport passport, IBAN iban, StateLicense license, "
            "licence_no licence, SubscriberID subscriber id, ChartNumber chart number, driverlicense driver "
            "license, account_number account number, CardNumber card number"
        ),
    ),
    "first name": (
        "text, long text",
        {"method": "fake", "of": "first_name"},
        (
            "FName f name, fname f name, pat_fname fname, first_name first name, GivenName given name, forename "
            "forename, middle_name middle name, PreferredName preferred name"
        ),
    ),
    "last name": (
        "text, long text",
        {"method": "fake", "of": "last_name"},
        (
            "LName l name, lname l name, pat_lname lname, last_name last name, pat_lastname lastname, surname "
            "surname, MaidenName maiden name, family_name family name"
        ),
    ),
    "name": (
        "text, long text",
        {"method": "fake", "of": "name"},
        (
            "pat_fullname fullname, full_name fullname, full_legal_name full name, PatientName patient name, "
            "NameFull full name, namefull name full"
        ),
    ),
    "ZIP": (
        "text, long text",
        "generalise",
        "Zip zip, zipcode zipcode, postal_code postal, postcode postcode",
    ),
    "address": (
        "text, long text",
        {"method": "fake", "of": "street"},
        "Address2 address, street street, addressline1 addressline",
    ),
    "free text": (
        "long text",
        "null",
        (
            "Note note, notes notes, comment comment, comments comments, memo memo, remark remark, remarks "
            "remarks, narrative narrative"
        ),
    ),
}


CASES = [(what, *one.split(" ", 1)) for what, (_, _, names) in NAMED.items() for one in names.split(", ")]


@pytest.mark.parametrize(("what", "name", "word"), CASES)
def test_a_name_tells_by_one_of_its_words_where_the_sort_of_its_values_is_one_of_such(
    what: str, name: str, word: str
) -> None:
    """And says which word it was, and how the column could be masked."""
    sorts, mask, _ = NAMED[what]
    for sort, kind in KINDS.items():
        found = personal(Table("t", (Column(name, kind, True),)), {}, NOBODY)
        if sort not in sorts.split(", "):
            assert found == (), (sort, found)
            continue
        ((one),) = found
        assert (one.column, one.what, one.why, one.mask) == (name, what, f"by its name ({word})", mask)


def test_every_word_of_a_rule_has_such_a_name() -> None:
    told = {what: {word for one, _, word in CASES if one == what} for what in NAMED}
    assert {rule.what: {*rule.words} for rule in RULES} == told


SORTS = {
    "text": "char(9), varchar(199), tinytext",
    "long text": "varchar(200), text, mediumtext, longtext",
    "integer": "tinyint, int unsigned, bigint",
    "date": "date, datetime(3), timestamp",
    None: "time, double, blob, year",
}


@pytest.mark.parametrize(("kind", "sort"), [(kind, sort) for sort, kinds in SORTS.items() for kind in kinds.split(", ")])
def test_values_are_of_a_sort_by_their_type(kind: str, sort: str | None) -> None:
    """Sentences may stand in what is long."""
    assert sort_of(Column("c", kind, True)) == sort


def test_texts_that_may_be_read_are_looked_at() -> None:
    columns = [Column(name, kind, True) for name, kind in KINDS.items()]
    assert texts_of(Table("t", (*columns, Column("secret", "text", True, readable=False)))) == ["text", "long text"]


def test_values_tell_where_no_name_does() -> None:
    """If there are enough of them, and most have the shape."""
    (one,) = personal(Table("t", (Column("contact", "text", True),)), {"contact": Shapes(20, 0, 0, 12)}, NOBODY)
    assert (one.what, one.why, one.mask) == ("phone number", "by its values (12 of 20)", "partial")
    assert looks("contact", "text", Shapes(20, 0, 0, 11)) == ""
    assert looks("contact", "text", Shapes(ENOUGH - 1, 0, 0, ENOUGH - 1)) == ""
    assert looks("contact", "int", Shapes(100, 0, 0, 100)) == ""
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
