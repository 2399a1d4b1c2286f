"""ENUM columns that a cast declares `enum`: of which type of the schema they are, and which stay text, with the reason.

Pure. A type is known as bulketl's by its comment, which names the column that it was made for, and only ever gets labels:
Postgres takes none away and moves none, and rows that stay may have any of them. A type that somebody else made is not used.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.incremental import Choice
from bulketl.plan.spelling import lacks
from bulketl.tables.casts import Cast, cast, held_type
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.enums import ENUM, labels_of, mark_of, note_of, split_name, type_name
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import NAME_BYTES, TableSpec, cut

_SOURCES = ("enum", "enum binary")
# Of characters of four bytes, for which information_schema shows a question mark.
_WIDE = ("utf8mb4", "utf16", "utf16le", "utf32", "gb18030")
_NAMED = 5  # labels that are named


def asked(config: Config, table: Table, column: Column) -> bool:
    """Tell whether a column is an ENUM that a person declared an enum."""
    return column.parsed.base in _SOURCES and held_type(config.declared_type(table, column))[0] == ENUM


def declared(config: Config, table: Table, column: Column) -> str:
    """Return the type that a person declared for a column, '' for none; text for an enum, which it may stay."""
    return "text" if asked(config, table, column) else config.declared_type(table, column)


def cast_of(config: Config, catalog: Catalog, table: Table, column: Column, choice: Choice) -> Cast:
    """Return how a column becomes one of the target; an ENUM that is declared an enum is of a type of the schema, or text.

    Raise PlanError as `cast`, and for a type that lacks labels and that only another user may alter.
    """
    if not asked(config, table, column):
        return cast(column, config.declared_type(table, column))
    item = cast(column, "text")
    labels = tuple(label.replace("\0", "") for label in labels_of(column.type))
    if _impossible(config, table, column, choice.encoding):
        return item
    name = config.target_name(table.name, column.name)
    ours = _ours(config, table, name, choice)
    called = ours.name if ours else _free(config, catalog, choice, cut(f"{table.name}_{name}"))
    if ours and not ours.demands.owned and set(labels).difference(ours.labels):
        raise PlanError(
            f"table {table.name!r}: the enum type {called!r} of its column {column.name!r} lacks labels of the source, and "
            f"belongs to {ours.owner}",
            hint=f"ALTER TYPE {type_name(config.target_schema, called)} OWNER TO the target user, or declare it text",
        )
    return dataclasses.replace(item, target=type_name(config.target_schema, called), labels=labels)


def _impossible(config: Config, table: Table, column: Column, encoding: str) -> str:
    """Return why an ENUM cannot be of an enum type, or ''."""
    mask = config.rule(table.name).mask.get(column.name)
    if mask is not None and mask.method != "keep":
        return "it is masked"
    if column.parsed.base != "enum":
        return "its labels are bytes"
    labels = labels_of(column.type)
    if not labels:
        return "the source does not say its labels"
    if column.charset in _WIDE and any("?" in label for label in labels):
        return "the source shows a label with a question mark, which may stand for a character that it cannot show"
    if long := [label for label in labels if len(label.encode()) > NAME_BYTES]:
        return f"the label {_quoted(long)} has {len(long[0].encode())} bytes, and Postgres takes {NAME_BYTES}"
    plain = [label.replace("\0", "") for label in labels]
    if twice := [label for n, label in enumerate(plain) if label in plain[:n]]:
        return f"two of its labels are the same: {_quoted(twice)}"
    if any(lacks(label, encoding) for label in labels):
        return f"a label has characters that the target lacks: its database is in {encoding}"
    return ""


def _ours(config: Config, table: Table, name: str, choice: Choice) -> TargetTable | None:
    """Return the type that bulketl made for a column: the one that it has, else one that an earlier load left behind."""
    note = note_of(table.name, name)
    found = [thing for thing in choice.types.values() if thing.note == note]
    has = dict(choice.existing.columns).get(name) if choice.existing else None
    return next(
        (thing for thing in found if type_name(config.target_schema, thing.name) == has),
        min(found, key=lambda thing: thing.name, default=None),
    )


def _free(config: Config, catalog: Catalog, choice: Choice, wanted: str) -> str:
    """Return the name of a type that nothing has: a table has its row type, too."""
    tables = {table.name for table in catalog} | (config.known or frozenset()) | config.tables.keys()

    def is_free(name: str) -> bool:
        return not (name in choice.taken or name in tables)

    numbered = (cut(f"{wanted}_{n}") for n in itertools.count(1))
    return wanted if is_free(wanted) else next(filter(is_free, numbered))


def _types(casts: Sequence[Cast], choice: Choice) -> Iterator[tuple[Cast, str, TargetTable | None]]:
    """Yield the columns of enum types, each with the name of its type, and the type where it is there."""
    for item in casts:
        if item.labels:
            called = split_name(item.target)[1]
            yield item, called, choice.types.get(called)


def added(casts: Sequence[Cast], choice: Choice) -> list[str]:
    """Return a line for each column whose type gets labels, as a plan tells of columns that changed."""
    lines = []
    for item, _, there in _types(casts, choice):
        new = [label for label in item.labels if label not in there.labels] if there else []
        if new:
            lines.append(f"+ {count_of(len(new), 'label')} of {in_a_line(item.name)}: {_quoted(new)}")
    return lines


def told(spec: TableSpec, choice: Choice) -> str:
    """Say how the enum types of a table differ from the source's: another name, labels that stay, another order."""
    parts = []
    for item, called, there in _types(spec.casts, choice):
        column = in_a_line(item.name)
        if called != (usual := cut(f"{spec.table}_{item.name}")):
            why = ", because its name is taken" if usual in choice.taken else ""
            parts.append(f"the type of {column} is called {in_a_line(called)}{why}")
        if there is None:
            continue
        if gone := [label for label in there.labels if label not in item.labels]:
            parts.append(f"{column} keeps {_quoted(gone)} in its type, which the source has no longer")
        shared = [label for label in there.labels if label in item.labels]
        if shared != [label for label in item.labels if label in there.labels]:
            parts.append(f"{column} has its labels in another order than the source")
    return "; ".join(parts)


def unmade(config: Config, table: Table, encoding: str) -> str:
    """Say which columns stay text although a cast declares them enums, and why."""
    parts, rule = [], config.rule(table.name)
    for column in table.columns:
        if rule.takes(column.name) and asked(config, table, column):
            name, why = config.target_name(table.name, column.name), _impossible(config, table, column, encoding)
            parts += [f"{in_a_line(name)} stays text: {why}"] if why else []
    return f"no enum type: {'; '.join(parts)}" if parts else ""


def left_behind(spec: TableSpec, choice: Choice) -> tuple[tuple[str, str], ...]:
    """Return the types that bulketl made for a table and that no column is to be of, as (name, comment)."""
    if not choice.types:
        return ()
    used, mark = {called for _, called, _ in _types(spec.casts, choice)}, mark_of(spec.table)
    return tuple(
        (name, thing.note) for name, thing in sorted(choice.types.items()) if mark in thing.note and name not in used
    )


def _quoted(labels: Sequence[str]) -> str:
    shown = ", ".join(f"'{in_a_line(label)}'" for label in labels[:_NAMED])
    return shown + (f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
