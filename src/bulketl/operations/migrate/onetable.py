"""One table of the older pipeline beside bulketl's in the shadow schema: what differs, of which class, and who is right."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, PlanError
from bulketl.mysql.read import null_bits
from bulketl.mysql.server import MySQL
from bulketl.operations.migrate.comparison import Judged, TableCompared
from bulketl.postgres.compare import beside, witness
from bulketl.postgres.compare.beside import Claimed, Pair, Sides
from bulketl.postgres.ddl import name, own_rows
from bulketl.postgres.server import Connection, Postgres
from bulketl.rows.coerce import coerce
from bulketl.tables.catalog import Column, TargetTable
from bulketl.tables.differences import BY_NAME, UNEXPLAINED, Difference, family
from bulketl.tables.keytext import typed_key
from bulketl.tables.partitions import KeyTuple, Partition
from bulketl.tables.spec import DELETED_AT, TableSpec
from bulketl.verifying.details import read_all
from bulketl.verifying.tasks import Task
from bulketl.verifying.verdicts import Level

MOST_JUDGED = 400  # rows of a table that the source is read for
_BOOLEANS = {("boolean", "number"): "boolean", ("number", "boolean"): "number-for-boolean"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A table that can be compared: its task, both sides, and what of their columns differs or cannot be compared.

    `schema`: the older pipeline's; `key`: the columns of the key at the source; `unique`: the older table has that key too.
    `ours`: all columns of bulketl's table.
    """

    task: Task
    old: TargetTable
    schema: str
    sides: Sides
    key: tuple[Column, ...]
    unique: bool
    ours: frozenset[str]
    found: tuple[Difference, ...] = ()
    uncompared: tuple[str, ...] = ()

    @property
    def spec(self) -> TableSpec:
        """How bulketl loads it."""
        return dataclasses.replace(self.task.spec, retained=())


def setting(task: Task, old: TargetTable, new: TargetTable, schema: str, columns: Sequence[Column]) -> Setting:
    """Return how a table is compared. Raise PlanError when the older pipeline's lacks a column of the key."""
    spec, theirs, ours = task.spec, dict(old.columns), dict(new.columns)
    masked = {item.name for item in spec.masked}
    wanted = [item.name for item in spec.casts if item.source and item.name not in masked]
    if lacking := [column for column in spec.target_key if column not in theirs]:
        raise PlanError(f"the older pipeline's table lacks {', '.join(lacking)}, of the key: rows cannot be matched")
    pairs = tuple(Pair(column, theirs[column], ours[column]) for column in wanted if column in theirs)
    if not pairs:
        raise PlanError("the older pipeline's table has no column in common with the source's")
    found = [Difference(column, "lacks-column", 0) for column in wanted if column not in theirs]
    found += [Difference(column, "own-column", 0) for column in theirs if column not in ours]
    living = f"{name(DELETED_AT)} IS NULL" if DELETED_AT in ours else "true"
    sides = Sides(
        own_rows(schema, old.name, old.partitioned), own_rows(spec.schema, new.name, new.partitioned), pairs,
        spec.target_key, living,
    )  # fmt: skip
    by_name = {column.name: column for column in columns}
    told = tuple(f"{column}: it is masked in the shadow" for column in sorted(masked & theirs.keys()))
    unique = set(old.primary_key) == set(spec.target_key)
    key = tuple(by_name[column] for column in spec.key)
    return Setting(task, old, schema, sides, key, unique, frozenset(ours), tuple(found), (*task.verdict.uncompared, *told))


