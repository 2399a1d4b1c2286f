"""Text that comes out of other people's databases, as a terminal or a log may have it.

A name or a value can hold anything. Here every character that acts on a terminal, ends a line or turns the direction of
writing becomes a picture of itself, so that it is seen and does nothing. Quotation marks and backslashes are left alone:
this is for the eye, not for a parser.
"""

from __future__ import annotations

from collections.abc import Iterable

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ACTING = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) != "\n"}  # pictures that Unicode has for them
_ACTING |= {0x7F: "\N{SYMBOL FOR DELETE}", 0x2028: "\N{SYMBOL FOR NEWLINE}", 0x2029: "\N{SYMBOL FOR NEWLINE}"}
_ACTING |= dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT)  # C1: one of them begins a sequence as ESC [ does
_TURNING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # of the direction of writing
_SHOWN = {**_ACTING, **dict.fromkeys((*_TURNING, *range(0xD800, 0xE000)), _REPLACEMENT)}  # and halves of surrogate pairs
ESCAPED = {code: f"\\u{code:04x}" for code in (*_SHOWN, 0x85) if code >= 0x7F}  # in JSON
_IN_A_LINE = {**_SHOWN, ord("\n"): "\N{SYMBOL FOR NEWLINE}"}


def shown(text: str) -> str:
    """Return the text with a picture for every character that would act on a terminal; line feeds stay."""
    return text.translate(_SHOWN)


def in_a_line(text: str) -> str:
    """Return the text as one line, with a picture for line feeds too: a name must not make a line of its own."""
    return text.translate(_IN_A_LINE)


def listed(head: str, lines: Iterable[str]) -> str:
    """Return a head and below it lines, each of which is one whatever a name in it holds."""
    return "\n  ".join([head, *map(in_a_line, lines)])


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, and how many more there are: a server may quote a whole statement."""
    return text if len(text) <= most else f"{text[:most]}… ({count_of(len(text) - most, 'character')} more)"


def count_of(count: int, noun: str, verb: str = "") -> str:
    """Return a number with its noun, and the verb that follows as it is of one: 1 table, 2 tables were, 2 rows differ."""
    told = f"{count:,} {noun}{'' if count == 1 else 's'}"
    return f"{told} {verb_of(count, verb)}" if verb else told


def verb_of(count: int, verb: str) -> str:
    """Return a verb as it follows a number; `verb`: as it is of one."""
    return verb if count == 1 else {"is": "are", "was": "were", "has": "have"}.get(verb) or verb.removesuffix("s")


def minutes_of(seconds: float) -> str:
    """Return a time that somebody gave in minutes as it was given: 1 minute, 2.5 minutes."""
    told = f"{seconds / 60:g}"
    return f"{told} minute{'' if told == '1' else 's'}"


def lasting(seconds: float) -> str:
    """Return a time for people, in its two largest units: 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    left, told = round(seconds), list[str]()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not told):
            told.append(f"{count:,} {unit}")
        elif told:
            break
    return " ".join(told[:2])


def size(count: float) -> str:
    """Return a number of bytes for people: 999 B, 1.2 kB, 38 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def without_table(text: str, table: str) -> str:
    """Return a message without the name of its table before it, which stands there already."""
    return text.removeprefix(f"table {table!r}: ").replace(f"table {table!r}", "the table").replace("\n", " ")


LONGEST = 60  # characters of a fact in a repr


def brief(kind: object, /, **facts: object) -> str:
    """Return the repr of a value, a short line: its type and the few facts that tell it from others. None has row values."""
    told = ", ".join(f"{name}={_short(fact)}" for name, fact in facts.items())
    return f"{type(kind).__name__}({told})"


def _short(fact: object) -> str:
    text = in_a_line(repr(fact) if isinstance(fact, str) else str(fact))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
