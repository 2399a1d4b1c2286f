"""The programs beside us: how each is installed, told what to do, and in which settings.

A contender is given a source database, the target's URI, the schema to load into, which is not there, and the tables.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measure import Contender
from benchmarks.peers.environments import NotMeasuredError, environment, installed
from benchmarks.report import BULKETL
from benchmarks.servers import Servers, python

PROGRAMS = Path(__file__).parent / "programs"
PIPE, INTO_NOTHING, COPY_BINARY = "mariadb | psql", "connectorx into nothing", "COPY BINARY from a file"
BAREST = "our libraries alone"
FLOORS = (INTO_NOTHING, COPY_BINARY, BAREST)
TCP = "?prefer_socket=false"  # connectorx moves to a Unix socket where it finds one; the others here do not
QUIET = {"SLING_DISABLE_TELEMETRY": "TRUE", "RUNTIME__DLTHUB_TELEMETRY": "false", "NO_COLOR": "1"}


@dataclass(frozen=True, slots=True)
class Task:
    """What to load and where to. `keys`: each table with the integer key that it can be read in partitions of, or ''.

    `rules`: bulketl's, where a column is declared to be of another type than its default.
    """

    servers: Servers
    source: str
    target: str
    schema: str
    keys: dict[str, str]
    folder: Path
    rules: Path | None = None

    @property
    def tables(self) -> list[str]:
        """The tables' names."""
        return list(self.keys)


@dataclass(frozen=True, slots=True)
class Peer:
    """One contender. `prepare` finds or installs it, and returns where it is and its version, or raises NotMeasuredError.

    `settings`: what it is told, in words. `share`: it is given one in so many rows. `creates`: it creates tables itself.
    `fallback`: other settings, in words and as a command, for data that it fails on with the best ones.
    """

    name: str
    settings: str
    prepare: Callable[[], tuple[Path, str]]
    command: Callable[[Task, Path], Contender]
    share: int = 1
    creates: bool = True
    fallback: tuple[str, Callable[[Task, Path], Contender]] | None = None

    @property
    def slug(self) -> str:
        """The name as part of a schema's name."""
        return re.sub(r"\W+", "_", self.name.lower()).strip("_")


@dataclass(slots=True)
class Ready:
    """A contender that can run: where it is, and what version."""

    peer: Peer
    place: Path
    version: str


def _here() -> tuple[Path, str]:
    return Path(), ""


def _on_path(*names: str) -> Callable[[], tuple[Path, str]]:
    def prepare() -> tuple[Path, str]:
        versions = []
        for name in names:
            if not shutil.which(name):
                raise NotMeasuredError(f"the program {name} is not on this machine: apt-get install it")
            said = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            found = re.search(r"Distrib (\d[\w.]*)", said) or re.search(r"(\d+\.\d+[\w.]*)", said)
            versions.append(f"{name} {found.group(1) if found else 'of an unknown version'}")
        return Path(), ", ".join(versions)

    return prepare


def _wheels(name: str, requirements: Sequence[str], shown: Sequence[str]) -> Callable[[], tuple[Path, str]]:
    def prepare() -> tuple[Path, str]:
        folder = environment(name, requirements)
        return folder, installed(folder, *shown)

    return prepare


def _ingestr() -> tuple[Path, str]:
    folder = environment("ingestr", ("ingestr==1.1.76",))
    done = subprocess.run([folder / "bin" / "ingestr", "--version"], capture_output=True, text=True)
    if done.returncode:
        said = re.sub(r"https?://\S+", "its release", (done.stderr.strip().splitlines() or ["it says nothing"])[-1])
        raise NotMeasuredError(f"its wheel fetches the program from elsewhere at the first run, which failed: {said}")
    return folder, installed(folder, "ingestr")


def _script(name: str, parameters: str = "", **more: str) -> Callable[[Task, Path], Contender]:
    def command(task: Task, place: Path) -> Contender:
        words = (str(place / "bin" / "python"), str(PROGRAMS / f"{name}.py"))
        tables = (f"{table}:{key}" for table, key in task.keys.items())
        folder = task.folder / f"{name}-{task.schema}"
        shutil.rmtree(folder, ignore_errors=True)  # dlt remembers there what it loaded
        environ = {
            **QUIET,
            "CONTENDER_SOURCE": task.source + parameters,
            "CONTENDER_TARGET": task.target,
            "CONTENDER_SCHEMA": task.schema,
            "CONTENDER_FOLDER": str(folder),
            **more,
        }
        return Contender(name, ((*words, *tables),), environ)

    return command


def _bulketl(task: Task, _: Path) -> Contender:
    declared = ("--rules", str(task.rules)) if task.rules else ()
    words = ("bulketl", "load", "--schema", task.schema, "--full", "--json", *declared)
    made = python(task.servers, BULKETL, task.source, *words)
    return Contender(BULKETL, made.commands, {**made.environ, "BULKETL_TARGET": task.target})


def psql(task: Task, *words: str) -> tuple[str, ...]:
    """Return psql's command line."""
    return ("psql", task.target, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *words)


def _pipe(task: Task, _: Path) -> Contender:
    (table,) = task.tables
    parts = urlsplit(task.source)
    where = ("--no-defaults", f"--host={parts.hostname}", f"--port={parts.port or 3306}", f"--user={parts.username}")
    database = parts.path.strip("/")
    words = ("--default-character-set=utf8mb4", "--quick", "-BN", f"--execute=select * from `{table}`", database)
    copy = f"""--command=\\copy {task.schema}."{table}" from stdin with (null 'NULL')"""
    return Contender(PIPE, (("mariadb", *where, *words), psql(task, copy)), {"MYSQL_PWD": parts.password or ""})


