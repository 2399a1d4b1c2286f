"""What one table is refused for: by the plan, before anything is read; with the table, the reason and what to do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from onetable import (
    HOME,
    ID,
    TABLE,
    THERE,
    load,
    planned,
)

from bulketl.errors import PlanError
from bulketl.plan.incremental import Choice
from bulketl.tables.catalog import Column
from bulketl.tables.cursor import State
from bulketl.tables.partitions import Bound

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "what cannot be read": (
        {"bound": Bound(0, error="denied")}, "table 't' cannot be read: denied",
        "grant SELECT on it to the source user, or repair it; exclude: true leaves it out",
    ),
    "what is gone": (
        {"bound": None}, "table 't' cannot be read: gone",
        "grant SELECT on it to the source user, or repair it; exclude: true leaves it out",
    ),
    "a wrong condition": (
        {"bound": Bound(0, error="syntax"), "table": dataclasses.replace(TABLE, where="id >")},
        "table 't' cannot be read: syntax",
        ("correct its where, which the source has to understand; or grant SELECT on it to the source user, or repair it; "
        "exclude: true leaves it out"),
    ),
    "audit no more": (
        {"choice": Choice(State(HOME, audited=True), THERE)},
        "table 't' is audited in the target, and its rule says tier reference now",
        "write table_importance: audit again; or, if its audit is to end, `bulketl state reset t`",
    ),
    "an audited table that is gone": (
        {"choice": Choice(State(HOME, audited=True)), "rule": {"table_importance": "audit"}},
        "table 't' is audited, and it is gone in the target: somebody dropped or renamed it there",
        "put it back; or `bulketl state reset t`, and its audit begins anew with what the source has",
    ),
    "a name of a column that bulketl adds": (
        {"table": dataclasses.replace(TABLE, columns=(ID, Column("_run_id", "text", True))), "added_columns": ["_run_id"]},
        "table 't' has a column '_run_id' of its own, which added_columns would add",
        "take it out of added_columns, or name it under the table's exclude_columns",
    ),
    "a legal hold without a key": (
        {
            "table": dataclasses.replace(TABLE, primary_key=(), keys=()),
            "rule": {"retention": {"keep": "7y", "by": "at", "action": "delete", "legal_hold": True}},
        },
        "table 't' has a legal hold and no primary key, so its rows can only be replaced as a whole",
        "declare its primary_key; without one, only its tier can keep them: table_importance: audit",
    ),
    "retention of a column that is gone": (
        {"choice": Choice(State(HOME, rows=9, retained=(("day", "2020-01-01"),)), THERE)},
        ("table 't' no longer has the column 'day', by which retention has removed rows before 2020-01-01 from the target: "
            "bulketl cannot tell these rows from the others, and they would come back"),
        ("put the column back at the source, or take 'day' out of bulketl.state.retained in the target when they may come "
        "back; `bulketl state reset` does not forget retention"),
    ),
    "a key that is not there": (
        {"rule": {"primary_key": ["id", "no"]}}, "table 't' has no column 'no', which its primary_key names",
        "correct primary_key; MySQL's spelling and case count",
    ),
    "retention by a column that is excluded": (
        {"rule": {"exclude_columns": ["at"], "retention": {"keep": "7y", "by": "at", "action": "delete"}}},
        "table 't' has no column 'at', which its retention names",
        "correct the name; MySQL's spelling and case count, and the column must not be excluded",
    ),
    "a column to read again that is not there": (
        {"rule": {"reread": {"columns": ["at", "no"]}}}, "table 't' has no column 'no', which its reread names",
        "correct the name; MySQL's spelling and case count, and the column must not be excluded",
    ),
    "a column that no index cuts": (
        {"rule": {"partition_by": "at"}},
        "table 't' cannot be cut along 'at': no index begins with it, or it has no order",
        "name a number, date or text column that an index begins with, or leave partition_by out",
    ),
    "names that are not there": (
        {"rule": {"casts": {"x": "text"}, "rename": {"u": "w"}, "exclude_columns": ["z"], "columns": ["id", "y"]}},
        "table 't' has no column 'u', 'x', 'y', 'z', which the configuration names",
        "correct the name under casts, columns, exclude_columns or rename; MySQL's spelling and case count",
    ),
    "a column that may not be read": (
        {"table": dataclasses.replace(TABLE, columns=(ID, Column("s", "text", True, readable=False)))},
        "no right to read column 's' of 't'",
        "grant SELECT on the table to the source user, or name the columns under exclude_columns",
    ),
    "columns that may not be read": (
        {"table": dataclasses.replace(
            TABLE, columns=(ID, *(Column(n, "text", True, readable=False) for n in ("s", "u")))
        )},
        "no right to read columns 's', 'u' of 't'",
        "grant SELECT on the table to the source user, or name the columns under exclude_columns",
    ),
    "nothing left": (
        {"rule": {"exclude_columns": ["id", "v", "at"]}}, "table 't' has no column left to load",
        "shorten its exclude_columns, or name more under columns",
    ),
    "a long name": (
        {"table": dataclasses.replace(TABLE, columns=(ID, Column("ä" * 32, "int", True)))},
        f"column name '{'ä' * 32}' of 't' has 64 bytes, and Postgres cuts names at 63",
        ("rename it at the source, name a view of a shorter name in tables.yaml, or give it another under rename, or name "
        "it under exclude_columns"),
    ),
    **{
        f"the system column {name}": (
            {"table": dataclasses.replace(TABLE, columns=(ID, Column(name, "int", True)))},
            f"column '{name}' of 't' has the name of a system column of Postgres",
            "give it another name under rename in tables.yaml, or name it under exclude_columns",
        )
        for name in ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
    },
    "two columns of one name": (
        {"rule": {"rename": {"v": "at"}}},
        "columns 'v' and 'at' of table 't' would both be 'at' in the target",
        "give 'v' another name under rename in tables.yaml, or leave one of them out",
    ),
    "casts that lose something": (
        {"rule": {"casts": {"v": "integer", "at": "boolean"}}},
        ("table 't': column 'v' is varchar(9), which no cast rule makes into 'integer'; column 'at' is datetime, which no "
        "cast rule makes into 'boolean'"),
        "declare one of: json, jsonb, text, varchar",
    ),
    "tables of one name": (
        {"table": dataclasses.replace(TABLE, origin="T", alike=("T2",))},
        "tables 'T' and 'T2' would both be 'T' in the target",
        "give one of them another target_name in tables.yaml, or write exclude: true for one",
    ),
    "a refusal of its cursor": (
        {"choice": Choice(refusal=PlanError("no", hint="so"))}, "no", "so",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_loaded_is_refused_with_its_name_the_reason_and_what_to_do(name: str) -> None:
    given, message, hint = REFUSED[name]
    plan = planned(**given)
    assert list(plan.loads) == []
    assert [(one.table, one.message, one.hint) for one in plan.refused] == [("t", message, hint)]


def test_what_the_server_said_of_a_table_is_not_told_to_others() -> None:
    """It may quote a row."""
    (refused,) = planned(bound=Bound(0, error="denied")).refused
    assert "denied" in refused.message
    assert refused.public == "table 't' cannot be read: (not shown here: it may quote a row)"
    (gone,) = planned(bound=None).refused
    assert gone.public == gone.message


def test_columns_up_to_the_longest_name_and_by_an_index_are_taken() -> None:
    longest = load(table=dataclasses.replace(TABLE, columns=(ID, Column("ä" * 31 + "a", "int", True))))
    assert len(longest.spec.casts) == 2
    cut = load(rule={"partition_by": "id"}, bound=Bound(100, True, ((5,),)))
    assert [part.key for part in cut.partitions] == ["PRIMARY", "PRIMARY"]
