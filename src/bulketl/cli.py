"""The command line: parse, one call, one print, exit."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
from rich.console import Console

from bulketl import api, screen, snapshot, tablesfile
from bulketl.casts import RULES
from bulketl.catalog import Catalog
from bulketl.classify import Proposal
from bulketl.config import Config, load_config
from bulketl.errors import DONE, FAILED, PARTLY_DONE, WRONG_REQUEST, BulketlError, ConfigError
from bulketl.events import Observer
from bulketl.observers.progress import Display, Lines
from bulketl.rules import TIERS, Tier

EXIT_CODES = """

Exit codes: 0 done, 1 failed, 2 the request was wrong, 3 partly done: some tables failed and are as they were before."""

app = typer.Typer(
    name="bulketl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Take a whole MySQL or MariaDB database into Postgres: fast, exact, and proven.\n\n"
    "Connections come from the environment, BULKETL_SOURCE and BULKETL_TARGET, or from config/bulketl.yaml.",
)

out = Console()
err = Console(stderr=True)

TierOption = Annotated[
    list[str] | None, typer.Option("--tier", help="critical, important, audit or reference; repeated or with commas.")
]
TablesOption = Annotated[
    list[str] | None, typer.Option("--tables", help="Table names or patterns (`claim*`); repeated or with commas.")
]
SinceOption = Annotated[
    str, typer.Option("--since", metavar="VALUE", help="Load again rows whose cursor is at or after this; watermarks stay.")
]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="VALUE", help="Load again rows whose cursor is before this; watermarks stay.")
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow-deletes", metavar="PATTERN", help="Tables that may lose any share of their rows this time."),
]
SchemaOption = Annotated[str | None, typer.Option("--schema", help="Target schema. [default: raw]", show_default=False)]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings. [default: config/bulketl.yaml, if there]", show_default=False)
]
RulesOption = Annotated[
    Path | None,
    typer.Option("--rules", help="Table rules. [default: config/tables.yaml, if there]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, errors too.")]


@app.command(epilog=EXIT_CODES)
def load(
    tier: TierOption = None,
    tables: TablesOption = None,
    full: Annotated[bool, typer.Option("--full", help="Load every table whole, whatever strategy its rule names.")] = False,
    since: SinceOption = "",
    until: UntilOption = "",
    allow_deletes: AllowOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Steps at once; also the most source connections. [default: 3]")
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load tables into Postgres; without --tier and --tables, all of them.

    Each table is complete or as it was before. Rows read and rows counted in Postgres are compared for every
    partition.
    """

    def command() -> int:
        settings = configured(config, rules, workers=workers, schema=schema)
        planned = api.make_plan(
            settings,
            tiers=tiers_of(tier),
            tables=split_commas(tables),
            full=full,
            since=since,
            until=until,
            allow_deletes=split_commas(allow_deletes),
        )
        if dry_run:
            print(planned.to_json()) if as_json else out.print(screen.plan(planned))
            return DONE
        watching: Any = Display(err) if err.is_terminal and not as_json else nullcontext(Lines(err))
        with watching as observer:
            result = api.load(settings, planned, [cast(Observer, observer)])
        print(json.dumps(result.to_json())) if as_json else out.print(screen.summary(result))
        return {"done": DONE, "partly done": PARTLY_DONE}.get(result.outcome, FAILED)

    run(command, as_json)


@app.command(epilog=EXIT_CODES)
def discover(
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the proposal, or add new tables to it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the source and propose for each table its tier, strategy and cursor column, with the reasons.

    With --write, `config/tables.yaml` for instance, what changed at the source since the last time is shown first. What a
    person wrote in the file stays as it is; tables that are new are added.
    """

    def command() -> int:
        catalog, proposals = api.propose(configured(config, write and found(write)))
        if as_json:
            print(json.dumps([{**p.to_rule(), "table": p.table, "reasons": dict(p.reasons)} for p in proposals]))
        elif write is None:
            out.print(screen.proposals(proposals))
        if write is not None:
            _write(write, catalog, proposals, yes=yes or as_json)
        return DONE

    run(command, as_json)


@app.command(epilog="\n\nExit codes: 0 no errors found, 1 a server refused, 2 errors found.")
def validate(
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the fixes that need no decision into the file of rules.")
    ] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, alone and against both live servers; change nothing there.

    Each finding says what is, what happens if it is ignored, and what to do.
    """

    def command() -> int:
        settings = configured(config, rules, schema=schema)
        if not settings.source:
            err.print("the files are well-formed; set BULKETL_SOURCE to hold them against the source too")
            return DONE
        findings = api.validate(settings)
        if as_json:
            print(json.dumps([dataclasses.asdict(finding) for finding in findings]))
        else:
            out.print(screen.findings(findings))
        path = rules or found(Path("config/tables.yaml"))
        if fix and path:
            fixes: dict[str, dict[str, object]] = {}
            for finding in findings:
                fixes.setdefault(finding.table, {}).update(finding.fix)
            fixes = {table: values for table, values in fixes.items() if values}
            replace(path, tablesfile.fixed(path.read_text(encoding="utf-8"), fixes))
            err.print(f"wrote fixes for {len(fixes)} tables to {path}; run it again to see what is left")
        return WRONG_REQUEST if any(finding.severity == "error" for finding in findings) else DONE

    run(command, as_json)


def replace(path: Path, text: str) -> None:
    """Write a file so that it is never half there."""
    beside = path.with_name(path.name + ".new")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder you may write to"
        ) from None


