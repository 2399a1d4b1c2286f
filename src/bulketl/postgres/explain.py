"""Every statement that a load would send to Postgres, in order, without sending any: for `plan --sql`.

They come from the very functions that the load calls; `RUN` stands for the run's name, which only a run has.
"""

from __future__ import annotations

import json

from bulketl.plan import TableLoad, TableSpec
from bulketl.postgres import STAGING, Connection, ledger
from bulketl.postgres.ddl import columns, name, staging_name
from bulketl.postgres.publish import arriving, carrying, replacing
from bulketl.postgres.steps import counting, counting_group, emptied, preparing

RUN = "RUN"


def statements(connection: Connection, load: TableLoad) -> list[str]:
    """Return the statements for one table; what a swap carries over is read from the target, nothing is changed."""
    spec = load.spec
    if load.direct:
        copies = [_copy(spec.schema, spec.table, spec)] if load.partitions else []
        record = ledger.partition(RUN, spec, 0, load.rows, 0, 0, {})
        claim, published = ledger.claim_publish(RUN, spec), ledger.published(RUN, spec, load.rows)
        return ["BEGIN", claim, *emptied(spec), *copies, counting_group([spec]), record, published, "COMMIT"]
    found = ["BEGIN", *preparing(RUN, spec), "COMMIT"]
    for partition in load.partitions:
        record = ledger.partition(RUN, spec, partition.index, 0, 0, 0, {})
        found += ["BEGIN", record, _copy(STAGING, staging_name(RUN, spec.table), spec), "COMMIT"]
    things = []
    if spec.publish == "swap":
        with connection.transaction():
            connection.execute("SET LOCAL search_path = pg_catalog")
            things = [json.loads(text) for (text,) in connection.execute(carrying(spec).encode())]
    publishing = [ledger.claim_publish(RUN, spec), counting(RUN, spec), *arriving(RUN, spec), *replacing(spec, things)]
    return [*found, "BEGIN", *publishing, ledger.published(RUN, spec, load.rows), "COMMIT"]


def _copy(schema: str, table: str, spec: TableSpec) -> str:
    return f"COPY {name(schema, table)} ({columns(item.column for item in spec.casts)}) FROM STDIN (FORMAT binary)"
