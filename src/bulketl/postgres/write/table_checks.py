"""Checks on a table as a whole: computed by Postgres in the transaction that publishes it, before anybody can see it.

Counts, sums and the newest row cost one scan together; a unique and a foreign key cost one each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bulketl.errors import DataError
from bulketl.postgres.ddl import batch, name, own_rows, rows_of, value
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.rows.coerce import Batch
from bulketl.tables.checks import ON_TABLE, Check, Counts, passes, said
from bulketl.tables.enums import ENUM
from bulketl.tables.printable import count_of, verb_of
from bulketl.tables.spec import DELETED_AT, TableSpec

SEEN_HINT = "`bulketl rejects show {table}` shows them"


def hold(cursor: Any, specs: Sequence[TableSpec], tables: Sequence[str] = ()) -> list[Counts]:
    """Check each table as a whole and return what only warns; `tables` are where the rows are, quoted, if not in place.

    Raise DataError when a table does not pass a check that fails it: the caller's transaction is to be rolled back.
    """
    places = list(tables) or [rows_of(spec) for spec in specs]
    asked = [(n, check) for n, spec in enumerate(specs) for check in spec.checks if check.kind in ON_TABLE]
    found: list[Counts] = [{} for _ in specs]
    if not asked:
        return found
    there = _there(cursor, specs)
    cursor.execute(batch([PLANNING, BY_HASH]))
    cursor.execute(query(specs, places, there))
    figures = {int(n): text for n, text in cursor.fetchall()}
    for place, (n, check) in enumerate(asked):
        text = figures.get(place)
        figure = None if text is None else _number(text)
        if not passes(check, figure):
            found[n].setdefault(check.severity, {})[check.label] = figure if figure is not None else -1
    for spec, counts in zip(specs, found, strict=True):
        if counts.get("fail"):
            raise broken(spec, counts["fail"], "")
    return found


def query(specs: Sequence[TableSpec], places: Sequence[str], there: Mapping[str, bool] | None = None) -> str:
    """Return the SELECT of a figure, as text, for each check on the tables as a whole, numbered in their order.

    `there`: the tables of the schema that foreign keys point to and that exist, with whether they are partitioned; None
    means all, and none of them is.
    """
    parts: list[str] = []
    n = 0
    for spec, place in zip(specs, places, strict=True):
        single: list[tuple[int, str]] = []
        for check in spec.checks:
            if check.kind not in ON_TABLE:
                continue
            if check.kind in ("unique", "foreign_key"):
                parts.append(_own(n, spec, place, check, there))
            else:
                single.append((n, _figure(spec, check)))
            n += 1
        if single:
            sums = ", ".join(f"({figure})::text AS f{k}" for k, figure in single)
            values = ", ".join(f"({k}, f{k})" for k, _ in single)
            scan = f"(SELECT {sums} FROM {place}{_alive(spec, 'WHERE')}) s"
            parts.append(f"SELECT v.n, v.figure FROM {scan}, LATERAL (VALUES {values}) v(n, figure)")
    return " UNION ALL ".join(parts)


def _own(n: int, spec: TableSpec, place: str, check: Check, there: Mapping[str, bool] | None) -> str:
    own = [name(column) for column in spec.target_names(check.columns)]
    whole = " AND ".join(f"t.{column} IS NOT NULL" for column in own) + _alive(spec, " AND", "t.")
    if check.kind == "unique":
        groups = f"SELECT count(*) AS c FROM {place} t WHERE {whole} GROUP BY {', '.join(own)} HAVING count(*) > 1"
        return f"SELECT {n}, COALESCE(sum(c), 0)::text FROM ({groups}) g"
    other = own_rows(spec.schema, check.table, (there or {}).get(check.table, False))
    if check.table == spec.table:
        other = place  # rows of the same table arrive together
    elif there is not None and check.table not in there:
        return f"SELECT {n}, count(*)::text FROM {place} t WHERE {whole}"  # no table, no parent
    casts = {item.column: item for item in spec.casts}
    # An enum has a type of its own, and so it is compared as text; no other text becomes another value so.
    kinds = ("::text" if casts[column].target_type.base in ("text", "varchar", ENUM) else "" for column in check.columns)
    pairs = zip(check.places or check.keys, own, kinds, strict=True)
    same = " AND ".join(f"o.{name(key)}{text} = t.{column}{text}" for key, column, text in pairs)
    return f"SELECT {n}, count(*)::text FROM {place} t WHERE {whole} AND NOT EXISTS (SELECT 1 FROM {other} o WHERE {same})"


def _figure(spec: TableSpec, check: Check) -> str:
    if check.kind == "row_count":
        return "count(*)"
    column = name(*spec.target_names(check.columns))
    if check.kind == "sum":
        return f"COALESCE(sum({column}), 0)"
    now = "now()"
    if check.zone:
        column += "::timestamp"
        ahead = f"interval '{check.zone} s'" if check.zone.lstrip("-").isdigit() else ""
        now = f"now() AT TIME ZONE 'UTC' + {ahead}" if ahead else f"now() AT TIME ZONE {_zone(check)}"
    # A date in the far future, as people mistype one, does not make a table fresh.
    return f"EXTRACT(epoch FROM ({now}) - max({column}) FILTER (WHERE isfinite({column}) AND {column} <= ({now})))"


def _zone(check: Check) -> str:
    # Postgres takes '+02:00' as POSIX does, west of Greenwich; an interval means what it says.
    return f"interval {value(check.zone)}" if check.zone[0] in "+-" else value(check.zone)


def _alive(spec: TableSpec, word: str, at: str = "") -> str:
    return f" {word.strip()} {at}{name(DELETED_AT)} IS NULL" if spec.deletes == "mark" else ""


def _there(cursor: Any, specs: Sequence[TableSpec]) -> dict[str, bool]:
    others = {c.table for s in specs for c in s.checks if c.kind == "foreign_key" and c.table != s.table}
    if not others:
        return {}
    cursor.execute(
        "SELECT c.relname, c.relkind = 'p' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = {value(specs[0].schema)} AND c.relname IN ({', '.join(map(value, sorted(others)))})"
        " AND c.relkind IN ('r', 'p', 'f', 'v', 'm')"
    )
    return dict(cursor.fetchall())


def _number(text: str) -> float:
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() and abs(exact) < 1 << 53 else float(exact)


def passing(spec: TableSpec, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches that are complete and within the checks; raise DataError for the first that is not."""
    for piece in batches:
        complete(spec, piece)
        within(spec, piece)
        yield piece


