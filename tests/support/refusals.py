"""Every error that the code raises, read from the code itself, and whether `validate` foresees it; if not, why it cannot.

A new `raise` makes a place whose number of errors is not the one written down here, and a test fails until somebody has
thought about it. `kind_of` tells of which kind the message of a load is.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "bulketl"
# Of each kind: whether validate says it before the load, and how, or why nobody can.
KINDS = {
    "plan": "yes: validate plans all tables as a load does, and each refusal is an error in the same words",
    "begin": "yes: validate reads the same files and opens the same sessions, and ends with the same error",
    "lack": "yes: an error of validate, asked without reading or locking anything",
    "asked": "no: it is about options of the command itself, which validate does not have; nothing has begun then",
    "rows": "no: only the rows tell, and the load is what reads them; what is known to depend on them is a warning",
    "meanwhile": "no: it happens while the load is on: a line that is lost, a table that is altered, a full disk",
    "server": "what a server says of a statement: what can be known the plan refuses, the rest is of rows or the moment",
    "bug": "no: a mistake in bulketl",
    "cluster": "no: validate asks no Dask cluster, which may be started for the load alone",
    "elsewhere": "no load comes there: another command raises it",
}
# Place: number of errors made there, and their kind. A place is a file and a function.
PLACES: dict[str, tuple[int, str]] = {
    "config/config.py Config.uri": (1, "begin"),
    "config/libraries.py check_libraries": (1, "begin"),
    "config/migration.py with_tables": (1, "elsewhere"),
    "config/pairs.py load_checks": (3, "elsewhere"),
    "config/mistakes.py all_wrong": (1, "begin"),
    "config/read.py load_configs": (1, "elsewhere"),
    "config/secrets.py named": (2, "begin"),
    "config/secrets.py referred.found": (2, "begin"),
    "config/secrets.py joined": (2, "begin"),
    "config/secrets.py in_file": (2, "begin"),
    "config/secrets.py _credential": (2, "begin"),
    "config/secrets.py _command": (5, "begin"),
    "config/secrets.py _keyring": (4, "begin"),
    "config/secrets.py _line": (4, "begin"),
    "config/snapshot.py _unreadable": (1, "begin"),
    "config/yamlfile.py _Build._count": (2, "begin"),
    "config/yamlfile.py _Build._put": (1, "begin"),
    "config/yamlfile.py _Build.add": (2, "begin"),
    "config/yamlfile.py _events": (4, "begin"),
    "config/yamlfile.py read_yaml": (1, "begin"),
    "connections/watch.py talk": (2, "meanwhile"),
    "connections/retrying.py patient": (1, "meanwhile"),
    "connections/tls.py protection": (2, "begin"),
    "connections/tls.py check_file": (1, "begin"),
    "connections/tls.py check_certificate": (2, "begin"),
    "connections/tls.py _load": (2, "begin"),
    "connections/tls.py _shown": (3, "begin"),
    "connections/tls.py known": (1, "begin"),
    "errors/__init__.py BugError.of": (1, "bug"),
    "errors/__init__.py MismatchError.found": (1, "bug"),
    "errors/__init__.py altered_meanwhile": (1, "meanwhile"),
    "loading/dask.py check_address": (2, "asked"),
    "loading/dask.py _connected": (3, "cluster"),
    "loading/dask.py _check": (3, "cluster"),
    "loading/dask.py _Cluster.submit": (1, "cluster"),
    "loading/dask.py _Cluster._settle": (1, "cluster"),
    "loading/dask.py _Cluster._look_at_scheduler": (1, "cluster"),
    "loading/dask.py _Cluster.watch": (3, "cluster"),
    "loading/dask.py attempt": (1, "cluster"),
    "loading/dask.py _lost": (2, "cluster"),
    "loading/dask.py _dead_worker": (1, "cluster"),
    "loading/frames.py _load": (1, "elsewhere"),
    "loading/frames.py _planned": (2, "elsewhere"),
    "loading/frames.py _range": (1, "elsewhere"),
    "loading/engine.py _Driver.overdue": (1, "meanwhile"),
    "loading/engine.py _Driver._unlock": (1, "meanwhile"),
    "loading/engine.py _Driver.ended": (1, "bug"),
    "loading/engine.py _await": (1, "meanwhile"),
    "loading/process.py Apart.carry_out": (1, "meanwhile"),
    "loading/run.py _still_gone": (1, "meanwhile"),
    "loading/run.py _interrupted": (2, "asked"),
    "loading/run.py _over": (1, "asked"),
    "loading/run.py _still_so": (1, "asked"),
    "loading/threads.py Crew._carry_out.give_up": (1, "meanwhile"),
    "loading/threads.py Crew._hire": (1, "meanwhile"),
    "loading/worker.py work": (2, "meanwhile"),
    "loading/reading.py Reading.__iter__": (1, "rows"),
    "mysql/digests.py _made_one": (1, "rows"),
    "mysql/digests.py rows": (1, "rows"),
    "mysql/locks.py _lock": (1, "lack"),
    "mysql/pressure.py Strain.look": (1, "lack"),
    "mysql/query.py answer": (1, "elsewhere"),
    "mysql/read.py read": (1, "bug"),
    "mysql/row.py find_row": (1, "elsewhere"),
    "mysql/server.py MySQL.__post_init__": (4, "begin"),
    "mysql/server.py MySQL._opened": (1, "meanwhile"),
    "mysql/server.py MySQL._authority": (1, "begin"),
    "mysql/server.py MySQL._refusal": (4, "begin"),
    "mysql/server.py source_error": (1, "server"),
    "mysql/session.py _usable": (1, "begin"),
    "mysql/session.py _settable": (1, "begin"),
    "mysql/slices.py drained": (1, "meanwhile"),
    "mysql/slices.py _last": (1, "bug"),
    "mysql/zones.py check_zone": (1, "lack"),
    "plan/absences.py absences": (1, "plan"),
    "plan/absences.py unseen": (3, "plan"),
    "plan/consistency.py _impossible": (1, "plan"),
    "plan/spelling.py check_spelling": (3, "plan"),
    "plan/enums.py cast_of": (1, "plan"),
    "plan/decision.py _load": (3, "plan"),
    "plan/footing.py stand": (2, "lack"),
    "plan/grouping.py _ordered": (1, "begin"),
    "plan/incremental.py cursor": (1, "asked"),
    "plan/incremental.py _fitting": (1, "plan"),
    "plan/incremental.py _invalid": (1, "plan"),
    "plan/incremental.py another_source": (1, "plan"),
    "plan/incremental.py _between": (1, "asked"),
    "plan/incremental.py _given": (1, "asked"),
    "plan/leftout.py fitting": (1, "asked"),
    "plan/masking.py withheld": (1, "plan"),
    "plan/masking.py masked": (2, "plan"),
    "plan/masking.py hold_masks": (2, "plan"),
    "plan/masking.py agreeing": (2, "elsewhere"),
    "plan/masking.py unspooled": (2, "plan"),
    "plan/obstacles.py hold": (1, "plan"),
    "plan/ownership.py strange": (2, "plan"),
    "plan/ownership.py unknown": (1, "asked"),
    "plan/planned_checks.py _refuse": (1, "plan"),
    "plan/publishing.py publishing": (2, "plan"),
    "plan/publishing.py _replaced": (1, "plan"),
    "plan/publishing.py _possible": (2, "plan"),
    "plan/publishing.py _keyed": (1, "plan"),
    "plan/publishing.py _only_added_to": (1, "plan"),
    "plan/publishing.py _refuse": (3, "plan"),
    "plan/publishing.py _replaceable": (2, "plan"),
    "plan/partial.py check_place": (2, "plan"),
    "plan/partial.py check_schema": (1, "asked"),
    "plan/partial.py of_part": (1, "asked"),
    "plan/selection.py Selection.__post_init__": (2, "asked"),
    "survey/parts.py _unreadable": (1, "plan"),
    "survey/parts.py _no_order": (1, "plan"),
    "plan/selection.py _nothing": (1, "plan"),
    "plan/selection.py select": (1, "plan"),
    "plan/specify.py specify": (2, "plan"),
    "plan/specify.py _retained": (1, "plan"),
    "plan/specify.py known_columns": (3, "plan"),
    "plan/calling.py check_apart": (1, "plan"),
    "plan/ownership.py _movable": (1, "plan"),
    "plan/ownership.py check": (1, "plan"),
    "plan/specify.py _apart": (1, "plan"),
    "plan/specify.py _casts": (5, "plan"),
    "plan/specify.py name_error": (1, "plan"),
    "rows/masking.py need_key": (1, "begin"),
    "postgres/compare/settle.py settle": (1, "meanwhile"),
    "postgres/ledger/looking.py _strange": (1, "elsewhere"),
    "postgres/ledger/made.py exists": (1, "begin"),
    "postgres/ledger/schema.py _later": (1, "lack"),
    "postgres/ledger/schema.py readable": (1, "elsewhere"),
    "loading/record.py Run._go_on": (1, "elsewhere"),
    "loading/record.py _begin": (1, "meanwhile"),
    "loading/record.py Run.at": (1, "bug"),
    "postgres/locks.py Locks.keep": (1, "meanwhile"),
    "postgres/locks.py _refusal": (1, "meanwhile"),
    "postgres/query.py answer": (2, "elsewhere"),
    "postgres/server.py Postgres.of": (2, "begin"),
    "postgres/server.py Postgres.__post_init__": (1, "begin"),
    "postgres/server.py Postgres.connect": (2, "begin"),
    "postgres/server.py Postgres._refusal": (3, "begin"),
    "postgres/server.py failure": (3, "server"),
    "postgres/session.py parameters": (3, "begin"),
    "postgres/session.py _require": (1, "begin"),
    "postgres/session.py _refuse_pooled_transactions": (1, "begin"),
    "postgres/target.py PostgresTarget._copied": (1, "rows"),
    "postgres/target.py PostgresTarget._compare_group": (1, "rows"),
    "postgres/target.py _miscounted": (1, "rows"),
    "postgres/write/copy.py transaction": (1, "meanwhile"),
    "postgres/write/copy.py _still_carried_out": (1, "meanwhile"),
    "postgres/write/copy.py copy": (1, "rows"),
    "postgres/write/copy.py check_types": (1, "bug"),
    "postgres/write/guard.py check_gone": (2, "rows"),
    "postgres/write/outcome.py too_many": (1, "rows"),
    "postgres/write/publish.py publish": (1, "meanwhile"),
    "postgres/write/exchange.py _altered": (1, "elsewhere"),
    "postgres/write/exchange.py _busy": (1, "elsewhere"),
    "postgres/write/exchange.py _compare": (1, "elsewhere"),
    "postgres/write/exchange.py _named_twice": (1, "elsewhere"),
    "postgres/write/exchange.py _unmade": (1, "elsewhere"),
    "postgres/write/refill.py _refused": (1, "elsewhere"),
    "postgres/write/refill.py refill": (1, "elsewhere"),
    "postgres/write/refill.py untaken": (1, "elsewhere"),
    "postgres/write/retention.py retain": (1, "lack"),
    "postgres/write/retention.py _commit": (1, "elsewhere"),
    "postgres/write/retention.py _archived": (1, "elsewhere"),
    "postgres/write/retention.py _unwritable": (1, "elsewhere"),
    "postgres/write/retention.py _transaction": (1, "elsewhere"),
    "postgres/write/rows.py _Stage._reject": (1, "rows"),
    "postgres/write/table_checks.py complete": (1, "bug"),
    "postgres/write/table_checks.py broken": (1, "rows"),
    "rows/quality.py hold": (1, "rows"),
    "rows/row_checks.py _computed": (1, "rows"),
    "survey/cursors.py _no_part": (1, "asked"),
    "survey/appending.py _no_place": (1, "elsewhere"),
    "survey/discover.py explain": (1, "elsewhere"),
    "survey/tablesfile.py _unmended": (1, "elsewhere"),
    "tables/casts.py cast": (1, "plan"),
    "tables/casts.py _declared": (2, "plan"),
    "tables/cursor.py cursor_type": (1, "plan"),
    "tables/keytext.py spread": (1, "elsewhere"),
    "tables/keytext.py _value": (1, "elsewhere"),
    "postgres/ledger/oldviews.py _free": (1, "elsewhere"),
    "postgres/ledger/oldviews.py make": (1, "elsewhere"),
    "tables/patterns.py fitting": (1, "elsewhere"),
}
SAYS = 12  # characters
ASKED = ("cli/loading.py", "cli/options.py")  # whatever is raised there is about the options of a command
ROOMS_ABOVE = ("cli/", "operations/", "verifying/")  # no load comes there but from the command line


@dataclass(frozen=True)
class Raised:
    """An error that is made somewhere: where, of which class, and its message, with … for what is filled in."""

    place: str
    error: str
    message: str
    hint: str = ""
    made: bool = True  # and not by a function that stands for it, as `BugError.of`

    @property
    def kind(self) -> str:
        """Of which kind it is; '' when nobody has said so."""
        if self.place.startswith(ROOMS_ABOVE):
            return "asked" if self.place.startswith(ASKED) else "elsewhere"
        return PLACES.get(self.place, (0, ""))[1]

    def fits(self, message: str) -> bool:
        """Tell whether a message may be this one."""
        pattern = ".*".join(map(re.escape, self.message.split("…")))
        return re.fullmatch(pattern, message, re.DOTALL) is not None

    @property
    def known(self) -> int:
        """How many characters of its message are always the same."""
        return len(self.message.replace("…", ""))


@functools.cache
def raised() -> tuple[Raised, ...]:
    """Return every error that the code makes, in the order of the code."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    classes = [node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {node.name for node in classes if node.name.endswith("Error")}
    found = []
    for path, tree in trees.items():
        visitor = _Visitor(str(path.relative_to(SOURCE)), names)
        visitor.visit(tree)
        found += visitor.found
    return tuple(found)


