"""Enum types go with the tables that they were made for: promoted, given back, promoted again."""

from __future__ import annotations

from typing import Any

import pytest
from lab import Lab
from sidebyside import Beside, dropped

import bulketl
from bulketl.errors import BulketlError

WHY: dict[str, Any] = {"reason": "seven equal nights", "force": True}
ALL: dict[str, Any] = {"casts": [{"type": "enum", "to": "enum"}]}


def types(lab: Lab) -> dict[str, str]:
    """Return of which type the column is in each schema, and in which schema that is."""
    found = lab.pg(
        "SELECT n.nspname, y.nspname || '.' || t.typname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid"
        " JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_type t ON t.oid = atttypid"
        " JOIN pg_namespace y ON y.oid = typnamespace WHERE attname = 'state' AND relname = 'patient' AND relkind = 'r'"
        " AND starts_with(n.nspname, '{s}')"
    )
    return dict(found)


def test_a_type_goes_where_its_table_goes_and_gets_another_name_where_its_own_is_taken(maria_lab: Lab) -> None:
    """And the table is loaded on, with new labels, wherever it is."""
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, state enum('new','done'))",
        "INSERT INTO patient VALUES (1, 'new'), (2, 'done'), (3, NULL)",
    )
    maria_lab.pg(
        "CREATE TYPE {s}.patient_state AS ENUM ('new', 'done');"
        " CREATE TABLE {s}.patient (id int PRIMARY KEY, state {s}.patient_state);"
        " INSERT INTO {s}.patient VALUES (1, 'new'), (2, 'done'), (3, NULL)"
    )
    s, beside = maria_lab.schema, Beside(maria_lab)
    try:
        config = beside.shadowed(["patient"], **ALL)
        shadow = config.shadow_schema
        compared = bulketl.compare_pipelines(config)
        assert [(one.table, [d.name for d in one.differences]) for one in compared.tables] == [("patient", ["type"])]
        assert types(maria_lab) == {s: f"{s}.patient_state", shadow: f"{shadow}.patient_state"}
        done = bulketl.promote(config, **WHY)
        assert "its type patient_state is called patient_state_1, for something else has that name" in done.tables[0].told
        assert types(maria_lab)[s] == f"{s}.patient_state_1"
        maria_lab.mysql("ALTER TABLE patient MODIFY state enum('new','open','done')", "UPDATE patient SET state = 'open'")
        assert maria_lab.load(migration=config.migration, **ALL).summary.outcome == "done"
        assert maria_lab.pg("SELECT DISTINCT state::text FROM {s}.patient") == [("open",)]
        assert types(maria_lab)[s] == f"{s}.patient_state_1"
        bulketl.rollback(config, reason="wrong sums")
        assert types(maria_lab) == {s: f"{s}.patient_state", shadow: f"{shadow}.patient_state_1"}
        config = beside.shadowed(["patient"], **ALL)
        assert bulketl.promote(config, **WHY).tables
        assert types(maria_lab)[s] == f"{s}.patient_state_1"
    finally:
        dropped(maria_lab)


def test_a_table_that_has_to_stay_is_not_promoted_into_a_type_of_somebody_elses(maria_lab: Lab) -> None:
    """What cannot be is said before anything is changed."""
    maria_lab.mysql("CREATE TABLE patient (id int PRIMARY KEY, state enum('new','done'))")
    maria_lab.mysql("INSERT INTO patient VALUES (1, 'new'), (2, 'done'), (3, NULL)")
    maria_lab.pg(
        "CREATE TYPE {s}.mood AS ENUM ('new', 'done'); CREATE TABLE {s}.patient (id int PRIMARY KEY, state {s}.mood);"
        " CREATE MATERIALIZED VIEW {s}.counted AS SELECT count(*) FROM {s}.patient"
    )
    beside = Beside(maria_lab)
    try:
        config = beside.shadowed(["patient"], **ALL)
        with pytest.raises(BulketlError) as caught:
            bulketl.promote(config, **WHY)
        assert "has to stay" in str(caught.value)
        assert maria_lab.pg("SELECT count(*) FROM {s}.patient") == [(0,)]
        maria_lab.pg("DROP MATERIALIZED VIEW {s}.counted")
        assert [one.how for one in bulketl.promote(config, **WHY).tables] == ["swapped"]
        assert maria_lab.pg("SELECT state::text FROM {s}.patient ORDER BY id") == [("new",), ("done",), (None,)]
    finally:
        dropped(maria_lab)
