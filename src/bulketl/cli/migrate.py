"""`migrate promote` and `migrate demote`: tables change hands between an older pipeline and bulketl."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import (
    ConfigOption,
    ExcludeOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    TablesOption,
    TierOption,
    configured,
    out,
    run,
    split_commas,
    tiers_of,
)
from bulketl.errors import DONE, FAILED

ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, which stays on record.")]


def promote(
    reason: ReasonOption = "",
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Promote what comparing does not let go, too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of each table; change nothing.")
    ] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have bulketl's tables take the place of the older pipeline's, all in one transaction.

    Views, grants, comments and owners are carried over. The older tables are kept for the way back.
    """

    def command() -> int:
        from bulketl.cli.screens import handovers
        from bulketl.operations.migrate.chosen import Chosen

        settings = configured(config, rules, schema=schema)
        chosen = Chosen(tiers_of(tier), tuple(split_commas(tables)), tuple(split_commas(exclude)))
        found = bulketl.promote(settings, chosen, reason=reason, force=force, dry_run=dry_run)
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.promoted(found, looked=dry_run))
        return DONE

    run(command, as_json)


def demote(
    tables: TablesOption = None,
    reason: ReasonOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give tables back to the older pipeline, and go on loading them beside it, so that both can be compared again."""

    def command() -> int:
        from bulketl.cli.screens import handovers
        from bulketl.operations.migrate.chosen import Chosen

        settings = configured(config, rules, schema=schema)
        chosen = Chosen(tables=tuple(split_commas(tables)))
        found = bulketl.rollback(settings, chosen, reason=reason, act="demote")
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.returned(found, looked=False))
        return FAILED if found.impossible else DONE

    run(command, as_json)
