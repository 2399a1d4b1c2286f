"""Whatever anybody has set at the source, for all sessions or for those of ordinary users, rows arrive as they are.

Every variable that the server says its sessions have is given other values, in init_connect and globally. Then the
catalogue, the rows of a table of all types over connectorx, at once and as a stream, and hashes and counts over PyMySQL
are what they were, or the source is refused. Many at a time; where that differs or is refused, each of them alone.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pymysql
import pytest
from conftest import fresh
from lab import Lab, Server
from matrix import CASES, REJECT
from session_variables import Setting, Way, applied, settings

import bulketl
from bulketl.errors import BulketlError, SourceError
from bulketl.mysql import digests
from bulketl.mysql import session as sessions
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.read import count, read, select
from bulketl.mysql.server import MySQL
from bulketl.mysql.spool import queried
from bulketl.rows.reconcile import Buckets
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

MAY_BE_UNKNOWN = {"uuid", "inet4", "inet6", "vector", "geomcollection"}  # types that only some servers have
ROWS = 12
TOGETHER = 24
ROOM = {"tmp_disk_table_size", "sort_buffer_size"}  # too little of both, and the server answers nobody
# What it changes is what it is for.
MEANT = {("global", "time_zone"): "is the server's zone, in which `timestamp_zone: server` reads"}


@dataclass(frozen=True)
class Clinic:
    """A database with a table of all types, 15 others, and an ordinary user who reads it."""

    lab: Lab
    user: str
    spec: TableSpec

    @property
    def source(self) -> MySQL:
        return MySQL(self.lab.server.database(self.lab.database, self.user, "pw"))

    def read(self) -> list[object]:
        """Return all that is read of the source, in sessions of which nothing is known from before."""
        sessions._known.clear()
        catalog = read_catalog(self.source)
        tables = {table.name: (table.columns, table.keys) for table in catalog}
        rows = sorted(map(repr, pa.concat_tables(read(self.source, self.spec, Partition(0))).to_pylist()))
        whole = select(self.spec, Partition(0))
        stream = queried(self.source.connectorx_uri, whole, self.source.before(), 5).read_all()
        streamed = sorted(repr(tuple(row.values())) for row in stream.to_pylist())
        return [
            catalog.zone, tables, rows, streamed, count(self.source, [(self.spec, Partition(0))]),
            digests.digests(self.source, self.spec, Buckets()),
        ]  # fmt: skip


def of_all_types(lab: Lab) -> None:
    """Make the table `every`: a column for each type, its first rows the values of the type matrix that are no rejects."""
    kinds = {case.type: case for case in CASES if not case.to and case.only in (None, lab.server.kind)}
    columns: list[str] = []
    values: list[list[str]] = []
    for case in kinds.values():
        good = [sql for sql, shown in case.values if shown != REJECT]
        if good and _makes(lab, case.type):
            columns.append(f"`c{len(columns)} ä` {case.type}{'' if 'NOT NULL' in case.type else ' NULL'}")
            values.append(good)
    lab.mysql(f"CREATE TABLE every (id int PRIMARY KEY, {', '.join(columns)}) ROW_FORMAT=DYNAMIC")
    rows = (", ".join([str(n), *(some[n % len(some)] for some in values)]) for n in range(ROWS))
    lab.mysql(*(f"INSERT INTO every VALUES ({row})" for row in rows), mode="")
    lab.mysql(*(f"CREATE TABLE t{n} (id int PRIMARY KEY)" for n in range(15)))


def _makes(lab: Lab, kind: str) -> bool:
    if kind.partition("(")[0] not in MAY_BE_UNKNOWN:
        return True
    try:
        lab.mysql(f"CREATE TABLE probe (c {kind})", "DROP TABLE probe")
    except pymysql.MySQLError:
        return False
    return True


@pytest.fixture(scope="module")
def clinic(source_server: Server, postgres: str) -> Iterator[Clinic]:
    """The database and its user, loaded once, so that what is read without other settings is known to be right."""
    for lab in fresh(source_server, postgres):
        user = f"u_{secrets.token_hex(3)}"
        source_server.execute(f"CREATE USER {user} IDENTIFIED BY 'pw'")
        source_server.execute(f"GRANT SELECT ON `{lab.database}`.* TO {user}")
        of_all_types(lab)
        done = lab.load()
        assert done.summary.outcome == "done"
        assert lab.differences("every") == []
        (spec,) = (load.spec for load in done.plan.loads if load.spec.table == "every")
        yield Clinic(lab, user, dataclasses.replace(spec, zone=""))
        source_server.execute(f"DROP USER {user}")


def outcome(clinic: Clinic, some: list[Setting], way: Way) -> Any:
    """Return what is read with these settings, or the error with which the source is refused."""
    with applied(clinic.lab.server, some, way):
        try:
            return clinic.read()
        except BulketlError as error:
            return error


def rounds(found: list[Setting]) -> list[list[Setting]]:
    """Return the first value of each variable, the second of each, and so on."""
    turns: dict[int, list[Setting]] = {}
    seen: Counter[str] = Counter()
    for one in found:
        turns.setdefault(seen[one.name], []).append(one)
        seen[one.name] += 1
    return list(turns.values())


@pytest.mark.parametrize("way", ["init_connect", "global"])
def test_no_variable_of_the_source_changes_what_is_read(clinic: Clinic, way: Way) -> None:
    """Listed from the server. At the end everything is loaded with all at once of those that bulketl sets."""
    right = clinic.read()
    found, fixed = settings(clinic.lab, clinic.user, way)
    found = [one for one in found if (way, one.name) not in MEANT]
    refused: dict[str, str] = {}
    changed: list[str] = []
    work = [each[n : n + TOGETHER] for each in rounds(found) for n in range(0, len(each), TOGETHER)]
    while work:
        some = work.pop()
        now = outcome(clinic, some, way)
        if now == right:
            continue
        if len(some) > 1:
            half = len(some) // 2
            work += [some[:half], some[half:]]
        elif isinstance(now, BulketlError):
            refused[f"{some[0].name}={some[0].value}"] = now.message
        else:
            changed.append(f"{some[0].name}={some[0].value}")
    print(f"{clinic.lab.server.kind} {way}: {len({one.name for one in found})} variables, {len(found)} values;"
          f" refused: {refused}; not settable so: {fixed}")  # fmt: skip
    assert changed == []
    assert len({one.name for one in found}) > 100
    ours = set(sessions.SETTINGS) - ROOM
    alike = [one for one in found if one.name in ours and f"{one.name}={one.value}" not in refused]
    last = {one.name: one for one in alike}
    first = {one.name: one for one in reversed(alike)}
    for values in (first, last):
        with applied(clinic.lab.server, list(values.values()), way):
            clinic.lab.pg("DROP SCHEMA {s} CASCADE; CREATE SCHEMA {s}")
            source = clinic.lab.server.database(clinic.lab.database, clinic.user, "pw")
            summary = bulketl.load(config := clinic.lab.config(source=source), bulketl.make_plan(config))
            assert {name: found.message for name, found in summary.tables.items() if found.outcome != "loaded"} == {}
        assert clinic.lab.differences("every") == []


def test_sessions_that_begin_with_temporary_tables_are_refused(clinic: Clinic) -> None:
    """A temporary table stands before the real one of its name, and nothing tells that it does."""
    server = clinic.lab.server
    server.execute(f"GRANT CREATE TEMPORARY TABLES ON `{clinic.lab.database}`.* TO {clinic.user}")
    server.execute(f"SET GLOBAL init_connect = 'CREATE TEMPORARY TABLE `{clinic.lab.database}`.every AS SELECT 1 AS id'")
    try:
        with pytest.raises(SourceError, match="temporary tables"):
            clinic.read()
    finally:
        server.execute("SET GLOBAL init_connect = ''")


def test_another_database_chosen_in_init_connect_is_not_the_one_that_is_read(clinic: Clinic) -> None:
    """A USE there comes after the connection has chosen its own, and the other database has a table of the same name."""
    server, other = clinic.lab.server, f"{clinic.lab.database}_other"
    right = clinic.read()
    copied = f"CREATE TABLE `{other}`.every SELECT * FROM every WHERE id < 3"
    clinic.lab.mysql(f"CREATE DATABASE `{other}`", copied, mode="")
    server.execute(f"GRANT SELECT ON `{other}`.* TO {clinic.user}")
    server.execute(f"SET GLOBAL init_connect = 'USE `{other}`'")
    try:
        assert clinic.read() == right
    finally:
        server.execute("SET GLOBAL init_connect = ''")
        clinic.lab.mysql(f"DROP DATABASE `{other}`")
