"""The rights that a load needs at the source: the list of them, the SQL that grants them, and what the user has.

SHOW GRANTS says what the user has, for itself and for each role that was granted to it. Whether a right is active at once
only matters if it is missing. A line may contain the hash of a password, so no line is repeated.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pymysql
from pymysql.cursors import Cursor

from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import quoted
from bulketl.tables.rights import Grants, Held, Right

# What MariaDB calls by other names; each lets a user ask how far a replica lags.
_SAME = {"REPLICATION CLIENT": ("REPLICATION CLIENT", "REPLICA MONITOR", "SLAVE MONITOR")}
_LAG = "REPLICATION CLIENT"
# MariaDB takes REPLICATION CLIENT for another right, and skips a comment of MySQL's with such a number.
_EITHER = "/*!50708 REPLICATION CLIENT *//*M!100509 REPLICA MONITOR */"
_NAME = r"(?:\*|`(?:[^`]|``)*`)"
_ON = re.compile(
    rf"GRANT (?P<what>.+?) ON (?P<kind>[A-Z ]+ )?(?P<database>{_NAME})\.(?P<table>{_NAME}) TO (?P<rest>.*)", re.DOTALL
)
_REVOKED = re.compile(rf"REVOKE (?P<what>.+?) ON (?P<database>{_NAME})\.{_NAME} FROM ", re.DOTALL)
_ROLE = re.compile(r"GRANT (?P<roles>[`'].+?) TO ", re.DOTALL)
_ROLE_NAME = re.compile(r"(`(?:[^`]|``)*`|'(?:[^']|'')*')(?:@(`[^`]*`|'[^']*'))?")


class Source(NamedTuple):
    """What is asked of a source: a database, whether its tables are locked, whether its lag as a replica is looked at."""

    database: str
    locks: bool = False
    lag: bool = False


def needed(source: Source) -> tuple[Right, ...]:
    """Return the rights that reading this source takes, and no other."""
    database = (source.database,)
    found = [Right("SELECT", "database", database, "tables and views are read")]
    if source.locks:
        found.append(Right("LOCK TABLES", "database", database, "consistency: snapshot or locked is in the rules"))
    if source.lag:
        found.append(Right(_LAG, "server", (), "source_limits.replica_lag_seconds is set"))
    return tuple(found)


def grants(source: Source, user: str) -> Grants:
    """Return the SQL for an administrator of the source."""
    account, wild = f"{_text(user)}@'%'", _escaped(source.database) != source.database
    where = "'%' is any host: better name the one that bulketl runs on"
    made = [(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY 'choose a password'", where)]
    for right in needed(source):
        if right.privilege == _LAG:
            made.append((f"GRANT {_EITHER} ON *.* TO {account}", f"{right.why}; each server reads its own comment"))
        else:
            plain = f"; where partial_revokes is ON write {quoted(source.database)}" if wild else ""
            made.append((f"GRANT {right.privilege} ON {pattern(source.database)}.* TO {account}", right.why + plain))
    return Grants("source", user, "MySQL or MariaDB", tuple(made))


def pattern(database: str) -> str:
    """Return the quoted pattern that fits this database alone: `_` and `%` would stand for other characters."""
    return quoted(_escaped(database))


def _escaped(database: str) -> str:
    return re.sub(r"([_%\\])", r"\\\1", database)


def held(server: MySQL, source: Source) -> Held:
    """Return what the user of a source lacks and what it has beyond. Raise SourceError when the server does not answer."""
    with server.beside("information_schema").connect() as cursor:  # into which everybody is let, with no right at all
        cursor.execute("SELECT CURRENT_USER()")
        ((user,),) = cursor.fetchall()
        literal = _answer(cursor, "SELECT @@GLOBAL.partial_revokes") == [(1,)]  # then MySQL has no patterns
        active = [*_lines(cursor)]
        every = dict.fromkeys((*active, *_of_roles(cursor, active)))
    usable = [right for line in active for right in _rights(line, literal)]
    taken = {right for line in active for right in _taken_back(line)}
    missing = [right for right in needed(source) if not _covered(right, usable) or _revoked(right, taken)]
    excess = [right for line in every for right in _rights(line, literal) if not _wanted(right, source)]
    return Held("source", str(user), tuple(missing), tuple(dict.fromkeys(map(_named, excess))))


def _lines(cursor: Cursor) -> Iterator[str]:
    """Yield what SHOW GRANTS says, with what the roles that are active bring."""
    active = _answer(cursor, "SELECT CURRENT_ROLE()")
    roles = str(active[0][0]) if active and active[0][0] else "NONE"
    rows = _answer(cursor, f"SHOW GRANTS FOR CURRENT_USER() USING {roles}") if "@" in roles else []  # MySQL's way
    for line, *_ in rows or _answer(cursor, "SHOW GRANTS"):
        yield str(line)


def _of_roles(cursor: Cursor, lines: Iterable[str]) -> Iterator[str]:
    """Yield what each role says that was granted, active or not, and those that were granted to it."""
    waiting, seen = [role for line in lines for role in _roles(line)], set[str]()
    while waiting:
        role = waiting.pop()
        if role in seen:
            continue
        seen.add(role)
        found = [str(line) for (line, *_) in _answer(cursor, f"SHOW GRANTS FOR CURRENT_USER() USING {role}")]
        if not found and _done(cursor, f"SET ROLE {role}"):  # MariaDB's way, in this session alone
            found = [str(line) for (line, *_) in _answer(cursor, "SHOW GRANTS")]
        waiting += [more for line in found for more in _roles(line)]
        yield from found


def _answer(cursor: Cursor, statement: str) -> list[tuple[object, ...]]:
    """Return the rows of an answer, none where the server has no such statement or does not let us."""
    return list(cursor.fetchall()) if _done(cursor, statement) else []


def _done(cursor: Cursor, statement: str) -> bool:
    try:
        cursor.execute(statement)
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return False
    return True


def _roles(line: str) -> list[str]:
    found = None if _ON.match(line) else _ROLE.match(line)
    return [match[0] for match in _ROLE_NAME.finditer(found["roles"])] if found else []


def _rights(line: str, literal: bool) -> Iterator[Right]:
    """Yield the rights in a line; `on` holds what stands there for database and table, a database as the pattern that it is.

    `literal`: it is none, and its characters stand for themselves.
    """
    found = _ON.match(line)
    if found is None:
        yield from _of_users(line)
        return
    database, table = (_bare(found[part]) for part in ("database", "table"))
    holder = _ROLE_NAME.match(found["rest"])
    whose = f"granted to {_bare(holder[1]) if holder else 'PUBLIC'}"
    on: tuple[str, ...] = () if database == "*" else (database,) if table == "*" else (database, table)
    kind = ("server", "database", (found["kind"] or "table").strip().lower())[len(on)]
    if kind == "database" and literal:
        on = (database := _escaped(database),)
    for privilege, columns in _privileges(found["what"]):
        if columns:
            for column in columns:
                yield Right(privilege, "column", (*on, column), whose)
        elif privilege != "USAGE":
            wide = "; its _ and % stand for other characters" if kind == "database" and _only(database) is None else ""
            yield Right(privilege, kind, on, f"{whose}{wide}")
    if "WITH GRANT OPTION" in found["rest"]:
        yield Right("GRANT OPTION", kind, on, whose)


def _of_users(line: str) -> Iterator[Right]:
    """Yield the rights in a line that is about other users, or roles."""
    if line.startswith("GRANT PROXY"):
        yield Right("PROXY", "server", (), "it may be somebody else")
    elif line.endswith(" WITH ADMIN OPTION"):
        for match in map(_ROLE_NAME.match, _roles(line)):
            yield Right("ADMIN OPTION", "role", (_bare(match[1]) if match else "",), "it may give the role to others")


def _taken_back(line: str) -> Iterator[Right]:
    found = _REVOKED.match(line)
    if found:
        for privilege, _ in _privileges(found["what"]):
            yield Right(privilege, "database", (_bare(found["database"]),))


def _privileges(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each privilege of a list, with the columns that it is for."""
    for match in re.finditer(r"([A-Z_][A-Z_ ]*?)\s*(?:\(((?:`(?:[^`]|``)*`|[^)])*)\))?(?:, |$)", text):
        columns = re.findall(r"`((?:[^`]|``)*)`|([^,` ]+)", match[2] or "")
        yield match[1].strip(), [a.replace("``", "`") or b for a, b in columns]


