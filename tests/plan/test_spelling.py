"""Names that the target cannot spell are refused before anything is created."""

from __future__ import annotations

import codecs

import pytest
from encodings_of_servers import ENCODINGS
from ways import wanted

from bulketl.errors import PlanError
from bulketl.plan.spelling import _CODECS, check_spelling
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.checks import Check


def test_every_encoding_but_those_that_take_all_is_known() -> None:
    """Postgres has no others for a database."""
    assert {*_CODECS, "UTF8", "SQL_ASCII", "MULE_INTERNAL"} == {*ENCODINGS}


@pytest.mark.parametrize("encoding", sorted(_CODECS))
def test_a_name_that_the_encoding_lacks_is_refused(encoding: str) -> None:
    """Of a table, a column, a check; one that it has is not."""
    codecs.lookup(_CODECS[encoding])
    has = next(chr(n) for n in range(0xA1, 0x2000) if _has(chr(n), _CODECS[encoding]))
    check_spelling(wanted(table=f"t{has}", casts=(cast(Column(has, "int", True)),), key=()), encoding)
    odd = "\u0b95"  # a letter that none of them has
    for facts in (
        {"table": odd},
        {"casts": (cast(Column("c", "int", True)), cast(Column(odd, "int", True))), "key": ()},
        {"checks": (Check("regex", ("c",), text=odd),)},
    ):
        with pytest.raises(PlanError, match=f"{odd}.* its database is in {encoding}"):
            check_spelling(wanted(**facts), encoding)
        check_spelling(wanted(**facts), "UTF8")
        check_spelling(wanted(**facts), "SQL_ASCII")


# Of encodings of one byte, a letter that each has and the next one lacks.
LETTERS = {
    "LATIN1": "Þ", "LATIN2": "Ł", "LATIN3": "Ħ", "LATIN4": "Ŋ", "LATIN5": "Ğ", "LATIN6": "Đ", "LATIN7": "Ģ", "LATIN8": "Ŵ",
    "LATIN9": "Œ", "LATIN10": "Ș", "ISO_8859_5": "Ж", "ISO_8859_6": "ع", "ISO_8859_7": "Ω", "ISO_8859_8": "ש",
    "WIN1250": "Ř", "WIN1251": "Ж", "WIN1252": "Œ", "WIN1253": "Ω", "WIN1254": "Ğ", "WIN1255": "ש", "WIN1256": "ع",
    "WIN1257": "Ģ", "WIN1258": "ơ", "KOI8R": "Ж", "KOI8U": "ґ", "WIN866": "Ж", "WIN874": "ก",
}  # fmt: skip
CODECS = {
    "LATIN1": 1, "LATIN2": 2, "LATIN3": 3, "LATIN4": 4, "LATIN5": 9, "LATIN6": 10, "LATIN7": 13, "LATIN8": 14, "LATIN9": 15,
    "LATIN10": 16,
}  # fmt: skip


def test_each_latin_alphabet_is_the_part_of_iso_8859_that_postgres_means() -> None:
    assert {name: codec for name, codec in _CODECS.items() if name.startswith("LATIN")} == {
        name: f"iso8859-{part}" for name, part in CODECS.items()
    }


@pytest.mark.parametrize("encoding", LETTERS)
def test_a_letter_of_an_encoding_is_taken_and_one_of_another_alphabet_is_not(encoding: str) -> None:
    def taken(letter: str) -> bool:
        try:
            check_spelling(wanted(table=f"t{letter}"), encoding)
        except PlanError:
            return False
        return True

    assert taken(LETTERS[encoding])
    assert not taken("か")


def test_a_name_that_cannot_be_spelt_is_refused_with_what_to_do() -> None:
    where = "which the target cannot spell: its database is in LATIN1"
    told = []
    for facts in (
        {"table": "ł"}, {"casts": (cast(Column("ł", "int", True)),), "key": ()},
        {"checks": (Check("regex", ("c",), text="ł"),)},
    ):  # fmt: skip
        with pytest.raises(PlanError) as caught:
            check_spelling(wanted(**facts), "LATIN1")
        told.append((caught.value.message, caught.value.hint))
    assert told == [
        (
            f"table name 'ł' has characters {where}",
            "name a view with another name in tables.yaml, set exclude: true, or load into a database in UTF8",
        ),
        (
            f"column name 'ł' of 't' has characters {where}",
            (
                "name it under exclude_columns, name a view with another name for it in tables.yaml, or load into a "
                "database in UTF8"
            ),
        ),
        (
            f"the check `regex c ł` of table 't' has characters {where}",
            "write it without them, as an expression perhaps, or load into a database in UTF8",
        ),
    ]


def _has(letter: str, codec: str) -> bool:
    try:
        letter.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
