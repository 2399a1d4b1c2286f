"""`pairs`: the user's own SQL on both sides, and whether the answers agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import ConfigOption, JsonOption, SchemaOption, VerboseOption, configured, out, run, split_commas
from bulketl.errors import DONE, FAILED, PARTLY_DONE

CHECKS = Path("config/checks.yaml")
ChecksOption = Annotated[Path, typer.Option("--checks", metavar="FILE", help="The file of pairs.")]


def pairs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Pairs of the file; none means all.")
    ] = None,
    checks: ChecksOption = CHECKS,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run pairs of SQL, one SELECT on each server, and show where their figures differ; change nothing.

    It shows only the figures that the SELECTs name.
    """

    def command() -> int:
        from bulketl.cli.screens import pairs as screen

        found = bulketl.run_pairs(configured(config, None, schema=schema), checks, split_commas(names))
        if as_json:
            print(json.dumps([item.to_json() for item in found]))
        else:
            out.print(screen.pairs(found, verbose))
        wrong = {item.severity for item in found if item.outcome != "equal"}
        return FAILED if "fail" in wrong else PARTLY_DONE if wrong else DONE

    run(command, as_json)
