"""The configuration as one value: settings, rules of tables, and the snapshot of the source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from bulketl.config.inherited import inherited
from bulketl.config.settings import Settings
from bulketl.config.tables import TableRule
from bulketl.errors import ConfigError
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.names import snake_case
from bulketl.tables.patterns import matches
from bulketl.tables.printable import brief
from bulketl.tables.spec import TIERS, Tier

_DEFAULT_RULE = TableRule()
# What decides over no row: where the servers are, who is told, what a person may not see, and what the source had once.
_ADDRESSES = ("source", "target", "mask_key", "mask_key_file")
_TOLD = ("alerts", "watchdog", "hooks", "reports", "metrics", "openlineage")
APART = frozenset((*_ADDRESSES, *_TOLD, "known", "known_columns"))


class Config(Settings):
    """The settings and the rules of all tables; every decision is based on them.

    `known`: the tables that the source had when the rules were last written, None if nobody noted them; `known_columns`:
    the columns of these tables. `sources` maps the name of a table in the target to its name at the source, where the two
    differ. `tables`: the rules of the tables that have an entry, including what they inherit; `patterns` and `tiers`: the
    keys for the other tables.
    """

    known: frozenset[str] | None = None
    known_columns: dict[str, frozenset[str]] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    tables: dict[str, TableRule] = Field(default_factory=dict)
    patterns: dict[str, dict[str, Any]] = Field(default_factory=dict)
    tiers: dict[Tier, dict[str, Any]] = Field(default_factory=dict)
    _inherited: dict[str, TableRule] = PrivateAttr(default_factory=dict)
    _met: dict[str, str] = PrivateAttr(default_factory=dict)  # as `sources`, of tables that no rule and no snapshot names
    _names: dict[str, str] = PrivateAttr(default_factory=dict)  # `sources` the other way round
    _secret_variables: frozenset[str] = PrivateAttr(default=frozenset())
    _source_name: str = PrivateAttr(default="")  # of several in one file
    _rules_path: Path | None = PrivateAttr(default=None)

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.target_schema, tables=len(self.tables), workers=self.workers)

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides what is loaded and how: rules and settings without secrets, addresses and channels.

        Two configurations with the same hash load the same tables in the same way.
        """
        values = self.model_dump(mode="json", exclude=set(APART))
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def rules_path(self) -> Path | None:
        """The file that its rules were read from, None where there is none."""
        return self._rules_path

    @property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that hold a secret or say where one is; no process that bulketl starts needs them."""
        return self._secret_variables

    def uri(self, side: Literal["source", "target"]) -> str:
        """Return the URI of a side; raise ConfigError, with how to set it, when there is none."""
        found = self.source if side == "source" else self.target
        if not found:
            raise ConfigError(
                f"no {side} is set",
                hint=f"write source: URI below sources.{self._source_name} in config/bulketl.yaml"
                if side == "source" and self._source_name
                else f"set BULKETL_{side.upper()} to its URI, or {side}: in config/bulketl.yaml",
            )
        return found

    @property
    def session_zone(self) -> str:
        """The time zone that bulketl sets in sessions of the source, '' if the server's zone is to stay."""
        return "" if self.timestamp_zone == "server" else self.timestamp_zone

    def rule(self, table: str) -> TableRule:
        """Return the rule for a table: its own, or what it inherits; the defaults if nobody wrote one."""
        if table in self.tables or not (self.patterns or self.tiers):
            return self.tables.get(table, _DEFAULT_RULE)
        if table not in self._inherited:
            found = TableRule.model_validate(inherited(self.source_name(table), {}, self.patterns, self.tiers))
            others = tuple(map(self.table_name, found.dependencies))
            self._inherited[table] = found.model_copy(update={"dependencies": others}) if others else found
        return self._inherited[table]

    @property
    def ruled(self) -> bool:
        """Whether anybody wrote a rule for any table."""
        return bool(self.tables or self.patterns or self.tiers)

    @property
    def rules(self) -> tuple[TableRule, ...]:
        """Every rule that somebody wrote: for tables, patterns and tiers."""
        many = (TableRule.model_validate(keys) for keys in (*self.patterns.values(), *self.tiers.values()))
        return (*self.tables.values(), *many)

    @property
    def tables_at_once(self) -> dict[Tier, int]:
        """How many tables, or groups of small ones, of each tier are loaded at once.

        Without any rules every table is in the same tier, which then says nothing: as many tables are loaded at once as
        there are workers.
        """
        if self.ruled or self.tier_workers is not None:
            return super().tables_at_once
        return dict.fromkeys(TIERS, self.at_once)

    def fitting(self, tables: Iterable[str]) -> dict[str, TableRule]:
        """Return the rules of those tables that have a rule of their own or by a pattern."""
        fit = {name for name in tables if matches(self.source_name(name), self.patterns) and not self.is_new(name)}
        names = [name for name in tables if name in self.tables or name in fit]
        return {name: self.rule(name) for name in names}

    def spread(self, tables: Iterable[str]) -> Config:
        """Return the same configuration, in which each of these tables that a pattern fits has a rule of its own."""
        return self.model_copy(update={"tables": {**self.tables, **self.fitting(tables)}})

    def chosen(self, table: str) -> bool:
        """Tell whether somebody chose how this very table is loaded, rather than by a pattern or a tier for many tables."""
        rule = self.rule(table)
        keys = inherited(self.source_name(table), {"table_importance": rule.table_importance}, self.patterns, self.tiers)
        return (keys.get("extraction_strategy"), keys.get("incremental_column")) != (
            rule.extraction_strategy,
            rule.incremental_column,
        )

    def source_name(self, table: str) -> str:
        """Return the name that a table has at the source."""
        return self.sources.get(table) or self._met.get(table, table)

    def table_name(self, table: str) -> str:
        """Return the name in the target of a table of the source; everything but the source's statements uses this name."""
        if len(self._names) != len(self.sources):
            self._names.update({source: name for name, source in self.sources.items()})
        return self._names.get(table) or (snake_case(table) if self.names == "snake_case" else table)

    def meet(self, tables: Iterable[Table]) -> None:
        """Take note of the names of tables at the source, because patterns are matched with them."""
        self._met.update({table.name: table.origin for table in tables if table.name != table.origin})

    def target_name(self, table: str, column: str) -> str:
        """Return the name in the target of a table's column: by the table's rule, or by the setting for all names."""
        own = self.rule(table).rename.get(column)
        return own or (snake_case(column) if self.names == "snake_case" else column)

    def target_names(self, table: str, columns: Iterable[str]) -> tuple[str, ...]:
        """Return the names of a table's columns in the target."""
        return tuple(self.target_name(table, column) for column in columns)

    def is_new(self, table: str) -> bool:
        """Tell whether a table came to the source after the rules were written."""
        return self.known is not None and table not in self.known and table not in self.tables

    def left_out_unseen(self, table: str) -> bool:
        """Tell whether a table is new and a pattern or a tier excludes it whose author did not know the table."""
        return self.is_new(table) and self.rule(table).exclude

    def waits(self, table: str) -> bool:
        """Tell whether a table is new and is not loaded until the rules name it."""
        return self.is_new(table) and self.new_tables == "report"

    def zone(self, catalog: Catalog) -> str:
        """Return the time zone in which TIMESTAMP columns are read."""
        return catalog.zone if self.timestamp_zone == "server" else self.timestamp_zone

    def declared_type(self, table: Table, column: Column) -> str:
        """Return the Postgres type that a person declared for a column, or ''; the table's own rule takes precedence."""
        own = self.rule(table.name).casts.get(column.name)
        return own or next((rule.to for rule in self.casts if rule.takes(table, column)), "")
