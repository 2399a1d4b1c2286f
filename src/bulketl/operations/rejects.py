"""Rejected rows: what is on record of them, as files too, and bringing in those that are good now."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.patience import patient
from bulketl.errors import ConfigError, PlanError
from bulketl.mysql.server import MySQL
from bulketl.mysql.source import MySQLSource
from bulketl.plan.incremental import Choice, another_source
from bulketl.plan.ownership import strange
from bulketl.plan.publishing import differing
from bulketl.plan.specify import specify
from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger import rejects as record
from bulketl.postgres.ledger import runs
from bulketl.postgres.ledger import schema as ledger
from bulketl.postgres.ledger.rejects import RejectCount, Rejected
from bulketl.postgres.ledger.states import read_states
from bulketl.postgres.locks import held, new_run
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write import retried
from bulketl.postgres.write.copy import close
from bulketl.rows.reconcile import reread
from bulketl.survey.look import look
from bulketl.tables.casts import Cast, parse_type
from bulketl.tables.catalog import Catalog, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.partitions import KeyTuple, KeyValue
from bulketl.tables.patterns import fitting
from bulketl.tables.spec import TableSpec

FORMATS = (".csv", ".json", ".parquet")
LAST = "last"
_FIELDS = [field.name for field in dataclasses.fields(Rejected)]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a table's rejected rows: of those `asked`, so many were loaded, are still bad, are gone at the source.

    `unreadable`: their key is not known, because it is what was wrong with them.
    """

    table: str
    asked: int
    loaded: int = 0
    rejected: int = 0
    gone: int = 0
    unreadable: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def list_rejects(config: Config, tables: Sequence[str] = (), run: str = "") -> list[RejectCount]:
    """Return how many rows were rejected, per run, table, column and reason; the last run first.

    `tables` are names or patterns, empty means all; `run` is a run's name, `last`, or '' for every run. Raise ConfigError or
    TargetError when the target cannot be used, PlanError when there is no such run or a pattern fits nothing.
    """
    return patient(_counted, config, tables, run)


def _counted(config: Config, tables: Sequence[str], run: str) -> list[RejectCount]:
    with Postgres.of(config).connect() as connection:
        names, which = _asked(connection, config, tables, run)
        return record.count(connection, config.target_schema, names, which) if record.there(connection) else []


def show_rejects(config: Config, tables: Sequence[str] = (), run: str = "", first: int = 20) -> list[Rejected]:
    """Return the first rejected rows with their values; raise as `list_rejects`."""
    return patient(_shown, config, tables, run, first)


def _shown(config: Config, tables: Sequence[str], run: str, first: int) -> list[Rejected]:
    with Postgres.of(config).connect() as connection:
        names, which = _asked(connection, config, tables, run)
        if not record.there(connection):
            return []
        return list(record.read(connection, config.target_schema, names, which, first))


def export_rejects(config: Config, file: Path, tables: Sequence[str] = (), run: str = "") -> int:
    """Write the rejected rows into a new file, .csv, .json or .parquet, that only its owner may read; return how many.

    Raise as `list_rejects`, and ConfigError when the file is there already or cannot be written.
    """
    if file.suffix not in FORMATS:
        raise ConfigError(f"rejects are not written as {file.name!r}", hint=f"let its name end in {', '.join(FORMATS)}")
    with Postgres.of(config).connect() as connection:
        names, which = _asked(connection, config, tables, run)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
                found = record.read(connection, config.target_schema, names, which) if record.there(connection) else iter(())
                return _WRITERS[file.suffix](stream, found)
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}", hint="name a new file") from None


def _csv(stream: TextIO, rows: Iterator[Rejected]) -> int:
    writer = csv.writer(stream)
    writer.writerow(_FIELDS)
    count = 0
    for row in rows:
        writer.writerow(_texts(row).values())
        count += 1
    return count


def _json(stream: TextIO, rows: Iterator[Rejected]) -> int:
    count = 0
    stream.write("[")
    for count, row in enumerate(rows, 1):
        stream.write(("," if count > 1 else "") + "\n" + json.dumps(row.to_json(), ensure_ascii=False))
    stream.write("\n]\n")
    return count


def _parquet(stream: TextIO, rows: Iterator[Rejected]) -> int:
    schema = pa.schema([(name, pa.string()) for name in _FIELDS])
    count = 0
    with pq.ParquetWriter(stream.buffer, schema) as writer:
        while some := list(itertools.islice(rows, record.FETCHED)):
            writer.write_table(pa.Table.from_pylist([_texts(row) for row in some], schema=schema))
            count += len(some)
    return count


_WRITERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}


def _texts(row: Rejected) -> dict[str, str | None]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        for name, value in dataclasses.asdict(row).items()
    }


