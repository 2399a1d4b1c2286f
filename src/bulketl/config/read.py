"""The configuration as one value: `tables.yaml`, policy per table, and `bulketl.yaml`, connections and what holds for all.

It reads its two files, the snapshot beside tables.yaml, and nothing else: no server, no clock. The environment is handed
in. Every mistake in both files is reported at once, with file, line, key path and what is allowed there. Column types
never stand here, the live schema is read in each run; what stands here is what a person decides. A table without an entry
gets the defaults below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bulketl.config.config import Config
from bulketl.config.generated import SECTIONS, read_generated, tell
from bulketl.config.mistakes import YamlFile, read_file, validated, without
from bulketl.config.settings import Settings
from bulketl.config.snapshot import read_snapshot
from bulketl.config.tables import TableRule, circle
from bulketl.config.yamlfile import KeyPath
from bulketl.errors import ConfigError


def load_config(tables: Path | None, settings: Path | None, environ: Mapping[str, str], **overrides: Any) -> Config:
    """Return the configuration from both files, the environment and `overrides`, each winning over those before.

    A file or an override that is None was not given. From the environment come BULKETL_SOURCE, BULKETL_TARGET,
    BULKETL_SCHEMA and each `${VAR}` in the settings. Raise ConfigError with every problem of both files.
    """
    problems: list[str] = []
    values = {} if settings is None else _check_settings(settings, environ, problems)
    for key, variable in (("source", "BULKETL_SOURCE"), ("target", "BULKETL_TARGET"), ("schema", "BULKETL_SCHEMA")):
        if environ.get(variable):
            values[key] = environ[variable]
    values |= {key: value for key, value in overrides.items() if value is not None}
    rules: dict[str, Any] = {}
    if tables is not None:
        rules = _check_tables(read_file(tables, problems))
        try:
            noted = read_snapshot(tables)
        except ConfigError as error:
            problems.append(f"{error.message}; {error.hint}")
        else:
            values["known"] = None if noted is None else frozenset(noted)
            values["known_columns"] = {table: frozenset(columns) for table, columns in (noted or {}).items()}
    config = _made({**values, "tables": rules}, problems)
    if config is None or problems:
        text = "the configuration is wrong:\n  " + "\n  ".join(problems)
        raise ConfigError(text, hint="correct it and run the command again")
    return config


def _made(values: dict[str, Any], problems: list[str]) -> Config | None:
    try:
        return Config.model_validate(values)
    except ValidationError as error:  # from the environment or the options: the files were checked before
        for item in error.errors():
            name = f"{'.'.join(map(str, item['loc']))}: " if item["loc"] else ""
            problems.append(f"{name}{without(item['msg'].removeprefix('Value error, '), item['input'])}")
        return None


def _check_settings(path: Path, environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Return the values of the settings; none when something is wrong with them."""
    file = read_file(path, problems)
    hidden: set[str] = set()
    values = _expand(file.document, environ, hidden, file.wrong)
    return {} if validated(Settings, values, file, hidden=hidden) is None else dict(values)


def _check_tables(file: YamlFile) -> dict[str, TableRule]:
    rules = _check_rules(file)
    if cyclic := circle({name: rule.dependencies for name, rule in rules.items()}):
        at = ("source_tables" if "source_tables" in file.document else "tables", cyclic[0], "dependencies")
        text = f"tables depend on each other in a circle, and none can be first: {' -> '.join(cyclic)}"
        file.wrong(at, f"{'.'.join(at)}: {text}")
    return rules


def _check_rules(file: YamlFile) -> dict[str, TableRule]:
    if "tables" in file.document and "source_tables" not in file.document:
        return read_generated(file)
    file.known_at_top({"source_tables", *SECTIONS})
    tell(file, {})
    source_tables = file.document.get("source_tables") or {}
    if not isinstance(source_tables, dict):
        file.wrong(("source_tables",), "source_tables: a mapping of tables is expected")
        return {}
    rules: dict[str, TableRule] = {}
    for name, value in source_tables.items():
        at = ("source_tables", name)
        rule = validated(TableRule, {} if value is None else value, file, at)
        if rule is not None:
            rules[name] = rule
    return rules


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
