"""Whether a table that stays takes the rows of another: what of its constraints and indexes would refuse some, and how many.

What may refuse rows is read from the catalogs, by the kinds that these know. Most is counted, in one pass over the rows;
an index of expressions, or one that excludes, is built over them and taken back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from bulketl.postgres.ddl import batch, name, own_rows
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.server import Connection
from bulketl.postgres.write.indexes import Index, index_statements
from bulketl.tables.printable import count_of

LOCK_SECONDS = 5  # for an index that is built over bulketl's own table: a load may have it
_TRIED = "bulketl_tried"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What of a table refuses rows, and what frees it. `rows`: how many, None where that is not known.

    `untried`: why nobody knows before whether it does; '' when it does.
    """

    what: str
    remedy: str
    rows: int | None = None
    untried: str = ""

    @property
    def words(self) -> str:
        """What it refuses, in words."""
        if self.untried:
            return f"{self.what} is not tried: {self.untried}"
        return f"{self.what} refuses {'some of its rows' if self.rows is None else count_of(self.rows, 'row')}"


class _Rule(NamedTuple):
    """A constraint or an index as the catalogs have it. `within`: the condition of the partition that it is of."""

    kind: str
    name: str
    definition: str
    columns: tuple[str, ...]
    to: tuple[str, str, bool] | None
    theirs: tuple[str, ...]
    plain: bool
    at: str
    within: str
    expression: str
    full: bool


# All relations that rows of a table go into, and all rules of theirs that are not of the one above.
_RULES = """
WITH parts AS (
    SELECT %(at)s::regclass::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(%(at)s::regclass)
), names AS (
    SELECT p.oid, n.nspname, c.relname, format('%%I.%%I', n.nspname, c.relname) AS at,
        CASE WHEN p.oid <> %(at)s::regclass THEN pg_get_partition_constraintdef(p.oid) END AS within
    FROM parts p JOIN pg_class c ON c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace
)
SELECT contype::text, k.conname, pg_get_constraintdef(k.oid),
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (num, n) JOIN pg_attribute a
          ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.n),
    tn.nspname, tc.relname, tc.relkind = 'p',
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (num, n) JOIN pg_attribute a
          ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.n),
    COALESCE((to_jsonb(k)->>'conperiod')::boolean, false) = false,
    p.at, p.within, pg_get_expr(k.conbin, k.conrelid), k.confmatchtype = 'f'
FROM names p JOIN pg_constraint k ON k.conrelid = p.oid
LEFT JOIN pg_class tc ON tc.oid = k.confrelid LEFT JOIN pg_namespace tn ON tn.oid = tc.relnamespace
WHERE contype IN ('c', 'f') AND k.conparentid = 0 AND (contype = 'f' OR k.coninhcount = 0 OR p.within IS NULL)
    AND COALESCE((to_jsonb(k)->>'conenforced')::boolean, true)
UNION ALL
SELECT CASE WHEN i.indisexclusion THEN 'x' WHEN i.indisunique THEN 'u' ELSE 'i' END, x.relname,
    COALESCE(pg_get_constraintdef(k.oid), pg_get_indexdef(x.oid)),
    ARRAY(SELECT pg_get_indexdef(x.oid, n, false) FROM generate_series(1, i.indnkeyatts) n), NULL, NULL, NULL, '{}',
    NOT i.indnullsnotdistinct, p.at, p.within, pg_get_expr(i.indpred, i.indrelid), k.oid IS NOT NULL
FROM names p JOIN pg_index i ON i.indrelid = p.oid JOIN pg_class x ON x.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = p.oid AND k.contype IN ('p', 'u', 'x')
WHERE NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = x.oid) AND (i.indisunique OR i.indisexclusion
    OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR x.relam <> (SELECT oid FROM pg_am WHERE amname = 'btree')
    OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p.oid AND a.attnum = ANY (i.indkey) AND a.atttypmod NOT BETWEEN
        4 AND 600 AND a.atttypid = ANY ('{text,varchar,bpchar,bytea,jsonb}'::regtype[])))
UNION ALL
SELECT 'n', a.attname, '', ARRAY[a.attname::text], NULL, NULL, NULL, '{}', true, p.at, p.within, NULL, false
FROM names p JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
WHERE p.within IS NULL OR NOT EXISTS (SELECT FROM pg_attribute b
    WHERE b.attrelid = %(at)s::regclass AND b.attname = a.attname AND b.attnotnull)
UNION ALL
SELECT 'p', '', '', '{}', NULL, NULL, NULL, '{}', true, %(at)s::text, NULL, string_agg('(' || p.within || ')', ' OR '), false
FROM names p JOIN pg_class c ON c.oid = p.oid WHERE c.relkind <> 'p' AND p.within IS NOT NULL HAVING count(*) > 0"""
_KINDS = {
    "c": "CHECK constraint", "f": "foreign key", "u": "unique index", "x": "exclusion constraint", "i": "index",
    "n": "NOT NULL of column", "p": "its partitioning",
}  # fmt: skip