def _write(path: Path, catalog: Catalog, proposals: Sequence[Proposal], *, yes: bool) -> None:
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after, now = tablesfile.written(before, proposals), snapshot.snapshot(catalog)
    known = snapshot.read_snapshot(path) if before else None
    lines = snapshot.changes(known, now) if known is not None else []
    if lines:
        err.print(screen.changes(lines))
    if after == before and known == now:
        err.print(f"{path} knows all {len(proposals)} tables; nothing to write")
        return
    added = len(proposals) if not before else len(after.splitlines()) - len(before.splitlines())
    what = f"write {path} with {added} tables" if not before else f"add {added} lines to {path}"
    if not yes and not typer.confirm(f"{what}?", default=True, err=True):
        return
    replace(path, after)
    replace(snapshot.snapshot_path(path), json.dumps(now, indent=1, ensure_ascii=False))
    err.print(f"wrote {path} and {snapshot.snapshot_path(path).name}")


@app.command(epilog=EXIT_CODES)
def plan(
    tier: TierOption = None,
    tables: TablesOption = None,
    full: Annotated[bool, typer.Option("--full", help="As for load.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print every statement instead.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print how it differs from the last run's plan instead.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a load would do to each table, and why; change nothing on either side.

    The same as `load --dry-run`. With --diff the exit code is 0 whether or not something differs.
    """

    def command() -> int:
        settings = configured(config, rules, schema=schema)
        planned = api.make_plan(settings, tiers=tiers_of(tier), tables=split_commas(tables), full=full)
        if sql:
            found = api.statements(settings, planned)
            print(json.dumps(found)) if as_json else print(screen.sql(found))
        elif diff:
            run_name, lines = api.compare_with_last(settings, planned)
            print(json.dumps(lines)) if as_json else out.print(screen.plan_changes(run_name, lines), soft_wrap=True)
        else:
            print(planned.to_json()) if as_json else out.print(screen.plan(planned))
        return DONE

    run(command, as_json)


@app.command(epilog=EXIT_CODES)
def casts(as_json: JsonOption = False) -> None:
    """Print how each MySQL type becomes a Postgres type.

    The first row of a type is its default; the dim ones are chosen by declaring their Postgres type under `casts`.
    """

    def command() -> int:
        if as_json:
            keys = ("source", "target", "wire", "read", "clean", "unsigned", "size")
            print(json.dumps([{key: getattr(rule, key) for key in keys} for rule in RULES]))
        else:
            out.print(screen.casts())
        return DONE

    run(command, as_json)


@app.command(epilog=EXIT_CODES)
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the servers running and print their URIs.")] = False,
) -> None:
    """Start a throw-away MariaDB and an embedded Postgres with a small clinic, and load it.

    Everything is in a temporary folder and gone afterwards. MariaDB is found on the machine, or installed from the
    system's packages when this user may.
    """

    def command() -> int:
        from bulketl.demo import show  # its extra is not needed for anything else

        return show(out, keep=keep)

    run(command, False)


def main() -> None:
    """Run the command line."""
    give_memory_back()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as after Ctrl-C: nothing left behind
    app()


def give_memory_back() -> None:
    """Have glibc return freed blocks at once instead of keeping them per thread: a fifth less memory at the peak.

    Measured on a load of 432 tables: 490 MB without, 380 MB with, and no more CPU. Elsewhere than on glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 256 << 10)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 20)  # M_TRIM_THRESHOLD


def run(command: Callable[[], int], as_json: bool) -> NoReturn:
    """Run a command and exit with its code, an error shown as the user asked for."""
    try:
        code = command()
    except BulketlError as problem:
        print(json.dumps(problem.to_json())) if as_json else err.print(screen.error(problem), soft_wrap=True)
        code = problem.exit_code
    except KeyboardInterrupt:
        err.print("stopped; tables that were not published are as they were before")
        code = 130
    sys.stdout.flush()
    raise typer.Exit(code)


def configured(config: Path | None, rules: Path | None, **overrides: object) -> Config:
    """Return the configuration from the files named, or from those in config/ where they are."""
    settings = config or found(Path("config/bulketl.yaml"))
    tables = rules or found(Path("config/tables.yaml"))
    return load_config(tables, settings, os.environ, **overrides)


def found(path: Path) -> Path | None:
    """Return the path if a file is there."""
    return path if path.is_file() else None


def split_commas(values: Sequence[str] | None) -> list[str]:
    """Return the words of a repeated or comma separated option."""
    words = [word.strip() for value in values or [] for word in value.split(",") if word.strip()]
    if values and not words:
        raise ConfigError(
            "an option has an empty value", hint="an unset variable, perhaps? Without the option all are meant"
        )
    return words


def tiers_of(values: Sequence[str] | None) -> list[Tier]:
    """Return the tiers named; raise ConfigError for others."""
    words = split_commas(values)
    unknown = [word for word in words if word not in TIERS]
    if unknown:
        raise ConfigError(f"there is no tier {unknown[0]!r}", hint=f"the tiers are {', '.join(TIERS)}")
    return cast(list[Tier], words)
