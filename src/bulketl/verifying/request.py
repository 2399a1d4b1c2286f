"""What a person asked a verification to do, and why some requests are not possible."""

from __future__ import annotations

from dataclasses import dataclass

from bulketl.errors import ConfigError
from bulketl.tables.printable import count_of
from bulketl.verifying.verdicts import LEVELS, Level


@dataclass(frozen=True, slots=True)
class Request:
    """How closely tables are compared, and what is named of them.

    `sample`: the share of the rows that is looked at, above 0 and at most 1, chosen by `seed`. `first`: rows that are named
    of each table. `show_values`: with the values that differ.
    """

    level: Level = "rows"
    sample: float = 1.0
    seed: int = 0
    first: int = 10
    show_values: bool = False


def check_request(request: Request, repair: bool, deletes: bool = False) -> None:
    """Raise ConfigError for a request whose parts do not fit together, or not with a repair; `deletes`: it may delete."""
    level, sample, first = request.level, request.sample, request.first
    if level not in LEVELS:
        raise ConfigError(f"there is no level {level!r}", hint=f"the levels are {', '.join(LEVELS)}")
    if not 0 < sample <= 1:
        raise ConfigError(
            f"a sample of {sample:.0%} is not possible", hint="name a share above 0 % and at most 100 %, like 5%"
        )
    if sample < 1 and level in ("count", "sums"):
        raise ConfigError(f"level {level} has no sample: it costs a scan anyway", hint="take --level keys or rows with it")
    if repair and level != "rows":
        raise ConfigError(f"level {level} does not say which rows to repair", hint="repair at level rows")
    if deletes and not repair:
        raise ConfigError("--allow-deletes is for a repair: nothing else deletes", hint="add --repair, or leave it out")
    if first < 0:
        raise ConfigError(f"{count_of(first, 'row')} cannot be named", hint="name 0 or more with --first")
