"""What may be wrong with the configuration as a whole, and with the source."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence

from bulketl.config.tables import TableRule
from bulketl.config.templates import idle
from bulketl.plan.leftout import left_out, told
from bulketl.survey.findings import Finding, Rule, Seen
from bulketl.tables.catalog import Table
from bulketl.tables.patterns import matches
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TIERS

# Engines of base tables that keep no rows of their own.
ELSEWHERE = {
    "BLACKHOLE": "it keeps no rows",
    "CONNECT": "its rows are those of a file or of another server",
    "FEDERATED": "its rows are those of another server",
    "MRG_MYISAM": "its rows are those of other tables",
    "SPIDER": "its rows are those of other servers",
}


def no_tables(seen: Seen) -> Iterator[Finding]:
    """Yield that the source has things that no load takes, like views."""
    if left := left_out(seen.config, seen.catalog):
        yield Finding(
            seen.catalog.identity, "note", f"has what is not a base table: {told(left)}", "a load takes none of it",
            "name a view in tables.yaml to have it loaded as a table, or write exclude: true for it to hear no more of it",
        )  # fmt: skip


def gone_tables(seen: Seen) -> Iterator[Finding]:
    """Yield tables that were loaded, and that the source has no longer."""
    for item in seen.catalog.absent:
        if item.gone and item.column is None and item.table not in seen.config.tables:
            yield Finding(
                item.table, "note", "is gone from the source", "the target keeps the rows of its last load",
                "drop it there and forget it with `bulketl state reset`, or write exclude: true for it",
            )  # fmt: skip


def elsewhere(seen: Seen) -> Iterator[Finding]:
    """Yield tables whose rows are kept elsewhere."""
    for table in seen.catalog:
        if (where := ELSEWHERE.get(table.engine.upper())) and not seen.config.rule(table.name).exclude:
            yield Finding(
                table.name, "note", f"is of engine {table.engine}, and {where}", "what is read through it is loaded",
                "write exclude: true for it when that is not meant",
            )  # fmt: skip


def delivered(seen: Seen) -> Iterator[Finding]:
    """Yield reports that are to go somewhere: a load takes none of them there."""
    for name in seen.config.reports.sent if seen.config.reports else ():
        yield Finding(
            "bulketl.yaml", "note", f"reports.{name} goes where it says by `bulketl report {name} --deliver`",
            "no load makes it, so without that command nobody has it", "have a scheduler run it, as docs/reports.md shows",
        )  # fmt: skip


def idle_templates(seen: Seen) -> Iterator[Finding]:
    """Yield files in the folder of the user's templates that no report takes."""
    for one in idle(seen.config):
        yield Finding(
            "bulketl.yaml", "warning" if one.misspelt else "note", f"reports.templates: {one.what}",
            "reports are as if it were not there", one.advice,
        )  # fmt: skip


def unheard(seen: Seen) -> Iterator[Finding]:
    """Yield that tables ask for alerts and nobody is told of them."""
    alerts = seen.config.alerts
    asking = [
        rule.table_importance
        for rule in seen.config.tables.values()
        if rule.monitoring.alert_on_failure and not rule.exclude and (alerts is None or not alerts.to(rule.table_importance))
    ]
    if asking:
        tiers = ", ".join(tier for tier in TIERS if tier in asking)
        why = "no alerts are set" if alerts is None else f"no channel is set for their tier ({tiers})"
        yield Finding(
            "bulketl.yaml", "note", f"has {count_of(len(asking), 'table')} with alert_on_failure: true, and {why}",
            "nobody hears when one of them fails", "name a channel under alerts: docs/alerts.md shows how",
        )  # fmt: skip


def not_here(seen: Seen) -> Iterator[Finding]:
    """Yield what bulketl.yaml names and this machine has not."""
    for text, then, advice in seen.not_here:
        yield Finding("bulketl.yaml", "error", text, then, advice)


def in_the_open(seen: Seen) -> Iterator[Finding]:
    """Yield that rows go to or come from another machine without TLS, if they do."""
    for line in seen.lines:
        if line.open:
            yield Finding(
                line.identity, "warning", f"the {line.side} is another machine, and the line to it has no TLS",
                "whoever is on the way reads every row, and may alter it",
                f"add ssl-mode=verify-full and ssl-ca to the URI in BULKETL_{line.side.upper()}",
            )  # fmt: skip


def new_unknown(seen: Seen) -> Iterator[Finding]:
    """Yield that new tables are to be reported, and nothing says which are new."""
    config = seen.config
    if "new_tables" in config.model_fields_set and config.new_tables == "report" and config.known is None:
        yield Finding(
            "bulketl.yaml", "warning", "new_tables: report, and no catalog.json beside the rules says which are new",
            "a new table is loaded whole, as tier reference", "run `bulketl discover --write`, which notes them",
        )  # fmt: skip


