"""How far the cursor of each incremental table has moved at the source, and which rows are to be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.mysql.changes import read_changes
from bulketl.mysql.server import MySQL
from bulketl.plan.incremental import Choice, FullLoad, Span, UnmetRule, check_watermark, cursor, reached, watched
from bulketl.plan.masking import hold_masks, remasked
from bulketl.plan.publishing import differing
from bulketl.plan.selection import Selection
from bulketl.plan.specify import specify
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.cursor import cursor_type
from bulketl.tables.measured import Cursor, Measured
from bulketl.tables.spec import TableSpec


def choices(
    source: MySQL,
    config: Config,
    catalog: Catalog,
    known: Mapping[str, Choice],
    selection: Selection,
) -> dict[str, Choice]:
    """Return for each table what is known of it, and whether only its changes are to be read; a few queries for all.

    `known`: what the target has of each. Raise SourceError.
    """
    zone, size = config.session_zone, config.partition_bytes
    found: dict[str, Choice] = {}
    asked: dict[Table, Cursor] = {}
    for table in catalog:
        found[table.name] = before_measuring(config, catalog, table, known[table.name], selection)
        if wanted := found[table.name].cursor:
            asked[table] = wanted
    measured = read_changes(source, asked, zone, size)
    for table, wanted in asked.items():
        found[table.name] = _second(found[table.name], wanted, measured[table.name], selection.span)
    return found


def before_measuring(config: Config, catalog: Catalog, table: Table, choice: Choice, selection: Selection) -> Choice:
    """Return what is known of a table with what is to be measured of its cursor, or why it cannot be loaded."""
    rule, span = config.rule(table.name), selection.span
    try:
        if rule.extraction_strategy == "full_table" and not (span and rule.incremental_column):
            if span:
                raise FullLoad("its rule names no cursor")
            return choice
        if choice.existing and not choice.existing.ours:
            raise FullLoad("because bulketl did not make the table that is there")
        if not selection.full:
            spec = specify(config, catalog, table, choice)
            _as_masked(spec, choice)
            found = differing(spec, choice.existing, choice.state)
            return dataclasses.replace(choice, cursor=cursor(config, catalog, table, choice, found, span))
        why = ", as asked"
    except PlanError as error:
        return dataclasses.replace(choice, refusal=error)
    except FullLoad as reason:
        if span:
            return dataclasses.replace(choice, refusal=_no_part(table.name, str(reason)))
        why = f", {reason}"
    try:  # loaded whole, it gets its watermark too
        column = watched(rule, table)
        whole = Cursor(column.name, cursor_type(column, config.zone(catalog)))
        return dataclasses.replace(choice, why=why, cursor=whole)
    except UnmetRule as reason:
        said = f"loaded whole, though its rule says {rule.extraction_strategy}: {str(reason).removeprefix('because ')}"
        return dataclasses.replace(choice, why=f", {reason}", unmet=said if config.chosen(table.name) else "")
    except PlanError as reason:
        return dataclasses.replace(choice, why=f", because {reason}")


def _as_masked(spec: TableSpec, choice: Choice) -> None:
    """Raise FullLoad where all rows are to be masked anew, PlanError where they cannot be."""
    hold_masks(spec, choice.state, choice.existing, full=False)
    if why := remasked(spec, choice.state):
        raise FullLoad(f"because {why}")


def _second(choice: Choice, wanted: Cursor, measured: Measured, span: Span | None) -> Choice:
    """Return the choice with the watermark that the table will have, whole when what was measured forbids anything else."""
    if measured.error:
        why = choice.why or f", because its changes cannot be measured: {measured.error}"
        return dataclasses.replace(choice, cursor=None, why=why)
    choice = dataclasses.replace(choice, measured=measured)
    if span:
        return choice
    whole, watermark = dataclasses.replace(wanted, changes=None), reached(wanted, measured)
    try:
        if choice.state:
            check_watermark(choice.state, wanted, measured)
    except FullLoad as reason:
        return dataclasses.replace(choice, cursor=whole, why=f", {reason}", watermark=watermark)
    return dataclasses.replace(choice, watermark=watermark)


def _no_part(table: str, reason: str) -> PlanError:
    return PlanError(
        f"table {table!r} cannot be loaded in part: {reason.removeprefix('because ')}",
        hint="name tables with a cursor and a key under --tables, or load without --since and --until",
    )
