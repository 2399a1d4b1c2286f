"""Whose a table in the target is: bulketl does not touch a table that it did not make, until a person says so.

Values in, values out. A table is bulketl's if the ledger has it under its name and its oid. bulketl refuses any other
table that is in the way, and says what it is and what the ways out are. A table that is given to bulketl, by its rule or
for one load, is loaded whole into a second table, and the delete guard compares the two. bulketl also refuses a table
that came from another source: loading two sources into one schema, or a test system into the clinic's, would replace the
tables of one by those of the other.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from bulketl.config.config import Config
from bulketl.errors import PlanError, runbook
from bulketl.plan.calling import check_apart
from bulketl.plan.incremental import Choice, another_source
from bulketl.plan.plan import Skip, TableLoad
from bulketl.plan.selection import Selection
from bulketl.tables.catalog import Catalog, Table, TargetTable
from bulketl.tables.measured import Known
from bulketl.tables.owner import WORDS, Owner
from bulketl.tables.partitions import Partition
from bulketl.tables.patterns import matches
from bulketl.tables.printable import count_of
from bulketl.tables.spec import Adopt, TableSpec, cut

LEGACY = "a migration is configured and bulketl did not make the table"
PROMOTE = "`bulketl migrate promote` takes it over"
TABLES = ("table", "partitioned table")  # kinds that can be given to bulketl: rows can be written into them


def given(config: Config, existing: TargetTable, selection: Selection) -> Adopt:
    """Return by what a table that bulketl did not make is given to it, '' when it is ours or nobody said so."""
    if existing.ours or existing.kind not in TABLES:
        return ""
    if matches(existing.name, selection.adopt):
        return "option"
    return "rule" if config.rule(existing.name).adopt else ""


def owner_of(config: Config, known: Known, table: str) -> Owner:
    """Return who serves a table of the target schema: as it is on record, else as `left_to_others` says."""
    if owned := known.owners.get(table):
        return owned.owner
    existing = known.existing.get(table)
    return "legacy" if config.migration and existing is not None and not existing.ours else "bulketl"


def left_to_others(config: Config, catalog: Catalog, known: Known, selection: Selection) -> tuple[Catalog, tuple[Skip, ...]]:
    """Return the catalogue without the tables that an older pipeline serves, and those, which this load passes over.

    It serves what is on record as its own. Where a migration is configured, so it does every table that bulketl did not make
    and that nobody gave to it.
    """
    skipped = []
    for table in catalog:
        existing, owned = known.existing.get(table.name), known.owners.get(table.name)
        if existing and given(config, existing, selection) and not owned:
            continue
        owner = owner_of(config, known, table.name)
        if owner == "bulketl":
            continue
        since = f"since {owned.at:%Y-%m-%d %H:%M} ({owned.by}: {owned.reason})" if owned else f"as {LEGACY}"
        reason = f"{WORDS[owner]}, {since}; {PROMOTE}"
        skipped.append(Skip(table.name, config.rule(table.name).table_importance, reason))
    others = {item.table for item in skipped}
    return dataclasses.replace(catalog, tables=tuple(t for t in catalog if t.name not in others)), tuple(skipped)


def check(config: Config, catalog: Catalog, table: Table, choice: Choice, selection: Selection) -> None:
    """Raise PlanError when what has the table's name in the target is not bulketl's to write, or of another source."""
    existing, state = choice.existing, choice.state
    check_apart(config, table)
    if choice.former:
        _movable(table, choice)
    if existing is None:
        return
    if not existing.ours and not given(config, existing, selection):
        raise strange(config.target_schema, existing)
    if state and state.source not in ("", catalog.identity):
        raise another_source(table.name, state, catalog.identity)
    if state and state.source and (was := state.taken.table or table.name) != table.origin:
        raise PlanError(
            f"table {table.name!r} has the rows of the source's table {was!r}, and the rules give {table.origin!r} its name",
            hint=f"give {table.origin!r} another target_name; or `bulketl state reset {table.name}` when it is the same "
            "table, renamed at the source, or its rows may go",
        )


def _movable(table: Table, choice: Choice) -> None:
    """Raise PlanError for a table that gets another name in the target, and whose records have to stay with its rows."""
    record = choice.former_state
    if record and (record.audited or record.retained):
        why = "it is audited, and its chain is" if record.audited else "rows left it by its retention, and that is"
        raise PlanError(
            f"table {table.origin!r} was loaded as {choice.former!r} until now, and its rule names it {table.name!r}: {why} "
            "on record under the name that it has",
            hint=f"write target_name: {choice.former} again; or `bulketl state reset {choice.former}` when all of it may "
            "begin anew under the new name",
        )


def with_ownership(load: TableLoad, config: Config, target: Mapping[str, TargetTable], selection: Selection) -> TableLoad:
    """Return the load with what a worker needs to write only to what is bulketl's, and to adopt what is given to it."""
    existing = target.get(load.spec.table)
    spec = dataclasses.replace(load.spec, key_name=_key_name(load.spec, target, existing))
    adopt = given(config, existing, selection) if existing else ""
    if existing is None or not adopt:
        return dataclasses.replace(load, spec=spec)
    # Its rows are counted and compared when they are replaced: what the state says is of another table, or of a copy.
    spec = dataclasses.replace(spec, adopt=adopt, oid=existing.oid, person=selection.person, rows=None)
    how = "--adopt says" if adopt == "option" else "its rule says"
    reason = f"{load.reason}; adopted, as {how}: bulketl did not make it"
    return dataclasses.replace(load, spec=spec, reason=reason, partitions=load.partitions or (Partition(0),))


