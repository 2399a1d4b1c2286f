"""A YAML file as plain values, with the line of every key, so that a mistake can be shown where it was made.

PyYAML builds the nodes; values are plain ones only, no tags. Refused with file and line: a syntax error, a tab, a
doubled key, text that is not UTF-8, aliases that make a bomb, a file above 32 MB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 32 << 20
MOST_VALUES = 500_000
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath = tuple[str | int, ...]
_SCALARS = yaml.SafeLoader("")  # makes numbers, booleans and dates of single values


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int], list[str]]:
    """Return the mapping in the file, the line of each key path, and the problems found.

    With problems the mapping is empty. Lines count from 1. A missing file is the caller's concern: OSError passes.
    """
    raw = path.read_bytes()
    try:
        if len(raw) > MOST_BYTES:
            raise _BadFileError(f": the file has {len(raw) >> 20} MB, more than the {MOST_BYTES >> 20} that are read")
        node = _compose(raw)
    except _BadFileError as error:
        return {}, {}, [f"{path}{error}"]
    lines: dict[KeyPath, int] = {}
    problems: list[str] = []
    try:
        value = {} if node is None else _value(node, (), lines, problems, str(path))
    except (_BadFileError, RecursionError) as error:
        return {}, {}, [f"{path}{error if isinstance(error, _BadFileError) else ': nested too deeply'}"]
    return (value if not problems else {}), lines, problems


class _BadFileError(Exception):
    """The file as a whole cannot be read; its text follows the file's name."""


def _compose(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8-sig")
        node = yaml.compose(text, Loader=Loader)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _BadFileError(f":{line}: not UTF-8 text (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        tab = "; YAML is indented with blanks, not tabs" if "\\t" in str(error.problem) else ""
        raise _BadFileError(f":{mark.line + 1 if mark else 1}: {error.problem or error.context}{tab}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise _BadFileError(f": {error}") from None
    if node is not None and not isinstance(node, yaml.MappingNode):
        raise _BadFileError(f":{node.start_mark.line + 1}: a mapping is expected at the top")
    return node


def _value(node: Any, at: KeyPath, lines: dict[KeyPath, int], problems: list[str], path: str) -> Any:
    lines.setdefault(at, node.start_mark.line + 1)
    if len(lines) > MOST_VALUES:  # aliases of aliases: a small file can stand for a billion values
        raise _BadFileError(f":{node.start_mark.line + 1}: its aliases stand for more than {MOST_VALUES:,} values")
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
