"""What a night is made of: changes at the source, and the source's own log of what it was asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bulketl.config.config import Config
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.types import parse_type

INSERTED, UPDATED = 4, 5  # rows of each changed table at most: 150 tables make some 1,000
MOST_QUERIES = 2
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "double", "float"})
_TIMES = frozenset({"datetime", "timestamp"})


def changes(catalog: Catalog, config: Config, tables: int) -> dict[str, list[str]]:
    """Return, per table, statements that insert and update some rows: incremental tables first, then those read whole.

    Tables of tier audit only get new rows. The stamp that the table's rule names is set as the application sets it.
    """
    able = [table for table in catalog if table.rows and not config.rule(table.name).exclude and _counts_up(table)]
    able.sort(key=lambda table: (config.rule(table.name).extraction_strategy == "full_table", table.name))
    found: dict[str, list[str]] = {}
    for table in able:
        rule = config.rule(table.name)
        stamp = next((c for c in table.columns if c.name == rule.incremental_column and _base(c) in _TIMES), None)
        incremental = rule.extraction_strategy != "full_table"
        statements = [_insert(table, stamp)]
        if rule.table_importance != "audit" and (stamp or not incremental) and (update := _update(table, stamp)):
            statements.append(update)
        found[table.name] = statements
        if len(found) == tables:
            break
    return found


def _counts_up(table: Table) -> bool:
    keys = [key for key in table.keys if key.unique]
    counted = len(table.primary_key) == 1 and "auto_increment" in table.column(table.primary_key[0]).extra.lower()
    return counted and len(keys) == 1


def _insert(table: Table, stamp: Column | None) -> str:
    names = [column.name for column in table.columns if column.name not in table.primary_key]
    values = ["NOW()" if stamp and name == stamp.name else quoted(name) for name in names]
    into = ", ".join(map(quoted, names))
    newest = f"ORDER BY {quoted(table.primary_key[0])} DESC LIMIT {INSERTED}"
    return f"INSERT INTO {quoted(table.name)} ({into}) SELECT {', '.join(values)} FROM {quoted(table.name)} {newest}"


def _update(table: Table, stamp: Column | None) -> str:
    others = [c for c in table.columns if c.name not in table.primary_key and c != stamp and _base(c) in _NUMBERS]
    if not others:
        return ""
    one = quoted(others[-1].name)
    stamped = f", {quoted(stamp.name)} = NOW()" if stamp else ""
    oldest = f"ORDER BY {quoted(table.primary_key[0])} LIMIT {UPDATED}"
    return f"UPDATE {quoted(table.name)} SET {one} = IF({one} = 1, 2, 1){stamped} {oldest}"


def _base(column: Column) -> str:
    return parse_type(column.type).base


def apply(connection: Any, database: str, statements: dict[str, list[str]]) -> int:
    """Execute the changes and return how many rows they touched; old sentinels like 0000-00-00 are copied as they are."""
    with connection.cursor() as cursor:
        cursor.execute(f"USE {quoted(database)}")
        cursor.execute("SET SESSION sql_mode = ''")
        rows = sum(cursor.execute(statement) for several in statements.values() for statement in several)
    connection.commit()
    return int(rows)


@dataclass(slots=True)
class Log:
    """What a server was asked: statements in all, and per table how many named it, by kind. UNION ALL counts for each."""

    statements: int = 0
    tables: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """The most queries that one table was named in."""
        return max((kinds.total() for kinds in self.tables.values()), default=0)

    def beyond(self, most: int = MOST_QUERIES) -> dict[str, Counter[str]]:
        """Return the tables with more queries, and of what kinds."""
        return {table: kinds for table, kinds in self.tables.items() if kinds.total() > most}

    def add(self, statement: str) -> None:
        """Count one statement."""
        self.statements += 1
        names = {name.replace("``", "`") for name in re.findall(r"FROM `((?:[^`]|``)+)`", statement)}
        for name in names:
            self.tables.setdefault(name, Counter())[kind_of(statement)] += 1


def kind_of(statement: str) -> str:
    """Return what a SELECT of one table is for."""
    if re.match(r"SELECT \d+,", statement):
        return "measured"
    if re.search(r" LIMIT 1( OFFSET \d+)?$", statement) or re.match(r"SELECT MIN\(", statement):
        return "cut along its key"
    return "compared" if "COUNT(*), SUM(CAST(CONV(" in statement else "read"


@contextmanager
def logged(connection: Any) -> Iterator[Log]:
    """Have the server write its general query log meanwhile; the Log given is filled at the end."""
    found = Log()
    with connection.cursor() as cursor:
        cursor.execute("SET GLOBAL log_output = 'TABLE'")
        cursor.execute("TRUNCATE mysql.general_log")
        cursor.execute("SET GLOBAL general_log = 1")
        try:
            yield found
        finally:
            cursor.execute("SET GLOBAL general_log = 0")
        # What is prepared is executed too, and counted then.
        cursor.execute("SELECT argument FROM mysql.general_log WHERE command_type IN ('Query', 'Execute')")
        for (text,) in cursor.fetchall():
            statement = text.decode() if isinstance(text, bytes) else str(text)
            if statement.startswith("SELECT") and "general_log" not in statement:
                found.add(statement)
