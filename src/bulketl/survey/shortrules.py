"""Which of the proposals have to be written: only what differs from the defaults, and only once what many tables share.

A table that is proposed as reference and loaded whole needs no line. Tables whose names begin alike and whose rules are
equal share a pattern, if every table with that beginning is among them. No pattern ever leaves tables out, because it
would also leave out tables that come later.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.inherited import inherited
from bulketl.survey.proposals import Proposal
from bulketl.tables.spec import TIERS

ALIKE = 3  # tables at least for a pattern,
BEGINNING = 4  # and letters of its beginning
Rule = tuple[tuple[str, str | bool], ...]
_REST = ("*", "reference")  # the pattern of every other table, and the tier that it gives as if it said none
_SIGNS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Shared:
    """A pattern with the keys of the tables that fit it."""

    pattern: str
    keys: Mapping[str, object]
    tables: tuple[str, ...]


def differing(proposal: Proposal) -> dict[str, object]:
    """Return the keys of a proposal that differ from the defaults of tables.yaml."""
    if proposal.exclude:
        return {"exclude": True}
    keys: dict[str, object] = {}
    if proposal.tier != "reference":
        keys["table_importance"] = proposal.tier
    if proposal.strategy != "full_table":
        keys |= {"extraction_strategy": proposal.strategy, "incremental_column": proposal.cursor}
    if proposal.deletes:
        keys["deletes"] = proposal.deletes
    monitoring: dict[str, object] = {}
    if proposal.minutes != 5:
        monitoring["max_extraction_time_minutes"] = proposal.minutes
    if proposal.threshold != 1:  # its rows come and go, as many as there happen to be
        monitoring["data_quality_threshold"] = proposal.threshold
        keys["expect"] = {"rows": "off"}
    return {**keys, "monitoring": monitoring} if monitoring else keys


def beside(proposal: Proposal, patterns: Mapping[str, Any], tiers: Mapping[Any, Any]) -> dict[str, object]:
    """Return the keys of an entry for a table that came later than the rules for many tables, which keep what they say.

    But what is to be loaded is not left out by them: that was written without it. What follows from the proposed tier or
    cursor goes with it when the rules name another.
    """
    tier = inherited(proposal.table, {}, {k: v for k, v in patterns.items() if k != _REST[0]}, {}).get("table_importance")
    if tier is None and (rest := patterns.get(_REST[0], {}).get("table_importance")) != _REST[1]:
        tier = rest
    given = inherited(proposal.table, {"table_importance": tier or proposal.tier}, patterns, tiers)
    out = bool(given.pop("exclude", proposal.exclude))
    if out and proposal.exclude:
        return {"exclude": True}
    item = dataclasses.replace(proposal, exclude=False)
    keys: dict[str, object] = {"table_importance": item.tier, "extraction_strategy": item.strategy, **differing(item)}
    if tier and tier != item.tier and "audit" in (tier, item.tier):
        keys.pop("deletes", None)
        keys |= {"deletes": "mark"} if item.tier == "audit" else {}
    cursor = given.get("incremental_column")
    if item.strategy != "full_table" and cursor not in (None, item.cursor):
        keys["extraction_strategy"] = "full_table"
    if given.get("extraction_strategy", "full_table") != "full_table" and item.cursor:
        keys["incremental_column"] = item.cursor
    if not tier:
        del given["table_importance"]
    keys = {key: value for key, value in keys.items() if key not in given}
    return {"exclude": False, **keys} if out else keys


def shortened(proposals: Sequence[Proposal]) -> tuple[tuple[Shared, ...], tuple[Proposal, ...]]:
    """Return the patterns, and the proposals that need an entry of their own: the highest tier first, left out last."""
    simple = {item.table: _simple(item) for item in proposals}
    shared = tuple(_shared(proposals, simple))
    covered = {name for one in shared for name in one.tables}
    own = [item for item in proposals if item.table not in covered and (differing(item) or item.question)]
    own.sort(key=lambda item: (item.exclude, TIERS.index(item.tier), item.table))
    return shared, tuple(own)


def _simple(item: Proposal) -> Rule:
    """Return the rule of a table about which nothing more has to be said, () for any other and for one that is left out."""
    keys = [(key, value) for key, value in differing(item).items() if isinstance(value, (str, bool))]
    alone = len(keys) == len(differing(item)) == 1 and not item.question and not item.exclude
    return tuple(keys) if alone else ()


def _shared(proposals: Sequence[Proposal], simple: Mapping[str, Rule]) -> Iterator[Shared]:
    """Yield the patterns. A table with an entry of its own may fit one too, when it is of the same tier."""
    every = Counter(item.table[:n] for item in proposals for n in range(1, len(item.table) + 1))
    fitting, sharing = Counter[tuple[str, Rule]](), Counter[tuple[str, Rule]]()
    for item in proposals:
        rule = simple[item.table] or _tier(item)
        for n in range(BEGINNING, len(item.table) + 1) if rule else ():
            fitting[item.table[:n], rule] += 1
            sharing[item.table[:n], rule] += bool(simple[item.table])
    found: dict[tuple[str, Rule], list[str]] = {}
    names = frozenset(item.table for item in proposals)
    for item in proposals:
        rule = simple[item.table]
        for n in range(BEGINNING, len(item.table) + 1) if rule else ():
            one = item.table[:n]
            alike = fitting[one, rule] == every[one] and sharing[one, rule] >= ALIKE
            if alike and not _SIGNS.intersection(one) and _ends_a_word(one, names):
                found.setdefault((one, rule), []).append(item.table)
                break
    for (beginning, rule), tables in sorted(found.items()):
        yield Shared(f"{beginning}*", dict(rule), tuple(tables))


def _tier(item: Proposal) -> Rule:
    return () if item.exclude or item.tier == "reference" else (("table_importance", item.tier),)


def _ends_a_word(beginning: str, names: frozenset[str]) -> bool:
    """Tell whether a beginning is a word in every name that has it: it is a name itself, or each may be cut behind it."""
    return beginning in names or all(_cut(name, len(beginning)) for name in names if name.startswith(beginning))


def _cut(name: str, n: int) -> bool:
    """Tell whether a name may be cut there: behind a separator, or before a capital letter."""
    return not name[n - 1].isalnum() or (n < len(name) and name[n - 1].islower() and name[n].isupper())
