"""Rows that a table refuses although its columns take them: by a constraint, a trigger, an index, a missing partition.

They show when staged rows are published. One statement then writes them page by page, the rows of a refused page one by one,
each in a subtransaction, and notes what is refused and why; all of it is rolled back. Rows that point to others of their own
table are written again once these are there. Of two rows that exclude each other neither is at fault alone, so nothing is
rejected for a key that is there twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bulketl.errors import DataError
from bulketl.postgres.ddl import alter_table, block, columns, create_table, name, rows_of, staging, value
from bulketl.postgres.ledger import entries
from bulketl.postgres.refusals import TWICE, about
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import TEMPORARY, copy_encoded, transaction
from bulketl.postgres.write.merge import absent, differs, insert, matching
from bulketl.postgres.write.noted import note
from bulketl.postgres.write.outcome import too_many
from bulketl.postgres.write.refused import batch_limit, encodable, trial
from bulketl.rows.coerce import KEPT_REJECTS, Batch
from bulketl.rows.reject import Reject, reject
from bulketl.tables.casts import Cast
from bulketl.tables.spec import TableSpec

_KEYED, _STAGE, _NOTES = "bulketl_keyed", "bulketl_rows", "bulketl_refused"
# A page has few rows, which are looked up by the table's key: any other join would read the whole table for each page.
_BY_KEY = tuple(f"SET LOCAL enable_{way} = off" for way in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"))
_SETTINGS = ("SET CONSTRAINTS ALL IMMEDIATE", *_BY_KEY)
_GOOD = "BK001"  # ends what is to be taken back
_POINTS = "23503"  # to a row that is not there yet, perhaps
_UNKNOWN = "57000"  # nothing of a row
_PAGE = 10_000  # refused rows in memory at once
_ROUNDS = 50  # of writing rows that point to others; beyond, nothing is rejected for it


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is refused: where it stands in its stage, why, the columns that its constraint is about, the code."""

    at: str
    reason: str
    columns: tuple[str, ...]
    code: str


def placing(error: DataError) -> bool:
    """Tell whether a table may have refused single rows with this error."""
    return bool(error.state) and error.state not in TWICE and about(error.state, error.message) == "row"


def refused_of_batch(target: Postgres, run: str, spec: TableSpec, rows: pa.Table, most: int) -> list[tuple[int, Refused]]:
    """Return the refused ones of some rows with their places, at most one more than `most`."""
    with trial(target, run, spec) as cursor:
        cursor.execute(create_table(TEMPORARY, _STAGE, spec.casts))
        copy_encoded(cursor, encodable(rows, spec), TEMPORARY, _STAGE)
        found = _found(cursor, run, spec, name(TEMPORARY, _STAGE), most)
        if not found:
            return []
        wanted = {item.at: item for item in found}
        cursor.execute(f"SELECT ctid::text AS at FROM {name(TEMPORARY, _STAGE)} ORDER BY ctid")
        return [(n, wanted[at]) for n, (at,) in enumerate(cursor.fetchall()) if at in wanted]


def refused_within(
    cursor: Any, run: str, spec: TableSpec, stage: str, most: int, before: Iterable[str] = ()
) -> Iterator[list[Reject]]:
    """Yield the refused rows of a stage (quoted) of this very transaction, as records, a page at a time, and take them out.

    There is at most one more than `most`. `before`: statements after which the rows would be written; of them and of the
    search nothing stays.
    """
    cursor.execute(f"CREATE TEMPORARY TABLE {_NOTES} (at tid, state text, words text, names text[]) ON COMMIT DROP")
    cursor.execute(_undone([*before, *_prepared(spec), *_SETTINGS], _searching(run, spec, stage, most)))
    if _count(cursor):
        for page in _pages(cursor, spec, stage):
            cursor.execute(f"DELETE FROM {stage} WHERE ctid = ANY ({_places(page)})")
            yield list(page.values())


