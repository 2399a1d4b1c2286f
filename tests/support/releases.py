"""Servers of other versions, out of the archives of Debian and Ubuntu: each release a system made by debootstrap.

Systems are kept in ~/.cache/bulketl-compatibility (or BULKETL_COMPATIBILITY_CACHE). A server runs in its system, in
namespaces of its own, so that it ends with whoever started it; it listens on a free port of the loopback interface.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pymysql

sys.path.insert(0, str(Path(__file__).parents[1]))
from bare import _DEBIAN, _UBUNTU, NAMESPACES, System, _run, debootstrap

from bulketl.cli.demo.servers import free_port

PLACE = Path(os.environ.get("BULKETL_COMPATIBILITY_CACHE", "~/.cache/bulketl-compatibility")).expanduser()
PLAIN = "a-secret-of-the-tests"  # of the administrator, who is asked for it by the server's own default
START_SECONDS = 90
ENTER = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1
shift
exec chroot "$root" "$@"
"""


class Release(NamedTuple):
    """A release of Debian or Ubuntu, the packages that are taken from it, and where its updates are."""

    system: System
    packages: str
    updates: str = ""


_KEYS = "ubuntu-archive-keyring.gpg"
RELEASES = {
    "bookworm": Release(System("bookworm", *_DEBIAN), "mariadb-server-core mariadb-client-core postgresql-15"),
    "trixie": Release(System("trixie", *_DEBIAN), "mariadb-server-core mariadb-client-core postgresql-17"),
    "sid": Release(System("sid", *_DEBIAN), "mysql-server-core postgresql-18"),
    "bionic": Release(System("bionic", _UBUNTU, _KEYS, "main,universe", "gutsy"), "mysql-server-core-5.7", "bionic-updates"),
    "jammy": Release(System("jammy", _UBUNTU, _KEYS, "main,universe", "gutsy"), "postgresql-14"),
    "noble": Release(
        System("noble", _UBUNTU, _KEYS, "main,universe", "gutsy"), "mysql-server-core-8.0 postgresql-16", "noble-updates"
    ),
}


def made(name: str) -> Path:
    """Return the folder of a release's system, which is made when it is not there. Raise RuntimeError when it cannot be."""
    release, root = RELEASES[name], PLACE / name
    whole = PLACE / f"{name}.done"
    if whole.exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    debootstrap(release.system, root)
    # No server of the packages' own is to be made or started in there.
    (root / "etc/postgresql-common").mkdir(parents=True, exist_ok=True)
    (root / "etc/postgresql-common/createcluster.conf").write_text("create_main_cluster = false\n")
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    if release.updates:
        trusted = "" if Path("/usr/share/keyrings", release.system.keyring).exists() else "[trusted=yes] "
        line = f"deb {trusted}{release.system.mirror} {release.updates} {release.system.components.replace(',', ' ')}\n"
        with (root / "etc/apt/sources.list").open("a") as sources:
            sources.write(line)
    install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends"
    _run(
        _inside(root, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", f"{install} {release.packages} && apt-get clean")
    )
    whole.touch()
    return root


def _inside(root: Path, *words: str) -> list[str]:
    return [*NAMESPACES, "sh", "-c", ENTER, "sh", str(root), *words]


@contextlib.contextmanager
def mysql(name: str, *options: str) -> Iterator[str]:
    """Start the MySQL or MariaDB of a release, and give the URI of its administrator, who logs in with a password."""
    root = made(name)
    folder = f"/srv/mysql-{secrets.token_hex(4)}"
    (root / folder[1:]).mkdir(mode=0o755)
    port, maria = free_port(), (root / "usr/sbin/mariadbd").exists()
    common = ["--no-defaults", "--user=root", f"--datadir={folder}/data", f"--tmpdir={folder}"]
    try:
        if maria:
            install = [
                "mariadb-install-db",
                *common,
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
                "--force",
            ]
            _run(_inside(root, *install))
        else:
            _run(_inside(root, "mysqld", *common, "--initialize-insecure"))
        program = [
            "mariadbd" if maria else "mysqld",
            *common,
            f"--port={port}",
            "--bind-address=127.0.0.1",
            "--loose-mysqlx=OFF",
            *options,
        ]
        program += [
            f"--socket={folder}/mysql.sock",
            f"--pid-file={folder}/mysql.pid",
            "--skip-log-bin",
            "--secure-file-priv=",
        ]

        def up() -> None:
            with (
                contextlib.closing(pymysql.connect(host="127.0.0.1", port=port, user="root")) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("SELECT host FROM mysql.user WHERE user = 'root'")
                for (host,) in cursor.fetchall():
                    cursor.execute(f"ALTER USER root@'{host}' IDENTIFIED BY '{PLAIN}'")

        with _running(root, program, root / folder[1:] / "log", up):
            yield f"mysql://root:{PLAIN}@127.0.0.1:{port}/mysql"
    finally:
        shutil.rmtree(root / folder[1:], ignore_errors=True)


@contextlib.contextmanager
def postgres(name: str) -> Iterator[str]:
    """Start the Postgres of a release, and give the URI of its superuser."""
    root = made(name)
    folder = f"/srv/postgres-{secrets.token_hex(4)}"
    place = root / folder[1:]
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    port, programs = free_port(), next((root / "usr/lib/postgresql").glob("*/bin"))
    inside = f"/{programs.relative_to(root)}"
    own = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    try:
        make = [f"{inside}/initdb", "-D", f"{folder}/data", "--auth=trust", "--username=postgres", "--encoding=UTF8"]
        _run(_inside(root, *own, *make, "--locale=C.UTF-8"))
        program = [*own, f"{inside}/postgres", "-D", f"{folder}/data", "-h", "127.0.0.1", "-p", str(port), "-k", folder]
        uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        with _running(root, program, place / "log", lambda: psycopg.connect(uri, connect_timeout=3).close()):
            yield uri
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _running(root: Path, program: list[str], log: Path, up: Callable[[], None]) -> Iterator[None]:
    """Run a server until the end of the block, which begins when it is `up`."""
    with log.open("wb") as said:
        process = subprocess.Popen(_inside(root, *program), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                up()
                break
            except (psycopg.OperationalError, pymysql.MySQLError) as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"it did not start: {error}: {log.read_text(errors='replace')[-1500:]}") from None
                time.sleep(0.2)
        yield
    finally:
        process.kill()  # and with it whatever runs in its namespace
        process.wait()
