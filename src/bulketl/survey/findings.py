"""What `validate` finds: where the rules and the servers disagree, what happens if nobody cares, and the fix.

Values in, findings out; nothing is opened. An error is something that loses rows or stops a table, a warning something
that costs or misleads, a note something to know.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from bulketl.config.config import Config
from bulketl.config.rules import TableRule
from bulketl.plan.leftout import left_out, told
from bulketl.plan.plan import Leftover, Refusal
from bulketl.plan.stale import NAMED, line
from bulketl.survey.proposals import Proposal, cursor_candidates, doubt_of
from bulketl.tables.casts import cast, narrower
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.evidence import Arrival, edited, keeps_itself
from bulketl.tables.measured import Profile
from bulketl.tables.naming import says_edit
from bulketl.tables.types import MOMENTS

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
# Engines of base tables that keep no rows of their own.
ELSEWHERE = {
    "BLACKHOLE": "it keeps no rows",
    "CONNECT": "its rows are those of a file or of another server",
    "FEDERATED": "its rows are those of another server",
    "MRG_MYISAM": "its rows are those of other tables",
    "SPIDER": "its rows are those of other servers",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: what is, what happens if it is ignored, what to do.

    `fix` maps keys of the table's rule to the values that mend it; empty when a person has to decide.
    """

    table: str
    severity: Severity
    message: str
    otherwise: str
    advice: str
    fix: Mapping[str, object] = field(default_factory=dict)


def examine(
    config: Config,
    catalog: Catalog,
    proposals: Mapping[str, Proposal],
    profiles: Mapping[tuple[str, str], Profile],
    target: Mapping[str, TargetTable] | None,
    refused: Sequence[Refusal] = (),
    states: Mapping[str, State] | None = None,
    arrivals: Mapping[str, Arrival] | None = None,
) -> tuple[Finding, ...]:
    """Return every finding, errors first, then by table.

    `proposals`, `profiles` and `arrivals` are of the source as it is now; `target` is None when there is no target to look
    at; `refused` is what a load would refuse, `states` what the target knows of earlier loads.
    """
    tables = {table.name: table for table in catalog}
    found = [Finding(item.table, "error", item.message, "it is not loaded", item.hint) for item in refused]
    found += _not_taken(config, catalog)
    unloadable = {item.table for item in refused}
    if config.not_yet:
        found.append(_kept("bulketl.yaml", config.not_yet))
    if "new_tables" in config.model_fields_set and config.new_tables == "report" and config.known is None:
        found.append(
            Finding("bulketl.yaml", "warning", "new_tables: report, and no catalog.json beside the rules says which are new",
                    "a new table is loaded whole, as tier reference", "run `bulketl discover --write`, which notes them")
        )  # fmt: skip
    found += _misnamed(config, tables.keys(), unloadable)
    for name, rule in config.tables.items():
        if name in tables and not rule.exclude:
            found += _kept_rows(tables[name], rule, (arrivals or {}).get(name))
            found += _table(config, tables[name], rule, catalog, proposals[name], profiles, (states or {}).get(name))
    for name in tables.keys() - config.tables.keys() if config.tables or config.known is not None else ():
        what, then = "is in the source and has no rule", "it is loaded whole, as tier reference"
        if config.waits(name):
            what, then = "is new in the source and has no rule", "it is not loaded"
        found.append(Finding(name, "note", what, then, "run `bulketl discover --write` to add it"))
    for table in catalog:
        if table.name not in unloadable and not config.rule(table.name).exclude and not config.waits(table.name):
            found += _columns(config, table, (target or {}).get(table.name))
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.table)))


def _misnamed(config: Config, there: Set[str], known: Set[str]) -> Iterator[Finding]:
    """Yield the rules whose table the source has not, but for those of `known`, of which more is said elsewhere."""
    others = there - config.tables.keys()
    for name, rule in config.tables.items():
        if rule.exclude or name in there | known:
            continue
        meant = [other for other in others if other.lower() == name.lower()]
        meant = meant or difflib.get_close_matches(name, others, n=1)
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        then = f"it is not loaded{f', and {meant[0]!r} is without what the rule says' if meant else ''}"
        yield Finding(
            name, "warning", "is not in the source, although this user could see it there", then,
            f"correct its name (case counts), write exclude: true for it, or take its rule out{hint}",
        )  # fmt: skip


