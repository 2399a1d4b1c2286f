"""Text that a database can hold, whatever its encoding, and that is read back as it was.

A database in LATIN1 has no place for most characters, none has one for NUL or for half of a surrogate pair, and jsonb takes
the escapes of JSON only for what the encoding has. So a record with such a text is escaped as a whole, and says so: a
backslash becomes two, and a character that may not be written one with a `u` and four hex digits, or a `U` and eight.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

# Patterns as text: `re` keeps what it compiled, and a load that escapes nothing has none to compile.
_NEVER = r"[\0\ud800-\udfff]"
_ALWAYS = r"[\\\0\ud800-\udfff]"
_NOT_ASCII = r"[\\\0\x80-\U0010ffff]"
_ESCAPED = r"\\(?:\\|u([0-9a-f]{4})|U([0-9a-f]{8}))"
UTF8 = "UTF8"


def holds(text: str, encoding: str) -> bool:
    """Tell whether a database of an encoding, by its name in Postgres, holds the text as it is.

    Where the encoding is not UTF8, characters beyond ASCII count as ones that it may lack.
    """
    return "\0" not in text if text.isascii() else encoding == UTF8 and not re.search(_NEVER, text)


def holds_all(value: Any, encoding: str) -> bool:
    """Tell the same of every text in a value of JSON."""
    if isinstance(value, str):
        return holds(value, encoding)
    if isinstance(value, dict):
        return all(holds(key, encoding) and holds_all(item, encoding) for key, item in value.items())
    return all(holds_all(item, encoding) for item in value) if isinstance(value, list) else True


def escape(text: str, encoding: str) -> str:
    """Return a text that every database of the encoding holds, and that `unescape` makes into this one again."""
    return re.sub(_ALWAYS if encoding == UTF8 else _NOT_ASCII, _of, text)


def unescape(text: str) -> str:
    """Return the text that was escaped."""
    return re.sub(_ESCAPED, lambda found: chr(int(found[1] or found[2], 16)) if found[1] or found[2] else "\\", text)


def writable(text: str, encoding: str) -> str:
    """Return a text for people to read, escaped where the encoding does not hold it."""
    return text if holds(text, encoding) else escape(text, encoding)


def throughout(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value of JSON with every text in it changed, the names in objects too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key) if isinstance(key, str) else key: throughout(item, change) for key, item in value.items()}
    return [throughout(item, change) for item in value] if isinstance(value, list) else value


def plain_key(key: str, escaped: bool) -> str:
    """Return the key of a record, JSON, as it was before it was escaped, so that equal keys are equal texts."""
    found = json.loads(key)
    return json.dumps(throughout(found, unescape) if escaped else found, sort_keys=True)


def written_keys(key: str, encoding: str) -> list[tuple[str, str]]:
    """Return the forms, JSON, in which records of a database may have a key, each with whether its record is escaped."""
    found = json.loads(key)
    forms = [(json.dumps(throughout(found, lambda text: escape(text, encoding))), "true")]
    if holds_all(found, encoding):
        forms.append((key, "false"))
    return forms


def _of(found: re.Match[str]) -> str:
    code = ord(found[0])
    return "\\\\" if code == 0x5C else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
