"""Whether the numbers of a key are continuous: how many between its least and its greatest no row has."""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.postgres.ddl import name
from bulketl.postgres.server import Connection

TOGETHER = 60  # tables in one query
_INTEGERS = ("smallint", "integer", "bigint")


def missing_numbers(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Return of each table whose primary key is one integer how many numbers it lacks; each is read once, by its key."""
    keys = connection.execute(
        "SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
        " WHERE i.indisprimary AND i.indnkeyatts = 1 AND c.relnamespace = to_regnamespace(quote_ident(%s))"
        " AND c.relname = ANY(%s) AND a.atttypid::regtype::text = ANY(%s) ORDER BY 1",
        (schema, list(tables), list(_INTEGERS)),
    ).fetchall()
    found: dict[str, int] = {}
    for start in range(0, len(keys), TOGETHER):
        some = keys[start : start + TOGETHER]
        parts = (
            f"SELECT {n}, COALESCE(max({name(key)})::numeric - min({name(key)}) + 1 - count(*), 0)::bigint"
            f" FROM {name(schema, table)}"
            for n, (table, key) in enumerate(some)
        )
        found |= {some[n][0]: gaps for n, gaps in connection.execute(" UNION ALL ".join(parts).encode())}
    return found
