"""The record of a reject: whatever a row holds can be written, in any encoding, and is read back as it was, or cut."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import execute
from psycopg.conninfo import make_conninfo
from ways import wanted

from bulketl.postgres.ledger import rejects, runs, schema
from bulketl.postgres.ledger.escapes import escape, holds, unescape
from bulketl.postgres.write.noted import note
from bulketl.rows.reject import BEGINNING, MOST, reject

RUN = "20260101-000000-test"
ENCODINGS = ("UTF8", "SQL_ASCII", "LATIN1", "EUC_JP", "WIN1252", "KOI8R", "LATIN2")
letters = st.characters(exclude_categories=())  # NUL and halves of surrogate pairs too
texts = st.text(letters, max_size=40) | st.sampled_from(
    ["\\u0041", "\\", "\\\\x", "\0", "\ud800", "\U0001f600", "NaN", "''"]
)
values = st.one_of(
    texts, st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(), st.binary(max_size=40),
    st.decimals(allow_nan=False, allow_infinity=False, places=5), st.datetimes(), st.dates(), st.timedeltas(), st.times(),
)  # fmt: skip


@pytest.fixture(scope="module", params=ENCODINGS)
def ledger(request: pytest.FixtureRequest, postgres: str) -> Iterator[psycopg.Connection[Any]]:
    """A session at a database of each encoding that has a ledger, and a run on record."""
    name = f"records_{request.param.lower()}"
    execute(postgres, f"CREATE DATABASE {name} ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with psycopg.connect(make_conninfo(postgres, dbname=name), client_encoding="UTF8") as connection:
        schema.create(connection, "raw")
        runs.start_run(connection, RUN, runs.Start("load", "mysql://h/d", "raw", "UTC", "p", "{}"))
        connection.commit()
        yield connection
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def recorded(
    connection: psycopg.Connection[Any], row: dict[str, Any], key: tuple[str, ...], reason: str
) -> rejects.Rejected:
    """Put a row on record, and return what is read of it."""
    spec = wanted(key=key)
    try:
        with connection.cursor() as cursor:
            note(cursor, RUN, spec, 0, [reject(row, spec, list(row)[:1], reason)])
        (found,) = rejects.read(connection, "raw", ["t"], RUN)
        return found
    finally:
        connection.rollback()


def as_read(value: Any) -> Any:
    """Return what a value of a row is in its record."""
    if isinstance(value, float) and not (abs(value) < 2**53 and (value or math.copysign(1, value) > 0)):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if math.isnan(value) else repr(value))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return mysql_time(value) if isinstance(value, dt.timedelta) else str(value)


def mysql_time(value: dt.timedelta) -> str:
    """Return a time as MySQL prints it."""
    size = abs(value)
    hours, rest = divmod(size.days * 86400 + size.seconds, 3600)
    part = f".{size.microseconds:06}" if size.microseconds else ""
    return f"{'-' if value < dt.timedelta() else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}{part}"


@given(row=st.dictionaries(texts, values, min_size=1, max_size=6), reason=texts)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_record_is_read_back_as_it_was(ledger: psycopg.Connection[Any], row: dict[str, Any], reason: str) -> None:
    """Keys of every type, names, reasons and values; a number stays one."""
    found = recorded(ledger, row, tuple(row)[:2], reason)
    expected = {name: as_read(value) for name, value in row.items()}
    assert found.row == expected
    assert found.key == {name: expected[name] for name in tuple(row)[:2]}
    first = next(iter(expected))
    assert (found.column, found.reason) == (first, reason)
    assert found.value == (None if expected[first] is None else str(expected[first]))


@given(text=texts, encoding=st.sampled_from(ENCODINGS))
def test_a_text_that_is_escaped_is_one_that_the_encoding_holds(text: str, encoding: str) -> None:
    """And no two texts become one."""
    written = escape(text, encoding)
    assert holds(written, encoding)
    assert unescape(written) == text
    assert written.isascii() or encoding == "UTF8"


@pytest.mark.parametrize("size", [MOST + 1, 1 << 30])
def test_a_value_that_is_too_long_is_cut_and_its_length_told(ledger: psycopg.Connection[Any], size: int) -> None:
    """Up to the gigabyte that MySQL may send; one that is just not too long is whole."""
    found = recorded(ledger, {"c": bytes(size), "d": "é" * (MOST + 5), "id": 1}, ("id",), "r")
    assert found.row["c"] == {"cut": "\\x" + "00" * BEGINNING, "bytes": size}
    assert found.row["d"] == {"cut": "é" * BEGINNING, "characters": MOST + 5}
    assert found.value == "\\x" + "00" * BEGINNING + f"… (cut: {size:,} bytes)"
    assert recorded(ledger, {"c": "é" * MOST, "id": 1}, ("id",), "r").row["c"] == "é" * MOST


def test_a_row_of_many_long_values_has_a_record(ledger: psycopg.Connection[Any]) -> None:
    """As many columns as a table may have, each of a length that alone is kept whole; NUL bytes take the most room."""
    row = {f"c{n}": "\0" * 20_000 for n in range(1_600)}
    found = recorded(ledger, row, (), "r")
    assert set(map(json.dumps, found.row.values())) == {json.dumps({"cut": "\0" * BEGINNING, "characters": 20_000})}
    assert len(found.row) == 1_600


def test_a_key_that_is_cut_is_not_asked_for(ledger: psycopg.Connection[Any]) -> None:
    """It is no key that the source could be asked for; its beginning is on record."""
    found = recorded(ledger, {"k": "x" * (MOST + 1)}, ("k",), "r")
    assert found.key == {"k": {"cut": "x" * BEGINNING, "characters": MOST + 1}}


def test_decimals_and_times_are_spelt_as_mysql_spells_them(ledger: psycopg.Connection[Any]) -> None:
    """A key of one is found again by its record."""
    row = {"n": Decimal("1.50"), "t": -dt.timedelta(hours=100, seconds=1), "u": dt.timedelta(seconds=1, microseconds=5)}
    assert recorded(ledger, row, ("n", "t"), "r").row == {"n": "1.50", "t": "-100:00:01", "u": "00:00:01.000005"}
