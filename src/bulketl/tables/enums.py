"""Enum types of the target: the labels of an ENUM of the source, and the note by which bulketl knows a type that it made."""

from __future__ import annotations

import hashlib
import re

from bulketl.tables.printable import in_a_line

ENUM_TYPE = "enum type"  # the kind of such a thing in a schema
ENUM = "enum"  # the target type of a cast, until its plan names the type of the schema
_LABEL = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
SAYS = "of the source, kept by bulketl"  # in the comment of each type that bulketl made


def labels_of(column_type: str) -> tuple[str, ...]:
    """Return the labels of an ENUM in their order, from its type as `information_schema` spells it."""
    return tuple(_ESCAPED.sub(_unescaped, found) for found in _LABEL.findall(column_type))


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1]) if found[1] else "'"


def note_of(table: str, column: str) -> str:
    """Return the comment of the type of a column in the target, both by their names there."""
    return f"enum {in_a_line(table)}.{in_a_line(column)} {SAYS} ({_digest(table)}.{_digest(column)})"


def is_note(comment: str) -> bool:
    """Tell whether the comment of a type says that bulketl made it."""
    return SAYS in comment


def mark_of(table: str) -> str:
    """Return what the comments of all types have in them that bulketl made for columns of a table."""
    return f"{SAYS} ({_digest(table)}."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def type_name(schema: str, name: str) -> str:
    """Return the quoted name of a type of a schema of the target, as a column's type is spelt."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))


def is_type_name(target: str) -> bool:
    """Tell whether the type of a column is an enum type that bulketl made, or will make."""
    return target.startswith('"')


def split_name(target: str) -> tuple[str, str]:
    """Return the schema and the name of a type that `type_name` spells."""
    schema, name = (part.replace('""', '"') for part in re.findall(r'"((?:[^"]|"")*)"', target))
    return schema, name
