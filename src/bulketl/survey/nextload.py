"""What the next load will do with one table, decided in the same way as in a load, but without a look at its rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from bulketl.config.config import Config
from bulketl.plan.decision import decide
from bulketl.plan.incremental import choice_of
from bulketl.plan.selection import Selection
from bulketl.survey.cursors import before_measuring
from bulketl.survey.unchanged import unchanged
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.measured import Known, Measured
from bulketl.tables.partitions import Bound, Changes, fits, split_key
from bulketl.tables.printable import count_of
from bulketl.tables.spec import Policy, Publish

Act = Literal["whole", "changes", "unchanged", "refused", "excluded", "waits"]


@dataclass(frozen=True, slots=True)
class NextLoad:
    """What the next load does with a table: it reads the `whole` of it, or its `changes`, or leaves it.

    `unchanged`: it is left, because the server says that no row was changed. `excluded` and `waits`: by its rule, or until
    the rules name it. `why`: in the words of the plan, or of the refusal. `since`: which changes. `compare`: it is compared
    with its source afterwards. Whether the source was restored from a backup, after which it is loaded whole, is not asked.
    """

    act: Act
    why: str = ""
    hint: str = ""
    since: Changes | None = None
    publish: Publish = "create"
    deletes: Policy = "mirror"
    compare: bool = False


def next_load(config: Config, catalog: Catalog, table: Table, known: Known) -> NextLoad:
    """Return what a load of all tables would do with this one now; it opens nothing."""
    rule = config.rule(table.name)
    if rule.exclude:
        return NextLoad("excluded", "its rule says exclude: true")
    if config.waits(table.name):
        return NextLoad("waits", "it is new at the source, and not in the rules")
    if table.limit is not None:
        return NextLoad("whole", f"its limit leaves {count_of(table.limit, 'row')}, and those that others refer to")
    one, selection = dataclasses.replace(catalog, tables=(table,)), Selection()
    choice = before_measuring(config, one, table, choice_of(known, table.name), selection)
    if choice.cursor and not choice.whole:
        choice = dataclasses.replace(choice, measured=Measured(None, rows=max(table.rows, 1)))
    rows = choice.state.rows if choice.state and choice.state.rows is not None else -1
    left, same = unchanged(config, one, {table.name: choice}, lambda names: dict.fromkeys(names, rows))
    if not left.tables:
        return NextLoad("unchanged", same[0].reason)
    along = split_key(table, rule.partition_by)  # by which values it is cut the source would have to be asked
    cuts = ((0,) * len(along.columns),) if along and not fits(table, table.rows, config.partition_bytes) else ()
    bounds = {table.name: Bound(table.rows, cuts=cuts)}
    plan = decide(config, one, bounds, known.existing, choices={table.name: choice}, selection=selection)
    if plan.refused:
        return NextLoad("refused", plan.refused[0].message, plan.refused[0].hint)
    load = next(plan.loads)
    incremental = choice.cursor is not None and not choice.whole
    return NextLoad(
        act="changes" if incremental else "whole",
        why=load.reason.partition("; ")[0] if incremental else f"reads the whole table{choice.why}",
        since=choice.cursor.changes if choice.cursor and incremental else None,
        publish=load.spec.publish,
        deletes=load.spec.deletes,
        compare=load.compare,
    )
