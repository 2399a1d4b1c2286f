"""A view of somebody else on a table that is loaded: who may not make it again does not swap the table under it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from faults import small_partitions
from lab import Lab
from psycopg.conninfo import make_conninfo

from bulketl.postgres.inspect import read_tables


@pytest.fixture
def loader(maria_lab: Lab) -> Iterator[str]:
    """A role that may load, and no more, dropped with all it has."""
    name = f"loader_{secrets.token_hex(4)}"
    maria_lab.pg(f"CREATE ROLE {name} LOGIN")
    yield name
    maria_lab.pg(f"SET client_min_messages = warning; DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_a_table_under_a_view_of_somebody_else_is_refilled(
    maria_lab: Lab, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view stays, and shows the new rows."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_200")
    maria_lab.load()
    maria_lab.mysql("INSERT INTO t VALUES (1000)")
    maria_lab.pg(f"ALTER TABLE {{s}}.t OWNER TO {loader}; GRANT ALL ON SCHEMA {{s}}, bulketl, bulketl_staging TO {loader}")
    maria_lab.pg(f"GRANT ALL ON ALL TABLES IN SCHEMA bulketl TO {loader}")
    maria_lab.pg(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA bulketl TO {loader}")
    maria_lab.pg("CREATE VIEW {s}.v AS SELECT count(*) AS n FROM {s}.t")
    with psycopg.connect(maria_lab.target, user=loader) as connection:
        assert read_tables(connection, maria_lab.schema)["t"].views == ()
    done = maria_lab.load(target=make_conninfo(maria_lab.target, user=loader))
    assert (done.summary.outcome, done.how("t")) == ("done", "refill")
    assert maria_lab.pg("SELECT n FROM {s}.v") == [(201,)]
