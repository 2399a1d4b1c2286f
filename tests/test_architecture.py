"""The shape of the tree: what no other check would notice decaying."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_above_400_lines(path: Path) -> None:
    """A file that long holds more than one noun."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_holds(path: Path) -> None:
    """A module begins with its docstring."""
    assert path.read_text(encoding="utf-8").startswith('"""')


def test_no_repr_shows_a_password() -> None:
    """Settings end up in tracebacks and notebooks."""
    shown = repr(MySQL("mysql://u:s3cr3t@h/d")) + repr(Postgres("postgresql://u:s3cr3t@h/d"))
    assert "s3cr3t" not in shown
    assert "s3cr3t" not in MySQL("mysql://u:s3cr3t@h/d").identity + Postgres("postgresql://u:s3cr3t@h/d").identity
