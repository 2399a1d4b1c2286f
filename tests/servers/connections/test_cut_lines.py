"""One connection is lost, at any question of a load, a validation or a verification: it is asked again, and all is well."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from faults import fill_two
from lab import Lab
from lines import to_source, to_target
from processes import children, gone
from waiting import until

import bulketl
from bulketl import propose, reset, validate
from bulketl.config.config import Config
from bulketl.errors import TargetError
from bulketl.postgres.server import Postgres

LINES = {"source": to_source, "target": to_target}
EVERY = int(os.environ.get("BULKETL_TEST_CUTS", "7"))  # how many questions apart the cuts are; 1 cuts at each of them


@pytest.fixture
def tables(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of three partitions and a small one, loaded once."""
    fill_two(lab, monkeypatch).load()
    return lab


def loaded(config: Config) -> bool:
    return bulketl.load(config, bulketl.make_plan(config)).outcome == "done"


def verified(config: Config) -> bool:
    return bulketl.verify(config).equal


ACTS: dict[str, Callable[[Config], Any]] = {
    "load": loaded,
    "verify": verified,
    "validate": lambda config: not [one for one in validate(config) if one.severity == "error"],
    "discover": lambda config: len(propose(config)[0].tables) == 2,
}


@pytest.mark.parametrize("side", LINES)
@pytest.mark.parametrize("act", ACTS)
def test_a_connection_that_is_lost_at_any_question_costs_nothing(tables: Lab, side: str, act: str) -> None:
    """As if it had not been lost: all is done, rows are equal, nothing stays."""
    with LINES[side](tables) as (line, uri):
        config = tables.config(**{side: uri})
        if side == "source":  # by another port it is another one
            reset(tables.config(), ["*"])
        assert ACTS[act](config)
        questions, cuts = line.questions, 0
        for cut in range(random.randint(1, EVERY), questions + 1, EVERY):
            if act == "load":
                tables.mysql("UPDATE t SET s = s + 1", "UPDATE small SET s = s + 1")
            line.questions, line.cut, before = 0, cut, line.faults
            assert ACTS[act](config), cut
            cuts += line.faults - before
        assert cuts or not questions
    assert [text for table in ("t", "small") for text in tables.differences(table)] == []
    assert tables.staged() == []


def test_a_server_that_is_full_is_no_wrong_password(maria_lab: Lab) -> None:
    """Of the role, of the database, of the server: it may have room a moment later, and fewer workers help."""
    name = f"r_{maria_lab.schema}"
    maria_lab.pg(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 0")
    try:
        with (
            pytest.raises(TargetError, match="too many connections") as full,
            Postgres(f"{maria_lab.target} user={name}").connect(),
        ):
            pass
        assert (full.value.transient, full.value.ease) == (True, "workers")
        assert "password" not in full.value.hint
    finally:
        maria_lab.pg(f"DROP ROLE {name}")
    words = "connection failed: FATAL: "
    for text in (
        "sorry, too many clients already",
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'too many connections for database "d"',
        'too many connections for role "r"',
    ):
        refused = Postgres("postgresql://h/d")._refusal(psycopg.OperationalError(words + text))
        assert (refused.transient, refused.ease) == (True, "workers")


LOAD = "import bulketl.tables.partitions as p; p.MOST_ROWS = 50; from bulketl.cli.app import main; main()"


def test_a_load_that_is_killed_amid_a_stream_leaves_no_rows_and_no_process(maria_lab: Lab, tmp_path: Path) -> None:
    """The file of a stream has no name, and its process ends with the load."""
    maria_lab.mysql("CREATE TABLE keyless (v varchar(200))", "INSERT INTO keyless SELECT REPEAT(seq, 20) FROM seq_1_to_3000")
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    with to_source(maria_lab) as (line, source):
        line.stall_bytes = 50_000
        environ = {**os.environ, "BULKETL_SOURCE": source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}
        process = subprocess.Popen(
            [sys.executable, "-c", LOAD, "load"], env={**environ, "TMPDIR": str(tmp_path)},
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until(lambda: line.faults == 1)
            spools = children(process.pid)
            assert len(spools) == 1
            assert list(tmp_path.iterdir()) == []
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        until(lambda: all(map(gone, spools)))
    assert list(tmp_path.iterdir()) == []
    assert not list(Path(tempfile.gettempdir()).glob("bulketl-*/rows.arrow"))