def kind_of(error: str, message: str) -> str:
    """Return the kind of the error of a class that a message is of: of those it may be the one that says most itself."""
    fitting = [one for one in raised() if one.error in (error, "cls") and one.fits(message)]
    if not fitting:
        return ""
    most = max(fitting, key=lambda one: one.known)
    # What says next to nothing itself fits the words of a server too.
    return "server" if most.known < SAYS and error in ("SourceError", "TargetError", "DataError") else most.kind


class _Visitor(ast.NodeVisitor):
    def __init__(self, file: str, names: set[str]) -> None:
        self.file, self.names = file, names
        self.constants: dict[str, str] = {}
        self.inside: list[str] = []
        self.found: list[Raised] = []

    def visit_Module(self, node: ast.Module) -> None:
        for one in node.body:
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                self.constants[one.targets[0].id] = _text(one.value)
        self.generic_visit(node)

    def _hint(self, node: ast.expr) -> str:
        """Return what a hint says; of two that depend, both."""
        if isinstance(node, ast.IfExp):
            return "; or: ".join(dict.fromkeys(map(self._hint, (node.body, node.orelse))))
        return self.constants.get(node.id, "…") if isinstance(node, ast.Name) else _text(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._enter(node)

    def _enter(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.inside.append(node.name)
        self.generic_visit(node)
        self.inside.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node.func)
        if name in self.names or (name == "cls" and self.file == "errors/__init__.py"):
            message = _text(node.args[0]) if node.args else "…"
            hint = next((self._hint(word.value) for word in node.keywords if word.arg == "hint"), "")
            made = isinstance(node.func, ast.Name)
            self.found.append(Raised(f"{self.file} {'.'.join(self.inside)}", name, message, hint, made))
        self.generic_visit(node)


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):  # MismatchError.found(...)
        function = function.value
    return function.id if isinstance(function, ast.Name) else ""


def _text(node: ast.expr) -> str:
    """Return what a message says, with … for each part that is computed."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return re.sub("…+", "…", "".join(_text(part) for part in node.values))
    if isinstance(node, ast.BinOp):
        return re.sub("…+", "…", _text(node.left) + _text(node.right))
    return "…"
