"""SQL in tokens, as each server reads it: what a name or a literal is, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["postgres", "mysql"]
_POSTGRES = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)|(?P<name>"(?:[^"]|"")*")|(?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')"""
    r"""|(?P<text>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')|(?P<body>\$(?P<tag>[A-Za-z_\x80-\uffff]\w*|)\$.*?\$(?P=tag)\$)"""
    r"""|(?P<word>[\w$]+)|(?P<sign>.)""",
    re.DOTALL,
)
_MYSQL = re.compile(
    r"""(?P<blank>\s+|--(?=[\s\0])[^\n]*|\#[^\n]*|/\*.*?\*/)|(?P<name>`(?:[^`]|``)*`)"""
    r"""|(?P<text>(?:_\w+\s+)?[xX]?'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")|(?P<word>[\w$]+)|(?P<sign>.)""",
    re.DOTALL,
)
_UNESCAPED = re.compile(r"\\(.)|''", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A token: what it is, and what it means: of a name or a text what stands inside of it."""

    kind: str
    means: str


def tokens(sql: str, dialect: Dialect) -> Iterator[Token]:
    """Yield what a statement consists of, without blanks and comments; what stands in a body of a block is code, too."""
    for found in (_POSTGRES if dialect == "postgres" else _MYSQL).finditer(sql):
        kind, word = str(found.lastgroup), found.group()
        if found["name"]:
            yield Token("name", word[1:-1].replace(word[0] * 2, word[0]))
        elif kind == "escaped":
            yield Token("text", _UNESCAPED.sub(lambda one: one[1] or "'", word[2:-1]))
        elif kind == "text":
            inner = word[word.index("'") + 1 : -1] if "'" in word else word[1:-1]
            yield Token("text", inner.replace("''", "'") if dialect == "postgres" else _UNESCAPED.sub(_meant, inner))
        elif dialect == "postgres" and found["body"]:
            edge = len(found["tag"]) + 2
            yield Token("begin", "")
            yield from tokens(word[edge:-edge], dialect)
            yield Token("end", "")
        elif kind != "blank":
            yield Token(kind, word)


def _meant(found: re.Match[str]) -> str:
    return found[1] or "'"
