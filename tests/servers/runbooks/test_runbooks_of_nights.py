"""The runbooks for loads: the first one, the night, one that failed, one that was stopped, a full disk."""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from lab import execute
from runbooks import Clinic, Walk
from waiting import until

import bulketl

Begin = Callable[..., Walk]
OURS = "(SELECT oid FROM pg_database WHERE datname = current_database())"
WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'raw.zipcode'::regclass"
LOCKED = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = {OURS}"


def test_first_load(clinic: Clinic, walk: Begin, postgres: str) -> None:
    """A source user and a loader who have no rights yet, and no rules; at the end both have what they need, no more."""
    (clinic.folder / "config" / "tables.yaml").unlink()
    (clinic.folder / "config" / "bulketl.yaml").unlink()
    user = f"u_{secrets.token_hex(4)}"
    clinic.log_in_as(user)
    first = walk("first-load")
    first.steps(1)
    source, loader = (clinic.run(f"bulketl grants --role {role}").stdout for role in ("source", "loader"))
    for statement in filter(str.strip, source.split(";\n")):
        clinic.mysql(statement.replace("'%'", "'localhost'").replace("choose a password", "secret"))
    execute(clinic.target, loader)
    try:
        first.steps(2)
        assert "securitylog" in (clinic.folder / "config" / "tables.yaml").read_text(encoding="utf-8")
        clinic.rules(**clinic.usual())
        first.steps(3, 4, 5)
        clinic.settings(alerts={"command": ["true"]}, windows={"load": "21:00-06:00 America/Chicago"})
        first.steps(6)
        assert clinic.pg("SELECT count(*) FROM raw.patient") == [(300,)]
    finally:
        execute(clinic.target, f"DROP OWNED BY {user}; DROP ROLE {user}")
        clinic.server.execute(f"DROP USER {user}@localhost")


def test_nightly(clinic: Clinic, walk: Begin) -> None:
    """The process of a load is killed while it waits for a table; the run is gone on with, and the next one is well."""
    clinic.well("bulketl load")
    clinic.mysql("UPDATE patient SET LName = 'changed'", "UPDATE zipcode SET Zip = '99999' WHERE Id = 2")
    with psycopg.connect(clinic.target) as reader:
        reader.execute("LOCK TABLE raw.zipcode IN SHARE MODE")  # whoever reads goes on, and a load waits
        load = subprocess.Popen(
            [clinic.folder / "bin" / "bulketl", "load", "--workers", "1"],
            env=clinic.environ, cwd=clinic.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: clinic.pg(WAITING))
        load.kill()
        load.wait()
    until(lambda: not clinic.pg(LOCKED))
    night = walk("nightly")
    night.steps(1, 2)
    assert clinic.pg('SELECT "Zip" FROM raw.zipcode WHERE "Id" = 2') == [("12345",)]
    night.steps(3)
    assert clinic.pg('SELECT "Zip" FROM raw.zipcode WHERE "Id" = 2') == [("99999",)]
    night.steps(4, 5)


def test_critical_table_failed(clinic: Clinic, walk: Begin) -> None:
    """Somebody gave a critical table a column in the target that the source cannot fill; it is told, and dropped."""
    clinic.well("bulketl load")
    clinic.pg("ALTER TABLE raw.patient ADD COLUMN checked boolean NOT NULL DEFAULT false")
    clinic.pg("ALTER TABLE raw.patient ALTER COLUMN checked DROP DEFAULT")
    clinic.mysql("INSERT INTO patient (PatNum, LName) VALUES (301, 'new')")
    assert clinic.run("bulketl load").returncode == 1
    failed = walk("critical-table-failed", TABLE="patient", ALERT="1")
    failed.steps(1)
    assert "checked" in failed.steps(2)
    clinic.pg("ALTER TABLE raw.patient DROP COLUMN checked")
    failed.steps(3, 4, 5)
    assert clinic.pg('SELECT "LName" FROM raw.patient WHERE "PatNum" = 301') == [("new",)]


