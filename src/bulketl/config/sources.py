"""`sources:` of bulketl.yaml: several sources by name, and the settings of one of them.

What stands beside `sources:` holds for each source; what a source says itself wins, a mapping key by key. Each has its own
schema, of its name unless it says otherwise, and its own rules, in NAME.yaml beside the file unless it says otherwise. All
of them are checked whichever is asked for, but only its own secrets are looked for.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model

from bulketl.config import secrets
from bulketl.config.mistakes import YamlFile, all_wrong, read_file, validated
from bulketl.config.reports import NAMES
from bulketl.config.settings import Settings
from bulketl.config.values import Model

KEY, RULES = "sources", "tables"
OWN = ("source", "schema")  # that each source says itself
COMMON = ("target", "windows")  # that no source says itself: there is one target, and one command loads all of them
_NAME = re.compile(r"[\w-]{1,63}")
# What two sources cannot have in common, for each load or report of one would undo what the other has told there.
_APART = (("alerts", "heartbeat"), ("metrics", "textfile"), *(("reports", name, "write") for name in NAMES))
_VARIABLES = ("BULKETL_SOURCE", "BULKETL_SCHEMA", "BULKETL_SOURCE_PASSWORD")
Expand = Callable[[Any, tuple[str | int, ...]], Any]


@functools.cache
def file_model() -> type[Model]:
    """Return the keys of bulketl.yaml, `sources` among them, each with its type; `Settings` says how they fit together."""
    rules = (Annotated[str, Field(min_length=1)] | None, Field(default=None))
    made = _made("Source", _ONE, {RULES: rules, **_fields(COMMON)}, _OneSource)
    entries: Any = dict[str, made]  # type: ignore[valid-type]
    return _made("Settings", Settings.__doc__, {**_fields(()), KEY: (entries, Field(default_factory=dict))})


_ONE = """One of several sources: its URI, its rules in the file `tables`, and any key but target and windows for it alone.

Without `schema` it is loaded into the schema of its name."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for key in schema["properties"].values():
        key.pop("default", None)


class _OneSource(Model):
    """A source, whose keys have no defaults but what stands beside `sources`."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)


def _made(name: str, about: str | None, fields: dict[str, Any], base: type[Model] = Model) -> type[Model]:
    return create_model(name, __base__=base, __doc__=about, **fields)


def _fields(without: tuple[str, ...]) -> dict[str, Any]:
    return {name: (field.annotation, field) for name, field in Settings.model_fields.items() if name not in without}


def names(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the sources in a file, in its order, none where it has no `sources`.

    Raise ConfigError with all that is wrong with them, but for what only a secret tells.
    """
    problems: list[str] = []
    file = read_file(path, problems)
    if KEY not in file.document:
        return ()
    check(file, environ)
    if problems:
        raise all_wrong(problems)
    return tuple(file.document[KEY])


def one(file: YamlFile, name: str, environ: Mapping[str, str], expand: Expand, hidden: set[str]) -> dict[str, Any]:
    """Return the settings of one source as the keys of `Settings`, none when something is wrong with them.

    The file with its rules is under `tables`: its mistakes are told all the same. `expand` puts secrets into a value, and
    notes in `hidden` what it has made.
    """
    if not _named(file, name):
        return {}
    told, entries = len(file.problems), _entries(file)
    common = {key: expand(value, (key,)) for key, value in file.document.items() if key != KEY}
    own = expand(entries.get(name, {}), (KEY, name))
    check(file, environ)
    said = own.pop(RULES, None)
    path = rules_of(file.path, name, said if isinstance(said, str) else None)
    if path and not _there(path):
        text = f"there is no such file; it is looked for from the folder of {file.path.name}"
        file.wrong((KEY, name, RULES), f"{KEY}.{name}.{RULES}: {text}")
    rules = {RULES: path if path and _there(path) else None}
    if len(file.problems) > told or not _typed(file, common, {name: own}, hidden):
        return rules
    values = {"schema": name, **_merged(common, own)}
    return rules if validated(Settings, values, file, (KEY, name), hidden=hidden) is None else {**values, **rules}


def rules_of(path: Path, name: str, said: str | None) -> Path | None:
    """Return the file with the rules of a source: the one it names, or NAME.yaml beside the settings, if it is there."""
    beside = path.parent / (said or f"{name}.yaml")
    return beside if said or _there(beside) else None


