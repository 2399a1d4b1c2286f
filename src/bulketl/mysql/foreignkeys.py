"""The declared foreign keys of the source, column by column, which a user with SELECT alone may see on both servers."""

from __future__ import annotations

from bulketl.mysql.server import MySQL
from bulketl.tables.link import Link

_COLUMNS = """
SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE table_schema = %s AND referenced_table_schema = table_schema
ORDER BY table_name, constraint_name, ordinal_position"""


def foreign_keys(source: MySQL) -> list[Link]:
    """Return the foreign keys from one table of the database to another, by the source's names. Raise SourceError."""
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    with source.connect() as cursor:
        cursor.execute(_COLUMNS, (source.database,))
        for table, name, *rest in cursor.fetchall():
            found.setdefault((table, name), []).append((rest[0], rest[1], rest[2]))
    return [
        Link(table, tuple(column for column, _, _ in parts), parts[0][1], tuple(key for _, _, key in parts))
        for (table, _), parts in found.items()
    ]