def _count(cursor: Any) -> int:
    """Return how many rows are noted; 0 when something beside rows is at fault."""
    cursor.execute(f"SELECT state, min(words), max(words), count(*) FROM {_NOTES} GROUP BY state")
    found = cursor.fetchall()
    sound = all(state not in TWICE and about(state, one) == about(state, two) == "row" for state, one, two, _ in found)
    return sum(count for *_, count in found) if sound else 0


def _pages(cursor: Any, spec: TableSpec, stage: str) -> Iterator[dict[str, Reject]]:
    """Yield the noted rows of a stage as records, by their places in it; few are in memory at once."""
    cursor.execute(f"CREATE INDEX ON {_NOTES} (at)")
    texts = ", ".join(f"s.{name(item.name)}::text" for item in spec.casts)
    columns_read, last = [item.column for item in spec.casts], "(0,0)"
    while True:
        cursor.execute(
            f"WITH n AS MATERIALIZED (SELECT * FROM {_NOTES} WHERE at > {value(last)}::tid ORDER BY at LIMIT {_PAGE})"
            f" SELECT n.at::text AS place, n.state, n.words, n.names, {texts} FROM n JOIN {stage} s ON s.ctid = n.at"
        )
        rows = sorted(cursor.fetchall(), key=lambda row: _placed(row[0]))
        if not rows:
            return
        page = {}
        for at, state, words, names, *values in rows:
            item = _refused(spec, at, state, words, names)
            row = _typed(spec, dict(zip(columns_read, values, strict=True)))
            page[at] = reject(row, spec, item.columns, item.reason, item.code)
        last = rows[-1][0]
        yield page


def _placed(at: str) -> tuple[int, ...]:
    """Return a place as numbers: page and row."""
    return tuple(map(int, at.strip("()").split(",")))


def _places(found: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(value, found))}]::tid[]"


def _found(cursor: Any, run: str, spec: TableSpec, stage: str, most: int) -> list[Refused]:
    _searched(cursor, run, spec, stage, most)
    if not _count(cursor):
        return []
    cursor.execute(f"SELECT at::text AS place, state, words, names FROM {_NOTES} ORDER BY at")
    return [_refused(spec, *noted) for noted in cursor.fetchall()]


def _searched(cursor: Any, run: str, spec: TableSpec, stage: str, most: int) -> None:
    for statement in _prepared(spec):
        cursor.execute(statement)
    cursor.execute(f"CREATE TEMPORARY TABLE {_NOTES} (at tid, state text, words text, names text[])")
    for statement in _SETTINGS:
        cursor.execute(statement)
    cursor.execute(block(_searching(run, spec, stage, most), _VARIABLES))


def _undone(before: Iterable[str], body: str) -> str:
    """Return the block that carries out statements and a body, and takes back all that they did but the notes."""
    return block(
        f"""
BEGIN
    {"".join(f"{statement}; " for statement in before)}
    {body}
    SELECT json_agg(n) INTO bulketl_kept FROM {_NOTES} n;
    RAISE SQLSTATE '{_GOOD}';
EXCEPTION WHEN SQLSTATE '{_GOOD}' THEN NULL;
END;
INSERT INTO {_NOTES} SELECT * FROM json_populate_recordset(NULL::{_NOTES}, bulketl_kept);""",
        f"{_VARIABLES} bulketl_kept json;",
    )


def _refused(spec: TableSpec, at: str, state: str, words: str, names: Sequence[str] | None) -> Refused:
    there = {item.name: item.column for item in spec.casts}
    columns_of = tuple(there[one] for one in names or () if one in there)
    return Refused(at, " ".join(words.split()), columns_of, f"SQLSTATE {state}")


def _prepared(spec: TableSpec) -> list[str]:
    """Return the statements after which rows can be written as the publish would write them."""
    if spec.publish in ("create", "swap"):
        return [create_table(TEMPORARY, _KEYED, spec.casts, spec.target_key)]
    emptied = [f"TRUNCATE {rows_of(spec)}"] if spec.publish == "refill" else []
    return [*emptied, *alter_table(spec)]


