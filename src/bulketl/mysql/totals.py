"""The source's totals for a verification: how many rows, sums over their columns, which are newer than what was loaded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from bulketl.mysql.digests import zone
from bulketl.mysql.read import literal, wanted_condition
from bulketl.mysql.server import MySQL, is_lost, text_of
from bulketl.rows.aggregates import aggregates
from bulketl.tables.casts import quoted
from bulketl.tables.cursor import Watermark
from bulketl.tables.partitions import KeyTuple
from bulketl.tables.spec import TableSpec

COUNTED_TOGETHER = 60  # tables in one query
FIGURES_TOGETHER = 1000  # in one query
TableCount = tuple[int, int, str]  # rows but for the newer, newer ones, why they could not be counted


def newer(mark: Watermark | None) -> str:
    """Return the condition that a row was stamped after what was loaded."""
    return f"{quoted(mark.column)}>{literal(mark.typed)}" if mark and mark.value else "FALSE"


def older(mark: Watermark | None) -> str:
    """Return the condition that it was not, or that nobody can tell."""
    if mark is None or not mark.value:
        return "TRUE"
    return f"({quoted(mark.column)}<={literal(mark.typed)} OR {quoted(mark.column)} IS NULL)"


def counts(source: MySQL, asked: Sequence[tuple[TableSpec, Watermark | None]]) -> dict[str, TableCount]:
    """Count the rows of each table, a query for many, those apart that are newer."""
    found: dict[str, TableCount] = {}
    with source.connect() as cursor:
        # A session has one zone, and a literal for a TIMESTAMP means another instant in each.
        for some_zone in dict.fromkeys(spec.zone for spec, _ in asked):
            some = [one for one in asked if one[0].zone == some_zone]
            zone(cursor, some[0][0])
            for n in range(0, len(some), COUNTED_TOGETHER):
                found |= _count(cursor, some[n : n + COUNTED_TOGETHER])
    return found


def _count(cursor: Cursor, some: Sequence[tuple[TableSpec, Watermark | None]]) -> dict[str, TableCount]:
    parts = []
    for n, (spec, mark) in enumerate(some):
        late = f"COALESCE(SUM({newer(mark)}),0)" if mark and mark.value else "0"
        where = (
            f" WHERE {wanted_condition(spec)}" if spec.retained or spec.where else ""
        )  # without one MyISAM need not count
        parts.append(f"SELECT {n},COUNT(*),{late} FROM {quoted(spec.origin)}{where}")
    try:
        cursor.execute(" UNION ALL ".join(parts))
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        if len(some) == 1:
            return {some[0][0].table: (0, 0, text_of(error))}
        return {table: counted for one in some for table, counted in _count(cursor, [one]).items()}
    return {some[int(n)][0].table: (int(rows) - int(late or 0), int(late or 0), "") for n, rows, late in cursor.fetchall()}


def sums(source: MySQL, spec: TableSpec, mark: Watermark | None, within: str = "TRUE") -> tuple[int, list[str | None]]:
    """Return the number of rows that are not newer, and the figures of `aggregates` over them as text, in its order.

    `within`: a condition for the rows that are meant.
    """
    wanted = [found.mysql for found in aggregates(spec.casts, {i.column: "" for i in spec.casts}, spec.nul_bytes)]
    values: list[str | None] = []
    rows = 0
    with source.connect() as cursor:
        zone(cursor, spec)
        for n in range(0, max(1, len(wanted)), FIGURES_TOGETHER):
            cursor.execute(
                f"SELECT {', '.join(['COUNT(*)', *wanted[n : n + FIGURES_TOGETHER]])} FROM {quoted(spec.origin)}"
                f" WHERE {wanted_condition(spec)} AND {older(mark)} AND {within}"
            )
            rows, *some = cursor.fetchall()[0]
            values += [None if value is None else _plain(value) for value in some]
    return int(rows), values


def newer_keys(source: MySQL, spec: TableSpec, mark: Watermark, most: int) -> list[KeyTuple]:
    """Return the keys of newer rows, at most `most`."""
    with source.connect() as cursor:
        zone(cursor, spec)
        names = ", ".join(map(quoted, spec.key))
        cursor.execute(
            f"SELECT {names} FROM {quoted(spec.origin)} WHERE {newer(mark)} AND {wanted_condition(spec)} LIMIT {most}"
        )
        return [tuple(key) for key in cursor.fetchall()]


def key_span(source: MySQL, spec: TableSpec) -> tuple[Any, Any]:
    """Return the smallest and largest key of one column."""
    with source.connect() as cursor:
        key = quoted(spec.key[0])
        cursor.execute(f"SELECT MIN({key}), MAX({key}) FROM {quoted(spec.origin)} WHERE {wanted_condition(spec)}")
        lo, hi = cursor.fetchall()[0]
        return lo, hi


def now(source: MySQL, spec: TableSpec) -> dt.datetime:
    """Return the source's own time, in the zone in which the table is read."""
    with source.connect() as cursor:
        zone(cursor, spec)
        cursor.execute("SELECT NOW(6)")
        found: dt.datetime = cursor.fetchall()[0][0]
        return found


def _plain(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
