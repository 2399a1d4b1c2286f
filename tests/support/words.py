"""Where the words of others go: the text of an exception that is none of ours, followed through the code to the errors.

A driver's text may quote a row. So whoever puts it into the message of an error says so in `said`, never puts it into a
hint, and what else is done with it stands in ELSEWHERE with the reason why nobody else reads it. Found in the source, by
`ast`, so that nobody has to remember a place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "bulketl"
OF_OUR_OWN = (  # they say what we wrote, or what pydantic and Python say of a configuration
    "BulketlError", "ConfigError", "PlanError", "SourceError", "TargetError", "DataError", "ClusterError", "BugError",
    "MismatchError", "FullLoad", "RunEndedError", "StalledError", "_BadFileError", "_RejectedError", "ValidationError",
    "TypeError", "CycleError",
)  # fmt: skip
# What gives a number, a name or our own words for the exception or text that it is given.
CLEAN = (
    "about", "code_of", "constraint_of", "findall", "forbidden_of", "getattr", "is_lost", "isinstance", "len", "number_of",
    "numbered", "place_of", "placing", "problem", "type", "_portable", "_rebuild", "format_tb", "extract_tb", "unraisable",
)  # fmt: skip
CLEAN_ATTRIBUTES = ("diag", "sqlstate", "strerror", "errno", "lineno", "position", "start", "problem_mark", "returncode")


@dataclass(slots=True)
class Function:
    """A function of the code: its place and tree, what comes from which other file, which parameters are foreign."""

    file: str
    name: str
    place: str
    tree: ast.FunctionDef
    imports: dict[str, str]
    given: set[str] = field(default_factory=set)

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters, without self."""
        found = [arg.arg for arg in (*self.tree.args.args, *self.tree.args.kwonlyargs)]
        return found[1:] if found[:1] in (["self"], ["cls"]) else found

    @property
    def texts(self) -> set[str]:
        """The parameters that may be a text, or an exception that is none of ours."""
        every = (*self.tree.args.args, *self.tree.args.kwonlyargs)
        return {arg.arg for arg in every if arg.annotation is None or _open(ast.unparse(arg.annotation))}


@dataclass(frozen=True, slots=True)
class Leak:
    """A place where the words of others get on: into what, and in which line."""

    place: str
    into: str
    line: int


def leaks() -> list[Leak]:
    """Return every place where a foreign exception's text gets into something that is not a message with `said`."""
    functions = list(_functions())
    kinds = _kinds(functions)
    while _spread(functions):
        pass
    return sorted({leak for function in functions for leak in _Walk(function, kinds).leaks()}, key=str)


def _functions() -> Iterator[Function]:
    for path in sorted(SRC.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        imports = {
            name.asname or name.name: f"{str(node.module).removeprefix('bulketl.').replace('.', '/')}.py"
            for node in froms
            for name in node.names
        }
        yield from _inside(tree, str(path.relative_to(SRC)), (), imports)


def _inside(tree: ast.AST, file: str, at: tuple[str, ...], imports: dict[str, str]) -> Iterator[Function]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if isinstance(node, ast.FunctionDef):
                one = Function(file, node.name, f"{file} {'.'.join((*at, node.name))}", node, imports)
                every = (*node.args.args, *node.args.kwonlyargs)
                one.given |= {arg.arg for arg in every if arg.annotation and _foreign(ast.unparse(arg.annotation))}
                yield one
            yield from _inside(node, file, (*at, node.name), imports)
        else:
            yield from _inside(node, file, at, imports)


def _kinds(functions: list[Function]) -> set[str]:
    """Return the names of our errors, and of the functions that make one of a message and a `said` that they are given."""
    tree = ast.parse((SRC / "errors" / "__init__.py").read_text(encoding="utf-8"))
    ours = {"BulketlError"}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id in ours for base in node.bases):
            ours.add(node.name)
    return ours | {
        function.name for function in functions if "said" in function.parameters and "code" in function.parameters
    }


def _foreign(annotation: str) -> bool:
    words = annotation.replace("|", " ").replace("(", " ").replace(")", " ").replace(",", " ").split()
    found = [word for word in words if word.endswith(("Error", "Exception", "QueryCanceled"))]
    return any(word.startswith("psycopg.") or word.rpartition(".")[2] not in OF_OUR_OWN for word in found)


def _open(annotation: str) -> bool:
    return annotation in ("str", "str | None", "Any", "object") or _foreign(annotation)


def _spread(functions: list[Function]) -> bool:
    """Note which parameters get such a text from a caller; tell whether any is new."""
    more = False
    there = {(function.file, function.name): function for function in functions}
    for function in functions:
        walk = _Walk(function, set())
        for call in walk.calls():
            callee = there.get((function.imports.get(_called(call), function.file), _called(call)))
            if callee is None:
                continue
            pairs = [
                *zip(callee.parameters, call.args, strict=False),
                *((word.arg or "", word.value) for word in call.keywords),
            ]
            new = {name for name, value in pairs if name in callee.texts and walk.foreign(value)} - callee.given - {"said"}
            more = more or bool(new)
            callee.given |= new
    return more


