"""`rejects`: the rows that were not loaded, and why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

import bulketl
from bulketl.cli.options import (
    EXIT_CODES,
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    configured,
    err,
    out,
    run,
    split_commas,
)
from bulketl.errors import DONE
from bulketl.listing import Rows
from bulketl.operations.rejects import Retried
from bulketl.postgres.ledger.rejects import Counted, Rejected

TableArguments = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Names or patterns; none means all.")]
RunOption = Annotated[
    str, typer.Option("--run", metavar="RUN", help="Rows of this run only; `last` is the last one. [default: every run]")
]

rejects = typer.Typer(no_args_is_help=True, help="The rows that were not loaded, and why.")


@rejects.command("list", epilog=EXIT_CODES)
def list_rejects(
    tables: TableArguments = None,
    of_run: RunOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count rejected rows by run, table, column and reason; no value is shown."""

    def command() -> int:
        found = bulketl.list_rejects(configured(config, None, schema=schema), split_commas(tables), of_run)
        print(json.dumps([dataclasses.asdict(item) for item in found])) if as_json else out.print(_counts(found))
        return DONE

    run(command, as_json)


@rejects.command("show", epilog=EXIT_CODES)
def show_rejects(
    tables: TableArguments = None,
    of_run: RunOption = "",
    first: Annotated[int, typer.Option("--first", min=1, max=10_000, help="So many rows at most.")] = 20,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rejected rows with their values: key, column, value and reason; --json has the whole row."""

    def command() -> int:
        found = bulketl.show_rejects(configured(config, None, schema=schema), split_commas(tables), of_run, first)
        if as_json:
            print(json.dumps([dataclasses.asdict(item) for item in found]))
        else:
            out.print(_rows(found, first))
        return DONE

    run(command, as_json)


@rejects.command("export", epilog=EXIT_CODES)
def export_rejects(
    file: Annotated[Path, typer.Argument(help="A new file: .csv, .json or .parquet. Only its owner may read it.")],
    tables: TableArguments = None,
    of_run: RunOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
) -> None:
    """Write rejected rows into a file, each with the whole row as it was read."""

    def command() -> int:
        count = bulketl.export_rejects(configured(config, None, schema=schema), file, split_commas(tables), of_run)
        err.print(f"{count:,} rejected rows written to {file}", soft_wrap=True)
        return DONE

    run(command, False)


@rejects.command("retry", epilog=EXIT_CODES)
def retry_rejects(
    tables: TableArguments = None,
    of_run: RunOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read rejected rows again from the source, by their keys, and load those that are good now.

    After a correction at the source, of a cast or of a check. Rows that are loaded, or gone at the source, are settled.
    """

    def command() -> int:
        found = bulketl.retry_rejects(configured(config, rules, schema=schema), split_commas(tables), of_run)
        print(json.dumps([dataclasses.asdict(item) for item in found])) if as_json else out.print(_retried(found))
        return DONE

    run(command, as_json)


def _table(*columns: str) -> Table:
    table = Rows()
    for column in columns:
        numbers = column in ("rows", "settled")
        table.add_column(column, overflow="fold", no_wrap=column == "run", justify="right" if numbers else "left")
    return table


def _counts(found: Sequence[Counted]) -> Table | Text:
    """Return the counts, a line per run, table, column and reason."""
    if not found:
        return Text("no row was rejected")
    table = _table("run", "table", "column", "reason", "rows", "settled")
    for item in found:
        what = item.reason if item.loaded else f"{item.reason} (the table failed)"
        table.add_row(item.run, Text(item.table), Text(item.column), Text(what), f"{item.rows:,}", f"{item.settled:,}")
    return table


def _rows(found: Sequence[Rejected], first: int) -> Group | Text:
    """Return rows with their values."""
    if not found:
        return Text("no row was rejected")
    table = _table("run", "table", "key", "column", "value", "reason")
    for item in found:
        key = ", ".join(f"{name}={value}" for name, value in item.key.items())
        value = Text("NULL", style="dim") if item.value is None else Text(item.value)
        reason = Text(item.reason, style="dim" if item.settled else "")
        table.add_row(item.run, Text(item.table), Text(key), Text(item.column), value, reason)
    more = [Text(f"\nthe first {first}; --first shows more, `bulketl rejects export` all")] if len(found) == first else []
    return Group(table, *more)


def _retried(found: Sequence[Retried]) -> Table | Text:
    """Return what became of the rows, a line per table."""
    if not found:
        return Text("no rejected row is waiting")
    table = _table("table", "asked again", "loaded", "still rejected", "gone at the source", "of unknown key")
    for item in found:
        counts = (item.asked, item.loaded, item.rejected, item.gone, item.unreadable)
        note = Text(f"{item.table}  (its load failed: load it)") if not item.asked else Text(item.table)
        table.add_row(note, *(f"{count:,}" for count in counts))
    return table
