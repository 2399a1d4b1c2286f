"""The pictures in README and docs are of the pages as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pictures
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def reader(empty: str) -> Iterator[str]:
    """The ledger that is pictured, in a database of its own."""
    with pictures.ledger(empty) as found:
        yield found


def test_every_picture_is_of_the_page_as_it_is(reader: str) -> None:
    """Or is taken anew where `nox -s pictures` asks for that."""
    if os.environ.get("BULKETL_PICTURES"):
        pictures.take(reader)
    changed = {
        name for name, digest in pictures.digests(pictures.told(reader)).items() if pictures.kept().get(name) != digest
    }
    assert not changed, f"these pages are not as their pictures show them: {changed}; `nox -s pictures` takes them anew"


def test_every_picture_is_shown_and_none_is_missing() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {name for text in texts for name in re.findall(r"\]\((?:docs/)?pictures/(\w+)\.png\)", text.read_text())}
    assert shown == {one.stem for one in pictures.FOLDER.glob("*.png")} == set(pictures.kept())
