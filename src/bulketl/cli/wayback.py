"""`rollback`: what was there before a promotion is there again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli.migrate import ReasonOption
from bulketl.cli.options import (
    ConfigOption,
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


def rollback(
    reason: ReasonOption = "",
    tier: TierOption = None,
    tables: TablesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would come back and be missing.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the older pipeline serve the tables again that bulketl took over from it; a load under way is stopped first.

    The older rows come back in one transaction, and every load passes over these tables until they are promoted again. The
    source is not needed.
    """

    def command() -> int:
        from bulketl.cli.screens import handovers
        from bulketl.operations.migrate.chosen import Chosen

        settings = configured(config, rules, schema=schema)
        chosen = Chosen(tiers_of(tier), tuple(split_commas(tables)))
        found = bulketl.rollback(settings, chosen, reason=reason, dry_run=dry_run)
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.returned(found, looked=dry_run))
        return FAILED if found.impossible else DONE

    run(command, as_json)
