"""A table as it is wanted and as the target may have it, and the way in which the plan publishes it: values alone."""

from __future__ import annotations

from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.publishing import Way, differing, publishing
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column, TargetTable
from bulketl.tables.spec import TableSpec

CASTS = (
    cast(Column("id", "int", False)),
    cast(Column("c", "varchar(9)", True)),
    cast(Column("d", "date", True)),
)
THERE = (("id", "integer"), ("c", "varchar(9)"), ("d", "date"))
NARROW = (THERE[0], ("c", "varchar(5)"), THERE[2])  # what the source has is wider
OTHER = (THERE[0], ("c", "integer"), THERE[2])  # what the source has is of another type
FEWER = THERE[:2]
MORE = (*THERE, ("gone", "text"))
TYPES = ("integer", "bigint", "varchar(5)", "varchar(9)", "text", "date")
INDEX = ("index i",)
FOREIGN = ("constraint f of orders",)
SMALL = "small, so emptied and refilled in one transaction"


def wanted(**facts: Any) -> TableSpec:
    """Return the spec of a table with a key that is loaded whole."""
    return TableSpec(**{"table": "t", "schema": "raw", "casts": CASTS, "key": ("id",), "publish": "create", **facts})


def there(columns: tuple[tuple[str, str], ...] = THERE, key: tuple[str, ...] = ("id",), **facts: Any) -> TargetTable:
    """Return the table of that name in the target, with the columns that are wanted unless others are given."""
    return TargetTable("t", columns, key, **facts)


def published(
    spec: TableSpec, existing: TargetTable | None, parts: int = 1, settings: dict[str, Any] | None = None, **rule: Any
) -> Way:
    """Return the way of a table by its rule and settings."""
    found = differing(spec, existing, None)
    return publishing(Config(**settings or {}), TableRule(**rule), spec, parts, existing, found)


def refusal(
    spec: TableSpec, existing: TargetTable | None, parts: int = 1, settings: dict[str, Any] | None = None, **rule: Any
) -> str:
    """Return the message and the hint with which a table is refused."""
    with pytest.raises(PlanError) as refused:
        published(spec, existing, parts, settings, **rule)
    assert "'t'" in refused.value.message
    assert refused.value.hint
    return f"{refused.value.message} -- {refused.value.hint}"
