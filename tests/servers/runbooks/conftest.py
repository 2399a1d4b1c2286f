"""A clinic to which something happens, and the runbook that mends it, none of whose commands may be left out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import Server
from runbooks import Clinic, Walk


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
    """Begin a runbook by its name; at the end all of its commands have been carried out."""
    begun: list[Walk] = []

    def begin(name: str, **given: str) -> Walk:
        begun.append(Walk(clinic, name, given))
        return begun[-1]

    yield begin
    left = [command.text for one in begun for command in one.left]
    assert begun, "no runbook was carried out"
    assert left == []
