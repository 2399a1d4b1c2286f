"""`migrate`: how tables come over from an older pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bulketl.cli.oneload import preparing
from bulketl.cli.options import (
    ConfigOption,
    ExcludeOption,
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
    stopped_at_once,
    tiers_of,
)
from bulketl.errors import DONE, FAILED, PARTLY_DONE, ConfigError
from bulketl.loading import starting

if TYPE_CHECKING:
    from bulketl.plan.selection import Selection
    from bulketl.verifying.verdicts import Level

ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="WHY", help="The reason; the ledger keeps it, and who gave it.")
]


def selected(tier: list[str] | None, tables: list[str] | None, exclude: list[str] | None) -> Selection:
    """Return which tables a person asks for."""
    from bulketl.plan.selection import Selection

    return Selection(tiers=tiers_of(tier), tables=split_commas(tables), exclude=split_commas(exclude))


def shadow(
    reason: ReasonOption,
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load tables of the older pipeline into the shadow schema too, so that both versions can be compared.

    It loads nothing yet: from now on `bulketl load --hybrid` does.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import shadowed
        from bulketl.operations.migrate.sides import shadow as give

        settings = configured(config, rules, schema=schema)
        found = give(settings, selected(tier, tables, exclude), reason=reason)
        if as_json:
            print(json.dumps({"shadow_schema": settings.shadow_schema, "given": found.legacy, "already": found.shadow,
                              "bulketl": found.bulketl}))  # fmt: skip
        else:
            out.print(shadowed(settings.shadow_schema, found))
        return DONE

    run(command, as_json)


def status(
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how the move stands: who serves which tables, and which goals of the four weeks are met, by what figure.

    It reads the rules and the ledger, so it works with the source down. It changes nothing.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import status as screen
        from bulketl.operations.migrate.status import migration_status

        found = migration_status(configured(config, rules, schema=schema))
        print(json.dumps(found.to_json())) if as_json else out.print(screen(found, verbose))
        return DONE

    run(command, as_json)


def compare(
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    level: Annotated[
        str, typer.Option("--level", help="count, sums (of each column), keys, or rows (every value).")
    ] = "rows",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the older pipeline's tables with those that bulketl has loaded beside them, and name each difference.

    Each difference gets the name of a class. For some rows of each class it reads the source, to say which side is right.
    Differences that `migrate waive` has waived do not count. It prints no value. The ledger keeps the result: after
    enough equal nights in a row, you may promote the table.
    """

    def command() -> int:
        starting.import_arrow()
        import bulketl
        from bulketl.cli.screens.sides import comparison

        with stopped_at_once(), preparing(as_json=as_json) as tell:
            found = bulketl.compare_pipelines(
                configured(config, rules, schema=schema),
                tiers=tiers_of(tier),
                tables=split_commas(tables),
                exclude=split_commas(exclude),
                level=cast("Level", level),
                tell=tell,
            )
        print(json.dumps(found.to_json())) if as_json else out.print(comparison(found, verbose))
        return DONE if found.equal else FAILED

    run(command, as_json)


def waive(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="The table, or a pattern.")] = None,
    column: Annotated[str, typer.Argument(metavar="[COLUMN]", help="The column; without it, any column.")] = "",
    name: Annotated[str, typer.Option("--class", metavar="NAME", help="The class, as `migrate compare` names it.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason; the ledger keeps it.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End the waiver instead.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the waivers that hold.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Waive differences of a class: they no longer count, but are still shown. The ledger keeps who did it and why."""

    def command() -> int:
        import bulketl
        from bulketl.cli.screens.sides import waivers

        settings = configured(config, None, schema=schema)
        if listed:
            if table is not None or name or reason or end:
                raise ConfigError("--list lists all waivers", hint="leave out the rest, or --list")
            found = bulketl.list_waivers(settings)
        else:
            if table is None:
                hint = "write bulketl migrate waive TABLE [COLUMN] --class NAME --reason TEXT"
                raise ConfigError("no table is named", hint=hint)
            found = bulketl.waive(settings, table, column, name=name, reason=reason, end=end)
        print(json.dumps([one.to_json() for one in found])) if as_json else out.print(
            waivers(found, "ended" if end else "" if listed else "on record")
        )
        return DONE

    run(command, as_json)


def plan(
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what to do next, week by week, as commands: load tables beside the older pipeline, compare them, promote them.

    It reads the rules and the ledger, and tries what stands against promoting the tables that are ready. It changes
    nothing.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import plan as screen
        from bulketl.operations.migrate.moves import moves
        from bulketl.operations.migrate.status import migration_status
        from bulketl.operations.migrate.trials import foreseen

        settings = configured(config, rules, schema=schema)
        found = migration_status(settings)
        steps = foreseen(settings, moves(found))
        print(json.dumps([step.to_json() for step in steps])) if as_json else out.print(screen(steps, found.ready))
        return DONE

    run(command, as_json)


def views(
    into: Annotated[
        str, typer.Option("--into", metavar="SCHEMA", help="Where. [default: the target schema]", show_default=False)
    ] = "",
    drop: Annotated[bool, typer.Option("--drop", help="Drop them instead.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make views of the ledger that look like the older pipeline's bookkeeping, for programs that read that.

    They are etl_load_status, etl_pipeline_metrics and etl_table_metrics, and show the state at the moment of reading.
    """

    def command() -> int:
        from bulketl.operations.migrate.oldviews import drop_views, make_views
        from bulketl.postgres.ledger.oldviews import VIEWS

        settings = configured(config, rules, schema=schema)
        where = into or settings.target_schema
        drop_views(settings, where) if drop else make_views(settings, where)
        names = [f"{where}.{view}" for view in VIEWS]
        done = "dropped" if drop else "made"
        print(json.dumps({done: names})) if as_json else out.print(f"{done}: {', '.join(names)}", markup=False)
        return DONE

    run(command, as_json)


def import_state(
    reason: ReasonOption,
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare the books with the rows, and change nothing.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over how far the older pipeline has loaded its tables, if their rows confirm what its books say.

    From then on bulketl serves the tables: the next load reads only their changes, and compares them with the source. Use
    it for tables that are too large to be loaded beside the older ones.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import imported
        from bulketl.operations.migrate.importing import import_state as take

        settings = configured(config, rules, schema=schema)
        found = take(settings, selected(tier, tables, exclude), reason, dry_run=dry_run)
        print(json.dumps([one.to_json() for one in found])) if as_json else out.print(imported(found, dry_run))
        return PARTLY_DONE if any(one.refused for one in found) else DONE

    run(command, as_json)
