"""How the target's columns differ from those that are needed, and what of it is news."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from ways import CASTS, MORE, OTHER, THERE, TYPES, there, wanted

from bulketl.plan.drift import Drift, drift
from bulketl.plan.publishing import differing
from bulketl.tables.casts import Cast
from bulketl.tables.cursor import State
from bulketl.tables.spec import DELETED_AT
from bulketl.tables.taken import Taken


@given(st.dictionaries(st.sampled_from(["id", "c", "d", "x", "y"]), st.sampled_from(TYPES)))
def test_each_column_differs_in_one_way_or_not_at_all(columns: dict[str, str]) -> None:
    """Those that differ in none are the same on both sides; each difference has one text."""
    found = differing(wanted(), there(tuple(columns.items())), None)
    different = [*found.added, *found.widened, *found.changed, *found.dropped]
    assert len(different) == len({*different}) == len(found.texts)
    needed = {item.name: item.target for item in CASTS}
    assert {*different} == {name for name in {*needed, *columns} if needed.get(name) != columns.get(name)}
    assert {*found.added} == {*needed} - {*columns}
    assert {*found.dropped} == {*columns} - {*needed}


def test_a_table_that_is_not_there_does_not_differ() -> None:
    """Everything of it is new, which is no difference."""
    assert differing(wanted(), None, State("mysql://h/d", kept=("gone",))) == Drift()


def test_columns_that_bulketl_adds_are_no_difference() -> None:
    """The mark of deleted rows is one where rows are marked, and a column like others elsewhere."""
    existing = there((*THERE, ("_loaded_at", "timestamptz"), (DELETED_AT, "timestamptz")))
    assert differing(wanted(stamps=("_loaded_at",), deletes="mark"), existing, None) == Drift()
    assert differing(wanted(stamps=("_loaded_at",)), existing, None).dropped == (DELETED_AT,)
    assert differing(wanted(deletes="mark"), existing, None).texts == ("- _loaded_at timestamptz",)


def test_a_column_that_is_kept_since_an_earlier_load_is_no_news_and_stays_known() -> None:
    """It is told once, and kept in every load."""
    existing = there((*MORE, ("late", "date")))
    assert differing(wanted(), existing, None).texts == ("- gone text", "- late date")
    found = differing(wanted(), existing, State("mysql://h/d", kept=("gone",)))
    assert found.texts == ("- late date",)
    assert found.dropped == ("gone", "late")


def test_a_kept_column_that_is_back_at_the_source_is_news_when_its_type_is_another() -> None:
    """Only that it is gone was told before."""
    found = differing(wanted(), there(OTHER), State("mysql://h/d", kept=("c",)))
    assert found.texts == ("~ c integer -> varchar(9)",)


def test_a_kept_column_whose_name_has_blanks_is_no_news_and_hides_no_other() -> None:
    """Nor does one whose name another begins with."""
    existing = there((*THERE, ("my", "text"), ("my col", "text")))
    assert differing(wanted(), existing, State("mysql://h/d", kept=("my col",))).texts == ("- my text",)
    assert differing(wanted(), existing, State("mysql://h/d", kept=("my",))).texts == ("- my col text",)


def called(**names: str) -> tuple[Cast, ...]:
    """Return the columns as the rules name them in the target."""
    return tuple(dataclasses.replace(item, name=names.get(item.column, item.column)) for item in CASTS)


def test_a_column_that_its_rule_names_otherwise_than_the_last_load_is_renamed() -> None:
    """By the name that the last load gave it, or else the source's own."""
    found = drift(called(c="x"), there(), (), ())
    assert found.renamed == (("c", "x"),)
    assert (found.added, found.dropped, found.changed, found.widened) == (("x",), ("c",), (), ())
    assert found.texts == ("~ c is x now, by another name in its rule",)
    assert (found.unwanted, found.exchanged) == (frozenset({"c"}), False)
    back = drift(called(), there((THERE[0], ("x", "varchar(9)"), THERE[2])), (("c", "x"),), ())
    assert (back.renamed, back.texts) == ((("x", "c"),), ("~ x is c now, by another name in its rule",))
    assert drift(called(c="x"), there((THERE[0], ("x", "varchar(9)"), THERE[2])), (("c", "x"),), ()).renamed == ()


def test_columns_that_exchange_their_names_are_renamed_both() -> None:
    """A row that is not written again would be wrong then, though no column came and none went."""
    found = drift(called(c="d", d="c"), there(), (), ())
    assert (found.renamed, found.exchanged, found.unwanted) == ((("c", "d"), ("d", "c")), True, frozenset())
    assert (found.added, found.dropped, found.changed) == ((), (), ("d", "c"))
    columns = (("id", "integer"), ("c", "date"), ("d", "varchar(9)"))
    back = drift(called(), there(columns), (("c", "d"), ("d", "c")), ())
    assert (back.renamed, back.exchanged) == ((("d", "c"), ("c", "d")), True)


def test_a_name_that_the_target_has_of_another_column_is_none_of_a_renamed_one() -> None:
    """A column that only the target has may be called so: then the old one is gone, and no values go over."""
    found = drift(called(c="gone"), there(MORE), (), ())
    assert (found.renamed, found.dropped, found.texts) == ((), ("c",), ("~ gone text -> varchar(9)", "- c varchar(9)"))


def test_a_column_that_a_rule_leaves_out_is_told_from_one_that_is_gone() -> None:
    found = drift(called()[:2], there(MORE), (), ("d", "elsewhere"))
    assert (found.left, found.dropped, found.unwanted) == (("d",), ("d", "gone"), frozenset({"d"}))


def test_what_the_last_load_called_its_columns_is_with_its_state() -> None:
    spec = wanted(casts=called(c="y"))
    existing = there((THERE[0], ("x", "varchar(9)"), THERE[2]))
    assert differing(spec, existing, State("s", taken=Taken(names=(("c", "x"),)))).renamed == (("x", "y"),)
    assert differing(spec, existing, State("s")).renamed == differing(spec, existing, None).renamed == ()
    left = wanted(casts=called()[:2], left=("d",))
    assert differing(left, there(), None).left == ("d",)
