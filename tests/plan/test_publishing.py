"""The way in which a table becomes visible: what is chosen, why, and what is kept."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ways import CASTS, FEWER, FOREIGN, INDEX, MORE, NARROW, OTHER, SMALL, THERE, TYPES, published, there, wanted

from bulketl.errors import PlanError
from bulketl.plan.publishing import Way
from bulketl.tables.catalog import TargetTable
from bulketl.tables.spec import DELETED_AT


@pytest.mark.parametrize("parts", [0, 1, 3])
@pytest.mark.parametrize("rule", [{}, {"publish": "swap"}, {"publish": "refill"}])
@pytest.mark.parametrize("facts", [{}, {"audit": True}, {"whole": False}, {"deletes": "ignore"}, {"key": ()}])
def test_a_table_that_the_target_lacks_is_created(parts: int, rule: dict[str, Any], facts: dict[str, Any]) -> None:
    """Whatever else it is."""
    assert published(wanted(**facts), None, parts, **rule) == (wanted(**facts), "new in the target")


def test_a_table_whose_deleted_rows_are_marked_is_created_with_the_mark() -> None:
    spec, _ = published(wanted(deletes="mark"), None)
    assert (spec.publish, spec.kept) == ("create", ((DELETED_AT, "timestamptz"),))


ASKED = "as its rule asks, emptied and refilled in one transaction"
BESIDE = "built beside and swapped in"


@pytest.mark.parametrize(
    ("existing", "parts", "rule", "how", "why"),
    [
        (there(), 0, {}, "refill", SMALL),
        (there(), 1, {}, "refill", SMALL),
        (there(), 1, {"publish": "refill"}, "refill", SMALL),
        (there(), 1, {"publish": "swap"}, "swap", BESIDE),
        (there(), 2, {}, "swap", BESIDE),
        (there(), 2, {"publish": "swap"}, "swap", BESIDE),
        (there(), 2, {"publish": "refill"}, "refill", ASKED),
        # A table that can follow the source's columns stays.
        (there(FEWER), 1, {}, "refill", SMALL),
        (there(MORE), 1, {}, "refill", SMALL),
        (there(NARROW), 1, {}, "refill", SMALL),
        (there(views=("v",)), 1, {}, "refill", SMALL),
        (there(FEWER, views=("v",)), 1, {}, "refill", SMALL),
        # One that cannot is built anew, even where its rule asks for a refill.
        (there(NARROW, views=("v",)), 1, {}, "swap", BESIDE),
        (there(NARROW, materialized=True), 1, {}, "swap", BESIDE),
        (there(OTHER), 1, {"publish": "refill"}, "swap", BESIDE),
        (there(key=()), 1, {"publish": "refill"}, "swap", BESIDE),
        (there(MORE), 1, {"exclude_columns": ["gone"]}, "swap", BESIDE),
        # What a swap would lose stays where it is.
        (there(hanging=INDEX), 1, {}, "refill", "emptied and refilled in one transaction, because of index i"),
        (there(FEWER, hanging=INDEX), 9, {}, "refill", "emptied and refilled in one transaction, because of index i"),
        (there(MORE, hanging=INDEX), 9, {}, "refill", "emptied and refilled in one transaction, because of index i"),
        (
            there(hanging=FOREIGN, referenced=True),
            9,
            {"publish": "refill"},
            "merge",
            "differences merged in, because of constraint f of orders",
        ),
        # Past a column without a binary form no row can be copied into the table, but a table beside is without it.
        (there(uncopied=("c",)), 1, {}, "refill", SMALL),
        (
            there(MORE, uncopied=("gone",)),
            1,
            {"publish": "refill"},
            "swap",
            "built beside and swapped in, because rows cannot be copied beside gone text",
        ),
        (
            there(MORE, uncopied=("gone",), hanging=INDEX),
            2,
            {},
            "refill",
            "emptied and refilled in one transaction, because of index i",
        ),
    ],
)
def test_the_way_of_a_whole_table_follows_from_its_size_its_rule_and_what_is_there(
    existing: TargetTable, parts: int, rule: dict[str, Any], how: str, why: str
) -> None:
    """And it is told why."""
    spec, reason = published(wanted(), existing, parts, **rule)
    assert (spec.publish, reason) == (how, why)


@pytest.mark.parametrize(
    ("facts", "how", "why"),
    [
        ({"whole": False}, "merge", "merged in"),
        ({"whole": False, "deletes": "ignore"}, "merge", "merged in"),
        ({"deletes": "ignore"}, "merge", "differences merged in, because of deletes: ignore"),
        ({"deletes": "mark"}, "merge", "differences merged in, because of deletes: mark"),
        ({"deletes": "fail"}, "merge", "differences merged in, because of deletes: fail"),
        ({"audit": True}, "append", "appended to, because it is of tier audit"),
        ({"audit": True, "whole": False}, "append", "appended to, because it is of tier audit"),
        ({"audit": True, "deletes": "ignore"}, "append", "appended to, because it is of tier audit"),
    ],
)
@pytest.mark.parametrize("existing", [there(), there(FEWER), there(MORE), there(NARROW), there(hanging=INDEX)])
def test_a_table_that_must_stay_is_merged_into_or_appended_to(
    existing: TargetTable, facts: dict[str, Any], how: str, why: str
) -> None:
    """Columns are added and widened in place; how it is read and what hangs on it do not matter."""
    for parts in (0, 1, 3):
        spec, reason = published(wanted(**facts), existing, parts)
        assert (spec.publish, reason) == (how, why)


def test_a_table_without_a_key_can_be_appended_to() -> None:
    assert published(wanted(audit=True, key=()), there(key=()))[0].publish == "append"


@given(
    st.builds(
        lambda columns, key, hanging, referenced, facts: there(
            tuple((name, columns[name]) for name in sorted(columns)),
            key,
            hanging=FOREIGN if referenced else hanging,
            referenced=referenced,
            **facts,
        ),
        st.dictionaries(st.sampled_from(["id", "c", "d", "gone"]), st.sampled_from(TYPES)),
        st.sampled_from([(), ("id",), ("c",)]),
        st.sampled_from([(), INDEX]),
        st.booleans(),
        st.fixed_dictionaries({"views": st.sampled_from([(), ("v",)]), "uncopied": st.sampled_from([(), ("gone",)])}),
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([(), ("id",)]),
            "audit": st.booleans(),
            "whole": st.booleans(),
            "deletes": st.sampled_from(["ignore", "mark", "mirror", "fail"]),
        }
    ),
    st.integers(0, 3),
    st.fixed_dictionaries({"publish": st.sampled_from([None, "swap", "refill"])}),
    st.fixed_dictionaries(
        {"dropped_columns": st.sampled_from(["keep", "drop"]), "narrowed_columns": st.sampled_from(["swap", "refuse"])}
    ),
)
def test_nothing_is_lost_that_must_stay(
    existing: TargetTable, facts: dict[str, Any], parts: int, rule: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Whatever is there: no audited table is replaced, nothing that hangs is swapped away, and a refusal has a way out."""
    outcome: Way | PlanError
    try:
        outcome = published(wanted(**facts), existing, parts, settings, **rule)
    except PlanError as error:
        outcome = error
    if isinstance(outcome, PlanError):
        assert "'t'" in outcome.message
        assert outcome.hint
        return
    spec, why = outcome
    assert why
    assert (spec.publish == "append") == spec.audit
    assert spec.publish == "merge" or spec.audit or (spec.whole and spec.deletes == "mirror")
    assert spec.publish != "swap" or not existing.hanging
    assert spec.publish in ("merge", "append") or not existing.referenced
    assert spec.publish != "create"
    assert spec.publish != "refill" or existing.primary_key == spec.target_key


