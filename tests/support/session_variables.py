"""The variables of a source server's sessions, listed by the server itself, and how one is given other values.

A value is known to be one when the server accepts it. Which values to try is not written down per variable: the words of its
enumeration, its limits, or words that some variable understands; the first two that are accepted and are others than the
one it has count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import pymysql
from lab import Lab, Server

Way = Literal["init_connect", "global"]
WORDS = (
    "", "latin1", "binary", "utf8mb3", "latin1_swedish_ci", "utf8mb4_bin", "de_DE", "ja_JP", "+05:00", "-08:30", "OFF", "ON",
    "NONE", "READ-UNCOMMITTED", "SERIALIZABLE", "CHAIN", "RELEASE", "FORCED", "MyISAM", "MEMORY", "2001-02-03 04:05:06", "1",
    "2", "TREE", "FULL", "STATE", "CHARACTERISTICS", "OWN_GTID", "nulls_equal", "aes-256-cbc", "utf8mb4_general_ci", "x",
)  # fmt: skip
SQL_MODES = (
    "REAL_AS_FLOAT", "PIPES_AS_CONCAT", "ANSI_QUOTES", "IGNORE_SPACE", "NO_UNSIGNED_SUBTRACTION", "NO_BACKSLASH_ESCAPES",
    "PAD_CHAR_TO_FULL_LENGTH", "HIGH_NOT_PRECEDENCE", "ONLY_FULL_GROUP_BY", "ANSI", "TRADITIONAL", "ALLOW_INVALID_DATES",
    "NO_ZERO_DATE", "NO_ZERO_IN_DATE,STRICT_TRANS_TABLES", "TIME_ROUND_FRACTIONAL", "TIME_TRUNCATE_FRACTIONAL",
    "EMPTY_STRING_IS_NULL", "ORACLE",
)  # fmt: skip
# Not given other values, each for its reason.
LEFT_OUT = {
    "sql_log_bin": "says whether statements are logged for replicas; a reader writes nothing",
    "debug_dbug": "halts or crashes a server that was built for debugging",
    "debug_sync": "halts a server that was built for debugging",
    "tmpdir": "a folder of the server's",
    "innodb_tmpdir": "a folder of the server's",
}


@dataclass(frozen=True)
class Setting:
    """One variable and another value of it, as SQL."""

    name: str
    value: str

    def at(self, scope: str) -> str:
        """Return the assignment."""
        return f"@@{scope}.{self.name}={self.value}"


def candidates(name: str, now: str, words: Sequence[str], low: str | None, high: str | None) -> Iterator[str]:
    """Yield values to try, as SQL literals."""
    if name == "sql_mode":
        yield from (f"'{mode}'" for mode in SQL_MODES)
    elif name.endswith(("_timeout", "_statement_time")):
        yield from (
            "11",
            "12",
        )  # seconds; on a machine with much to do two pass between a connection and its first statement
    elif low not in (None, ""):
        for number in (low, str(float(low or 0) + 1).removesuffix(".0"), str(2 * int(float(now or 0)) + 1), "1000000000.5"):
            yield str(number)
    elif "=" in now:
        yield f"'{now.replace('=on', '=').replace('=off', '=on').replace('=,', '=off,').removesuffix('=')}'"
        yield f"'{now.replace('=on', '=off')}'"
    elif words:
        yield from (f"'{word}'" for word in words)
        yield f"'{','.join(words)}'"
    else:
        if now.isdigit():
            yield from (str(int(now) // 2), str(int(now) * 2 + 1), "0", "1")
        yield from (f"'{word}'" for word in WORDS)
    _ = high


def settings(lab: Lab, user: str, way: Way) -> tuple[list[Setting], list[str]]:
    """Return the settings that the server accepts that way, and the variables that it lets nobody set so.

    By init_connect only what an ordinary user may set counts: it is executed with that user's rights.
    """
    found: list[Setting] = []
    fixed: list[str] = []
    session = closing(lab.server.connect(lab.database, user, "pw") if way == "init_connect" else lab.server.connect())
    with session as connection, connection.cursor() as cursor:
        scope = "SESSION" if way == "init_connect" else "GLOBAL"
        for name, now, words, low, high in _variables(lab.server):
            if name in LEFT_OUT:
                continue
            mine: list[Setting] = []
            for value in candidates(name, now, words, low, high):
                setting = Setting(name, value)
                if _accepted(cursor, setting, scope):
                    mine.append(setting)
                if len(mine) == 2 and name != "sql_mode":
                    break
            found += mine
            fixed += [] if mine else [name]
    return found, fixed


def _accepted(cursor: Any, setting: Setting, scope: str) -> bool:
    """Set it, see whether that made it another value, and set it back."""
    try:
        cursor.execute(f"SELECT @@{scope}.{setting.name}")
        before = cursor.fetchall()[0][0]
        cursor.execute(f"SET {setting.at(scope)}")
    except pymysql.MySQLError:
        return False
    taken = True  # unless it can be read and is not
    with contextlib.suppress(Exception):  # what comes back may be in any character set, or nothing
        cursor.execute(f"SELECT @@{scope}.{setting.name}")
        taken = cursor.fetchall()[0][0] != before
    if taken or before is None:
        for back in ("SET NAMES utf8mb4", f"SET @@{scope}.{setting.name}={_literal(before)}"):
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(back)
    return taken


def _literal(value: object) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, (int, float)) else "'" + str(value) + "'"


def _variables(server: Server) -> list[tuple[str, str, list[str], str | None, str | None]]:
    """Return name, present value, words it knows, and limits of every variable that a session has."""
    if server.kind == "mariadb":
        rows = server.execute(
            "SELECT LOWER(variable_name), COALESCE(session_value, ''), COALESCE(enum_value_list, ''), numeric_min_value,"
            " numeric_max_value FROM information_schema.system_variables WHERE variable_scope LIKE 'SESSION%'"
            " AND read_only = 'NO' ORDER BY 1"
        )
        return [(name, now, words.split(",") if words else [], low, high) for name, now, words, low, high in rows]
    limits = {
        name: (low, high)
        for name, low, high in server.execute(
            "SELECT variable_name, min_value, max_value FROM performance_schema.variables_info WHERE min_value <> max_value"
        )
    }
    rows = server.execute("SHOW SESSION VARIABLES")  # those that only the server has, too
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        return [(name, now, [], *limits.get(name, (None, None))) for name, now in rows if _of_a_session(cursor, name)]


def _of_a_session(cursor: Any, name: str) -> bool:
    try:
        cursor.execute(f"SELECT @@SESSION.`{name}`")
    except pymysql.MySQLError:
        return False
    return True


@contextlib.contextmanager
def applied(server: Server, some: Sequence[Setting], way: Way) -> Iterator[None]:
    """Have every new session of an ordinary user begin with these values."""
    names = [one.name for one in some]
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        if way == "init_connect":
            text = "SET " + ", ".join(one.at("SESSION") for one in some)
            cursor.execute("SET GLOBAL init_connect = %s", (text,))
            try:
                yield
            finally:
                cursor.execute("SET GLOBAL init_connect = ''")
            return
        cursor.execute(f"SELECT {', '.join(f'@@GLOBAL.{name}' for name in names)}")
        before = cursor.fetchall()[0]
        try:
            for one in some:
                cursor.execute(f"SET {one.at('GLOBAL')}")
            yield
        finally:
            cursor.execute("SET NAMES utf8mb4")
            for name, value in zip(names, before, strict=True):
                with contextlib.suppress(pymysql.MySQLError):
                    cursor.execute(f"SET @@GLOBAL.{name} = {_literal(value)}")
