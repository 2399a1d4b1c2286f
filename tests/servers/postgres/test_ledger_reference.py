"""The page of the ledger's tables is what a new ledger has.

`BULKETL_REFERENCE=1 pytest tests/servers/postgres/test_ledger_reference.py` writes it anew.
"""

from __future__ import annotations

import os

import psycopg
from reference import FOLDER, ledger

from bulketl.postgres.ledger.schema import NEWEST, create
from bulketl.postgres.server import LEDGER

COLUMNS = """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum"""


def test_the_page_of_the_ledger_lists_its_tables_and_columns(empty: str) -> None:
    """With their types, so that whoever writes a query needs no server to look at."""
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
        made = ledger(connection.execute(COLUMNS, (LEDGER,)).fetchall(), NEWEST)
    path = FOLDER / "ledger.md"
    if os.environ.get("BULKETL_REFERENCE"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made
