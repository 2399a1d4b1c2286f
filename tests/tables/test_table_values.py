"""What the values say of themselves: types taken apart, tables and their engines, rights, checks, ranges along integers."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
from typing import Any

import pytest

from bulketl.errors import PlanError
from bulketl.tables.alike import for_many, of_tables, to_do
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Catalog, Column, Key, Made, Table, TargetTable, not_null
from bulketl.tables.checks import Check, counts_from_json, counts_to_json, misplaced, passes, said, span
from bulketl.tables.differences import Difference, base_of, family, places_of
from bulketl.tables.partitions import Changes, Partition
from bulketl.tables.patterns import exactly, fitting, matches
from bulketl.tables.printable import (
    brief,
    count_of,
    in_a_line,
    lasting,
    minutes_of,
    shortened,
    shown,
    size,
    verb_of,
    without_table,
)
from bulketl.tables.rights import Grants, Held, Right
from bulketl.tables.slices import WHOLE_BYTES, WHOLE_ROWS, along_integers, in_slices, sliceable, slicing, waited_for
from bulketl.tables.spec import TableSpec, cut, joined
from bulketl.tables.types import TypeName, parse_type


@pytest.mark.parametrize(
    ("text", "base", "sizes", "unsigned", "places"),
    [
        ("decimal(10,2) unsigned", "decimal", (10, 2), True, 2), ("decimal(10)", "decimal", (10, 0), False, 0),
        ("decimal", "decimal", (10, 0), False, 0), ("datetime(3)", "datetime", (3,), False, 3),
        ("datetime", "datetime", (0,), False, 0),
        ("timestamp", "timestamp", (0,), False, 0), ("time(6)", "time", (6,), False, 6), ("bit", "bit", (1,), False, 0),
        ("char", "char", (1,), False, 0), ("varchar(7)", "varchar", (7,), False, 0),
        (" INT(10) UNSIGNED ", "int", (10,), True, 0),
        ("enum('a','1,2')", "enum", (), False, 0), ("set('a') character set binary", "set binary", (), False, 0),
        ("enum('unsigned')", "enum", (), False, 0), ("?", "?", (), False, 0),
    ],
)  # fmt: skip
def test_a_type_is_taken_apart(text: str, base: str, sizes: tuple[int, ...], unsigned: bool, places: int) -> None:
    found = parse_type(text)
    assert found == TypeName(base, sizes, unsigned)
    assert found.places == places


@pytest.mark.parametrize(
    ("engine", "view", "transactional", "locks", "counts"),
    [
        ("InnoDB", False, True, False, False), ("RocksDB", False, True, False, False), ("MyISAM", False, False, True, True),
        ("Aria", False, False, True, True), ("MEMORY", False, False, True, True), ("CSV", False, False, True, False),
        ("", True, False, False, False),
    ],
)  # fmt: skip
def test_an_engine_tells_what_a_statement_sees_and_whom_it_holds_up(
    engine: str, view: bool, transactional: bool, locks: bool, counts: bool
) -> None:
    one = Table("t", (), engine=engine, view=view)
    assert (one.transactional, one.locks, one.counts) == (transactional, locks, counts)


def test_a_table_knows_its_columns_and_what_is_unique() -> None:
    column = Column("a", "int", False)
    one = Table("t", (column,), keys=(Key("u", ("a", "b"), True), Key("n", ("c",), False)))
    assert one.column("a") is column
    with pytest.raises(KeyError, match="z"):
        one.column("z")
    assert one.keeps_unique(["a", "b", "c"])
    assert not one.keeps_unique(["a"])
    assert not one.keeps_unique(["c"])
    plain = Table("t", ())
    assert (plain.rows, plain.bytes, plain.engine, plain.view, plain.primary_key) == (0, 0, "InnoDB", False, ())
    assert list(Catalog("i", "v", "z", (one,))) == [one]
    assert repr(Catalog("i", "v", "z", (one,))) == "Catalog(identity='i', version='v', tables=1)"


@pytest.mark.parametrize(
    ("kind", "charset", "beyond"),
    [("text", "utf8mb4", True), ("text", "ascii", False), ("text", "binary", False), ("int", "", False), ("json", "", True)],
)
def test_a_column_may_have_letters_beyond_ascii(kind: str, charset: str, beyond: bool) -> None:
    assert Column("c", kind, True, charset=charset).beyond_ascii is beyond


def test_a_table_of_the_target_is_ours_by_its_number_and_replaceable_by_what_hangs_on_it() -> None:
    one = TargetTable("t", (), hanging=("view v", "index i"), carried=(("view v", ("a", "b")), ("index i", ("c",))))
    assert one.replaceable
    assert not dataclasses.replace(one, hanging=("view v", "trigger x")).replaceable
    assert one.needing(["b", "z"]) == (("view v", ("b",)),)
    assert one.needing([]) == ()
    assert not one.ours
    assert dataclasses.replace(one, oid=5, made=Made(5, "", "", "", "")).ours
    assert not dataclasses.replace(one, oid=6, made=Made(5, "", "", "", "")).ours
    assert not_null("c") == "NOT NULL of c"


ROWS = [
    (999, "999 B"), (999.6, "1.0 kB"), (1200, "1.2 kB"), (9_949, "9.9 kB"), (38_000_000, "38 MB"), (1.5e9, "1.5 GB"),
    (2.5e12, "2500 GB"), (0, "0 B"),
]  # fmt: skip


@pytest.mark.parametrize(("count", "told"), ROWS)
def test_bytes_for_people(count: float, told: str) -> None:
    assert size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"), (45.4, "45 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h"), (3600, "1 h"),
        (3601, "1 h"),
        (86_400_000, "1,000 d"), (60, "1 min"),
    ],
)  # fmt: skip
def test_a_time_for_people_has_its_two_largest_units(seconds: float, told: str) -> None:
    assert lasting(seconds) == told


def test_numbers_have_their_nouns_and_verbs() -> None:
    assert [count_of(n, "row") for n in (0, 1, 2, 2000)] == ["0 rows", "1 row", "2 rows", "2,000 rows"]
    assert [count_of(n, "row", "differs") for n in (1, 2)] == ["1 row differs", "2 rows differ"]
    assert [verb_of(2, one) for one in ("is", "was", "has", "grows")] == ["are", "were", "have", "grow"]
    assert verb_of(1, "was") == "was"
    assert [minutes_of(n) for n in (60, 150, 30)] == ["1 minute", "2.5 minutes", "0.5 minutes"]


def test_text_of_others_does_nothing_to_a_terminal() -> None:
    """Every character that acts is a picture; a line feed stays where lines may be."""
    assert shown("a\x1b[2J\x7f\x85\u2028\u202eb\n\ud800") == "a␛[2J␡\ufffd␤\ufffdb\n\ufffd"
    assert in_a_line("a\nb\u2029c") == "a␤b␤c"
    assert shown("é\"'\\\u00a0") == "é\"'\\\u00a0"
    assert shown("\u2029\u061c\u200e\u200f\u202a\u2066\u2069\x9f\udfff") == "␤" + "\ufffd" * 8
    assert shown("\u2065\u206a\u2029\u202f") == "\u2065\u206a␤\u202f"
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "abc… (1 character more)" or shortened("abcd", 3) == "abc… (1 characters more)"
    assert without_table("table 'a': no\nway, table 'a' is", "a") == "no way, the table is"
    assert brief(5, name="x\n", n=1) == "int(name='x\\n', n=1)"
    assert brief(5, name="y" * 70) == f"int(name='{'y' * 58}…)"


def test_a_long_name_stays_itself() -> None:
    """Two that begin alike stay two, and no letter is cut in the middle."""
    assert cut("a" * 63) == "a" * 63
    one, other = cut("a" * 64), cut("a" * 63 + "b")
    assert one != other
    assert one == "a" * 54 + "_" + one[-8:]
    assert len(cut("ä" * 40).encode()) <= 63
    for name in (one, "\n".join(("a" * 26, "b" * 27)) + one[-9:]):
        assert cut(name) != name, "it looks as if it had been cut, whatever is in it"
        assert len(cut(name).encode()) == 63


def test_names_that_belong_together_are_joined_so_that_others_never_read_alike() -> None:
    """With a dot where nobody can take it for another one; else in at most 63 bytes, with a hash of 24 digits."""
    assert joined("a", "b") == "a.b"
    assert joined("a" * 31, "b" * 31) == f"{'a' * 31}.{'b' * 31}"
    assert len({joined("a.b", "c"), joined("a", "b.c"), joined("a", "b", "c"), joined("a_b", "c")}) == 4
    assert re.fullmatch(r"a_b_c_[0-9a-f]{24}", joined("a.b", "c"))
    long = joined("a" * 32, "b" * 31)
    assert re.fullmatch(r"a{32}_b{5}_[0-9a-f]{24}", long)
    assert len(long) == 63
    assert len(joined("ä" * 40, "b").encode()) <= 63


def test_names_and_patterns() -> None:
    assert matches("a*b", ["a*b"])
    assert matches("axb", ["a?b"])
    assert not matches("axxb", ["a?b"])
    assert matches("a\nb", ["a*"])
    assert not matches("A", ["a"])
    assert exactly("a*b?c\\d[e]") == "a\\*b\\?c\\\\d[e]"
    assert matches("a*", ["a\\*"])
    assert not matches("ab", ["a\\*"])
    assert fitting(["a", "b"], [], "s", "h") == {"a", "b"}
    assert fitting(["a", "b"], ["b*"], "s", "h") == {"b"}
    with pytest.raises(PlanError, match=r"^nothing is known of a table 'z' in schema 's'$") as caught:
        fitting(["a"], ["a", "z"], "s", "look")
    assert caught.value.hint == "look"


def test_what_is_to_be_done_names_all_tables_as_the_shell_takes_them() -> None:
    hint = for_many("table 'a': `bulketl state reset a`, then `bulketl load --tables a`, not ab", "a")
    assert of_tables(hint, ["a"]) == "`bulketl state reset a`, then `bulketl load --tables a`, not ab"
    assert of_tables(hint, ["a", "b c"]) == "`bulketl state reset a 'b c'`, then `bulketl load --tables 'a,b c'`, not ab"
    assert of_tables(hint, ["a b"]) == "`bulketl state reset 'a b'`, then `bulketl load --tables 'a b'`, not ab"
    assert of_tables(hint, ["a", "b"]) == "`bulketl state reset a b`, then `bulketl load --tables 'a,b'`, not ab"
    quoted = shlex.quote("o'a,b")
    assert of_tables(hint, ["o'a", "b"]).endswith(f"--tables {quoted}`, not ab")
    assert of_tables(hint, ["a,b"]) == "`bulketl state reset 'a\\,b'`, then `bulketl load --tables 'a\\,b'`, not ab"
    shown = for_many("`bulketl rejects show a`, --allow-deletes a; --exclude a, --x_y a", "a")
    assert of_tables(shown, ["c", "d"]) == "`bulketl rejects show c d`, --allow-deletes 'c,d'; --exclude 'c,d', --x_y a"
    assert to_do("", ["a"]) == ""
    assert to_do("do it", ["a"]) == ". To do: do it"


def test_a_right_is_told_as_people_name_it() -> None:
    right = Right("SELECT", "column", ("bulketl", "run", "outcome"), "to show")
    assert str(right) == "SELECT on column bulketl.run.outcome"
    assert str(Right("OWNER", "")) == "OWNER on "
    assert right == dataclasses.replace(right, why="else")
    assert right.to_json() == {"privilege": "SELECT", "kind": "column", "on": "bulketl.run.outcome", "why": "to show"}
    held = Held("loader", "u", (right,), ())
    assert not held.exact
    assert not Held("loader", "u", (), (right,)).exact
    assert Held("loader", "u", (), ()).exact
    assert held.to_json() == {
        "role": "loader", "user": "u", "missing": [right.to_json()], "excess": [], "there": True,
    }  # fmt: skip
    assert repr(held) == "Held(role='loader', user='u', missing=1, excess=0)"
    grants = Grants("source", "u", "mysql", (("GRANT", "why"),))
    assert grants.to_json() == {
        "role": "source", "user": "u", "server": "mysql", "statements": [{"statement": "GRANT", "why": "why"}],
    }  # fmt: skip
    assert repr(grants) == "Grants(role='source', user='u', statements=1)"


SPEC = TableSpec(
    "t", "s", (cast(Column("id", "int", False)), cast(Column("n", "decimal(9,2)", False))), ("id",), "swap", locks=True
)
PART = Partition(0, "PRIMARY", ("id",), (1,), (9,), unique=True)


def test_a_range_along_one_integer_proves_itself() -> None:
    """Not one of two columns, of decimals, of NULLs, of rows that changed, or that is streamed."""
    assert along_integers(SPEC, PART)
    for given in (
        {"unique": False}, {"columns": ("id", "n")}, {"columns": ("n",)}, {"columns": ()}, {"nulls": True}, {"stream": 5},
        {"changes": Changes("n")}, {"columns": ("gone",)},
    ):  # fmt: skip
        assert not along_integers(SPEC, dataclasses.replace(PART, **given)), given
    packed = dataclasses.replace(SPEC, casts=(dataclasses.replace(SPEC.casts[0], read="CAST(`id` AS CHAR)"),))
    assert not along_integers(packed, PART)


def test_slices_are_read_where_writers_would_wait() -> None:
    key = Key("PRIMARY", ("id",), True)
    one = Table("t", (Column("id", "int", False),), ("id",), (key,), 100_000, 100_000 * 10, "MyISAM")
    assert slicing(one, key)
    assert not slicing(dataclasses.replace(one, engine="InnoDB"), key)
    assert waited_for(one, WHOLE_ROWS + 1)
    assert not waited_for(one, WHOLE_ROWS)
    wide = dataclasses.replace(one, rows=100, bytes=100 * 1000 * 1000)
    assert waited_for(wide, WHOLE_BYTES // 1_000_000 + 1)
    assert not waited_for(wide, 1)
    assert not waited_for(dataclasses.replace(wide, engine="InnoDB"), 10**9)
    assert sliceable(one, key, WHOLE_ROWS + 1, None)
    assert sliceable(one, key, WHOLE_ROWS + 1, "best effort")
    assert not sliceable(one, key, WHOLE_ROWS + 1, "locked")
    assert not sliceable(one, key, WHOLE_ROWS, None)
    for consistency, sliced in (("best effort", True), ("re-read", True), ("locked", False), ("snapshot", False)):
        assert in_slices(dataclasses.replace(SPEC, consistency=consistency), PART) is sliced  # type: ignore[arg-type]
    assert not in_slices(dataclasses.replace(SPEC, locks=False), PART)


@pytest.mark.parametrize(
    ("check", "label"),
    [
        (Check("range", ("a",), low=1, high=None), "range a 1.."), (Check("range", ("a",), high=5), "range a ..5"),
        (Check("one_of", ("a",), values=("x", 2)), "one_of a x, 2"), (Check("regex", ("a",), text="^x"), "regex a ^x"),
        (Check("expression", ("a", "b"), text="a < b"), "expression a < b"), (Check("unique", ("a", "b")), "unique a, b"),
        (Check("foreign_key", ("a",), table="t", keys=("x", "y")), "foreign_key a -> t.x, t.y"),
        (Check("fresh", ("a",), seconds=5400), "fresh a within 1.5h"), (Check("row_count", low=0, high=9), "row_count 0..9"),
    ],
)  # fmt: skip
def test_a_check_is_told_as_it_was_written(check: Check, label: str) -> None:
    assert check.label == label


@pytest.mark.parametrize(
    ("check", "figure", "passing"),
    [
        (Check("unique"), 0, True), (Check("unique"), 1, False), (Check("foreign_key"), None, True),
        (Check("fresh", seconds=5), 5, True),
        (Check("fresh", seconds=5), 6, False), (Check("fresh", seconds=5), None, False),
        (Check("row_count", low=5, high=9), 5, True),
        (Check("row_count", low=5, high=9), 4, False), (Check("row_count", low=5, high=9), 9, True),
        (Check("sum", high=9), 10, False),
        (Check("sum", low=1), None, False), (Check("sum", low=0), None, True), (Check("sum"), math.nan, False),
    ],
)  # fmt: skip
def test_a_table_passes_a_check_or_not(check: Check, figure: float | None, passing: bool) -> None:
    assert passes(check, figure) is passing


def test_what_a_check_found_is_told_in_words() -> None:
    assert [span(n) for n in (59, 60, 5400, 86400 * 2.5, 0)] == ["59s", "1m", "1.5h", "2.5d", "0s"]
    assert said("row_count 1..", 2000) == "it has 2,000"
    assert said("sum a", 1234.5) == "it is 1,234.5"
    assert said("fresh a", -1) == "there is none"
    assert said("fresh a", 90) == "the newest is 1.5m old"
    assert said("unique a", 2) == "2 rows with the same values as another row"
    assert said("foreign_key a", 1) == "1 row with nothing to point to"
    assert said("range a", 1.0) == "1 row"
    found = {"fail": {"sum a": math.nan, "unique b": 2.0}}
    assert counts_to_json(found) == {"fail": {"sum a": "nan", "unique b": 2.0}}
    back = counts_from_json(counts_to_json(found))
    assert math.isnan(back["fail"]["sum a"])
    assert back["fail"]["unique b"] == 2.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a < b AND upper(c) = 'X'", ""), ("a IN (SELECT 1)", "SELECT"), ("sum(a) over (x)", "OVER"),
        ("random() < 1", "random"),
        ("a = 'select over now()'", ""), ("a = 'it''s now()' -- now()", ""), ("/* now() */ a > 1", ""), ('"now()" = 1', ""),
        ("CASE WHEN (a) THEN (b) END", ""), ("a = 1 -- x\n AND now ( ) > 1", "now"),
    ],
)  # fmt: skip
def test_an_expression_is_decided_by_a_row_alone(text: str, found: str) -> None:
    assert misplaced(text) == found


def test_a_difference_says_its_number_and_types_their_family() -> None:
    assert Difference("a", "zone", 5, "2").words == "times in another zone, 2 hours away"
    assert Difference("a", "zone", 5).words == "times in another zone, N hours away"
    assert Difference("a", "unexplained", 5).words == "no class explains it"
    assert [family(one) for one in ("integer", "numeric(5,2)", "varchar(3)", "timestamptz(0)", "jsonb", "uuid")] == [
        "number", "number", "text", "moment", "json", "uuid",
    ]  # fmt: skip
    assert base_of("numeric(5,2)") == "numeric"
    places: dict[str, Any] = {"numeric(5,2)": 2, "numeric(5)": 0, "numeric": None, "bigint": 0, "text": None}
    assert {one: places_of(one) for one in places} == places
