"""Rejected rows: listing, showing and exporting them, and loading those that are good now."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError, PlanError
from bulketl.loading.column_types import check_unaltered
from bulketl.loading.record import recorded
from bulketl.mysql.server import MySQL
from bulketl.mysql.source import MySQLSource
from bulketl.plan.incremental import Choice, another_source, choice_of
from bulketl.plan.masking import agreeing
from bulketl.plan.ownership import strange
from bulketl.plan.plan import Plan, TableLoad, in_turn
from bulketl.plan.publishing import differing
from bulketl.plan.specify import specify
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import rejects, runs, schema
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.rejects import RejectCount, Rejected
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.rows import retry
from bulketl.rows.coerce import Batch
from bulketl.rows.reconcile import reread
from bulketl.survey.look import in_view
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import Catalog
from bulketl.tables.measured import Known
from bulketl.tables.partitions import KeyTuple, KeyValue
from bulketl.tables.patterns import fitting
from bulketl.tables.printable import brief, count_of
from bulketl.tables.spec import TableSpec

FORMATS = (".csv", ".json", ".parquet")
LAST = "last"
_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # what a formula begins with, the wide forms of East Asia too
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
_FIELDS = [field.name for field in dataclasses.fields(Rejected)]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a table's rejected rows: of the `asked` ones how many were loaded, are still bad, or gone.

    `unreadable`: their key is not known, because it is what was wrong with them. `source`: the database that they were
    read from again; `schema`: of the target.
    """

    source: str
    schema: str
    table: str
    asked: int
    loaded: int = 0
    rejected: int = 0
    gone: int = 0
    unreadable: int = 0

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, asked=self.asked, loaded=self.loaded, rejected=self.rejected)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def list_rejects(config: Config, tables: Sequence[str] = (), run: str = "") -> list[RejectCount]:
    """Return how many rows were rejected, per run, table, column and reason; the last run first.

    `tables` are names or patterns, empty means all; `run` is a run's name, `last` for the last load or repair, or '' for
    every run. Raise ConfigError or TargetError when the target cannot be used, PlanError when there is no such run or a
    pattern fits nothing.
    """
    return patient(_counted, config, tables, run)


def _counted(config: Config, tables: Sequence[str], run: str) -> list[RejectCount]:
    with asking(Postgres.of(config)) as connection:
        names, which = _asked(connection, config, tables, run)
        return rejects.count(connection, config.target_schema, names, which) if rejects.readable(connection) else []


def show_rejects(config: Config, tables: Sequence[str] = (), run: str = "", first: int = 20) -> list[Rejected]:
    """Return the first rejected rows with their values. Raise as `list_rejects` does."""
    return patient(_shown, config, tables, run, first)


def _shown(config: Config, tables: Sequence[str], run: str, first: int) -> list[Rejected]:
    with asking(Postgres.of(config)) as connection:
        names, which = _asked(connection, config, tables, run)
        if not rejects.readable(connection):
            return []
        return list(rejects.read(connection, config.target_schema, names, which, first))


def export_rejects(config: Config, file: Path, tables: Sequence[str] = (), run: str = "") -> int:
    """Write the rejected rows into a new .csv, .json or .parquet file that only its owner may read; return their number.

    Raise as `list_rejects` does, and ConfigError when the file exists already or cannot be written.
    """
    if file.suffix not in FORMATS:
        raise ConfigError(f"rejects are not written as {file.name!r}", hint=f"let its name end in {', '.join(FORMATS)}")
    with asking(Postgres.of(config)) as connection:
        names, which = _asked(connection, config, tables, run)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
                there = rejects.readable(connection)
                found = rejects.read(connection, config.target_schema, names, which) if there else iter(())
                return _WRITERS[file.suffix](stream, found)
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}", hint="name a new file") from None


def _csv(stream: TextIO, rows: Iterator[Rejected]) -> int:
    writer = csv.writer(stream)
    writer.writerow(_FIELDS)
    count = 0
    for row in rows:
        writer.writerow(map(_inert, _texts(row).values()))
        count += 1
    return count


