"""No room: a disk that is full, connections that are all in use, memory that is not to be had."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from lab import execute

from trials.house import House
from trials.trial import Fault, Tried, tried
from trials.ways import LOAD, WAYS, Way

DISK_KB = 3072
WRITING = ("load", "merge", "repair", "undo")
SIGABRT = -6


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Give a folder on a disk of its own that is soon full; only root may mount one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k,mode=777", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def leave(disk: Path, kilobytes: int) -> None:
    """Fill a disk but for so much."""
    free = os.statvfs(disk)
    spare = free.f_bavail * free.f_frsize - kilobytes * 1024
    (disk / "ballast").write_bytes(b"\0" * max(0, spare))


def full_target(house: House, dice: random.Random, count: int, ways: tuple[str, ...] = WRITING) -> Iterator[Tried]:
    """Let the disk of the target fill up, at so many random moments of each way that writes."""
    with small_disk(house.folder / "disk") as disk:
        place = disk / "tables"
        place.mkdir()
        os.chown(place, (house.servers.data).stat().st_uid, -1)
        space = f"small_{house.lab.database}"
        execute(house.servers.conninfo, f"CREATE TABLESPACE {space} LOCATION '{place}'")
        house.lab.pg(f"ALTER DATABASE {house.lab.database} SET default_tablespace = '{space}'")
        try:
            for _ in range(count):
                for name in ways:
                    yield _full(house, WAYS[name], disk, dice)
        finally:
            house.lab.pg(f"ALTER DATABASE {house.lab.database} RESET default_tablespace")
            house.lab.pg(f"ALTER TABLE ALL IN TABLESPACE {space} SET TABLESPACE pg_default;"
                         f" ALTER INDEX ALL IN TABLESPACE {space} SET TABLESPACE pg_default")  # fmt: skip
            for statement in ("CHECKPOINT", f"DROP TABLESPACE {space}"):
                execute(house.servers.conninfo, statement)


def _full(house: House, way: Way, disk: Path, dice: random.Random) -> Tried:
    left = dice.randint(0, 400)

    @contextlib.contextmanager
    def filled() -> Iterator[None]:
        leave(disk, left)
        try:
            yield
        finally:
            (disk / "ballast").unlink()

    done = tried(house, way, Fault("disk full", "target", filled()), dice)
    done.where, done.struck = f"{left} kB left", done.code != 0
    return done


def full_spools(house: House, dice: random.Random, count: int) -> Iterator[Tried]:
    """Let the temporary folder of a load be full, into which it drains a table without a key."""
    with small_disk(house.folder / "spools") as disk:
        for _ in range(count):
            left = dice.choice([0, 4, 8, 16, 32])
            leave(disk, left)
            done = tried(house, LOAD, Fault("disk full", "TMPDIR", how={"temporary": str(disk)}), dice)
            done.where, done.struck = f"{left} kB left", done.code != 0
            (disk / "ballast").unlink()
            yield done


def crowded(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Leave few connections of a server to each way, or none."""
    for _ in range(count):
        for name in ways:
            for side in ("source", "target"):
                left = dice.randint(0, 5)
                crowd = _of_source(house, left) if side == "source" else _of_target(house, left)
                fault = Fault("max_connections", side, crowd, codes=(0, 1, 2, 3))
                done = tried(house, WAYS[name], fault, dice)
                done.where = f"{left} connections left"
                yield done


@contextlib.contextmanager
def _of_source(house: House, left: int) -> Iterator[None]:
    """Have all connections of MariaDB but so many; an administrator has one more, which this takes too."""
    taken: list[pymysql.Connection[Any]] = []
    with contextlib.suppress(pymysql.MySQLError):
        while True:
            taken.append(house.lab.server.connect())
    for connection in taken[:left]:
        connection.close()
    try:
        yield
    finally:
        for connection in taken[left:]:
            connection.close()


@contextlib.contextmanager
def _of_target(house: House, left: int) -> Iterator[None]:
    """Have all connections of Postgres but so many."""
    taken = list[psycopg.Connection[Any]]()
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            taken.append(psycopg.connect(house.servers.conninfo))
    for connection in taken[:left]:
        connection.close()
    try:
        yield
    finally:
        for connection in taken[left:]:
            connection.close()


def without_memory(house: House, dice: random.Random, count: int) -> Iterator[Tried]:
    """Let a load have a little more memory than it has at its begin."""
    for _ in range(count):
        more = dice.choice([60, 120, 250, 500])
        done = tried(
            house, LOAD, Fault("out of memory", "bulketl", how={"more_mb": more}, codes=(0, 1, 2, 3, SIGABRT)), dice
        )
        done.where, done.struck = f"{more} MB more", done.code != 0
        yield done
