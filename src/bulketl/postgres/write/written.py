"""What a publish has written, compared with what it should have, in its own transaction and where it was written.

Triggers, rules, row security and keys that cascade may drop, change or add rows after they were counted. Postgres keeps, per
transaction and table, how many rows were inserted, updated and deleted, whoever did it: these counters cost nothing, so
they are compared always. Where something acts on the table, what is there is also compared with what was staged by value,
in one more linear join. A difference ends the transaction, so that the old rows stay, and names what may be at work.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.postgres.ddl import columns, name, rows_of, value
from bulketl.postgres.joins import BY_HASH
from bulketl.postgres.server import EATEN
from bulketl.tables.spec import DELETED_AT, TableSpec

# What can act on rows that are written, on the table and on its partitions; what is disabled does not.
_ACTING = """(SELECT string_agg(DISTINCT a.what, ', ' ORDER BY a.what) FROM unnest(bulketl_parts) p(oid), LATERAL (
    SELECT format('trigger %s', tgname) FROM pg_trigger WHERE tgrelid = p.oid AND NOT tgisinternal AND tgenabled <> 'D'
  UNION ALL
    SELECT format('rule %s', rulename) FROM pg_rewrite WHERE ev_class = p.oid AND rulename <> '_RETURN' AND ev_enabled <> 'D'
  UNION ALL
    SELECT 'row level security' FROM pg_class WHERE oid = p.oid AND relrowsecurity) a(what))"""
# Keys of the table by which rows of it go, or change, with those they point to.
_CASCADES = """(SELECT string_agg(DISTINCT format('foreign key %s', conname), ', ') FROM pg_constraint
    WHERE contype = 'f' AND conrelid = ANY(bulketl_parts) AND confdeltype NOT IN ('a', 'r'))"""
_VARIABLES = (
    "bulketl_parts oid[]; bulketl_acting text; bulketl_was bigint[]; bulketl_did bigint[]; bulketl_rows bigint;"
    " bulketl_off bigint;"
)
_COUNTERS = (
    "(SELECT ARRAY[sum(pg_stat_get_xact_tuples_inserted(p)), sum(pg_stat_get_xact_tuples_updated(p)),"
    " sum(pg_stat_get_xact_tuples_deleted(p))]::bigint[] FROM unnest(bulketl_parts) p)"
)
_COUNTED = "current_setting('track_counts')::boolean"


def acting(spec: TableSpec) -> str:
    """Return the statements that find out what acts on rows written to the table, as words, NULL for nothing."""
    table = value(name(spec.schema, spec.table))
    parts = f"ARRAY(SELECT {table}::regclass::oid UNION SELECT relid::oid FROM pg_partition_tree({table}))"
    return f"bulketl_parts := {parts};\nbulketl_acting := {_ACTING}"


def begin(spec: TableSpec) -> str:
    """Return the statements of a block before rows are written."""
    fail = _raise(spec, value("nobody can tell what is done to its rows: track_counts is off"))
    uncounted = f"IF bulketl_acting IS NOT NULL AND NOT {_COUNTED} THEN {fail} END IF"
    return f"{acting(spec)};\n{uncounted};\nbulketl_was := {_COUNTERS}"


def did() -> str:
    """Return the statements, once rows are written, that take the counters; what waits for the commit acts before."""
    return (
        "IF bulketl_acting IS NOT NULL THEN SET CONSTRAINTS ALL IMMEDIATE; END IF;\n"
        f"bulketl_did := {_COUNTERS};\n"
        "bulketl_did := ARRAY[bulketl_did[1] - bulketl_was[1], bulketl_did[2] - bulketl_was[2],"
        " bulketl_did[3] - bulketl_was[3]]"
    )


def net(spec: TableSpec, more: str) -> str:
    """Return the statement that fails unless the table has `more` rows than before, an expression."""
    counted = "bulketl_did[1] - bulketl_did[3]"
    words = value("it should have %s more rows now than before, and has %s")
    return f"IF {_COUNTED} AND {counted} <> {more} THEN {_raise(spec, words, more, counted)} END IF"


def nothing(spec: TableSpec, query: str, what: str, *, always: bool = False) -> str:
    """Return the statement that fails when a SELECT of a count is not 0, asked where something acts on the table."""
    fail = _raise(spec, value(f"%s {what}"), "bulketl_off")
    asked = f"SELECT {query} INTO bulketl_off;\nIF bulketl_off > 0 THEN {fail} END IF"
    return asked if always else f"IF bulketl_acting IS NOT NULL THEN\n{asked};\nEND IF"


def others(spec: TableSpec, expected: str, staged: str) -> str:
    """Return the statement that fails when rows were written that are not staged.

    It looks for them only where the counters are not the `expected` ones, an array. `staged`: the condition that a row `t`
    is staged.
    """
    if spec.widened:  # which writes all rows of the table anew
        return ""
    fresh = "age(t.xmin) <= age(pg_current_xact_id()::xid)"
    query = f"(SELECT count(*) FROM {rows_of(spec)} t WHERE {fresh} AND NOT {staged})"
    asked = nothing(spec, query, "other rows of it were changed", always=True)
    differ = f"{_COUNTED} AND bulketl_did <> {expected}::bigint[]"
    return f"IF {differ} THEN\n{BY_HASH};\n{asked};\nEND IF"


def lacking(spec: TableSpec, stage: str) -> str:
    """Return the expression of how many rows of `stage` the table does not have as they are; by content without a key."""
    if not spec.key:
        names = columns(item.name for item in spec.casts)
        here, there = (
            f"SELECT md5(ROW({names})::text) AS h, count(*) AS n FROM {rows} GROUP BY 1" for rows in (stage, rows_of(spec))
        )
        return f"(SELECT count(*) FROM ({here}) s LEFT JOIN ({there}) t ON s.h = t.h WHERE t.n IS NULL OR t.n < s.n)"
    same = " AND ".join(f"t.{name(key)} = s.{name(key)}" for key in spec.target_key)
    left, right = (", ".join(f"{side}.{name(item.name)}" for item in spec.casts) for side in ("t", "s"))
    alive = f" AND t.{name(DELETED_AT)} IS NULL" if spec.deletes == "mark" else ""
    alike = f"{same} AND NOT ROW({left})::record *<> ROW({right})::record{alive}"
    return f"(SELECT count(*) FROM {stage} s WHERE NOT EXISTS (SELECT FROM {rows_of(spec)} t WHERE {alike}))"


LOST = "rows are not there as they were sent"


def filled(spec: TableSpec, stage: str) -> str:
    """Return the block that checks a table that was emptied and filled from `stage`: as many rows, and the same ones."""
    count = f"(SELECT abs((SELECT count(*) FROM {rows_of(spec)}) - (SELECT count(*) FROM {stage})))"
    return block(
        acting(spec),
        "IF bulketl_acting IS NOT NULL THEN SET CONSTRAINTS ALL IMMEDIATE; END IF",
        nothing(spec, count, "rows more or fewer are there than were sent", always=True),
        nothing(spec, lacking(spec, stage), LOST),
    )


def checked_removal(spec: TableSpec, statement: str, left: str, record: str, *, deletes: bool) -> str:
    """Return the block that removes or marks rows, checks that just these went, and then does `record`.

    `left`: the expression of how many there still are of those that should have gone.
    """
    expected = "ARRAY[0, 0, bulketl_rows]" if deletes else "ARRAY[0, bulketl_rows, 0]"
    checked = [net(spec, "-bulketl_rows" if deletes else "0"), nothing(spec, left, "rows should have gone, and are there")]
    if deletes:
        checked.append(others(spec, expected, "false"))
    return block(begin(spec), statement, "GET DIAGNOSTICS bulketl_rows = ROW_COUNT", did(), *checked, record)


def checked_insert(spec: TableSpec, stage: str, statement: str, appended: str, left: str) -> str:
    """Return the block that adds rows of `stage` by a statement, and checks that just these came and no other was touched.

    `appended`: the expression of how many it added; `left`: of how many would be added if it were done again.
    """
    checked = [net(spec, "bulketl_rows"), nothing(spec, left, LOST)]
    touched = f"CASE WHEN {_COUNTED} THEN bulketl_did[2] + bulketl_did[3] ELSE 0 END"
    checked.append(nothing(spec, touched, "rows of it were changed or removed", always=True))
    if spec.key and not (spec.added or spec.widened):  # after which rows that were there before are as fresh
        fresh = "age(t.xmin) <= age(pg_current_xact_id()::xid)"
        checked.append(nothing(spec, differing(spec, stage, [item.name for item in spec.casts], fresh), LOST))
    return block(begin(spec), statement, did(), f"bulketl_rows := {appended}", *checked)


def set_in(spec: TableSpec, stage: str, names: Sequence[str]) -> str:
    """Return the block that checks that some columns of the table's rows were set to the values of `stage`."""
    return block(
        acting(spec), nothing(spec, differing(spec, stage, names, "true"), "rows were not filled as they were sent")
    )


