"""Rows that were rejected, brought into their table once they can be loaded; one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bulketl.postgres.ddl import batch, name, value
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger.made import held
from bulketl.postgres.server import LEDGER, Postgres
from bulketl.postgres.write import checks
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction, without_refused
from bulketl.postgres.write.keylist import send
from bulketl.postgres.write.publish import into
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch
from bulketl.tables.partitions import json_key
from bulketl.tables.spec import TableSpec

_DONE = "bulketl_done"


def take(
    target: Postgres, run: str, spec: TableSpec, keys: Sequence[dict[str, Any]], batches: Iterator[Batch]
) -> tuple[int, int]:
    """Merge the rows that are good now into the table and settle those and the ones that are gone, in one transaction.

    `keys` as they are on record; `batches` has the rows that the source still has of them. Return how many were loaded,
    and how many are still rejected. Raise DataError when a check fails: then nothing is changed.
    """
    still: set[str] = set()
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        cursor.execute(batch([entries.claim_publish(run, spec, returning=False), *held(run, [spec]), temporary(0, spec)]))
        rows = 0
        for tried in checks.passing(spec, (without_refused(target, run, spec, piece) for piece in batches)):
            copy(cursor, tried.good, spec, TEMPORARY, temporary_name(0))
            rows += tried.good.num_rows
            still |= {json_key(item.key) for item in tried.rejects}
        at = f"(schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
        known = [json_key(json.dumps(key)) for key in keys]
        done = [(key,) for key in known if key not in still] if still.issubset(known) else []
        send(cursor, ["key"], done, _DONE)
        statements = [
            *into(run, spec, name(TEMPORARY, temporary_name(0))),
            entries.published(run, spec, rows),
        ]
        new = f"SELECT COALESCE(inserted, 0) FROM {LEDGER}.published WHERE run = {value(run)} AND {at}"
        statements.append(f"UPDATE {LEDGER}.state SET rows = rows + ({new}) WHERE {at}")
        sets = f"settled_at = clock_timestamp(), settled = {value(run)}"
        among = f"settled_at IS NULL AND key IN (SELECT key::jsonb FROM {TEMPORARY}.{_DONE})"
        settled = f"UPDATE {LEDGER}.reject SET {sets} WHERE {at} AND {among}"
        cursor.execute(batch([*statements, PLANNING, BY_HASH, settled]))
        checks.hold(cursor, [spec])
    return rows, len(still)
