"""What bulketl stands on: each licence is one that is allowed, and what could not be asked about is said."""

from __future__ import annotations

import json
import re
from importlib.metadata import Distribution
from pathlib import Path

import supply

import noxfile

ROOT = Path(__file__).parents[1]


def test_every_package_that_bulketl_needs_has_a_licence_that_is_allowed() -> None:
    """Those that are installed here, of all extras."""
    found = supply.installed()
    names = supply.standing_on("bulketl", found["bulketl"].metadata.get_all("Provides-Extra") or (), found)
    assert {"polars", "pyarrow", "psycopg", "pyyaml", "jinja2", "starlette"} <= names
    assert supply.unfit(names, found) == {}


class _Package(Distribution):
    def __init__(self, about: str) -> None:
        self.about = about

    def read_text(self, filename: str) -> str | None:
        return self.about if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def test_another_licence_and_none_are_found() -> None:
    """Whichever way a package says it."""
    head = "Metadata-Version: 2.1\nName: x\nVersion: 1\n"
    for about, said in (
        ("License-Expression: AGPL-3.0-only", {"AGPL-3.0-only"}),
        ("License-Expression: MIT AND GPL-3.0-only", {"MIT", "GPL-3.0-only"}),
        (
            "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            {"GNU General Public License v3 (GPLv3)"},
        ),
        ("License: Commercial", {"Commercial"}),
        ("Summary: x", {""}),
    ):
        assert supply.unfit(["x"], {"x": _Package(head + about)}) == {"x": said}
    assert supply.unfit(["x"], {"x": _Package(f"{head}License: MIT License\n")}) == {}


def test_what_was_not_audited_is_not_safe() -> None:
    """pip-audit itself says that nothing was found, and ends with 0."""
    answer = {
        "dependencies": [
            {"name": "bulketl", "skip_reason": "not on PyPI"},
            {"name": "a", "skip_reason": "not found"},
            {"name": "b", "version": "1", "vulns": [{"id": "GHSA-1", "fix_versions": ["2"]}]},
        ]
    }
    assert supply.audited(json.dumps(answer)) == (["b 1: GHSA-1, mended in 2"], ["a: not found"])


def test_the_sessions_that_the_noxfile_names_are_those_that_there_are() -> None:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    named = re.findall(r"NAME is one of ([a-z\s]+)\.", str(noxfile.__doc__))[0].split()
    assert sorted(named) == sorted(re.findall(r"^@nox\.session.*\ndef (\w+)\(", text, re.MULTILINE))


def test_the_policy_leads_to_pages_and_sessions_that_there_are() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([\w/.-]+?)(?:#[\w-]+)?\)", text):
        assert (ROOT / path).exists(), path
    for session in re.findall(r"`nox -s (\w+)`", text):
        assert hasattr(noxfile, session)
