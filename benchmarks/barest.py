"""The floor of bulketl's own way: its ranges, its SELECTs, its coercion and its COPY in three threads, and the key.

No plan is put on record, nothing is claimed, staged, counted or proved, no ledger is written, and readers see a table that
fills. What a load takes beyond this is what its promises cost; what this takes beyond another program is what the libraries
cost. `python -m benchmarks.barest SCHEMA`, with the URIs in BULKETL_SOURCE and BULKETL_TARGET.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import psycopg

import bulketl
from bulketl.mysql.discover import read_bounds, read_catalog
from bulketl.mysql.native import queried
from bulketl.mysql.read import names, null_bits, select
from bulketl.mysql.server import MySQL
from bulketl.plan.decision import decide
from bulketl.plan.plan import TableLoad
from bulketl.postgres.ddl import create_table, name, primary_key
from bulketl.postgres.write.copy import copy
from bulketl.rows.coerce import coerce
from bulketl.tables.partitions import Partition

THREADS = 3


def main() -> None:
    """Load every table of the source into the schema named on the command line, one after another."""
    config = bulketl.load_config(None, None, os.environ, schema=sys.argv[1])
    source, target = MySQL.of(config), os.environ["BULKETL_TARGET"]
    catalog = read_catalog(source)
    plan = decide(config, catalog, read_bounds(source, catalog, None, config.partition_bytes), {})
    with psycopg.connect(target) as connection:
        connection.execute(f"CREATE SCHEMA {name(config.target_schema)}".encode())
    for load in plan.loads:
        with psycopg.connect(target) as connection:
            spec = load.spec
            required = {column: f"{column}_not_null" for column in spec.target_key}
            connection.execute(create_table(spec.schema, spec.table, spec.casts, required=required).encode())
        left = iter(load.partitions)
        threads = [threading.Thread(target=work, args=(source, target, load, left)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if spec.key:
            with psycopg.connect(target) as connection:
                key = primary_key(spec.table, spec.target_key)
                connection.execute(f"ALTER TABLE {name(spec.schema, spec.table)} ADD {key}".encode())


def work(source: MySQL, target: str, load: TableLoad, left: Iterator[Partition]) -> None:
    """Read ranges and copy them while there are some; an iterator over a tuple is safe between threads."""
    spec = load.spec
    with psycopg.connect(target) as connection:
        for part in left:
            rows = queried(source, select(spec, part), source.before(), spec.table)
            batch = coerce(rows.rename_columns(names(spec)), spec, null_bits(spec))
            with connection.cursor() as cursor:
                copy(cursor, batch.good, spec, spec.schema, spec.table)
            connection.commit()


if __name__ == "__main__":
    main()
