"""The configuration as one value: `tables.yaml`, policy per table, and `bulketl.yaml`, connections and what holds for all.

It reads its two files, the snapshot beside tables.yaml, and nothing else: no server, no clock. The environment is handed
in. Every mistake in both files is reported at once, with file, line, key path and what is allowed there. Column types
never stand here, the live schema is read in each run; what stands here is what a person decides. A table without an entry
gets the defaults below.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError

from bulketl.catalog import Column, Table
from bulketl.errors import ConfigError
from bulketl.rules import TableRule, Tier, circle
from bulketl.settings import Settings
from bulketl.snapshot import read_snapshot
from bulketl.yamlfile import KeyPath, Lines, read_yaml

# Keys of the layout with `metadata` and `tables` that say what is measured anew in each run, or nothing bulketl needs.
_LATER_KEYS = frozenset({
    "incremental_columns", "incremental_strategy", "primary_incremental_column", "sync_profile", "column_names",
    "replicator_watermark_column", "lookback_resync", "time_gap_threshold_days", "performance_category",
    "processing_priority", "estimated_processing_time_minutes", "memory_requirements_mb", "schema_hash", "last_analyzed",
    "dbt_model_types", "table_name",
})  # fmt: skip
_LATER_MONITORING = {
    "alert_on_slow_extraction", "performance_threshold_records_per_second", "memory_alert_threshold_mb",
}  # fmt: skip
_LATER_TIERS: dict[str, Tier] = {"large": "critical", "medium": "important", "small": "important", "tiny": "reference"}
_SUGGESTED = 1000  # nobody reads on after so many problems, and to search for each what it was meant to be takes long
_EXPECTED = {"tuple_type": "a list is expected", "dict_type": "a mapping is expected", "model_type": "a mapping is expected"}
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

    def waits(self, table: str) -> bool:
        """Tell whether a table came to the source after the rules were written, and is not loaded until they name it."""
        new = self.known is not None and table not in self.known and table not in self.tables
        return new and self.new_tables == "report"

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
        hidden: set[str] = set()
        values = _expand(values, environ, hidden, lambda at, text: problems.append(f"{settings}:{lines.of(at)}: {text}"))
        _check(Settings, values, settings, lines, problems, hidden=hidden)
    for key, variable in (("source", "BULKETL_SOURCE"), ("target", "BULKETL_TARGET"), ("schema", "BULKETL_SCHEMA")):
        if environ.get(variable):
            values[key] = environ[variable]
    values |= {key: value for key, value in overrides.items() if value is not None}
    rules: dict[str, Any] = {}
    if tables is not None:
        document, lines = _read(tables, problems)
        rules = _check_tables(document, tables, lines, problems)
        try:
            noted = read_snapshot(tables)
        except ConfigError as error:
            problems.append(f"{error.message}; {error.hint}")
        else:
            values["known"] = None if noted is None else frozenset(noted)
    if not problems:
        try:
            return Config.model_validate({**values, "tables": rules})
        except ValidationError as error:  # from the environment or the options: the files were checked above
            for item in error.errors():
                name = f"{'.'.join(map(str, item['loc']))}: " if item["loc"] else ""
                problems.append(f"{name}{item['msg'].removeprefix('Value error, ')}")
    raise ConfigError("the configuration is wrong:\n  " + "\n  ".join(problems), hint="correct it and run the command again")


def _read(path: Path, problems: list[str]) -> tuple[dict[str, Any], Lines]:
    try:
        document, lines, found = read_yaml(path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return {}, Lines()
    problems += found
    return document, lines


def _check_tables(document: dict[str, Any], path: Path, lines: Lines, problems: list[str]) -> dict[str, TableRule]:
    rules = _check_rules(document, path, lines, problems)
    if cyclic := circle({name: rule.dependencies for name, rule in rules.items()}):
        at = ("source_tables" if "source_tables" in document else "tables", cyclic[0], "dependencies")
        text = f"tables depend on each other in a circle, and none can be first: {' -> '.join(cyclic)}"
        problems.append(f"{path}:{lines.of(at)}: {'.'.join(at)}: {text}")
    return rules


def _check_rules(document: dict[str, Any], path: Path, lines: Lines, problems: list[str]) -> dict[str, TableRule]:
    # staging_tables and target_tables of the guide's layout say nothing that is not decided better from the live schema.
    if "tables" in document and "source_tables" not in document:
        return _check_later_tables(document, path, lines, problems)
    known = {"source_tables", "staging_tables", "target_tables"}
    _known_at_top(document, known, path, lines, problems)
    source_tables = document.get("source_tables") or {}
    if not isinstance(source_tables, dict):
        problems.append(f"{path}:{lines.of(('source_tables',))}: source_tables: a mapping of tables is expected")
        return {}
    rules: dict[str, TableRule] = {}
    for name, value in source_tables.items():
        at = ("source_tables", name)
        rule = _check(TableRule, {} if value is None else value, path, lines, problems, at)
        if rule is not None:
            rules[name] = rule
    return rules


def _known_at_top(document: dict[str, Any], known: Collection[str], path: Path, lines: Lines, problems: list[str]) -> None:
    for key in document:
        if key not in known:
            problems.append(f"{path}:{lines.of((key,))}: {key}: {_unknown(key, known, problems)}")


def _check_later_tables(document: dict[str, Any], path: Path, lines: Lines, problems: list[str]) -> dict[str, TableRule]:
    """Read the layout with `metadata` and `tables`: one cursor of its several, a tier from its size class."""
    rules: dict[str, TableRule] = {}
    _known_at_top(document, {"metadata", "tables", "staging_tables", "target_tables"}, path, lines, problems)
    if not isinstance(document["tables"] or {}, dict):
        problems.append(f"{path}:{lines.of(('tables',))}: tables: a mapping of tables is expected")
        return {}
    for name, value in (document["tables"] or {}).items():
        if isinstance(value, dict):
            columns = value.get("incremental_columns")
            columns = columns if isinstance(columns, list) else []
            cursor = value.get("primary_incremental_column") or next(iter(columns), None)
            kept = {key: item for key, item in value.items() if key not in _LATER_KEYS}
            kept.setdefault("incremental_column", cursor)
            kept.setdefault("table_importance", _LATER_TIERS.get(value.get("performance_category", ""), "reference"))
            again = value.get("lookback_resync")
            if isinstance(again, dict) and again.get("enabled") and again.get("predicate_columns"):
                reread = {"columns": again["predicate_columns"], "last": f"{again.get('window_days', 30)}d"}
                kept.setdefault("reread", reread)
            if isinstance(kept.get("monitoring"), dict):
                kept["monitoring"] = {k: v for k, v in kept["monitoring"].items() if k not in _LATER_MONITORING}
            value = {key: [item] if key == "primary_key" and isinstance(item, str) else item for key, item in kept.items()}
        rule = _check(TableRule, {} if value is None else value, path, lines, problems, ("tables", name), also=_LATER_KEYS)
        if rule is not None:
            rules[name] = rule
    return rules


def _check(
    model: type[M],
    value: Any,
    path: Path,
    lines: Lines,
    problems: list[str],
    at: KeyPath = (),
    *,
    also: Collection[str] = (),
    hidden: Collection[str] = (),
) -> M | None:
    """Return the value as a model, or add its problems; `also` are keys that may stand there too.

    What is in `hidden`, or in a field that has no place in a repr, is not repeated: it may be a password.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            loc = item["loc"][:-1] if item["loc"][-1:] == ("[key]",) else item["loc"]
            place = (*at, *loc)
            kinds, secret = _kinds(model, loc[:-1])
            text = _EXPECTED.get(item["type"]) or item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden" or len(loc) < len(item["loc"]):
                known = {*_keys(kinds), *(also if len(loc) == 1 else ())}
                text = _unknown(str(loc[-1]), known, problems)
            elif item["type"] != "missing" and not isinstance(item["input"], (dict, list)):
                secret = secret or _kinds(model, loc)[1] or str(item["input"]) in hidden
                text += "" if secret else f", not {item['input']!r}"
            name = f"{'.'.join(map(str, place))}: " if place else ""
            problems.append(f"{path}:{lines.of(place)}: {name}{text}")
        return None


