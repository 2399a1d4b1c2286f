"""`rejects`: the rows that were not loaded, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import bulketl
from bulketl.cli import completing
from bulketl.cli.metrics import keep_metrics
from bulketl.cli.options import (
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
from bulketl.tables.printable import count_of

TableArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TABLE]...", help="Names or patterns; none means all.", autocompletion=completing.tables),
]
RunOption = Annotated[
    str, typer.Option("--run", metavar="RUN", help="Rows of this run only; `last` is the last one. [default: every run]")
]


def list_rejects(
    tables: TableArguments = None,
    of_run: RunOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count rejected rows by run, table, column and reason; no value is shown."""

    def command() -> int:
        from bulketl.cli.screens.rejects import counts

        found = bulketl.list_rejects(configured(config, None, schema=schema), split_commas(tables), of_run)
        print(json.dumps([item.to_json() for item in found])) if as_json else out.print(counts(found))
        return DONE

    run(command, as_json)


def show_rejects(
    tables: TableArguments = None,
    of_run: RunOption = "",
    first: Annotated[int, typer.Option("--first", metavar="N", min=1, max=10_000, help="How many rows at most.")] = 20,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rejected rows with their values: key, column, value and reason; --json has the whole row."""

    def command() -> int:
        from bulketl.cli.screens.rejects import rows

        found = bulketl.show_rejects(configured(config, None, schema=schema), split_commas(tables), of_run, first)
        if as_json:
            print(json.dumps([item.to_json() for item in found]))
        else:
            out.print(rows(found, first))
        return DONE

    run(command, as_json)


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
        err.print(f"{count_of(count, 'rejected row')} written to {file}", soft_wrap=True)
        return DONE

    run(command, False)


def retry_rejects(
    tables: TableArguments = None,
    of_run: RunOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read rejected rows again from the source, by their keys, and load those that are good now.

    Use it after you have corrected the source, a cast or a check. Rows that it loads, or that are gone at the source, are
    settled.
    """

    def command() -> int:
        from bulketl.cli.screens.rejects import retried

        settings = configured(config, rules, schema=schema)
        found = bulketl.retry_rejects(settings, split_commas(tables), of_run)
        keep_metrics(settings)
        print(json.dumps([item.to_json() for item in found])) if as_json else out.print(retried(found))
        return DONE

    run(command, as_json)