def _called(call: ast.Call) -> str:
    return (
        call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    )


class _Walk:
    """One function walked through: which of its names hold an exception of others, or its text."""

    def __init__(self, function: Function, kinds: set[str]) -> None:
        self._function, self._kinds = function, kinds
        self._names = set(function.given)
        self._nodes = list(self._own(function.tree))
        for node in self._nodes:
            if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None and self._handles(node.type):
                self._names.add(node.name)
        self._ours = {
            id(name)
            for node in self._nodes
            if self._is_ours(node)
            for part in getattr(node, "body", ())
            for name in ast.walk(part)
        }
        for _ in range(3):
            for node in self._nodes:
                if isinstance(node, (ast.Assign, ast.NamedExpr)) and node.value and self.foreign(node.value):
                    self._assign(node.targets if isinstance(node, ast.Assign) else [node.target], node.value)

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr) -> None:
        for target in targets:
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                self._names |= {
                    one.id for one, part in zip(target.elts, value.elts, strict=True)
                    if isinstance(one, ast.Name) and self.foreign(part)
                }  # fmt: skip
            elif isinstance(target, (ast.Name, ast.Tuple)):
                self._names |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}

    def _own(self, tree: ast.AST) -> Iterator[ast.AST]:
        for node in ast.iter_child_nodes(tree):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node
                yield from self._own(node)

    def _handles(self, kinds: ast.expr) -> bool:
        return any(_foreign(word) for word in ast.unparse(kinds).strip("()").split(", "))

    def _is_ours(self, node: ast.AST) -> bool:
        """Tell whether what is in a block knows that the exception is one of ours."""
        if isinstance(node, ast.ExceptHandler):
            return node.type is not None and not self._handles(node.type)
        return isinstance(node, ast.If) and self._tests(node.test)

    def _tests(self, test: ast.expr) -> bool:
        return isinstance(test, ast.Call) and _called(test) == "isinstance" and not self._handles(test.args[1])

    def foreign(self, value: ast.expr) -> bool:
        """Tell whether an expression gives such an exception or its text."""
        match value:
            case ast.Name():
                return value.id in self._names and id(value) not in self._ours
            case ast.Attribute():
                return value.attr not in CLEAN_ATTRIBUTES and self.foreign(value.value)
            case ast.Call():
                name = _called(value)
                if name in CLEAN or name in self._kinds or name[:1].isupper():
                    return False
                inside = [*value.args, *(word.value for word in value.keywords)]
                if isinstance(value.func, ast.Attribute):
                    inside.append(value.func.value)
                return any(map(self.foreign, inside))
            case ast.Compare() | ast.Lambda() | ast.Constant():
                return False
            case ast.IfExp():
                return (self.foreign(value.body) and not self._tests(value.test)) or self.foreign(value.orelse)
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                return any(self.foreign(one) for one in ast.iter_child_nodes(value) if isinstance(one, ast.expr))
        return any(self.foreign(one) for one in ast.iter_child_nodes(value) if isinstance(one, ast.expr))

    def calls(self) -> Iterator[ast.Call]:
        """Yield the calls of the function."""
        yield from (node for node in self._nodes if isinstance(node, ast.Call))

    def leaks(self) -> Iterator[Leak]:
        """Yield where such a text gets into a message without being in `said`, a hint, or something that is no error."""
        for node in self._nodes:
            if isinstance(node, ast.Call):
                into = self._of_error(node) if self._makes(node) else self._of_call(node)
            elif isinstance(node, ast.Assign) and self.foreign(node.value):
                kept = [ast.unparse(one) for one in node.targets if isinstance(one, (ast.Subscript, ast.Attribute))]
                into = kept[0] if kept else ""
            else:
                continue
            if into:
                yield Leak(self._function.place, into, node.lineno)

    def _of_error(self, call: ast.Call) -> str:
        given = {word.arg: word.value for word in call.keywords}
        if "hint" in given and self.foreign(given["hint"]):
            return "a hint"
        bare = call.args and self.foreign(call.args[0]) and "said" not in given and len(call.args) < 4
        return "a message without `said`" if bare else ""

    def _of_call(self, call: ast.Call) -> str:
        name = _called(call)
        keeps = name[:1].isupper() or name in ("print", "warn", "warning", "append", "put", "info")
        return name if keeps and any(map(self.foreign, [*call.args, *(word.value for word in call.keywords)])) else ""

    def _makes(self, call: ast.Call) -> bool:
        if isinstance(call.func, ast.Attribute):
            return call.func.attr in self._kinds or (
                isinstance(call.func.value, ast.Name) and call.func.value.id in self._kinds
            )
        return _called(call) in self._kinds or _called(call) == "cls"
