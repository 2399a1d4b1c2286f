"""Every error has a code that stays: `codes.txt` beside this file has all that were ever given, with what each means.

`python tests/test_codes.py` gives new errors their codes, follows words that were changed, and writes the page anew. A code
whose words changed is told: whoever changed them sees to `codes.txt`, and gives the error another code if it means
something else now.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))  # as a program

import pytest
from refusals import KINDS, SOURCE, Raised, raised
from typer.testing import CliRunner

from bulketl import errors
from bulketl.cli.app import app
from bulketl.config.config import Config
from bulketl.errors import catalog
from bulketl.errors.catalog import Entry, entries

LIST = Path(__file__).parent / "codes.txt"
CATALOG = SOURCE / "errors" / "catalog.json"
PAGE = SOURCE.parents[1] / "docs" / "refusals.md"
BEGIN, END = "<!-- made from the code by tests/test_codes.py -->", "<!-- end of the codes -->"
ALIKE = 0.6  # of two messages, from which one is the other in new words
# The first figure of a code, by the class of the error or one above it.
FIRST = {
    "ConfigError": 1, "PlanError": 2, "SourceError": 3, "TargetError": 4, "DataError": 5, "ClusterError": 6,
    "DeliveryError": 7, "BugError": 9, "BulketlError": 8,
}  # fmt: skip


def kind_named(one: Raised) -> type[errors.BulketlError] | None:
    """Return the class of an error that the code makes; None for what is no error of ours, or is made by another call."""
    if not one.made:
        return None
    if one.error == "cls":
        return vars(errors).get(one.place.split()[1].partition(".")[0])
    module = importlib.import_module("bulketl." + one.place.partition(".py")[0].replace("/", ".").removesuffix(".__init__"))
    kind = getattr(module, one.error, None)
    return kind if isinstance(kind, type) and issubclass(kind, errors.BulketlError) else None


def of_users() -> Iterator[tuple[Raised, type[errors.BulketlError]]]:
    """Yield every error that a user may see, with its class."""
    for one in raised():
        if kind := kind_named(one):
            yield dataclasses.replace(one, error=kind.__name__, message=" ".join(one.message.split())), kind


def made() -> tuple[list[Entry], list[str]]:
    """Return the catalog as it has to be, and lines that say which codes have other words now."""
    wanted: dict[tuple[str, ...], list[tuple[Raised, type[errors.BulketlError]]]] = {}
    for one, kind in of_users():
        bare = one.known <= 3  # words of somebody else alone: what is said of them differs by place
        wanted.setdefault((one.error, one.message, one.place if bare else ""), []).append((one, kind))
    known = list(entries().values())
    found, left, told = dict[str, Entry](), dict[tuple[str, ...], Any](), []
    for key, group in wanted.items():
        same = next((e for e in known if (e.error, e.message) == key[:2] and (not key[2] or key[2] in e.places)), None)
        if same and same.code not in found:
            found[same.code] = _entry(same.code, group)
        else:
            left[key] = group
    for key, group in left.items():
        places = {one.place for one, _ in group}
        free = [e for e in known if e.code not in found and e.error == key[0] and places & set(e.places)]
        likely = max(free, key=lambda e: _alike(e.message, key[1]), default=None)
        if likely and _alike(likely.message, key[1]) >= ALIKE:
            found[likely.code] = _entry(likely.code, group)
            told.append(f"{likely.code} said  {likely.message}\n          says  {key[1]}")
        else:
            first = next(FIRST[kind.__name__] for kind in group[0][1].__mro__ if kind.__name__ in FIRST)
            taken = [int(code[4:]) for code in (*found, *entries()) if code[4] == str(first)]
            code = f"BLK-{max(taken, default=first * 1000) + 1}"
            found[code] = _entry(code, group)
    gone = (dataclasses.replace(e, places=()) for e in known if e.code not in found)
    return sorted([*found.values(), *gone], key=lambda e: e.code), told


def _entry(code: str, group: list[tuple[Raised, type[errors.BulketlError]]]) -> Entry:
    one, kind = group[0]
    hint = next((each.hint for each, _ in group if each.hint.strip("… ")), "")
    places = tuple(sorted({each.place for each, _ in group}))
    return Entry(
        code, one.error, kind.exit_code, one.message, " ".join(hint.split()), KINDS[one.kind or "elsewhere"], places
    )


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def lines(found: list[Entry]) -> list[str]:
    return [f"{one.code} {one.error}: {one.message}" for one in found]


def page(found: list[Entry]) -> str:
    return "\n\n".join(one.part() for one in found)


def test_every_error_has_a_code() -> None:
    """Run this file as a program to give a new one its own."""
    found, told = made()
    assert not told
    assert {one.code: one for one in found} == entries()


def test_no_code_disappears_or_means_something_else() -> None:
    """Each that was ever given is there, of the same class and in the same words, or is marked as gone."""
    kept = LIST.read_text(encoding="utf-8").splitlines()
    assert kept == lines(list(entries().values()))
    assert len({line.split()[0] for line in kept}) == len(kept)


def test_the_page_tells_of_every_code_under_its_anchor() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == page(list(entries().values()))
    assert set(re.findall(r"^### (BLK-\d{4})$", text, re.MULTILINE)) == set(entries())


@pytest.mark.parametrize("code", entries())
def test_an_error_is_known_by_its_place_and_words(code: str) -> None:
    """Whatever is filled in: those of one place are told from each other."""
    entry = entries()[code]
    for place in entry.places:
        for filled in ("words of somebody", "table 't': 3", "x"):
            assert catalog.code_of(place, entry.error, entry.message.replace("…", filled)) == code


def test_an_error_that_is_raised_says_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the screen, as JSON, and after it came from another process."""
    monkeypatch.chdir(tmp_path)
    none = {"BULKETL_SOURCE": "", "BULKETL_TARGET": ""}
    done = CliRunner().invoke(app, ["plan"], env=none)
    (code,) = re.findall(r"BLK-\d{4}", done.stderr.partition(": `bulketl explain")[0])
    assert entries()[code].message == "no … is set"
    as_json = json.loads(CliRunner().invoke(app, ["plan", "--json"], env=none).stdout)
    assert as_json["reference"] == code
    with pytest.raises(errors.ConfigError) as caught:
        Config().uri("source")
    assert caught.value.reference == pickle.loads(pickle.dumps(caught.value)).reference == code
    assert errors.ConfigError("of somebody's own program").reference == ""


@pytest.mark.parametrize("make", [
    lambda: errors.BugError.of(ValueError("x"), "t"),
    lambda: errors.MismatchError.found("t", "c", "int", "string", "text"),
    lambda: errors.altered_meanwhile("t", "c", "int", None),
])  # fmt: skip
def test_an_error_that_a_function_makes_has_the_code_of_that_function(make: Any) -> None:
    assert make().reference in entries()


if __name__ == "__main__":
    now, changed = made()
    CATALOG.write_text(
        "[\n" + ",\n".join(json.dumps(dataclasses.asdict(one), ensure_ascii=False) for one in now) + "\n]\n",
        encoding="utf-8",
    )
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{page(now)}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    kept = LIST.read_text(encoding="utf-8").splitlines() if LIST.exists() else []
    given = {line.split()[0] for line in kept}
    new = [line for line in lines(now) if line.split()[0] not in given]
    LIST.write_text("\n".join(sorted([*kept, *new])) + "\n", encoding="utf-8")
    print(f"{len(now)} codes, {len(new)} new")
    for text in changed:
        print(f"{text}\n  if that means the same, correct its line in {LIST.name}")
