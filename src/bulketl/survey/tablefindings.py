"""What may be wrong with a table besides its rule: its deletes, its key, and the cursor by which it is loaded."""

from __future__ import annotations

import contextlib
import dataclasses

from bulketl.errors import PlanError
from bulketl.plan.enums import declared
from bulketl.plan.keeping import kept
from bulketl.survey.findings import Finding, FindingSeverity, Rule, Ruled, of_tables
from bulketl.survey.stamps import TRUSTED_SHARE, doubt_of
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Table
from bulketl.tables.evidence import edited, keeps_itself
from bulketl.tables.naming import says_edit
from bulketl.tables.types import MOMENTS, TARGET_TIMES


def audit_deletes(one: Ruled) -> Finding | None:
    """Tell that an audited table has a policy for deletes, which does nothing."""
    policy = one.rule.deletes.policy
    if one.rule.table_importance != "audit" or policy in (None, "ignore"):
        return None
    return one.finding(
        "warning", f"is of tier audit and has deletes: {policy}",
        "nothing is done to its rows: what is gone at the source is noted in bulketl.audit_trail",
        "take the policy out, or give it another tier",
    )  # fmt: skip


def audit_edited(one: Ruled) -> Finding | None:
    """Tell that rows of an audited table are edited at the source, and stay here as they were."""
    said = edited(one.table, one.seen.arrivals.get(one.table.name))
    if one.rule.table_importance != "audit" or not said:
        return None
    return one.finding(
        "warning", f"is of tier audit, and {said}",
        "its rows stay as they were first seen: edits never arrive, and what is gone stays; both are only noted",
        "give it another tier, with deletes: mark where its rows are to stay; keep audit if that is meant",
    )  # fmt: skip


def no_guard(one: Ruled) -> Finding | None:
    """Tell that all rows of a table may go without a word."""
    deletes = one.rule.deletes
    if one.rule.table_importance == "audit" or deletes.policy in ("ignore", "fail") or (deletes.guard or 0) < 1:
        return None
    return one.finding(
        "warning", f"has deletes: guard {deletes.guard:.0%}",
        "any share of its rows may go without a word, all of them too",
        "take the guard out (5 %), or name a share that a usual night does not exceed; "
        f"`load --allow-deletes {one.table.name}` lets more go once",
    )  # fmt: skip


def limited(one: Ruled) -> Finding | None:
    """Tell that a table is loaded in part."""
    if one.rule.limit is None:
        return None
    return one.finding(
        "note", f"has limit: {one.rule.limit:,}",
        "only so many of its rows are loaded, and those that others refer to; nothing compares it with the source",
        "take limit out of its rule where all rows are wanted",
    )  # fmt: skip


def low_threshold(one: Ruled) -> Finding | None:
    """Tell that more rows may be missing than need be."""
    threshold, proposed = one.rule.monitoring.data_quality_threshold, one.proposal.threshold
    lost = round(one.table.rows * (1 - threshold))
    if not lost or threshold >= proposed:
        return None
    why = "a load is complete or it is not" if proposed == 1 else "rows that come and go need no more"
    return one.finding(
        "warning", f"data_quality_threshold {threshold:g}", f"{lost:,} of its rows may be missing and nobody is told",
        f"{proposed:g}: {why}", {"monitoring.data_quality_threshold": proposed},
    )  # fmt: skip


def retention_by_no_time(one: Ruled) -> Finding | None:
    """Tell that the column by which retention goes holds no times, as it is loaded."""
    by = one.rule.retention.by if one.rule.retention else None
    column = next((column for column in one.table.columns if column.name == by), None)
    if column is None or one.table.name in one.seen.unloadable:
        return None
    made = cast(column, declared(one.seen.config, one.table, column))
    if made.target_type.base in TARGET_TIMES:
        return None
    return one.finding(
        "error", f"its retention goes by {by}, which is {made.target} in the target", "retention refuses it: no row leaves",
        "name a date or timestamp column under retention.by",
    )  # fmt: skip


def dependencies(one: Ruled) -> Finding | None:
    """Tell that a table waits for itself, or for what is not loaded."""
    config, there = one.seen.config, {table.name for table in one.seen.catalog}
    own = one.table.name in one.rule.dependencies
    unknown = [name for name in one.rule.dependencies if name not in there]
    left = [name for name in one.rule.dependencies if name in there and config.rule(name).exclude]
    if not (own or unknown or left):
        return None
    parts = ["itself"] * own + [f"{name}, which the source does not have" for name in unknown]
    parts += [f"{name}, which is excluded" for name in left]
    kept = [name for name in one.rule.dependencies if name not in {one.table.name, *unknown, *left}]
    return one.finding(
        "warning", f"its dependencies name {'; '.join(parts)}", "it waits for none of these",
        "correct the names, or take them out", {"dependencies": kept} if own and not (unknown or left) else None,
    )  # fmt: skip


