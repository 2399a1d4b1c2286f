"""`runs`: the runs on record, one of them in time, one table through all of them, and the end of one that is on."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import ConfigOption, JsonOption, SchemaOption, VerboseOption, configured, leads_on, out, run
from bulketl.errors import DONE, FAILED

EVENTS = 200  # of a run, that are shown when nobody says how many
FirstOption = Annotated[
    int, typer.Option("--first", metavar="N", min=1, help="How many runs to list, beginning with the last.")
]


def list_runs(
    context: typer.Context,
    table: Annotated[str, typer.Option("--table", metavar="TABLE", help="Show one table through its runs.")] = "",
    first: FirstOption = 20,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the last runs: loads, repairs, retries and retentions with their outcome, rows and time, and what failed."""
    if leads_on(context, as_json):
        return

    def command() -> int:
        from bulketl.cli.screens import history

        settings = configured(config, None, schema=schema)
        if table:
            nights = bulketl.nights(settings, table, first)
            print(json.dumps(nights.to_json())) if as_json else out.print(history.nights(nights))
            return DONE
        found = bulketl.runs(settings, first)
        print(json.dumps([one.to_json() for one in found])) if as_json else out.print(history.runs(found))
        return DONE

    run(command, as_json)


def show_run(
    name: Annotated[str, typer.Argument(metavar="RUN", help="The run, or `last`.")] = "last",
    first: Annotated[
        int, typer.Option("--first", metavar="N", min=1, help="How many events to show, beginning with the first.")
    ] = EVENTS,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what happened in a run, in order: tables that failed and why, retries, changes of workers, its slowest tables.

    -v also shows every table that went well.
    """

    def command() -> int:
        from bulketl.cli.screens import history

        found = bulketl.timeline(configured(config, None, schema=schema), name, first, every=verbose)
        print(json.dumps(found.to_json())) if as_json else out.print(history.timeline(found, verbose))
        return DONE

    run(command, as_json)


def cancel_run(
    which: Annotated[str, typer.Argument(metavar="RUN", help="The run; `last` is the one under way.")],
    now: Annotated[bool, typer.Option("--now", help="End the steps under way instead of waiting for them.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a run from any machine: steps under way end, and what is complete is published.

    It says whether the driver of the run took notice, and what to do when it did not.
    """

    def command() -> int:
        from bulketl.cli.screens import runs as screen
        from bulketl.operations.cancelling import cancel

        settings = configured(config, None, schema=schema)
        found = cancel(settings, "" if which == "last" else which, at_once=now)
        print(json.dumps(found.to_json())) if as_json else out.print(screen.cancelled(found))
        return DONE if found.state in ("heard", "ended") else FAILED

    run(command, as_json)
