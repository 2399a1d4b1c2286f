"""What would become of tables that are promoted, and what prevents it: all that can be known before the first lock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bulketl.config.config import Config
from bulketl.plan.ownership import with_article
from bulketl.plan.partial import is_part
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import moving
from bulketl.postgres.server import Connection
from bulketl.tables.catalog import TargetTable
from bulketl.tables.demands import Demands
from bulketl.tables.measured import Known
from bulketl.tables.spec import Tier

# The table of bulketl takes the place of the older one; its rows replace those of the older one, which has to stay; or there
# is no older one, and the table is only moved.
How = Literal["swapped", "refilled", "moved"]


class Against(NamedTuple):
    """What is against a promotion, and what to do. `forced`: a person may do it all the same."""

    why: str
    hint: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would become of a table. `new`: bulketl's own, in the shadow schema, None when there is none.

    `told`: what is otherwise afterwards, in words.
    """

    table: str
    tier: Tier
    how: How
    old: TargetTable | None
    new: TargetTable | None
    rows: int | None
    source: str
    told: tuple[str, ...]
    against: tuple[Against, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The key that both tables have; () for none."""
        both = self.old and self.new and self.old.primary_key == self.new.primary_key
        return self.new.primary_key if self.new and both else ()


def prospects(
    connection: Connection, config: Config, tables: Sequence[str], unready: Mapping[str, str]
) -> tuple[Prospect, ...]:
    """Return what would become of each of these tables; `unready`: why comparing does not let some of them go, by table."""
    here = known_of(connection, config.target_schema)
    beside = known_of(connection, config.shadow_schema)
    chained = moving.records_in_the_way(connection, config.target_schema, tables)
    rights = _rights(connection, config.target_schema)
    return tuple(_prospect(config, table, here, beside, unready.get(table, ""), chained, rights) for table in tables)


def _prospect(
    config: Config, table: str, here: Known, beside: Known, unready: str, chained: Sequence[str], rights: Sequence[Against]
) -> Prospect:
    old, new, state = here.existing.get(table), beside.existing.get(table), beside.states.get(table)
    how: How = "moved" if old is None else "refilled" if old.staying else "swapped"
    against = [*_owner(here, table), *_loaded(config, table, new, state is not None and state.source != "")]
    if unready and old is not None:  # where there is no older table, there is none to compare with
        hint = f"`bulketl migrate compare --tables {table}` compares both; --force --reason promotes it all the same"
        against.append(Against(f"is not ready: {unready}", hint, forced=True))
    if is_part(state):
        against.append(Against("is only a part: it was loaded under a limit", "load it whole into the shadow schema"))
    if table in chained:
        against.append(Against("has an audit chain of its own in the target schema", "ask whoever answers for the audit"))
    told: list[str] = []
    if old is not None and new is not None:
        against += _fitting(old, new, how)
        told += _told(old, new, how)
    against += rights
    tier, source = config.rule(table).table_importance, state.source if state else ""
    return Prospect(table, tier, how, old, new, state.rows if state else None, source, tuple(told), tuple(against))


def _owner(here: Known, table: str) -> Iterator[Against]:
    owned = here.owners.get(table)
    if owned is None or owned.owner != "shadow":
        said = (
            "is served by the older pipeline alone"
            if owned is None or owned.owner == "legacy"
            else "is served by bulketl already"
        )
        yield Against(said, f"`bulketl migrate shadow --tables {table}` has bulketl load it beside the older pipeline first")


def _loaded(config: Config, table: str, new: TargetTable | None, known: bool) -> Iterator[Against]:
    if new is None or not known or not new.ours:
        why = f"was not loaded into schema {config.shadow_schema!r}"
        if new is not None and not new.ours:
            why = f"is not bulketl's in schema {config.shadow_schema!r}"
        yield Against(why, f"`bulketl load --schema {config.shadow_schema} --tables {table}` loads it there")


def _fitting(old: TargetTable, new: TargetTable, how: How) -> Iterator[Against]:
    if old.kind not in ("table", "partitioned table"):
        yield Against(f"{with_article(old.kind)} has its name in the target schema", "rename or drop it")
        return
    if not old.demands.owned:
        yield Against(f"belongs to {old.owner}, for whom this user may not act", f"GRANT {old.owner} TO the user of bulketl")
    theirs, ours = dict(old.columns), dict(new.columns)
    if lacking := [column for column in theirs if column not in ours]:
        why = f"the older table has columns that bulketl's lacks: {', '.join(lacking)}"
        yield Against(why, "views may need them; --force --reason promotes it without them", forced=True)
    if needing := old.needing(lacking):
        what = "; ".join(f"{thing} needs {', '.join(columns)}" for thing, columns in needing)
        yield Against(f"what is carried over cannot do without these columns: {what}", "drop or alter it first")
    if how != "refilled":
        return
    staying = ", ".join(old.staying)
    hint = f"drop what keeps it in its place ({staying}), or alter the older table so that it takes bulketl's rows"
    if other := [f"{column} {kind}" for column, kind in ours.items() if theirs.get(column) != kind]:
        yield Against(f"has to stay, because of {staying}, and lacks or has otherwise: {', '.join(other)}", hint)
    if old.referenced and not (new.primary_key and old.primary_key == new.primary_key):
        yield Against("is referenced by foreign keys, and both tables have not the same primary key", hint)
    if lost := [*new.views, *new.staying]:
        hint = "drop that, or have it read the table in the target schema"
        yield Against(f"has to stay, so bulketl's own is dropped in the end, and on it hangs {', '.join(lost)}", hint)
    yield from _taking(old.demands, ours)


def _taking(demands: Demands, ours: Collection[str]) -> Iterator[Against]:
    """Yield why a table that stays would not take the rows of bulketl's, which have these columns."""
    if found := [column for column in demands.generated if column in ours]:
        hint = "ALTER TABLE … ALTER COLUMN … DROP EXPRESSION lets values in"
        yield Against(f"has to stay, and Postgres computes its columns {', '.join(found)}", hint)
    if found := [column for column in demands.identity if column in ours]:
        hint = "ALTER TABLE … ALTER COLUMN … SET GENERATED BY DEFAULT lets values in"
        yield Against(f"has to stay, and Postgres itself numbers {', '.join(found)}", hint)
    if found := [column for column in demands.required if column not in ours]:
        hint = "give it a default, or DROP NOT NULL"
        yield Against(f"has to stay, and {', '.join(found)} is NOT NULL without a default, which bulketl's lacks", hint)
    if demands.rules:
        yield Against(f"has to stay, and has rules: {', '.join(demands.rules)}", "drop or disable them")
    if demands.secured:
        hint = "ALTER ROLE … BYPASSRLS, or ALTER TABLE … NO FORCE ROW LEVEL SECURITY where the user owns it"
        yield Against("has to stay, and row level security holds for this user, who would not see every row", hint)
    if demands.partitions == 0:
        yield Against("is partitioned and has no partition", "create its partitions, a DEFAULT one too")


def _told(old: TargetTable, new: TargetTable, how: How) -> Iterator[str]:
    theirs, ours = dict(old.columns), dict(new.columns)
    if more := [column for column in ours if column not in theirs]:
        yield f"{', '.join(more)} come with it"
    if other := [
        f"{name} is {ours[name]} instead of {kind}" for name, kind in theirs.items() if ours.get(name, kind) != kind
    ]:
        yield "; ".join(other)
    if how == "refilled":
        yield f"stays in its place and is refilled, because of {', '.join(old.staying)}"
    lost = [what for what in old.hanging if what not in old.staying and what not in {thing for thing, _ in old.carried}]
    if how == "swapped" and lost:
        yield f"stay with the older table: {', '.join(lost)}"
    if how == "swapped" and new.views:
        yield f"{', '.join(new.views)} go on reading it"
    if old.materialized:
        yield "materialized views on it show the older rows until they are refreshed"


def _rights(connection: Connection, schema: str) -> list[Against]:
    """Return what this user may not do that every promotion needs."""
    database, creates, there = connection.execute(
        "SELECT current_database(), has_database_privilege(current_database(), 'CREATE'),"
        " COALESCE((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %s), true)",
        (schema,),
    ).fetchone() or ("", True, True)
    found = []
    if not creates:
        why = f"this user may not create a schema in database {database}, where the older table is kept"
        found.append(Against(why, f"GRANT CREATE ON DATABASE {database} TO the user of bulketl"))
    if not there:
        found.append(
            Against(f"this user may not create tables in schema {schema}", f"GRANT CREATE ON SCHEMA {schema} TO it")
        )
    return found
