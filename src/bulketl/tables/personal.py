"""Which columns look personal, and how each could be masked: one list of rules, by words of names, types and values.

A name is read by its words, as everywhere (`naming`); the first rule that fits counts. Where no name tells, the shape of
values may. It is a proposal to a person, who knows what a column holds: nothing is masked because a rule fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bulketl.tables.catalog import Column, Table
from bulketl.tables.naming import words
from bulketl.tables.types import INTEGERS, TIMES

Sort = Literal["text", "long text", "date", "integer"]
ENOUGH, MOST_OF = 20, 0.6  # values that are looked at, at least, and the share of them that must have the shape
_LONG = 200  # characters of a varchar that may hold sentences
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")


class PersonalRule(NamedTuple):
    """What a column may be: words of which its name has one (two with a blank: both), sorts of values, and a mask."""

    what: str
    words: tuple[str, ...]
    sorts: tuple[Sort, ...]
    mask: Mapping[str, str] | str


_TEXT: tuple[Sort, ...] = ("text", "long text")
RULES: tuple[PersonalRule, ...] = (
    PersonalRule("e-mail address", ("email", "emails", "e mail", "emailaddress"), _TEXT, "hmac"),
    PersonalRule("number of social security", ("ssn", "social security", "nino"), (*_TEXT, "integer"), "hmac"),
    PersonalRule("date of birth", ("birthdate", "birthday", "birth", "dob", "dateofbirth"), ("date",), "generalise"),
    PersonalRule("date of death", ("deceased", "death", "died"), ("date",), "generalise"),
    PersonalRule(
        "phone number", ("phone", "phones", "telephone", "tel", "mobile", "cell", "fax", "phonenumber"), _TEXT, "partial"
    ),
    PersonalRule(
        "number of a person", ("medicaid", "medicare", "passport", "iban", "license", "licence", "subscriber id",
        "chart number", "driver license", "account number", "card number"), (*_TEXT, "integer"), "hmac",
    ),
    PersonalRule(
        "first name", ("f name", "fname", "first name", "given name", "forename", "middle name", "preferred name"), _TEXT,
        {"method": "fake", "of": "first_name"},
    ),
    PersonalRule(
        "last name", ("l name", "lname", "last name", "lastname", "surname", "maiden name", "family name"), _TEXT,
        {"method": "fake", "of": "last_name"},
    ),
    PersonalRule("name", ("fullname", "full name", "patient name", "name full"), _TEXT, {"method": "fake", "of": "name"}),
    PersonalRule("ZIP", ("zip", "zipcode", "postal", "postcode"), _TEXT, "generalise"),
    PersonalRule("address", ("address", "street", "addressline"), _TEXT, {"method": "fake", "of": "street"}),
    PersonalRule(
        "free text", ("note", "notes", "comment", "comments", "memo", "remark", "remarks", "narrative"), ("long text",),
        "null",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shapes:
    """Of values of a column that were looked at: how many there were, and how many have each shape."""

    values: int
    emails: int
    numbers: int  # of social security: nine digits in three, two and four
    phones: int


# As MySQL's REGEXP reads them, in the order of the fields of `Shapes`.
SHAPES = (
    "^[^@ ]+@[^@ ]+[.][A-Za-z]+$",
    "^[0-9]{3}-[0-9]{2}-[0-9]{4}$",
    "^[+(]?[0-9][0-9 ()./-]{6,}[0-9]$",
)
_OF_SHAPE = ("e-mail address", "number of social security", "phone number")


@dataclass(frozen=True, slots=True)
class Personal:
    """A column that looks personal: what it may be, why one thinks so, and how it could be masked."""

    column: str
    what: str
    why: str
    mask: Mapping[str, str] | str


def sort_of(column: Column) -> Sort | None:
    """Return the sort of a column's values, None for one that no rule is about."""
    base, sizes = column.parsed.base, column.parsed.sizes
    if base in _TEXTS:
        short = base in ("char", "varchar", "tinytext") and (sizes[:1] or (0,))[0] < _LONG
        return "text" if short else "long text"
    if base in INTEGERS:
        return "integer"
    return "date" if base in TIMES and base != "time" else None


def texts_of(table: Table) -> list[str]:
    """Return the columns of text that may be read, whose values may tell where no name does."""
    return [column.name for column in table.columns if sort_of(column) in _TEXT and column.readable]


def personal(table: Table, shapes: Mapping[str, Shapes], needed: frozenset[str]) -> tuple[Personal, ...]:
    """Return the columns of a table that look personal; `needed` are those that no mask can be on, as its key and cursor."""
    found = (_looks(column, shapes.get(column.name)) for column in table.columns if column.name not in needed)
    return tuple(one for one in found if one)


def _looks(column: Column, shapes: Shapes | None) -> Personal | None:
    sort = sort_of(column)
    if sort is None:
        return None
    named = {word for word in words(column.name) if not word.isdigit()}
    joined = re.sub("[^a-z]", "", column.name.lower())
    for rule in RULES:
        word = next((one for one in rule.words if named.issuperset(one.split()) or joined == one.replace(" ", "")), "")
        if word and sort in rule.sorts:
            return Personal(column.name, rule.what, f"by its name ({word})", rule.mask)
    if shapes is None or shapes.values < ENOUGH or sort not in _TEXT:
        return None
    counts = (shapes.emails, shapes.numbers, shapes.phones)
    for what, count in zip(_OF_SHAPE, counts, strict=True):
        if count >= MOST_OF * shapes.values:
            rule = next(rule for rule in RULES if rule.what == what)
            return Personal(column.name, what, f"by its values ({count} of {shapes.values})", rule.mask)
    return None
