"""`state`, `audit` and `retention`: what the target keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import bulketl
from bulketl.cli import completing
from bulketl.cli.files import check_folder
from bulketl.cli.metrics import keep_metrics
from bulketl.cli.options import (
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    TablesOption,
    configured,
    err,
    out,
    run,
    split_commas,
)
from bulketl.errors import DONE, FAILED, ConfigError
from bulketl.tables.printable import count_of, in_a_line

TableArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TABLE]...", help="Names or patterns; none means all.", autocompletion=completing.tables),
]


def list_states(
    tables: TableArguments = None, schema: SchemaOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the tables that were loaded: watermark, rows, when they were published and compared."""

    def command() -> int:
        from bulketl.cli.screens import records

        found = bulketl.states(configured(config, None, schema=schema), split_commas(tables))
        if as_json:
            print(json.dumps([item.to_json() for item in found]))
        else:
            out.print(records.states(found))
        return DONE

    run(command, as_json)


def show_state(
    table: Annotated[str, typer.Argument(help="The table.", autocompletion=completing.tables)],
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known of one table."""

    def command() -> int:
        from bulketl.cli.screens import records

        (found,) = bulketl.states(configured(config, None, schema=schema), [table])[:1]
        print(json.dumps(found.to_json())) if as_json else out.print(records.state(found))
        return DONE

    run(command, as_json)


def reset_states(
    tables: Annotated[
        list[str],
        typer.Argument(metavar="TABLE...", help="Names or patterns; '*' is all of them.", autocompletion=completing.tables),
    ],
    schema: SchemaOption = None,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget how far tables were loaded: each is loaded whole the next time. No row is touched."""

    def command() -> int:
        settings = configured(config, None, schema=schema)
        found = [item.table for item in bulketl.states(settings, split_commas(tables))]
        names = in_a_line(", ".join(found[:8])) + (" …" if len(found) > 8 else "")
        if not yes and not _confirmed(f"forget how far {count_of(len(found), 'table')} got ({names})"):
            return DONE
        bulketl.reset(settings, found)
        err.print(f"forgotten; the next load reads {'it' if len(found) == 1 else 'them'} whole: {names}")
        return DONE

    run(command, False)


def _confirmed(what: str) -> bool:
    try:
        return typer.confirm(f"{what}?", err=True)
    except typer.Abort:
        err.print()
        raise ConfigError(f"nobody answered whether to {what}", hint="--yes does it without asking") from None


def verify_audit(
    tables: TableArguments = None, schema: SchemaOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Recompute the chain of every audited table and compare its rows with it; change nothing.

    Keep the head that it prints where nobody who can write to the target can change it: somebody who rewrites both a
    table and its chain still cannot rewrite that.
    """

    def command() -> int:
        from bulketl.cli.screens import records
        from bulketl.operations.records import unchained

        settings = configured(config, None, schema=schema)
        found = bulketl.verify_audit(settings, split_commas(tables))
        if as_json:
            print(json.dumps([item.to_json() for item in found]))
        else:
            out.print(records.verdicts(found))
        if parts := unchained(settings):
            err.print(in_a_line(f"no chain is kept of {', '.join(parts)}: a limit left only a part"), soft_wrap=True)
        return FAILED if any(item.problem for item in found) else DONE

    run(command, as_json)


def retention(
    tables: TablesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and change nothing.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Write archives into this folder, as SCHEMA/TABLE/….parquet.")
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove rows from the target that are older than their table's `retention` keeps.

    It reads archives back and compares them before it deletes anything. A legal hold wins.
    """

    def command() -> int:
        from bulketl.cli.screens import records

        settings = configured(config, rules, schema=schema)
        archives = any(rule.retention and rule.retention.action == "archive" for rule in settings.rules)
        if archives and folder is None and not dry_run:
            raise ConfigError(
                "retention archives rows, and no folder is named for them",
                hint="name one with --folder, or look first with --dry-run",
            )
        if folder is not None and not dry_run:
            check_folder(folder)
        target = None if dry_run else folder or Path()
        found = bulketl.retain_tables(settings, split_commas(tables), target)
        if not dry_run:
            keep_metrics(settings)
        if as_json:
            print(json.dumps([item.to_json() for item in found]))
        else:
            out.print(records.expired(found, done=not dry_run))
        return DONE

    run(command, as_json)
