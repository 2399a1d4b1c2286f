"""What `discover` proposes for each table, and why: tier, strategy, cursor column, sizes; from values, opening nothing.

Names say what a table is for, its size what it costs, references what depends on it, and a stamp that the server itself
keeps says what changed. The rules about names are data: NAME_RULES here, and the user's own, which come first. A name alone
never costs rows: what it suggests and values do not confirm is a question to a person, beside the rule that is safe. Every
choice carries its reason, because a person has to be able to argue with it.
"""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulketl.config.settings import NameRule
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.evidence import (
    COUNTING,
    Arrival,
    against_audit,
    come_and_go,
    counting_key,
    edit_columns,
    keeps_itself,
)
from bulketl.tables.measured import Profile
from bulketl.tables.naming import hint, keeps, says_added, says_edit
from bulketl.tables.partitions import rows_per_partition
from bulketl.tables.printable import brief
from bulketl.tables.spec import DELETED_AT, Strategy, Tier
from bulketl.tables.types import FLOATS, MOMENTS

LARGE_SHARE = 0.04  # of the database's rows or bytes: a table that large is critical, whatever its name
GROWTH_SHARE = 0.10  # of the rows that come or change in a day: so is a table that has this number of them,
GROWTH_ROWS = 100  # if they are not fewer than this
HUB_SHARE = 0.10  # of the tables: one to which that share refers is critical
SMALL_BYTES = 1 << 20  # below, reading the whole table costs less than asking what changed
CHUNKED_BYTES = 1 << 30  # above, a catch-up is done in chunks
TRUSTED_SHARE = 0.5  # a cursor column may be NULL, a sentinel or to come in at most this share of the rows looked at
MANY_ROWS = 100  # of a table whose rows come and go: of fewer, 20 may go without a guard of their own
_KEPT_BY_SOME = ("session", "sessions", "token", "tokens", "instance", "instances")

_BY_NAME: tuple[tuple[str, dict[str, object]], ...] = (
    ("tmp* temp temp[_0-9]* tempimage*", {"exclude": True, "why": "a left-over by its name"}),
    ("*_bak *_bak_* *_backup *_backup_* *_old", {"exclude": True, "why": "a backup copy by its name"}),
    (
        "*def *type *types *pref *prefs *preference *settings *category *categories",
        {"tier": "reference", "why": "a list of values by its name"},
    ),
    (
        "*code *codes *codesystem country countries county state stateabbr zip* language* currency",
        {"tier": "reference", "why": "codes or places by its name"},
    ),
)
NAME_RULES = tuple(NameRule.model_validate({"match": g, **rule}) for globs, rule in _BY_NAME for g in globs.split())

