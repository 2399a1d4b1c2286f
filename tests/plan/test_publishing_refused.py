"""What stands against each way in which a table becomes visible: refused with what is in the way, and a way out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ways import CASTS, FEWER, FOREIGN, INDEX, MORE, NARROW, OTHER, SMALL, THERE, published, refusal, there, wanted

from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column, TargetTable
from bulketl.tables.spec import DELETED_AT


def test_a_swap_that_a_rule_asks_for_is_refused_when_it_would_lose_something() -> None:
    """A person said swap, so nothing else is done; everything in the way is named."""
    told = refusal(wanted(), there(hanging=("index i", "trigger g")), publish="swap")
    assert "cannot be swapped, as its rule asks, because of index i, trigger g" in told
    assert "remove publish: swap from its rule" in told


@pytest.mark.parametrize("existing", [None, there()])
def test_a_source_that_has_a_column_called_like_the_mark_cannot_have_its_rows_marked(existing: TargetTable | None) -> None:
    """Without marks it is a column like others."""
    casts = (*CASTS, cast(Column(DELETED_AT, "datetime", True)))
    assert "name the column under exclude_columns" in refusal(wanted(casts=casts, deletes="mark"), existing)
    assert published(wanted(casts=casts), existing)


@pytest.mark.parametrize("existing", [None, there()])
def test_text_of_a_key_cannot_become_jsonb(existing: TargetTable | None) -> None:
    """Two texts may be equal as jsonb; beside the key, and from json, that does no harm."""
    casts = (CASTS[0], cast(Column("c", "varchar(9)", False), "jsonb"), CASTS[2])
    told = refusal(wanted(casts=casts, key=("id", "c")), existing)
    assert "column 'c' of its key is text and declared jsonb" in told
    assert "declare it text" in told
    assert published(wanted(casts=casts), existing)


@pytest.mark.parametrize(("key", "told"), [(("id",), "the key id at the source and d"), ((), "the key none at the source")])
@pytest.mark.parametrize("facts", [{}, {"whole": False}, {"deletes": "ignore"}, {"audit": True}])
def test_a_table_with_another_key_is_another_table(key: tuple[str, ...], told: str, facts: dict[str, Any]) -> None:
    assert told in (text := refusal(wanted(key=key, **facts), there(key=("d",))))
    assert "drop the target's table when you are sure" in text


def test_a_key_is_compared_by_the_names_of_the_target() -> None:
    casts = (dataclasses.replace(CASTS[0], name="number"), *CASTS[1:])
    existing = there((("number", "integer"), *THERE[1:]), ("number",))
    assert published(wanted(casts=casts), existing)[1] == SMALL
    assert published(wanted(casts=casts), there())[0].publish == "swap"
    other = there((("key", "integer"), *THERE[1:]), ("key",))
    assert "the key id at the source and key in the target" in refusal(wanted(casts=casts), other)


def test_columns_of_another_type_are_refused_where_a_person_said_so() -> None:
    """The types are shown; columns that widen are not meant."""
    told = refusal(wanted(), there(OTHER), settings={"narrowed_columns": "refuse"})
    assert "narrower or other type than the target: ~ c integer -> varchar(9)" in told
    assert "narrowed_columns: swap" in told
    assert published(wanted(), there(NARROW), settings={"narrowed_columns": "refuse"})[1] == SMALL


@pytest.mark.parametrize(
    ("existing", "texts", "settings"),
    [
        (there(OTHER, hanging=INDEX), ": ~ c integer -> varchar(9)", {}),
        (there(NARROW, hanging=INDEX, views=("v",)), ": ~ c varchar(5) -> varchar(9)", {}),
        (there(NARROW, hanging=INDEX, materialized=True), ": ~ c varchar(5) -> varchar(9)", {}),
        (there(MORE, hanging=INDEX), ": - gone text", {"dropped_columns": "drop"}),
        (there(key=(), hanging=INDEX), ": its key is id at the source and none in the target", {}),
        (there((), (), hanging=INDEX), "", {}),  # it is no table at all, so there are no columns to show
    ],
)
def test_a_table_that_can_neither_follow_nor_be_replaced_is_refused(
    existing: TargetTable, texts: str, settings: dict[str, Any]
) -> None:
    """With what stands against it, and how its columns differ."""
    told = refusal(wanted(), existing, settings=settings)
    assert f"cannot be replaced because of index i{texts} -- alter the target table by hand" in told


def test_a_table_without_a_key_that_others_point_to_is_refused_with_a_way_out() -> None:
    """It can neither be merged into nor emptied; one with other things hanging on it can be emptied."""
    told = refusal(wanted(key=()), there(key=(), hanging=FOREIGN, referenced=True))
    assert "no primary key, and foreign keys point to it" in told
    assert "drop those foreign keys" in told
    assert published(wanted(key=()), there(key=(), hanging=INDEX))[0].publish == "refill"


def test_a_small_table_is_refused_that_no_row_can_be_copied_into_and_that_cannot_be_replaced() -> None:
    """A large one is staged, and its rows come from there."""
    existing = there(MORE, uncopied=("gone",), hanging=INDEX)
    for parts in (0, 1):
        told = refusal(wanted(), existing, parts)
        assert "so no row can be copied: gone text; and it cannot be replaced because of index i" in told
        assert "drop that column, give it another type, or drop what depends on the table" in told
    assert published(wanted(), existing, 2)[0].publish == "refill"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"audit": True}, "is of tier audit"),
        *(({"deletes": word}, f"has deletes: {word}") for word in ("ignore", "mark", "fail")),
    ],
)
@pytest.mark.parametrize(
    ("existing", "texts"),
    [
        (there(OTHER), ": ~ c integer -> varchar(9)"),
        (there(NARROW, views=("v",)), ": ~ c varchar(5) -> varchar(9)"),
        (there(key=()), ""),
    ],
)
def test_a_table_that_must_stay_and_cannot_follow_is_refused(
    existing: TargetTable, texts: str, facts: dict[str, Any], why: str
) -> None:
    """It is never replaced, and its columns are not guessed at."""
    told = refusal(wanted(**facts), existing)
    refused = f"{why}, so bulketl never replaces it, and in its present form it cannot take the source's rows{texts}"
    assert f"{refused} -- alter it in the target" in told


@pytest.mark.parametrize("policy", ["ignore", "mark", "fail"])
def test_a_policy_for_deletes_needs_a_key(policy: str) -> None:
    """Without one, rows that are there cannot be told from those that are gone."""
    assert f"has deletes: {policy}, so bulketl never replaces it" in refusal(wanted(key=(), deletes=policy), there(key=()))


def test_an_audited_table_without_a_key_takes_no_new_columns() -> None:
    """Its old rows could not be found again to fill them; with a key they can."""
    told = refusal(wanted(audit=True, key=()), there(FEWER, ()))
    assert "so bulketl cannot fill its new columns d" in told
    assert "declare its primary_key, name the columns under exclude_columns" in told
    assert published(wanted(audit=True), there(FEWER))[0].added == ("d",)


@pytest.mark.parametrize("facts", [{"hanging": INDEX}, {"hanging": FOREIGN, "referenced": True}])
def test_a_column_that_a_person_excludes_never_stays_where_the_table_cannot_be_replaced(facts: dict[str, Any]) -> None:
    """A column that the source has no longer stays there; what is excluded is dropped or the table is refused, not kept."""
    assert published(wanted(), there(MORE, **facts))[0].kept == (("gone", "text"),)
    told = refusal(wanted(), there(MORE, **facts), exclude_columns=["gone"])
    assert "cannot be replaced because of" in told
    assert "- gone text" in told


def test_a_table_without_a_key_that_something_else_has_the_name_of_is_refused() -> None:
    """No key of the source differs from none there."""
    assert "because of its being a view --" in refusal(wanted(key=()), there((), (), hanging=("its being a view",)))


def test_several_columns_are_told_with_what_parts_them() -> None:
    """In every sentence that names what differs, what hangs on a table, or what needs a column."""
    other = there((THERE[0], ("c", "integer"), ("d", "text")))
    differ = "~ c integer -> varchar(9); ~ d text -> date"
    assert f"the source's rows: {differ} -- alter" in refusal(wanted(audit=True), other)
    assert f"than the target: {differ} -- alter" in refusal(wanted(), other, settings={"narrowed_columns": "refuse"})
    hanging = dataclasses.replace(other, hanging=("index i", "trigger g"))
    told = refusal(wanted(), hanging)
    assert f"because of index i, trigger g: {differ} -- alter" in told
    assert "drop there what is in the way (index i, trigger g), and load again" in told
    pair = refusal(wanted(key=("id", "c")), there(key=("id", "d")))
    assert "has the key id, c at the source and id, d in the target" in pair
    keyless = refusal(wanted(key=("id", "c")), there(key=(), hanging=INDEX))
    assert "its key is id, c at the source and none in the target" in keyless
    two = there((*THERE[:1], *THERE[1:]), ())
    assert "new columns" not in refusal(wanted(audit=True, key=("id",)), two)
    more = there(THERE[:1], ())
    assert "so bulketl cannot fill its new columns c, d" in refusal(wanted(audit=True, key=()), more)


def test_what_needs_a_column_that_is_to_go_is_named_with_each_way_out() -> None:
    carried = (("view v", ("gone", "more", "id")), ("index i", ("more",)), ("view w", ("id",)))
    hanging = tuple(what for what, _ in carried)
    existing = there((*THERE, ("gone", "text"), ("more", "text")), hanging=hanging, carried=carried)
    needs = "table 't' cannot be replaced by a table without gone, more: view v needs gone, more; index i needs more"
    drop = "drop view v, index i in the target, or alter it so that it needs them no longer, and load again; or "
    assert (
        refusal(wanted(), existing, settings={"dropped_columns": "drop"}) == f"{needs} -- {drop}write dropped_columns: keep"
    )
    out = refusal(wanted(), existing, settings={"dropped_columns": "drop"}, exclude_columns=["more"])
    assert out == f"{needs} -- {drop}take it out of exclude_columns"
    left = refusal(wanted(left=("gone",)), existing, settings={"dropped_columns": "drop"})
    assert left == f"{needs} -- {drop}name it under columns"
    assert published(wanted(), existing)[0].publish == "refill"
    by_name = there(hanging=("view v",), carried=(("view v", ("c",)),))
    renamed = (CASTS[0], dataclasses.replace(CASTS[1], name="more"), CASTS[2])
    assert refusal(wanted(casts=renamed), by_name).endswith(
        "drop view v in the target, or alter it so that it needs them no longer, and load again; "
        "or leave the column the name that it has there"
    )


def test_a_table_that_must_stay_gets_other_names_of_columns_by_hand() -> None:
    """What exchanged names needs a reset as well: its rows that are not written again would be wrong."""
    begins = "give the columns their names there by hand (ALTER TABLE … RENAME COLUMN "
    renamed = (CASTS[0], dataclasses.replace(CASTS[1], name="x"), dataclasses.replace(CASTS[2], name="y"))
    told = refusal(wanted(audit=True, casts=renamed), there(key=()))
    assert told.endswith(f" -- {begins}c TO x, d TO y), and load again")
    turned = (CASTS[0], dataclasses.replace(CASTS[1], name="d"), dataclasses.replace(CASTS[2], name="c"))
    assert refusal(wanted(deletes="ignore", casts=turned), there()).endswith(
        f" -- {begins}c TO d, d TO c), `bulketl state reset t`, and load again"
    )
