"""The names that tables have in the target, and rules rewritten from the names at the source to these names.

Everything but the statements to the source calls a table by its name in the target: rules, events, the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bulketl.config.tables import TableRule
from bulketl.tables.names import snake_case

Naming = Callable[[str], str]


def naming(rules: Mapping[str, TableRule], names: str) -> Naming:
    """Return what gives a table of the source the name that it has in the target."""
    own = {table: rule.target_name for table, rule in rules.items() if rule.target_name}

    def name(table: str) -> str:
        return own.get(table) or (snake_case(table) if names == "snake_case" else table)

    return name


def renamed(values: dict[str, Any], wrong: Callable[[str, str], None]) -> dict[str, Any]:
    """Return the values of a Config with its tables by the names that they have in the target.

    `wrong` is told of a table whose name another one has, too, and what is wrong.
    """
    rules: Mapping[str, TableRule] = values["tables"]
    if values.get("names") != "snake_case" and not any(rule.target_name for rule in rules.values()):
        return values
    name = naming(rules, values.get("names", "source"))
    known: Iterable[str] | None = values.get("known")
    sources: dict[str, str] = {}
    for table in dict.fromkeys((*rules, *(known or ()))):
        if (other := sources.setdefault(name(table), table)) != table and table in rules:
            wrong(table, f"the name {name(table)!r} in the target is that of {other!r}, too: give one another target_name")
    return {
        **values,
        "tables": {name(table): _pointing(rule, name) for table, rule in rules.items()},
        "known": None if known is None else frozenset(map(name, known)),
        "known_columns": {name(table): columns for table, columns in values.get("known_columns", {}).items()},
        "sources": {there: table for there, table in sources.items() if there != table},
    }


def _pointing(rule: TableRule, name: Naming) -> TableRule:
    """Return a rule in which other tables have the names of the target."""
    return rule.model_copy(update={"dependencies": tuple(map(name, rule.dependencies))}) if rule.dependencies else rule
