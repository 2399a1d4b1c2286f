"""What nobody gives a value is not known of it: nothing, no and none, but for a few fields that are told here."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any

import pytest

from bulketl.tables.taken import AS_IT_IS

MODULES = (
    "bulketl.tables.casts bulketl.tables.catalog bulketl.tables.checks bulketl.tables.cursor bulketl.tables.demands"
    " bulketl.tables.differences bulketl.tables.evidence bulketl.tables.masks bulketl.tables.measured bulketl.tables.naming"
    " bulketl.tables.partitions bulketl.tables.rights bulketl.tables.spec bulketl.tables.taken bulketl.tables.types"
    " bulketl.plan.drift bulketl.plan.facing bulketl.plan.incremental bulketl.plan.obstacle bulketl.plan.plan"
    " bulketl.plan.selection"
)
GIVEN: dict[str, dict[str, Any]] = {
    "CastRule": {"read": "{c}", "size": (0, 1 << 62)},  # read as it is, whatever its size
    "Column": {"readable": True},
    "Key": {"whole": True, "kind": "BTREE"},
    "Table": {"engine": "InnoDB"},
    "TargetTable": {"kind": "table"},
    "Check": {"severity": "warn"},
    "Demands": {"owned": True},
    "Place": {"there": True, "usable": True, "creatable": True},
    "Footing": {"creatable": True, "temporary": True},
    "DifferenceClass": {"what": "values", "per": 1},
    "Arrival": {"gaps": 1.0},  # as many keys as rows
    "Mask": {"last": 4, "days": 365, "of": "name"},
    "Known": {"encoding": "UTF8"},
    "Choice": {"encoding": "UTF8"},
    "Hint": {"whole": True, "main": True},
    "Held": {"there": True},
    "Obstacle": {"otherwise": "it is not loaded"},
    "TableSpec": {
        "encoder": "pgpq", "whole": True, "nul_bytes": "strip", "consistency": "best effort", "deletes": "mirror",
        "guard": 1.0, "threshold": 1.0,
    },
}  # fmt: skip
VALUES = [
    one
    for module in map(import_module, MODULES.split())
    for one in vars(module).values()
    if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: str(kind.__name__))
def test_a_field_that_is_not_given_says_nothing(kind: type) -> None:
    """A value of a test or of an older record has what its fields had when nobody knew of them."""
    fields = dataclasses.fields(kind)
    made = {one.name: one.default for one in fields if one.default is not dataclasses.MISSING}
    nothing = {name for name, value in made.items() if not value or value == AS_IT_IS}
    assert {name: value for name, value in made.items() if name not in nothing} == GIVEN.get(kind.__name__, {})
    assert all(not one.default_factory() for one in fields if callable(one.default_factory) and one.name != "demands")


def test_the_values_that_are_told_here_are_there() -> None:
    assert GIVEN.keys() <= {kind.__name__ for kind in VALUES}
