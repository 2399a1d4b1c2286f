"""`load` and `plan`: what a load would do, and doing it."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import bulketl
from bulketl.cli import sources
from bulketl.cli.oneload import Done, Loaded, SourceEnd, load_once, preparing
from bulketl.cli.options import (
    AdoptOption,
    AllowOption,
    ConfigOption,
    ExcludeOption,
    JsonOption,
    LimitOption,
    LogOption,
    RulesOption,
    SchemaOption,
    SinceOption,
    TablesOption,
    TierOption,
    UntilOption,
    VerboseOption,
    configured,
    configured_each,
    err,
    hand_out,
    log_as,
    out,
    run,
    split_commas,
    tiers_of,
)
from bulketl.errors import DONE, ConfigError, OutsideWindowError, runbook

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.config.windows import Windows
    from bulketl.plan.selection import Selection

STOPPED = "stopped; tables that were not published are as they were before; `bulketl load --resume last{of}` goes on"


def load(
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    full: Annotated[bool, typer.Option("--full", help="Load every table whole, whatever strategy its rule names.")] = False,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = None,
    allow_deletes: AllowOption = None,
    adopt: AdoptOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help="Go on with an interrupted run, or with the `last` one."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Outside the window: wait until it opens.")] = False,
    ignore_window: Annotated[bool, typer.Option("--ignore-window", help="Load at any time.")] = False,
    certify: Annotated[bool, typer.Option("--certify", help="Take figures of every column on both sides.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=64, help="Steps and source connections at once. [default: 3]"),
    ] = None,
    executor: Annotated[
        str,
        typer.Option("--executor", metavar="threads|dask", help="Where steps run.", show_default=False),
    ] = "threads",
    hybrid: Annotated[
        bool,
        typer.Option(
            "--hybrid",
            help="Also run the older pipeline, for its own tables.",
        ),
    ] = False,
    scheduler: Annotated[
        str,
        typer.Option("--scheduler", metavar="ADDRESS", help="The Dask scheduler, `tls://host:8786`.", show_default=False),
    ] = "",
    airflow: Annotated[bool, typer.Option("--airflow", help="End with ###AIRFLOW_RESULT### and JSON.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    log_format: LogOption = "",
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load tables into Postgres; without --tier and --tables, all of them.

    Each table is complete or as before. After Ctrl-C, --resume goes on; a second one stops at once.
    """

    def selected() -> Selection:
        from bulketl.plan.selection import Selection

        return Selection(
            tiers=tiers_of(tier), tables=split_commas(tables), exclude=split_commas(exclude), full=full, since=since,
            until=until, allow_deletes=split_commas(allow_deletes), adopt=split_commas(adopt),
            limit=limit,
        )  # fmt: skip

    told: dict[str, Done] = {}

    def command() -> int:
        from bulketl.cli.screens import plans
        from bulketl.survey.planning import planned

        log_as(log_format)
        settings = configured(config, rules, workers=workers, schema=schema, certify=certify or None)
        _check_executor(executor, scheduler)
        if airflow and (as_json or dry_run):
            raise ConfigError("--airflow ends with a line of its own", hint="leave out --json and --dry-run")
        if resume is not None:
            _check_resumed(
                {"--dry-run": dry_run, "--tier": tier, "--tables": tables, "--exclude": exclude, "--full": full,
                 "--since": since, "--until": until, "--allow-deletes": allow_deletes, "--adopt": adopt,
                 "--certify": certify, "--hybrid": hybrid, "--limit": limit}
            )  # fmt: skip
        if dry_run:
            with preparing(as_json=as_json, spoken=False) as tell:
                looked = planned(settings, selected(), tell)
            print(looked.to_json()) if as_json else out.print(plans.plan(looked, verbose))
            return DONE
        end = None if ignore_window or settings.windows is None else _window(settings.windows, wait)
        whole = not (tables or exclude or since or until or limit)

        def one(settings: Config, selection: Selection) -> Loaded:
            there = bulketl.dask(scheduler) if scheduler else nullcontext()
            with there as cluster:
                return load_once(
                    settings, selection, resume=resume, whole=whole, as_json=as_json, closed=lambda: _over(end),
                    executor=cluster,
                )  # fmt: skip

        if hybrid:
            from bulketl.cli.hybrid import hybrid_night

            done: Done = hybrid_night(settings, selected(), one)
        else:
            done = one(settings, selected())
        told[sources.current()] = done
        print(json.dumps(done.to_json())) if as_json else out.print(done.screen(verbose))
        return done.exit_code

    shown, tiers = not (as_json or dry_run), list(tier or ()) if airflow else None
    run(command, as_json, STOPPED, lambda turns: _end(turns, told, shown=shown, airflow=tiers))


def _end(turns: Sequence[sources.Turn], told: Mapping[str, Done], *, shown: bool, airflow: Sequence[str] | None) -> None:
    """Say what became of the loads of several sources; then print the line for Airflow, where it is asked for."""
    if shown and len(turns) > 1:
        from bulketl.cli.screens import sources as screen

        out.print()
        out.print(screen.loads([_end_of(turn, told.get(turn.source)) for turn in turns]))
    if airflow is not None:
        from bulketl.cli.airflow import result_line

        print(result_line(airflow, told, turns))