def _inert(text: str | None) -> str | None:
    """Return a cell that no spreadsheet takes for a formula: it has an apostrophe before it then, unless it is a number."""
    return f"'{text}" if text and text[0] in _FORMULA and not _NUMBER.fullmatch(text) else text


def _json(stream: TextIO, rows: Iterator[Rejected]) -> int:
    count = 0
    stream.write("[")
    for count, row in enumerate(rows, 1):
        stream.write(("," if count > 1 else "") + "\n" + _json_text(row.to_json()))
    stream.write("\n]\n")
    return count


def _parquet(stream: TextIO, rows: Iterator[Rejected]) -> int:
    texts = pa.schema([(name, pa.string()) for name in _FIELDS])
    count = 0
    with pq.ParquetWriter(stream.buffer, texts) as writer:
        while some := list(itertools.islice(rows, rejects.FETCHED)):
            writer.write_table(pa.Table.from_pylist([_texts(row) for row in some], schema=texts))
            count += len(some)
    return count


_WRITERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}


def _texts(row: Rejected) -> dict[str, str | None]:
    return {
        name: _json_text(value) if isinstance(value, dict) else _whole(value)
        for name, value in dataclasses.asdict(row).items()
    }


def _json_text(value: object) -> str:
    """Return a value as JSON, with escapes only where UTF-8 has no place for a character."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or _whole(text) == text else json.dumps(value)


def _whole(text: str | None) -> str | None:
    """Return a text without halves of surrogate pairs, which no file in UTF-8 can have: each is spelt out."""
    return text and text.encode("utf-8", "backslashreplace").decode()


def retry_rejects(config: Config, tables: Sequence[str] = (), run: str = "") -> list[Retried]:
    """Read rejected rows again by their keys, load those that are good now, and settle these and the rows that are gone.

    It is one run on record, under the locks of a load. Each table is a transaction of its own: if one fails, the tables
    before it stay done. Rows of failed loads are left alone; load those tables again. Raise as `list_rejects` does, and
    PlanError, before anything is written, when a table cannot take single rows.
    """
    check_libraries()
    source, target = MySQL.of(config), Postgres.of(config)
    keys, known = patient(_open, target, config, tables, run)
    if not keys:
        return []
    catalog = patient(in_view, source, config, known, list(keys))
    specs = [_one_by_one(config, catalog, table, choice_of(known, table)) for table, asked in keys.items() if asked]
    done = {table: Retried(catalog.identity, config.target_schema, table, 0) for table in keys}
    if not specs:
        return list(done.values())
    with recorded(target, "retry", _plan(config, catalog, specs, keys), config) as retrying:
        for spec in specs:
            with retrying.at(spec.table) as entry:
                one = done[spec.table] = _retried(source, target, retrying.name, spec, keys[spec.table])
                entry.rows, entry.rejects = one.loaded, one.rejected
    return list(done.values())


def _plan(config: Config, catalog: Catalog, specs: Sequence[TableSpec], keys: Mapping[str, Sequence[object]]) -> Plan:
    """Return the plan of a retry: for each table how many rows are read again. Their keys are on record as rejects."""
    loads = []
    for spec in specs:
        rows = len(keys[spec.table])
        why = f"retry: {count_of(rows, 'rejected row')} not settled"
        loads.append(TableLoad(spec, (), config.rule(spec.table).table_importance, why, rows, 0))
    return in_turn(catalog.identity, config.target_schema, config.zone(catalog), loads)


def _retried(source: MySQL, target: Postgres, run: str, spec: TableSpec, asked: Sequence[dict[str, Any]]) -> Retried:
    casts = {item.column: item for item in spec.casts}
    readable = {json.dumps(key): known for key in asked if (known := _key(spec, casts, key)) is not None}
    loaded, rejected = patient(_taken, source, target, run, spec, readable)
    gone = len(readable) - loaded - rejected
    return Retried(spec.source, spec.schema, spec.table, len(asked), loaded, rejected, gone, len(asked) - len(readable))


def _open(
    target: Postgres, config: Config, tables: Sequence[str], run: str
) -> tuple[dict[str, list[dict[str, Any]]], Known]:
    """Return the keys of each table's open rejects, and what the target has."""
    with target.connect() as connection:
        names, which = _asked(connection, config, tables, run)
        if not rejects.readable(connection):
            return {}, Known({}, {})
        counted = rejects.count(connection, config.target_schema, names, which)
        wanted = dict.fromkeys(item.table for item in counted if item.rows > item.settled)
        keys = {table: rejects.open_keys(connection, config.target_schema, table, which) for table in wanted}
        if any(keys.values()):
            schema.create(connection, config.target_schema)
        return keys, known_of(connection, config.target_schema)


