"""What a load would lack or refuse, and what may make it fail in the target: foreseen by the lists that the load uses."""

from __future__ import annotations

from collections.abc import Iterator

from bulketl.plan.enums import asked, unmade
from bulketl.plan.facing import Facing
from bulketl.plan.footing import LACKS, Start
from bulketl.plan.obstacle import NOT_LOADED, met
from bulketl.plan.obstacles import DOUBTS
from bulketl.plan.spelling import TAKING_ALL
from bulketl.plan.stale import NAMED, line
from bulketl.survey.findings import Finding, Rule, Seen
from bulketl.tables.casts import cast, narrower
from bulketl.tables.printable import count_of


def lacking(seen: Seen) -> Iterator[Finding]:
    """Yield what a load needs on either side before it can begin, and does not have."""
    for where, text, advice in seen.lacking:
        yield Finding(where, "error", text, "what needs it is not loaded", advice)
    if seen.there and seen.there.footing and seen.there.plan:
        for one, (text, advice) in met(LACKS, Start(seen.there.footing, seen.there.plan)):
            yield Finding(seen.config.target_schema, "error", text, one.otherwise, advice)


def refused(seen: Seen) -> Iterator[Finding]:
    """Yield the tables that a load would refuse, in its words."""
    for item in seen.refused:
        yield Finding(item.table, "error", item.message, NOT_LOADED, item.hint)


def doubted(seen: Seen) -> Iterator[Finding]:
    """Yield what may make a load fail at a table, as its rows are."""
    if seen.there is None or seen.there.plan is None:
        return
    for load in seen.there.plan.loads:
        facing = Facing(load, seen.there.existing.get(load.spec.table), seen.doubled)
        for one, (text, advice) in met(DOUBTS, facing):
            yield Finding(load.spec.table, "warning", text, one.otherwise, advice)


def narrow_encoding(seen: Seen) -> Iterator[Finding]:
    """Yield that the target's encoding may lack characters of the texts that are loaded, if it may."""
    there = seen.there
    if there is None or there.plan is None or there.encoding in TAKING_ALL:
        return
    tables = {table.name: {column.name: column for column in table.columns} for table in seen.catalog}
    texts = sum(
        any(
            item.target_type.base != "bytea" and tables[load.spec.table][item.column].beyond_ascii
            for item in load.spec.casts
        )
        for load in there.plan.loads
    )
    if texts:
        yield Finding(
            seen.config.target_schema, "warning",
            f"the target's encoding is {there.encoding}: rows with characters that it lacks are rejected",
            f"{count_of(texts, 'table')} may have such rows, and fail{'s' * (texts == 1)} where they are too many",
            "load into a database in UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )  # fmt: skip


def stale(seen: Seen) -> Iterator[Finding]:
    """Yield that tables which bulketl made are no longer loaded, if there are some."""
    if seen.there and seen.there.left:
        schema = seen.config.target_schema
        yield Finding(
            schema, "warning", line(schema, seen.there.left),
            "whoever reads them sees the rows of that day, and nothing says so",
            "take exclude out of their rules to load them again, or drop them in the target",
        )  # fmt: skip


def outside(seen: Seen) -> Iterator[Finding]:
    """Yield that somebody put things into bulketl's own staging schema, if there are some."""
    if seen.there and (found := seen.there.outsiders):
        names = ", ".join(found[:NAMED]) + (" …" if len(found) > NAMED else "")
        yield Finding(
            "bulketl_staging", "warning", f"schema bulketl_staging holds things that no run on record made: {names}",
            "they stay as they are, and a table of such a name cannot be staged", "move them elsewhere, or drop them",
        )  # fmt: skip


def narrow_columns(seen: Seen) -> Iterator[Finding]:
    """Yield the columns of tables that can be loaded for which the target has no room."""
    config = seen.config
    for table in seen.catalog:
        rule = config.rule(table.name)
        if table.name in seen.unloadable or rule.exclude or config.waits(table.name):
            continue
        existing = seen.there.existing.get(table.name) if seen.there else None
        there = dict(existing.columns) if existing else {}
        for column in table.columns:
            name = config.target_name(table.name, column.name)
            if name not in there or not rule.takes(column.name):
                continue
            if asked(config, table, column):  # of which the plan tells
                continue
            made = cast(column, config.declared_type(table, column))
            if narrower(there[name], made.target):
                yield Finding(
                    table.name, "warning",
                    f"column {name} is {there[name]} in the target and needs {made.target}",
                    "a load alters it, or builds the table anew",
                    f"ALTER TABLE … ALTER COLUMN … TYPE {made.target} yourself to keep what depends on it",
                )  # fmt: skip


def no_enum_type(seen: Seen) -> Iterator[Finding]:
    """Yield the tables of which columns stay text that a cast declares enums."""
    encoding = seen.there.encoding if seen.there else "UTF8"
    for table in seen.catalog:
        if not seen.config.rule(table.name).exclude and (why := unmade(seen.config, table, encoding)):
            yield Finding(
                table.name, "note", why, "its values arrive as text, each as it is at the source",
                "nothing, where text will do; else change the labels at the source",
            )  # fmt: skip


FORESEEN: tuple[Rule, ...] = (
    Rule("lacking", lacking, one=False),
    Rule("refused", refused, one=False),
)
OF_TARGET: tuple[Rule, ...] = (
    Rule("narrow encoding", narrow_encoding),
    Rule("stale", stale),
    Rule("outside", outside),
    Rule("doubted", doubted, one=False),
    Rule("narrow columns", narrow_columns),
    Rule("no enum type", no_enum_type),
)
