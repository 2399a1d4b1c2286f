"""Which columns of a table are masked and how; what strict masking withholds; and what another key or mask means for it.

A mask is refused where it would break what a load lives by. Rows are found, cut into ranges and read again by the source's
keys and cursors, whose values stand in the plan and the ledger: so these stay as they are, but for a key of a table that is
always replaced as a whole, which may be a pseudonym. What a table was masked with is on record with its state: by the
fingerprint of the key, and by a hash of its masks. Other masks have it loaded whole; another key is refused until a person
asks for all of it, for a key that is only mistaken must not change every pseudonym overnight.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal

from bulketl.config.config import Config
from bulketl.config.masks import MaskEntry
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError, runbook
from bulketl.plan.plan import TableLoad
from bulketl.tables.casts import TARGETS, Cast, Masked, held_type
from bulketl.tables.catalog import Catalog, Table, TargetTable
from bulketl.tables.checks import ON_TABLE
from bulketl.tables.cursor import State
from bulketl.tables.maskkey import HOW, fingerprint
from bulketl.tables.masks import GENERAL, RULE_OF, Kind, Mask
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import TARGET_INTEGERS

_NO_KEY = "-"  # in place of a fingerprint where no mask of the table needs the key
_STRICT = "masking: strict"
_HINT = "correct its mask in tables.yaml"


def masked_columns(rule: TableRule) -> frozenset[str]:
    """Return the columns that a rule masks: all but those it says to keep."""
    return frozenset(column for column, entry in rule.mask.items() if entry.method != "keep")


def withheld(config: Config, table: Table, rule: TableRule) -> tuple[str, ...]:
    """Return the columns that strict masking leaves out: new at the source since the rules were written, in no mask.

    Raise PlanError when nobody noted what the source had then.
    """
    if config.masking != "strict":
        return ()
    known = config.known_columns.get(table.name)
    unclassified = [c.name for c in table.columns if rule.takes(c.name) and c.name not in rule.mask]
    if known is None and unclassified:
        raise PlanError(
            f"table {table.name!r} has columns that nobody has classified, and with {_STRICT} none of them is loaded",
            hint="`bulketl discover --write` notes the columns there are; or name each under mask, with keep for what is "
            "not personal",
        )
    return tuple(column for column in unclassified if known is not None and column not in known)


def unclassified(columns: Sequence[str]) -> list[str]:
    """Return a line for each column that is withheld, as a plan tells of columns that changed."""
    return [f"? {column}: withheld, nobody has said whether it is personal" for column in columns]


def masked(config: Config, catalog: Catalog, table: Table, casts: Sequence[Cast], left: Sequence[str]) -> tuple[Cast, ...]:
    """Return the columns as they are written, of which some are masked; `left`: columns that are not loaded.

    Raise PlanError with everything that is wrong with the table's masks.
    """
    rule = config.rule(table.name)
    if not rule.mask:
        return tuple(casts)
    by_name, wrong = {item.column: item for item in casts}, list[str]()
    made = dict[str, Cast]()
    for column, entry in rule.mask.items():
        if (item := by_name.get(column)) is None:
            if not entry.optional and rule.takes(column) and column not in left:
                wrong.append(f"mask.{column}: the source has no such column; MySQL's spelling and case count")
        elif entry.method != "keep":
            mask, why = _fitting(catalog, item, entry, by_name)
            wrong += [f"mask.{column}: {why}"] if why else []
            made[column] = _applied(item, mask)
    wrong += [f"mask.{column}: {why}" for column in made if (why := _needed(rule, table, column))]
    wrong += _checked(rule, made)
    if wrong:
        raise PlanError(f"table {table.name!r} cannot be masked so: {'; '.join(wrong)}", hint=_HINT)
    if not config.mask_key and (keyed := [name for name, item in made.items() if item.masked and item.masked.mask.keyed]):
        raise PlanError(f"table {table.name!r} masks {', '.join(keyed)} by a key, and there is no mask key", hint=HOW)
    return tuple(made.get(item.column, item) for item in casts)


def unread(
    config: Config, catalog: Catalog, table: Table, casts: Sequence[Cast], left: Sequence[str], existing: TargetTable | None
) -> tuple[Cast, ...]:
    """Return the columns that only the target has and that must not be seen, with their masks.

    Those that the source has no longer and a pattern masks, and those that strict masking withholds, `left`.
    """
    if existing is None or config.dropped_columns != "keep":
        return ()
    rule, there = config.rule(table.name), dict(existing.columns)
    gone = {column for column in masked_columns(rule) if rule.takes(column)} - {*(item.column for item in casts), *left}
    found = []
    for column in (*sorted(gone), *left):
        (name,) = config.target_names(table.name, [column])
        if target := there.get(name):
            item = Cast(column, "", target, "", "", "", nullable=True, guarded=False, name=name)
            entry = rule.mask[column] if column in gone else MaskEntry(method="null")
            known = held_type(target)[0] in TARGETS
            mask = _fitting(catalog, item, entry, {})[0] if known else entry.mask
            found.append(dataclasses.replace(item, masked=Masked(mask, target, "")))
    return tuple(found)


def kind_of(item: Cast) -> Kind:
    """Return the kind of a column's values, as the methods take them."""
    base = item.target_type.base
    if base in ("text", "varchar"):
        return "text"
    if base in TARGET_INTEGERS or (base == "numeric" and not item.wire.startswith("decimal")):
        return "integer"
    if base == "numeric":
        return "decimal"
    if base in ("date", "timestamp", "timestamptz"):
        return "date"
    return "bytes" if base in ("bytea", "uuid") else "other"