def complete(spec: TableSpec, piece: Batch) -> None:
    """Raise DataError unless every row that was read is in the batch once, good or rejected."""
    if piece.good.num_rows + len(piece.rejects) != piece.read:
        raise DataError(
            f"table {spec.table!r}: {count_of(piece.read, 'row', 'was')} read, and "
            f"{piece.good.num_rows:,} {verb_of(piece.good.num_rows, 'is')} good "
            f"and {len(piece.rejects):,} rejected",
            hint="nothing was loaded; report it: a row must never be lost or doubled on the way",
        )


def within(spec: TableSpec, piece: Batch, where: str = "") -> None:
    """Raise DataError when rows of a batch fail a check for which the table fails; `where` they can be looked at."""
    counts = {label: float(rows) for (severity, label), rows in piece.checks.items() if severity == "fail"}
    if counts:
        raise broken(spec, counts, where)


def broken(spec: TableSpec, counts: dict[str, float], where: str) -> DataError:
    """Return the error of a table that fails because of its checks; `where` the rows can be looked at."""
    texts = [f"{label}: {said(label, figure)}" for label, figure in counts.items()]
    action = "correct them at the source, or give the check another severity in tables.yaml"
    return DataError(
        f"table {spec.table!r} does not pass its checks: {'; '.join(texts)}",
        hint=f"{where}; {action}" if where else action,
        checks=counts,
    )