def _pgloader(task: Task, _: Path) -> Contender:
    database = urlsplit(task.source).path.strip("/")
    commands = task.folder / f"{task.schema}.load"
    commands.write_text(
        f"LOAD DATABASE FROM {task.source} INTO {task.target}\n"
        "WITH include drop, create tables, create indexes, reset sequences, workers = 8, concurrency = 1,\n"
        "     multiple readers per thread, rows per range = 50000\n"
        f"ALTER SCHEMA '{database}' RENAME TO '{task.schema}';\n"
    )
    return Contender("pgloader", (("pgloader", "--quiet", "--on-error-stop", str(commands)),))


def _sling(task: Task, place: Path) -> Contender:
    program = next(str(file) for file in place.rglob("sling-*") if file.is_file() and file.parent.name == "bin")
    database = urlsplit(task.source).path.strip("/")
    replication = task.folder / f"{task.schema}.yaml"
    lines = [
        "source: SOURCE",
        "target: TARGET",
        "defaults:",
        "  mode: full-refresh",
        f"  object: '{task.schema}.{{stream_table}}'",
    ]
    lines += ["  target_options: {column_casing: source}", "streams:", *(f"  {database}.{table}:" for table in task.tables)]
    replication.write_text("\n".join(lines) + "\n")
    environ = {**QUIET, "SOURCE": task.source, "TARGET": f"{task.target}?sslmode=disable", "SLING_THREADS": "3"}
    return Contender("sling", ((program, "run", "-r", str(replication)),), environ)


def _ingest(task: Task, place: Path) -> Contender:
    (table,) = task.tables
    words = ("ingest", "--source-uri", task.source, "--source-table", table, "--dest-uri", task.target)
    more = ("--dest-table", f"{task.schema}.{table}", "--extract-parallelism", "2", "--yes", "--progress", "log")
    return Contender("ingestr", ((str(place / "bin" / "ingestr"), *words, *more),), QUIET)


def _nothing(task: Task, _: Path) -> Contender:
    return python(task.servers, INTO_NOTHING, task.source, "benchmarks.prototype")


def _barest(task: Task, _: Path) -> Contender:
    made = python(task.servers, BAREST, task.source, "benchmarks.barest", task.schema)
    return Contender(BAREST, made.commands, {**made.environ, "BULKETL_TARGET": task.target})


def _binary(task: Task, _: Path) -> Contender:
    (table,) = task.tables
    file = task.folder / "rows.bin"
    return Contender(
        COPY_BINARY, (psql(task, f"""--command=\\copy {task.schema}."{table}" from '{file}' with (format binary)"""),)
    )


_DLT = ("dlt[parquet,postgres]==1.31.0", "sqlalchemy>=2", "pymysql", "connectorx>=0.4.6", "adbc-driver-postgresql>=1.13")
_DUCKDB = [f"duckdb{part}==1.5.5" for part in ("", "-extension-mysql-scanner", "-extension-postgres-scanner")]
_POLARS = ("polars==2.1.*", "connectorx>=0.4.6", "pyarrow>=26", "adbc-driver-postgresql>=1.13", "adbc-driver-manager")
_PANDAS = ("pandas==3.1.*", "sqlalchemy>=2", "pymysql", "psycopg2-binary")

OURS = Peer(BULKETL, "as it is: plan, staging, counts, primary key, publish, ledger", _here, _bulketl)
PEERS = (
    Peer(PIPE, "select * of the client into \\copy of psql, as text", _on_path("mariadb", "psql"), _pipe, creates=False),
    Peer(
        "polars, ADBC",
        "read_database_uri in 4 partitions, write_database(engine='adbc')",
        _wheels("polars", _POLARS, ("polars", "connectorx", "adbc-driver-postgresql")),
        _script("polars_adbc", TCP),
    ),
    Peer(
        "DuckDB",
        "CREATE TABLE AS between its extensions mysql and postgres, without compression",
        _wheels("duckdb", _DUCKDB, ("duckdb",)),
        _script("duckdb_extensions"),
    ),
    Peer(
        "pgloader",
        "multiple readers per thread, 8 workers, concurrency 1, ranges of 50,000 rows",
        _on_path("pgloader"),
        _pgloader,
    ),
    Peer(
        "sling",
        "full-refresh of a replication, 3 threads; the newest of its wheels that holds the program",
        _wheels("sling", ("sling-linux-amd64==1.4.11",), ("sling-linux-amd64",)),
        _sling,
    ),
    Peer(
        "dlt",
        "sql_database with backend connectorx, Parquet loaded by ADBC, replace",
        _wheels("dlt", _DLT, ("dlt", "connectorx", "adbc-driver-postgresql")),
        _script("dlt_connectorx", TCP),
        fallback=("loaded as CSV by COPY", _script("dlt_connectorx", TCP, CONTENDER_FORMAT="csv")),
    ),
    Peer("ingestr", "extract parallelism 2", _ingestr, _ingest),
    Peer(
        "pandas, SQLAlchemy",
        "read_sql and to_sql in chunks of 50,000 rows, with the COPY method of its documentation",
        _wheels("pandas", _PANDAS, ("pandas", "SQLAlchemy")),
        _script("pandas_sqlalchemy"),
        share=10,
    ),
)
FLOOR_PEERS = (
    Peer(INTO_NOTHING, "reads everything in one connection and drops it", _here, _nothing, creates=False),
    Peer(COPY_BINARY, "psql, a file of the same rows in Postgres' own format", _on_path("psql"), _binary, creates=False),
    Peer(BAREST, "our SELECTs, coercion and COPY in 3 threads, and the key: no counts, staging, ledger", _here, _barest),
)
