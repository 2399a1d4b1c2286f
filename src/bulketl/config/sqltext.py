"""SQL that a person wrote, as far as bulketl must understand it: is it one SELECT or condition, with which placeholders.

bulketl splits the text into quoted parts, comments, and the rest; a parser would refuse SQL of either server that it does
not know. This guards against mistakes. The read-only transaction and the rights of the user guard against harm.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["mysql", "postgres"]
_QUOTED = {
    "mysql": re.compile(
        r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`|--(?=\s|\Z)[^\n]*|#[^\n]*|/\*(?!M?!).*?(?:\*/|\Z)",
        re.DOTALL,
    ),
    "postgres": re.compile(
        r"\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?(?:\*/|\Z)",
        re.DOTALL,
    ),
}
_PLACEHOLDER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_FORBIDDEN = (
    (r"\binto\b", "it has INTO, and nothing is written by a check"),
    (r"\bfor\s+(update|share|no\s+key\s+update|key\s+share)\b", "it locks rows, and a check only reads: leave out FOR …"),
    (r"\block\s+in\s+share\s+mode\b", "it locks rows, and a check only reads: leave out LOCK IN SHARE MODE"),
    (r"/\*M?!", "it has a comment that the server executes, /*! … */"),
)


def problem(text: str, dialect: Dialect) -> str:
    """Return why a text is not one statement that only reads, or ''."""
    bare = "".join(_bare(part) if quoted else part for part, quoted in _parts(text, dialect)).strip().rstrip("; \t\r\n")
    if not bare:
        return "a SELECT is expected"
    if ";" in bare:
        return "one statement is expected, and there is a second after ;"
    first = re.match(r"[(\s]*(\w*)", bare)
    word = first[1].upper() if first else ""
    if word not in ("SELECT", "WITH"):
        return f"a SELECT is expected, or WITH, and it begins with {word or bare[0]}"
    return next((why for pattern, why in _FORBIDDEN if re.search(pattern, bare, re.IGNORECASE)), "")


def condition_problem(text: str) -> str:
    """Return why a text is not one condition on rows that may stand between parentheses in MySQL's SQL, or ''."""
    parts = list(_parts(text, "mysql"))
    bare = "".join(_bare(part) if quoted else part for part, quoted in parts)
    depths = list(itertools.accumulate({"(": 1, ")": -1}.get(letter, 0) for letter in bare))
    if not bare.strip():
        return "a condition is expected, as after WHERE"
    if any(quoted and part.startswith("/*") and not part.endswith("*/") for part, quoted in parts):
        return "its comment has no end"
    if any(mark in part for part, quoted in parts if not quoted for mark in "'\"`"):
        return "a text or a name in it has no end"
    if depths[-1] or min(depths) < 0:
        return "its parentheses do not match"
    if ";" in bare:
        return "one condition is expected, and there is a ; in it"
    if re.match(r"\s*where\b", bare, re.IGNORECASE):
        return "the condition alone is expected, without WHERE"
    return next((why for pattern, why in _FORBIDDEN if re.search(pattern, bare, re.IGNORECASE)), "")


def placeholders(text: str, dialect: Dialect) -> set[str]:
    """Return the names of the placeholders, `:since` as since."""
    return {name for part, quoted in _parts(text, dialect) if not quoted for name in _PLACEHOLDER.findall(part)}


def bound(text: str, dialect: Dialect) -> str:
    """Return the statement as the drivers want it: `%(since)s` for `:since`, `%%` for `%`, and no semicolon at its end.

    The values are dates; psycopg says so to the server, and for MySQL the word DATE before them does.
    """
    value = r"DATE %(\1)s" if dialect == "mysql" else r"%(\1)s"
    parts = (
        part if quoted else _PLACEHOLDER.sub(value, part)
        for part, quoted in ((part.replace("%", "%%"), quoted) for part, quoted in _parts(text, dialect))
    )
    return _without_end("".join(parts), dialect)


def _bare(part: str) -> str:
    return " " if part.startswith(("--", "#", "/*")) else " '' "


def _without_end(text: str, dialect: Dialect) -> str:
    parts = list(_parts(text, dialect))
    for n in range(len(parts) - 1, -1, -1):
        part, quoted = parts[n]
        if not quoted and part.strip():
            parts[n] = (re.sub(r"[;\s]*;\s*$", " ", part), False)
            break
    return "".join(part for part, _ in parts)


def _parts(text: str, dialect: Dialect) -> Iterator[tuple[str, bool]]:
    at = 0
    for found in _QUOTED[dialect].finditer(text):
        yield text[at : found.start()], False
        yield found.group(), True
        at = found.end()
    yield text[at:], False


MOST_ANSWERED = 100_000  # of an answer; more is no figure but a table


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: the names of the columns, and the rows as its driver gives them."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