def misnamed(seen: Seen) -> Iterator[Finding]:
    """Yield the rules whose table the source has not, but for refused ones, of which more is said."""
    there = {table.name for table in seen.catalog}
    others = there - seen.config.tables.keys()
    for name, rule in seen.config.tables.items():
        if rule.exclude or name in there | seen.unloadable:
            continue
        meant = [other for other in others if other.lower() == name.lower()]
        meant = meant or difflib.get_close_matches(name, others, n=1)
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        then = f"it is not loaded{f', and {meant[0]!r} is without what the rule says' if meant else ''}"
        yield Finding(
            name, "warning", "is not in the source, although this user could see it there", then,
            f"correct its name (case counts), write exclude: true for it, or take its rule out{hint}",
        )  # fmt: skip


def idle_patterns(seen: Seen) -> Iterator[Finding]:
    """Yield the patterns of the rules that fit no table of the source."""
    refused = [seen.config.source_name(name) for name in seen.unloadable]
    names = [table.origin for table in (*seen.catalog, *seen.catalog.views)] + refused
    for pattern, keys in seen.config.patterns.items():
        if any(matches(name, [pattern]) for name in names):
            continue
        other = [name for name in names if fnmatch.fnmatchcase(name.lower(), pattern.lower())]
        meant = (other or difflib.get_close_matches(pattern, names))[:3]
        hint = f"; did you mean {', '.join(map(repr, meant))}?" if meant else ""
        yield Finding(
            pattern, "note" if keys.get("exclude") else "warning", "is a pattern that fits no table of the source",
            "what it says is said of no table",
            f"correct it (case counts; only * and ? stand for others), or take it out{hint}",
        )  # fmt: skip


def idle_masks(seen: Seen) -> Iterator[Finding]:
    """Yield masks for many tables that no column of these has, or that one of them has in another spelling."""
    rules = [(table, seen.config.rule(table.name)) for table in seen.catalog]
    loaded = [(table, rule) for table, rule in rules if not rule.exclude]
    for pattern, keys in seen.config.patterns.items():
        if not any(
            matches(seen.config.source_name(name), [pattern]) for name in seen.unloadable
        ):  # nobody knows what columns these have
            yield from _idle_in(pattern, keys, [one for one in loaded if matches(one[0].origin, [pattern])])
    for tier, keys in seen.config.tiers.items():
        yield from _idle_in(f"tier {tier}", keys, [one for one in loaded if one[1].table_importance == tier])


def _idle_in(place: str, keys: Mapping[str, object], tables: Sequence[tuple[Table, TableRule]]) -> Iterator[Finding]:
    masks = keys.get("mask")
    columns = {one.name for table, _ in tables for one in table.columns}
    for column in masks if tables and isinstance(masks, Mapping) else ():
        if others := [f"{table.name}.{name}" for table, rule in tables for name in _otherwise_spelt(column, table, rule)]:
            yield Finding(
                place, "warning", f"mask.{column} leaves {_some(others)} as it is: case counts",
                "nothing else masks that, and it is loaded unmasked",
                "add its spelling under mask, with a method or with keep",
            )  # fmt: skip
        elif column not in columns:
            meant = difflib.get_close_matches(column, columns, n=1)
            hint = f"; did you mean {meant[0]!r}?" if meant else ""
            yield Finding(
                place, "warning", f"mask.{column}: no table that this is said of has such a column", "it masks nothing",
                f"correct its name (case counts), or take it out{hint}",
            )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _otherwise_spelt(column: str, table: Table, rule: TableRule) -> list[str]:
    """Return the table's columns that a mask misses by their case alone, and of which the rule says nothing else."""
    settled = {column, *rule.mask}
    alike = [one.name for one in table.columns if one.name.lower() == column.lower()]
    return [name for name in alike if name not in settled and rule.takes(name)]


def without_rule(seen: Seen) -> Iterator[Finding]:
    """Yield tables of the source that no rule names, once there are rules."""
    config = seen.config
    names = {table.name for table in seen.catalog} - config.tables.keys()
    for name in names if config.tables or config.known is not None else ():
        what, then = "is in the source and has no rule", f"it is loaded whole, as tier {config.rule(name).table_importance}"
        if config.left_out_unseen(name):
            what, then = "is new in the source, and a rule for many tables that is older leaves it out", "it is not loaded"
        elif config.waits(name):
            what, then = "is new in the source and has no rule", "it is not loaded"
        yield Finding(name, "note", what, then, "run `bulketl discover --write` to add it")


BEFORE_TABLES: tuple[Rule, ...] = (
    Rule("in the open", in_the_open, one=False),
    Rule("no tables", no_tables),
    Rule("gone", gone_tables),
    Rule("elsewhere", elsewhere),
    Rule("delivered", delivered, one=False),
    Rule("idle templates", idle_templates, one=False),
    Rule("unheard", unheard, one=False),
    Rule("not here", not_here, one=False),
    Rule("new unknown", new_unknown),
    Rule("misnamed", misnamed),
    Rule("idle pattern", idle_patterns),
    Rule("idle mask", idle_masks),
)
AFTER_TABLES: tuple[Rule, ...] = (Rule("without rule", without_rule),)