def _there(path: Path) -> bool:
    """Tell whether a file is there; one that cannot have such a name is not."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_file()
    return False


def check(file: YamlFile, environ: Mapping[str, str]) -> None:
    """Add what is wrong with the sources of a file, and beside them, but for values that are told by secrets."""
    for variable in _VARIABLES:
        if given := secrets.given(variable, environ):
            file.wrong((KEY,), f"{KEY}: {given} is set, and would be of all of them; take it out of the environment")
    for key in OWN:
        if key in file.document:
            file.wrong((key,), f"{key}: with {KEY} each of them has its own; write it there, or leave {KEY} out")
    entries = _entries(file)
    for name, keys in entries.items():
        for key in COMMON:
            if key in keys:
                file.wrong((KEY, name, key), f"{KEY}.{name}.{key}: it is the same for all sources; write it beside {KEY}")
    common = {key: value for key, value in file.document.items() if key != KEY and key not in OWN}
    known = {name: {key: value for key, value in keys.items() if key not in COMMON} for name, keys in entries.items()}
    _typed(file, _told(common), {name: _told(keys) for name, keys in known.items()}, set())
    whole = {name: {"schema": name, **_merged(common, keys)} for name, keys in known.items()}
    _check_apart(file, whole, environ)
    _check_rules(file, known)


def _typed(file: YamlFile, common: dict[str, Any], entries: Mapping[str, dict[str, Any]], hidden: set[str]) -> bool:
    """Add each value of another type than its key has; return whether there is none.

    A mapping of which a part is common and a part a source's own is looked at as the whole that it is for that source.
    """
    parts = {key for keys in entries.values() for key, value in keys.items() if isinstance(value, dict)}
    parts = {key for key in parts if isinstance(common.get(key), dict)}
    alone = {key: value for key, value in common.items() if key not in parts}
    split = {key: value for key, value in common.items() if key in parts}
    whole = {name: _merged(split, keys) for name, keys in entries.items()}
    return validated(file_model(), {**alone, KEY: whole}, file, hidden=hidden) is not None


def _entries(file: YamlFile) -> dict[str, dict[str, Any]]:
    """Return the sources that are mappings of keys; `_named` and `check` tell of the others."""
    found = file.document[KEY]
    return {name: keys for name, keys in found.items() if isinstance(keys, dict)} if isinstance(found, dict) else {}


def _named(file: YamlFile, name: str) -> bool:
    found = file.document[KEY]
    if isinstance(found, dict) and found and not name:
        told = f"{file.path} has the sources {', '.join(found)}: name one as source_name, or read all by load_configs"
    elif isinstance(found, dict) and found and name not in found:
        told = f"{file.path} has no source {name!r}; it has {', '.join(found)}"
    else:
        return True
    file.problems.append(told)
    return False


def _told(value: dict[str, Any]) -> dict[str, Any]:
    """Return the keys whose values the file itself tells, with no `${…}` in them."""
    return {key: kept for key, kept in value.items() if "${" not in str(kept)}


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for a source: its own keys win, and mappings are merged key by key."""
    made = dict(common)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = _merged(made[key], value) if both else value
    return made


def _check_apart(file: YamlFile, whole: Mapping[str, dict[str, Any]], environ: Mapping[str, str]) -> None:
    """Add what two sources have in common, and may not."""
    schemas: dict[str, str] = {}
    places: dict[tuple[str, ...], str] = {}
    for name, keys in whole.items():
        for schema in _schemas(keys, environ):
            if schemas.setdefault(schema, name) != name:
                said = f"it is a schema of {schemas[schema]} too, and the tables of one would be taken for the other's"
                file.wrong((KEY, name, "schema"), f"{KEY}.{name}.schema: {said}; name another one")
        for path in _APART:
            found: Any = keys
            for key in path:
                found = found.get(key) if isinstance(found, dict) else None
            if isinstance(found, str) and places.setdefault((*path, found), name) != name:
                said = f"{places[(*path, found)]} has the same, and one would undo what the other has told there"
                file.wrong((KEY, name, *path), f"{KEY}.{name}.{'.'.join(path)}: {said}; give each source its own")


def _schemas(keys: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the schemas into which a source is loaded, as far as they are told."""
    with contextlib.suppress(secrets.SecretError):
        schema = secrets.referred(str(keys["schema"]), environ)
        yield schema
        if isinstance(move := keys.get("migration"), dict):
            yield secrets.referred(str(move.get("shadow") or f"{schema}_shadow"), environ)


def _check_rules(file: YamlFile, known: Mapping[str, dict[str, Any]]) -> None:
    """Add names that are none, and rules that are there and would be of no source, or would be the settings."""
    found = file.document[KEY]
    if not isinstance(found, dict) or not found:
        file.wrong((KEY,), f"{KEY}: a mapping of sources by name is expected, as in clinic: {{source: URI}}")
        return
    for name, keys in found.items():
        if not _NAME.fullmatch(name):
            file.wrong((KEY, name), f"{KEY}.{name}: a name has letters, digits, _ and -, at most 63 of them")
        elif not isinstance(keys, dict):
            file.wrong((KEY, name), f"{KEY}.{name}: a mapping is expected, as in {{source: URI}}")
        elif not keys.get(RULES) and file.path.name == f"{name}.yaml":
            file.wrong((KEY, name), f"{KEY}.{name}: its rules would be this very file; name them under {RULES}")
    beside = file.path.parent / "tables.yaml"
    said = {name: keys.get(RULES) for name, keys in known.items()}
    used = [rules_of(file.path, name, path if isinstance(path, str) else None) for name, path in said.items()]
    if beside.is_file() and beside not in used:
        text = f"{beside} is there, and no source has these rules; name it under {RULES} of one, or rename it"
        file.wrong((KEY,), f"{KEY}: {text}")
