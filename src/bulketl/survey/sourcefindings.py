"""What may be wrong with the configuration as a whole, and with the source."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator

from bulketl.plan.leftout import left_out, told
from bulketl.survey.findings import Finding, Rule, Seen
from bulketl.tables.patterns import matches

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
            seen.catalog.identity, "note", f"has what is no base table: {told(left)}", "a load takes none of it",
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


def not_yet(seen: Seen) -> Iterator[Finding]:
    """Yield keys of bulketl.yaml that no version acts upon yet."""
    if seen.config.not_yet:
        yield Finding(
            "bulketl.yaml", "warning", f"{', '.join(seen.config.not_yet)} is kept for a later version",
            "nothing is done about it in this one", "leave it, or take it out",
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
    names = [table.name for table in (*seen.catalog, *seen.catalog.views)] + [*seen.unloadable]
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
    Rule("no tables", no_tables),
    Rule("gone", gone_tables),
    Rule("elsewhere", elsewhere),
    Rule("not yet", not_yet),
    Rule("new unknown", new_unknown),
    Rule("misnamed", misnamed),
    Rule("idle pattern", idle_patterns),
)
AFTER_TABLES: tuple[Rule, ...] = (Rule("without rule", without_rule),)