def _writing(run: str, spec: TableSpec, stage: str) -> Iterator[str]:
    """Yield the statements that write the rows of `stage`, as `s`, for which {which} holds."""
    names = columns(item.name for item in spec.casts)
    if spec.publish in ("create", "swap"):
        yield f"INSERT INTO {name(TEMPORARY, _KEYED)} ({names}) SELECT {names} FROM {stage} s WHERE {{which}}"
        return
    table = rows_of(spec)
    if spec.publish == "merge":
        sets = [f"{name(item.name)} = s.{name(item.name)}" for item in spec.casts if item.name not in spec.target_key]
        if sets:
            same = f"{matching(spec, 't', 's')} AND {differs(spec, 't', 's')}"
            yield f"UPDATE {table} t SET {', '.join(sets)} FROM {stage} s WHERE {same} AND {{which}}"
    new = f" AND {absent(spec, table)}" if spec.key and spec.publish in ("merge", "append") else ""
    yield insert(run, spec, f"{stage} s", "{which}" + new)


def _searching(run: str, spec: TableSpec, stage: str, most: int) -> str:
    """Return the body of a block that notes the rows of `stage` that are refused, until there are more than `most`."""
    # What is in the statements may have braces and dollar signs of its own.
    statements = list(_writing(run, spec, stage))
    of_page = "; ".join(one.replace("{which}", "s.ctid >= bulketl_from AND s.ctid < bulketl_to") for one in statements)
    of_row = "; ".join(one.replace("{which}", "s.ctid = bulketl_at") for one in statements)
    pointing = f"s.ctid = ANY (ARRAY(SELECT at FROM {_NOTES} WHERE state = '{_POINTS}'))"
    of_pointing = "; ".join(one.replace("{which}", pointing) for one in statements)
    into = name(TEMPORARY, _KEYED) if spec.publish in ("create", "swap") else name(spec.schema, spec.table)
    return f"""
FOR bulketl_page IN 0 .. pg_relation_size({value(stage)}::regclass) / current_setting('block_size')::bigint - 1 LOOP
    bulketl_from := format('(%s,0)', bulketl_page)::tid;
    bulketl_to := format('(%s,0)', bulketl_page + 1)::tid;
    bulketl_fits := true;
    BEGIN {of_page};
    EXCEPTION WHEN OTHERS THEN bulketl_fits := false;
    END;
    CONTINUE WHEN bulketl_fits;
    FOR bulketl_at IN SELECT s.ctid FROM {stage} s WHERE s.ctid >= bulketl_from AND s.ctid < bulketl_to LOOP
        BEGIN {of_row};
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS bulketl_state = RETURNED_SQLSTATE, bulketl_words = MESSAGE_TEXT,
                bulketl_column = COLUMN_NAME, bulketl_constraint = CONSTRAINT_NAME;
            INSERT INTO {_NOTES} VALUES (bulketl_at, bulketl_state, bulketl_words, COALESCE(
                (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_constraint c JOIN pg_attribute a
                 ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
                 WHERE c.conrelid = {value(into)}::regclass AND c.conname = bulketl_constraint),
                CASE WHEN bulketl_column <> '' THEN ARRAY[bulketl_column] END));
            bulketl_count := bulketl_count + (bulketl_state <> '{_POINTS}')::int;
        END;
        EXIT WHEN bulketl_count > {most};
    END LOOP;
    EXIT WHEN bulketl_count > {most};
END LOOP;
BEGIN {of_pointing};
    DELETE FROM {_NOTES} WHERE state = '{_POINTS}';
EXCEPTION WHEN OTHERS THEN NULL;
END;
FOR bulketl_round IN 0 .. {_ROUNDS} LOOP
    SELECT count(*) INTO bulketl_before FROM {_NOTES} WHERE state = '{_POINTS}';
    FOR bulketl_at IN SELECT at FROM {_NOTES} WHERE state = '{_POINTS}' LOOP
        BEGIN {of_row};
            DELETE FROM {_NOTES} WHERE at = bulketl_at;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    SELECT count(*) INTO bulketl_left FROM {_NOTES} WHERE state = '{_POINTS}';
    EXIT WHEN bulketl_left = bulketl_before;
    IF bulketl_round = {_ROUNDS} THEN  -- nobody knows which of them are at fault
        UPDATE {_NOTES} SET state = '{_UNKNOWN}' WHERE state = '{_POINTS}';
    END IF;
END LOOP;"""


