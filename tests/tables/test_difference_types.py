"""Between which types each class of differences is looked for, and in which form two values are compared."""

from __future__ import annotations

import pytest

from bulketl.tables.differences import BY_NAME, CLASSES, WORDS, base_of, claiming, family, spelt

NUMBERS = ("smallint", "integer", "bigint", "numeric(9,2)", "real", "double precision")
TEXTS = ("text", "varchar(9)", "character", "bpchar")
MOMENTS = ("date", "timestamp(3)", "timestamptz(0)")
JSONS = ("json", "jsonb")
OTHERS = ("boolean", "bytea", "uuid", "interval", "time", "point")
ALL = (*NUMBERS, *TEXTS, *MOMENTS, *JSONS, *OTHERS)
# Of each class of values: the types that the older pipeline's column may have, and those of bulketl's.
BETWEEN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "empty-for-null": (TEXTS, ALL), "null-for-empty": (ALL, TEXTS), "zero-date": (MOMENTS, MOMENTS),
    "zero-date-text": (TEXTS, MOMENTS), "boolean": (("boolean",), NUMBERS), "number-for-boolean": (NUMBERS, ("boolean",)),
    "seconds": (MOMENTS, MOMENTS), "rounded-seconds": (MOMENTS, MOMENTS), "milliseconds": (MOMENTS, MOMENTS),
    "day": (MOMENTS, MOMENTS), "zone": (MOMENTS, MOMENTS), "rounded": (NUMBERS[:4], NUMBERS),
    "cut-places": (NUMBERS[:4], NUMBERS), "real": (("real",), ("double precision", "numeric(9,2)")),
    "trailing-blanks": (TEXTS, TEXTS), "blanks": (TEXTS, TEXTS), "cut-text": (TEXTS, TEXTS), "case": (TEXTS, TEXTS),
    "encoding": (TEXTS, TEXTS), "json": ((*TEXTS, *JSONS), JSONS),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_a_class_is_looked_for_between_the_types_that_it_is_of(name: str) -> None:
    """Rounding and cutting only where the older type tells its places; all by a server that knows the condition."""
    olds, news = BETWEEN[name]
    fitting = {(old, new) for old in ALL for new in ALL if BY_NAME[name].fits(old, new, 180000)}
    assert fitting == {(old, new) for old in olds for new in news}
    older = BY_NAME[name].fits(olds[0], news[0], 150000)
    assert older == (name != "json")
    assert BY_NAME[name].fits(olds[0], news[0], 160000)
    assert not BY_NAME[name].fits("numeric", "numeric", 180000) or name not in ("rounded", "cut-places")


def test_classes_of_rows_and_columns_have_no_condition_and_are_found_by_other_means() -> None:
    """The first class that holds counts, so their order is one of those that explain less to those that explain more."""
    assert [one.name for one in CLASSES if one.what == "values"] == list(BETWEEN)
    assert [one.name for one in CLASSES if one.what == "rows"] == [
        "lacks-rows", "lacks-deleted", "keeps-deleted", "ahead", "doubled", "keyless",
    ]  # fmt: skip
    assert [one.name for one in CLASSES if one.what == "columns"] == ["figure", "type", "lacks-column", "own-column"]
    for one in CLASSES:
        assert bool(one.condition) == (one.what == "values")
        assert not (one.what != "values" and one.fits("text", "text", 180000))
    assert {one.name for one in CLASSES if one.number} == {"zone", "cut-text"}
    assert {one.name: one.per for one in CLASSES if one.per != 1} == {"zone": 4}
    assert {name for name, words in WORDS.items() if " N " in words} == {"zone", "cut-text"}


def test_a_type_is_of_a_family_or_its_own() -> None:
    families = {"number": NUMBERS, "text": TEXTS, "moment": MOMENTS, "json": JSONS}
    for name, kinds in families.items():
        for kind in kinds:
            assert family(kind) == name
    assert [family(kind) for kind in OTHERS] == list(OTHERS)
    assert family("character(9)") == family("bpchar(3)") == "text"
    assert [base_of(kind) for kind in ("numeric(9,2)", "time(6)", "interval day to second(3)", "mood")] == [
        "numeric", "time", "interval day to second", "mood",
    ]  # fmt: skip


PLAIN, AS_TEXT, MOMENT = ("(O)", "(N)"), ('(O::text COLLATE "C")', '(N::text COLLATE "C")'), "({}::timestamp)"


@pytest.mark.parametrize(
    ("kinds", "forms"),
    [
        *(((one, other), PLAIN) for one, other in (("integer", "bigint"), ("numeric(9,2)", "real"), ("jsonb", "jsonb"))),
        *(((kind, kind), PLAIN) for kind in ("boolean", "bytea", "uuid", "interval", "time(6)")),
        *(((kind, other), AS_TEXT) for kind, other in (
            ("text", "varchar(9)"), ("json", "json"), ("json", "jsonb"), ("point", "point"), ("uuid", "bytea"),
            ("integer", "text"), ("date", "text"), ("boolean", "smallint"),
        )),
        (("date", "timestamp(0)"), ("(O::timestamp)", "(N::timestamp)")),
        (("timestamptz(0)", "date"), ("(O AT TIME ZONE 'UTC')", "(N::timestamp)")),
        (("timestamp", "timestamptz(3)"), ("(O::timestamp)", "(N AT TIME ZONE 'UTC')")),
    ],
)  # fmt: skip
def test_two_values_are_compared_in_a_form_that_is_exact(kinds: tuple[str, str], forms: tuple[str, str]) -> None:
    """Numbers as numbers, times as times without a zone, all else as text, letter by letter."""
    assert spelt("O", "N", kinds) == forms


def test_a_condition_names_both_values_and_the_places_of_the_older_type() -> None:
    assert claiming(BY_NAME["rounded"], "O", "N", ("numeric(9,1)", "numeric(9,3)")) == (
        "(O)::numeric = round((N)::numeric, 1)", "0",
    )  # fmt: skip
    condition, number = claiming(BY_NAME["cut-text"], "O", "N", ("text", "text"))
    assert condition.endswith('starts_with((N::text COLLATE "C"), (O::text COLLATE "C"))')
    assert number == '(char_length((O::text COLLATE "C")))::bigint'
    assert all("{" not in "".join(claiming(one, "O", "N", ("integer", "integer"))) for one in CLASSES)