def _kinds(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[list[Any], bool]:
    """Return the types that may stand at a place in a model, and whether the place is for something secret."""
    kinds: list[Any] = [model]
    secret = False
    for step in loc:
        inner: list[Any] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                fields = {field.alias or name: field for name, field in kind.model_fields.items()}
                if step in fields:
                    inner += _plain(fields[str(step)].annotation)
                    secret = secret or not fields[str(step)].repr
            elif get_origin(kind) in (dict, tuple):
                inner += _plain(get_args(kind)[1 if get_origin(kind) is dict else 0])
        kinds = inner
    return kinds, secret


def _plain(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation allows, without the wrappings of Optional, unions and Annotated."""
    if isinstance(annotation, type) or get_origin(annotation) in (dict, tuple, Literal):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _plain(inner)


def _keys(kinds: list[Any]) -> Iterator[str]:
    """Yield the keys that the types allow."""
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (field.alias or name for name, field in kind.model_fields.items())
        elif get_origin(kind) is dict:
            yield from (str(key) for key in get_args(get_args(kind)[0]))


def _unknown(key: str, known: Collection[str], problems: list[str]) -> str:
    if len(problems) > _SUGGESTED:
        return "unknown key"
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(sorted(known))}"


def _expand(
    value: Any, environ: Mapping[str, str], hidden: set[str], tell: Callable[[KeyPath, str], None], at: KeyPath = ()
) -> Any:
    """Return the value with each `${VAR}` in it replaced; add to `hidden` each text that had one."""
    if isinstance(value, dict):
        return {key: _expand(item, environ, hidden, tell, (*at, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environ, hidden, tell, (*at, n)) for n, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def found(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environ:
            tell(at, f"{'.'.join(map(str, at))}: the environment has no variable {name}")
        return environ.get(name, "")

    expanded = re.sub(r"\$\{(\w+)\}", found, value)
    hidden.add(expanded)
    return expanded
