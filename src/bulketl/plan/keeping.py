"""What a table takes over from the source besides its rows, if its rule asks for it: secondary indexes, comments, defaults.

Pure. The plan names everything that has no equivalent in Postgres, and each unique index that is built without UNIQUE.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bulketl.config.tables import TableRule
from bulketl.plan.spelling import lacks
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import Key, Table, TargetTable
from bulketl.tables.defaults import default_of
from bulketl.tables.enums import ENUM
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.secondary import Index, IndexPart
from bulketl.tables.spec import TableSpec, cut
from bulketl.tables.types import TARGET_FLOATS, TARGET_INTEGERS, TARGET_TIMES

INDEX_BYTES = 2600  # an entry of a B-tree of Postgres has 2,704 bytes at most, with what it costs beside its values
_SHORT = ("boolean", "numeric", "uuid", "interval", "time", "timetz", ENUM, *TARGET_FLOATS, *TARGET_INTEGERS, *TARGET_TIMES)
_TEXTS = ("text", "varchar", "char", "bpchar")
_MASKED_BYTES = 256  # of what a mask makes of a value, however short that was
_FIXED_BYTES = 40  # of a value of _SHORT: the longest numeric
_CHARACTER = {"ascii": 1, "latin1": 2, "utf8": 3, "utf8mb3": 3, "ucs2": 3, "": 1, "binary": 1}  # bytes in UTF-8
_KINDS = {"FULLTEXT": "full-text", "SPATIAL": "spatial", "RTREE": "spatial", "VECTOR": "vector"}


class Kept(NamedTuple):
    """What a table is to have: indexes without their names, comments, defaults; how many foreign keys.

    In words, `lost`: what of the source there will not be; `changed`: what will be there otherwise.
    """

    indexes: tuple[Index, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    foreign_keys: int = 0
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def kept(rule: TableRule, table: Table, casts: Sequence[Cast], version: str, encoding: str = "UTF8") -> Kept:
    """Return what a table is to have of what its rule keeps.

    `version`: of the source's server; `encoding`: of the target's database.
    """
    made: list[Index] = []
    lost: list[str] = []
    changed: list[str] = []
    for key in table.indexes if "indexes" in rule.keep else ():
        found = _index(table, key, {item.column: item for item in casts}, encoding)
        if isinstance(found, str):
            lost.append(f"index {in_a_line(key.name)}: {found}")
            continue
        if key.unique and (why := _repeats(rule, casts, key)):
            changed.append(f"index {in_a_line(key.name)} without UNIQUE, because {why}")
            found = dataclasses.replace(found, unique=False)
        made.append(found)
    comments, unheld = _comments(rule, table, casts, encoding)
    defaults, strange, otherwise = _defaults(rule, table, casts, version, encoding)
    pointing = len(table.foreign_keys) if "foreign_keys" in rule.keep else 0
    return Kept(tuple(made), comments, defaults, pointing, (*lost, *unheld, *strange), (*changed, *otherwise))


def _defaults(
    rule: TableRule, table: Table, casts: Sequence[Cast], version: str, encoding: str
) -> tuple[tuple[tuple[str, str], ...], list[str], list[str]]:
    """Return the defaults of the columns, '' for none; and in words those that Postgres cannot have, or has otherwise."""
    if "defaults" not in rule.keep:
        return (), [], []
    found: list[tuple[str, str]] = []
    lost: list[str] = []
    otherwise: list[str] = []
    for item in casts:
        if not item.source:
            continue
        column, text = table.column(item.column), ""
        try:
            text = default_of(column, item, mariadb="mariadb" in version.lower())
            if lacks(text, encoding):
                raise ValueError(f"the target's database is in {encoding}")
        except ValueError as error:
            text = ""
            lost.append(f"default of {in_a_line(item.column)}: {in_a_line(str(error))}")
        found.append((item.name, text))
        acting = (word for word in ("auto_increment", "on update") if word in column.extra.lower())
        otherwise += [f"{in_a_line(item.column)} without {word.upper()}" for word in acting]
    return tuple(found), lost, otherwise


def _index(table: Table, key: Key, casts: Mapping[str, Cast], encoding: str) -> Index | str:
    """Return an index as the target can have it, or why it cannot."""
    if kind := _KINDS.get(key.kind.upper()):
        return f"a {kind} index of MySQL has no equivalent"
    if not key.parts:
        return "the source does not say what it holds"
    if any(not part.column for part in key.parts):
        return "it holds an expression of MySQL"
    if left := [part.column for part in key.parts if part.column not in casts]:
        return f"{', '.join(map(in_a_line, left))} is not loaded"
    if lacks(key.name, encoding):
        return f"the target cannot spell its name: its database is in {encoding}"
    parts, size = [], 0
    for part in key.parts:
        item = casts[part.column]
        kind = item.target_type.base
        width = _bytes(item, table.column(part.column).charset)
        prefix = 0
        if width is None or (part.prefix and size + width > INDEX_BYTES):
            if kind not in (*_TEXTS, "bytea") or not part.prefix:
                long = kind in (*_TEXTS, "bytea")
                what = "may have values too long for an index of Postgres" if long else f"is of type {kind}"
                return f"{in_a_line(part.column)} {what}"
            prefix, width = part.prefix, part.prefix * (1 if kind == "bytea" else 4)
        size += width
        parts.append(IndexPart(item.name, prefix, kind == "bytea", part.descending))
    if size > INDEX_BYTES:
        return f"its values may take {size:,} bytes, and an entry of Postgres has room for {INDEX_BYTES:,}"
    return Index(key.name, tuple(parts), key.unique)


def _bytes(item: Cast, charset: str) -> int | None:
    """Return how many bytes a value may take in the target; None where nobody knows, or its type has no order."""
    kind = item.target_type.base
    if kind in _SHORT:
        return _FIXED_BYTES
    if kind not in (*_TEXTS, "bytea"):
        return None
    if item.target_type.sizes:
        found = item.target_type.sizes[0] * _CHARACTER.get(charset, 4)
        return max(found, _MASKED_BYTES) if item.masked else found
    base, sizes = item.source_type.base, item.source_type.sizes
    if base in ("char", "varchar", "binary", "varbinary", "bit"):
        found = (sizes or (1,))[0] * _CHARACTER.get(charset, 4)
    elif base.startswith(("enum", "set")):
        found = len(item.source.encode())  # which spells every member
    elif base.endswith(("text", "blob", "json")) or base in ("geometry", "point", "polygon", "vector"):
        return None
    else:  # a number or a time as text
        found = 80
    return max(found, _MASKED_BYTES) if item.masked else found


def _repeats(rule: TableRule, casts: Sequence[Cast], key: Key) -> str:
    """Return why rows of the target may have the same values in a unique index of the source, or ''."""
    if masked := [item.column for item in casts if item.masked and item.column in key.columns]:
        return f"{', '.join(masked)} is masked"
    if rule.table_importance == "audit":
        return "rows of tier audit stay when they are gone at the source"
    if rule.deletes.policy in ("ignore", "mark", "fail") or (rule.retention and rule.retention.legal_hold):
        return "rows stay when they are gone at the source"
    if rule.extraction_strategy != "full_table":
        return "rows that are gone at the source stay until they are found"
    return ""


def _comments(
    rule: TableRule, table: Table, casts: Sequence[Cast], encoding: str
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the comments of a table and its columns, and in words those that the target cannot hold."""
    if "comments" not in rule.keep:
        return (), ()
    said = {column.name: column.comment for column in table.columns}
    every = [("", table.comment), *((item.name, said.get(item.column, "")) for item in casts)]
    found = [(column, text.replace("\0", "")) for column, text in every if text.strip("\0")]
    held = tuple((column, text) for column, text in found if not lacks(text, encoding))
    unheld = (f"comment of {in_a_line(column) or 'the table'}" for column, text in found if lacks(text, encoding))
    return held, tuple(f"{what}: the target's database is in {encoding}" for what in unheld)


