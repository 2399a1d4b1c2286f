"""In what ways a table of an older pipeline differs from the same table as bulketl loads it: the classes, as data.

A class of values has a condition in Postgres' SQL, in which `{old}` and `{new}` stand for the two values. The condition
holds only if the class explains the whole difference: no class claims a value that two faults together have changed. The
first class whose condition holds counts; a difference that no class claims is `unexplained`. Classes of rows and of
columns have no condition, because the comparison finds them by other means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bulketl.tables.casts import held_type
from bulketl.tables.enums import is_type_name

What = Literal["values", "rows", "columns"]
UNEXPLAINED = "unexplained"
_FAMILIES = {
    "number": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    "text": ("text", "varchar", "character", "bpchar"),
    "moment": ("date", "timestamp", "timestamptz"),
    "json": ("json", "jsonb"),
}
_FAMILY_OF = {base: family for family, bases in _FAMILIES.items() for base in bases}
_COMPARABLE = ("boolean", "bytea", "uuid", "interval", "time")  # beside the families: types that Postgres compares exactly
# Between bounds, so that a real is never asked to take what it cannot.
_AS_REAL = "CASE WHEN {new}::float8 = 0 OR abs({new}::float8) BETWEEN 1e-37 AND 3e38 THEN {old}::real = {new}::real END"
_FINITE = "CASE WHEN isfinite({old}) AND isfinite({new}) THEN %s END"
_APART = "extract(epoch FROM {old} - {new})"
# What costs much is asked last: of nearly all values a comparison of lengths or of bytes says that a class cannot hold.
_SHORTER = "octet_length({old}) < octet_length({new})"
# The case of ASCII alone costs little, and no locale makes a small letter of it a capital one.
_NO_UPPER, _NO_LOWER = "{old} = lower({old})", "{old} = upper({old})"
_WITHIN = "{old} > {new} - interval '1 second'"
_BEYOND_ASCII = r"'[^\u0001-\u007F]'"


@dataclass(frozen=True, slots=True)
class DifferenceClass:
    """A way in which two tables differ: its name, by which it is waived, and what it says of the older pipeline's table.

    `old`, `new`: families or names of the types that the condition can compare, none means all. `number`: an integer
    expression; where it is given, the class holds for a column as a whole: `N` in the words is its one value, divided by
    `per` (hours of a `zone`, which a summer changes by one). `least`: the version of Postgres that knows the condition.
    """

    name: str
    words: str
    what: What = "values"
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    condition: str = ""
    number: str = ""
    per: int = 1
    least: int = 0

    def fits(self, old: str, new: str, version: int) -> bool:
        """Tell whether the condition can be asked of columns of these two types, by a server of that version."""
        if not self.condition or version < self.least or ("{places}" in self.condition and places_of(old) is None):
            return False
        return all(
            not wanted or {family(kind), base_of(kind)} & {*wanted} for wanted, kind in ((self.old, old), (self.new, new))
        )


CLASSES = (
    DifferenceClass("empty-for-null", "'' where the source has NULL", old=("text",),
                    condition="{new} IS NULL AND {old} = ''"),
    DifferenceClass("null-for-empty", "NULL where the source has ''", new=("text",),
                    condition="{old} IS NULL AND {new} = ''"),
    DifferenceClass("zero-date", "a date where the source has none (0000-00-00)", old=("moment",), new=("moment",),
                    condition="{new} IS NULL AND {old} IN (timestamp '1970-01-01', timestamp '0001-01-01',"
                    " timestamp '0001-01-01 BC')"),
    DifferenceClass("zero-date-text", "the text 0000-00-00 where the source has no date", old=("text",), new=("moment",),
                    condition="{new} IS NULL AND left({old}, 10) = '0000-00-00'"),
    DifferenceClass("boolean", "a boolean for a number", old=("boolean",), new=("number",),
                    condition="({old} = 'true' AND {new} = '1') OR ({old} = 'false' AND {new} = '0')"),
    DifferenceClass("number-for-boolean", "a number for a boolean", old=("number",), new=("boolean",),
                    condition="({old} = '1' AND {new} = 'true') OR ({old} = '0' AND {new} = 'false')"),
    DifferenceClass("seconds", "times cut to seconds", old=("moment",), new=("moment",),
                    condition=f"{_WITHIN} AND {{old}} = date_trunc('second', {{new}})"),
    DifferenceClass("rounded-seconds", "times rounded to seconds", old=("moment",), new=("moment",),
                    condition=f"{_WITHIN} AND {{old}} = date_trunc('second', {{new}} + interval '500 milliseconds')"),
    DifferenceClass("milliseconds", "times cut to milliseconds", old=("moment",), new=("moment",),
                    condition=f"{_WITHIN} AND {{old}} = date_trunc('milliseconds', {{new}})"),
    DifferenceClass("day", "times cut to the day", old=("moment",), new=("moment",),
                    condition="{old} = date_trunc('day', {new})"),
    DifferenceClass("zone", "times in another zone, N hours away", old=("moment",), new=("moment",),
                    condition=_FINITE % f"abs({_APART}) BETWEEN 900 AND 50400 AND mod({_APART}, 900) = 0",
                    number=f"{_APART} / 900", per=4),
    DifferenceClass("rounded", "numbers rounded to the decimal places of its type", old=("number",), new=("number",),
                    condition="{old}::numeric = round({new}::numeric, {places})"),
    DifferenceClass("cut-places", "numbers cut to the decimal places of its type", old=("number",), new=("number",),
                    condition="{old}::numeric = trunc({new}::numeric, {places})"),
    DifferenceClass("real", "numbers as precise as a real, and no more", old=("real",), new=("double precision", "numeric"),
                    condition=_AS_REAL),
    DifferenceClass("trailing-blanks", "blanks at the end cut", old=("text",), new=("text",),
                    condition=f"{_SHORTER} AND {{old}} = rtrim({{new}}, ' ')"),
    DifferenceClass("blanks", "blanks at both ends cut", old=("text",), new=("text",),
                    condition=f"{_SHORTER} AND {{old}} = btrim({{new}}, ' ')"),
    DifferenceClass("cut-text", "text cut at N characters", old=("text",), new=("text",),
                    condition=f"{{old}} <> '' AND {_SHORTER} AND starts_with({{new}}, {{old}})",
                    number="char_length({old})"),
    DifferenceClass("case", "text in another case", old=("text",), new=("text",),
                    condition=f"({_NO_UPPER} AND {{old}} = lower({{new}} COLLATE \"default\") COLLATE \"C\")"
                    f" OR ({_NO_LOWER} AND {{old}} = upper({{new}} COLLATE \"default\") COLLATE \"C\")"),
    DifferenceClass("encoding", "letters beyond ASCII damaged", old=("text",), new=("text",),
                    condition=f"{{new}} ~ {_BEYOND_ASCII} AND ({{old}} = regexp_replace({{new}}, {_BEYOND_ASCII}, '?', 'g')"
                    f" OR {{old}} = regexp_replace({{new}}, {_BEYOND_ASCII}, U&'\\FFFD', 'g')"
                    " OR {old} = convert_from(convert_to({new}, 'UTF8'), 'LATIN1'))"),
    DifferenceClass("json", "JSON in another spelling", old=("text", "json"), new=("json",), least=160000,
                    condition="CASE WHEN pg_input_is_valid({old}, 'jsonb') AND pg_input_is_valid({new}, 'jsonb')"
                    " THEN {old}::jsonb = {new}::jsonb END"),
    DifferenceClass("lacks-rows", "it lacks rows", "rows"),
    DifferenceClass("lacks-deleted", "it lacks rows that the source has deleted and bulketl keeps by its rule", "rows"),
    DifferenceClass("keeps-deleted", "it has rows that the source has deleted", "rows"),
    DifferenceClass("ahead", "it has rows that came to the source after the shadow's load", "rows"),
    DifferenceClass("doubled", "it has rows of one key more than once", "rows"),
    DifferenceClass("keyless", "rows of a table without a key differ, and no key says which belong together", "rows"),
    DifferenceClass("figure", "a figure differs (--level rows says why)", "columns"),
    DifferenceClass("type", "another type, and the same values", "columns"),
    DifferenceClass("lacks-column", "it lacks the column", "columns"),
    DifferenceClass("own-column", "a column that the source does not have", "columns"),
)  # fmt: skip
BY_NAME = {one.name: one for one in CLASSES}
WORDS = {**{one.name: one.words for one in CLASSES}, UNEXPLAINED: "no class explains it"}


@dataclass(frozen=True, slots=True)
class Difference:
    """How two tables differ in a column, '' for rows as such: the class and how many rows it claims.

    `number`: what `N` is in the words of the class. `waived`: by whom and why, '' where it is not.
    """

    column: str
    name: str
    rows: int
    number: str = ""
    waived: str = ""

    @property
    def words(self) -> str:
        """What it says of the older pipeline's table."""
        return WORDS[self.name].replace("N ", f"{self.number} ") if self.number else WORDS[self.name]


