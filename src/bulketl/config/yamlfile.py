"""A YAML file as plain values, with the line of every key, so that a mistake can be shown where it was made.

PyYAML gives the events and the values are made from them one by one, so that neither depth nor size can exhaust the
stack or the memory before it is noticed. Refused with file and line: a syntax error, a tab, a doubled key, a merge key,
text that is not UTF-8, aliases that make a bomb, brackets nested without end, a file above 32 MB.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bulketl.tables.printable import in_a_line

MOST_BYTES = 32 << 20
MOST_VALUES = 1_000_000  # an alias counts as all that it stands for
MOST_DEPTH = 50
_TOO_DEEP = f"nested too deeply, more than {MOST_DEPTH} levels"
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath = tuple[str | int, ...]
_SCALARS = yaml.SafeLoader("")  # makes numbers, booleans and dates of single values
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Lines:
    """The line on which something stands, and the lines of what is inside it."""

    line: int = 1
    inside: dict[str | int, Lines] = field(default_factory=dict)

    def of(self, path: KeyPath) -> int:
        """Return the line of a key path, or of the nearest thing around it that is in the file."""
        found = self
        for step in path:
            if step not in found.inside:
                break
            found = found.inside[step]
        return found.line


def read_yaml(path: Path) -> tuple[dict[str, Any], Lines, list[str]]:
    """Return the mapping in the file, the lines of its keys, and the problems found.

    A file that is no YAML gives an empty mapping; one with a wrong key gives the rest, so that its other mistakes are
    found too. Lines count from 1. A missing file is the caller's concern: OSError passes.
    """
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)  # a device, as /dev/zero, has no end
    build = _Build()
    try:
        if len(raw) > MOST_BYTES:
            raise _BadFileError(f": the file has more than the {MOST_BYTES >> 20} MB that are read")
        for event in _events(raw):
            build.add(event)
    except _BadFileError as error:
        return {}, Lines(), [f"{path}{error}"]
    top, lines = (build.top.value, build.top.lines) if build.top else ({}, Lines())
    return top, lines, [f"{path}:{line}: {text}" for line, text in build.problems]


class _BadFileError(Exception):
    """The file as a whole cannot be read; its text follows the file's name."""


def _events(raw: bytes) -> Iterator[Any]:
    try:
        loader = Loader(raw.decode("utf-8-sig"))
        while loader.check_event():
            yield loader.get_event()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _BadFileError(f":{line}: not UTF-8 text (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "maximum nesting depth" in str(error.problem):  # libyaml's own, from 6.0.4 of PyYAML on
            raise _BadFileError(f":{mark.line + 1 if mark else 1}: {_TOO_DEEP}") from None
        tab = "; YAML is indented with blanks, not tabs" if "\\t" in str(error.problem) else ""
        said = error.problem or error.context or ""
        raise _BadFileError(f":{mark.line + 1 if mark else 1}: {said}{tab}") from None
    except yaml.reader.ReaderError as error:
        line = raw[: error.position].count(b"\n") + 1
        raise _BadFileError(f":{line}: a control character, or one that YAML does not know") from None


@dataclass(slots=True)
class _Open:
    """A mapping or list that has not ended yet, or one that an alias may stand for.

    `key` is where the next value goes in a mapping, None while a key is awaited; `drop` says that the key was none.
    `weight` and `depth` count the values and levels in it.
    """

    value: Any
    lines: Lines
    anchor: str | None = None
    key: str | None = None
    drop: bool = False
    is_key: bool = False
    weight: int = 1
    depth: int = 0


class _Build:
    """Values and lines, made event by event."""

    def __init__(self) -> None:
        self.top: _Open | None = None
        self.problems: list[tuple[int, str]] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, _Open] = {}
        self._documents = 0
        self._values = 0

    def add(self, event: Any) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._count(line, 1, depth=1)
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
                self._problem(line, f"the tag {event.tag!r} is not read")
            self._open.append(_Open(value, Lines(line), event.anchor, is_key=self._key_awaited(), depth=1))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            done = self._open.pop()
            if done.anchor:
                self._anchors[done.anchor] = done
            self._put(done, line)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _BadFileError(f":{line}: the alias *{event.anchor} has no anchor before it")
            meant = self._anchors[event.anchor]
            self._count(line, meant.weight, depth=meant.depth)
            self._put(dataclasses.replace(meant, anchor=None, is_key=self._key_awaited()), line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _BadFileError(f":{line}: a second document begins here, and one is read")

    def _scalar(self, event: Any, line: int) -> None:
        holder = self._open[-1] if self._open else None
        if holder is not None and self._key_awaited():
            self._key(holder, event.value, line, plain=event.implicit[0])
            return
        value = event.value
        try:
            if event.tag is not None or event.implicit[0]:
                value = _made(event.value, event.tag, event.implicit)
        except (yaml.YAMLError, ValueError) as error:
            self._problem(line, getattr(error, "problem", None) or str(error))
        self._count(line, 1)
        item = _Open(value, Lines(line), event.anchor)
        if event.anchor:
            self._anchors[event.anchor] = item
        self._put(item, line)

    def _key_awaited(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _key(self, holder: _Open, key: str, line: int, *, plain: bool) -> None:
        holder.key = key  # as written: a table called `no` or `123` keeps its name
        if key == "<<" and plain:
            self._problem(line, f"{self._path()}: merge keys are not read; write the keys, or give *name as the whole value")
            holder.drop = True
            return
        if key in holder.value:
            self._problem(line, f"{self._path()}: the key is there twice")
        holder.value[key] = None
        holder.lines.inside[key] = Lines(line)

    def _path(self) -> str:
        steps = (item.key if isinstance(item.value, dict) else len(item.value) for item in self._open)
        return in_a_line(".".join(map(str, steps)))

    def _put(self, item: _Open, line: int) -> None:
        """Place a value that is complete in what it stands in."""
        if not self._open:
            if not isinstance(item.value, dict):
                raise _BadFileError(f":{item.lines.line}: a mapping is expected at the top")
            self.top = item
            return
        holder = self._open[-1]
        holder.weight += item.weight
        holder.depth = max(holder.depth, item.depth + 1)
        if item.is_key:
            self._problem(line, "a key must be a plain word")
            holder.key, holder.drop = "", True
            return
        if isinstance(holder.value, dict):
            at, holder.key = holder.key or "", None
            if holder.drop:
                holder.drop = False
                return
            holder.value[at] = item.value
            holder.lines.inside[at].inside = item.lines.inside  # its own line stays that of the key
        else:
            holder.lines.inside[len(holder.value)] = item.lines
            holder.value.append(item.value)

    def _count(self, line: int, values: int, *, depth: int = 0) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise _BadFileError(f":{line}: has more than {MOST_VALUES:,} values, aliases counted as what they stand for")
        if len(self._open) + depth > MOST_DEPTH:
            raise _BadFileError(f":{line}: {_TOO_DEEP}")

    def _problem(self, line: int, text: str) -> None:
        self.problems.append((line, text))


def _made(text: str, tag: str | None, implicit: tuple[bool, bool]) -> Any:
    """Return the plain value of a scalar, typed as YAML 1.1 says."""
    if tag in (None, "!"):
        tag = _SCALARS.resolve(yaml.ScalarNode, text, implicit)  # type: ignore[no-untyped-call]
    if tag == f"{_TAG}str":
        return text
    try:
        return _SCALARS.construct_object(yaml.ScalarNode(tag, text))
    finally:  # it would remember every value until the end of the process
        _SCALARS.constructed_objects.clear()
        _SCALARS.recursive_objects.clear()