def _key_name(spec: TableSpec, target: Mapping[str, TargetTable], existing: TargetTable | None) -> str:
    """Return a free name for the index of a key that is built, '' when the usual one is free: a renamed table keeps it."""
    if spec.publish not in ("create", "swap") or not spec.key:
        return ""
    usual = cut(f"{spec.table}_pkey")
    if usual not in target or (existing and existing.key_name == usual):
        return ""
    return next(name for n in itertools.count(1) if (name := cut(f"{spec.table}_pkey{n}")) not in target)


def strange(schema: str, existing: TargetTable) -> PlanError:
    """Return the error of a name in the target that something has which bulketl did not make."""
    name, made = existing.name, existing.made
    if existing.kind not in TABLES:
        kind = with_article(existing.kind)
        return PlanError(
            f"table {name!r} cannot be in schema {schema!r}: {kind}{_of(existing)} has its name there",
            hint="rename or drop it, or load into another schema with --schema, or write exclude: true to leave the table "
            f"out; only a table can be adopted, not {kind}",
        )
    if made is None:
        what = f"no record says that bulketl made the {existing.kind} of that name in schema {schema!r}"
        more = book = ""
    else:
        what = (
            f"the {existing.kind} of that name in schema {schema!r} is not the one on record: it has oid {existing.oid}, "
            f"and that of run {made.run} at {made.at} had oid {made.oid}. It was made anew or renamed into place, or the "
            "database was restored"
        )
        more = "; after a restore `bulketl load --adopt '*'` takes its tables back, each loaded as its rule says"
        book = f"; {runbook('new-target')}"
    return PlanError(
        f"table {name!r} is somebody else's: {what}{_of(existing)}",
        hint=f"if the source's rows may take its place, write adopt: true in its rule in tables.yaml, or load it once with "
        f"--adopt {name}{more}; else rename it, or load into another schema with --schema{book}",
    )


def unknown(option: str, names: Sequence[str], catalog: Catalog) -> PlanError | None:
    """Return the error of a pattern of an option that fits no table of the source."""
    tables = [table.name for table in catalog]
    wrong = next((pattern for pattern in names if not any(matches(table, [pattern]) for table in tables)), None)
    if wrong is None:
        return None
    return PlanError(
        f"{option} names {wrong!r}, and {catalog.identity} has no such table",
        hint="check the spelling (case counts); '*' is every table",
    )


def _of(existing: TargetTable) -> str:
    rows = "" if existing.rows is None else count_of(existing.rows, "row")
    told = [part for part in (rows, f"owner {existing.owner}" if existing.owner else "") if part]
    return f" ({', '.join(told)})" if told else ""


def with_article(kind: str) -> str:
    """Return what something is with its article: a view, an index."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
