"""Text as whoever means harm would write it: names, values and words that act on a parser, a shell, a page or a terminal."""

from __future__ import annotations

from hypothesis import strategies as st

FORGED = "forged line"
ACTS = frozenset(  # what acts on a terminal, ends a line, or turns the direction of writing
    chr(code)
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x061C,
        0x200E,
        0x200F,
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    )
) - {"\n"}
PIECES = (
    # SQL
    "'",
    '"',
    "`",
    "''",
    "\\",
    "\\'",
    "';",
    "; DROP TABLE x; --",
    "-- ",
    "--",
    "/*",
    "*/",
    "#",
    "$$",
    "$1",
    "$tag$",
    "$bulketl_",
    "%s",
    "%(x)s",
    "%",
    "%%",
    ":since",
    "?",
    "E'",
    "U&'",
    "\\0",
    "NULL",
    "pg_temp",
    ").x(",
    "(",
    ")",
    ",",
    ".",
    # shells, schedulers, templates
    "$(touch x)",
    "`touch x`",
    "${IFS}",
    "${HOME}",
    "&& x",
    "| x",
    "> x",
    "!",
    "~",
    "*",
    "{{ x }}",
    "{% raw %}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "-rf",
    "--help",
    "-",
    "=cmd|' /C x'!A1",
    "+1",
    "@x",
    "\t=1",
    "ExecStart=x",
    "[Service]",
    "%n",
    "{0}",
    "{x!r}",
    # pages, mails, Markdown
    "<script>alert(1)</script>",
    "<img src=x onerror=x>",
    "</title>",
    "</style>",
    "</script>",
    "<!--",
    "-->",
    "]]>",
    "<![CDATA[",
    "&lt;",
    "&#x3c;",
    '" onclick="x',
    "' onclick='x",
    "javascript:x",
    "<a href=//x>",
    "[x](http://x)",
    "![x](http://x)",
    "<http://x>",
    "http://x.example",
    "| a |",
    "***",
    "___",
    "~~~",
    "```",
    "# h",
    "> q",
    "- l",
    "1. l",
    "Subject: x",
    "Bcc: x@x.example",
    "\r\n.\r\n",
    # terminals and lines
    "\x1b[2J",
    "\x1b]0;t\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x9b31m",
    "\x9d",
    "\x90",
    "\x08",
    "\x0b",
    "\x0c",
    "\x07",
    "\0",
    "\x7f",
    f"\n{FORGED}",
    f"\r\n{FORGED}",
    f"\r{FORGED}",
    f"\u2028{FORGED}",
    f"\x85{FORGED}",
    "\n",
    "\r",
    "\t",
    "[/x]",
    "[red]",
    ":tada:",
    "[link=file:///x]",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u00ad",
    "e\u0301",
    "\U0001f3f4\u200d\u2620\ufe0f",
    "\ufffe",
    "\uffff",
    "\U000e0041",
    "\u00a0",
    " ",
    "  ",
    # words that something else may be meant by
    "null",
    "true",
    "no",
    "1e9999",
    "0x10",
    "2024-01-01",
    "NaN",
    "last",
    "*",
    "?",
    "..",
    "/",
    "../../x",
    "con",
    "__proto__",
    "constructor",
)
HALVES = ("\ud800", "\udc80", "\udfff")  # of surrogate pairs: from arguments, the environment, JSON, and names of files
_ANY = st.text(st.characters(codec="utf-8"), max_size=12)


def _joined(*pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(*pieces), min_size=1, max_size=5).map("".join)


TEXTS = _joined(st.sampled_from(PIECES), st.sampled_from(PIECES), _ANY)  # that UTF-8 can have
ANYTHING = _joined(
    st.sampled_from(PIECES), st.sampled_from(PIECES + HALVES), st.text(st.characters(codec=None), max_size=12)
)
LONG = st.builds(lambda text, times: text * times, TEXTS, st.integers(1, 40))


def of_a_server(name: str) -> bool:
    """Tell whether a server may have a name like that: in UTF-8, not empty, and without NUL."""
    return bool(name) and "\0" not in name


# Postgres' are of at most 63 bytes, MySQL's of 64 characters; longer ones are cut before they get there.
NAMES = (TEXTS | LONG).map(lambda text: text.replace("\0", "")[:64]).filter(of_a_server)


def unacting(text: str, *, folded: bool = False) -> str:
    """Return the text when nothing in it acts on a terminal and no name has made a line of its own; fail otherwise.

    `folded`: its lines end where a terminal is full, so any word of a name may begin one.
    """
    acting = {char for char in text if char in ACTS}
    assert not acting, f"{acting!r} in {text!r}"
    assert folded or not [line for line in text.split("\n") if line.strip().startswith(FORGED)], text
    return text
