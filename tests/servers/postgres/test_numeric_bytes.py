"""Numbers of more than 38 digits arrive with every digit, by the form that bulketl makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulketl.postgres.write.copy import encode


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[psycopg.Connection[tuple[Decimal | None, ...]]]:
    with psycopg.connect(postgres) as connection:
        yield connection


@given(
    st.integers(1, 65)
    .flatmap(lambda p: st.tuples(st.just(p), st.integers(0, min(p, 38))))
    .flatmap(
        lambda kind: st.tuples(
            st.just(kind), st.lists(st.none() | st.integers(1 - 10 ** kind[0], 10 ** kind[0] - 1), min_size=1)
        )
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_number_of_any_type_comes_back_with_its_digits_and_places(
    connection: psycopg.Connection[tuple[Decimal | None, ...]], drawn: tuple[tuple[int, int], list[int | None]]
) -> None:
    """Into numeric without a type, which changes nothing: the places shown too, and the form in which Postgres stores it."""
    (precision, scale), numbers = drawn
    values = [None if one is None else Decimal(one).scaleb(-scale, Context(prec=80)) for one in numbers]
    texts = [None if value is None else format(value, "f") for value in values]
    column = pa.chunked_array([pa.array(texts).cast(pa.decimal256(precision, scale)) for _ in range(2)])
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE wide (n numeric)")
        with cursor.copy("COPY wide FROM STDIN (FORMAT binary)") as sink:
            for data in encode(pa.table({"n": column})):
                sink.write(data)
        got = cursor.execute("SELECT n::text, numeric_send(n) = numeric_send(n::text::numeric) FROM wide").fetchall()
    assert [row[0] for row in got] == texts * 2
    assert all(row[1] in (True, None) for row in got)
