"""What of a night is counted by tier and source: outcomes, volume, rejects, changed columns, what was verified. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bulketl.config.config import Config
from bulketl.operations.dashboard.overview import Overview
from bulketl.operations.dashboard.words import STATES, Stand, State
from bulketl.operations.history.standing import plain
from bulketl.postgres.ledger.nightloads import Mended, TableFigures
from bulketl.postgres.ledger.onetable import Refused
from bulketl.postgres.ledger.verifications import Verified
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TIERS

ABSENT = "in no load"  # of the night
OUTCOMES = ("failed", "unfinished", "loaded", "unchanged", "skipped", ABSENT)  # which add up to all tables
NAMED = 12


@dataclass(frozen=True, slots=True)
class Group:
    """The tables of a tier, of a source, or all of them as '': what the loads of the night did to them, and moved.

    `outcomes` add up to `tables`. `state`: how the worst of them stands. `late`: tables that are late or were never loaded.
    `seconds`: of all their steps, which run at once. `at`: when the last of them became visible, None without any.
    """

    tier: str
    source: str
    state: State
    tables: int
    late: int
    outcomes: Mapping[str, int]
    rows: int
    bytes: int
    seconds: float
    at: dt.datetime | None

    @property
    def title(self) -> str:
        """What the tables have in common."""
        return self.tier or self.source or "all"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return plain({name: getattr(self, name) for name in self.__slots__})


def grouped(found: Overview, figures: Mapping[str, TableFigures], open_: Collection[str]) -> tuple[Group, ...]:
    """Return a line for each tier and one for all, and where there are several sources one for each.

    `open_`: runs of the night that have not ended, of whose tables there are no figures yet.
    """
    stands = found.stands
    tiers = [(tier, [one for one in stands if one.of.tier == tier]) for tier in TIERS]
    lines = [_group(tier, "", same, figures, open_) for tier, same in tiers if same]
    lines += [_group("", "", stands, figures, open_)] if len(lines) > 1 else []
    if len(found.sources) > 1:
        by = [(source, [one for one in stands if one.of.source == source]) for source in ("", *found.sources)]
        lines += [_group("", source or "no source on record", same, figures, open_) for source, same in by if same]
    return tuple(lines)


def _group(
    tier: str, source: str, stands: Sequence[Stand], figures: Mapping[str, TableFigures], open_: Collection[str]
) -> Group:
    mine = [figures[one.of.table] for one in stands if one.of.table in figures]
    outcomes = Counter(_outcome(one, figures, open_) for one in stands)
    return Group(
        tier,
        source,
        min((one.state for one in stands), key=STATES.index),
        len(stands),
        sum(one.state in ("late", "never") for one in stands),
        {outcome: outcomes[outcome] for outcome in OUTCOMES},
        sum(one.rows for one in mine),
        sum(one.bytes for one in mine),
        sum(one.seconds for one in mine),
        max((one.at for one in mine if one.at), default=None),
    )


def _outcome(one: Stand, figures: Mapping[str, TableFigures], open_: Collection[str]) -> str:
    """Return what the loads of the night did to a table, a run that goes on included."""
    found = figures.get(one.of.table)
    outcome = found.outcome if found else ABSENT
    if one.of.run in open_:
        outcome = "failed" if one.state == "failed" else one.of.outcome
    return outcome if outcome in OUTCOMES else "loaded"


@dataclass(frozen=True, slots=True)
class Rejecting:
    """Rows of a table that the runs of the night rejected: by column and check, with no value; `allowed` by its rule.

    `columns`: those at fault, as far as the rejected rows are on record. `settled`: how many were brought in since.
    """

    table: str
    rows: int
    columns: tuple[tuple[str, int], ...]
    checks: Mapping[str, float]
    settled: int
    allowed: str

    @property
    def reasons(self) -> list[str]:
        """Why, counted: the checks that they fail; and what is left does not fit its type, or Postgres refuses it."""
        found = [f"{count_of(int(rows), 'row', 'fails')} the check {check}"
                 for check, rows in self.checks.items() if rows]  # fmt: skip
        rest = self.rows - sum(int(rows) for rows in self.checks.values())
        if rest > 0:
            verb, them = ("does", "it") if rest == 1 else ("do", "them")
            found.append(f"{count_of(rest, 'row')} {verb} not fit the types of the columns, or Postgres refuses {them}")
        return found

    @property
    def where(self) -> str:
        """The columns at fault, each with its rows."""
        told = [f"{column or 'the row as a whole'} ({rows:,})" for column, rows in self.columns[:NAMED]]
        more = [f"{len(self.columns) - NAMED:,} more"] if len(self.columns) > NAMED else []
        return ", ".join([*told, *more]) or "not on record"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "table": self.table, "rows": self.rows, "columns": dict(self.columns), "checks": dict(self.checks),
            "reasons": self.reasons, "settled": self.settled, "allowed": self.allowed,
        }  # fmt: skip


def rejecting(
    config: Config, figures: Mapping[str, TableFigures], refused: Mapping[str, Sequence[Refused]]
) -> tuple[Rejecting, ...]:
    """Return the tables with rejected rows, the most first."""
    found = []
    for table in figures.keys() | refused.keys():
        columns, one = refused.get(table, ()), figures.get(table)
        rows = max(one.rejects if one else 0, sum(each.rows for each in columns))
        if rows:
            limit = config.rule(table).max_rejects
            found.append(
                Rejecting(
                    table,
                    rows,
                    tuple((each.column, each.rows) for each in columns),
                    one.rejecting if one else {},
                    sum(each.settled for each in columns),
                    str(config.max_rejects if limit is None else limit),
                )
            )
    return tuple(sorted(found, key=lambda one: (-one.rows, one.table)))


class Drifted(NamedTuple):
    """A table whose columns differed at the source when it was loaded; lines that begin with +, - or ~."""

    table: str
    lines: tuple[str, ...]


def drifted(figures: Mapping[str, TableFigures]) -> tuple[Drifted, ...]:
    """Return the tables whose columns had changed, by name."""
    return tuple(Drifted(table, one.drift) for table, one in sorted(figures.items()) if one.drift)


@dataclass(frozen=True, slots=True)
class NightProof:
    """What of a night was verified. `loaded` tables, of which `certified` are; `refused`: those whose figures differ.

    `proved`: tables that were proved unchanged, and not read. `compared`: those whose rows were compared with the source.
    `asked`: what `bulketl verify` found of a table last.
    """

    loaded: int
    certified: int
    refused: tuple[str, ...]
    proved: int
    compared: tuple[Mended, ...]
    asked: tuple[Verified, ...]

    @property
    def wrong(self) -> bool:
        """Whether figures of a table differ, or somebody found that its rows do."""
        return bool(self.refused) or any(one.outcome == "differs" for one in self.asked)

    @property
    def told(self) -> list[str]:
        """The same in sentences."""
        found = [self._certified()] if self.loaded else []
        if self.refused:
            found.append(f"The figures of {_named(self.refused)} differ: `bulketl certificate` says where.")
        if self.proved:
            found.append(f"{count_of(self.proved, 'table')} {_were(self.proved)} proved unchanged, and not read.")
        if self.compared:
            mended = [one for one in self.compared if one.missing or one.differing or one.gone]
            rows = sum(one.missing + one.differing + one.gone for one in mended)
            said = (
                f"{count_of(rows, 'row')} differed, in {_named([one.table for one in mended])}"
                if mended
                else "no difference"
            )
            count = len(self.compared)
            found.append(f"{count_of(count, 'table')} {_were(count)} compared with the source row by row: {said}.")
        if self.asked:
            found.append(f"`bulketl verify` was asked about {count_of(len(self.asked), 'table')}: {self._asked()}.")
        return found or ["Nothing was loaded, so nothing was verified."]

    def _asked(self) -> str:
        """Return what `bulketl verify` found, the worst first."""
        outcomes = {"differs": "differing are", "not compared": "not compared were", "equal": "equal"}
        tables = {outcome: [one.table for one in self.asked if one.outcome == outcome] for outcome in outcomes}
        told = [f"{outcomes[outcome]} {_named(same)}" for outcome, same in tables.items() if same and outcome != "equal"]
        return ", ".join([*told, *([f"{len(tables['equal']):,} equal"] if tables["equal"] else [])])

    def _certified(self) -> str:
        asked = self.certified + len(self.refused)
        if not asked:
            return "No table was certified: `bulketl load --certify` compares the figures of all that it loads."
        if self.certified == self.loaded:
            return (
                "The one loaded table is certified."
                if self.loaded == 1
                else f"All {self.loaded:,} loaded tables are certified."
            )
        return f"Certified are {self.certified:,} of {count_of(self.loaded, 'loaded table')}."

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "loaded": self.loaded, "certified": self.certified, "refused": list(self.refused), "proved": self.proved,
            "compared": [one._asdict() for one in self.compared], "asked": [plain(one._asdict()) for one in self.asked],
        }  # fmt: skip


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _named(tables: Sequence[str]) -> str:
    more = f" and {len(tables) - NAMED:,} more" if len(tables) > NAMED else ""
    return ", ".join(tables[:NAMED]) + more


def verified(figures: Mapping[str, TableFigures], compared: Sequence[Mended], asked: Sequence[Verified]) -> NightProof:
    """Return what was verified of the tables of a night."""
    loaded = [one for one in figures.values() if one.outcome == "loaded"]
    return NightProof(
        len(loaded),
        sum(one.certified is True for one in loaded),
        tuple(one.table for one in loaded if one.certified is False),
        sum(one.outcome == "unchanged" for one in figures.values()),
        tuple(compared),
        tuple(asked),
    )
