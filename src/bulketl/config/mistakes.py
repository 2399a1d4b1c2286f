"""A value out of a file as a typed model, or its mistakes: each with file, line, key path and what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bulketl.errors import ConfigError
from bulketl.tables.printable import in_a_line, listed

if TYPE_CHECKING:
    from bulketl.config.yamlfile import KeyPath, Lines

_GIVEN = 80  # characters of a wrong value that are shown
_SUGGESTED = 1000  # nobody reads on after a thousand problems, and to search for each what it was meant to be takes long
_EXPECTED = {"tuple_type": "a list is expected", "dict_type": "a mapping is expected", "model_type": "a mapping is expected"}
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A YAML file that is being read: the mapping in it, the lines of its keys, and what is wrong, to which more is added.

    The list of mistakes may be that of several files.
    """

    path: Path
    document: dict[str, Any]
    lines: Lines
    problems: list[str]

    def wrong(self, at: KeyPath, text: str) -> None:
        """Add a mistake, at the line of its key."""
        self.problems.append(f"{self.path}:{self.lines.of(at)}: {text}")

    def known_at_top(self, known: Collection[str]) -> None:
        """Add a mistake for each key at the top that is not known."""
        for key in self.document:
            if key not in known:
                self.wrong((key,), f"{key}: {unknown_key(key, known, self.problems)}")


def all_wrong(problems: Sequence[str]) -> ConfigError:
    """Return the error that tells of all mistakes of a configuration."""
    return ConfigError(listed("the configuration is wrong:", problems), hint="correct it and run the command again")


def read_file(path: Path, problems: list[str]) -> YamlFile:
    """Return a YAML file as it was read; add what is wrong with it, or that it is not there."""
    from bulketl.config.yamlfile import Lines, read_yaml  # a load without files needs no YAML

    try:
        document, lines, found = read_yaml(path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return YamlFile(path, {}, Lines(), problems)
    problems += found
    return YamlFile(path, document, lines, problems)


def validated(
    model: type[M],
    value: Any,
    file: YamlFile,
    at: KeyPath = (),
    *,
    also: Collection[str] = (),
    hidden: Collection[str] | None = None,
) -> M | None:
    """Return the value, of a file at a place, as a model, or add its mistakes; `also` are keys that may stand there too.

    A value in a field that has no place in a repr is not repeated: it may be a password. With `hidden`, which came out of
    the environment, these are not either, nor is any text, wherever it stands: a password may be under the wrong key.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in _one_each(value, error.errors(include_url=False, include_context=False)):
            loc = item["loc"][:-1] if item["loc"][-1:] == ("[key]",) else item["loc"]
            place = (*at, *_of_the_file(value, loc))
            kinds, secret = _kinds(model, loc[:-1])
            text = _EXPECTED.get(item["type"]) or item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden" or len(loc) < len(item["loc"]):
                known = {*_keys(kinds), *(also if len(loc) == 1 else ())}
                text = unknown_key(str(loc[-1]), known, file.problems)
            elif item["type"] != "missing" and not isinstance(item["input"], (dict, list)):
                secret = secret or _kinds(model, loc)[1] or str(item["input"]) in (hidden or ())
                secret = secret or not (hidden is None or isinstance(item["input"], (int, float)))
                # What is allowed does not quote what was given, and a part of it may be the same word.
                text = without(text, item["input"]) if secret and item["type"] != "literal_error" else text
                given = repr(item["input"])  # a whole SELECT, perhaps
                text += (
                    ""
                    if secret or given in text
                    else f", not {given if len(given) <= _GIVEN else given[: _GIVEN - 1] + '…'}"
                )
            name = in_a_line(f"{'.'.join(map(str, place))}: ") if place else ""
            file.wrong(place, f"{name}{text}")
        return None


def _one_each(value: Any, found: list[Any]) -> list[Any]:
    """Return one mistake of each place: of several types that a single value might have, what is said in words of ours."""
    places: dict[tuple[str | int, ...], Any] = {}
    for item in found:
        place = tuple(_of_the_file(value, item["loc"])) if len(item["loc"]) > 1 else item["loc"]
        key = place if len(place) < len(item["loc"]) and not _inner(value, place) else item["loc"]
        if key not in places or item["type"] == "value_error":
            places[key] = item
    return list(places.values())


def _inner(value: Any, place: tuple[str | int, ...]) -> bool:
    """Tell whether there are further keys at a place."""
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(value, (dict, list))


def _of_the_file(value: Any, loc: tuple[str | int, ...]) -> Iterator[str | int]:
    """Yield the steps of a place that are keys of the file: below a single value come the names of types it might have."""
    for step in loc:
        if not isinstance(value, (dict, list)):
            return
        if not _tag(step):
            yield step
            value = value.get(step) if isinstance(value, dict) else value[step] if isinstance(step, int) else None


def without(text: str, given: object) -> str:
    """Return what a validator says without the value that it quotes."""
    return text.replace(repr(given), "this").replace(given, "this") if isinstance(given, str) and given else text


def _kinds(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[list[Any], bool]:
    """Return the types that may stand at a place in a model, and whether the place is for something secret."""
    kinds: list[Any] = [model]
    secret = False
    for step in loc:
        if tag := _tag(step):
            kinds = [kind for kind in kinds if tag in getattr(kind, "model_fields", ())]
            continue
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


def _tag(step: str | int) -> str:
    """Return which of several kinds of entries a step of a place stands for, when it is no key of the file; else ''."""
    return step[1:-1] if isinstance(step, str) and step.startswith("[") and step.endswith("]") else ""


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


def unknown_key(key: str, known: Collection[str], problems: list[str]) -> str:
    """Return what to say of a key that is not known: what it may have been meant to be, or what is known."""
    if len(problems) > _SUGGESTED:
        return "unknown key"
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(sorted(known))}"