def permitted(found: Kept, spec: TableSpec, existing: TargetTable | None) -> Kept:
    """Return what a table may get: nothing, which is said, where it stays and only another user may alter it."""
    if existing is None or existing.demands.owned or spec.publish in ("create", "swap"):
        return found
    why = "whatever its rule keeps, because the table in the target belongs to another user"
    return Kept(lost=(why,) if any(found[:4]) or found.lost else ())


def placed(spec: TableSpec, found: Kept, existing: TargetTable | None, taken: set[str]) -> tuple[TableSpec, tuple[str, ...]]:
    """Return the spec with what its table is to have, by names that nothing else has, and in lines what is new and gone.

    `taken`: names of relations in the target that are or will be of others; those that are given join them. An index that
    is there as it should be stays, unless the rows are replaced, when it is quicker to build it afterwards. Where rows are
    merged into a table whose rows are otherwise replaced, nothing is unique: two rows may exchange their values.
    """
    there = dict(existing.indexes) if existing and existing.demands.owned else {}
    if not (any(found[:3]) or there):
        return spec, ()
    alone = spec.publish not in ("merge", "append")
    own = [dataclasses.replace(item, unique=item.unique and alone) for item in found.indexes]
    by_note = {note: name for name, note in there.items()}
    made, staying = [], set[str]()
    for item in own:
        name = by_note.get(item.note) or by_note.get(item.plain_note, "")
        if name and spec.publish in ("merge", "append"):
            staying.add(name)
        made.append(dataclasses.replace(item, name=name))
    known = {item.name for item in made}
    others = (taken - set(there)) | known
    named = []
    for item in made:
        name = item.name or _name(spec.table, item.origin, others)
        others.add(name)
        named.append(dataclasses.replace(item, name=name))
    taken.update(item.name for item in named)
    in_place = spec.publish not in ("create", "swap")
    dropped = tuple(sorted(set(there) - staying)) if in_place else ()
    gone = tuple((name, "") for name, _ in spec.kept) if found.defaults else ()  # which are NULL from now on
    spec = dataclasses.replace(
        spec, indexes=tuple(named), unindexed=dropped, comments=found.comments, defaults=(*found.defaults, *gone)
    )
    return spec, tuple(_differing(existing, own, named, there))


