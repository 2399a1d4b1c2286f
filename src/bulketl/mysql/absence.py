"""Whether what the catalogue does not show is gone, or only out of this user's view: asked of the server.

information_schema shows only what a user has rights on, so a right that was taken away looks like a table or a column
that was dropped. The server checks rights before it looks. Its refusal of something that never existed therefore tells
how far the rights reach, including roles, PUBLIC, patterns and partial revokes. "No such table" and "unknown column" are
the server's own word that something is gone; "denied" says nothing about that. No row is read: every query ends with
LIMIT 0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import pymysql
from pymysql.cursors import Cursor

from bulketl.mysql.server import code_of, is_lost, text_of
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Absent, Expected, Other, Table

NOWHERE = "bulketl nothing has this name"
_NO_TABLE, _NO_COLUMN = 1146, 1054
_DENIED = frozenset({1044, 1142, 1143})
_LISTED = "the server has it, and does not list it in information_schema"
_NO_RIGHT = "this user has no right to read it, if it is there"
_SOME_COLUMNS = "this user has rights on single columns only, and cannot tell whether it is there"


def absent(
    cursor: Cursor, database: str, tables: Mapping[str, Table], others: Collection[Other], expected: Mapping[str, Expected]
) -> tuple[Absent, ...]:
    """Return what is expected and not in view, with what the server says of it; a query for each, and none else.

    `tables`: what is in view, views included.
    """
    found: list[Absent] = []
    kinds = {other.name: other.kind for other in others if other.kind != "history"}
    for name, wanted in sorted(expected.items()):
        if name in tables:
            found += _parts(cursor, tables[name], wanted)
        elif name in kinds:
            found.append(Absent(name, why=f"it is a {kinds[name]} there, which is not loaded"))
        elif wanted.loaded and (twin := _twin(name, tables.keys() - expected.keys())):
            found.append(Absent(name, why=f"the source has {twin!r}, a name that differs in case only"))
        else:
            found.append(_table(cursor, database, name))
    return tuple(found)


def _twin(name: str, others: Collection[str]) -> str:
    """Return the name that differs in case only: a server that was moved may write all names small."""
    return next((other for other in sorted(others) if other.lower() == name.lower()), "")


def _parts(cursor: Cursor, table: Table, wanted: Expected) -> Iterator[Absent]:
    seen = {column.name.lower() for column in table.columns}  # MySQL knows no case in the names of columns
    missing = sorted(name for name in wanted.columns if name.lower() not in seen)
    hidden_key = wanted.key and not table.primary_key and not table.view
    if table.problem or not (missing or hidden_key):
        return
    whole = _asked(cursor, table.name, quoted(NOWHERE))[0] == _NO_COLUMN
    for name in missing:
        code, words = _asked(cursor, table.name, quoted(name))
        if code == _NO_COLUMN:
            yield Absent(table.name, name, gone=whole, why="" if whole else _SOME_COLUMNS)
        else:
            yield Absent(table.name, name, why=_LISTED if code == 0 else _NO_RIGHT if code in _DENIED else words)
    if hidden_key:
        yield Absent(table.name, "", gone=whole, why="" if whole else _SOME_COLUMNS)


def _table(cursor: Cursor, database: str, name: str) -> Absent:
    code, words = _asked(cursor, name, "1")
    if code == _NO_TABLE:
        # Rights on a table outlive it, those on columns too, so that alone does not say on what they are.
        whole = _asked(cursor, NOWHERE, "1")[0] == _NO_TABLE or _granted(cursor, database, name)
        return Absent(name, gone=whole, why="" if whole else _SOME_COLUMNS)
    return Absent(name, why=_LISTED if code == 0 else _NO_RIGHT if code in _DENIED else words)


def _asked(cursor: Cursor, table: str, what: str) -> tuple[int, str]:
    """Return the server's number and words of refusal, 0 when it has what was asked for."""
    try:
        cursor.execute(f"SELECT {what} FROM {quoted(table)} LIMIT 0")
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return code_of(error), text_of(error)
    return 0, ""


def _granted(cursor: Cursor, database: str, table: str) -> bool:
    """Tell whether SELECT on that table as a whole is granted, to this user or to a role that is active."""
    cursor.execute("SHOW GRANTS")
    on = re.compile(rf"GRANT (.+) ON (?:TABLE )?{re.escape(f'{quoted(database)}.{quoted(table)}')} TO ")
    found = (on.match(line) for (line,) in cursor.fetchall())
    rights = (re.sub(r"\([^)]*\)", "()", match[1]) for match in found if match)
    return any({"SELECT", "ALL PRIVILEGES"}.intersection(right.split(", ")) for right in rights)
