"""Real servers for the tests: a MariaDB and a Postgres in a temporary folder, started once and only when a test asks.

BULKETL_TEST_POSTGRES, the URI of a superuser, replaces the embedded Postgres. BULKETL_TEST_MYSQL, the URI of any database of
a MySQL server for its administrator, adds that server: tests that take `lab` run on both sources then.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.testing
from hypothesis import settings
from lab import Kind, Lab, Server, execute, kept
from psycopg.conninfo import make_conninfo
from runbooks import Clinic, Walk

from bulketl.cli.demo.servers import EmbeddedPostgres, MariaDB

os.environ.pop("COLUMNS", None)  # set where tests run on several cores: a test says itself how wide its terminal is
pytest_plugins = ["tallying"]  # counts what was tried with hostile input
KINDS: tuple[Kind, ...] = ("mariadb", "mysql") if os.environ.get("BULKETL_TEST_MYSQL") else ("mariadb",)
settings.register_profile("bulketl", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("bulketl")
# CliRunner has typer make all commands anew for each call: 36 ms, a third of what some tests take.
typer.testing._get_command = functools.cache(typer.testing._get_command)  # type: ignore[attr-defined]


MEMORY, ROOM = Path("/dev/shm"), 4 << 30


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that is gone at the end, in memory where there is room; Postgres runs as another user under root."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    path = Path(tempfile.mkdtemp(prefix="bulketl-tests-", dir=MEMORY if roomy else None))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb(folder: Path) -> Iterator[Server]:
    """A MariaDB with nothing in it."""
    if given := os.environ.get("BULKETL_TEST_MARIADB"):
        yield Server("mariadb", given)
        return
    server = MariaDB(folder)
    yield Server("mariadb", server.uri(""))
    server.stop()


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[str]:
    """The connection string of an empty database whose server lets its user do everything."""
    given = os.environ.get("BULKETL_TEST_POSTGRES")
    server = None if given else EmbeddedPostgres(folder)
    uri = given or (server.uri if server else "")
    name = f"bulketl_test_{secrets.token_hex(4)}"
    execute(uri, f"CREATE DATABASE {name}")
    conninfo = make_conninfo(uri, dbname=name)
    with kept(conninfo):
        yield conninfo
    execute(uri, f"DROP DATABASE {name} WITH (FORCE)")
    if server:
        server.stop()


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """The connection string of a database of its own at the target, with nothing in it: not even a ledger."""
    name = f"t_{secrets.token_hex(5)}"
    execute(postgres, f"CREATE DATABASE {name}")
    yield make_conninfo(postgres, dbname=name)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session", params=KINDS)
def source_server(request: pytest.FixtureRequest) -> Server:
    """Each source server in turn."""
    if request.param == "mysql":
        return Server("mysql", os.environ["BULKETL_TEST_MYSQL"])
    server: Server = request.getfixturevalue("mariadb")
    return server


def fresh(server: Server, postgres: str) -> Iterator[Lab]:
    """Make a database and a schema, give them, and drop both."""
    name = f"t_{secrets.token_hex(5)}"
    server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    execute(postgres, f"CREATE SCHEMA {name}")
    yield Lab(server, name, postgres, name)
    server.execute(f"DROP DATABASE {name}")
    execute(postgres, f"SET client_min_messages = warning; DROP SCHEMA {name} CASCADE")


@pytest.fixture
def lab(source_server: Server, postgres: str) -> Iterator[Lab]:
    """A fresh database and schema, on each source server in turn."""
    yield from fresh(source_server, postgres)


@pytest.fixture
def maria_lab(mariadb: Server, postgres: str) -> Iterator[Lab]:
    """A fresh database and schema, on MariaDB only: for what does not depend on the kind of source."""
    yield from fresh(mariadb, postgres)


@pytest.fixture
def clinic(mariadb: Server, empty: str, tmp_path: Path) -> Iterator[Clinic]:
    """Patients, a log that is audited, and a list of values, none of them loaded yet."""
    name = f"t_{secrets.token_hex(5)}"
    mariadb.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    made = Clinic(tmp_path, mariadb, name, empty)
    made.mysql(
        "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(40), Active tinyint(1),"
        " SecDateTEdit timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (SecDateTEdit))",
        "INSERT INTO patient SELECT seq, CONCAT('name ', seq), seq % 2, '2026-01-01' + INTERVAL seq MINUTE"
        " FROM seq_1_to_300",
        "CREATE TABLE securitylog (LogNum int PRIMARY KEY, What varchar(40), LogDateTime datetime NOT NULL)",
        "INSERT INTO securitylog SELECT seq, CONCAT('seen ', seq), '2026-01-01' + INTERVAL seq MINUTE FROM seq_1_to_100",
        "CREATE TABLE zipcode (Id int PRIMARY KEY, Zip varchar(9))",
        "INSERT INTO zipcode VALUES (1, '00001'), (2, '12345')",
    )
    made.rules(**made.usual())
    made.settings(alerts={"command": ["true"]})
    yield made
    mariadb.execute(f"DROP DATABASE {name}")


@pytest.fixture
def walk(clinic: Clinic) -> Iterator[Callable[..., Walk]]:
    """Begin a runbook by its name; when the test ends all of its commands have been carried out."""
    begun: list[Walk] = []

    def begin(name: str, **given: str) -> Walk:
        begun.append(Walk(clinic, name, given))
        return begun[-1]

    yield begin
    left = [command.text for one in begun for command in one.left]
    assert begun, "no runbook was carried out"
    assert left == []


@pytest.fixture(autouse=True)
def process_as_small_as_a_loads_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load lets one step run at a time once its process has `memory_mb`; that of the tests has grown with all before."""
    monkeypatch.setattr("bulketl.loading.run.resident_mb", lambda: 200.0)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed for a passing reason is tried again sooner, and a verification looks sooner again at what differs."""
    monkeypatch.setattr("bulketl.connections.retrying.PAUSES", (0.05, 0.2, 0.5))
    monkeypatch.setattr("bulketl.verifying.looks.PAUSE_SECONDS", 0.05)