def _kept_rows(table: Table, rule: TableRule, came: Arrival | None) -> Iterator[Finding]:
    """Yield where rows of the target stay, or go, without anybody being told what became of them at the source."""
    audit = rule.table_importance == "audit"
    if audit and rule.deletes.policy not in (None, "ignore"):
        yield Finding(
            table.name, "warning", f"is of tier audit and has deletes: {rule.deletes.policy}",
            "nothing is done to its rows: what is gone at the source is noted in bulketl.audit_trail",
            "take the policy out, or give it another tier",
        )  # fmt: skip
    if audit and (said := edited(table, came)):
        yield Finding(
            table.name, "warning", f"is of tier audit, and {said}",
            "its rows stay as they were first seen: edits never arrive, and what is gone stays; both are only noted",
            "give it another tier, with deletes: mark where its rows are to stay; keep audit if that is meant",
        )  # fmt: skip
    if not audit and rule.deletes.policy not in ("ignore", "fail") and (rule.deletes.guard or 0) >= 1:
        yield Finding(
            table.name, "warning", f"has deletes: guard {rule.deletes.guard:.0%}",
            "any share of its rows may go without a word, all of them too",
            "take the guard out (5 %), or name a share that a usual night does not exceed; "
            f"`load --allow-deletes {table.name}` lets more go once",
        )  # fmt: skip


def _not_taken(config: Config, catalog: Catalog) -> Iterator[Finding]:
    """Yield what is left to know of the source: what no load takes, loaded tables that are gone, rows of elsewhere."""
    if left := left_out(config, catalog):
        yield Finding(
            catalog.identity, "note", f"has what is no base table: {told(left)}", "a load takes none of it",
            "name a view in tables.yaml to have it loaded as a table, or write exclude: true for it to hear no more of it",
        )  # fmt: skip
    for item in catalog.absent:
        if item.gone and item.column is None and item.table not in config.tables:
            yield Finding(
                item.table, "note", "is gone from the source", "the target keeps the rows of its last load",
                "drop it there and forget it with `bulketl state reset`, or write exclude: true for it",
            )  # fmt: skip
    for table in catalog:
        if (elsewhere := ELSEWHERE.get(table.engine.upper())) and not config.rule(table.name).exclude:
            yield Finding(
                table.name, "note", f"is of engine {table.engine}, and {elsewhere}", "what is read through it is loaded",
                "write exclude: true for it when that is not meant",
            )  # fmt: skip


def stale(schema: str, left: Sequence[Leftover]) -> Iterator[Finding]:
    """Yield that tables which bulketl made are no longer loaded, if there are some."""
    if left:
        yield Finding(
            schema, "warning", line(schema, left), "whoever reads them sees the rows of that day, and nothing says so",
            "take exclude out of their rules to load them again, or drop them in the target",
        )  # fmt: skip


def outside(schema: str, found: Sequence[str]) -> Iterator[Finding]:
    """Yield that somebody put things into bulketl's own staging schema, if there are some."""
    if found:
        names = ", ".join(found[:NAMED]) + (" …" if len(found) > NAMED else "")
        yield Finding(
            schema, "warning", f"schema {schema} holds things that no run on record made: {names}",
            "they stay as they are, and a table of such a name cannot be staged", "move them elsewhere, or drop them",
        )  # fmt: skip


