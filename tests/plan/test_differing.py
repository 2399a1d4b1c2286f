"""How the target's columns differ from those that are needed, and what of it is news."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ways import CASTS, MORE, OTHER, THERE, TYPES, there, wanted

from bulketl.plan.drift import Drift
from bulketl.plan.publishing import differing
from bulketl.tables.cursor import State
from bulketl.tables.spec import DELETED_AT


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