def _differing(
    existing: TargetTable | None, own: Sequence[Index], named: Sequence[Index], there: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each index that a table which is there gets or loses."""
    if existing is None:
        return
    for index in named:
        if not {index.note, index.plain_note} & {*there.values()}:
            yield f"+ index {in_a_line(index.name)}"
    wanted = {note for index in own for note in (index.note, index.plain_note)}
    for name, note in there.items():
        if note not in wanted:
            yield f"- index {in_a_line(name)}, gone or another one at the source, or no longer kept by its rule"


def _name(table: str, origin: str, taken: set[str]) -> str:
    """Return the name of an index in the target: the source's; if it is taken, that with the table's, or with a number."""
    tried = [cut(origin), cut(f"{table}_{origin}")]
    tried += [cut(f"{table}_{origin}_{n}") for n in range(1, len(taken) + 2)] if {*tried} <= taken else []
    return next(name for name in tried if name not in taken)


def reserved(tables: Iterable[Table], target: Mapping[str, TargetTable]) -> set[str]:
    """Return the names that no index may get: of what the target has and of what tables bring, and such as two would have.

    Indexes of bulketl's own are among them: whoever has one keeps its name by it.
    """
    names, twice = set(target), set[str]()
    seen = set[str]()
    for table in tables:
        names |= {table.name, cut(f"{table.name}_pkey")}
        for key in table.indexes:
            (twice if key.name in seen else seen).add(key.name)
    return names | twice


def told_of(found: Kept) -> str:
    """Say how many indexes and comments a table gets, and which of them are otherwise than at the source."""
    indexes = f"{len(found.indexes)} index{'' if len(found.indexes) == 1 else 'es'}" if found.indexes else ""
    comments = count_of(len(found.comments), "comment") if found.comments else ""
    stated = sum(1 for _, text in found.defaults if text)
    parts = [what for what in (indexes, comments, count_of(stated, "default") if stated else "") if what]
    said = f"with {', '.join(parts)} of the source" if parts else ""
    keys = f"{count_of(found.foreign_keys, 'foreign key')} when all tables are there" if found.foreign_keys else ""
    return "; ".join(filter(None, (said, keys, *found.changed)))


def unkept(found: Kept) -> str:
    """Say what a rule keeps and the target cannot have."""
    return f"not kept: {'; '.join(found.lost)}" if found.lost else ""