def _table(
    config: Config,
    table: Table,
    rule: TableRule,
    catalog: Catalog,
    proposal: Proposal,
    profiles: Mapping[tuple[str, str], Profile],
    state: State | None,
) -> Iterator[Finding]:
    threshold = rule.monitoring.data_quality_threshold
    lost = round(table.rows * (1 - threshold))
    if lost and threshold < proposal.threshold:
        why = "a load is complete or it is not" if proposal.threshold == 1 else "rows that come and go need no more"
        yield Finding(
            table.name, "warning", f"data_quality_threshold {threshold:g}",
            f"{lost:,} of its rows may be missing and nobody is told", f"{proposal.threshold:g}: {why}",
            {"monitoring.data_quality_threshold": proposal.threshold},
        )  # fmt: skip
    key = rule.primary_key or table.primary_key
    doubtful = bool(key) and {c.name for c in table.columns}.issuperset(key) and not table.keeps_unique(key)
    if doubtful:
        yield Finding(
            table.name, "warning", f"no unique index of the source keeps its key {', '.join(key)} unique",
            "it can only be loaded whole, and fails when two rows have the same key",
            "create that index at the source, or take primary_key out of its rule",
        )  # fmt: skip
    if rule.extraction_strategy == "full_table":
        if not key:
            yield Finding(
                table.name, "note", "has no primary key",
                "it can only be loaded whole; `bulketl verify` compares its rows by their content and repairs it as a whole",
                _unique_hint(table),
            )  # fmt: skip
        return
    if rule.table_importance != "audit" and rule.deletes.policy is None and rule.deletes.every is None:
        yield Finding(
            table.name, "note", f"is {rule.extraction_strategy}, and nothing is said of its deletes",
            "rows that are gone at the source stay, and changes that touched no stamp are not seen",
            "deletes: mirror (or mark, fail), which compares it every day; or deletes: ignore when that is meant",
        )  # fmt: skip
    better: dict[str, object] = {
        "extraction_strategy": proposal.strategy if proposal.cursor else "full_table",
        "incremental_column": proposal.cursor,
    }
    whole = proposal.strategy == "full_table"
    keys = "extraction_strategy: full_table" if whole else f"incremental_column: {proposal.cursor}"
    instead = f"{keys} ({proposal.reasons['extraction_strategy']})"
    if not (rule.primary_key or table.primary_key):
        yield Finding(
            table.name, "error", f"is {rule.extraction_strategy} and has no primary key",
            "it can only be loaded whole, each time", f"load it whole; {_unique_hint(table)}",
            {"extraction_strategy": "full_table"},
        )  # fmt: skip
        return
    if doubtful:
        yield Finding(
            table.name, "error", f"is {rule.extraction_strategy} by a key that may not be unique",
            "it can only be loaded whole, each time", "load it whole", {"extraction_strategy": "full_table"},
        )  # fmt: skip
        return
    column = next((c for c in table.columns if c.name == rule.incremental_column), None)
    if column is None:
        what = "no incremental_column" if rule.incremental_column is None else f"no column {rule.incremental_column!r}"
        yield Finding(
            table.name, "error", f"is {rule.extraction_strategy} and has {what}", "nothing says which rows are new",
            instead, better,
        )  # fmt: skip
        return
    yield from _cursor(config, table, column, catalog, instead, better, profiles, state)


def _unique_hint(table: Table) -> str:
    """Return what a person can do about a table without a primary key."""
    known = next((key for key in table.keys if key.unique and key.whole), None)
    if known is None or any(table.column(column).nullable for column in known.columns):
        return "a primary key at the source would let it be loaded by its changes"
    return f"primary_key: [{', '.join(known.columns)}] in its rule lets it be loaded by its changes"


