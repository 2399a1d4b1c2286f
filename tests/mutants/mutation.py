"""Mutants: copies of the code with one fault each, made by the operators of mutmut.

Of the two tools that are kept up, mutmut changes texts and arguments too; cosmic-ray starts a process per mutant, two
seconds of imports. mutmut's own runner leaves out properties, decorated functions and what a module holds as data such as
`casts.RULES`, knows neither a sample nor a change alone, and forks after Polars has started its threads, which hangs. So its
operators are applied here, to every node of a file but annotations and decorators.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators

NEVER = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.TypeAlias)
UNSEEN = ("len", "isinstance", "cast", "TypeVar", "NewType")  # mutants of their arguments only raise, or change nothing


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: in which function of which file, what stood there and what stands there now."""

    path: str  # from the root of the checkout
    function: str  # as in `Class.method`; of a class or a module where it is in none
    outer: str  # the function that a module or class holds, and that has it within; '' where it is in none
    was: str
    now: str
    lines: range  # of the statement
    source: str = dataclasses.field(repr=False)  # the whole file with the fault
    twin: int = 1  # which of several that read alike

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return what names it, which stays when lines move."""
        return self.path, self.function, self.was, self.now, self.twin


def mutants(root: Path, path: str) -> Iterator[Mutant]:
    """Yield every mutant of a file in the order of its lines, those too that read otherwise and are the same."""
    text = (root / path).read_text()
    visitor = _Visitor(text)
    MetadataWrapper(cst.parse_module(text)).visit(visitor)
    lines = text.splitlines()
    seen: Counter[tuple[str, str, str]] = Counter()
    for function, outer, first, last, source in visitor.found:
        was, now, where = _difference(lines, source.splitlines(), first, last)
        seen[function, was, now] += 1
        yield Mutant(path, function, outer, was, now, where, source, seen[function, was, now])


def distinct(root: Path, found: Iterable[Mutant]) -> Iterator[Mutant]:
    """Leave out what Python cannot read, and what it reads as the code as it is or as one of those before."""
    known: dict[str, set[bytes]] = {}
    for one in found:
        if one.path not in known:
            known[one.path] = {_meaning((root / one.path).read_text())}
        with contextlib.suppress(SyntaxError):
            if (meaning := _meaning(one.source)) not in known[one.path]:
                known[one.path].add(meaning)
                yield one


def _meaning(source: str) -> bytes:
    return hashlib.sha256(ast.dump(ast.parse(source)).encode()).digest()


def _difference(before: list[str], after: list[str], first: int, last: int) -> tuple[str, str, range]:
    """Return the lines of a statement that differ, as they were and as they are."""
    after_last = len(after) - (len(before) - last)
    while first < last and first < after_last and before[first - 1] == after[first - 1]:
        first += 1
    while last > first and after_last > first and before[last - 1] == after[after_last - 1]:
        last, after_last = last - 1, after_last - 1
    was, now = (
        " ".join(line.strip() for line in lines) for lines in (before[first - 1 : last], after[first - 1 : after_last])
    )
    return was, now, range(first, last + 1)


class _Visitor(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (ByteSpanPositionProvider, ParentNodeProvider, PositionProvider)

    def __init__(self, text: str) -> None:
        super().__init__()
        self._bytes = text.encode()
        self._names: list[str] = []
        self._within: list[bool] = []  # functions, rather than classes
        self.found: list[tuple[str, str, int, int, str]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, NEVER) or _unseen(node) or self._is_docstring(node):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(node.name.value)
            self._within.append(isinstance(node, cst.FunctionDef))
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                made = list(operator(node))
                self._keep(node, made[:1] if isinstance(node, cst.SimpleString) else made)  # other case says nothing more
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()
            self._within.pop()

    def _is_docstring(self, node: cst.CSTNode) -> bool:
        return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString)

    def _keep(self, node: cst.CSTNode, made: list[cst.CSTNode]) -> None:
        span = self.get_metadata(ByteSpanPositionProvider, node, None)
        position = self.get_metadata(PositionProvider, node, None)
        if span is None or position is None:
            return
        before, after = self._bytes[: span.start], self._bytes[span.start + span.length :]
        outer = ".".join(self._names[: self._within.index(True) + 1]) if True in self._within else ""
        for one in made:
            source = before + cst.Module([]).code_for_node(one).encode() + after
            self.found.append((".".join(self._names), outer, position.start.line, position.end.line, source.decode()))


def _unseen(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in UNSEEN