def _covered(right: Right, held: Iterable[Right]) -> bool:
    """Tell whether one of the rights that are held is as much as that one, or more."""
    names = {*_SAME.get(right.privilege, (right.privilege,)), "ALL PRIVILEGES"}
    return any(
        one.privilege in names
        and (one.kind == "server" or (one.kind == right.kind == "database" and _fits(one.on[0], right.on[0])))
        for one in held
    )


def _revoked(right: Right, taken: Iterable[Right]) -> bool:
    return any(one.privilege in (right.privilege, "ALL PRIVILEGES") and one.on == right.on for one in taken)


def _wanted(right: Right, source: Source) -> bool:
    """Tell whether a right is one of those that are needed, or less of one."""
    for one in needed(source):
        if right.privilege not in _SAME.get(one.privilege, (one.privilege,)):
            continue
        if not one.on and not right.on:
            return True
        if one.on and right.on and (_only(right.on[0]) if right.kind == "database" else right.on[0]) == source.database:
            return True
    return False


def _fits(pattern: str, name: str) -> bool:
    """Tell whether a database's name is one that the pattern of a grant stands for."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    steps = (".*" if one == "%" else "." if one == "_" else re.escape(one.removeprefix("\\") or one) for one in parts)
    return re.fullmatch("".join(steps), name, re.DOTALL) is not None


def _only(pattern: str) -> str | None:
    """Return the one name that a pattern stands for, None when it may stand for several."""
    plain = re.sub(r"\\(.)", "", pattern)
    return None if re.search(r"[_%]", plain) else re.sub(r"\\(.)", r"\1", pattern)


def _named(right: Right) -> Right:
    """Return a right on a database by its name, where its pattern stands for one alone."""
    if right.kind != "database":
        return right
    return dataclasses.replace(right, on=(_only(right.on[0]) or right.on[0],))


def _bare(name: str) -> str:
    return name if name == "*" else name[1:-1].replace("``", "`")


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