_TEXTS = frozenset({"char", "varchar", "binary", "uuid"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """What discover would write for a table; `reasons` has one for each choice a person may want to argue with.

    `question`: what a person should decide, because the name suggests what the values do not confirm; '' for nothing.
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

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, tier=self.tier, strategy=self.strategy, cursor=self.cursor)

    @property
    def alert(self) -> bool:
        """Whether its failure is worth waking somebody."""
        return self.tier in ("critical", "important")

    def to_rule(self) -> dict[str, object]:
        """Return the proposal in the layout of tables.yaml."""
        rule: dict[str, object] = {
            "table_importance": self.tier,
            "extraction_strategy": self.strategy,
            "incremental_column": self.cursor,
            "batch_size": self.batch_size,
            "estimated_rows": self.rows,
            "estimated_size_mb": self.megabytes,
            "is_modeled": self.alert,
            "dependencies": list(self.dependencies),
            "monitoring": {
                "alert_on_failure": self.alert,
                "max_extraction_time_minutes": self.minutes,
                "data_quality_threshold": self.threshold,
            },
        }
        if self.deletes:
            rule["deletes"] = self.deletes
        return {**rule, "exclude": True} if self.exclude else rule

    def to_json(self) -> dict[str, object]:
        """Return the rule, with the table's name, the reasons and the question, as plain values."""
        return {**self.to_rule(), "table": self.table, "reasons": dict(self.reasons), "question": self.question}


def cursor_candidates(table: Table) -> tuple[Column, ...]:
    """Return the columns that may say how new a row is, best first; which of them can be trusted, a Profile tells.

    A stamp that the server keeps (ON UPDATE CURRENT_TIMESTAMP) comes before one that the application keeps, an indexed
    one before one that is not. Dates of the business (of birth, of service) are none, nor is text.
    """
    indexed = {key.columns[0] for key in table.keys if key.columns}

    def rank(column: Column) -> tuple[bool, bool, int]:
        return (not keeps_itself(column), column.name not in indexed, -table.columns.index(column))

    found = [c for c in table.columns if c.parsed.base in MOMENTS and (keeps_itself(c) or says_edit(c.name))]
    return tuple(sorted(found, key=rank))


def classify(
    catalog: Catalog,
    profiles: Mapping[tuple[str, str], Profile],
    rules: Sequence[NameRule] = (),
    arrivals: Mapping[str, Arrival] | None = None,
) -> tuple[Proposal, ...]:
    """Return a proposal for every table of the catalogue, in its order.

    `profiles` is keyed by table and column, for the candidates of `cursor_candidates`; a missing one is not trusted
    unless the server keeps the stamp. `rules` are the user's and come before NAME_RULES. `arrivals`: how the newest rows of
    tables came; without that none is proposed as audit.
    """
    references = infer_references(catalog)
    used = Counter(target for targets in references.values() for target in targets)
    rows, size = sum(table.rows for table in catalog), sum(table.bytes for table in catalog)
    hubs = {name for name, count in used.items() if count >= max(3, HUB_SHARE * len(catalog.tables))}
    graph = _Graph(references, used, hubs)
    dependencies = _acyclic(references)
    growth = _growth(catalog, profiles)
    proposals = []
    for table in catalog:
        named = next((rule for rule in (*rules, *NAME_RULES) if fnmatch.fnmatchcase(table.name.lower(), rule.match)), None)
        share = max(table.rows / max(rows, 1), table.bytes / max(size, 1)) if table.rows else 0.0
        large = f"{share:.0%} of the database" if share >= LARGE_SHARE else growth.get(table.name, "")
        came = (arrivals or {}).get(table.name)
        theirs = named is not None and named.tier is not None and named not in NAME_RULES
        record = hint(table.name)
        against = against_audit(table, came) if record.kind == "record" else ""
        audit = f"a record of what happened: its name says so ({record.word}), and its rows came in the order of their key"
        tier, why = _tier(table, named, large, graph, audit if record.kind == "record" and not against else "")
        strategy, cursor, how = _strategy(table, profiles)
        exclude = named is not None and named.exclude
        reasons = {"table_importance": why, "extraction_strategy": how}
        if exclude and named:
            reasons["exclude"] = named.why
        deletes, looked_for = ("", "") if exclude else _deletes(table, tier, strategy, came)
        if deletes:
            reasons["deletes"] = looked_for
        listed = named is not None and named.tier == "reference"
        asked = "" if exclude or theirs or listed or tier == "audit" else _question(table, against, f"{why}: {tier}")
        proposals.append(
            Proposal(
                table=table.name,
                tier=tier,
                strategy=strategy,
                cursor=cursor,
                exclude=exclude,
                batch_size=rows_per_partition(table),
                minutes=min(180, max(5, math.ceil(table.bytes / 10e6))),
                threshold=0.99 if record.kind == "passing" else 1.0,
                dependencies=dependencies[table.name],
                rows=table.rows,
                megabytes=round(table.bytes / 1e6, 2),
                deletes=deletes,
                reasons=reasons,
                question=asked,
            )
        )
    return tuple(proposals)


def _growth(catalog: Catalog, profiles: Mapping[tuple[str, str], Profile]) -> dict[str, str]:
    """Return the tables that have most of the rows that come or change, each with that in words."""
    found = {t.name: next((p for c in cursor_candidates(t) if (p := profiles.get((t.name, c.name)))), None) for t in catalog}
    rates = {name: profile.per_day for name, profile in found.items() if profile}
    total = sum(rates.values())
    return {
        name: f"about {rate:,.0f} rows a day, {rate / total:.0%} of all that come or change"
        for name, rate in rates.items()
        if rate >= GROWTH_ROWS and rate >= GROWTH_SHARE * total
    }


@dataclass(frozen=True, slots=True)
class _Graph:
    """Which tables each refers to, how many refer to it, and those that many refer to."""

    references: Mapping[str, frozenset[str]]
    used: Mapping[str, int]
    hubs: set[str]


def _tier(table: Table, named: NameRule | None, large: str, graph: _Graph, audit: str) -> tuple[Tier, str]:
    references, used, hubs = graph.references[table.name], graph.used.get(table.name, 0), graph.hubs
    if named and named.tier and (named.tier == "reference" or named not in NAME_RULES):
        return named.tier, named.why
    if named and named.exclude:
        return "reference", named.why
    if large:
        return "critical", large
    if table.name in hubs:
        return "critical", f"{used} tables refer to it"
    if audit:
        return "audit", audit
    if references & hubs:
        return "important", f"belongs to {', '.join(sorted(references & hubs)[:3])}"
    if len(references) >= 2:
        return "important", f"ties {', '.join(sorted(references)[:3])} together"
    if used:
        return "important", f"{used} tables refer to it"
    if cursor_candidates(table):
        return "important", "has a stamp of its changes, so somebody edits it"
    return "reference", "nothing refers to it, and it refers to nothing that changes"


def _strategy(table: Table, profiles: Mapping[tuple[str, str], Profile]) -> tuple[Strategy, str | None, str]:
    if not table.primary_key:
        return "full_table", None, "no primary key to merge by"
    if _by_float(table):
        return "full_table", None, "its key is a float, by which the servers' rows are not compared"
    incremental: Strategy = "chunked_incremental" if table.bytes >= CHUNKED_BYTES else "incremental"
    doubted = ""
    for column in cursor_candidates(table):
        doubt = doubt_of(column, profiles.get((table.name, column.name)))
        if doubt:
            doubted += f"; {column.name} is not trusted: {doubt}"
            continue
        kept = "by the server" if keeps_itself(column) else "by the application"
        if table.bytes < SMALL_BYTES:
            return "full_table", column.name, f"small; {column.name} would say what changed, kept {kept}"
        return incremental, column.name, f"{column.name} is kept {kept} on every change{doubted}"
    if hint(table.name).kind == "passing":
        return "full_table", None, "its rows come and go, and no stamp says which"
    # Whatever says that rows are edited, were it a stamp that is doubted, says that the key does not tell what is new.
    key, word = counting_key(table), says_added(table.name)
    if key and word and not edit_columns(table):
        if table.bytes < SMALL_BYTES:
            return "full_table", key.name, f"small; rows are only added, by its name ({word})"
        return incremental, key.name, f"rows are only added, by its name ({word}), so {key.name} says what is new"
    return "full_table", None, f"rows change, and no column says which{doubted}" if table.rows else "empty"


def _by_float(table: Table) -> bool:
    return any(table.column(name).parsed.base in FLOATS for name in table.primary_key)


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
        return f"audit? only to keep each row for good, for its name says that rows come and go ({found.word})"
    return ""


def doubt_of(column: Column, profile: Profile | None) -> str:
    """Return why a column is not to be trusted as a cursor, or ''.

    A share of odd values decides, never one: a load leaves values to come out of its watermark, and reads rows without a
    stamp each time, so a few cost nothing.
    """
    if profile is None or profile.rows == 0:
        return "" if keeps_itself(column) else "nothing is known of its values"
    odd = {
        f"{profile.future} of {profile.rows} values lie in the future": profile.future,
        f"{profile.nulls} of {profile.rows} are NULL": profile.nulls,
        f"{profile.sentinels} of {profile.rows} are sentinels like 0001-01-01": profile.sentinels,
    }
    if sum(odd.values()) <= TRUSTED_SHARE * profile.rows:
        return ""
    return ", ".join(text for text, count in odd.items() if count)


def infer_references(catalog: Catalog) -> dict[str, frozenset[str]]:
    """Return the tables each table refers to: by declared foreign keys, and by the names of columns.

    By name: a column called like the single-column primary key of another table (`PatNum`), or `<table>_id` where that
    table, or its plural, has the key `id`. Where several tables have the same key, it is that of the one that counts it up.
    """
    owners: dict[str, str] = {}
    for table in sorted(catalog, key=lambda t: (not _counts_up(t), -t.rows)):
        if len(table.primary_key) == 1 and table.primary_key[0].lower() != "id":
            owners.setdefault(table.primary_key[0], table.name)
    ids = {t.name.lower(): t.name for t in catalog if tuple(c.lower() for c in t.primary_key) == ("id",)}
    found: dict[str, frozenset[str]] = {}
    for table in catalog:
        targets = set(table.references)
        for column in table.columns:
            if column.parsed.base not in COUNTING | _TEXTS:
                continue
            owner = owners.get(column.name)
            stem = column.name.lower().removesuffix("_id")
            if owner is None and column.name.lower().endswith("_id"):
                owner = next((ids[n] for n in (stem, stem + "s", stem + "es", stem[:-1] + "ies") if n in ids), None)
            if owner is not None:
                targets.add(owner)
        found[table.name] = frozenset(targets - {table.name})
    return found


def _counts_up(table: Table) -> bool:
    return any("auto_increment" in c.extra.lower() for c in table.columns if c.name in table.primary_key)


def _acyclic(references: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """Return the references without those that close a circle, so that an order of loading exists."""
    done: dict[str, tuple[str, ...]] = {}

    def visit(name: str, path: frozenset[str]) -> None:
        kept = []
        for target in sorted(references.get(name, ())):
            if target in path:
                continue
            if target not in done:
                visit(target, path | {target})
            kept.append(target)
        done[name] = tuple(kept)

    for name in references:
        if name not in done:
            visit(name, frozenset({name}))
    return done
