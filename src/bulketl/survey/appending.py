"""Entries added to the text of a `tables.yaml`, in its own indentation and line ends; no line that is there changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

import yaml

from bulketl.errors import ConfigError

TOPS = ("source_tables", "tables")
_BREAKS = re.compile(r"(?<=[\n\x85\u2028\u2029])|(?<=\r)(?!\n)")  # between what YAML counts as lines
Entry = Callable[[str, str], Sequence[str]]  # the lines of an entry, given its own indentation and that of what is inside


@dataclass(frozen=True, slots=True)
class _Place:
    """Where entries go: before the line with this number, from 0; `own` and `inside` are the indentation of theirs."""

    line: int
    own: str = "  "
    inside: str = "    "
    top: str = ""  # to write before them
    emptied: bool = False  # the line before is the section with `{}` behind it, which goes


def appended(text: str, entry: Entry) -> str:
    """Return the text with entries at the end of its tables; raise ConfigError when its form leaves no place for any."""
    ends = "\r\n" if "\r\n" in text else "\n"
    lines = [line for line in _BREAKS.split(text) if line]
    place = _place(text, lines)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += ends
    if place.emptied:
        lines[place.line - 1] = re.sub(r":\s*(\{\s*\}|null|~)", ":", lines[place.line - 1], count=1)
    new = [*([place.top] if place.top else []), *entry(place.own, place.inside)]
    after = "".join([*lines[: place.line], *(line + ends for line in new), *lines[place.line :]])
    if not _holds(after, text):
        raise _no_place("there is no line behind which an entry would be one of its tables")
    return after


def _holds(after: str, before: str) -> bool:
    """Tell whether everything that was there is there, as it was."""
    was = yaml.safe_load(before)
    try:
        now = yaml.safe_load(after)
    except yaml.YAMLError:
        return False
    top = _top(was or {})
    tables = ((was or {}).get(top) or {}).items()
    same = all(now.get(key) == value for key, value in (was or {}).items() if key != top)
    return same and all(now[top].get(name) == rule for name, rule in tables)


def _top(document: Container[str]) -> str:
    """Return the section that has the tables."""
    return next((top for top in TOPS if top in document), TOPS[0])


def _place(text: str, lines: Sequence[str]) -> _Place:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return _Place(len(lines), top="source_tables:")
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise _no_place("the file is one mapping in braces")
    sections = {key.value: (key, value) for key, value in root.value}
    found = sections.get(_top(sections))
    if found is None:
        return _Place(_behind(lines, _last(root)), top="source_tables:")
    key, value = found
    if isinstance(value, yaml.ScalarNode) or not value.value:
        if value.end_mark.line != key.start_mark.line:
            raise _no_place(f"{key.value} is empty, over several lines")
        return _Place(key.start_mark.line + 1, emptied=True)
    if value.flow_style or not isinstance(value, yaml.MappingNode):
        raise _no_place(f"{key.value} is a mapping in braces")
    own = value.value[0][0].start_mark.column
    steps = [
        inner.value[0][0].start_mark.column - own
        for _, inner in value.value
        if isinstance(inner, yaml.MappingNode) and not inner.flow_style and inner.value
    ]
    step = next((step for step in steps if step > 0), own or 2)
    return _Place(_behind(lines, _last(value)), " " * own, " " * (own + step))


def _last(node: yaml.Node) -> int:
    """Return the number of the line behind everything that is in a mapping or a list."""
    found = 0
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, (yaml.MappingNode, yaml.SequenceNode)) and not one.flow_style and one.value:
            pending += [part for item in one.value for part in (item if isinstance(item, tuple) else (item,))]
        else:
            found = max(found, one.end_mark.line + (one.end_mark.column > 0))
    return found


def _behind(lines: Sequence[str], line: int) -> int:
    """Return the number of the line behind comments that are indented, which still belong to what stands before."""
    found = line
    for n in range(line, len(lines)):
        if lines[n].lstrip() != lines[n] and lines[n].lstrip().startswith("#"):
            found = n + 1
        elif lines[n].strip():
            break
    return found


def _no_place(why: str) -> ConfigError:
    return ConfigError(
        f"nothing can be added to the rules without writing what is there anew: {why}",
        hint="write its tables one under the other, `source_tables:` and an indented entry for each, and try again",
    )


def indented(entry: Iterator[str], own: str, inside: str) -> Iterator[str]:
    """Yield lines of an entry that are indented by two and four, by these instead."""
    for line in entry:
        yield inside + line[4:] if line.startswith("    ") else own + line[2:]
