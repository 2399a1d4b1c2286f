"""`migrate promote`, `migrate demote`, `rollback` and `undo`: another table, or one of before, takes a table's place."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli import completing
from bulketl.cli.migrate import ReasonOption, selected
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
)
from bulketl.errors import DONE, FAILED


def promote(
    reason: ReasonOption,
    tier: TierOption = None,
    tables: TablesOption = None,
    exclude: ExcludeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Also promote tables that the comparison holds back.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of each table; change nothing.")
    ] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put bulketl's tables in the place of the older pipeline's, all in one transaction.

    It carries over views, grants, comments and owners, and keeps the older tables so that you can roll back.
    """

    def command() -> int:
        from bulketl.cli.screens import handovers

        settings = configured(config, rules, schema=schema)
        found = bulketl.promote(settings, selected(tier, tables, exclude), reason=reason, force=force, dry_run=dry_run)
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.promoted(found, looked=dry_run))
        return DONE

    run(command, as_json)


def demote(
    reason: ReasonOption,
    tables: TablesOption = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give tables back to the older pipeline, and go on loading them beside it, so that both can be compared again."""

    def command() -> int:
        from bulketl.cli.screens import handovers

        settings = configured(config, rules, schema=schema)
        found = bulketl.rollback(settings, selected(None, tables, None), reason=reason, act="demote")
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.returned(found, looked=False))
        return FAILED if found.impossible else DONE

    run(command, as_json)


def rollback(
    reason: ReasonOption,
    tier: TierOption = None,
    tables: TablesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would come back and be missing.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the older pipeline serve the tables again that bulketl took over from it; a load under way is stopped first.

    The older rows come back in one transaction, and every load passes over these tables until you promote them again. The
    source is not needed.
    """

    def command() -> int:
        from bulketl.cli.screens import handovers

        settings = configured(config, rules, schema=schema)
        found = bulketl.rollback(settings, selected(tier, tables, None), reason=reason, dry_run=dry_run)
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.returned(found, looked=dry_run))
        return FAILED if found.impossible else DONE

    run(command, as_json)


def undo(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table, by its name.", autocompletion=completing.tables)],
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a table to what it was before its last load, which `keep_previous: 1` has kept, and prove it.

    It refuses, with figures, when rows have changed since that load.
    """

    def command() -> int:
        from bulketl.cli.screens import handovers

        found = bulketl.undo(configured(config, rules, schema=schema), table)
        print(json.dumps(found.to_json())) if as_json else out.print(handovers.undone(found))
        return DONE

    run(command, as_json)