@dataclass(slots=True)
class _Found:
    """What is found of a table so far."""

    old: int = 0
    new: int = 0
    differences: list[Difference] = field(default_factory=list)
    claims: list[Claimed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_sides(source: MySQL, target: Postgres, run: str, one: Setting, level: Level) -> TableCompared:
    """Return what is found of a table; an error is its problem."""
    began = time.monotonic()
    verdict = TableCompared(one.task.spec.table, one.task.tier, level, published=one.task.verdict.published)
    verdict = dataclasses.replace(verdict, uncompared=one.uncompared, notes=one.task.verdict.notes)
    try:
        found, written = patient(_looked, source, target, one, level)
        judged = _judged(source, target, run, one, found) if found.claims else ()
    except BulketlError as error:
        verdict = dataclasses.replace(verdict, problem=error.message, public=error.public)
        return dataclasses.replace(verdict, seconds=round(time.monotonic() - began, 3))
    problem = "it was being written while it was compared: compare it again when the older pipeline has ended"
    return dataclasses.replace(
        verdict, legacy_rows=found.old, shadow_rows=found.new, differences=(*one.found, *found.differences),
        judged=tuple(judged), notes=(*verdict.notes, *found.notes), problem=problem if written else "",
        public=problem if written else "", seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip


def _looked(source: MySQL, target: Postgres, one: Setting, level: Level) -> tuple[_Found, bool]:
    """Return what one look at both tables finds, and whether what differs may come of their being written."""
    places = [(name(one.schema, one.old.name), one.sides.old), (name(one.spec.schema, one.old.name), one.sides.new)]
    with target.connect() as connection:
        before = [beside.mark(connection, place) for place, _ in places]
        with connection.transaction():
            beside.begin(connection)
            found = _found(source, connection, one, level)
        differs = bool(found.differences)
        marks = zip(places, before, strict=True) if differs else ()
        return found, any(beside.written_since(connection, *place, mark) for place, mark in marks)


def _found(source: MySQL, connection: Connection, one: Setting, level: Level) -> _Found:
    sides, found = one.sides, _Found()
    if level in ("count", "sums"):
        found.old, found.new = beside.counted(connection, sides)
        if found.old != found.new:
            found.differences.append(Difference("", "figure", abs(found.old - found.new)))
        columns = beside.summed(connection, sides) if level == "sums" else []
        found.differences += [Difference(column, "figure", 0) for column in columns]
        return found
    if not sides.key:
        found.old, found.new, old_only, new_only = beside.unmatched(connection, sides)
        if old_only or new_only:
            found.differences.append(Difference("", "keyless", max(old_only, new_only)))
        found.differences += [Difference(p.column, _of_types(p), 0) for p in sides.pairs if p.old != p.new]
        return found
    found.old, found.new = beside.counted(connection, sides)
    seen = beside.joined(connection, sides, values=level == "rows")
    if not one.unique:
        found.notes.append(f"the older pipeline's table has not the key ({', '.join(sides.key)})")
        if doubled := (found.old - seen.old_only) - (found.new - seen.new_only):
            found.differences.append(Difference("", "doubled", doubled))
    found.differences += _rows_alone(source, connection, one, seen, found.notes)
    found.claims = [_whole(connection, sides, item) for item in seen.claims]
    found.differences += _together(found.claims)
    found.differences += _of_other_types(one, found, found.new - seen.new_only, level)
    return found


def _of_other_types(one: Setting, found: _Found, both: int, level: Level) -> list[Difference]:
    """Return the columns whose types differ, with the rows in which the values do not; none where all of these differ."""
    rows: Counter[str] = Counter()
    for item in found.claims:
        rows[item.column] += item.rows
    told = []
    for pair in one.sides.pairs if level == "rows" else one.sides.keys:
        equal = both - rows[pair.column]
        if pair.old != pair.new and (equal > 0 or not rows[pair.column]):
            told.append(Difference(pair.column, _of_types(pair), max(0, equal)))
    # A boolean for a number is the same thing in the rows that differ and in those that are NULL on both sides.
    claimed = {(item.column, item.name) for item in found.claims}
    return [item for item in told if (item.column, item.name) not in claimed]


def _of_types(pair: Pair) -> str:
    return _BOOLEANS.get((family(pair.old), family(pair.new)), "type")


def _rows_alone(
    source: MySQL, connection: Connection, one: Setting, seen: beside.Joined, notes: list[str]
) -> list[Difference]:
    """Return of which class the rows are that one side alone has; where the source has to say it, it is asked for each."""
    found: Counter[str] = Counter()
    keeps = one.spec.audit or one.spec.deletes == "ignore"
    if seen.new_only and not keeps:  # the shadow has no row that the source had not
        found["lacks-rows"] = seen.new_only
    for side, rows, there, gone in (
        ("old", seen.old_only, "ahead", "keeps-deleted"),
        ("new", seen.new_only if keeps else 0, "lacks-rows", "lacks-deleted"),
    ):
        for keys in beside.alone(connection, one.sides, side) if rows else ():
            try:
                present = _present(source, one, keys)
            except BulketlError as error:
                found[UNEXPLAINED] += len(keys)
                notes.append(f"the source could not say whether it has rows of one side: {error.public}")
                break
            found[there] += present
            found[gone] += len(keys) - present
        missed = rows - sum(found[name] for name in (there, gone)) - found[UNEXPLAINED]
        found[UNEXPLAINED] += max(0, missed)
    return [Difference("", kind, rows) for kind, rows in found.items() if rows]


def _present(source: MySQL, one: Setting, keys: Sequence[tuple[str | None, ...]]) -> int:
    """Return how many rows with these keys the source has; a key with a NULL in it is of none."""
    whole = [tuple(str(text) for text in key) for key in keys if None not in key]
    return sum(rows.num_rows for rows in _read(source, one, one.spec.narrowed(()), whole)) if whole else 0


def _read(source: MySQL, one: Setting, spec: TableSpec, keys: Sequence[tuple[str, ...]]) -> list[pa.Table]:
    only: tuple[KeyTuple, ...] = tuple(typed_key(spec.table, key, one.key) for key in keys)
    return patient(read_all, source, spec, Partition(0, columns=spec.key, only=only))


def _whole(connection: Connection, sides: Sides, item: Claimed) -> Claimed:
    """Return a claim that holds for a column as a whole, or as unexplained what does not."""
    if item.name == UNEXPLAINED or not BY_NAME[item.name].number:
        return item
    if item.name == "zone":
        holds = item.most - item.least <= 1 and not beside.equals(connection, sides, item.column)
    else:
        holds = item.least == item.most and beside.longest(connection, sides, item.column) <= item.most
    return item if holds else item._replace(name=UNEXPLAINED)


def _together(claims: Sequence[Claimed]) -> list[Difference]:
    rows: Counter[tuple[str, str]] = Counter()
    numbers: dict[tuple[str, str], str] = {}
    for item in claims:
        rows[item.column, item.name] += item.rows
        if item.name != UNEXPLAINED and BY_NAME[item.name].number:
            least, most = f"{item.least:g}", f"{item.most:g}"
            numbers[item.column, item.name] = most if least == most else f"{least} to {most}"
    return [Difference(*at, count, numbers.get(at, "")) for at, count in rows.items()]


def _judged(source: MySQL, target: Postgres, run: str, one: Setting, found: _Found) -> list[Judged]:
    """Return whom the source says to be right, from rows of each class; what it cannot say is a note."""
    keys = list(dict.fromkeys(key for item in found.claims for key in item.keys))[:MOST_JUDGED]
    columns = {item.column for item in found.claims}
    spec, cursor = one.spec, one.spec.target_names([one.task.mark.column] if one.task.mark else [])
    asked = columns | {column for column in cursor if column in {pair.column for pair in one.sides.pairs}}
    names = {item.name: item.column for item in spec.casts}
    narrow = spec.narrowed([names[column] for column in asked])
    place = dataclasses.replace(spec, schema=one.schema, partitioned=one.old.partitioned)
    heard: dict[tuple[str, ...], witness.Heard] = {}
    try:
        for rows in _read(source, one, narrow, keys):
            batch = coerce(rows, narrow, null_bits(narrow), source.mask_key)
            told = patient(witness.heard, target, run, narrow, one.sides, batch, sorted(asked), place)
            heard |= {item.key: item for item in told}
    except BulketlError as error:
        found.notes.append(f"the source could not be asked who is right: {error.public}")
        return []
    judged: dict[tuple[str, str], Counter[str]] = {}
    for item in found.claims:
        counts = judged.setdefault((item.column, item.name), Counter())
        for key in item.keys:
            if key in keys:
                counts[_who(item.column, heard.get(key), cursor)] += 1
    return [
        Judged(*at, counts["shadow"], counts["legacy"], counts["both"], counts["changed"]) for at, counts in judged.items()
    ]


def _who(column: str, said: witness.Heard | None, cursor: Sequence[str]) -> str:
    """Return who is right about a value: shadow, legacy, neither (`both` differ), or nobody knows: it has changed since."""
    if said is None or column not in said.apart or said.new.intersection(cursor):
        return "changed"
    if column not in said.new:
        return "shadow"
    return "both" if column in said.old else "legacy"
