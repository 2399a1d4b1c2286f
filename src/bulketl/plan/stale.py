"""Tables that bulketl made and no longer loads: they stay in the target, and become outdated.

Values in, values out. A reader of such a table sees the rows of the day on which it was last loaded, and nothing in the
table says so; a column that is masked since then is there unmasked. A load, a plan or a validation of some tables only
leaves no table behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bulketl.config.config import Config
from bulketl.plan import partial
from bulketl.plan.masking import masked_columns
from bulketl.plan.plan import Leftover, Plan
from bulketl.plan.referring import missing
from bulketl.tables.catalog import Catalog, TargetTable
from bulketl.tables.cursor import State

NAMED = 8  # tables that a line names; beyond, they are counted


def leftovers(
    config: Config,
    catalog: Catalog,
    target: Mapping[str, TargetTable],
    states: Mapping[str, State],
    loaded: Mapping[str, str],
    told: Collection[str] = (),
) -> tuple[Leftover, ...]:
    """Return the tables of this source that are bulketl's and that a load of all tables leaves as they are, by name.

    `catalog` is the whole source; `loaded` says when each was loaded last. Those in `told` are told of
    elsewhere, but for what they have unmasked.
    """
    names = {table.name for table in catalog}
    hidden = {item.table for item in catalog.absent if item.column is None and not item.gone}  # refused, not left behind
    found, called = [], {table.origin: table.name for table in catalog}
    for name, existing in sorted(target.items()):
        source = states[name].source if name in states else ""
        if not existing.ours or existing.made is None:
            continue
        origin = (name in states and states[name].taken.table) or name
        now = called.get(origin, name) if name not in names else name  # it may have another name now, and its rule with it
        secret = config.target_names(now, sorted(masked_columns(config.rule(now))))
        masked = name in states and states[name].masking
        unmasked = () if masked else tuple(column for column in secret if column in dict(existing.columns))
        if name in told and not unmasked:
            continue
        if (source or existing.made.source) != catalog.identity:
            continue
        if now != name:
            reason = f"named {now} now"
        elif config.rule(name).exclude:
            reason = "excluded"
        elif config.waits(name):
            reason = "not in the rules"
        elif name not in names | hidden:
            reason = "gone at the source"
        else:
            continue
        found.append(Leftover(name, reason, loaded.get(name, ""), unmasked))
    return tuple(found)


def line(schema: str, found: Sequence[Leftover]) -> str:
    """Return in one line which tables are left behind, and why."""
    shown = ", ".join(_word(item) for item in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    what = "table" if len(found) == 1 else "tables"
    verbs = ("is", "grows") if len(found) == 1 else ("are", "grow")
    return f"{len(found)} {what} in schema {schema} {verbs[0]} no longer loaded and {verbs[1]} stale: {shown}{more}"


def notes(plan: Plan) -> list[str]:
    """Return what is to be said first of a plan: tables that it adopts, parts, tables left behind, keys that it lacks."""
    adopted = [load.spec.table for load in plan.loads if load.spec.adopt]
    more = f" and {len(adopted) - NAMED} more" if len(adopted) > NAMED else ""
    what = "table that bulketl did not make is" if len(adopted) == 1 else "tables that bulketl did not make are"
    told = [f"{len(adopted)} {what} adopted: {', '.join(adopted[:NAMED])}{more}"] if adopted else []
    parts = {load.spec.table: load.spec.part for load in plan.loads if load.spec.part}
    told += [partial.line(plan.schema, parts)] if parts else []
    lost = [text] if (text := missing(plan.references)) else []
    return told + ([line(plan.schema, plan.leftovers)] if plan.leftovers else []) + lost


def _word(item: Leftover) -> str:
    loaded = f", last loaded {item.loaded}" if item.loaded else ""
    unmasked = f", with {', '.join(item.unmasked)} unmasked" if item.unmasked else ""
    return f"{item.table} ({item.reason}{loaded}{unmasked})"