def differing(spec: TableSpec, stage: str, names: Sequence[str], which: str) -> str:
    """Return the expression of how many rows, of those that a condition is for, differ from `stage` in some columns."""
    same = " AND ".join(f"t.{name(key)} = s.{name(key)}" for key in spec.target_key)
    left, right = (", ".join(f"{side}.{name(column)}" for column in names) for side in ("t", "s"))
    unlike = f"CASE WHEN t.ctid IS NULL THEN false ELSE {which} AND ROW({left})::record *<> ROW({right})::record END"
    return f"(SELECT count(*) FROM {stage} s LEFT JOIN {rows_of(spec)} t ON {same} WHERE {unlike})"


def retired(spec: TableSpec, statement: str, rows: int, left: str) -> str:
    """Return the block that removes a number of rows by a statement, and checks that just these went.

    `left`: the expression of how many there still are of them.
    """
    checked = (net(spec, str(-rows)), nothing(spec, left, "rows should have gone, and are there", always=True))
    touched = others(spec, f"ARRAY[0, 0, {rows}]", "false")
    return block(begin(spec), statement, did(), *checked, touched)


def unplanned(spec: TableSpec) -> str:
    """Return the statement that fails when something acts on a table on which nothing did when the load was planned."""
    fail = _raise(spec, value("it is not as it was when the load was planned; load it again"))
    return block(acting(spec), f"IF bulketl_acting IS NOT NULL THEN {fail} END IF")


def block(*statements: str, variables: str = "") -> str:
    """Return the statements as one block with the variables that they need."""
    return f"DECLARE {_VARIABLES}{variables}\nBEGIN\n" + ";\n".join(each for each in statements if each) + ";\nEND"


def _raise(spec: TableSpec, words: str, *values: str) -> str:
    """Return the RAISE of a message, a format, that ends in what acts on the table."""
    said = f"{value(name(spec.schema, spec.table))} || ': ' || format({', '.join((words, *values))})"
    who = f"COALESCE(bulketl_acting, {_CASCADES}, 'nothing that is known')"
    return f"RAISE EXCEPTION USING ERRCODE = '{EATEN}', MESSAGE = {said} || '; at work on it: ' || {who};"
