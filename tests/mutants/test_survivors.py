"""The mutants that are listed with a reason are of the code as it is: a line that is gone takes its reason with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from listed import listed

ROOT = Path(__file__).parents[2]


def names(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Yield the functions and classes of a module, each with those that hold it."""
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{node.name}" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""
        if name:
            yield name
        yield from names(node, f"{name}." if name else prefix)


def test_each_is_of_a_line_that_is_there_and_has_a_reason() -> None:
    for (path, function, was, now, twin), why in listed().items():
        text = (ROOT / path).read_text()
        assert not function or function in set(names(ast.parse(text))), (path, function)
        assert was in " ".join(line.strip() for line in text.splitlines()), (path, was)
        assert was != now
        assert twin > 0
        assert len(why) > 10, f"{path}: {was} has no reason"