def retry_rejects(config: Config, tables: Sequence[str] = (), run: str = "") -> list[Retried]:
    """Read rejected rows again by their keys, load those that are good now, and settle them and those that are gone.

    Each table is a transaction of its own, under the locks of a load. Rows of loads that failed are left alone: those
    tables are to be loaded. Raise as `list_rejects`, and PlanError when a table cannot take single rows.
    """
    check_libraries()
    source, target = MySQL.of(config), Postgres.of(config)
    keys, existing, states = patient(_open, target, config, tables, run)
    if not keys:
        return []
    catalog = patient(look, source, config, states, existing, list(keys))
    done = []
    for table, asked in keys.items():
        if not asked:
            done.append(Retried(table, 0))
            continue
        spec = _one_by_one(config, catalog, table, existing.get(table), states.get(table))
        casts = {item.column: item for item in spec.casts}
        readable = {json.dumps(key): known for key in asked if (known := _key(spec, casts, key)) is not None}
        name = new_run()
        with held(target, name, catalog.identity, spec.schema, [table]):
            try:
                loaded, rejected = patient(_taken, source, target, name, spec, readable)
            finally:
                close(name)
        gone = len(readable) - loaded - rejected
        done.append(Retried(table, len(asked), loaded, rejected, gone, len(asked) - len(readable)))
    return done


def _open(
    target: Postgres, config: Config, tables: Sequence[str], run: str
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, TargetTable], dict[str, State]]:
    """Return the keys of each table's open rejects, and what the target has."""
    with target.connect() as connection:
        names, which = _asked(connection, config, tables, run)
        if not record.there(connection):
            return {}, {}, {}
        counted = record.count(connection, config.target_schema, names, which)
        wanted = dict.fromkeys(item.table for item in counted if item.rows > item.settled)
        keys = {table: record.open_keys(connection, config.target_schema, table, which) for table in wanted}
        if any(keys.values()):
            ledger.create(connection, config.target_schema)
        return keys, read_tables(connection, config.target_schema), read_states(connection, config.target_schema)


def _taken(source: MySQL, target: Postgres, run: str, spec: TableSpec, readable: Mapping[str, KeyTuple]) -> tuple[int, int]:
    """Read rows by their keys and take them; both may be done twice."""
    batches = reread(MySQLSource(source), spec, tuple(readable.values()))
    return retried.take(target, run, spec, [json.loads(key) for key in readable], batches)


def _one_by_one(
    config: Config, catalog: Catalog, table: str, existing: TargetTable | None, state: State | None
) -> TableSpec:
    """Return what a worker must know to merge single rows into a table; raise PlanError when it cannot take them."""
    found = next((item for item in catalog if item.name == table), None)
    if found is None or existing is None:
        where = "at the source" if found is None else "in the target"
        raise PlanError(
            f"table {table!r} is no longer {where}", hint="its rejects stay on record; name the other tables to leave it out"
        )
    if not existing.ours:
        raise strange(config.target_schema, existing)
    spec = specify(config, catalog, found, Choice(state=state))
    if not spec.key:
        raise PlanError(
            f"table {table!r} has no primary key, so its rejected rows cannot be told from others at the source",
            hint=f"correct them there and load it whole: `bulketl load --tables {table} --full`; "
            "or declare its primary_key in tables.yaml",
        )
    if state and state.source not in ("", catalog.identity):
        raise another_source(table, state, catalog.identity)
    other = differing(spec, existing, state)
    if other.added or other.widened or other.changed or existing.primary_key != spec.key:
        raise PlanError(
            f"table {table!r} has other columns or another key now than in the target",
            hint=f"load it, which follows them: `bulketl load --tables {table}`",
        )
    return dataclasses.replace(
        spec,
        publish="append" if spec.audit else "merge",
        whole=False,
        max_rejects=1.0,
        watermark=None,
        deletes="mark" if spec.deletes == "mark" else "ignore",
        partitioned=existing.partitioned,
    )


def _key(spec: TableSpec, casts: Mapping[str, Cast], key: Mapping[str, Any]) -> KeyTuple | None:
    """Return a key on record as the source can be asked for it, or None when a part of it is not known."""
    values = [_value(casts[column], key.get(column)) for column in spec.key]
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(spec.key) else None


def _value(item: Cast, value: Any) -> KeyValue | None:
    if value is None or isinstance(value, (bool, int, float)):
        return None if item.clean == "instant" else value
    text = str(value)
    base = parse_type(item.source).base
    if text.startswith("\\x") and (item.wire == "large_binary" or base == "bit"):
        if base == "uuid":
            return "-".join((text[2:10], text[10:14], text[14:18], text[18:22], text[22:]))
        raw = bytes.fromhex(text[2:])
        return int.from_bytes(raw) if base == "bit" else raw
    with contextlib.suppress(ArithmeticError):
        return Decimal(text) if base == "decimal" else text  # as a text it would be compared as a float
    return None


def _asked(connection: Connection, config: Config, tables: Sequence[str], run: str) -> tuple[list[str] | None, str]:
    """Return the tables that are meant, None for all, and the run."""
    schema = config.target_schema
    which = ""
    if run:
        found = runs.find_run(connection, schema, "" if run == LAST else run)
        if found is None:
            raise PlanError(f"there is no run {run!r} into schema {schema!r} on record", hint="see `bulketl rejects list`")
        which = found[0]
    if not tables:
        return None, which
    known = {*config.tables, *record.tables(connection, schema)}
    return sorted(
        fitting(known, tables, schema, "check the spelling, and the schema: `bulketl rejects list` shows what was rejected")
    ), which
