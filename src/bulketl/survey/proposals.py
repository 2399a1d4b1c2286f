"""What `discover` proposes for each table, and why: tier, strategy, cursor column, sizes; from values, opening nothing.

Names say what a table is for, its size what it costs, references what depends on it, and a stamp that the server itself
keeps says what changed. The rules about names are data: NAME_RULES here, and the user's own, which come first. A name alone
never costs rows: what it suggests and values do not confirm is a question to a person, beside the rule that is safe. Every
choice carries its reason, because a person has to be able to argue with it.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulketl.config.settings import NameRule
from bulketl.survey.references import Guess, acyclic, guesses, settled
from bulketl.survey.stamps import cursor_candidates, doubt_of
from bulketl.survey.standing import Standing, standings
from bulketl.survey.tiers import tier_of
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.evidence import (
    ENOUGH_ROWS,
    LATELY,
    Arrival,
    against_audit,
    come_and_go,
    counting_key,
    edit_columns,
    keeps_itself,
)
from bulketl.tables.measured import Match, Profile
from bulketl.tables.naming import hint, keeps, says_added, says_list
from bulketl.tables.partitions import rows_per_partition
from bulketl.tables.personal import Personal, Shapes, personal
from bulketl.tables.printable import brief
from bulketl.tables.spec import DELETED_AT, Strategy, Tier
from bulketl.tables.types import FLOATS

SMALL_BYTES = 1 << 20  # below, reading the whole table costs less than asking what changed
CHUNKED_BYTES = 1 << 30  # above, a catch-up is done in chunks
MANY_ROWS = 100  # of a table whose rows come and go: of fewer, 20 may go without a guard of their own
_KEPT_BY_SOME = ("session", "sessions", "token", "tokens", "instance", "instances")

_BY_NAME: tuple[tuple[str, dict[str, object]], ...] = (
    ("tmp* temp temp[_0-9]* tempimage*", {"exclude": True, "why": "a left-over by its name"}),
    ("*_bak *_bak_* *_backup *_backup_* *_old", {"exclude": True, "why": "a backup copy by its name"}),
)
NAME_RULES = tuple(NameRule.model_validate({"match": g, **rule}) for globs, rule in _BY_NAME for g in globs.split())


@dataclass(frozen=True, slots=True)
class Proposal:
    """What discover would write for a table; `reasons` has one for each choice a person may want to argue with.

    `question`: what a person should decide, because the name suggests what the values do not confirm; '' for nothing.
    `personal`: columns that look so, each with a mask that a person may want; no rule of the proposal has them.
    """

    table: str
    tier: Tier
    strategy: Strategy
    cursor: str | None
    exclude: bool
    batch_size: int
    minutes: int
    threshold: float
    dependencies: tuple[str, ...]
    rows: int
    megabytes: float
    deletes: str | dict[str, str]
    reasons: Mapping[str, str]
    question: str = ""
    personal: tuple[Personal, ...] = ()

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, tier=self.tier, strategy=self.strategy, cursor=self.cursor)

    def to_rule(self) -> dict[str, object]:
        """Return the proposal in the layout of tables.yaml."""
        rule: dict[str, object] = {
            "table_importance": self.tier,
            "extraction_strategy": self.strategy,
            "incremental_column": self.cursor,
            "batch_size": self.batch_size,
            "estimated_rows": self.rows,
            "estimated_size_mb": self.megabytes,
            "is_modeled": self.tier in ("critical", "important"),
            "dependencies": list(self.dependencies),
            "monitoring": {
                "max_extraction_time_minutes": self.minutes,
                "data_quality_threshold": self.threshold,
            },
        }
        if self.deletes:
            rule["deletes"] = self.deletes
        return {**rule, "exclude": True} if self.exclude else rule

    def to_json(self) -> dict[str, object]:
        """Return the rule, with the table's name, the reasons and the question, as plain values."""
        looks = {one.column: {"what": one.what, "why": one.why, "mask": one.mask} for one in self.personal}
        told = {"table": self.table, "reasons": dict(self.reasons), "question": self.question, "personal": looks}
        return {**self.to_rule(), **told}