def refusals(
    connection: Connection, schema: str, table: str, source: tuple[str, str], key: Sequence[str], coming: Mapping[str, str]
) -> list[Refusal]:
    """Return what of a table would refuse rows of `source`, a schema and a table of the same columns.

    `key`: the columns of which no two of these rows have the same values. `coming`: by table of the same schema, after FROM,
    the rows that it will have then. Nothing is changed; each pass is linear in the rows.
    """
    at, rows = name(schema, table), f"ONLY {name(*source)} AS {name(table)}"
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        connection.execute("SET LOCAL search_path = pg_catalog")
        connection.execute(batch([PLANNING, BY_HASH]).encode())
        rules = [
            _Rule(
                kind,
                called,
                text,
                tuple(own),
                (where, other, whole) if where else None,
                tuple(theirs),
                plain,
                of,
                within or "",
                expr or "",
                full,
            )
            for kind, called, text, own, where, other, whole, theirs, plain, of, within, expr, full in connection.execute(
                _RULES, {"at": at}
            )
        ]
        counted = [(rule, _broken(rule)) for rule in rules if rule.kind in "cnp"]
        found = list(_counted(connection, rows, counted))
        for rule in rules:
            if rule.kind == "f":
                found += _pointing(connection, schema, table, rows, rule, coming)
            elif rule.kind == "u" and not (key and {*key} <= {column.strip('"') for column in rule.columns}):
                found += _twice(connection, rows, rule)
            elif rule.kind in "xi" and not rule.within:
                found += _built(connection, (schema, table), source, rule)
    return sorted(found, key=lambda one: one.what)


def _broken(rule: _Rule) -> str:
    """Return the condition of a row that breaks a rule which needs no other row."""
    inside = f"({rule.within}) AND " if rule.within else ""
    if rule.kind == "n":
        return f"{inside}{name(rule.columns[0])} IS NULL"
    return f"{inside}({rule.expression}) IS {'FALSE' if rule.kind == 'c' else 'NOT TRUE'}"


def _counted(connection: Connection, rows: str, rules: Sequence[tuple[_Rule, str]]) -> Iterator[Refusal]:
    """Yield what refuses rows by themselves, counted in one pass; in one each when a condition fails at some row."""
    if not rules:
        return
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition in rules)
    try:
        with connection.transaction():
            (found,) = connection.execute(f"SELECT {counts} FROM {rows}".encode()).fetchall()
    except psycopg.Error as error:
        _lost(error)
        if len(rules) > 1:
            for one in rules:
                yield from _counted(connection, rows, [one])
        else:
            yield _untried(rules[0][0], error)
        return
    for (rule, _), count in zip(rules, found, strict=True):
        if count:
            yield _refusal(rule, count)