def doubtful_key(one: Ruled) -> Finding | None:
    """Tell that a key may not be unique."""
    if not one.doubtful:
        return None
    return one.finding(
        "warning", f"no unique index of the source keeps its key {', '.join(one.key)} unique",
        "it can only be loaded whole, and fails when two rows have the same key",
        "create that index at the source, or take primary_key out of its rule",
    )  # fmt: skip


def whole_without_key(one: Ruled) -> Finding | None:
    """Tell that a table that is loaded whole has no key, unless it has no column either, which is an error of its own."""
    if one.by_changes or one.key or not any(one.rule.takes(column.name) for column in one.table.columns):
        return None
    then = "it can only be loaded whole; `bulketl verify` compares its rows by their content and repairs it as a whole"
    if one.table.primary_key:
        return one.finding("warning", one.keyless, then, "load that column too, or name another primary_key")
    return one.finding("note", one.keyless, then, _unique_hint(one.table))


def silent_deletes(one: Ruled) -> Finding | None:
    """Tell that nothing says what becomes of rows that are gone at the source."""
    deletes = one.rule.deletes
    said = deletes.policy is not None or deletes.every is not None
    if not one.by_changes or one.rule.table_importance == "audit" or said:
        return None
    return one.finding(
        "note", f"is {one.rule.extraction_strategy}, and nothing is said of its deletes",
        "rows that are gone at the source stay, and changes that touched no stamp are not seen",
        "deletes: mirror (or mark, fail), which compares it every day; or deletes: ignore when that is meant",
    )  # fmt: skip


def changes_without_key(one: Ruled) -> Finding | None:
    """Tell that a table cannot be loaded by its changes, because it has no key."""
    if not one.by_changes or one.key:
        return None
    mended = "or load that column too" if one.table.primary_key else _unique_hint(one.table)
    advice = f"write extraction_strategy: full_table; {mended}"
    return one.whole_instead(one.keyless, advice, {"extraction_strategy": "full_table"})


def changes_by_doubtful_key(one: Ruled) -> Finding | None:
    """Tell that a table cannot be loaded by its changes, because its key may not be unique."""
    if not one.by_changes or not one.doubtful:
        return None
    fix = {"extraction_strategy": "full_table"}
    return one.whole_instead("has a key that may not be unique", "write extraction_strategy: full_table", fix)


def no_cursor(one: Ruled) -> Finding | None:
    """Tell that a rule names no cursor, or one that the table has not."""
    if not one.keyed_changes or one.column is not None:
        return None
    named = one.rule.incremental_column
    what = "no incremental_column" if named is None else f"no column {named!r}"
    return one.whole_instead(f"has {what}", one.instead, one.better)


def key_as_cursor(one: Ruled) -> Finding | None:
    """Tell that the cursor is the key, which no edit moves, although the table has a stamp."""
    column = one.column
    if not one.keyed_changes or column is None or column.name not in one.table.primary_key:
        return None
    stamp = next((c.name for c in (*one.trusted, *one.stamps)), None)
    if stamp is None:
        return None
    return one.wrong_cursor(
        f"cursor {column.name} is the key, although {stamp} says what changed", "rows that are edited later never arrive"
    )


def cursor_of_no_time(one: Ruled) -> Finding | None:
    """Tell that the cursor holds no times."""
    column = one.cursor
    if column is None or column.parsed.base in MOMENTS:
        return None
    is_date = column.parsed.base == "date"
    kind = "a date, so a day's changes are one value" if is_date else f"{column.type}, not a time"
    return one.wrong_cursor(f"cursor {column.name} is {kind}", "changes are missed or read again and again")


def cursor_without_edits(one: Ruled) -> Finding | None:
    """Tell that the cursor does not move when a row is edited."""
    column = one.cursor
    if column is None or column.parsed.base not in MOMENTS or keeps_itself(column):
        return None
    then = "edited and back-dated rows " + ("arrive when it is compared, once a day" if one.compared else "never arrive")
    if stamp := next((c.name for c in one.trusted if keeps_itself(c)), None):
        return one.wrong_cursor(f"cursor {column.name} is not a stamp of changes, although {stamp} is one", then)
    if says_edit(column.name):
        return None
    better, stamps = one.proposal.cursor, [stamp.name for stamp in one.stamps]
    none = "the table has none"
    if better in stamps:
        none = f"{better} is a better one"
    elif stamps:
        none = f"{stamps[0]} cannot be trusted to be one"
    audited = one.rule.table_importance == "audit"  # whose rows stay as they were first seen
    severity: FindingSeverity = "warning" if one.compared or audited else "error"
    return one.wrong_cursor(f"cursor {column.name} is not a stamp of changes, and {none}", then, severity)


def cursor_zone(one: Ruled) -> Finding | None:
    """Tell that a cursor's values are written in another zone than the server shows."""
    column, config, catalog = one.cursor, one.seen.config, one.seen.catalog
    if column is None or column.parsed.base != "timestamp" or config.timestamp_zone in ("server", catalog.zone):
        return None
    return one.finding(
        "warning",
        f"cursor {column.name} is a TIMESTAMP written in {config.timestamp_zone}, and the server shows {catalog.zone}",
        "a watermark kept in one zone is compared in another", "leave timestamp_zone at server",
    )  # fmt: skip


