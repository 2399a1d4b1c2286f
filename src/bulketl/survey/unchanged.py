"""Which tables need not be read, because it is proved that they have not changed since they were loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.decision import due
from bulketl.plan.incremental import Choice
from bulketl.plan.plan import Skip
from bulketl.plan.planned_checks import looks_elsewhere
from bulketl.plan.publishing import differing
from bulketl.plan.specify import specify
from bulketl.rows.reconcile import Digest
from bulketl.tables.casts import unhashed
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.partitions import Bound, row_bytes
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

HASHED_BYTES = 1 << 20  # more are read about as fast as hashed on both servers


def unchanged(
    config: Config,
    catalog: Catalog,
    known: Mapping[str, Choice],
    counted: Callable[[Sequence[str]], Mapping[str, int]],
) -> tuple[Catalog, tuple[Skip, ...]]:
    """Return the catalogue without the tables that need not be loaded, and these with the proof.

    The proof: the server says that no row was changed since the rows were read that are in the target, the table would be
    loaded in the same way, and the target, asked by `counted`, has as many rows as it was left with.
    """
    likely = [t for t in catalog if _still(config, catalog, t, known[t.name])]
    counts = counted([table.name for table in likely])
    proved = {
        table.name: f"not changed at the source since {table.changed_at},"
        f" and its {count_of(counts[table.name], 'row', 'is')} there"
        for table in likely
        if (state := known[table.name].state) and counts.get(table.name) == state.rows
    }
    return _without(config, catalog, proved, "the source's time of change")


def alike(
    config: Config,
    catalog: Catalog,
    known: Mapping[str, Choice],
    bounds: Mapping[str, Bound],
    hashed: Callable[[Sequence[TableSpec]], tuple[Mapping[str, Digest], Mapping[str, Digest]]],
) -> tuple[Catalog, tuple[Skip, ...]]:
    """Return the catalogue without the small tables whose rows are the same on both servers, and these with the proof.

    Asked are tables that are loaded whole, up to HASHED_BYTES, of InnoDB, where a SELECT keeps nobody from writing, and
    without checks, for what these find is to be told in every load. The proof: `hashed`, which gives rows and hashes of the
    source and of the target, is the same of both, and the table would be loaded in the same way. Where the server tells when
    a table was changed it is not asked, nor for a load whose certificate needs the figures of all tables.
    """
    likely: list[TableSpec] = []
    for table in catalog if not config.certify else ():
        bound, state = bounds.get(table.name), known[table.name].state
        if table.limit or table.changed_at or table.engine != "InnoDB" or not bound or bound.error or not bound.counted:
            continue
        rule = config.rule(table.name)
        if rule.extraction_strategy != "full_table" or rule.checks or bound.rows * row_bytes(table) > HASHED_BYTES:
            continue
        spec = _again(config, catalog, table, known[table.name])
        if spec and state and _way(state.evidence) == _way(spec.evidence) and not (spec.audit or unhashed(spec.casts)):
            likely.append(spec)
    ours, theirs = hashed(likely) if likely else ({}, {})
    proved = {
        name: f"its {count_of(found[0], 'row', 'is')} the same on both servers, by a hash of each"
        for name, found in ours.items()
        if theirs.get(name) == found
    }
    return _without(config, catalog, proved, "equal hashes on both servers")


def _without(config: Config, catalog: Catalog, proved: Mapping[str, str], proof: str) -> tuple[Catalog, tuple[Skip, ...]]:
    left = tuple(table for table in catalog if table.name not in proved)
    skips = tuple(Skip(name, config.rule(name).table_importance, why, proof) for name, why in proved.items())
    return dataclasses.replace(catalog, tables=left), skips


def _still(config: Config, catalog: Catalog, table: Table, choice: Choice) -> bool:
    """Tell whether the server's time of change says that the table is as it was loaded."""
    state = choice.state
    if (
        table.where
        or table.limit
        or not table.changed_at
        or state is None
        or not state.evidence.startswith(f"{table.changed_at} ")
    ):
        return False
    spec, rule = _again(config, catalog, table, choice), config.rule(table.name)
    if spec is None or spec.evidence != state.evidence:
        return False
    return rule.extraction_strategy == "full_table" or not due(rule, spec, state)


def _way(evidence: str) -> str:
    """Return the part of it that says how the table is loaded."""
    return evidence.rpartition(" ")[2]


def _again(config: Config, catalog: Catalog, table: Table, choice: Choice) -> TableSpec | None:
    """Return how the table would be loaded, if the target has it so; None where a check looks beyond the table too."""
    state, existing = choice.state, choice.existing
    if state is None or existing is None or not existing.ours or state.source != catalog.identity:
        return None
    if looks_elsewhere(config.rule(table.name)):
        return None
    try:
        spec = specify(config, catalog, table, Choice(state, existing, None, choice.encoding, choice.types, choice.taken))
    except PlanError:
        return None
    if spec.withheld:  # which is told in every load
        return None
    found = differing(spec, existing, state)
    kept = state.kept if config.dropped_columns == "keep" else ()
    same = not (found.added or found.widened or found.changed or set(found.dropped).difference(kept))
    spec = dataclasses.replace(spec, partitioned=existing.partitioned)
    return spec if same and existing.primary_key == spec.target_key else None