def test_a_swap_remembers_what_the_plan_saw() -> None:
    """So that what appears later is noticed; no other way takes a table's place."""
    for existing in (there(seen="h4sh"), there(MORE, uncopied=("gone",), seen="h4sh")):
        assert published(wanted(), existing, 1, publish="swap")[0].seen == "h4sh"
    assert published(wanted(), there(seen="h4sh"))[0].seen == ""
    assert published(wanted(), there(seen="h4sh", hanging=INDEX))[0].seen == ""


@pytest.mark.parametrize("facts", [{}, {"whole": False}, {"deletes": "mark"}, {"audit": True}])
@pytest.mark.parametrize("whether", [True, False])
def test_the_writer_is_told_of_partitions_and_of_what_acts_on_rows(facts: dict[str, Any], whether: bool) -> None:
    spec, _ = published(wanted(**facts), there(partitioned=whether, acting=not whether))
    assert (spec.partitioned, spec.watched) == (whether, not whether)


@pytest.mark.parametrize("facts", [{}, {"whole": False}, {"deletes": "ignore"}, {"audit": True}])
def test_a_column_that_is_gone_at_the_source_is_kept_with_its_type(facts: dict[str, Any]) -> None:
    assert published(wanted(**facts), there(MORE))[0].kept == (("gone", "text"),)


def test_a_column_that_is_gone_is_dropped_where_a_person_said_so() -> None:
    """By the settings for all of them, by the rule for one."""
    existing = there((*MORE, ("late", "date")))
    assert published(wanted(), existing, settings={"dropped_columns": "drop"})[0].kept == ()
    assert published(wanted(), existing, exclude_columns=["gone"])[0].kept == (("late", "date"),)


def test_the_writer_is_told_which_columns_to_add_and_to_widen() -> None:
    """Those of the source first, then the stamps and the mark that the target lacks; a mark is kept as well."""
    spec = wanted(whole=False, deletes="mark", stamps=("_loaded_at", "_run_id"))
    way, _ = published(spec, there((THERE[0], ("c", "varchar(5)"), ("gone", "text"), ("_run_id", "text"))))
    assert way.added == ("d", "_loaded_at", DELETED_AT)
    assert way.widened == ("c",)
    assert way.kept == (("gone", "text"), (DELETED_AT, "timestamptz"))
    again, _ = published(
        spec, there((*THERE, ("_loaded_at", "timestamptz"), ("_run_id", "text"), (DELETED_AT, "timestamptz")))
    )
    assert (again.added, again.widened, again.kept) == ((), (), ((DELETED_AT, "timestamptz"),))


def test_what_a_dropped_key_leaves_of_its_columns_does_not_hang_on_the_table() -> None:
    """Postgres 18 keeps NOT NULL as a constraint of its own: of the key, by its old name too where that is another one."""
    hanging = ("NOT NULL of id", "index i")
    way, why = published(wanted(), there(hanging=hanging))
    assert (way.publish, why) == ("refill", "emptied and refilled in one transaction, because of index i")
    assert published(wanted(), there(hanging=hanging[:1])) == published(wanted(), there())
    assert "because of NOT NULL of c" in published(wanted(), there(hanging=("NOT NULL of c",)))[1]
    renamed = wanted(casts=(dataclasses.replace(CASTS[0], name="number"), *CASTS[1:]))
    way, why = published(renamed, there(hanging=hanging[:1]))
    assert (way.publish, why) == ("swap", "built beside and swapped in")
