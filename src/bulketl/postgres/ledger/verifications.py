"""What `verify` found of each table, and when: `bulketl.verification`. Counts and outcomes, and no value of any row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection

TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.verification (
    schema_name text, table_name text, at timestamptz, source text NOT NULL, by text NOT NULL, level text NOT NULL,
    sample double precision NOT NULL, outcome text NOT NULL, compared bigint NOT NULL, missing bigint NOT NULL,
    differing bigint NOT NULL, extra bigint NOT NULL, doubled bigint NOT NULL, figures bigint NOT NULL,
    run text NOT NULL, PRIMARY KEY (schema_name, table_name, at));
CREATE INDEX IF NOT EXISTS verification_at ON {LEDGER}.verification (at);
"""
Outcome = Literal["equal", "differs", "not compared"]


class Verified(NamedTuple):
    """What was found of a table at a moment, by whom. `level`, `sample`: how it was compared.

    `compared`: rows of the source; `missing`, `differing`, `extra`, `doubled`: rows, `figures`: figures of columns that
    differ. `run`: the run that had repaired it just before, '' where none had.
    """

    table: str
    at: dt.datetime
    by: str
    level: str
    sample: float
    outcome: Outcome
    compared: int
    missing: int
    differing: int
    extra: int
    doubled: int
    figures: int
    run: str = ""

    @property
    def wrong(self) -> int:
        """The number of rows that differ."""
        return self.missing + self.differing + self.extra + self.doubled


def may_keep(connection: Connection) -> str:
    """Return why a verification cannot be put on record here, '' when it can."""
    if not exists(connection, "verification"):
        return "the ledger keeps no verifications before the next load brings it up to date"
    found = connection.execute(f"SELECT has_table_privilege('{LEDGER}.verification', 'INSERT')").fetchone()
    return "" if found == (True,) else "this role may not add to the ledger"


def keep(connection: Connection, schema: str, source: str, found: Sequence[Verified]) -> None:
    """Put on record what was found of tables."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.verification (schema_name, source, table_name, at, by, level, sample, outcome, compared,"
            f" missing, differing, extra, doubled, figures, run) VALUES ({', '.join(['%s'] * 15)}) ON CONFLICT DO NOTHING",
            [(schema, source, *one) for one in found],
        )


def last(connection: Connection, schema: str, table: str, first: int) -> list[Verified]:
    """Return the last verifications of a table, the last one first."""
    return _read(connection, "table_name = %s ORDER BY at DESC LIMIT %s", schema, table, first)


def since(connection: Connection, schema: str, begin: dt.datetime, end: dt.datetime) -> list[Verified]:
    """Return the last verification of each table from `begin` until before `end`, in the order of their names."""
    where = "at >= %s AND at < %s ORDER BY table_name, at DESC"
    return _read(connection, where, schema, begin, end, distinct="DISTINCT ON (table_name) ")


def _read(connection: Connection, where: str, schema: str, *values: object, distinct: str = "") -> list[Verified]:
    if not exists(connection, "verification"):
        return []
    found = connection.execute(
        f"SELECT {distinct}table_name, at, by, level, sample, outcome, compared, missing, differing, extra, doubled,"
        f" figures, run FROM {LEDGER}.verification WHERE schema_name = %s AND {where}".encode(),
        (schema, *values),
    )
    return [Verified(*row) for row in found]
