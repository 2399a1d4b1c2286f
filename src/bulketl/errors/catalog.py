"""Every error by its code: which places of the code raise it, what it says, and what to do.

The catalog is made from the code, and shipped with it. A code is given once: it keeps its meaning when the words change,
and no other error gets it when its error is gone. In a message or a hint, `…` stands for a name, a number or other words
that differ from case to case. `python tests/test_codes.py` brings catalog.json up to date.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

PAGE = "docs/refusals.md"


@dataclass(frozen=True, slots=True)
class Entry:
    """One error: its code and class, its message and what to do, whether validate foresees it, and who raises it.

    `exit_code`: of a command that ends with it. `places`: files and functions, none for an error that is no more.
    """

    code: str
    error: str
    exit_code: int
    message: str
    hint: str
    foreseen: str
    places: tuple[str, ...]

    @property
    def known(self) -> int:
        """How many characters of its message are always the same."""
        return len(self.message.replace("…", ""))

    @property
    def said(self) -> str:
        """The message, or what it is made of where all of it is filled in."""
        return self.message if self.known > 3 else "(what a server said, or whatever is wrong: other words each time)"

    @property
    def advice(self) -> str:
        """What to do, or where that is said when it depends on the case."""
        return self.hint if self.hint.strip("… ;") else "it depends on the case, and stands below the message"

    def fits(self, message: str) -> bool:
        """Tell whether a message may be this one."""
        return re.fullmatch(".*".join(map(re.escape, self.message.split("…"))), message, re.DOTALL) is not None

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, without what only whoever changes bulketl needs."""
        return {key: value for key, value in asdict(self).items() if key != "places"}

    def part(self) -> str:
        """Return what the page says of it, in Markdown."""
        lines = [f"### {self.code}", "", f"> {_escaped(self.said)}", "", f"`{self.error}`, exit code {self.exit_code}."]
        if not self.places:
            lines[-1] += " Only earlier versions of bulketl say this."
        lines += ["", f"What to do: {_escaped(self.advice)}"]
        lines += ["", f"Does `bulketl validate` foresee it? {self.foreseen[0].upper()}{self.foreseen[1:]}."]
        return "\n".join(lines)


@functools.cache
def entries() -> dict[str, Entry]:
    """Return every entry by its code."""
    found = json.loads(Path(__file__).with_name("catalog.json").read_text(encoding="utf-8"))
    return {one["code"]: Entry(**{**one, "places": tuple(one["places"])}) for one in found}


@functools.cache
def _by_place() -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries().values():
        for place in entry.places:
            found.setdefault(place, []).append(entry)
    return found


def code_of(place: str, error: str, message: str) -> str:
    """Return the code of an error of that class that a place raised: of those the one whose words the message has most of.

    '' for a place that raises none, as of a user's own program.
    """
    words = " ".join(message.split())
    found = [one for one in _by_place().get(place, ()) if one.error == error]
    fitting = [one for one in found if one.fits(words)] or found  # words of a server may have been taken out
    return max(fitting, key=lambda one: one.known).code if fitting else ""


def _escaped(text: str) -> str:
    return re.sub(r"([*_<|\[\]])", r"\\\1", " ".join(text.split()))
