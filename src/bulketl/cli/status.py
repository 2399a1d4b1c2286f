"""`status`: how every table stands, from the ledger alone."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import (
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    TablesOption,
    TierOption,
    VerboseOption,
    configured,
    out,
    run,
    split_commas,
    tiers_of,
)


def status(
    tier: TierOption = None,
    tables: TablesOption = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    source: Annotated[
        bool, typer.Option("--source", help="Ask the source too, for 2 s, how far each table is behind it.")
    ] = False,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how the tables stand: which failed, are overdue, were never loaded or are slow, and when the next window opens.

    It reads only the ledger, so it works with the source down. `-v` shows when each table was read, and how old its
    newest row is if its cursor tells. With `--source` it asks the source for the newest value of each cursor, and shows
    how far each table is behind. It changes nothing.
    """

    def command() -> int:
        from bulketl.cli.screens.status import status as screen

        settings = configured(config, rules, schema=schema)
        found = bulketl.status(settings, split_commas(tables), tiers_of(tier), source=source)
        print(json.dumps(found.to_json())) if as_json else out.print(screen(found, verbose))
        return found.exit_code

    run(command, as_json)
