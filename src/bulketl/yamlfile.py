"""A YAML file as plain values, with the line of every key, so that a mistake can be shown where it was made.

PyYAML builds the nodes; values are plain ones only, no tags. Refused with file and line: a syntax error, a tab, a doubled
key, text that is not UTF-8, an alias (they make bombs, and bulketl's files need none), a file above 32 MB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 32 << 20
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath = tuple[str | int, ...]
_SCALARS = yaml.SafeLoader("")  # makes numbers, booleans and dates of single values


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int], list[str]]:
    """Return the mapping in the file, the line of each key path, and the problems found.

    With problems the mapping is empty. Lines count from 1. A missing file is the caller's concern: OSError passes.
    """
    raw = path.read_bytes()
    if len(raw) > MOST_BYTES:
        return {}, {}, [f"{path}: the file has {len(raw) >> 20} MB, more than the {MOST_BYTES >> 20} that are read"]
    try:
        loader = Loader(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return {}, {}, [f"{path}:{line}: not UTF-8 text (byte {error.start})"]
    except yaml.YAMLError as error:
        return {}, {}, [f"{path}: {error}"]
    lines: dict[KeyPath, int] = {}
    problems: list[str] = []
    try:
        while not loader.check_event(yaml.StreamEndEvent):
            event = loader.peek_event()
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                where = event.start_mark.line + 1
                return {}, {}, [f"{path}:{where}: anchors and aliases are not used in bulketl's files"]
            loader.get_event()
        node = yaml.compose(raw.decode("utf-8-sig"), Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        tab = "; YAML is indented with blanks, not tabs" if "\\t" in str(error.problem) else ""
        return {}, {}, [f"{path}{where}: {error.problem or error.context}{tab}"]
    except yaml.YAMLError as error:
        return {}, {}, [f"{path}: {error}"]
    except RecursionError:
        return {}, {}, [f"{path}: nested too deeply"]
    if node is None:
        return {}, {}, []
    if not isinstance(node, yaml.MappingNode):
        return {}, {}, [f"{path}:{node.start_mark.line + 1}: a mapping is expected at the top"]
    value = _value(node, (), lines, problems, str(path))
    return (value if not problems else {}), lines, problems


def _value(node: Any, at: KeyPath, lines: dict[KeyPath, int], problems: list[str], path: str) -> Any:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                problems.append(f"{path}:{line}: a key must be a plain word")
                continue
            key = key_node.value  # as written: a table called `no` or `123` keeps its name
            if key in mapping:
                problems.append(f"{path}:{line}: {'.'.join(map(str, (*at, key)))}: the key is there twice")
            lines[(*at, key)] = line
            mapping[key] = _value(value_node, (*at, key), lines, problems, path)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*at, n), lines, problems, path) for n, item in enumerate(node.value)]
    try:
        return _SCALARS.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problems.append(f"{path}:{node.start_mark.line + 1}: {error}")
        return None