def _fitting(catalog: Catalog, item: Cast, entry: MaskEntry, casts: Mapping[str, Cast]) -> tuple[Mask, str]:
    """Return the mask of a column, and why it cannot be, or ''."""
    mask, kind, rule = entry.mask, kind_of(item), RULE_OF[entry.method]
    if kind not in rule.takes:
        others = ", ".join(name for name, one in RULE_OF.items() if kind in one.takes and name != "keep")
        return mask, f"{entry.method} takes no {item.target}; for it there are {others}"
    if entry.method == "generalise":
        fitting = GENERAL[kind]
        if entry.to not in (None, fitting):
            return mask, f"a {item.target} is generalised to: {fitting}, and not to {entry.to}"
        return dataclasses.replace(mask, to=fitting, year=catalog.year if fitting == "year" else 0), ""
    if entry.method == "shift":
        if (by := casts.get(entry.by)) is None:
            return mask, f"by: {entry.by} is not a column that is loaded"
        if kind_of(by) not in ("integer", "text", "bytes"):
            return mask, f"by: {entry.by} is {by.target}, and an owner is told by a number or a text"
    if entry.method == "constant" and (why := _unfit(item, mask.value)):
        return mask, f"{mask.value!r} is not a value of it: {why}"
    return mask, ""


def _unfit(item: Cast, value: str) -> str:
    """Return why a text is no constant of a column, or ''."""
    base, sizes = item.target_type.base, item.target_type.sizes
    try:
        match kind_of(item):
            case "text":
                return f"it has more than {count_of(sizes[0], 'character')}" if sizes and len(value) > sizes[0] else ""
            case "integer":
                number, bits = int(value), int("".join(filter(str.isdigit, item.wire)))
                least, most = (0, 1 << bits) if item.wire.startswith("u") else (-1 << (bits - 1), 1 << (bits - 1))
                fitting = least <= number < most
            case "decimal":
                exact = Decimal(value).scaleb(sizes[1])
                fitting = exact == exact.to_integral_value() and abs(exact) < Decimal(10) ** sizes[0]
            case _:
                fitting = bool(dt.date.fromisoformat(value) if base == "date" else dt.datetime.fromisoformat(value))
    except (ValueError, ArithmeticError):
        fitting = False
    return "" if fitting else f"it is not a valid {item.target}"