def _end_of(turn: sources.Turn, done: Done | None) -> SourceEnd:
    why = [turn.error.public] if turn.error else [] if done is None else done.problems
    ended: Literal["interrupted", "ended"] = "interrupted" if turn.stopped else "ended"
    state = "not begun" if turn.code is None else ended
    return SourceEnd(turn.source, done.summaries if done else (), "; ".join(why), state)


def _check_resumed(given: Mapping[str, object]) -> None:
    """Raise ConfigError for what a run that goes on has decided when it began."""
    if wrong := [option for option, value in given.items() if value]:
        raise ConfigError(
            f"--resume carries out the plan of its run, and {wrong[0]} would change it",
            hint=f"leave out {wrong[0]}, or start a new load without --resume",
        )


def _check_executor(executor: str, scheduler: str) -> None:
    """Raise ConfigError unless the two options go together."""
    if executor not in ("threads", "dask"):
        raise ConfigError(f"there is no executor {executor!r}", hint="choose one of threads, dask")
    if executor == "dask":
        from bulketl.loading.dask import check_address

        check_address(scheduler)
    elif scheduler:
        raise ConfigError("--scheduler is for --executor dask only", hint="add --executor dask, or leave it out")


def _window(windows: Windows, wait: bool) -> dt.datetime:
    """Return when the window closes; outside it wait for it to open, or raise OutsideWindowError."""
    from bulketl.config.windows import closes, opens, parse_window

    while (end := closes(windows, dt.datetime.now(dt.UTC))) is None:
        begin = opens(windows, dt.datetime.now(dt.UTC))
        local = begin.astimezone(parse_window(windows.load)[2])
        if not wait:
            raise OutsideWindowError(
                f"loads run in the window {windows.load} on {', '.join(windows.days)} only",
                hint=f"it opens {local:%A %H:%M}; --wait waits for that, --ignore-window loads now; "
                + runbook("window-too-short"),
            )
        err.print(f"waiting for the window, which opens {local:%A %H:%M}")
        time.sleep(max(0.0, (begin - dt.datetime.now(dt.UTC)).total_seconds()))
    return end


def _over(end: dt.datetime | None) -> bool:
    return end is not None and dt.datetime.now(dt.UTC) >= end


def plan(
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    full: Annotated[bool, typer.Option("--full", help="As for load.")] = False,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = None,
    allow_deletes: AllowOption = None,
    adopt: AdoptOption = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print every statement instead.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the differences from the last run's plan instead.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a load would do to each table, and why; change nothing on either side.

    The same as `load --dry-run`. With --diff the exit code is 0 whether or not something differs.
    """

    def selected() -> Selection:
        from bulketl.plan.selection import Selection

        return Selection(
            tiers=tiers_of(tier), tables=split_commas(tables), exclude=split_commas(exclude), full=full, since=since,
            until=until, allow_deletes=split_commas(allow_deletes), adopt=split_commas(adopt),
            limit=limit,
        )  # fmt: skip

    def command() -> int:
        from bulketl.cli.screens import plans
        from bulketl.survey.planning import planned

        settings = configured(config, rules, schema=schema)
        if sql and diff:
            raise ConfigError("--sql and --diff print different things", hint="leave out one of them")
        with preparing(as_json=as_json, spoken=False) as tell:
            chosen = planned(settings, selected(), tell)
        if sql:
            texts = bulketl.statements(settings, chosen)
            print(json.dumps(texts)) if as_json else hand_out(plans.sql(texts))
        elif diff:
            found = bulketl.compare_with_last(settings, chosen)
            print(json.dumps(found.lines)) if as_json else out.print(plans.plan_changes(*found), soft_wrap=True)
        else:
            print(chosen.to_json()) if as_json else out.print(plans.plan(chosen, verbose))
            if not as_json and chosen.groups:
                options = "" if limit is None else f" --limit {limit}"
                err.print(f"next: `bulketl load{options}` does it", soft_wrap=True)
        return DONE

    run(command, as_json)


def schedule(
    kind: Annotated[str, typer.Argument(metavar="systemd|cron|airflow", help="For which scheduler.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a scheduler needs to start a load when its window opens; bulketl has no scheduler of its own.

    If alerts are set, it also prints a timer that runs `bulketl alerts tick` every minute. One load takes all sources, where
    there are several.
    """

    def command() -> int:
        from bulketl.operations.schedulers import SCHEDULERS, snippet, ticking

        each = configured_each(config)
        settings = each[0]  # windows are those of all
        if kind not in SCHEDULERS:
            raise ConfigError(f"there is no scheduler {kind!r}", hint=f"choose one of {', '.join(SCHEDULERS)}")
        if settings.windows is None:
            raise ConfigError(
                "no window is configured, so there is no time to start at",
                hint='write windows: {load: "21:00-06:00 America/Chicago"} into config/bulketl.yaml',
            )
        named = (*(("--config", str(config)) if config else ()), *sources.words())
        program, folder = shutil.which("bulketl") or "bulketl", str(Path.cwd())
        text = snippet(kind, settings.windows, folder, (program, "load", *named))
        if any(one.alerts is not None for one in each):
            text = f"{text}\n{ticking(kind, folder, (program, 'alerts', 'tick', '--json', *named))}"
        print(json.dumps({"scheduler": kind, "text": text})) if as_json else hand_out(text.rstrip("\n"))
        return DONE

    run(command, as_json)