def watermark_zone(one: Ruled) -> Finding | None:
    """Tell that the last load's watermark was written in another zone than the cursor has now."""
    column, config, state = one.cursor, one.seen.config, one.seen.states.get(one.table.name)
    mark = state.watermark if state else None
    if column is None or mark is None or column.parsed.base != "timestamp":
        return None
    now = f"timestamp in {config.zone(one.seen.catalog)}"
    if mark.column != column.name or not mark.type.startswith("timestamp") or mark.type == now:
        return None
    if one.table.name in one.seen.unloadable:  # as invalid_watermark: refuse says
        return None
    return one.finding(
        "warning",
        f"cursor {column.name} is a {now}, and the watermark {mark.value} of the last load is a {mark.type}",
        "the next load takes the whole table",
        "give the server its zone back; if the change is meant, load the table once with --full",
    )  # fmt: skip


def doubtful_cursor(one: Ruled) -> Finding | None:
    """Tell that the cursor's values cannot be trusted: rows are missed, or read again and again."""
    column = one.cursor
    profile = one.profile(column) if column else None
    doubt = doubt_of(column, profile) if column and profile and profile.rows else ""
    if column is None or profile is None or not doubt:
        return None
    message = f"cursor {column.name} cannot be trusted: {doubt}"
    if profile.missed > TRUSTED_SHARE * profile.rows:
        then = "edits of these rows " + ("arrive when it is compared, once a day" if one.compared else "never arrive")
        return one.wrong_cursor(message, then, "warning" if one.compared else "error")
    return one.wrong_cursor(message, "every load reads these rows again; none is missed", "warning")


def cursor_without_index(one: Ruled) -> Finding | None:
    """Tell that the source has to read the whole table to find what is new."""
    column = one.cursor
    if column is None or any(key.columns and key.columns[0] == column.name for key in one.table.keys):
        return None
    return one.finding(
        "note", f"cursor {column.name} has no index at the source",
        "each load reads the whole table there to find what is new",
        "create an index on it if you may; on a small table it does not matter",
    )  # fmt: skip


def not_kept(one: Ruled) -> Finding | None:
    """Tell what of the source's indexes and comments the rule keeps, and the target cannot have."""
    if not one.rule.keep:
        return None
    config, name = one.seen.config, one.table.name
    casts = []
    for column in one.table.columns:
        with contextlib.suppress(PlanError):  # which is an error of its own
            made = cast(column, declared(config, one.table, column))
            casts += [dataclasses.replace(made, name=config.target_name(name, column.name))] * one.rule.takes(column.name)
    found = kept(one.rule, one.table, casts, one.seen.catalog.version, one.seen.there.encoding if one.seen.there else "UTF8")
    plan = one.seen.there.plan if one.seen.there else None
    keys = [item for item in plan.references if item.table == name and item.why] if plan else []
    lost = (*found.lost, *(f"foreign key {item.name}: {item.why}" for item in keys))
    if not (lost or found.changed):
        return None
    return one.finding(
        "note", f"keeps {', '.join(one.rule.keep)}, and not all can be as at the source: "
        + "; ".join((*lost, *found.changed)),
        "the target is without what is named, or has it as is said",
        "nothing, where no query needs it; an index that you create in the target yourself stays",
    )  # fmt: skip


TABLE_RULES: tuple[Rule, ...] = (
    of_tables("audit deletes", audit_deletes),
    of_tables("audit edited", audit_edited),
    of_tables("no guard", no_guard),
    of_tables("limited", limited),
    of_tables("low threshold", low_threshold),
    of_tables("retention by no time", retention_by_no_time),
    of_tables("dependencies", dependencies),
    of_tables("doubtful key", doubtful_key),
    of_tables("whole without key", whole_without_key),
    of_tables("silent deletes", silent_deletes),
    of_tables("changes without key", changes_without_key),
    of_tables("changes by doubtful key", changes_by_doubtful_key),
    of_tables("no cursor", no_cursor),
    of_tables("key as cursor", key_as_cursor),
    of_tables("cursor of no time", cursor_of_no_time),
    of_tables("cursor without edits", cursor_without_edits),
    of_tables("cursor zone", cursor_zone),
    of_tables("watermark zone", watermark_zone),
    of_tables("doubtful cursor", doubtful_cursor),
    of_tables("cursor without index", cursor_without_index),
    of_tables("not kept", not_kept),
)


def _unique_hint(table: Table) -> str:
    """Return what a person can do about a table without a primary key."""
    required = {column.name for column in table.columns if not column.nullable}  # a hidden column is none of them
    known = next((key for key in table.keys if key.unique and required.issuperset(key.columns)), None)
    if known is None:
        return "a primary key at the source would let it be loaded by its changes"
    return f"primary_key: [{', '.join(known.columns)}] in its rule lets it be loaded by its changes"