def base_of(kind: str) -> str:
    """Return the name of a type without its numbers; an enum type that bulketl made has the values of a text."""
    return "text" if is_type_name(kind) else held_type(kind)[0].partition("(")[0]


def family(kind: str) -> str:
    """Return the family of a type of Postgres, its own name where it is of none."""
    return _FAMILY_OF.get(base_of(kind), base_of(kind))


def places_of(kind: str) -> int | None:
    """Return how many decimal places a number of that type has, None where its type does not tell."""
    base, numbers = held_type(kind)
    if base == "numeric":
        return (*numbers, 0)[1] if numbers else None
    return 0 if base in ("smallint", "integer", "bigint") else None


def spelt(old: str, new: str, kinds: tuple[str, str]) -> tuple[str, str]:
    """Return the expressions of two values of these types in a form in which Postgres compares them exactly."""
    first, second = map(family, kinds)
    forms = ('%s::text COLLATE "C"',) * 2
    if first == second == "number" or (first == second and first in _COMPARABLE):
        forms = ("%s", "%s")
    elif first == second == "moment":
        forms = _moment(kinds[0]), _moment(kinds[1])
    elif base_of(kinds[0]) == base_of(kinds[1]) == "jsonb":  # a json may hold what no jsonb does
        forms = ("%s", "%s")
    return f"({forms[0] % old})", f"({forms[1] % new})"


def _moment(kind: str) -> str:
    return "%s AT TIME ZONE 'UTC'" if base_of(kind) == "timestamptz" else "%s::timestamp"


def claiming(one: DifferenceClass, old: str, new: str, kinds: tuple[str, str]) -> tuple[str, str]:
    """Return the condition of a class for two values that differ, and the expression of its number, 0 for none."""
    first, second = spelt(old, new, kinds)
    texts = (one.condition, one.number or "0")
    condition, number = (
        text.replace("{old}", first).replace("{new}", second).replace("{places}", str(places_of(kinds[0]))) for text in texts
    )
    return condition, f"({number})::bigint" if one.number else "0"
