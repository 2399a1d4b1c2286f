"""No character of a name gets lost on the way to a terminal: what would act there is shown as a picture."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import RenderableType

import bulketl
from bulketl.cli.screens.listing import rows_of
from bulketl.cli.terminal import Terminal
from bulketl.cli.text import Text

ACTING = [chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\n\t"]


def row(cell: RenderableType) -> RenderableType:
    made = rows_of("name")
    made.add_row(cell)
    return made


@pytest.mark.parametrize("char", ACTING, ids=[f"{ord(char):#04x}" for char in ACTING])
def test_a_character_that_acts_is_seen_however_a_screen_shows_it(char: str) -> None:
    """Rich itself drops five of them from a text, and two names would look alike."""
    name = f"a{char}b"
    ways = [
        name,
        Text(name),
        Text("").append(name),
        Text.assemble(name),
        Text.assemble((name, "bold")),
        row(name),
        row(Text(name)),
    ]
    for way in ways:
        stream = io.StringIO()
        Terminal(file=stream).print(way)
        assert "ab" not in stream.getvalue()
        assert char not in stream.getvalue()


def test_no_screen_takes_a_text_that_drops_characters() -> None:
    taken = re.compile(r"rich\.text|from rich import .*text")
    files = Path(bulketl.__file__).parent.rglob("*.py")
    assert [file.name for file in files if taken.search(file.read_text())] == ["text.py"]
