"""Which rights a load needs and the user of the source lacks: asked without reading, locking or changing anything."""

from __future__ import annotations

import pymysql
from pymysql.cursors import Cursor

from bulketl.config.settings import SourceLimits
from bulketl.errors import SourceError
from bulketl.mysql.pressure import Strain
from bulketl.mysql.server import MySQL, code_of
from bulketl.tables.casts import quoted

_NOWHERE = "bulketl no such table"  # the right to lock is asked for before the table is looked for
_NO_RIGHT = 1044
_RELOAD = (
    "SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'RELOAD'"
    " AND grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')"
)


def missing_rights(source: MySQL, limits: SourceLimits, *, locks: bool) -> tuple[tuple[str, str], ...]:
    """Return what this user lacks, each with what to grant; the right to lock tables only if `locks`.

    Which tables it may read, the catalogue tells. Raise SourceError when the server does not answer.
    """
    found = []
    with source.connect() as cursor:
        if locks and not _may_lock(cursor):
            advice = f"GRANT LOCK TABLES ON {quoted(source.database)}.* to it, or write consistency: re-read in the rules"
            found.append(
                ("consistency: snapshot or locked needs a right to lock tables that the user does not have", advice)
            )
    if limits.watched:
        try:
            Strain(source, limits).look()
        except SourceError as error:
            found.append((error.message, error.hint))
    return tuple(found)


def _may_lock(cursor: Cursor) -> bool:
    try:
        cursor.execute(f"LOCK TABLES {quoted(_NOWHERE)} READ")
    except pymysql.MySQLError as error:
        if code_of(error) != _NO_RIGHT:
            return True
    cursor.execute(_RELOAD)
    return bool(cursor.fetchall()[0][0])
