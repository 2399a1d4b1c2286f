"""Each error of the code that a load can come to is foreseen by `validate`, or somebody has said why it cannot be.

`python tests/test_refusals.py` writes the table of docs/refusals.md anew, and prints how many there are of each kind.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))  # as a program

from refusals import KINDS, PLACES, Raised, kind_of, raised

from bulketl.plan.footing import LACKS
from bulketl.plan.obstacles import DOUBTS, OBSTACLES

PAGE = Path(__file__).parent.parent / "docs" / "refusals.md"
BEGIN, END = "<!-- made from the code by tests/test_refusals.py -->", "<!-- end -->"


def of_loads() -> list[Raised]:
    """Return the errors that a load can come to."""
    return [one for one in raised() if one.kind not in ("elsewhere", "")]


def table() -> str:
    """Return what is in the docs: the kinds with how many errors are of each, and every error of a load by its kind."""
    counts = Counter(one.kind for one in of_loads())
    lines = ["| errors | may validate know it? |", "|---:|---|"]
    lines += [f"| {counts[kind]} | {words} |" for kind, words in KINDS.items() if counts[kind]]
    lines += ["", "Before anything is read a table is refused, or a load does not begin, for:", ""]
    lines += [f"- {lack.about}" for lack in LACKS]
    lines += [f"- {obstacle.about}" for obstacle in OBSTACLES]
    lines += ["", "Only the rows tell, and validate warns of:", ""]
    lines += [f"- {doubt.about}" for doubt in DOUBTS]
    for kind, words in KINDS.items():
        messages = sorted({_cell(one.message) for one in of_loads() if one.kind == kind and one.known > 3})
        if messages:
            lines += ["", f"## {words[0].upper()}{words[1:]}", "", *(f"- {message}" for message in messages)]
    return "\n".join(lines)


def _cell(message: str) -> str:
    return " ".join(message.replace("`", "'").replace("<", "&lt;").split()).removesuffix(":")


def test_every_error_of_the_code_is_of_a_kind() -> None:
    """A new one is of none until it is written down; one that has gone is taken out."""
    counts = Counter(one.place for one in raised() if not one.place.startswith(("cli/", "operations/", "verifying/")))
    assert {place: count for place, (count, _) in PLACES.items()} == dict(counts)
    assert {kind for _, kind in PLACES.values()} == set(KINDS)


def test_the_kind_of_a_message_is_that_of_the_error_that_says_most() -> None:
    """Though what a server says fits nearly all."""
    assert kind_of("PlanError", "table 't' has no primary key, and foreign keys point to it in the target") == "plan"
    assert (
        kind_of("MassDeleteError", "table 't': 3 of its 5 rows are gone at the source, and deletes: fail allows none")
        == "rows"
    )
    assert kind_of("DataError", "table 't': null value in column c") == "server"


def test_the_page_of_refusals_is_made_from_the_code() -> None:
    """Run this file as a program to write it anew."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == table()


if __name__ == "__main__":
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    for kind, count in Counter(one.kind for one in of_loads()).most_common():
        print(f"{count:4} {kind:10} {KINDS[kind]}")
