"""Each driver opens its sessions in one place only: another one would begin without what bulketl sets in every session."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bulketl.mysql import session as source
from bulketl.postgres import session as target

SOURCES = Path(__file__).parent.parent / "src" / "bulketl"
DRIVERS = ("pymysql", "connectorx", "psycopg", "adbc_driver_postgresql", "adbc_driver_manager")
OPENING = frozenset(
    {"connect", "read_sql", "read_sql_pandas", "partition_sql", "Connection", "AdbcConnection", "AdbcDatabase"}
)
WHERE = {
    "connectorx.read_sql": ["mysql/stream_process.py"],
    "pymysql.connections.Connection": ["mysql/session.py"],
    "psycopg.connect": ["postgres/session.py"] * 2,  # the second one to see whether a pooler is in between
    "adbc_driver_postgresql.dbapi.connect": ["postgres/session.py"],
}


def _opened(path: Path) -> Iterator[str]:
    """Yield the full name of each function or class of a driver's that is called or inherited from and opens a session."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(alias.asname or alias.name.split(".")[0]): (alias.name if alias.asname else alias.name.split(".")[0])
                      for alias in node.names}  # fmt: skip
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            head, _, rest = ast.unparse(node).partition(".")
            full = f"{names.get(head, '')}.{rest}".strip(".")
            if full.startswith(DRIVERS) and full.rpartition(".")[2] in OPENING and _is_use(tree, node):
                yield full


def _is_use(tree: ast.Module, node: ast.expr) -> bool:
    """Tell whether a name is used as a value, and not only named as a type."""
    annotations = [
        inner
        for item in ast.walk(tree)
        for part in (getattr(item, "annotation", None), getattr(item, "returns", None))
        if part is not None
        for inner in ast.walk(part)
    ]
    subscripts = [inner for item in ast.walk(tree) if isinstance(item, ast.Subscript) for inner in ast.walk(item.value)]
    return node not in annotations and node not in subscripts


def test_each_driver_is_connected_in_one_place() -> None:
    """Listed from the source code; throw-away servers wait for themselves, and a demo's are nobody's source."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        name = str(path.relative_to(SOURCES))
        if not name.startswith("cli/demo/"):
            for what in _opened(path):
                found.setdefault(what, []).append(name)
    assert found == WHERE


@pytest.mark.parametrize("side", [source, target])
def test_the_documentation_lists_what_is_set(side: ModuleType) -> None:
    """Each variable with its value, in the list of docs/running.md and in no other words."""
    text = (SOURCES.parents[1] / "docs" / "running.md").read_text(encoding="utf-8")
    settings: dict[str, str] = {**side.SETTINGS, **getattr(side, "REQUIRED", {})}
    shown = {f"`{name}={value}`".replace(source.EMPTY, "''") for name, value in settings.items()}
    assert {item for item in shown if item not in text} == set()
