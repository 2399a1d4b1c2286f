"""The reference is what the code has: a page that is older than the code fails its test.

`python tests/test_reference.py` writes the pages anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))  # as a program

from reference import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_made_from_the_code(name: str) -> None:
    """Run this file as a program to write it anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


if __name__ == "__main__":
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")