def test_quality_below_threshold(clinic: Clinic, walk: Begin) -> None:
    """Three rows do not fit their column; they are corrected at the source."""
    rules = clinic.usual()
    rules["patient"]["casts"] = {"Active": "boolean"}
    clinic.rules(**rules)
    clinic.well("bulketl load")
    clinic.mysql("INSERT INTO patient (PatNum, LName, Active) VALUES (301, 'x', 2), (302, 'y', 2), (303, 'z', 2)")
    assert clinic.run("bulketl load").returncode == 1
    poor = walk("quality-below-threshold", TABLE="patient", ALERT="1")
    assert not re.search(r"\b302\b", poor.steps(1))
    assert "302" in poor.steps(2)
    clinic.mysql("UPDATE patient SET Active = 1 WHERE PatNum > 300")
    poor.steps(3, 4, 5)
    assert clinic.pg('SELECT count(*) FROM raw.patient WHERE "PatNum" > 300') == [(3,)]


def test_window_too_short(clinic: Clinic, walk: Begin) -> None:
    """A load is stopped after its first table, as at the end of a window; what is left is loaded, and the window widened."""
    now = dt.datetime.now(dt.UTC)
    closed = f"{now + dt.timedelta(hours=3):%H:%M}-{now + dt.timedelta(hours=4):%H:%M} UTC"
    clinic.settings(alerts={"command": ["true"]}, windows={"load": closed})
    refused = clinic.run("bulketl load")
    assert refused.returncode == 4
    assert "window-too-short" in refused.stdout
    clinic.well("bulketl load --ignore-window")
    clinic.mysql("UPDATE patient SET LName = 'changed'", "UPDATE zipcode SET Zip = '99999' WHERE Id = 2")
    config = bulketl.load_config(
        clinic.folder / "config" / "tables.yaml", clinic.folder / "config" / "bulketl.yaml", clinic.environ, workers=1
    )
    stopped = bulketl.load(config, bulketl.make_plan(config), closed=lambda: True)
    assert stopped.outcome == "stopped"
    short = walk("window-too-short", TABLE="patient")
    short.steps(1, 2)
    assert clinic.pg("SELECT count(*) FROM raw.patient WHERE \"LName\" = 'changed'") == [(300,)]
    short.steps(3)
    clinic.settings(alerts={"command": ["true"]}, windows={"load": f"{now:%H}:00-{now - dt.timedelta(hours=1):%H}:00 UTC"})
    short.steps(4)
    clinic.well("bulketl load")


def typed(text: str) -> int:
    """Have a shell do what an administrator does, and return how that ended."""
    return subprocess.run(["sh", "-c", text], capture_output=True, check=False).returncode


@pytest.fixture
def volume(postgres: str) -> Iterator[Path]:
    """A small file system of its own, on which Postgres may write."""
    ((data,),) = execute(postgres, "SHOW data_directory")
    folder = Path(data).parent / f"volume_{secrets.token_hex(4)}"
    folder.mkdir()
    if typed(f"mount -t tmpfs -o size=24m tmpfs '{folder}'"):
        folder.rmdir()
        pytest.skip("nobody but root may mount a file system that can be full")
    os.chown(folder, Path(data).stat().st_uid, -1)
    folder.chmod(0o700)
    yield folder
    assert typed(f"umount '{folder}'") == 0
    shutil.rmtree(folder)


def test_disk_full(clinic: Clinic, walk: Begin, volume: Path, postgres: str) -> None:
    """The file system of the target's database is full; it is made larger."""
    space, ((database,),) = f"s_{secrets.token_hex(4)}", clinic.pg("SELECT current_database()")
    execute(postgres, f"CREATE TABLESPACE {space} LOCATION '{volume}'")
    execute(postgres, f"ALTER DATABASE {database} SET TABLESPACE {space}")
    try:
        clinic.well("bulketl load")
        clinic.mysql(
            "CREATE TABLE document (Id int PRIMARY KEY, Body text)",
            "INSERT INTO document SELECT seq, REPEAT(MD5(seq), 60) FROM seq_1_to_20000",
        )
        clinic.rules(**clinic.usual(), document={"table_importance": "important"})
        assert clinic.run("bulketl load").returncode == 1
        full = walk("disk-full")
        assert "disk-full.md" in full.steps(1)
        full.steps(2, 3)
        assert clinic.pg("SELECT count(*) FROM raw.patient") == [(300,)]
        assert typed(f"mount -o remount,size=200m '{volume}'") == 0
        full.steps(4)
        assert clinic.pg("SELECT count(*) FROM raw.document") == [(20_000,)]
        clinic.settings(alerts={"command": ["true"]}, capacity={"disk": "200 MB"})
        full.steps(5)
    finally:
        execute(postgres, f"ALTER DATABASE {database} SET TABLESPACE pg_default")
        execute(postgres, f"DROP TABLESPACE {space}")
