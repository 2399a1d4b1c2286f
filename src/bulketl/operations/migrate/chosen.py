"""Which tables a person means, of those that an older pipeline and bulketl share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.tables.patterns import fitting, matches
from bulketl.tables.spec import TIERS, Tier

HINT = "check the spelling, and the schema: `bulketl migrate status` lists the tables"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Tables by tier, by name or pattern, and those to leave out; empty means all."""

    tiers: tuple[Tier, ...] = ()
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def among(self, config: Config, names: Iterable[str]) -> list[str]:
        """Return the names that are meant, in order; raise PlanError for a name or pattern that fits none of them."""
        known = list(names)
        found = fitting(known, self.tables, config.target_schema, HINT)
        if self.exclude:
            fitting(known, self.exclude, config.target_schema, HINT)
        tiers = self.tiers or TIERS
        meant = (one for one in found if config.rule(one).table_importance in tiers)
        return sorted(one for one in meant if not matches(one, self.exclude))


def reasoned(reason: str, act: str) -> str:
    """Return why somebody does something, which stays on record; raise ConfigError where nothing is said."""
    if not reason.strip():
        raise ConfigError(f"{act} needs a reason, which stays on record", hint='say it with --reason "..."')
    return " ".join(reason.split())
