"""How a table stands, in the words of the pages: failed, late, never loaded, running, on time, not due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bulketl.operations.history.standing import Standing, Word
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TIERS

State = Literal["failed", "never", "late", "running", "ontime", "none"]
STATES: tuple[State, ...] = get_args(State)  # worst first
NAMES: Mapping[State, str] = {
    "failed": "failed", "never": "never loaded", "late": "late", "running": "running", "ontime": "on time",
    "none": "not due",
}  # fmt: skip
OF_WORDS: Mapping[Word, State] = {
    "failed": "failed", "overdue": "late", "never loaded": "never", "unfinished": "late", "slow": "late",
    "rejected": "ontime", "not normal": "ontime", "in part": "ontime", "not loaded": "none", "well": "ontime",
}  # fmt: skip
OF_OUTCOMES: Mapping[str, State] = {
    "loaded": "ontime", "unchanged": "ontime", "failed": "failed", "unfinished": "late", "skipped": "none",
}  # fmt: skip
EACH = 10  # names of critical tables in a sentence


@dataclass(frozen=True, slots=True)
class Stand:
    """A table as a page shows it: the word for how it stands, and its standing."""

    state: State
    of: Standing

    @property
    def rank(self) -> tuple[int, int, str]:
        """Where it stands in a list with the worst first: by its word, then its tier."""
        return (STATES.index(self.state), TIERS.index(self.of.tier), self.of.table)


def stands(found: Sequence[Standing], running: Collection[str] = ()) -> list[Stand]:
    """Return how tables stand, the worst first; `running`: those of which a step is under way."""
    return sorted(
        (Stand("running" if one.table in running else OF_WORDS[one.word], one) for one in found), key=lambda one: one.rank
    )


def counted(found: Sequence[Stand]) -> dict[State, int]:
    """Return how many tables stand how, the worst first, and none that none does."""
    counts = {state: sum(one.state == state for one in found) for state in STATES}
    return {state: count for state, count in counts.items() if count}


def sentence(found: Sequence[Stand]) -> str:
    """Return how all of them stand, in a sentence whose numbers add up, and one about the critical ones by name."""
    if not found:
        return "Nothing was loaded into this schema yet, and no rule names a table."
    counts = counted(found)
    if set(counts) <= {"ontime"}:
        all_of_them = "The one table is on time." if len(found) == 1 else f"All {len(found):,} tables are on time."
        return f"{all_of_them}{_in_part(found)}"
    told = ", ".join(f"{count:,} {NAMES[state]}" for state, count in counts.items())
    return f"{count_of(len(found), 'table')}: {told}.{_critical(found)}{_in_part(found)}"


def _in_part(found: Sequence[Stand]) -> str:
    """Return how many tables have only some of the source's rows, as a limit left out the others."""
    parts = sum(one.of.word == "in part" for one in found)
    if not parts:
        return ""
    return f" {'All' if parts == len(found) else f'{parts:,}'} of them in part only, under a limit."


def _critical(found: Sequence[Stand]) -> str:
    critical = [one for one in found if one.of.tier == "critical"]
    wrong = [one for one in critical if one.state not in ("ontime", "none", "running")]
    if not critical:
        return ""
    if not wrong:
        return " All critical tables are on time." if all(one.state == "ontime" for one in critical) else ""
    named = ", ".join(f"{one.of.table} ({NAMES[one.state]})" for one in wrong[:EACH])
    more = f" and {len(wrong) - EACH:,} more" if len(wrong) > EACH else ""
    return f" Critical: {named}{more}."
