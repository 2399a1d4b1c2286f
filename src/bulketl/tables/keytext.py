"""The key of one row as a person writes it: `4711`, `a=1,b=2`, or a word for each column; bytes in hexadecimal.

A person spells a value as the source prints it. bulketl refuses a text that is not a value of the column's type, and
never guesses.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from bulketl.errors import PlanError
from bulketl.tables.catalog import Column
from bulketl.tables.partitions import KeyTuple, KeyValue
from bulketl.tables.types import FLOATS, INTEGERS, RAW_TEXTS, TIMES

_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", *RAW_TEXTS)
_HEX = re.compile(r"^(?:\\x|0x)((?:[0-9a-f]{2})*)$", re.IGNORECASE)
_UUID = re.compile(r"^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$", re.IGNORECASE)
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$")
_CLOCK = re.compile(r"^-?\d{1,3}:\d\d(?::\d\d(?:\.\d{1,6})?)?$")


def words_of(key: object) -> tuple[str, ...]:
    """Return the words of a key as a program gives it: one value, several in the key's order, or a mapping by column."""
    if isinstance(key, Mapping):
        return tuple(f"{column}={_word(part)}" for column, part in key.items())
    if isinstance(key, (list, tuple)):
        return tuple(_word(part) for part in key)
    return (_word(key),)


def _word(part: object) -> str:
    if isinstance(part, bytes):
        return "\\x" + part.hex()
    return part.isoformat(" ") if isinstance(part, dt.datetime) else str(part)


def read_key(table: str, words: Sequence[str], columns: Sequence[Column]) -> KeyTuple:
    """Return the values of a key, in the order of its columns; raise PlanError when the words are no key of the table."""
    return typed_key(table, spread(table, words, columns), columns)


def typed_key(table: str, texts: Sequence[str], columns: Sequence[Column]) -> KeyTuple:
    """Return the values of a key from the text of each of its columns; raise PlanError where one is no such value."""
    return tuple(_value(table, column, text) for column, text in zip(columns, texts, strict=True))


def spread(table: str, words: Sequence[str], columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the text of each column of the key; raise PlanError when the words do not name each of them once."""
    names = [column.name for column in columns]
    parts = _named(words, names)
    if parts is None and len(words) == len(names):
        return tuple(words)
    if parts is None and len(words) == 1 and words[0].count(",") == len(names) - 1:
        return tuple(part.strip() for part in words[0].split(","))
    if parts is None or sorted(name for name, _ in parts) != sorted(names):
        shape = ",".join(f"{name}=…" for name in names) if len(names) > 1 else f"a value of {names[0]}"
        raise PlanError(
            f"{' '.join(words)!r} is not a key of table {table!r}, whose key is {', '.join(names)}",
            hint=f"write {shape}" + (f", or {len(names)} words in that order" if len(names) > 1 else ""),
        )
    found = dict(parts)
    return tuple(found[name] for name in names)


def _named(words: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]] | None:
    """Return names and texts of words like `a=1,b=2`; None where the first does not begin with a column of the key."""
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    begins = re.compile(rf"(?:^|,)\s*({either})=")
    if not words or not begins.match(words[0]):
        return None
    found = []
    for word in words:
        places = list(begins.finditer(word))
        if not places:
            found.append(("", word))  # no part of a key that is named
            continue
        ends = [*(place.start() for place in places[1:]), len(word)]
        found += [(place[1], word[place.end() : end]) for place, end in zip(places, ends, strict=True)]
    return found


def _value(table: str, column: Column, text: str) -> KeyValue:
    base, found = column.parsed.base, None
    try:
        text.encode()  # half of a surrogate pair is no text
        found = _typed(base, column, text)
    except (ValueError, ArithmeticError):
        found = None
    if found is None:
        raise PlanError(
            f"{text!r} is not a value of {column.name}, which is {column.type}, in the key of table {table!r}",
            hint=f"write it as the source prints it{_FORMS.get(base, '')}",
        )
    return found


_FORMS = {
    **dict.fromkeys(TIMES, ": 2024-01-31, or '2024-01-31 08:00:00'"),
    **dict.fromkeys(_BYTES, ": bytes as \\x0a1f"),
    "time": ": 08:00:00",
    "uuid": ": 8-4-4-4-12 hexadecimal digits",
}


def _typed(base: str, column: Column, text: str) -> KeyValue | None:
    if base in (*INTEGERS, "year", "bit"):
        return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else None
    if base == "decimal":
        number = Decimal(text)
        return number if number.is_finite() else None
    if base in FLOATS:
        return float(text)
    if base in TIMES:
        return text if _MOMENT.match(text) and (base != "date" or len(text) == 10) else None
    if base == "time":
        return text if _CLOCK.match(text) else None
    if base == "uuid":
        return text if _UUID.match(text) else None
    if base in _BYTES:
        return _raw(column, text)
    return text


def _raw(column: Column, text: str) -> bytes:
    size = column.parsed.sizes[0] if column.parsed.base == "binary" and column.parsed.sizes else 0
    found = _HEX.match(text)
    if found:
        raw = bytes.fromhex(found[1])
    elif size == 16 and _UUID.match(text):
        raw = bytes.fromhex(text.replace("-", ""))
    else:
        raw = text.encode()
    return raw.ljust(size, b"\0")  # as the server stores it
