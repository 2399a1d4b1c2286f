"""One table, and the plan of it alone: by its rule, the settings, and what is known of it. Values alone."""

from __future__ import annotations

from typing import Any

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.plan.decision import decide
from bulketl.plan.incremental import Choice
from bulketl.plan.plan import Plan, TableLoad
from bulketl.plan.selection import Selection
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Catalog, Column, Key, Made, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.partitions import Bound, Partition
from bulketl.tables.spec import TableSpec

HOME = "mysql://h/d"
ID, V, AT = Column("id", "int", False), Column("v", "varchar(9)", True), Column("at", "datetime", True)
CASTS = (cast(ID), cast(V), cast(AT))
PRIMARY = Key("PRIMARY", ("id",), True)
TABLE = Table("t", (ID, V, AT), ("id",), (PRIMARY,), 100, 2000)
COLUMNS = tuple((item.name, item.target) for item in CASTS)
THERE = TargetTable("t", COLUMNS, ("id",), oid=5, made=Made(5, HOME, "r", "load", "at"))
LOADED = Choice(State(HOME, rows=9), THERE)
SPEC = TableSpec("t", "raw", CASTS, ("id",), "create", source=HOME, packed=True, guard=0.05, free=20, consistency="snapshot")
LOAD = TableLoad(
    SPEC, (Partition(0),), "reference", "full load: one read; new in the target", 100, 2000, due=300, strategy="full_table"
)


NEW, EVERYTHING = Choice(), Selection()
COUNTED = Bound(100, True)


def planned(
    table: Table = TABLE,
    rule: dict[str, Any] | None = None,
    choice: Choice = NEW,
    bound: Bound | None = COUNTED,
    selection: Selection = EVERYTHING,
    year: int = 0,
    **settings: Any,
) -> Plan:
    """Return the plan of one table, by its rule, what is known of it and the settings."""
    rules = {} if rule is None else {"t": TableRule.model_validate(rule)}
    config = Config.model_validate(settings).model_copy(update={"tables": rules})
    there = {"t": choice.existing} if choice.existing else {}
    catalog = Catalog(HOME, "11", "UTC", (table,), year=year)
    return decide(config, catalog, {"t": bound} if bound else {}, there, choices={"t": choice}, selection=selection)


def load(**given: Any) -> TableLoad:
    (found,) = planned(**given).loads
    return found
