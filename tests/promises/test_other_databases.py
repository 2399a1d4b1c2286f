"""Databases of other houses, where they lie beside the checkout: proposed, loaded, changed, loaded again, and equal.

Nobody made them for a test: keys, names, types and values are as their makers chose them, with edge values where a table
comes without rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab import Lab, Server, configure, execute, load

import bulketl
from bulketl.cli.demo.programs import program
from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.survey import tablesfile

FOREIGN = Path(__file__).parents[3] / "shared" / "foreign"
FILES = sorted(FOREIGN.glob("*.sql"))
FILLED = 30  # rows of each table that comes without


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def house(request: pytest.FixtureRequest, mariadb: Server, postgres: str) -> Iterator[Lab]:
    """The database of one house, with rows in every table, and a schema to load it into."""
    name = f"case_{request.param.stem}"
    parts = urllib.parse.urlsplit(mariadb.uri)
    client = f"-h{parts.hostname} -P{parts.port} -uroot"
    words = [program("mariadb"), *client.split(), "--default-character-set=utf8mb4"]
    with request.param.open("rb") as script:
        subprocess.run(words, stdin=script, check=True, capture_output=True)
    folder = os.pathsep.join((str(Path(words[0]).parent), os.environ["PATH"]))
    environ = {**os.environ, "FILL_CLIENT": client, "PATH": folder}
    subprocess.run([sys.executable, FOREIGN / "fill.py", name, str(FILLED)], env=environ, check=True, capture_output=True)
    execute(postgres, f"CREATE SCHEMA {name}")
    yield Lab(mariadb, name, postgres, name)
    mariadb.execute(f"DROP DATABASE {name}")
    execute(postgres, f"SET client_min_messages = warning; DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="module")
def config(house: Lab, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The configuration of a person who keeps all that discover proposes, but for what may be rejected."""
    path = tmp_path_factory.mktemp("config") / "tables.yaml"
    proposals = bulketl.propose(configure(house.source, house.target, house.schema))[1]
    path.write_text(tablesfile.written("", proposals), encoding="utf-8")
    environ = {"BULKETL_SOURCE": house.source, "BULKETL_TARGET": house.target, "BULKETL_SCHEMA": house.schema}
    return load_config(path, None, environ, dropped_columns="keep")


def test_a_database_of_another_house_is_loaded_equal_in_every_cell(house: Lab, config: Config) -> None:
    """What validate calls an error is what a load refuses, and every other table arrives, also when rows have changed."""
    errors = {finding.table for finding in bulketl.validate(config) if finding.severity == "error"}
    done = load(config)
    failed = {item.table: item.message for item in done.summary.failed}
    assert failed.keys() == errors, failed
    loaded = [item.table for item in done.summary.tables.values() if item.outcome == "loaded"]
    assert len(loaded) > 10
    assert _differences(house, loaded) == []
    found = bulketl.verify(config, tables=loaded)
    assert [item for item in found.tables if not item.equal] == []
    _another_day(house, loaded)
    again = load(config)
    assert {item.table for item in again.summary.failed} <= errors, [item.message for item in again.summary.failed]
    mirrored = [item.spec.table for item in again.plan.loads if item.spec.deletes == "mirror" and not item.spec.audit]
    assert _differences(house, mirrored) == []


def _differences(house: Lab, tables: list[str]) -> list[str]:
    """What differs, but for the column that says which rows are gone at the source."""
    found = (line for table in tables for line in house.differences(table))
    return [line for line in found if not line.endswith("missing in the target: [], surplus there: ['_deleted_at']")]


def _another_day(house: Lab, tables: list[str]) -> None:
    """Let a row of every tenth table go, and have all others doubled where nothing forbids it."""
    with closing(house.server.connect(house.database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0, CHECK_CONSTRAINT_CHECKS = 0")
        for n, table in enumerate(sorted(tables)):
            name = "`" + table.replace("`", "``") + "`"
            if n % 10 == 0:
                cursor.execute(f"DELETE FROM {name} LIMIT 1")
            elif n % 10 == 1:
                cursor.execute(f"INSERT IGNORE INTO {name} SELECT * FROM {name} LIMIT 5")
