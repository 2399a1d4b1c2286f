"""What stands against loading a table: one list, by which a load refuses and `validate` tells.

Values in, values out. An obstacle that is `certain` refuses the table before anything is read, for Postgres would refuse it
amid the load. The others depend on what the rows are, which nobody knows before: a load tries, and `validate` warns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bulketl.errors import PlanError
from bulketl.plan.plan import TableLoad
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import TargetTable
from bulketl.tables.demands import Demands
from bulketl.tables.spec import DELETED_AT

MOST_COLUMNS = 1600  # MaxHeapAttributeNumber
MOST_ROW_BYTES = 8160  # MaxHeapTupleSize
MOST_KEY_BYTES = 2704  # BTMaxItemSize
_HEADER = 24
_POINTER = 18  # of a value that is stored out of line
_FIXED = {
    "boolean": 1, "smallint": 2, "integer": 4, "real": 4, "date": 4, "bigint": 8, "double precision": 8, "timestamp": 8,
    "timestamptz": 8, "time": 8, "interval": 16, "uuid": 16,
}  # fmt: skip
_ALIGNED = {"uuid": 1, "interval": 8}
Said = tuple[str, str]  # what stands in the way, and what to do


@dataclass(frozen=True, slots=True)
class Facing:
    """A table as it is to be loaded, before what the target has of it; `doubled`: the zone in which an hour comes twice."""

    load: TableLoad
    existing: TargetTable | None
    doubled: str = ""

    @property
    def demands(self) -> Demands:
        """What the target's table demands."""
        return self.existing.demands if self.existing else Demands()

    @property
    def names(self) -> frozenset[str]:
        """The columns that are written, by their names in the target."""
        return frozenset({*(item.name for item in self.load.spec.casts), *self.load.spec.stamps})

    @property
    def stays(self) -> bool:
        """Whether rows are written into the table that is there."""
        return self.load.spec.publish in ("refill", "merge", "append")

    @property
    def inserted(self) -> bool:
        """Whether rows come into it by INSERT, and not by COPY."""
        spec = self.load.spec
        return spec.publish in ("merge", "append") or (spec.publish == "refill" and (spec.watched or not self.load.direct))

    @property
    def rights(self) -> tuple[str, ...]:
        """The rights on the table that this user has not and the load needs; OWNER for those that only an owner has."""
        spec, demands = self.load.spec, self.demands
        needed = {"SELECT", "INSERT"}
        if spec.publish == "refill":
            needed.add("TRUNCATE")
        if spec.publish == "merge":
            needed.add("UPDATE")
        if self.load.compare or (spec.publish == "merge" and spec.whole):
            needed |= {"mirror": {"UPDATE", "DELETE"}, "mark": {"UPDATE"}}.get(spec.deletes, set())
        if not self.stays:
            needed = set()
        alters = spec.publish == "swap" or spec.added or spec.widened or (spec.publish == "refill" and spec.stamps)
        lacking = [right for right in demands.lacking if right in needed]
        return (*lacking, *(["OWNER"] if alters and not demands.owned else []))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One kind of obstacle: its name, what it is for the docs, and what tells whether and why it is there."""

    name: str
    about: str
    find: Callable[[Facing], Said | None]
    certain: bool = True


def hold(facing: Facing) -> None:
    """Raise PlanError when a load of the table would certainly fail."""
    for obstacle in OBSTACLES:
        if obstacle.certain and (said := obstacle.find(facing)):
            raise PlanError(f"table {facing.load.spec.table!r}: {said[0]}", hint=said[1])


def doubts(facing: Facing) -> Iterator[Said]:
    """Yield what may make a load of the table fail, as its rows are."""
    for obstacle in OBSTACLES:
        if not obstacle.certain and (said := obstacle.find(facing)):
            yield said


def _columns(facing: Facing) -> Said | None:
    spec, existing = facing.load.spec, facing.existing
    if facing.stays and existing:
        count = existing.demands.numbers + len(spec.added)
        more = " (dropped ones count)" if existing.demands.numbers > len(existing.columns) else ""
    else:
        own = {*(column for column, _ in spec.kept), *([DELETED_AT] if spec.deletes == "mark" else [])}
        count, more = len(facing.names | own), ""
    if count <= MOST_COLUMNS:
        return None
    said = f"it would have {count:,} columns{more}, and a table of Postgres has at most {MOST_COLUMNS:,}"
    return said, (
        f"name {count - MOST_COLUMNS:,} or more of them under exclude_columns, or split the table into views at the "
        "source and name these in tables.yaml"
    )


def _wide(facing: Facing) -> Said | None:
    least = _bytes(facing.load.spec.casts, least=True)
    if least <= MOST_ROW_BYTES or not facing.load.rows:
        return None
    return (
        f"each of its rows takes {least:,} bytes or more, and a row in Postgres {MOST_ROW_BYTES:,} at most",
        "name columns under exclude_columns, or split it by views at the source and name these in tables.yaml",
    )


def _perhaps_wide(facing: Facing) -> Said | None:
    most = _bytes(facing.load.spec.casts, least=False)
    if most <= MOST_ROW_BYTES or _bytes(facing.load.spec.casts, least=True) > MOST_ROW_BYTES:
        return None
    return (
        f"a row that has a value in every column takes up to {most:,} bytes, and Postgres takes {MOST_ROW_BYTES:,}",
        "name columns under exclude_columns if such rows are refused",
    )


def _bytes(casts: tuple[Cast, ...], *, least: bool) -> int:
    """Return the bytes of a row in a page: of the smallest possible, or of one with a value in every column."""
    total = _HEADER + (0 if all(not item.nullable for item in casts) else -(-len(casts) // 8))
    for item in casts:
        if least and item.nullable:
            continue
        base = item.target_type.base
        size = _FIXED.get(base, 1 if least else _POINTER)
        align = _ALIGNED.get(base, size) if base in _FIXED else 1
        total = -(-total // align) * align + size
    return total


def _generated(facing: Facing) -> Said | None:
    found = sorted(facing.names.intersection(facing.demands.generated))
    if not found or not facing.stays:
        return None
    return (
        f"Postgres computes {_columns_of(found)} in the target, and the source has values for it",
        "drop the expression there (ALTER COLUMN … DROP EXPRESSION), or name the column under exclude_columns",
    )


def _identity(facing: Facing) -> Said | None:
    found = sorted(facing.names.intersection(facing.demands.identity))
    if not found or not facing.inserted:
        return None
    return (
        f"Postgres numbers {_columns_of(found)} itself in the target (GENERATED ALWAYS AS IDENTITY)",
        "make it ALTER COLUMN … SET GENERATED BY DEFAULT, which lets the source's values in",
    )


def _required(facing: Facing) -> Said | None:
    found = sorted(set(facing.demands.required) - facing.names)
    if not found or not facing.stays:
        return None
    return (
        f"{_columns_of(found)} of the target is NOT NULL and has no default, and the source has no such column",
        "give it a default there, or drop NOT NULL; or name a view at the source that has it",
    )


def _ruled(facing: Facing) -> Said | None:
    merged, appended = facing.load.spec.publish == "merge", facing.load.spec.publish == "append"
    names = facing.demands.rules if merged else facing.demands.insert_rules if appended else ()
    if not names:
        return None
    return (
        f"rows cannot be {'merged into' if merged else 'appended to'} a table with rules: {', '.join(names)}",
        "drop or disable them; a trigger that only writes elsewhere may take their place",
    )


def _secured(facing: Facing) -> Said | None:
    if not facing.demands.secured or not facing.stays:
        return None
    return (
        "row level security holds for the target user, who would not see or write every row",
        "ALTER ROLE … BYPASSRLS, or ALTER TABLE … NO FORCE ROW LEVEL SECURITY where the user owns it",
    )


def _partitionless(facing: Facing) -> Said | None:
    if facing.demands.partitions != 0 or not facing.load.rows:
        return None
    return "the target's table is partitioned and has no partition", "create its partitions, a DEFAULT one too"


def _uncounted(facing: Facing) -> Said | None:
    if not (facing.demands.uncounted and facing.demands.acting and facing.load.spec.publish in ("merge", "append")):
        return None
    return (
        f"nobody can tell what {', '.join(facing.demands.acting)} does to its rows: track_counts is off in the target",
        "ALTER ROLE … SET track_counts = on, as it is unless somebody turned it off",
    )


def _unidentified(facing: Facing) -> Said | None:
    if not facing.demands.unidentified or facing.load.spec.publish != "merge":
        return None
    return (
        "a publication in the target sends its changes, and it has no replica identity, so Postgres lets nobody update it",
        "ALTER TABLE … REPLICA IDENTITY FULL, or DEFAULT where it has a primary key",
    )


def _unentitled(facing: Facing) -> Said | None:
    lacking = facing.rights
    if not lacking:
        return None
    if "OWNER" in lacking:
        return (
            "the target user does not own it, and the load has to alter or replace it",
            "ALTER TABLE … OWNER TO the target user, or make the user a member of the role that owns it",
        )
    return f"the target user has no right to {', '.join(lacking)} on it", f"GRANT {', '.join(lacking)} ON it to that user"


def _constrained(facing: Facing) -> Said | None:
    found = facing.demands.constraints
    if not found or not facing.stays:
        return None
    return (
        f"the target's table has constraints that the source does not know: {_some(found)}",
        "drop them if rows break them",
    )


def _indexed(facing: Facing) -> Said | None:
    found = facing.demands.indexes
    if not found:  # a swap builds them again, of the new rows
        return None
    return (
        f"the target's table has indexes that the source does not know, and they may refuse rows: {_some(found)}",
        "DROP INDEX where rows break one: two that are the same to it, an expression that fails, a value of 2,704 bytes",
    )


def _nullable(facing: Facing) -> Said | None:
    spec = facing.load.spec
    required = set(facing.demands.required).difference(spec.target_key)
    found = [item.name for item in spec.casts if item.name in required and item.nullable]
    if not found or not facing.stays:
        return None
    return f"{_columns_of(found)} is NOT NULL in the target and may be NULL at the source", "drop NOT NULL in the target"


def _acting(facing: Facing) -> Said | None:
    found = [what for what in facing.demands.acting if what != "row level security"]  # of which more is said
    if not found or not facing.stays:
        return None
    return (
        f"{', '.join(found)} may act on the rows that are written",
        "let it act on a view or a copy of the table; what alters, drops or adds rows makes the load fail",
    )


def _uncovered(facing: Facing) -> Said | None:
    if not facing.demands.uncovered or not facing.demands.partitions:
        return None
    return "the target's table has no default partition, and a row may fit none of the others", "create a DEFAULT partition"


def _referenced(facing: Facing) -> Said | None:
    if facing.existing is None or not facing.existing.referenced or facing.load.spec.deletes != "mirror":
        return None
    return (
        "foreign keys of other tables in the target point to it, so that a row they point to cannot be deleted",
        "drop these foreign keys, or write deletes: mark or ignore",
    )


def _long_key(facing: Facing) -> Said | None:
    spec = facing.load.spec
    sizes = {
        item.column: item.source_type.sizes for item in spec.casts if item.target_type.base in ("text", "varchar", "bytea")
    }
    length = sum(4 * sizes[column][0] if sizes[column] else 0 for column in spec.key if column in sizes)
    if length <= MOST_KEY_BYTES:
        return None
    return (
        f"a value of its key may take {length:,} bytes, and an index of Postgres {MOST_KEY_BYTES:,}",
        "declare a shorter primary_key if rows are refused",
    )


def _doubled(facing: Facing) -> Said | None:
    spec = facing.load.spec
    keys = [item for item in spec.casts if item.column in spec.key and item.source_type.base == "timestamp"]
    found = [item.name for item in keys if item.target_type.base != "timestamptz"]
    if not found or not facing.doubled:
        return None
    return (
        (
            f"{_columns_of(found)} of its key is a TIMESTAMP read in {facing.doubled}, where an hour comes twice: two "
            "of its moments are the same there"
        ),
        "write timestamp_zone: '+00:00', in which none does",
    )


def _some(found: tuple[str, ...]) -> str:
    return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def _columns_of(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {', '.join(names)}"


OBSTACLES: tuple[Obstacle, ...] = (
    Obstacle("too many columns", "more columns than a table may have", _columns),
    Obstacle("rows too wide", "rows that no page holds, whatever their values", _wide),
    Obstacle("generated column", "a column that Postgres computes in the target", _generated),
    Obstacle("identity column", "a column that Postgres always numbers in the target", _identity),
    Obstacle("required column", "a column of the target that is NOT NULL and that the source does not have", _required),
    Obstacle("rules", "rules on a table that is merged into or appended to", _ruled),
    Obstacle("row security", "row level security that holds for the target user", _secured),
    Obstacle("no partition", "a partitioned table without partitions", _partitionless),
    Obstacle("no counters", "triggers on a table of a server that counts no rows", _uncounted),
    Obstacle("no identity", "a published table whose rows have no identity", _unidentified),
    Obstacle("missing rights", "rights on the target's table, or its ownership", _unentitled),
    Obstacle(
        "constraints", "CHECK, UNIQUE, EXCLUDE and FOREIGN KEY of the target, domains too", _constrained, certain=False
    ),
    Obstacle(
        "indexes", "an index of a person's own: unique, of an expression, partial, of long values", _indexed, certain=False
    ),
    Obstacle("NULL for NOT NULL", "a column that is NOT NULL in the target only", _nullable, certain=False),
    Obstacle("what acts on rows", "triggers, rules, cascading keys of the target", _acting, certain=False),
    Obstacle("uncovered rows", "a partitioned table without a default partition", _uncovered, certain=False),
    Obstacle("referenced rows", "foreign keys that point to the table", _referenced, certain=False),
    Obstacle("perhaps too wide", "rows that no page holds when every column has a value", _perhaps_wide, certain=False),
    Obstacle("long key", "keys too long for an index", _long_key, certain=False),
    Obstacle("doubled hour", "a TIMESTAMP in the key, read in a zone with summer time", _doubled, certain=False),
)
