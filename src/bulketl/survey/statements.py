"""Every statement that a load would send to both servers, in order, without sending any: for `plan --sql`.

What is for Postgres comes from the very functions that the load calls; `RUN` stands for the run's name, as no run has begun.
"""

from __future__ import annotations

import json

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.mysql.read import select
from bulketl.plan.plan import Plan, TableLoad
from bulketl.postgres.ddl import columns, name, rows_of, staging, staging_name
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger.entries import CopyResult
from bulketl.postgres.ledger.made import reserving, started
from bulketl.postgres.server import STAGING, Connection, Postgres
from bulketl.postgres.write import referring, table_checks
from bulketl.postgres.write.copy import TEMPORARY
from bulketl.postgres.write.enums import typing
from bulketl.postgres.write.publish import arriving, carrying, into, replacing
from bulketl.postgres.write.recording import recording
from bulketl.postgres.write.secondary import freeing, giving
from bulketl.postgres.write.stage import (
    BESIDE,
    beside,
    counting_group,
    emptied,
    keyed,
    place,
    preparing,
    temporary,
    temporary_name,
)
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

RUN = "RUN"


def statements(config: Config, plan: Plan) -> dict[str, list[str]]:
    """Return, per table, every statement that a load would send: the SELECTs to the source, then all to the target.

    Foreign keys that rules keep are dropped before a table is written, and added again when all tables are done.
    """
    return patient(_statements, Postgres.of(config), plan)


def _statements(target: Postgres, plan: Plan) -> dict[str, list[str]]:
    with target.connect() as connection:
        found = {
            load.spec.table: [*(select(load.spec, piece) for piece in load.partitions), *of_target(connection, load)]
            for load in plan.loads
        }
        away = referring.found(connection, plan.schema, list(found))
        every = referring.found(connection, plan.schema, (), every=True)
    for tied in away:
        found[tied.table] = [referring.loosening(tied), *found.get(tied.table, [])]
    there = {(tied.table, tied.note) for tied in every if tied not in away}
    for reference in plan.references:
        if not reference.why and (reference.table, reference.note) not in there:
            found[reference.table] = [*found.get(reference.table, []), *referring.tying(plan.schema, reference)]
    return found


def of_target(connection: Connection, load: TableLoad) -> list[str]:
    """Return the statements to Postgres for one table; what a swap carries over is read there, and nothing is changed."""
    made = ["BEGIN", *typed, "COMMIT"] if (typed := typing([load.spec])) else []
    return [*made, *_written(connection, load)]


def _written(connection: Connection, load: TableLoad) -> list[str]:
    spec = load.spec
    done = [*giving(spec), *recording(RUN, spec, load.rows)]
    if load.chunked:
        return [statement for partition in load.partitions for statement in _chunk(load, partition)]
    if load.direct:
        copies = [_copy(*place(0, spec), spec)] if load.partitions else []
        record = entries.partition(RUN, spec, 0, CopyResult(load.rows))
        claim = entries.claim_publish(RUN, spec)
        merged = into(RUN, spec, name(*place(0, spec))) if beside(spec) else []
        begun = [claim, *reserving(RUN, [spec]), *freeing(spec), *emptied(RUN, 0, spec)]
        written = [*begun, *copies, counting_group([spec]), record, *merged, *done]
        return ["BEGIN", *written, *_checked(spec, rows_of(spec)), "COMMIT"]
    found = ["BEGIN", *preparing(RUN, spec), "COMMIT"]
    for partition in load.partitions:
        record = entries.partition(RUN, spec, partition.index, CopyResult())
        found += ["BEGIN", record, _copy(STAGING, staging_name(RUN, spec.table), spec), "COMMIT"]
    things = []
    if spec.publish == "swap":
        with connection.transaction():
            connection.execute("SET LOCAL search_path = pg_catalog")
            things = [json.loads(text) for (text,) in connection.execute(carrying(spec).encode())]
    before = [] if spec.publish in BESIDE else _checked(spec, staging(RUN, spec.table))
    after = _checked(spec, rows_of(spec)) if spec.publish in BESIDE else []
    begun = [
        entries.claim_publish(RUN, spec),
        *started(RUN, spec),
        *keyed(RUN, spec),
        entries.counting(RUN, spec, staging(RUN, spec.table)),
    ]
    publishing = [*begun, *before, *arriving(RUN, spec), *replacing(RUN, spec, things)]
    return [*found, "BEGIN", *publishing, *after, *done, "COMMIT"]


def _checked(spec: TableSpec, place: str) -> list[str]:
    return [text] if (text := table_checks.query([spec], [place])) else []


def _chunk(load: TableLoad, partition: Partition) -> list[str]:
    spec, place_ = load.spec, (TEMPORARY, temporary_name(0))
    return [
        "BEGIN",
        entries.claim(RUN, spec, partition.index),
        *reserving(RUN, [spec]),
        *(freeing(spec) if partition.index == 0 else []),
        temporary(0, spec),
        _copy(*place_, spec),
        *into(RUN, spec, name(*place_)),
        *(giving(spec) if partition == load.partitions[-1] else []),
        *recording(RUN, spec, 0, mark=partition.mark or None),
        *(_checked(spec, rows_of(spec)) if partition == load.partitions[-1] else []),
        "COMMIT",
    ]


def _copy(schema: str, table: str, spec: TableSpec) -> str:
    return f"COPY {name(schema, table)} ({columns(item.name for item in spec.casts)}) FROM STDIN (FORMAT binary)"
