"""`verify months`: the tables by months on both servers, on the screen and as a picture."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Annotated, Any

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
    err,
    out,
    run,
    split_commas,
    tiers_of,
)
from bulketl.errors import DONE, FAILED

ByOption = Annotated[
    str,
    typer.Option("--by", metavar="COLUMN", help="Months of this column. [default: each table's own]", show_default=False),
]
SumsOption = Annotated[bool, typer.Option("--sums", help="Compare the sums of all numeric columns too, exactly.")]
PngOption = Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw a heat map.")]


def months(
    tier: TierOption = None,
    tables: TablesOption = None,
    by: ByOption = "",
    sums: SumsOption = False,
    png: PngOption = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare source and target month by month over all years, and show the months that differ; change nothing.

    Each server counts for itself, in one query per table. Rows that the source got since the last load are missing in
    their month.
    """

    def command() -> int:
        from bulketl.cli.screens.months import history
        from bulketl.verifying import heatmap

        if png is not None:
            heatmap.require()
        settings = configured(config, rules, schema=schema)
        found = bulketl.compare_history(settings, tiers=tiers_of(tier), tables=split_commas(tables), by=by, sums=sums)
        print(json.dumps(found.to_json())) if as_json else out.print(history(found, verbose))
        if png is not None:
            heatmap.draw(found, png)
            err.print(f"wrote {png}")
        return FAILED if found.wrong else DONE

    run(command, as_json)


@functools.wraps(months, assigned=("__annotations__",))  # the same options, under its own name and words
def history(**options: Any) -> None:
    """Compare months, as `bulketl verify months` does: that is its name now, and this one will go."""
    err.print("note: `bulketl history` is called `bulketl verify months` now; past runs are in `bulketl runs list`")
    months(**options)
