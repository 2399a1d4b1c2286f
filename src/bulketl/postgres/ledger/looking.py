"""Looking at the ledger: as of one moment, without a change, at whatever version the ledger has.

A look never waits long. While another bulketl upgrades the ledger, which locks its tables, the look says so instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from psycopg import errors

from bulketl.errors import TargetError
from bulketl.postgres.ledger import made
from bulketl.postgres.ledger.schema import NEWEST, version_in
from bulketl.postgres.server import LEDGER, Connection, Postgres
from bulketl.postgres.session import LOCK_SECONDS

WAIT_SECONDS = 3  # for a lock on the ledger's tables
EVENTS = 9  # the version from which a ledger keeps events
JUDGED = 10  # from which loads are compared with their nights
INDEXED = 13  # the version from which one table's records are found without a scan
PARTS = 26  # from which a ledger says which rows a limit left
MEASURED = 19  # from which loads measure what fills up


class LockedError(TargetError):
    """The tables of the ledger are locked, for longer than a person should wait."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger is locked: another bulketl is bringing it up to date, or somebody alters its tables",
            hint="look again in a minute; pg_stat_activity in the target shows who holds the lock",
        )


class Look(NamedTuple):
    """A connection that only reads, in one snapshot, and the version of the ledger, 0 when there is none.

    `all`: whether this role may read every column; one that draws dashboards may not read values of rows.
    """

    connection: Connection
    version: int
    all: bool = True

    def text(self, column: str) -> str:
        """Return the expression of a column that may hold values of rows, '' where this role may not read it."""
        return f"COALESCE({column}, '')" if self.all else "''::text"

    @property
    def note(self) -> str:
        """What a person should know of the ledger's version, '' when it is ours."""
        if not self.version or self.version == NEWEST:
            return ""
        if self.version < NEWEST:
            return f"it is of version {self.version}; the next load brings it to {NEWEST}, and looks are quicker then"
        return f"it is of version {self.version}, and this bulketl knows {NEWEST}: what later versions keep is not shown"

    @property
    def of_schema(self) -> str:
        """The condition that a run `r` was into the schema `%(schema)s`, or of a table that moved there since."""
        if self.version < INDEXED:
            return "r.schema_name = %(schema)s"
        moved = f"SELECT FROM {LEDGER}.table_load m WHERE m.run = r.run AND m.schema_name = %(schema)s"
        return f"(r.schema_name = %(schema)s OR EXISTS ({moved}))"

    @property
    def of_table(self) -> str:
        """The condition that a record `t` of a table's load is of one of `%(schemas)s`, wherever it was loaded to."""
        return "t.schema_name = ANY(%(schemas)s)" if self.version >= INDEXED else "true"


@contextlib.contextmanager
def looking(target: Postgres) -> Iterator[Look]:
    """Open a look at the ledger. Raise TargetError, also while its tables are locked or have a layout unknown here."""
    with target.connect() as connection:
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
                version = _version(connection)
                if version >= INDEXED:  # also where the ledger was filled a moment ago, and nothing counted it yet
                    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
                yield Look(connection, version, bool(version) and _reads_all(connection))
        except errors.LockNotAvailable:
            raise LockedError from None
        except (errors.UndefinedColumn, errors.UndefinedTable) as error:
            raise _strange(error) from None


@contextlib.contextmanager
def asking(target: Postgres) -> Iterator[Connection]:
    """Open a connection for what a person asks or tells a ledger of our version; who carries out a load waits longer.

    Raise TargetError, and LockedError for a lock.
    """
    with target.connect() as connection:
        connection.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        try:
            yield connection
            connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        except errors.LockNotAvailable:
            raise LockedError from None
        except (errors.UndefinedColumn, errors.UndefinedTable) as error:
            raise _strange(error) from None


def _strange(error: errors.UndefinedColumn | errors.UndefinedTable) -> TargetError:
    return TargetError(
        f"the ledger in schema {LEDGER!r} lacks the tables that belong to its version: {error.diag.message_primary}",
        hint="perhaps a later bulketl has upgraded it: use that version or a later one",
    )


def _reads_all(connection: Connection) -> bool:
    found = connection.execute(
        f"SELECT has_column_privilege('{LEDGER}.table_load', 'error', 'SELECT')"
        f" AND has_column_privilege('{LEDGER}.state', 'watermark', 'SELECT')"
    )
    return found.fetchone() == (True,)


def _version(connection: Connection) -> int:
    """Return the version of the ledger, 0 when there is none yet. A ledger without a comment is of an early version."""
    if not made.exists(connection, "run"):  # raises when the schema is somebody else's
        return 0
    found = connection.execute(f"SELECT obj_description(to_regnamespace('{LEDGER}'), 'pg_namespace')").fetchone()
    return version_in(found[0] if found else None) or 1
