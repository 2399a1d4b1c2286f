"""What a person asks for: which tables, which part of them, and why the others are left out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.absences import absences
from bulketl.plan.incremental import Span
from bulketl.plan.leftout import fitting, left_out, told
from bulketl.plan.plan import Refusal, Skip
from bulketl.tables.catalog import Catalog
from bulketl.tables.patterns import matches
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TIERS, Tier

NEW_TABLE = (
    "new at the source, and no rule names it; `bulketl discover --write` adds a rule, and new_tables: load loads new tables "
    "at once"
)
NEW_LEFT_OUT = (
    "new at the source, and an older rule for many tables leaves it out; `bulketl discover --write` adds an entry, "
    "in which exclude: true leaves it out for good"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person asks for beside the rules. Tables are given as names or as patterns with `*` and `?`.

    Raise PlanError when all of each table is asked for and a part of it too, or a part by two measures.
    """

    # Which tables; empty means all.
    tiers: tuple[Tier, ...] = ()
    tables: tuple[str, ...] = ()  # a name in full also takes a table that its rule excludes, and a view
    exclude: tuple[str, ...] = ()
    # Which of their rows.
    full: bool = False  # all of them, whatever the strategy of their rules
    since: str = ""  # a value of the cursor: rows from it on are loaded again
    until: str = ""  # a value of the cursor: rows before it are loaded again
    limit: int | None = None  # at most so many of each table, and those that others refer to
    # What may happen to a table in the target.
    allow_deletes: tuple[str, ...] = ()  # it may lose any share of its rows
    adopt: tuple[str, ...] = ()  # it is given to bulketl, which did not make it
    person: str = ""  # who asks; planning fills it in

    def __post_init__(self) -> None:
        if self.span and self.full:
            raise PlanError(
                "a load takes whole tables or a part of them, not both", hint="leave out --full, or --since and --until"
            )
        other = "--full" if self.full else "--since and --until" if self.span else "--adopt" if self.adopt else ""
        if self.limit is not None and other:
            raise PlanError(
                f"--limit loads a part of each table, which {other} cannot do",
                hint=f"leave out --limit, or {other}",
            )

    @property
    def everything(self) -> bool:
        """Whether all tables are asked for."""
        return not (self.tiers or self.tables or self.exclude)

    @property
    def span(self) -> Span | None:
        """The part of the cursor that is loaded again, None for none."""
        return Span(self.since, self.until) if self.since or self.until else None

    def reaches(self, table: str) -> bool:
        """Tell whether a table is asked for by its name, whatever its rule says."""
        return not matches(table, self.exclude) and (not self.tables or matches(table, self.tables))

    def takes(self, config: Config, table: str) -> bool:
        """Tell whether a table is asked for, under its rule."""
        if not self.reaches(table):
            return False
        if table in self.tables:
            return True
        rule = config.rule(table)
        return not rule.exclude and (not self.tiers or rule.table_importance in self.tiers)

    def frees(self, table: str) -> bool:
        """Tell whether a table may lose any share of its rows."""
        return matches(table, self.allow_deletes)


def select(config: Config, catalog: Catalog, selection: Selection) -> tuple[Catalog, tuple[Skip, ...], tuple[Refusal, ...]]:
    """Return the catalogue with the tables that are asked for; those that wait or are gone; those that are out of view.

    Raise PlanError when a pattern fits no table, nothing is left, or there are more workers than connections.
    """
    if 0 < catalog.connections < config.at_once:
        raise PlanError(
            f"{config.at_once} workers need as many connections, and {catalog.identity} gives this user "
            f"{catalog.connections}",
            hint="lower workers, or raise the user's MAX_USER_CONNECTIONS or the server's max_connections",
        )
    fitting(catalog, selection.tables, selection.exclude)
    kept, skipped = [], []
    for table in catalog:
        if not selection.takes(config, table.name):
            if config.left_out_unseen(table.name) and selection.reaches(table.name) and not (selection.tiers or table.view):
                skipped.append(Skip(table.name, config.rule(table.name).table_importance, NEW_LEFT_OUT))
            continue
        if config.waits(table.name) and table.name not in selection.tables and not table.view:
            skipped.append(Skip(table.name, config.rule(table.name).table_importance, NEW_TABLE))
            continue
        kept.append(table)
    refused, gone = absences(config, catalog, lambda name: selection.takes(config, name))
    if not (kept or skipped or refused):
        raise _nothing(config, catalog, selection)
    return dataclasses.replace(catalog, tables=tuple(kept)), (*skipped, *gone), refused


def _nothing(config: Config, catalog: Catalog, selection: Selection) -> PlanError:
    """Return the error that no table is left, with what leaves them out."""
    names = [table.name for table in catalog]
    fit = [name for name in names if not selection.tables or matches(name, selection.tables)]
    asked = [name for name in fit if not matches(name, selection.exclude)]
    free = [name for name in asked if not config.rule(name).exclude]
    fitting_ones = " that fit" if selection.tables or selection.exclude else ""
    if not names:
        why = "it has no table that this user may see"
        others = told(left_out(config, catalog))
        hint = "check the database at the end of BULKETL_SOURCE, and the user's SELECT right on its tables"
        hint += f"; it has {others}" if others else ""
    elif not asked:
        why, hint = f"--exclude leaves out all {count_of(len(fit), 'table')} that fit", "narrow --exclude, or leave it out"
    elif not free:
        why = f"all {count_of(len(asked), 'table')}{fitting_ones} are excluded by your rules"
        if len(asked) == 1:
            why = f"your rules exclude {asked[0]!r}, the only table there is{fitting_ones.replace('fit', 'fits')}"
        hint = "take exclude: true out of their rules, or name tables in full under --tables, which takes them this once"
    else:
        tiers = ", ".join(tier for tier in TIERS if any(config.rule(name).table_importance == tier for name in free))
        excluded = f", and {len(asked) - len(free):,} more excluded by your rules" if len(free) < len(asked) else ""
        some = f"{count_of(len(free), 'table')}{fitting_ones}"
        why = f"--tier asks for {', '.join(selection.tiers)}, and the source has {some} of tier {tiers}{excluded}"
        hint = "give tables their tier as table_importance in config/tables.yaml, or load without --tier"
    return PlanError(f"there is no table to load in {catalog.identity}: {why}", hint=hint)
