"""`load` and `plan`: what a load would do, and doing it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Annotated, Any, cast

import typer

from bulketl import api, screen
from bulketl.cli.options import (
    AllowOption,
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    SinceOption,
    TablesOption,
    TierOption,
    UntilOption,
    configured,
    err,
    out,
    run,
    split_commas,
    tiers_of,
)
from bulketl.errors import DONE, FAILED, PARTLY_DONE
from bulketl.events import Observer
from bulketl.observers.progress import Display, Lines


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


def plan(
    tier: TierOption = None,
    tables: TablesOption = None,
    full: Annotated[bool, typer.Option("--full", help="As for load.")] = False,
    since: SinceOption = "",
    until: UntilOption = "",
    allow_deletes: AllowOption = None,
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
        planned = api.make_plan(
            settings,
            tiers=tiers_of(tier),
            tables=split_commas(tables),
            full=full,
            since=since,
            until=until,
            allow_deletes=split_commas(allow_deletes),
        )
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