def _applied(item: Cast, mask: Mask) -> Cast:
    """Return the column with the types that it has once it is masked."""
    target, wire = item.target, item.wire
    if mask.method == "hmac" and kind_of(item) == "integer":
        target, wire = "bigint", "int64"
    elif mask.method in ("hmac", "partial", "fake") or mask.to == "zip":
        target, wire = "text", "string"
    return dataclasses.replace(item, target=target, wire=wire, masked=Masked(mask, item.target, item.wire))


def _needed(rule: TableRule, table: Table, column: str) -> str:
    """Return why a column of the table cannot be masked for what it is needed for, or ''."""
    for what, columns in (
        ("the cursor, which tells in the ledger how far the table is loaded", (rule.incremental_column,)),
        ("what the table is cut into ranges by, whose ends stand in the plan", (rule.partition_by,)),
        ("what retention goes by", (rule.retention.by,) if rule.retention else ()),
        ("read again by its value", rule.reread.columns if rule.reread else ()),
    ):
        if column in columns:
            return f"it is {what}"
    key = rule.primary_key or table.primary_key
    if column not in key:
        return ""
    if rule.mask[column].method != "hmac":
        return "it is part of the primary key, of which only hmac leaves as many values as there are rows"
    if rule.extraction_strategy != "full_table":
        return f"it is part of the primary key, by which rows of {rule.extraction_strategy} tables are found at the source"
    if rule.table_importance == "audit" or rule.retention or rule.deletes.policy not in (None, "mirror"):
        return "it is part of the primary key, by which rows that must stay are found at the source"
    return "" if rule.consistency != "re-read" else "it is part of the primary key, by which rows are read again"


def _checked(rule: TableRule, made: Mapping[str, Cast]) -> list[str]:
    """Return the checks on the table as a whole that would look at masked values and find something else."""
    wrong = []
    for check in rule.all_checks:
        for column in check.columns if check.kind in ON_TABLE else ():
            item = made.get(column)
            same = item and item.masked and item.masked.mask.method == "hmac" and check.kind in ("unique", "foreign_key")
            if item and not same:
                wrong.append(f"checks ({check.label}): it looks at the rows in the target, where {column} is masked")
    return wrong


def masking_of(config: Config, casts: Sequence[Cast]) -> str:
    """Return what a table is masked with: the key's fingerprint, a hash of its masks, and their year; '' without masks.

    A column that the source has no longer counts as before, for its values stay in the target.
    """
    masks = [(item.column, item.masked.mask) for item in casts if item.masked]
    if not masks:
        return ""
    key = fingerprint(config.mask_key) if any(mask.keyed for _, mask in masks) else _NO_KEY
    year = max(mask.year for _, mask in masks)
    lasting = sorted((column, repr(dataclasses.replace(mask, year=0))) for column, mask in masks)
    found = f"{key} {hashlib.sha256(repr(lasting).encode()).hexdigest()[:16]}"
    return f"{found} {year}" if year else found


def aged(spec: TableSpec, state: State | None) -> bool:
    """Tell whether a table was masked as it is now, but in an earlier year, in which other dates were too long ago."""
    if state is None:
        return False
    (*before, year), (*now, this) = (text.split(" ") for text in (state.masking, spec.masking))
    return before == now and len(now) == 2 and int(year) < int(this)


def remasked(spec: TableSpec, state: State | None) -> str:
    """Return why all rows of a table that is loaded are to be masked anew, '' where none are."""
    if state is None or not state.source or _as_before(spec, state):
        return ""
    return "its masks are other ones than those it was loaded with"


def _as_before(spec: TableSpec, state: State | None) -> bool:
    """Tell whether the rows that are there are masked as the rules say, but for years; nobody knows without a state."""
    return spec.masking == state.masking or aged(spec, state) if state else not spec.masking