def _cursor(
    config: Config,
    table: Table,
    column: Column,
    catalog: Catalog,
    instead: str,
    better: Mapping[str, object],
    profiles: Mapping[tuple[str, str], Profile],
    state: State | None,
) -> Iterator[Finding]:
    profile = profiles.get((table.name, column.name))
    base = column.parsed.base
    # A stamp that is not to be trusted says that rows are edited, and is no remedy.
    stamps = [c for c in cursor_candidates(table) if c.name != column.name]
    trusted = [c for c in stamps if not doubt_of(c, profiles.get((table.name, c.name)))]
    stamp = next((c.name for c in trusted if keeps_itself(c)), None)
    if column.name in table.primary_key:
        told = next((c.name for c in (*trusted, *stamps)), None)
        if told:
            yield Finding(
                table.name, "error", f"cursor {column.name} is the key, although {told} says what changed",
                "rows that are edited later never arrive", instead, better,
            )  # fmt: skip
        return
    if base not in MOMENTS:
        kind = "a date, so a day's changes are one value" if base == "date" else f"{column.type}, not a time"
        yield Finding(
            table.name, "error", f"cursor {column.name} is {kind}", "changes are missed or read again and again",
            instead, better,
        )  # fmt: skip
    elif not keeps_itself(column):
        if stamp:
            yield Finding(
                table.name, "error", f"cursor {column.name} is no stamp of changes, although {stamp} is one",
                "edited and back-dated rows never arrive", instead, better,
            )  # fmt: skip
        elif not says_edit(column.name):
            none = "and the table has none" if not stamps else f"and {stamps[0].name} cannot be trusted to be one"
            yield Finding(
                table.name, "error", f"cursor {column.name} is no stamp of changes, {none}",
                "edited and back-dated rows never arrive", instead, better,
            )  # fmt: skip
    yield from _zones(config, table, column, catalog, state)
    doubt = doubt_of(column, profile) if profile else ""
    if doubt:
        yield Finding(
            table.name, "error", f"cursor {column.name} cannot be trusted: {doubt}",
            "the watermark runs ahead of the data, or never moves", instead, better,
        )  # fmt: skip
    if not any(key.columns and key.columns[0] == column.name for key in table.keys):
        yield Finding(
            table.name, "note", f"cursor {column.name} has no index at the source",
            "each load reads the whole table there to find what is new",
            "create an index on it if you may; on a small table it does not matter",
        )  # fmt: skip


def _zones(config: Config, table: Table, column: Column, catalog: Catalog, state: State | None) -> Iterator[Finding]:
    """Yield the zones in which a cursor's values are told, where they are not one."""
    if column.parsed.base != "timestamp":
        return
    if config.timestamp_zone not in ("server", catalog.zone):
        yield Finding(
            table.name, "warning",
            f"cursor {column.name} is a TIMESTAMP written in {config.timestamp_zone}, and the server shows {catalog.zone}",
            "a watermark kept in one zone is compared in another", "leave timestamp_zone at server",
        )  # fmt: skip
    mark, now = state.watermark if state else None, f"timestamp in {config.zone(catalog)}"
    if mark and mark.column == column.name and mark.type.startswith("timestamp") and mark.type != now:
        refuse = config.invalid_watermark == "refuse"
        yield Finding(
            table.name, "error" if refuse else "warning",
            f"cursor {column.name} is a {now}, and the watermark {mark.value} of the last load is a {mark.type}",
            "it is not loaded, as invalid_watermark: refuse says" if refuse else "the next load takes the whole table",
            "give the server its zone back; if the change is meant, load the table once with --full",
        )  # fmt: skip


def _kept(where: str, keys: Sequence[str]) -> Finding:
    return Finding(
        where, "warning", f"{', '.join(keys)} is kept for a later version",
        "nothing is done about it in this one", "leave it, or take it out",
    )  # fmt: skip


def _columns(config: Config, table: Table, existing: TargetTable | None) -> Iterator[Finding]:
    """Yield the columns of a table that can be loaded for which the target has no room."""
    excluded = config.rule(table.name).exclude_columns
    there = dict(existing.columns) if existing else {}
    for column in table.columns:
        if column.name not in there or column.name in excluded:
            continue
        made = cast(column, config.declared_type(table, column))
        if narrower(there[column.name], made.target):
            yield Finding(
                table.name, "warning",
                f"column {column.name} is {there[column.name]} in the target and needs {made.target}",
                "a load alters it, or builds the table anew",
                f"ALTER TABLE … ALTER COLUMN … TYPE {made.target} yourself to keep what hangs on it",
            )  # fmt: skip
