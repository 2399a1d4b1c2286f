"""The pictures in README and docs are of the pages as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pictures
import pytest
from lab import Lab

ROOT = Path(__file__).parents[3]


@pytest.fixture
def stage(empty: str, maria_lab: Lab) -> Iterator[pictures.Stage]:
    """What is pictured, in databases of its own."""
    with pictures.stage(empty, maria_lab) as found:
        yield found


def test_every_picture_is_of_the_page_as_it_is(stage: pictures.Stage) -> None:
    """Or is taken anew where `nox -s pictures` asks for that."""
    if os.environ.get("BULKETL_PICTURES"):
        pictures.take(stage)
    changed = {
        name for name, digest in pictures.digests(pictures.told(stage)).items() if pictures.kept().get(name) != digest
    }
    assert not changed, f"these pages are not as their pictures show them: {changed}; `nox -s pictures` takes them anew"


def test_every_picture_is_shown_and_none_is_missing() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {name for text in texts for name in re.findall(r"\]\((?:docs/)?pictures/(\w+)\.png\)", text.read_text())}
    assert shown == {one.stem for one in pictures.FOLDER.glob("*.png")} == set(pictures.kept())
