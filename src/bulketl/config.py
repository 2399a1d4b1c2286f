"""The configuration as one value: `tables.yaml`, policy per table, and `bulketl.yaml`, connections and what holds for all.

It reads its two files, the snapshot beside tables.yaml, and nothing else: no server, no clock. The environment is handed
in. Every mistake in both files is reported at once, with file, line, key path and what is allowed there. Column types
never stand here, the live schema is read in each run; what stands here is what a person decides. A table without an entry
gets the defaults below.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bulketl.catalog import Column, Table
from bulketl.errors import ConfigError
from bulketl.rules import Monitoring, TableRule, Tier
from bulketl.settings import Settings
from bulketl.snapshot import read_snapshot
from bulketl.yamlfile import KeyPath, read_yaml

# Keys of the layout with `metadata` and `tables` that say what is measured anew in each run, or nothing bulketl needs.
_LATER_KEYS = frozenset({
    "incremental_columns", "incremental_strategy", "primary_incremental_column", "sync_profile", "column_names",
    "replicator_watermark_column", "lookback_resync", "time_gap_threshold_days", "performance_category",
    "processing_priority", "estimated_processing_time_minutes", "memory_requirements_mb", "schema_hash", "last_analyzed",
    "dbt_model_types", "table_name",
})  # fmt: skip
_LATER_TIERS: dict[str, Tier] = {"large": "critical", "medium": "important", "small": "important", "tiny": "reference"}
M = TypeVar("M", bound=BaseModel)


_DEFAULT_RULE = TableRule()


class Config(Settings):
    """Settings and table rules in one value; what every decision is taken from.

    `known` are the tables the source had when the rules were last written, None when nobody noted it.
    """

    known: frozenset[str] | None = None
    tables: dict[str, TableRule] = Field(default_factory=dict)

    def rule(self, table: str) -> TableRule:
        """Return the rule for a table, the defaults when none is written."""
        return self.tables.get(table, _DEFAULT_RULE)

    def declared_type(self, table: Table, column: Column) -> str:
        """Return the Postgres type a person declared for a column, or empty: the table's own word first."""
        own = self.rule(table.name).casts.get(column.name)
        return own or next((rule.to for rule in self.casts if rule.takes(table, column)), "")


def load_config(tables: Path | None, settings: Path | None, environ: Mapping[str, str], **overrides: Any) -> Config:
    """Return the configuration from both files, the environment and `overrides`, each winning over those before.

    A file or an override that is None was not given. From the environment come BULKETL_SOURCE, BULKETL_TARGET,
    BULKETL_SCHEMA and each `${VAR}` in the settings. Raise ConfigError with every problem of both files.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    if settings is not None:
        values, lines = _read(settings, problems)
        values = {key: _expand(value, environ, problems, f"{settings}: {key}") for key, value in values.items()}
        _check(Settings, values, settings, lines, problems)
    for key, variable in (("source", "BULKETL_SOURCE"), ("target", "BULKETL_TARGET"), ("schema", "BULKETL_SCHEMA")):
        if environ.get(variable):
            values[key] = environ[variable]
    values |= {key: value for key, value in overrides.items() if value is not None}
    rules: dict[str, Any] = {}
    if tables is not None:
        document, lines = _read(tables, problems)
        rules = _check_tables(document, tables, lines, problems)
    if not problems:
        try:
            noted = read_snapshot(tables) if tables else None
            known = None if noted is None else frozenset(noted)
            return Config.model_validate({**values, "tables": rules, "known": known})
        except ValidationError as error:  # from the environment or the options: the files were checked above
            problems += [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    raise ConfigError("the configuration is wrong:\n  " + "\n  ".join(problems), hint="correct it and run the command again")


def _read(path: Path, problems: list[str]) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    try:
        document, lines, found = read_yaml(path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return {}, {}
    problems += found
    return document, lines


def _check_tables(
    document: dict[str, Any], path: Path, lines: dict[KeyPath, int], problems: list[str]
) -> dict[str, TableRule]:
    # staging_tables and target_tables of the guide's layout say nothing that is not decided better from the live schema.
    if "tables" in document and "source_tables" not in document:
        return _check_later_tables(document, path, lines, problems)
    known = {"source_tables", "staging_tables", "target_tables"}
    problems += [f"{path}:{lines[(key,)]}: {key}: unknown key{_meant(key, known)}" for key in document.keys() - known]
    source_tables = document.get("source_tables") or {}
    if not isinstance(source_tables, dict):
        problems.append(f"{path}:{lines[('source_tables',)]}: source_tables: a mapping of tables is expected")
        return {}
    rules: dict[str, TableRule] = {}
    for name, value in source_tables.items():
        at = ("source_tables", name)
        rule = _check(TableRule, {} if value is None else value, path, lines, problems, at)
        if rule is not None:
            rules[name] = rule
    return rules


def _check_later_tables(
    document: dict[str, Any], path: Path, lines: dict[KeyPath, int], problems: list[str]
) -> dict[str, TableRule]:
    """Read the layout with `metadata` and `tables`: one cursor of its several, a tier from its size class."""
    rules: dict[str, TableRule] = {}
    if not isinstance(document["tables"] or {}, dict):
        problems.append(f"{path}:{lines[('tables',)]}: tables: a mapping of tables is expected")
        return {}
    for name, value in (document["tables"] or {}).items():
        if isinstance(value, dict):
            columns = value.get("incremental_columns")
            columns = columns if isinstance(columns, list) else []
            cursor = value.get("primary_incremental_column") or next(iter(columns), None)
            kept = {key: item for key, item in value.items() if key not in _LATER_KEYS}
            kept.setdefault("incremental_column", cursor)
            kept.setdefault("table_importance", _LATER_TIERS.get(value.get("performance_category", ""), "reference"))
            if isinstance(kept.get("monitoring"), dict):
                own = Monitoring.model_fields
                kept["monitoring"] = {key: item for key, item in kept["monitoring"].items() if key in own}
            value = {key: [item] if key == "primary_key" and isinstance(item, str) else item for key, item in kept.items()}
        rule = _check(TableRule, {} if value is None else value, path, lines, problems, ("tables", name))
        if rule is not None:
            rules[name] = rule
    return rules


def _check(
    model: type[M], value: Any, path: Path, lines: dict[KeyPath, int], problems: list[str], at: KeyPath = ()
) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in error.errors():
            place = (*at, *item["loc"])
            line = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), 1)
            text = item["msg"]
            if item["type"] == "extra_forbidden":
                text = "unknown key" + _meant(str(item["loc"][-1]), _siblings(model, item["loc"]))
            elif item["type"] != "missing" and not isinstance(item["input"], (dict, list)):
                text += f", not {item['input']!r}" if item["loc"] not in (("source",), ("target",)) else ""
            problems.append(f"{path}:{line}: {'.'.join(map(str, place))}: {text}")
        return None


def _siblings(model: type[BaseModel], loc: tuple[str | int, ...]) -> set[str]:
    for step in loc[:-1]:
        field = model.model_fields.get(str(step))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return {field.alias or name for name, field in model.model_fields.items()}


def _meant(key: str, known: set[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"


def _expand(value: Any, environ: Mapping[str, str], problems: list[str], where: str) -> Any:
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environ:
            problems.append(f"{where}: the environment has no variable {name}")
        return environ.get(name, "")

    return re.sub(r"\$\{(\w+)\}", found, value)
