"""A command for each of the `sources:` of bulketl.yaml, in turn; or for those that `--from` names.

Every command that takes a configuration goes through all sources, each below a heading, and ends with the worst of their
exit codes; with --json it prints one object with what it has of each, by name. What can only be about one source refuses
until one is named, and says which there are: a command in ALONE, an option in OF_ONE, a file to be written, a text for a
program.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import typer.main

from bulketl.errors import BulketlError, ConfigError

_TABLE, _ALERT, _HANDS = "a table is of one source", "an alert is of one source", "tables change hands source by source"
ALONE: Mapping[str, str] = {
    "dashboard": "its pages are of one source", "watch": "it follows one run", "runs cancel": "a run is of one source",
    "state show": _TABLE, "state reset": _TABLE, "why": _TABLE, "undo": _TABLE, "alerts show": _ALERT, "alerts ack": _ALERT,
    "alerts resolve": _ALERT, "pairs": "its SQL is for one source", "metrics": "a collector reads one text",
    "dbt sources": "a file of dbt is of one source", "rejects export": "a file has the rows of one source",
    "migrate shadow": _HANDS, "migrate promote": _HANDS, "migrate demote": _HANDS, "migrate waive": _HANDS,
    "migrate views": _HANDS, "migrate import-state": _HANDS, "rollback": _HANDS,
}  # fmt: skip
ONCE = ("schedule",)  # what is printed starts all of them
# Options and arguments, by their parameter, that say something of one source; `last` is a run that each has.
OF_ONE: Mapping[str, str] = {
    "which": "a run is of one source", "name": "a run is of one source", "of_run": "a run is of one source",
    "resume": "a run is of one source", "table": _TABLE, "explain": _TABLE,
    "schema": "no two sources may have one schema", "rules": "each source has rules of its own",
    "sql": "statements are of one source", "as_markdown": "a report is of one source",
}  # fmt: skip
_READ = ("config", "folder", "checks")  # files and folders that are no result
_FROM = "from_sources"


class Turn(NamedTuple):
    """What became of a command for a source, '' where there is one alone; without a code it was not begun, or not ended.

    `stopped`: a signal ended it, and nothing else is begun.
    """

    source: str = ""
    code: int | None = None
    error: BulketlError | None = None
    stopped: bool = False


@dataclass(slots=True)
class _Call:
    """The command as it was called. `names`: its sources; `now`: the one whose turn it is.

    `head` shows its name above what follows; `told`: its configuration was asked for.
    """

    words: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    asked: Sequence[str] | None = None
    names: tuple[str, ...] = ()
    now: str = ""
    head: Callable[[str], object] | None = None
    told: bool = False


_calls = [_Call()]  # the last one is carried out


def add_option(params: list[Any]) -> None:
    """Add `--from` to the options of a command that takes a configuration, behind that."""
    names = [param.name for param in params]
    if "config" in names:
        params.insert(names.index("config") + 1, copy.copy(_option()))


@functools.cache
def _option() -> Any:
    """Return `--from` as Typer makes it of a function."""
    made = typer.Typer(add_completion=False)
    made.command()(_with_option)
    return next(one for one in typer.main.get_command(made).params if one.name == _FROM)


def _with_option(
    from_sources: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="NAME", help="Of several sources these, a,b. [default: all]", show_default=False),
    ] = None,
) -> None:
    """Have an option."""


@contextlib.contextmanager
def called(words: str, params: dict[str, Any]) -> Iterator[None]:
    """Take notice of a command while it is carried out; `--from` is none of its own parameters."""
    _calls.append(_Call(words, params, params.pop(_FROM, None)))
    try:
        yield
    finally:
        _calls.pop()


def current() -> str:
    """Return the source whose turn it is; '' where the configuration has no `sources`."""
    return _calls[-1].now


def begun() -> str:
    """Return the source whose configuration is read now; above what follows show its name, where there are several."""
    call = _calls[-1]
    if call.head and not call.told:
        call.head(call.now)
    call.told = True
    return call.now


def words() -> tuple[str, ...]:
    """Return `--from` as it was given, for a command that is printed."""
    call = _calls[-1]
    return ("--from", ",".join(call.names)) if call.asked else ()


def every() -> Iterator[str]:
    """Give each source its turn within one command, and yield its name: '' where there is one alone."""
    call = _calls[-1]
    for name in call.names or ("",):
        call.now = name
        yield name


def asked() -> tuple[bool, tuple[str, ...]]:
    """Return whether the command goes through its sources, and which these are: none where the configuration has none.

    Raise ConfigError where one has to be named, or one is named that is not there.
    """
    call = _calls[-1]
    there = _there(call.params)
    if call.asked:
        from bulketl.cli.options import split_commas

        named = split_commas(call.asked)
        if wrong := [name for name in named if name not in there]:
            raise ConfigError(
                f"there is no source {wrong[0]!r} in the configuration",
                hint=f"the sources are {', '.join(there)}" if there else "leave out --from: there is one source",
            )
        call.names = tuple(name for name in there if name in named)
    else:
        call.names = there
        named = ()
    if len(call.names) > 1 and (why := _alone(call)):
        raise ConfigError(
            f"one of the sources has to be named: {why}", hint=f"add --from NAME; the sources are {', '.join(call.names)}"
        )
    if len(named) == 1:
        call.now = named[0]
    return bool(call.names) and len(named) != 1 and call.words not in ONCE, call.names


def _there(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sources that the configuration names."""
    if "config" not in params:
        return ()
    path = params["config"] or Path("config/bulketl.yaml")
    if not path.is_file():  # what is read once only, as a pipe, is not looked at: who reads it says that one has to be named
        return ()
    with contextlib.suppress(OSError), path.open("rb") as file:
        if b"sources" not in file.read(_MOST):
            return ()
        import os

        from bulketl.config.sources import names

        return names(path, os.environ)
    return ()


_MOST = 32 << 20


def _alone(call: _Call) -> str:
    """Return why the command as it was called is about one source; '' if it is not."""
    if why := ALONE.get(call.words):
        return why
    for name, value in call.params.items():
        if name in OF_ONE and value not in (None, "", False, "last"):
            return OF_ONE[name]
        if isinstance(value, Path) and name not in _READ:
            return f"{value} would be written for each"
    if call.words == "grants" and not (call.params["check"] or call.params["as_json"]):
        return OF_ONE["sql"]
    if call.words == "report compliance" and call.params["as_json"]:
        return "it may be signed, and a signature is of one document"
    return ""


def each(
    names: Sequence[str],
    once: Callable[[str], Turn],
    shown: tuple[Callable[[str], object], Callable[[Sequence[str]], object]],
    *,
    as_json: bool,
) -> list[Turn]:
    """Carry out a command for each source, print the documents as one, and return what became of each.

    `shown` is called with the name of each before what is said of it, and with the names of those that were not begun.

    A signal ends them all. So does an error that no configuration was read for: it is of the call, and the same for each.
    """
    call = _calls[-1]
    call.head, tell = shown
    turns: list[Turn] = []
    documents: dict[str, Any] = dict.fromkeys(names)
    left = list(names)
    try:
        while left:
            call.now, call.told = left.pop(0), False
            with contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext() as text:
                turns.append(once(call.now))
            said = text.getvalue() if text else ""
            if turns[-1].error and not call.told:
                left.clear()
                print(said, end="")
                return [turns[-1]._replace(source="")]
            documents[call.now] = json.loads(said) if said.strip() else None
            if turns[-1].stopped:
                break
        if as_json:
            print(json.dumps(documents))
    finally:
        call.now = ""
        if left:
            tell(left)
    return [*turns, *map(Turn, left)]