def classify(
    catalog: Catalog,
    profiles: Mapping[tuple[str, str], Profile],
    rules: Sequence[NameRule] = (),
    arrivals: Mapping[str, Arrival] | None = None,
    matches: Mapping[Guess, Match] | None = None,
    shapes: Mapping[str, Mapping[str, Shapes]] | None = None,
) -> tuple[Proposal, ...]:
    """Return a proposal for every table of the catalogue, in its order.

    `profiles` is keyed by table and column, for the candidates of `cursor_candidates`; a missing one is not trusted
    unless the server keeps the stamp. `rules` are the user's and come before NAME_RULES. `arrivals`: how the newest rows of
    tables came; without that none is proposed as audit. `matches`: what a look at values said of the `guesses`; without
    that, names that fit a table exactly are believed, and no others. `shapes`: by table and column, what values look like.
    """
    references = settled(catalog, guesses(catalog), matches or {})
    found = standings(catalog, references, profiles)
    dependencies = acyclic({name: frozenset(one.targets) for name, one in found.items()})
    made = (
        _proposal(found[table.name], profiles, rules, (arrivals or {}).get(table.name), dependencies[table.name])
        for table in catalog
    )
    looks = shapes or {}
    return tuple(_with_personal(table, one, looks.get(table.name, {})) for table, one in zip(catalog, made, strict=True))


def _with_personal(table: Table, one: Proposal, shapes: Mapping[str, Shapes]) -> Proposal:
    """Return the proposal with the columns that look personal; what is only a list of values is about nobody."""
    if one.exclude or says_list(table.name):
        return one
    needed = frozenset({*table.primary_key, *([one.cursor] if one.cursor else [])})
    return dataclasses.replace(one, personal=personal(table, shapes, needed))


def _proposal(
    one: Standing,
    profiles: Mapping[tuple[str, str], Profile],
    rules: Sequence[NameRule],
    came: Arrival | None,
    dependencies: tuple[str, ...],
) -> Proposal:
    table = one.table
    named = named_by(table.name, rules)
    theirs = named is not None and named.tier is not None
    in_use = _in_use(one, came) if any(named is rule for rule in NAME_RULES) else ""
    left_over = f"exclude? {named.why}, but {in_use}" if named and in_use else ""
    named = None if in_use else named
    record = hint(table.name)
    against = against_audit(table, came) if record.kind == "record" else ""
    audit = f"a record of what happened: its name says so ({record.word}), and its rows came in the order of their key"
    tier, why = tier_of(one, named, theirs, audit if record.kind == "record" and not against else "", came)
    strategy, cursor, how = _strategy(table, profiles)
    exclude = named is not None and named.exclude
    reasons = {"table_importance": why, "extraction_strategy": how}
    if exclude and named:
        reasons["exclude"] = named.why
    deletes, looked_for = ("", "") if exclude else _deletes(table, tier, strategy, came)
    if deletes:
        reasons["deletes"] = looked_for
    listed = bool(says_list(table.name))
    asked = "" if exclude or theirs or listed or tier == "audit" else _question(table, against, f"{why}: {tier}")
    asked = left_over or asked
    return Proposal(
        table=table.name,
        tier=tier,
        strategy=strategy,
        cursor=cursor,
        exclude=exclude,
        batch_size=rows_per_partition(table),
        minutes=min(180, max(5, math.ceil(table.bytes / 10e6))),
        threshold=0.99 if record.kind == "passing" else 1.0,
        dependencies=dependencies,
        rows=table.rows,
        megabytes=round(table.bytes / 1e6, 2),
        deletes=deletes,
        reasons=reasons,
        question=asked,
    )


def named_by(table: str, rules: Sequence[NameRule] = ()) -> NameRule | None:
    """Return the first rule about a table's name, those of a person before NAME_RULES, None where none fits."""
    return next((rule for rule in (*rules, *NAME_RULES) if fnmatch.fnmatchcase(table.lower(), rule.match)), None)