def _taken(source: MySQL, target: Postgres, run: str, spec: TableSpec, readable: Mapping[str, KeyTuple]) -> tuple[int, int]:
    """Read rows by their keys and take them; both may be done twice."""
    keys = tuple(readable.values())
    return retry(target, run, spec, [json.loads(key) for key in readable], lambda: _again(MySQLSource(source), spec, keys))


def _again(source: MySQLSource, spec: TableSpec, keys: Sequence[KeyTuple]) -> Iterator[Batch]:
    yield from reread(source, spec, keys)
    check_unaltered(source, [spec])


def _one_by_one(config: Config, catalog: Catalog, table: str, choice: Choice) -> TableSpec:
    """Return what a worker must know to merge single rows into a table; raise PlanError when it cannot take them."""
    state, existing = choice.state, choice.existing
    found = next((item for item in catalog if item.name == table), None)
    if found is None or existing is None:
        where = "at the source" if found is None else "in the target"
        raise PlanError(
            f"table {table!r} is no longer {where}", hint="its rejects stay on record; name the other tables to leave it out"
        )
    if not existing.ours:
        raise strange(config.target_schema, existing)
    spec = specify(config, catalog, found, choice)
    agreeing(spec, state)
    if secret := [item.column for item in spec.masked if item.column in spec.key]:
        raise PlanError(
            f"table {table!r} has a masked key, {', '.join(secret)}, so its rejected rows are not known by it",
            hint=f"correct them at the source and load it whole: `bulketl load --tables {table} --full`",
        )
    if not spec.key:
        raise PlanError(
            f"table {table!r} has no primary key, so its rejected rows cannot be told from others at the source",
            hint=f"correct them there and load it whole: `bulketl load --tables {table} --full`; "
            "or declare its primary_key in tables.yaml",
        )
    if state and state.source not in ("", catalog.identity):
        raise another_source(table, state, catalog.identity)
    other = differing(spec, existing, state)
    if other.added or other.widened or other.changed or existing.primary_key != spec.target_key:
        raise PlanError(
            f"table {table!r} has other columns or another key now than in the target",
            hint=f"load it, which follows them: `bulketl load --tables {table}`",
        )
    return dataclasses.replace(
        spec,
        publish="append" if spec.audit else "merge",
        whole=False,
        packed=True,  # so that a row whose key is no date still has its key
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
    if value is None or item.clean == "instant":  # whose digits are of another zone than the session's
        return None
    if isinstance(value, (bool, int, float)):
        return value
    text = str(value)
    base = item.source_type.base
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
    into = config.target_schema
    which = ""
    if run:
        found = runs.find_run(connection, into, "" if run == LAST else run, runs.REJECTING)
        if found is None:
            raise PlanError(f"there is no run {run!r} into schema {into!r} on record", hint="see `bulketl rejects list`")
        which = found.run
    if not tables:
        return None, which
    known = {*config.tables, *rejects.tables(connection, into)}
    hint = "check the spelling, and the schema: `bulketl rejects list` shows what was rejected"
    return sorted(fitting(known, tables, into, hint)), which
