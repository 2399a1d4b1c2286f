"""The shape of the tree: what no other check would notice decaying."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulketl.mysql.server import MySQL
from bulketl.postgres.ledger.schema import MIGRATIONS
from bulketl.postgres.server import LEDGER, Postgres

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


TABLES = frozenset(re.findall(rf"CREATE TABLE IF NOT EXISTS {LEDGER}\.(\w+)", "".join(m.statements for m in MIGRATIONS)))
# Who else names a table of the ledger in its code, and why. Docstrings may.
FOR_PEOPLE = "no statement: it tells a person where to look"
NAME_THE_LEDGER = {
    "cli/demo/demo.py": FOR_PEOPLE,
    "cli/screens/attention.py": FOR_PEOPLE,
    "loading/run.py": FOR_PEOPLE,
    "operations/certificates.py": FOR_PEOPLE,
    "operations/spans.py": "names of attributes, which begin like the ledger's tables",
    "plan/specify.py": FOR_PEOPLE,
    "postgres/locks.py": "who takes lost locks again asks whether a later load came between; the ledger stands above locks",
    "survey/tablefindings.py": FOR_PEOPLE,
    "survey/proposals.py": FOR_PEOPLE,
}


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module but docstrings; an f-string has `{}` for all that is put in but the ledger's name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(_part(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    return LEDGER if isinstance(part, ast.FormattedValue) and ast.unparse(part.value).endswith("LEDGER") else "{}"


def test_only_the_ledger_names_its_tables() -> None:
    """Its columns are known in one room: elsewhere no statement names one of its tables, but for these reasons."""
    assert {"run", "table_load", "state", "audit_chain", "retained", "made"} < TABLES
    root = ROOT / "src" / "bulketl"
    named = re.compile(rf"\b{LEDGER}\.(({'|'.join(TABLES)})\b|{{}})")
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path.parent != root / "postgres" / "ledger" and any(named.search(text) for text in texts(path))
    }
    assert found == set(NAME_THE_LEDGER)