def forgotten(spec: TableSpec, state: State | None) -> tuple[Cast, ...]:
    """Return the columns that only the target has and whose values are not as they should be, with what is made of these.

    NULL of unmasked ones, for only the source could tell what a mask makes of them; years of too long ago a later one.
    """
    if _as_before(spec, state):
        return tuple(item for item in spec.unread if item.masked and item.masked.mask.to == "year" and aged(spec, state))
    return tuple(dataclasses.replace(item, masked=Masked(Mask("null"), item.target, "")) for item in spec.unread)


def hold_masks(spec: TableSpec, state: State | None, existing: TargetTable | None, *, full: bool) -> None:
    """Raise PlanError when a table was masked with another key or other masks, and that cannot be mended by this load.

    `full`: a person asks for all of it, which is how a new key is brought in.
    """
    if _as_before(spec, state):
        return
    known = state is not None and state.source  # else it is loaded for the first time, or was reset
    rows = state.rows if known and state else existing.rows if existing else 0
    if (spec.audit and known) or ((spec.audit or spec.deletes != "mirror") and rows != 0):
        why = "is of tier audit" if spec.audit else f"has deletes: {spec.deletes}"
        how = "they were masked otherwise or not at all" if known else "nobody knows how they were masked, if at all"
        names = ", ".join(item.name for item in spec.unread)
        alone = f", or of it these columns, which are not read any more: {names}" if names else ""
        raise PlanError(
            f"table {spec.table!r} {why}, so rows that are there stay, and {how}",
            hint=f"keep the masks and the key that it was loaded with; or drop it in the target when you are sure{alone}, "
            f"`bulketl state reset {spec.table}`, and load it anew",
        )
    before, now = (text.partition(" ")[0] for text in (state.masking if known and state else "", spec.masking))
    if before != now and {before, now}.isdisjoint({"", _NO_KEY}) and not full:
        raise PlanError(
            f"table {spec.table!r} was masked with another key: its pseudonyms would change, and no longer join with "
            "values that were masked before",
            hint="set the old key again; or, to bring in the new one, load all masked tables with --full; "
            + runbook("rotate-mask-key"),
        )


def agreeing(spec: TableSpec, state: State | None) -> None:
    """Raise PlanError when single rows would be masked otherwise than those that are there."""
    if aged(spec, state):
        raise PlanError(
            f"table {spec.table!r} was loaded in another year, and other dates are too long ago to be shown now",
            hint=f"load it first: `bulketl load --tables {spec.table}`",
        )
    if remasked(spec, state):
        raise PlanError(
            f"table {spec.table!r} was loaded with another mask key or other masks than are set now",
            hint=f"set the key it was loaded with; or load it whole: `bulketl load --tables {spec.table} --full`",
        )


def unspooled(load: TableLoad) -> None:
    """Raise PlanError for a table with masks that would pass through a file of this machine, unmasked."""
    if not (load.spec.masked and load.streamed):
        return
    passing = "it is so large that it would pass through a file of this machine before it is masked"
    if load.spec.consistency == "snapshot":
        raise PlanError(
            f"table {load.spec.table!r} has masks and consistency: snapshot, which reads it in few pieces, and {passing}",
            hint="write consistency: locked or re-read in its rule; or name its masked columns under exclude_columns",
        )
    raise PlanError(
        f"table {load.spec.table!r} has masks, and no unmasked key to cut it by: {passing}",
        hint="name a column with an index, of none of its masks, under partition_by; or name its masked columns under "
        "exclude_columns",
    )


def cuttable(config: Config, table: Table) -> Table:
    """Return the table without the keys of masked columns: it is never cut by one, for the ends of ranges are on record."""
    secret = masked_columns(config.rule(table.name))
    if secret.isdisjoint({column for key in table.keys for column in key.columns}):
        return table
    keys = tuple(key for key in table.keys if secret.isdisjoint(key.columns))
    return dataclasses.replace(table, keys=keys)
