"""The configuration as one value: `tables.yaml`, the policy per table, and `bulketl.yaml`, connections and general settings.

This module reads the two files, the snapshot beside tables.yaml, the places where secrets are (`bulketl.config.secrets`),
and nothing else: no server, no clock. The caller passes in the environment. It reports every mistake in both files at
once, with file, line, key path and what is allowed there. The files never contain column types, because each run reads
the live schema; they contain what a person decides. A table without an entry gets the defaults below.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from bulketl.config import secrets
from bulketl.config.config import Config
from bulketl.config.inherited import inherited
from bulketl.config.mistakes import YamlFile, all_wrong, read_file, validated, without
from bulketl.config.settings import Settings
from bulketl.config.snapshot import read_snapshot
from bulketl.config.tablenames import renamed
from bulketl.config.tables import TableRule, circle
from bulketl.errors import ConfigError
from bulketl.tables.spec import TIERS, Tier

if TYPE_CHECKING:
    from bulketl.config.yamlfile import KeyPath

SECRETS = (
    "BULKETL_SOURCE", "BULKETL_TARGET", "BULKETL_SOURCE_PASSWORD", "BULKETL_TARGET_PASSWORD", "BULKETL_MASK_KEY",
    "BULKETL_DASHBOARD_TOKEN", "BULKETL_REPORT_KEY",
)  # fmt: skip
_FOR_MANY = ("patterns", "tiers")  # sections of both layouts
Side = Literal["source", "target"]
_SIDES: tuple[Side, ...] = ("source", "target")


def load_config(
    tables: Path | None,
    settings: Path | None,
    environ: Mapping[str, str],
    *,
    source_name: str = "",
    **overrides: Any,
) -> Config:
    """Return the configuration from both files, the environment and `overrides`; each wins over those before it.

    A file or an override that is None was not given. BULKETL_SOURCE, BULKETL_TARGET, their passwords, BULKETL_SCHEMA,
    BULKETL_MASK_KEY and each `${VAR}` in the settings come from the environment, or from the place that it names.
    `source_name`: which of the `sources:` in the settings; its rules are its own where `tables` is None. Raise ConfigError
    with every problem of both files.
    """
    problems: list[str] = []
    config = _read(tables, settings, environ, source_name, overrides, problems)
    if config is None or problems:
        raise all_wrong(problems)
    return config


def load_configs(settings: Path, environ: Mapping[str, str], **overrides: Any) -> dict[str, Config]:
    """Return a configuration for each of the `sources:` in the settings, by name and in their order; else as `load_config`.

    Raise ConfigError with every problem of all of them, and where there are no `sources:`.
    """
    from bulketl.config.sources import names

    if not (every := names(settings, environ)):
        raise ConfigError(f"{settings} has no sources", hint="write them under sources: there, or read it by load_config")
    problems: list[str] = []
    found = {name: _read(None, settings, environ, name, overrides, problems) for name in every}
    configs = {name: config for name, config in found.items() if config is not None}
    if problems or len(configs) < len(found):
        raise all_wrong(list(dict.fromkeys(problems)))
    return configs


def _read(
    tables: Path | None,
    settings: Path | None,
    environ: Mapping[str, str],
    source_name: str,
    overrides: Mapping[str, Any],
    problems: list[str],
) -> Config | None:
    """Return the configuration, or add what is wrong with it."""
    used = {name for variable in SECRETS for name in secrets.variables(f"${{{variable}}}")}
    values = {} if settings is None else _check_settings(settings, source_name, environ, problems, used)
    if settings is None and source_name:
        problems.append(f"there is no source {source_name!r}: no file of settings is there to name it")
    tables = values.pop("tables", None) if tables is None else tables
    told = () if source_name else _SIDES
    _from_environment(values, environ, problems, ("target", *(("source", "schema") if told else ())))
    values |= {key: value for key, value in overrides.items() if value is not None}
    _with_passwords(values, environ, problems, told or ("target",))
    rules: dict[str, Any] = {}
    if tables is not None:
        file = read_file(tables, problems)
        rules = _check_tables(file)
        values |= {"patterns": _check_patterns(file), "tiers": _check_tiers(file)}
        try:
            noted = read_snapshot(tables) if tables.is_file() else None
        except ConfigError as error:
            problems.append(f"{error.message}; {error.hint}")
        else:
            values["known"] = None if noted is None else frozenset(noted)
            values["known_columns"] = {table: frozenset(columns) for table, columns in (noted or {}).items()}
    values["tables"] = rules
    if tables is not None:
        values = renamed(values, lambda name, text: file.wrong(("source_tables", name), f"source_tables.{name}: {text}"))
    config = _made(values, problems)
    if config is not None:
        config._source_name, config._rules_path = source_name, tables
        config._secret_variables = frozenset(used & environ.keys())
    return config


def _from_environment(values: dict[str, Any], environ: Mapping[str, str], problems: list[str], keys: Sequence[str]) -> None:
    """Add what the environment says of both sides, itself or by saying where it is."""
    for key in keys:
        with _telling(problems):
            if found := secrets.named(f"BULKETL_{key.upper()}", environ):
                values[key] = found
    with _telling(problems, "the mask key: "):
        if key_of_masks := _mask_key(values, environ):
            values["mask_key"] = key_of_masks


def _mask_key(values: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    """Return the key of masks: as the environment has it or says where it is, or from the file in `mask_key_file`."""
    found, path = secrets.named("BULKETL_MASK_KEY", environ), values.get("mask_key_file")
    if found is None and isinstance(path, str) and path:
        found = secrets.in_file(path, "mask_key_file", environ)
    if found is not None and not found.strip():
        raise secrets.SecretError("it is empty: it is to be a secret, or not there")
    return found and found.strip()


def _with_passwords(values: dict[str, Any], environ: Mapping[str, str], problems: list[str], sides: Sequence[Side]) -> None:
    """Put passwords that are kept apart into the URIs that are theirs."""
    for side in sides:
        with _telling(problems):
            password = secrets.named(f"BULKETL_{side.upper()}_PASSWORD", environ)
            if password and isinstance(values.get(side), str) and values[side]:
                values[side] = secrets.joined(values[side], password, side)


@contextlib.contextmanager
def _telling(problems: list[str], what: str = "") -> Iterator[None]:
    """Add a secret that cannot be had to the problems."""
    try:
        yield
    except secrets.SecretError as error:
        problems.append(f"{what}{error}")


def _made(values: dict[str, Any], problems: list[str]) -> Config | None:
    try:
        return Config.model_validate(values)
    except ValidationError as error:  # from the environment or the options: the files were checked before
        for item in error.errors():
            name = f"{'.'.join(map(str, item['loc']))}: " if item["loc"] else ""
            problems.append(f"{name}{without(item['msg'].removeprefix('Value error, '), item['input'])}")
        return None


def _check_settings(
    path: Path, source_name: str, environ: Mapping[str, str], problems: list[str], used: set[str]
) -> dict[str, Any]:
    """Return the values of the settings, none when something is wrong with them; add to `used` the variables named there.

    Of several sources they are those of one, and have its rules under `tables`.
    """
    file = read_file(path, problems)
    hidden: set[str] = set()
    if "sources" in file.document:
        from bulketl.config import sources

        used |= secrets.variables(str(file.document))  # those of the other sources too: no process of this one needs them
        return sources.one(
            file, source_name, environ, lambda value, at: _expand(value, environ, (hidden, used), file.wrong, at), hidden
        )
    if source_name:
        problems.append(f"{path} has no source {source_name!r}: it has no sources")
    values = _expand(file.document, environ, (hidden, used), file.wrong)
    return {} if validated(Settings, values, file, also=("sources",), hidden=hidden) is None else dict(values)


def _check_tables(file: YamlFile) -> dict[str, TableRule]:
    rules = _check_rules(file)
    if cyclic := circle({name: rule.dependencies for name, rule in rules.items()}):
        at = ("source_tables" if "source_tables" in file.document else "tables", cyclic[0], "dependencies")
        text = f"tables depend on each other in a circle, and none can be first: {' -> '.join(cyclic)}"
        file.wrong(at, f"{'.'.join(at)}: {text}")
    return rules


def _check_rules(file: YamlFile) -> dict[str, TableRule]:
    from bulketl.config.generated import SECTIONS, read_generated, tell  # a load without rules needs no older layout

    if "tables" in file.document and "source_tables" not in file.document:
        return read_generated(file, _inheriting(file), _FOR_MANY)
    file.known_at_top({"source_tables", *SECTIONS, *_FOR_MANY})
    tell(file, {})
    source_tables = file.document.get("source_tables") or {}
    if not isinstance(source_tables, dict):
        file.wrong(("source_tables",), "source_tables: a mapping of tables is expected")
        return {}
    rules: dict[str, TableRule] = {}
    made = _inheriting(file)
    for name, value in source_tables.items():
        at = ("source_tables", name)
        if validated(TableRule, {} if value is None else value, file, at) is not None:
            rules[name] = made(name, value or {})
    return rules


def _inheriting(file: YamlFile) -> Callable[[str, dict[str, Any]], TableRule]:
    """Return what makes the rule of an entry, with what it inherits; what is wrong there is told of its own place."""
    quiet = YamlFile(file.path, file.document, file.lines, [])
    patterns, tiers = _check_patterns(quiet), _check_tiers(quiet)
    return lambda name, own: TableRule.model_validate(inherited(name, own, patterns, tiers))


def _check_patterns(file: YamlFile) -> dict[str, dict[str, Any]]:
    return {str(pattern): keys for pattern, keys in _for_many(file, "patterns").items()}


def _check_tiers(file: YamlFile) -> dict[Tier, dict[str, Any]]:
    found: dict[Tier, dict[str, Any]] = {}
    for tier, keys in _for_many(file, "tiers").items():
        if tier not in TIERS:
            file.wrong(("tiers", tier), f"tiers.{tier}: there is no such tier; the tiers are {', '.join(TIERS)}")
        elif "table_importance" in keys:
            file.wrong(("tiers", tier), f"tiers.{tier}: its tables are of that tier already; leave table_importance out")
        else:
            found[tier] = keys
    return found


def _for_many(file: YamlFile, section: str) -> dict[Any, dict[str, Any]]:
    """Return the entries of a section whose keys hold for many tables, those without a mistake."""
    entries = file.document.get(section) or {}
    if not isinstance(entries, dict):
        file.wrong((section,), f"{section}: a mapping is expected")
        return {}
    right = {name: {} if keys is None else keys for name, keys in entries.items()}
    return {name: keys for name, keys in right.items() if validated(TableRule, keys, file, (section, name)) is not None}


def _expand(
    value: Any,
    environ: Mapping[str, str],
    noted: tuple[set[str], set[str]],
    tell: Callable[[KeyPath, str], None],
    at: KeyPath = (),
) -> Any:
    """Return the value with each `${...}` in it replaced.

    `noted`: each text that had one is added to the first, the variables that it may come from to the second.
    """
    if isinstance(value, dict):
        return {key: _expand(item, environ, noted, tell, (*at, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environ, noted, tell, (*at, n)) for n, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    hidden, used = noted
    used |= secrets.variables(value)
    try:
        expanded = secrets.referred(value, environ)
    except secrets.SecretError as error:
        tell(at, f"{'.'.join(map(str, at))}: {error}")
        expanded = secrets.REFERENCE.sub("", value)
    hidden.add(expanded)
    return expanded