_VARIABLES = (
    " bulketl_from tid; bulketl_to tid; bulketl_at tid; bulketl_state text; bulketl_words text; bulketl_column text;"
    " bulketl_constraint text; bulketl_left bigint; bulketl_before bigint; bulketl_count bigint := 0; bulketl_fits boolean;"
)


def without_refusing(target: Postgres, run: str, spec: TableSpec, batch: Batch, *, whole: bool = False) -> Batch:
    """Move to the rejects the rows that the table refuses; as `without_refused` does with those that its columns refuse."""
    most = spec.rejectable(batch.read) if whole else batch_limit(spec, batch.read)
    found = refused_of_batch(target, run, spec, batch.good, most)
    if not found:
        return batch
    rejects = tuple(
        reject(batch.good.slice(n, 1).to_pylist()[0], spec, item.columns, item.reason, item.code) for n, item in found
    )
    gone = {n for n, _ in found}
    keep = pa.array([n not in gone for n in range(batch.good.num_rows)])
    return dataclasses.replace(batch, good=batch.good.filter(keep), rejects=batch.rejects + rejects)


def reject_staged(target: Postgres, run: str, spec: TableSpec) -> int:
    """Take the rows that the table refuses out of its stage and put them on record; return how many there are.

    Raise DataError, with some of them on record, when they are more than the table may have.
    """
    stage = staging(run, spec.table)
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        cursor.execute(entries.read_so_far(run, spec))
        read, before = cursor.fetchall()[0]
    most = max(spec.rejectable(read) - before, 0)
    with trial(target, run, spec) as searching:
        _searched(searching, run, spec, stage, most)
        count = _count(searching)
        with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
            last = _recorded(cursor, searching, run, spec, count, most) if count else None
    if count > most:
        raise too_many(spec, before + count, run, last)
    return count


def _recorded(cursor: Any, searching: Any, run: str, spec: TableSpec, count: int, most: int) -> Reject | None:
    """Put the rows that a search has noted on record, and take them out of the stage unless they are too many."""
    stage, last = staging(run, spec.table), None
    if count <= most:
        cursor.execute(entries.one_more(run, spec, 0, count, 0))
        ((partition,),) = cursor.fetchall()
    for page in _pages(searching, spec, stage):
        found = list(page.values())
        last = found[-1]
        if count > most:
            note(cursor, run, spec, 0, found[:KEPT_REJECTS])
            break
        cursor.execute(entries.taken_out(run, spec, stage, f"t.ctid = ANY ({_places(page)})"))
        note(cursor, run, spec, int(partition), found)
    return last


def _typed(spec: TableSpec, row: dict[str, str | None]) -> dict[str, object]:
    """Return the values of a staged row as a record has them, by columns of the source."""
    return {item.column: _value(item, row[item.column]) for item in spec.casts}


def _value(item: Cast, text: str | None) -> object:
    base = item.target_type.base
    if text is None:
        return None
    if base in ("smallint", "integer", "bigint"):
        return int(text)
    if base in ("real", "double precision"):
        return float(text)
    if base == "boolean":
        return text == "true"
    if item.source_type.base in ("datetime", "timestamp", "time") and item.source_type.places:
        whole, _, part = text.partition(".")
        return f"{whole}.{part.ljust(item.source_type.places, '0')}"  # as MySQL prints it
    return text
