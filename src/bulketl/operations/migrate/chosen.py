"""Which tables a person means, of those that an older pipeline and bulketl share, and why something is done to them."""

from __future__ import annotations

from collections.abc import Iterable

from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.plan.selection import Selection
from bulketl.tables.patterns import fitting, matches
from bulketl.tables.spec import TIERS

HINT = "check the spelling, and the schema: `bulketl migrate status -v` lists the tables"


def chosen(config: Config, selection: Selection, names: Iterable[str]) -> list[str]:
    """Return the names that are meant, in order; raise PlanError for a name or pattern that fits none of them.

    A rule that leaves a table out of loads leaves it here: it may have been written since.
    """
    known = list(names)
    found = fitting(known, selection.tables, config.target_schema, HINT)
    if selection.exclude:
        fitting(known, selection.exclude, config.target_schema, HINT)
    tiers = selection.tiers or TIERS
    meant = (one for one in found if config.rule(one).table_importance in tiers)
    return sorted(one for one in meant if not matches(one, selection.exclude))


def reasoned(reason: str, act: str) -> str:
    """Return why somebody does something, which stays on record; raise ConfigError where nothing is said."""
    if not reason.strip():
        raise ConfigError(f"{act} needs a reason, which stays on record", hint='say it with --reason "..."')
    return " ".join(reason.split())
