"""Comparing with an older pipeline: each of its faults is found and named, and nothing else is."""

from __future__ import annotations

from typing import Any

import legacy
import psycopg
import pytest
from lab import Lab
from lab import load as lab_load

import bulketl
from bulketl.operations.migrate.compare import compare, shadowed
from bulketl.operations.migrate.comparison import Comparison, TableCompared

PATIENT = (
    "CREATE TABLE patient (id int PRIMARY KEY, name varchar(50), active tinyint(1) NOT NULL, note text, born date,"
    " balance decimal(10,2), seen datetime(6), stamp timestamp(6) NULL, weight double, small smallint)"
)
PATIENTS: list[tuple[Any, ...]] = [
    (1, "Ann", 1, "", "1980-01-02", "10.50", "2024-01-01 10:00:00.000000", "2024-01-01 10:00:00.5", 1.5, 1),
    (2, "Bob", 0, None, None, None, "2024-01-02 10:00:00.123456", None, None, None),
    (3, None, 1, "x", "1990-05-05", "-3.25", None, "2024-03-01 12:00:00", 0.1, 3),
]
FAULTS = {
    ("active", "boolean", 3),
    ("name", "empty-for-null", 1),
    ("note", "empty-for-null", 1),
    ("seen", "seconds", 1),
    ("stamp", "seconds", 1),
    ("", "keeps-deleted", 1),
}


def made(lab: Lab, *tables: str, **overrides: Any) -> bulketl.Config:
    """Load tables by both pipelines; return the configuration of a migration."""
    legacy.load(lab.source, lab.target, lab.schema, tables)
    config = lab.config(migration={"promote_after": {"equal_nights": 2}}, **overrides)
    lab.pg(f"DROP SCHEMA IF EXISTS {config.shadow_schema} CASCADE")
    lab_load(shadowed(config), tables=tables)
    return config


def patients(lab: Lab) -> bulketl.Config:
    """Make the table of patients, one of which the source has deleted since the older pipeline had it."""
    lab.mysql(PATIENT)
    lab.insert("patient", [*PATIENTS, (4, "Dan", 1, "y", None, None, None, None, None, None)])
    legacy.load(lab.source, lab.target, lab.schema, ["patient"])
    lab.mysql("DELETE FROM patient WHERE id = 4")
    return made(lab, "patient")


def claimed(found: TableCompared) -> set[tuple[str, str, int]]:
    return {(one.column, one.name, one.rows) for one in found.differences}


def one_table(found: Comparison) -> TableCompared:
    (table,) = found.tables
    return table


def test_the_comparison_finds_exactly_the_four_faults_and_says_that_the_shadow_is_right(lab: Lab) -> None:
    found = one_table(compare(patients(lab)))
    assert found.problem == ""
    assert claimed(found) == FAULTS
    assert (found.legacy_rows, found.shadow_rows, found.outcome) == (4, 3, "differs")
    assert found.judged
    assert all(one.shadow and not (one.legacy or one.both or one.changed) for one in found.judged), found.judged
    assert found.legacy_seconds is not None
    assert found.shadow_seconds is not None
