"""What would be lost of a table whose rows are on no record: one that is adopted, or whose state was taken away.

The guard compares numbers of rows as long as the ledger knows the number of the last load. Here it cannot: as many rows with
other keys are other rows. So the table is compared with what is staged for it, by its key, and by the content of its rows
where it has none. What cannot be compared is lost.
"""

from __future__ import annotations

from typing import Any

from bulketl.postgres.ddl import name, value
from bulketl.postgres.write.merge import counting_gone
from bulketl.tables.spec import TableSpec

# Columns that table and stage both have, in types whose values can be equal.
_COMMON = """
SELECT a.attname FROM pg_attribute a JOIN pg_type ta ON ta.oid = a.atttypid
JOIN pg_attribute b ON b.attrelid = {stage}::regclass AND b.attname = a.attname AND b.attnum > 0 AND NOT b.attisdropped
JOIN pg_type tb ON tb.oid = b.atttypid
WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped
AND (ta.oid = tb.oid OR (ta.typcategory = tb.typcategory AND ta.typcategory IN ('N', 'S', 'D')))"""


def lost(cursor: Any, spec: TableSpec, rows: int, stage: str) -> tuple[int, int]:
    """Return how many rows of the table are not among the staged ones, and how many it has; `rows` are staged."""
    table = name(spec.schema, spec.table)
    cursor.execute(_COMMON.format(table=value(table), stage=value(stage)))
    common = {str(column) for (column,) in cursor.fetchall()}
    if spec.key and common.issuperset(spec.target_key):
        cursor.execute(counting_gone(spec, stage))
        fewer, there = cursor.fetchall()[0]
        return int(fewer), int(there)
    cursor.execute(f"SELECT count(*) FROM {table}")
    there = int(cursor.fetchall()[0][0])
    if spec.key or not common or not rows:
        return there, there
    texts = f"SELECT md5(ROW({', '.join(name(c) for c in sorted(common))})::text) FROM"
    cursor.execute(f"SELECT count(*) FROM ({texts} {table} EXCEPT ALL {texts} {stage}) x")
    return int(cursor.fetchall()[0][0]), there
