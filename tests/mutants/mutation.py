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
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators

NEVER = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.TypeAlias)
UNSEEN = ("len", "isinstance", "cast", "TypeVar", "NewType")  # mutants of their arguments only raise, or change nothing

EMPTY = cst.Module([])


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: in which function of which file, what stood there and what stands there now."""

    path: str  # from the root of the checkout
    function: str  # as in `Class.method`; of a class or a module where it is in none
    outer: str  # the function that a module or class holds, and that has it within; '' where it is in none
    was: str
    now: str
    lines: range  # that differ
    twin: int  # which of several that read alike
    whole: bytes = dataclasses.field(repr=False)  # the file as it is
    where: slice = dataclasses.field(repr=False)  # of it
    written: bytes = dataclasses.field(repr=False)  # what stands there now

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return what names it, which stays when lines move."""
        return self.path, self.function, self.was, self.now, self.twin

    @property
    def statement(self) -> range:
        """Return the lines of the smallest statement that has it."""
        found = [one for one in ast.walk(ast.parse(self.whole)) if isinstance(one, ast.stmt)]
        ranges = [range(one.lineno, (one.end_lineno or 0) + 1) for one in found]
        return min((one for one in ranges if self.lines.start in one and self.lines[-1] in one), key=len, default=self.lines)

    @property
    def source(self) -> str:
        """Return the whole file with the fault."""
        return (self.whole[: self.where.start] + self.written + self.whole[self.where.stop :]).decode()


def mutants(root: Path, path: str) -> Iterator[Mutant]:
    """Yield every mutant of a file in the order of its lines, those too that read otherwise and are the same."""
    whole = (root / path).read_bytes()
    visitor = _Visitor()
    MetadataWrapper(cst.parse_module(whole), unsafe_skip_copy=True).visit(visitor)
    seen: Counter[tuple[str, str, str]] = Counter()
    for function, outer, where, written in visitor.found:
        was, now, lines = _difference(whole, where, written)
        seen[function, was, now] += 1
        yield Mutant(path, function, outer, was, now, lines, seen[function, was, now], whole, where, written)


def _difference(whole: bytes, where: slice, written: bytes) -> tuple[str, str, range]:
    """Return the lines that differ, as they were and as they are."""
    start, stop = whole.rfind(b"\n", 0, where.start) + 1, whole.find(b"\n", where.stop)
    before = whole[start:stop].decode().split("\n")
    after = (whole[start : where.start] + written + whole[where.stop : stop]).decode().split("\n")
    first = whole.count(b"\n", 0, start) + 1
    while len(before) > 1 and len(after) > 1 and before[0] == after[0]:
        del before[0], after[0]
        first += 1
    while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
        del before[-1], after[-1]
    was, now = (" ".join(line.strip() for line in lines) for lines in (before, after))
    return was, now, range(first, first + len(before))


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


class _Visitor(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (ByteSpanPositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._within: list[bool] = []  # functions, rather than classes
        self.found: list[tuple[str, str, slice, bytes]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, NEVER) or _unseen(node) or _is_text(node):
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

    def _keep(self, node: cst.CSTNode, made: list[cst.CSTNode]) -> None:
        span = self.get_metadata(ByteSpanPositionProvider, node, None)
        if span is None:
            return
        outer = ".".join(self._names[: self._within.index(True) + 1]) if True in self._within else ""
        where = slice(span.start, span.start + span.length)
        for one in made:
            self.found.append((".".join(self._names), outer, where, EMPTY.code_for_node(one).encode()))


def _is_text(node: cst.CSTNode) -> bool:
    """Tell whether a node is a docstring."""
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString)


def _unseen(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in UNSEEN