def _in_use(one: Standing, came: Arrival | None) -> str:
    """Return what says that a table is in use, though it is a left-over by its name, or ''."""
    if users := [name for name in one.users if named_by(name) is None]:
        return f"{users[0]} refers to it"
    return f"rows came to it in the last {LATELY.days} days" if came and came.lately else ""


def _strategy(table: Table, profiles: Mapping[tuple[str, str], Profile]) -> tuple[Strategy, str | None, str]:
    if not table.primary_key:
        return "full_table", None, "no primary key to merge by"
    if _by_float(table):
        return "full_table", None, "its key is a float, by which the servers' rows are not compared"
    incremental: Strategy = "chunked_incremental" if table.bytes >= CHUNKED_BYTES else "incremental"
    doubted = ""
    for column in cursor_candidates(table):
        profile = profiles.get((table.name, column.name))
        if table.rows < ENOUGH_ROWS and (profile is None or profile.rows < ENOUGH_ROWS) and not keeps_itself(column):
            few = "small" if table.rows else "empty"
            return "full_table", column.name, f"{few}; {column.name} would say what changed, by its name"
        doubt = doubt_of(column, profile)
        if doubt:
            doubted += f"; {column.name} is not trusted: {doubt}"
            continue
        kept = "by the server" if keeps_itself(column) else "by the application"
        if table.bytes < SMALL_BYTES:
            return "full_table", column.name, f"small; {column.name} would say what changed, kept {kept}"
        return incremental, column.name, f"{column.name} is kept {kept} on every change{doubted}"
    if hint(table.name).kind == "passing":
        return "full_table", None, f"its rows come and go, and no stamp says which{doubted}"
    # Whatever says that rows are edited, were it a stamp that is doubted, says that the key does not tell what is new.
    key, word = counting_key(table), says_added(table.name)
    if key and word and not edit_columns(table):
        if table.bytes < SMALL_BYTES:
            return "full_table", key.name, f"small; rows are only added, by its name ({word})"
        return incremental, key.name, f"rows are only added, by its name ({word}), so {key.name} says what is new"
    return "full_table", None, f"rows change, and no column says which{doubted}" if table.rows else "empty"


def _by_float(table: Table) -> bool:
    return any(column.parsed.base in FLOATS for column in table.columns if column.name in table.primary_key)


def _deletes(table: Table, tier: Tier, strategy: Strategy, came: Arrival | None) -> tuple[str | dict[str, str], str]:
    """Return what becomes of rows that are gone at the source, and why; '' where the whole table is mirrored anyway.

    The guard is never off, and what by its name keeps what happened is never mirrored: that is for a person to say.
    """
    if tier == "audit":
        return "ignore", "its rows stay; what is edited or gone at the source is noted in bulketl.audit_trail"
    if word := keeps(table.name):
        own = any(column.name == DELETED_AT for column in table.columns)
        if table.primary_key and not own and not _by_float(table):
            return "mark", f"its name says that it keeps what happened ({word}): what is gone at the source stays, marked"
        return {"guard": "0%"}, f"its name says that it keeps what happened ({word}): a load with fewer rows is an error"
    found = hint(table.name)
    if found.kind == "passing":
        gone = come_and_go(came)
        if gone and table.rows >= MANY_ROWS:
            return {"policy": "mirror", "guard": "50%"}, f"rows come and go, by its name ({found.word}), and {gone}"
        return "mirror", f"guard? rows come and go, by its name ({found.word}); still, more than 5 % gone is an error"
    if strategy != "full_table":
        return "mirror", "compared with the source every day; more than 5 % gone is an error"
    return "", ""


def _question(table: Table, against: str, why: str) -> str:
    """Return what a person should decide about a table whose name suggests what it was not proposed as, or ''."""
    found = hint(table.name)
    if found.kind == "record":
        if not against:
            return f"audit? its name says so ({found.word}) and its rows do, but it is {why}"
        return f"audit? its name says so ({found.word}), but {against}"
    if found.word in _KEPT_BY_SOME:
        return f"audit? only to keep each row for good, because its name says that rows come and go ({found.word})"
    return ""