def _pointing(
    connection: Connection, schema: str, table: str, rows: str, rule: _Rule, coming: Mapping[str, str]
) -> Iterator[Refusal]:
    """Yield a foreign key of the table that points to rows which are not there, and will not be."""
    if rule.to is None:
        return
    where, other, partitioned = rule.to
    there = coming.get(other) if where == schema else None
    own = [f"{name(table)}.{name(column)}" for column in rule.columns]
    same = " AND ".join(f"r.{name(theirs)} = {ours}" for theirs, ours in zip(rule.theirs, own, strict=True))
    given = " AND ".join(f"{column} IS NOT NULL" for column in own)
    none = f"NOT EXISTS (SELECT FROM {there or own_rows(where, other, partitioned)} r WHERE {same})"
    broken = f"({given}) AND {none}"
    if rule.full:
        broken = f"({broken} OR (NOT ({given}) AND ({given.replace(' AND ', ' OR ')})))"
    inside = f"({rule.within}) AND " if rule.within else ""
    if not rule.plain:
        yield dataclasses.replace(_refusal(rule, None), untried="it is of a period")
        return
    yield from _asked(connection, rule, f"SELECT count(*) FROM {rows} WHERE {inside}{broken}")


def _twice(connection: Connection, rows: str, rule: _Rule) -> Iterator[Refusal]:
    """Yield a unique index in which rows would have the same values as others."""
    keys = ", ".join(f"({key})" for key in rule.columns)
    conditions = [f"({text})" for text in (rule.within, rule.expression) if text]
    conditions += [f"({key}) IS NOT NULL" for key in rule.columns if rule.plain]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    groups = f"SELECT count(*) AS n FROM {rows}{where} GROUP BY {keys} HAVING count(*) > 1"
    yield from _asked(connection, rule, f"SELECT COALESCE(sum(n), 0)::bigint FROM ({groups}) g")


def _asked(connection: Connection, rule: _Rule, query: str) -> Iterator[Refusal]:
    try:
        with connection.transaction():
            ((count,),) = connection.execute(query.encode()).fetchall()
    except psycopg.Error as error:
        _lost(error)
        yield _untried(rule, error)
        return
    if count:
        yield _refusal(rule, count)


def _built(connection: Connection, here: tuple[str, str], source: tuple[str, str], rule: _Rule) -> Iterator[Refusal]:
    """Yield an index or an exclusion constraint that cannot be built over the rows; what is built is taken back."""
    if rule.full:
        making = f"ALTER TABLE {name(*source)} ADD CONSTRAINT {name(_TRIED)} {rule.definition}"
    else:
        index = Index(here[0], rule.name, rule.definition, None)
        making = next(iter(index_statements(index, here, source, _TRIED)), "")
    if not making:
        return
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(making.encode())
    except psycopg.Error as error:
        _lost(error)
        refused = (error.sqlstate or "")[:2] in ("22", "23", "54")
        yield dataclasses.replace(_refusal(rule, None)) if refused else _untried(rule, error)


def _refusal(rule: _Rule, count: int | None) -> Refusal:
    return Refusal(_what(rule), _remedy(rule), count)


def _untried(rule: _Rule, error: psycopg.Error) -> Refusal:
    state = error.sqlstate or ""
    if state[:2] in ("22", "23"):  # the rule itself cannot be computed of a row
        return Refusal(_what(rule), _remedy(rule))
    return Refusal(_what(rule), _remedy(rule), untried=f"SQLSTATE {state}")


def _what(rule: _Rule) -> str:
    if rule.kind == "p":
        return _KINDS["p"]
    kind = "unique constraint" if rule.full and rule.kind == "u" else ""
    of = f" of {rule.at}" if rule.within else ""
    return f"{kind or _KINDS[rule.kind]} {name(rule.name)}{of}"


def _remedy(rule: _Rule) -> str:
    if rule.kind == "p":
        return "create the partition that they lack, or a DEFAULT one"
    if rule.kind == "n":
        return f"ALTER TABLE {rule.at} ALTER COLUMN {name(rule.name)} DROP NOT NULL"
    if rule.kind == "i" or (rule.kind == "u" and not rule.full):
        return f"drop index {name(rule.name)} of {rule.at}"
    return f"ALTER TABLE {rule.at} DROP CONSTRAINT {name(rule.name)}"


def _lost(error: psycopg.Error) -> None:
    """Raise the error of a line that is lost, which says nothing of a rule."""
    if error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
        raise error
