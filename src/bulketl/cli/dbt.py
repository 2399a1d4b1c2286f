"""`dbt sources`: what dbt has to know of the tables that bulketl loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import (
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    TablesOption,
    configured,
    err,
    hand_out,
    run,
    split_commas,
)
from bulketl.errors import DONE, ConfigError


def dbt_sources(
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Write it into this file of a dbt project instead of printing it."),
    ] = None,
    certified: Annotated[bool, typer.Option("--certified", help="Only certified loads make a table fresh.")] = False,
    tables: TablesOption = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the loaded tables as a source of dbt: types, tests that the checks imply, and freshness.

    dbt asks the ledger how fresh a table is, and scans no table. dbt must be 1.10 or later. Its user needs SELECT on
    three tables of the ledger, which `bulketl grants --role dashboard` prints.
    """

    def command() -> int:
        from bulketl.cli.files import as_it_is, replace
        from bulketl.operations.dbtsources import HEADER, document_of

        text = bulketl.dbt_sources(configured(config, rules, schema=schema), split_commas(tables), certified=certified)
        if write is None:
            print(json.dumps(document_of(text))) if as_json else hand_out(text.rstrip("\n"))
            return DONE
        if write.is_file() and not as_it_is(write).startswith(HEADER):
            raise ConfigError(
                f"{write} exists, and `bulketl dbt sources` did not write it",
                hint="name another file: dbt reads every .yml below its models folder",
            )
        replace(write, text)
        err.print(f"wrote {write}; next: dbt source freshness", soft_wrap=True)
        if as_json:
            print(json.dumps({"wrote": str(write)}))
        return DONE

    run(command, as_json)
