"""What the commands share: their options, the configuration these name, and how a command ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

import bulketl
from bulketl.cli import completing, sources
from bulketl.cli.exits import worst
from bulketl.cli.logs import FORMATS, JsonLines
from bulketl.cli.screens import common
from bulketl.cli.terminal import Terminal
from bulketl.connections import retrying, watch
from bulketl.errors import FAILED, INTERRUPTED, BulketlError, ConfigError
from bulketl.loading import starting

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.tables.spec import Tier

out = Terminal()
err = Terminal(stderr=True)
lines = JsonLines()


def hand_out(text: str) -> None:
    """Print text that a program may read: as it is into a pipe or a file, and harmless on a terminal."""
    out.print(text, highlight=False, soft_wrap=True) if out.is_terminal else print(text)


def past_printing(text: str) -> None:
    """Write a line to standard error past whatever may be printing now, as a signal's handler must."""
    os.write(2, f"\n{text}\n".encode())


def log_as(form: str, level: str = "info") -> None:
    """Have standard error be lines of JSON from now on, if that is what is asked for; raise ConfigError for another form."""
    if form and form not in FORMATS:
        raise ConfigError(f"there is no log format {form!r}", hint=f"choose one of {', '.join(FORMATS)}")
    if form == "json":
        lines.start(err, level)
        telling[0] = err.print


telling: list[Callable[[str], None]] = [past_printing]  # the last one tells of a signal: a live display while there is one

ending: list[Callable[[], None]] = []  # what else happens at a signal
_taken: dict[str, str] = {}  # out of the environment, until the command ends

TierOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tier",
        metavar="TIER",
        help="critical, important, audit or reference; several as a,b.",
        autocompletion=completing.tiers,
    ),
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tables", metavar="PATTERN", help="Tables or patterns, `claim*`; several as a,b.", autocompletion=completing.tables
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", metavar="PATTERN", help="Tables to leave out, in the same form.", autocompletion=completing.tables
    ),
]
SinceOption = Annotated[str, typer.Option("--since", metavar="VALUE", help="Load again rows whose cursor is this or later.")]
UntilOption = Annotated[str, typer.Option("--until", metavar="VALUE", help="Load again rows whose cursor is before this.")]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="N rows of each table, and those that they refer to."),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow-deletes", metavar="PATTERN", help="Tables that may lose any share of their rows this time."),
]
AdoptOption = Annotated[
    list[str] | None,
    typer.Option("--adopt", metavar="PATTERN", help="Tables that bulketl did not make and may take over."),
]
SchemaOption = Annotated[
    str | None, typer.Option("--schema", metavar="NAME", help="Target schema. [default: raw]", show_default=False)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings. [default: config/bulketl.yaml, if there]", show_default=False),
]
RulesOption = Annotated[
    Path | None,
    typer.Option("--rules", metavar="FILE", help="Table rules. [default: config/tables.yaml, if there]", show_default=False),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every table, and all that is known of each.")]
LogOption = Annotated[
    str, typer.Option("--log-format", metavar="human|json", help="Standard error as lines for people, or as JSON.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, errors too.")]


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """Have a signal end all that is asked of both servers, for a command that writes nothing."""

    def end() -> None:
        retrying.stopping.set()
        watch.end_all("it was stopped by a signal", 1.0)

    ending.append(end)
    try:
        yield
    finally:
        ending.remove(end)
        retrying.stopping.clear()


def run(
    command: Callable[[], int],
    as_json: bool,
    stopped: str = "stopped",
    at_the_end: Callable[[Sequence[sources.Turn]], None] = lambda _turns: None,
) -> NoReturn:
    """Run a command, for each of several sources in turn, and exit with its code, an error shown as the user asked for.

    `stopped` is said after a signal, with `--from` and the source where it has `{of}`. `at_the_end` hears what became of
    each source, or of the one there is.
    """
    turns: Sequence[sources.Turn] = [sources.Turn(code=FAILED)]  # of a mistake in bulketl, which ends it all
    try:
        turns = _turns(command, as_json, stopped)
    except KeyboardInterrupt:  # before a source, or between two
        turns = [sources.Turn(code=INTERRUPTED, stopped=True)]
        err.print("stopped")
    finally:
        at_the_end(turns)
        sys.stdout.flush()
    raise typer.Exit(worst(turn.code for turn in turns if turn.code is not None))


def _turns(command: Callable[[], int], as_json: bool, stopped: str) -> Sequence[sources.Turn]:
    try:
        goes, names = sources.asked()
    except BulketlError as problem:
        return [sources.Turn(code=_told(problem, as_json), error=problem)]
    if not goes:
        return [_turn(command, as_json, stopped, sources.current())]

    def headed(source: str) -> None:
        begin = "" if source == names[0] else "\n"
        (err if as_json else out).print(f"{begin}== {source} ==", style="bold", highlight=False)

    def left(names: Sequence[str]) -> None:
        err.print(f"not begun: {', '.join(names)}; with --from {','.join(names)} it goes on there", soft_wrap=True)

    return sources.each(names, lambda name: _turn(command, as_json, stopped, name), (headed, left), as_json=as_json)


def _turn(command: Callable[[], int], as_json: bool, stopped: str, source: str) -> sources.Turn:
    """Run a command once."""
    try:
        return sources.Turn(source, command())
    except BulketlError as problem:
        if source:  # what of the environment names the only source is not what names this one
            problem.hint = problem.hint.replace("BULKETL_SOURCE", f"sources.{source}.source of the configuration")
        return sources.Turn(source, _told(problem, as_json), problem)
    except KeyboardInterrupt:
        err.print(stopped.replace("{of}", f" --from {source}" if source else ""), soft_wrap=True)
        return sources.Turn(source, INTERRUPTED, stopped=True)
    finally:
        _give_back()


def _give_back() -> None:
    """Put into the environment again what a configuration took out of it."""
    os.environ.update(_taken)
    _taken.clear()


def _told(problem: BulketlError, as_json: bool) -> int:
    """Show an error, and return its exit code."""
    if lines.on:
        lines.error(problem)
    elif not as_json:
        err.print(common.error(problem, whole=err.is_terminal or lines.debug), soft_wrap=True)
    if as_json:
        print(json.dumps(problem.to_json()))
    return problem.exit_code


def leads_on(context: typer.Context, as_json: bool) -> bool:
    """Tell whether a command below this one was named; refuse options that stand before it, which it would not hear."""
    if not context.invoked_subcommand:
        return False
    sources = {option.opts[0]: context.get_parameter_source(str(option.name)) for option in context.command.params}
    if before := [option for option, source in sources.items() if source and source.name == "COMMANDLINE"]:
        run(lambda: _refuse_before(before[0], str(context.invoked_subcommand), str(context.info_name)), as_json)
    return True


def _refuse_before(option: str, command: str, group: str) -> int:
    raise ConfigError(
        f"{option} stands before `{command}`, which does not see it there",
        hint=f"write bulketl {group} {command} {option} …, if it has such an option",
    )


def configured(config: Path | None, rules: Path | None, **overrides: object) -> Config:
    """Return the configuration from the files named, or from those in config/ where they are.

    Of several sources it is that of the one whose turn it is. A command has imported by then what it uses.
    """
    starting.begin()
    name = sources.begun()
    settings = config or found(Path("config/bulketl.yaml"))
    tables = rules or (None if name else found(Path("config/tables.yaml")))
    return without_secrets(bulketl.load_config(tables, settings, os.environ, source_name=name, **overrides))


def configured_each(config: Path | None) -> list[Config]:
    """Return the configuration of each source, for a command that is about all of them at once."""
    made = []
    for _ in sources.every():
        _give_back()
        made.append(configured(config, None))
    return made


def without_secrets(made: Config) -> Config:
    """Take what a configuration holds of secrets out of the environment until the command ends, and return it.

    A process that the command starts would have them in its own, where the machine's administrators and other tools read
    them.
    """
    for name in made.secret_variables & os.environ.keys():
        _taken[name] = os.environ.pop(name)
    return made


def found(path: Path) -> Path | None:
    """Return the path if a file is there."""
    return path if path.is_file() else None


def split_commas(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the words of a repeated or comma separated option; a backslash makes a comma part of a name."""
    parts = (part.strip() for value in values or [] for part in re.split(r"(?<!\\),", value))
    words = [part.replace("\\,", ",") for part in parts if part]
    if values and not words:
        raise ConfigError("an option has an empty value", hint="is a variable unset? Without the option, bulketl takes all")
    return tuple(words)


def tiers_of(values: Sequence[str] | None) -> tuple[Tier, ...]:
    """Return the tiers named; raise ConfigError for others."""
    from bulketl.tables.spec import TIERS

    words = split_commas(values)
    unknown = [word for word in words if word not in TIERS]
    if unknown:
        raise ConfigError(f"there is no tier {unknown[0]!r}", hint=f"the tiers are {', '.join(TIERS)}")
    return cast("tuple[Tier, ...]", words)
