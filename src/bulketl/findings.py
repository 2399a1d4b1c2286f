"""What `validate` finds: where the rules and the servers disagree, what happens if nobody cares, and the fix.

Values in, findings out; nothing is opened. An error is something that loses rows or stops a table, a warning something
that costs or misleads, a note something to know.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bulketl.casts import cast, narrower, parse_type
from bulketl.catalog import Catalog, Column, Table, TargetTable
from bulketl.classify import Profile, Proposal, doubt_of, keeps_itself, says_edit
from bulketl.config import Config
from bulketl.leftovers import NAMED, line
from bulketl.plan import Leftover, Refusal
from bulketl.rules import TableRule
from bulketl.watermark import State

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


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
) -> tuple[Finding, ...]:
    """Return every finding, errors first, then by table.

    `proposals` and `profiles` are of the source as it is now; `target` is None when there is no target to look at;
    `refused` is what a load would refuse, `states` what the target knows of earlier loads.
    """
    tables = {table.name: table for table in catalog}
    found = [Finding(item.table, "error", item.message, "it is not loaded", item.hint) for item in refused]
    if config.not_yet:
        found.append(_kept("bulketl.yaml", config.not_yet))
    if "new_tables" in config.model_fields_set and config.new_tables == "report" and config.known is None:
        found.append(
            Finding("bulketl.yaml", "warning", "new_tables: report, and no catalog.json beside the rules says which are new",
                    "a new table is loaded whole, as tier reference", "run `bulketl discover --write`, which notes them")
        )  # fmt: skip
    for name, rule in config.tables.items():
        if name in tables:
            if not rule.exclude:
                found += _table(config, tables[name], rule, catalog, proposals[name], profiles, (states or {}).get(name))
        else:
            meant = [other for other in tables.keys() - config.tables.keys() if other.lower() == name.lower()]
            meant = meant or difflib.get_close_matches(name, tables.keys() - config.tables.keys(), n=1)
            hint = f"; did you mean {meant[0]!r}?" if meant else ""
            then = f"it is not loaded{f', and {meant[0]!r} is without what the rule says' if meant else ''}"
            found.append(
                Finding(name, "warning", "is not in the source, or this user may not read it", then,
                        f"correct its name (case counts), grant SELECT, or take its rule out{hint}")
            )  # fmt: skip
    for name in tables.keys() - config.tables.keys() if config.tables or config.known is not None else ():
        what, then = "is in the source and has no rule", "it is loaded whole, as tier reference"
        if config.waits(name):
            what, then = "is new in the source and has no rule", "it is not loaded"
        found.append(Finding(name, "note", what, then, "run `bulketl discover --write` to add it"))
    unloadable = {item.table for item in refused}
    for table in catalog:
        if table.name not in unloadable and not config.rule(table.name).exclude and not config.waits(table.name):
            found += _columns(config, table, (target or {}).get(table.name))
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.table)))


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
            schema, "warning", f"in schema {schema} are things of no run on record: {names}",
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
    if rule.table_importance == "audit" and rule.deletes.policy not in (None, "ignore"):
        yield Finding(
            table.name, "warning", f"is of tier audit and has deletes: {rule.deletes.policy}",
            "nothing is done to its rows: what is gone at the source is noted in bulketl.audit_trail",
            "take the policy out, or give it another tier",
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
    yield from _cursor(config, table, column, catalog, instead, better, profiles.get((table.name, column.name)), state)


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
    profile: Profile | None,
    state: State | None,
) -> Iterator[Finding]:
    base = parse_type(column.type).base
    if column.name in table.primary_key:
        stamp = next((c.name for c in table.columns if keeps_itself(c)), None)
        if stamp:
            yield Finding(
                table.name, "error", f"cursor {column.name} is the key, although {stamp} says what changed",
                "rows that are edited later never arrive", instead, better,
            )  # fmt: skip
        return
    if base not in ("timestamp", "datetime"):
        kind = "a date, so a day's changes are one value" if base == "date" else f"{column.type}, not a time"
        yield Finding(
            table.name, "error", f"cursor {column.name} is {kind}", "changes are missed or read again and again",
            instead, better,
        )  # fmt: skip
    elif not keeps_itself(column):
        stamp = next((c.name for c in table.columns if keeps_itself(c)), None)
        if stamp:
            yield Finding(
                table.name, "error", f"cursor {column.name} is no stamp of changes, although {stamp} is one",
                "edited and back-dated rows never arrive", instead, better,
            )  # fmt: skip
        elif not says_edit(column.name):
            yield Finding(
                table.name, "error", f"cursor {column.name} is no stamp of changes, and the table has none",
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
    if parse_type(column.type).base != "timestamp":
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
