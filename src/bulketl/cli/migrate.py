"""`migrate`: how tables come over from an older pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

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
    tiers_of,
)
from bulketl.errors import DONE, PARTLY_DONE

if TYPE_CHECKING:
    from bulketl.plan.selection import Selection

ReasonOption = Annotated[str, typer.Option("--reason", metavar="WHY", help="Why; it stands in the ledger with who did it.")]


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
    """Have tables of the older pipeline loaded beside it, into the shadow schema, so that both can be compared.

    Nothing is loaded yet: `bulketl load --hybrid` does that from now on.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import shadowed
        from bulketl.operations.migrate.sides import shadow as give

        settings = configured(config, rules, schema=schema)
        found = give(settings, selected(tier, tables, exclude), reason)
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

    Rules and ledger are asked, so it works with the source down. Nothing is changed.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import status as screen
        from bulketl.operations.migrate.status import migration_status

        found = migration_status(configured(config, rules, schema=schema))
        print(json.dumps(found.to_json())) if as_json else out.print(screen(found, verbose))
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
    """Make views of the ledger that look as the older pipeline's bookkeeping did, for whoever reads that.

    etl_load_status, etl_pipeline_metrics and etl_table_metrics. What they show is of the moment they are read.
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Hold the books against the rows, and change nothing.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over how far the older pipeline has loaded its tables, where their rows bear out what its books say.

    The tables are bulketl's from then on: the next load reads their changes alone and compares them with the source. It is
    for tables that are too large to be loaded beside the older ones.
    """

    def command() -> int:
        from bulketl.cli.screens.migration import imported
        from bulketl.operations.migrate.importing import import_state as take

        settings = configured(config, rules, schema=schema)
        found = take(settings, selected(tier, tables, exclude), reason, dry_run=dry_run)
        print(json.dumps([one._asdict() for one in found])) if as_json else out.print(imported(found, dry_run))
        return PARTLY_DONE if any(one.refused for one in found) else DONE

    run(command, as_json)
