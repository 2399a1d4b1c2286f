"""`verify`: holding what was loaded against its source."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

import bulketl
from bulketl.cli.listening import tell_verification
from bulketl.cli.metrics import keep_metrics
from bulketl.cli.months import months
from bulketl.cli.oneload import preparing
from bulketl.cli.options import (
    AllowOption,
    ConfigOption,
    ExcludeOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    TablesOption,
    TierOption,
    VerboseOption,
    configured,
    err,
    leads_on,
    out,
    run,
    split_commas,
    stopped_at_once,
    tiers_of,
)
from bulketl.errors import DONE, FAILED, ConfigError
from bulketl.loading import starting

if TYPE_CHECKING:
    from bulketl.verifying.verdicts import Level


def verify(
    context: typer.Context,
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    level: Annotated[
        str, typer.Option("--level", help="count, sums, keys or rows. [default: rows]", show_default=False)
    ] = "rows",
    sample: Annotated[
        str,
        typer.Option(
            "--sample", metavar="SHARE", help="Compare only this share of the rows, such as 5%.", show_default=False
        ),
    ] = "100%",
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Compare the sample that this seed chose.")] = None,
    first: Annotated[
        int,
        typer.Option("--first", metavar="N", help="How many rows of each table to name. [default: 10]", show_default=False),
    ] = 10,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Print the values that differ, which may be patients' data.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Load exactly the rows that differ, and compare them again.")
    ] = False,
    allow_deletes: AllowOption = None,
    history: Annotated[bool, typer.Option("--history", help="The same as `bulketl verify months`.")] = False,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="With --history: draw a heat map.")] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare loaded tables with their source, and say which rows differ, in which columns; change nothing.

    It counts rows that are newer than the load separately. --repair loads rows again that are missing or differ, and
    treats rows that the source no longer has as the table's rule says.
    """
    if leads_on(context, as_json):
        return
    if history:
        given = {"--level": level != "rows", "--sample": sample != "100%", "--repair": repair, "--exclude": exclude,
                 "--first": first != 10, "--show-values": show_values, "--allow-deletes": allow_deletes}  # fmt: skip
        if wrong := [option for option, value in given.items() if value]:
            run(lambda: _refuse(wrong[0]), as_json)
        months(tier, tables, png=png, schema=schema, config=config, rules=rules, verbose=verbose, as_json=as_json)

    def command() -> int:
        if png is not None:
            raise ConfigError("--png draws months, and rows have none", hint="add --history, or leave it out")
        starting.import_arrow()
        from bulketl.cli.screens import verdicts

        with nullcontext() if repair else stopped_at_once(), preparing(as_json=as_json) as tell:
            settings = configured(config, rules, schema=schema)
            found = bulketl.verify(
                settings,
                tiers=tiers_of(tier),
                tables=split_commas(tables),
                exclude=split_commas(exclude),
                level=cast("Level", level),
                sample=_share(sample),
                seed=seed,
                first=first,
                show_values=show_values,
                repair=repair,
                allow_deletes=split_commas(allow_deletes),
                tell=tell,
            )
        if repair:
            keep_metrics(settings)
        if settings.alerts is not None and not err.is_terminal:  # else somebody sees it
            tell_verification(settings, found)
        print(json.dumps(found.to_json())) if as_json else out.print(verdicts.verification(found, verbose))
        return DONE if found.equal else FAILED

    run(command, as_json)


def _refuse(option: str) -> int:
    raise ConfigError(f"--history compares months, and {option} is of rows", hint=f"leave out {option}, or --history")


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ConfigError(f"--sample {text!r} is not a share", hint="write it like 5% or 0.05") from None
