"""Help as every command gives it: what a value is in a word, one example, and the exit codes that apply.

A command is registered with its example and its codes here; tests list the commands and fail for one that has neither.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_name
from typer.models import CommandInfo, TyperInfo

from bulketl.cli import sources
from bulketl.cli.following import NEXT
from bulketl.cli.options import err
from bulketl.errors import INTERRUPTED

REFUSED, WRONG = "a server refused", "the request was wrong"
LOOKS: Mapping[int, str] = {0: "done", 1: REFUSED, 2: WRONG}  # of what only looks
LOADS: Mapping[int, str] = {
    0: "done", 1: "failed", 2: WRONG, 3: "tables failed that only warn",
    4: "outside the window, or stopped at its end or by `runs cancel`", 5: "loaded and not certified",
    INTERRUPTED: "interrupted",
}  # fmt: skip
SHORT = 82  # characters that a list of commands has room for at 100 columns
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class Command(TyperCommand):
    """A command whose help says in a word what an option takes, and nothing of a flag; to a person it says what is next."""

    def __init__(self, *given: Any, **options: Any) -> None:
        """Take what Typer gives, and `--from` beside the configuration."""
        super().__init__(*given, **options)
        sources.add_option(self.params)

    def invoke(self, ctx: Any) -> Any:
        """Do it, and when it went well tell a person what comes next."""
        with leading(ctx), sources.called(_words(ctx), ctx.params):
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its options and arguments, -h among them, each with its word."""
        return [_named(option) for option in super().get_params(ctx)]


class Group(TyperGroup):
    """A group of commands, whose own options are shown as a command's are; it may do something of its own."""

    def __init__(self, *given: Any, **options: Any) -> None:
        """Take what Typer gives, and `--from` beside the configuration."""
        super().__init__(*given, **options)
        sources.add_option(self.params)

    def invoke(self, ctx: Any) -> Any:
        """Do what it does, or the command that is named."""
        with leading(ctx), sources.called(_words(ctx), ctx.params):
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its options, -h among them, each with its word."""
        return [_named(option) for option in super().get_params(ctx)]


@contextlib.contextmanager
def leading(ctx: Any) -> Iterator[None]:
    """Say below a command that went well what comes next, where a person looks on and none is named below it."""
    try:
        yield
    except typer.Exit as ended:
        told = NEXT.get(_words(ctx), "")
        if told and err.is_terminal and not (ended.exit_code or ctx.params.get("as_json") or ctx.invoked_subcommand):
            err.print(f"next: {told}", style="dim", markup=False, highlight=False)
        raise


def _words(ctx: Any) -> str:
    return f"{_words(ctx.parent)} {ctx.info_name}".strip() if ctx.parent else ""


def _named(option: Any) -> Any:
    """Give an option or an argument a word in place of its Python type."""
    flag = getattr(option, "is_flag", False)
    if option.metavar is None:
        option.metavar = "" if flag else str(option.name).upper()
    if option.param_type_name == "argument":
        option.get_usage_pieces = lambda *_, word=option.metavar, **__: [word]
        option.display_type_rich = lambda *_, **__: ""
    return option


def group(name: str | None, text: str, **more: Any) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(name=name, cls=Group, no_args_is_help=True, context_settings=HELP_NAMES, help=text, **more)


def acting(of: typer.Typer, function: Callable[..., Any], example: str, codes: Mapping[int, str] = LOOKS) -> None:
    """Make a function what a group does when none of its commands is named; its help ends as that of a command does."""
    of.callback(
        invoke_without_command=True,
        cls=Group,
        no_args_is_help=False,
        help=inspect.getdoc(function),
        short_help=shortened(inspect.getdoc(function) or ""),
        subcommand_metavar="[COMMAND]",
        context_settings=HELP_NAMES,
        epilog=_ending(example, codes),
    )(function)


def registered(
    of: typer.Typer, function: Callable[..., Any], example: str, codes: Mapping[int, str] = LOOKS, name: str | None = None
) -> None:
    """Make a function a command of a group, whose help ends with an example and with its exit codes."""
    short = shortened(inspect.getdoc(function) or "")
    of.command(name, cls=Command, context_settings=HELP_NAMES, short_help=short, epilog=_ending(example, codes))(function)


def arranged(of: typer.Typer, panels: Mapping[str, Sequence[str]]) -> None:
    """Have the list of all commands show each below the heading that names it, in that order; groups stand behind."""
    headings = {name: heading for heading, names in panels.items() for name in names}
    order = {name: place for place, name in enumerate(headings)}
    of.registered_commands.sort(key=lambda one: order[name_of(one)])
    of.registered_groups.sort(key=lambda one: order[name_of(one)])
    every: list[CommandInfo | TyperInfo] = [*of.registered_commands, *of.registered_groups]
    for one in every:
        one.rich_help_panel = headings[name_of(one)]


def name_of(one: CommandInfo | TyperInfo) -> str:
    """Return the word by which a command or a group is called."""
    return str(one.name or get_command_name(getattr(one.callback, "__name__", "")))


def shortened(text: str) -> str:
    """Return the first sentence of a help, of a long one the part before its first colon, semicolon or comma."""
    sentence = " ".join(text.partition("\n\n")[0].split())
    for end in (";", ":", ","):
        begun, *_ = re.split(rf"{end} (?=(?:[^`]*`[^`]*`)*[^`]*$)", sentence)  # and not within a word of code
        sentence = sentence if len(sentence) <= SHORT or begun == sentence else f"{begun}."
    return sentence


def _ending(example: str, codes: Mapping[int, str]) -> str:
    said = ", ".join(f"{code} {meaning}" for code, meaning in codes.items())
    return f"\n\nExample: `{example}`\n\nExit codes: {said}."
