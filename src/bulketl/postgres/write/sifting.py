"""Many refused rows told from the others by one statement: what a copy that stops at each would take minutes for.

The rows come into a table that refuses no text, because its texts are bytes. A loop in the server then makes each row what
it is to be, in a subtransaction that is always taken back, and notes what is refused, why, and which column is so alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg
import pyarrow as pa

from bulketl.postgres.ddl import block, columns, create_table, name, value
from bulketl.postgres.refusals import about
from bulketl.postgres.write.copy import TEMPORARY, copy_encoded
from bulketl.tables.casts import Cast
from bulketl.tables.spec import TableSpec

_RAW, _SINGLE, _NOTES = "bulketl_raw", "bulketl_single", "bulketl_sifted"
_CASTED = ("json", "jsonb", "enum")  # texts are written into other columns as they are
_TEXTS = ("text", "varchar", *_CASTED)
_GOOD = "BK000"  # ends the subtransaction of a row that is taken
_BACK = "ROLLBACK TO SAVEPOINT bulketl"


class Sifted(NamedTuple):
    """A refused row: its place, the SQLSTATE, Postgres' words, and the column that is refused alone, '' for none."""

    place: int
    state: str
    words: str
    column: str


def sifted(cursor: Any, spec: TableSpec, rows: pa.Table, trial: str, most: int) -> list[Sifted] | None:
    """Return the rows that the trial's table (quoted) refuses, at most one more than `most`; None where that cannot be told.

    `rows` as the encoder `pgpq` takes them. The transaction goes back to its savepoint.
    """
    raw = name(TEMPORARY, _RAW)
    try:
        kinds = [f"{name(item.name)} {'bytea' if _is_text(item) else item.target}" for item in spec.casts]
        cursor.execute(create_table(TEMPORARY, _RAW, (), more=["bulketl_place int", *kinds]))
        copy_encoded(cursor, _bytes(rows, spec), TEMPORARY, _RAW)
        cursor.execute(create_table(TEMPORARY, _SINGLE, spec.casts))
        cursor.execute(f"CREATE TEMPORARY TABLE {_NOTES} (place int, state text, words text, named text)")
        cursor.execute(_sift(spec, raw, trial, most))
        cursor.execute(f"SELECT place, state, words, named FROM {_NOTES} ORDER BY place")
        notes = [Sifted(place, state, " ".join(words.split()), named) for place, state, words, named in cursor.fetchall()]
    except psycopg.DatabaseError as error:
        if about(error.sqlstate or "", str(error)) != "row":
            raise
        notes = None  # a row is refused as bytes too
    cursor.execute(_BACK)
    return None if notes is None or any(about(item.state, item.words) != "row" for item in notes) else notes


def _is_text(item: Cast) -> bool:
    return item.target_type.base in _TEXTS


def _bytes(rows: pa.Table, spec: TableSpec) -> pa.Table:
    """Return the rows with their texts as bytes, and their places."""
    arrays = [pa.array(range(rows.num_rows), pa.int32())]
    for item, column in zip(spec.casts, rows.columns, strict=True):
        arrays.append(column.cast(pa.large_binary()) if _is_text(item) else column)
    return pa.Table.from_arrays(arrays, names=["bulketl_place", *rows.column_names])


def _made(item: Cast) -> str:
    """Return the expression that makes bytes what the column is to have; jsonb's have a byte before their text."""
    if not _is_text(item):
        return f"s.{name(item.name)}"
    data = f"s.{name(item.name)}"
    text = f"convert_from({f'substr({data}, 2)' if item.wire.startswith('extension') else data}, 'UTF8')"
    return f"{text}::{item.target}" if item.target_type.base in _CASTED else text


def _sift(spec: TableSpec, raw: str, trial: str, most: int) -> str:
    """Return the block that notes which rows are refused, until there are more than `most`."""
    names = columns(item.name for item in spec.casts)
    every = ", ".join(_made(item) for item in spec.casts)
    texts = [item for item in spec.casts if _is_text(item)]
    # That which was at fault last is tried first.
    alone = [_alone(item, f"bulketl_last = {value(item.name)}") for item in texts]
    alone += [_alone(item, f"bulketl_last <> {value(item.name)}") for item in texts]
    body = f"""
FOR s IN SELECT * FROM {raw} ORDER BY bulketl_place LOOP
    BEGIN
        INSERT INTO {trial} ({names}) SELECT {every};
        RAISE SQLSTATE '{_GOOD}';
    EXCEPTION WHEN SQLSTATE '{_GOOD}' THEN CONTINUE;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS bulketl_state = RETURNED_SQLSTATE, bulketl_words = MESSAGE_TEXT,
            bulketl_detail = PG_EXCEPTION_DETAIL;
    END;
    bulketl_named := '';
    {"".join(alone)}
    bulketl_last := CASE WHEN bulketl_named = '' THEN bulketl_last ELSE bulketl_named END;
    INSERT INTO {_NOTES} VALUES (s.bulketl_place, bulketl_state, bulketl_words
        || CASE WHEN bulketl_detail = '' THEN '' ELSE ' DETAIL: ' || bulketl_detail END, bulketl_named);
    bulketl_count := bulketl_count + 1;
    EXIT WHEN bulketl_count > {most};
END LOOP;"""
    return block(body, _VARIABLES)


_VARIABLES = (
    " s record; bulketl_state text; bulketl_words text; bulketl_detail text; bulketl_named text; bulketl_last text := '';"
    " bulketl_count bigint := 0;"
)


def _alone(item: Cast, when: str) -> str:
    """Return the statements that find out whether a column is refused by itself, where none was found yet."""
    return f"""
    IF bulketl_named = '' AND {when} THEN
        BEGIN INSERT INTO {name(TEMPORARY, _SINGLE)} ({name(item.name)}) SELECT {_made(item)}; RAISE SQLSTATE '{_GOOD}';
        EXCEPTION WHEN SQLSTATE '{_GOOD}' THEN NULL; WHEN OTHERS THEN bulketl_named := {value(item.name)};
        END;
    END IF;"""
