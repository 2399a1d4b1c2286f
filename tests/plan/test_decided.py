"""Every field of a load and its spec follows from the rule, the settings, or what is known of the table; no other moves."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from onetable import AT, CASTS, COLUMNS, HOME, ID, LOAD, LOADED, SPEC, TABLE, THERE, V, load

from bulketl.plan.incremental import Choice
from bulketl.plan.plan import TableLoad
from bulketl.plan.selection import Selection
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.cursor import State, Watermark
from bulketl.tables.measured import Cursor, Measured, Pace
from bulketl.tables.partitions import Bound, Changes, Partition


def changed(before: TableLoad, after: TableLoad) -> dict[str, Any]:
    """Return what differs in a load and its spec; but for the hash of how it is loaded, of which all is a part."""
    fields = [one.name for one in dataclasses.fields(before) if one.name != "spec"]
    found = {name: getattr(after, name) for name in fields if getattr(before, name) != getattr(after, name)}
    if "rows" in found:
        found["rows@"] = found.pop("rows")  # at the source
    fields = [one.name for one in dataclasses.fields(before.spec) if one.name != "evidence"]
    one, other = before.spec, after.spec
    return found | {name: getattr(other, name) for name in fields if getattr(one, name) != getattr(other, name)}


def test_a_table_of_which_nobody_says_anything_is_loaded_whole_by_its_key() -> None:
    assert changed(LOAD, load()) == {}


FULL = "full load: one read"
SMALL = f"{FULL}; small, so emptied and refilled in one transaction"
REFILLED: dict[str, Any] = {"reason": SMALL, "publish": "refill", "rows": 9}
# What is said of the table, and what of its load is otherwise for that. `rows` of a spec are those that the target has.
SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "critical": ({"rule": {"table_importance": "critical"}}, {"tier": "critical"}),
    "important": ({"rule": {"table_importance": "important"}}, {"tier": "important"}),
    "audit": ({"rule": {"table_importance": "audit"}}, {"tier": "audit", "audit": True, "deletes": "ignore"}),
    "alerts": (
        {"rule": {"table_importance": "critical"}, "alerts": {"email": ["a@b.org"]}},
        {"tier": "critical", "once_more": True},
    ),
    "max_rejects": ({"max_rejects": 3}, {"max_rejects": 3}),
    "its own max_rejects": ({"rule": {"max_rejects": 7}, "max_rejects": 3}, {"max_rejects": 7}),
    "no rejects": ({"rule": {"max_rejects": 0}, "max_rejects": 3}, {}),
    "monitoring": (
        {"rule": {"monitoring": {"max_extraction_time_minutes": 2, "data_quality_threshold": 0.9}}},
        {"due": 120, "threshold": 0.9},
    ),
    "stop_after_minutes": ({"rule": {"stop_after_minutes": 3}}, {"stop_after": 180}),
    "primary_key": ({"rule": {"primary_key": ["v"]}}, {"key": ("v",)}),
    "exclude_columns": (
        {"rule": {"exclude_columns": ["v"]}},
        {"reason": f"{FULL}; 2 of its 3 columns; new in the target", "casts": (CASTS[0], CASTS[2]), "left": ("v",)},
    ),
    "a key that is excluded": (
        {"rule": {"exclude_columns": ["id"]}},
        {
            "reason": f"{FULL}; 2 of its 3 columns; new in the target", "casts": CASTS[1:], "left": ("id",), "key": (),
            "unmet": "loaded without a key: its rule excludes id",
        },
    ),
    "columns": (
        {"rule": {"columns": ["id"]}},
        {"reason": f"{FULL}; 1 of its 3 columns; new in the target", "casts": CASTS[:1], "left": ("v", "at")},
    ),
    "rename": (
        {"rule": {"rename": {"v": "w"}}},
        {"casts": (CASTS[0], dataclasses.replace(CASTS[1], name="w"), CASTS[2])},
    ),
    "casts": (
        {"rule": {"casts": {"v": "text"}}},
        {"declared": ("v varchar(9) -> text",), "casts": (CASTS[0], cast(V, "text"), CASTS[2])},
    ),
    "casts of a type": (
        {"casts": [{"type": "varchar", "to": "text"}]},
        {"declared": ("v varchar(9) -> text",), "casts": (CASTS[0], cast(V, "text"), CASTS[2])},
    ),
    "deletes: mark": ({"rule": {"deletes": "mark"}}, {"deletes": "mark", "kept": (("_deleted_at", "timestamptz"),)}),
    "deletes: fail": ({"rule": {"deletes": "fail"}}, {"deletes": "fail"}),
    "guard": ({"rule": {"deletes": {"guard": "50%"}}}, {"guard": 0.5, "free": 0}),
    "no guard": ({"rule": {"deletes": {"guard": 0}}}, {"guard": 0.0, "free": 0}),
    "--allow-deletes": ({"selection": Selection(allow_deletes=("t",))}, {"guard": 1.0}),
    "--allow-deletes, a guard": (
        {"rule": {"deletes": {"guard": "50%"}}, "selection": Selection(allow_deletes=("t",))}, {"guard": 1.0, "free": 0},
    ),
    "legal hold": (
        {"rule": {"retention": {"keep": "7y", "by": "at", "action": "delete", "legal_hold": True}}}, {"deletes": "ignore"},
    ),
    "retention without a hold": ({"rule": {"retention": {"keep": "7y", "by": "at", "action": "delete"}}}, {}),
    "a hold of what is marked": (
        {"rule": {
            "deletes": "mark", "retention": {"keep": "7y", "by": "at", "action": "delete", "legal_hold": True},
        }},
        {"deletes": "mark", "kept": (("_deleted_at", "timestamptz"),)},
    ),
    "schema": ({"schema": "clinic"}, {"schema": "clinic"}),
    "nul_bytes": ({"nul_bytes": "reject"}, {"nul_bytes": "reject"}),
    "added_columns": ({"added_columns": ["_run_id", "_loaded_at"]}, {"stamps": ("_loaded_at", "_run_id")}),
    "timestamp_zone": ({"timestamp_zone": "+02:00"}, {"zone": "+02:00"}),
    "certify": ({"certify": True}, {"certify": True}),
    "an engine that locks": (
        {"table": dataclasses.replace(TABLE, engine="MyISAM")}, {"consistency": "locked", "locks": True},
    ),
    "a view": ({"table": dataclasses.replace(TABLE, view=True, engine="")}, {"consistency": "best effort"}),
    "where": (
        {"table": dataclasses.replace(TABLE, where="id > 1")},
        {"reason": f"{FULL}; only the rows for which its rule's where holds; new in the target", "where": "id > 1"},
    ),
    "another name": (
        {"table": dataclasses.replace(TABLE, origin="T0")},
        {"reason": f"{FULL}; T0 at the source; new in the target", "origin": "T0"},
    ),
    "a strategy without a watermark": (
        {
            "rule": {"extraction_strategy": "incremental", "incremental_column": "at"},
            "choice": Choice(why=", because it has no watermark yet", watermark=Watermark("at", "datetime", "x")),
        },
        {
            "strategy": "incremental", "watermark": Watermark("at", "datetime", "x"),
            "reason": "full load, because it has no watermark yet: one read; new in the target",
        },
    ),
    "earlier loads": ({"choice": Choice(pace=Pace(0.1234567, 1))}, {"seconds": 12.346}),
    "a rule that cannot be met": ({"choice": Choice(unmet="it has no such column")}, {"unmet": "it has no such column"}),
    "a former name": (
        {"choice": Choice(former="old", former_state=State(HOME))},
        {"drift": ("~ it was old until now, which stays as it is",)},
    ),
    "rules that do not know it": (
        {"known": frozenset({"u"}), "new_tables": "load"}, {"drift": ("+ table, new at the source",)},
    ),
    "a column that the rules do not know": (
        {"known_columns": {"t": frozenset({"id"})}, "rule": {"columns": ["id"], "exclude_columns": ["at"]}},
        {
            "reason": f"{FULL}; 1 of its 3 columns; new in the target", "casts": CASTS[:1], "left": ("v", "at"),
            "drift": ("? v: new at the source, and not among the columns of its rule",),
        },
    ),
    "masking: strict": (
        {"masking": "strict", "known_columns": {"t": frozenset({"id", "at"})}},
        {
            "casts": (CASTS[0], CASTS[2]), "withheld": ("v",),
            "drift": ("? v: withheld, nobody has said whether it is personal",),
        },
    ),
    "an empty table": (
        {"bound": Bound(0, True)}, {"partitions": (), "reason": "full load: empty at the source, counted; new in the target",
        "rows@": 0},
    ),
    "a table of which nobody counted the rows": ({"bound": Bound(0)}, {"rows@": 0}),
    "a long row": ({"bound": Bound(100, True, longest=5000)}, {"bytes": 5000}),
    "more rows than the server thinks": ({"bound": Bound(300, True)}, {"rows@": 300, "bytes": 6000}),
    "a column of any length": (
        {"table": dataclasses.replace(TABLE, columns=(ID, V, AT, Column("x", "longtext", True)))},
        {"long": True, "casts": (*CASTS, cast(Column("x", "longtext", True)))},
    ),
    "cuts": (
        {"bound": Bound(100, True, ((30,), (60,)))},
        {
            "partitions": (
                Partition(0, "PRIMARY", ("id",), None, (30,), unique=True),
                Partition(1, "PRIMARY", ("id",), (30,), (60,), unique=True),
                Partition(2, "PRIMARY", ("id",), (60,), None, unique=True),
            ),
            "reason": "full load: 3 ranges of id; new in the target", "consistency": "best effort",
        },
    ),
    "a table that is there": (
        {"choice": Choice(existing=THERE)},
        {"reason": SMALL, "publish": "refill"},
    ),
    "rows that are there": ({"choice": LOADED}, REFILLED),
    "rules that do not know a table that is there": (
        {"choice": LOADED, "known": frozenset({"u"}), "new_tables": "load"}, REFILLED,
    ),
    "what hangs on it": (
        {"choice": Choice(State(HOME, rows=9), dataclasses.replace(THERE, views=("v",), hanging=("h",), grants=("g",)))},
        REFILLED | {
            "reason": f"{FULL}; emptied and refilled in one transaction, because of h", "hanging": ("v", "h", "g"),
        },
    ),
    "what retention removed": (
        {"choice": Choice(State(HOME, rows=9, retained=(("at", "2020-01-01"),)), THERE)},
        REFILLED | {"retained": (("at", dt.datetime(2020, 1, 1)),)},
    ),
    "another where": (
        {"choice": LOADED, "table": dataclasses.replace(TABLE, where="id > 1")},
        REFILLED | {
            "where": "id > 1",
            "reason": f"{FULL}; only the rows for which its rule's where holds; its rule's where is not the one that it was "
            "loaded with; small, so emptied and refilled in one transaction",
        },
    ),
    "a where that is told already": (
        {
            "choice": dataclasses.replace(LOADED, why=", because its rule's where is not the one that it was loaded with"),
            "table": dataclasses.replace(TABLE, where="id > 1"),
        },
        REFILLED | {
            "where": "id > 1",
            "reason": "full load, because its rule's where is not the one that it was loaded with: one read; only the rows "
            "for which its rule's where holds; small, so emptied and refilled in one transaction",
        },
    ),
    "keep_previous": (
        {"rule": {"keep_previous": 1}, "choice": Choice(State(HOME, rows=9), dataclasses.replace(THERE, bytes=2000))},
        REFILLED | {
            "previous": True, "reason": f"{SMALL}; the version before is kept, about 2.0 kB more in the target",
        },
    ),
    "keep_previous by the settings": (
        {"keep_previous": 1, "choice": LOADED},
        REFILLED | {
            "previous": True,
            "reason": f"{SMALL}; the version before is kept, its size, which Postgres has not counted yet, more in the "
            "target",
        },
    ),
    "keep_previous not of it": ({"keep_previous": 1, "rule": {"keep_previous": 0}, "choice": LOADED}, REFILLED),
    "publish: swap": (
        {"rule": {"publish": "swap"}, "choice": LOADED},
        REFILLED | {"publish": "swap", "reason": f"{FULL}; built beside and swapped in"},
    ),
    "adopt": (
        {
            "choice": Choice(existing=dataclasses.replace(THERE, made=None)),
            "selection": Selection(adopt=("t",), person="ann"),
        },
        {
            "publish": "refill", "adopt": "option", "oid": 5, "person": "ann",
            "reason": f"{SMALL}; adopted, as --adopt says: bulketl did not make it",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_a_word_of_a_person_or_a_fact_moves_what_it_is_about_and_nothing_else(name: str) -> None:
    said, moved = SAID[name]
    assert changed(LOAD, load(**said)) == moved


MOMENT = dt.datetime(2024, 1, 1)
MARK = Watermark("at", "datetime", "2024-01-01 00:00:00")
RULE: dict[str, Any] = {"extraction_strategy": "incremental", "incremental_column": "at"}
BY_CHANGES = Choice(
    State(HOME, MARK, rows=9),
    THERE,
    cursor=Cursor("at", "datetime", Changes("at", MOMENT)),
    measured=Measured(MOMENT, rows=5),
)
CHANGES = "incremental: at from 2024-01-01 00:00:00 on"


def by_changes(rule: dict[str, Any] | None = None, **given: Any) -> TableLoad:
    """Return the load of the changes of a table; nothing is measured of the whole of it."""
    choice = {name: given.pop(name) for name in list(given) if name in Choice.__dataclass_fields__}
    return load(rule=RULE | (rule or {}), choice=dataclasses.replace(BY_CHANGES, **choice), bound=None, **given)


@pytest.mark.parametrize(
    ("said", "moved"),
    [
        ({}, {}),
        ({"rule": {"deletes": "ignore"}}, {}),
        *(({"rule": {"deletes": how}}, {"deletes": how, "compare": True}) for how in ("mirror", "fail")),
        ({"rule": {"deletes": {"every": "1h"}}}, {"compare": True}),
        ({"rule": {"table_importance": "audit"}},
         {"tier": "audit", "audit": True, "publish": "append", "compare": True,
          "reason": f"{CHANGES}; appended to, because it is of tier audit; then compared with the source"}),
        ({"measured": Measured(MOMENT, rows=0)},
         {"partitions": (), "rows@": 0, "bytes": 0,
          "reason": "incremental: nothing has at from 2024-01-01 00:00:00 on, counted; merged in"}),
        ({"pace": Pace(2.0, 30)}, {"seconds": 30}),
        ({"watermark": MARK}, {"watermark": MARK}),
    ],
)  # fmt: skip
def test_what_moves_in_a_load_of_changes(said: dict[str, Any], moved: dict[str, Any]) -> None:
    """Its bytes are those of its rows; whether it is compared afterwards is told."""
    if moved.get("compare"):
        moved = {"reason": f"{CHANGES}; merged in; then compared with the source"} | moved
    plain = {
        "partitions": (Partition(0, changes=Changes("at", MOMENT)),), "reason": f"{CHANGES}; merged in", "rows@": 5,
        "bytes": 100, "strategy": "incremental", "publish": "merge", "whole": False, "deletes": "ignore", "rows": 9,
    }  # fmt: skip
    expected = plain | moved
    if expected["deletes"] == SPEC.deletes:
        del expected["deletes"]
    assert changed(LOAD, by_changes(**said)) == expected


def test_changes_that_cannot_be_told_have_the_table_read_whole() -> None:
    """Where nothing was measured, or the cursor has no changes: a bound is needed then."""
    for choice in ({"measured": None}, {"cursor": None}, {"cursor": Cursor("at", "datetime")}):
        found = load(rule=RULE, choice=dataclasses.replace(BY_CHANGES, **choice))
        assert found.reason.startswith(FULL)


def test_chunks_are_published_one_after_another() -> None:
    chunks = Measured(MOMENT + dt.timedelta(days=9), None, 5, (), ((MOMENT, ()), (MOMENT + dt.timedelta(days=3), ())))
    cursor = Cursor("at", "datetime", Changes("at", MOMENT), chunked=True)
    found = by_changes({"extraction_strategy": "chunked_incremental"}, cursor=cursor, measured=chunks)
    assert [part.mark for part in found.partitions] == ["2024-01-04 00:00:00", ""]
    assert found.chunked
    assert not by_changes().chunked


def test_an_empty_table_that_is_staged_has_a_range() -> None:
    """What is staged is compared with the record of its ranges."""
    empty = load(choice=Choice(State(HOME), THERE), bound=Bound(0, True))
    assert (empty.partitions, empty.direct) == ((Partition(0),), False)
    assert load(choice=LOADED, bound=Bound(0, True)).partitions == ()


GONE = dataclasses.replace(THERE, columns=(*COLUMNS, ("gone", "text"), ("born", "date")))


def test_values_that_only_the_target_has_and_that_are_masked_now_are_told() -> None:
    """They become NULL, for only the source could tell what a mask makes of them."""
    one = {"gone": {"method": "null", "optional": True}}
    found = load(rule={"mask": one}, choice=Choice(State(HOME, rows=9), GONE))
    assert found.reason == (
        "full load, because its masks are other ones than those it was loaded with: one read; small, so emptied and "
        "refilled in one transaction; gone, masked now and only in the target, becomes NULL"
    )
    assert [item.name for item in found.spec.unread] == ["gone"]
    two = one | {"born": {"method": "generalise", "optional": True}}
    assert load(rule={"mask": two}, choice=Choice(State(HOME, rows=9), GONE)).reason.endswith(
        "; born, gone, masked now and only in the target, becomes NULL"
    )
    known = load(rule={"mask": one}, choice=Choice(State(HOME, rows=9, masking=found.spec.masking), GONE))
    assert (known.reason, known.spec.unread) == (SMALL, ())


def test_years_of_too_long_ago_are_raised_where_rows_stay_and_told() -> None:
    """The source's year is in the plan's masks; a table that is replaced gets the new year anyway."""
    mask = {"at": {"method": "generalise"}}
    spec = load(rule={"mask": mask}, year=2026).spec
    before = dataclasses.replace(LOADED, state=State(HOME, rows=9, masking=spec.masking.replace("2026", "2025")))
    whole = load(rule={"mask": mask}, choice=before, year=2026)
    assert (whole.spec.aged, whole.reason) == (True, SMALL)
    kept = load(rule={"mask": mask, "deletes": "ignore"}, choice=before, year=2026)
    assert kept.spec.aged
    assert kept.reason.endswith("; its oldest years are moved to the new year's limit")
    same = dataclasses.replace(LOADED, state=State(HOME, rows=9, masking=spec.masking))
    assert not load(rule={"mask": mask, "deletes": "ignore"}, choice=same, year=2026).spec.aged
