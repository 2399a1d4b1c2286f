"""Defaults of the source's columns, as MySQL and MariaDB write them, and their equivalents in Postgres."""

from __future__ import annotations

import datetime as dt
import re

from bulketl.tables.casts import Cast
from bulketl.tables.catalog import Column
from bulketl.tables.enums import ENUM
from bulketl.tables.types import MOMENTS, TARGET_FLOATS, TARGET_INTEGERS

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_SPAN = re.compile(r"-?\d{1,3}:\d\d(:\d\d(\.\d{1,6})?)?")
_BITS = re.compile(r"b'([01]+)'")
_NOW = re.compile(r"(current_timestamp|now|localtime|localtimestamp)(\(\d?\))?", re.IGNORECASE)
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
_NOWS = {"timestamptz": "CURRENT_TIMESTAMP", "timestamp": "LOCALTIMESTAMP"}
_NAMES = {"varchar": "character varying", "timestamp": "timestamp without time zone", "time": "time without time zone"}


def default_of(column: Column, item: Cast, *, mariadb: bool) -> str:
    """Return the expression of Postgres for a column's default, as Postgres itself prints it; '' where it has none.

    `item`: how the column is loaded. Raise ValueError, with why, for a default that has no equivalent there.
    """
    said = column.default
    if said is None or (mariadb and said.upper() == "NULL"):
        return ""
    if item.masked:
        raise ValueError("the column is masked")
    if _NOW.fullmatch(said) and (mariadb or column.parsed.base in MOMENTS):
        return _now(item)
    text = _unquoted(said) if mariadb else said
    if "DEFAULT_GENERATED" in column.extra.upper() or (mariadb and text is None and not _plain(said)):
        raise ValueError("it is an expression of MySQL")
    return _literal(column, item, said if text is None else text)


def _plain(text: str) -> bool:
    """Tell whether a text is a number or bits, which MariaDB writes without quotes."""
    return bool(_NUMBER.fullmatch(text) or _BITS.fullmatch(text))


def _unquoted(text: str) -> str | None:
    """Return what is in quotes, as MariaDB writes a text; None where it is no text."""
    if len(text) < 2 or not (text[0] == text[-1] == "'"):
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]) if found[1] else "'", text[1:-1])


def _now(item: Cast) -> str:
    base = item.target_type.base
    if base not in _NOWS:
        raise ValueError(f"it is the time of now, and the column is of type {base}")
    return _NOWS[base]


def _literal(column: Column, item: Cast, text: str) -> str:
    """Return a literal of the column's type in the target. Raise ValueError for what has none."""
    base, source = item.target_type.base, column.parsed.base
    if bits := _BITS.fullmatch(text):
        text = str(int(bits[1], 2))
    if base == "boolean" and _NUMBER.fullmatch(text):
        return "false" if float(text) == 0 else "true"
    if base in TARGET_INTEGERS and not text.lstrip("+-").isdigit():
        raise ValueError(f"it has no equivalent of type {base}")
    if base in (*TARGET_INTEGERS, *TARGET_FLOATS, "numeric") and _NUMBER.fullmatch(text):
        return _number(text, base)
    if base in ("text", "varchar", ENUM) and source in ("char", "varchar", "enum", "set") and "\0" not in text:
        return _quoted(text, item.target if item.labels else base)
    if source in ("date", "datetime") and base in ("date", "timestamp"):
        try:
            found = dt.datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text} is no date") from None
        return _quoted(str(found.date() if base == "date" else found), base)
    if base in ("time", "interval") and _SPAN.fullmatch(text):
        return _quoted(text, item.target if base == "interval" else base)
    if source == "timestamp":
        raise ValueError("it is a time in the zone of the source")
    raise ValueError(f"it has no equivalent of type {base}")


def _number(text: str, base: str) -> str:
    """Return a number as Postgres prints it: with its type, where it has a sign."""
    plain = text.removeprefix("+")
    if plain[0] != "-" and "e" not in plain.lower():
        return plain
    whole = base in TARGET_INTEGERS
    return _quoted(plain, ("integer" if abs(int(plain)) < 1 << 31 else "bigint") if whole else "numeric")


def _quoted(text: str, kind: str) -> str:
    return "'" + text.replace("'", "''") + f"'::{_NAMES.get(kind, kind)}"
