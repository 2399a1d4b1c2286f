"""A row that does not fit into memory: native code aborts, and that costs its table and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab

from bulketl.errors import SourceError
from bulketl.loading.schedule import LARGE_BYTES, Step, expected_bytes
from bulketl.loading.threads import Crew
from bulketl.plan.plan import TableLoad
from bulketl.tables.partitions import PARTITION_BYTES, Partition
from bulketl.tables.spec import TableSpec

LIMITED = (
    "import resource as r; r.setrlimit(r.RLIMIT_AS, ({0}, {0}));"
    "import bulketl.connections.retrying as p; p.PAUSES = (0, 0, 0);"
    "from bulketl.cli.app import main; main()"
)


def environment(lab: Lab) -> dict[str, str]:
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    # With a backtrace, which wants more memory: a process that gets none must end all the same.
    return {
        **os.environ,
        "RUST_BACKTRACE": "1",
        "BULKETL_SOURCE": lab.source,
        "BULKETL_TARGET": uri,
        "BULKETL_SCHEMA": lab.schema,
    }


def test_a_row_that_does_not_fit_fails_its_table_and_no_other(maria_lab: Lab) -> None:
    """400 MB in one row, where the process may have 1.5 GB of addresses."""
    if maria_lab.server.execute("SELECT @@max_allowed_packet") < [(500_000_000,)]:
        maria_lab.server.execute("SET GLOBAL max_allowed_packet = 1073741824")
    maria_lab.mysql(
        "CREATE TABLE big (id int PRIMARY KEY, b longblob)",
        "CREATE TABLE small (id int PRIMARY KEY)",
        "INSERT INTO small VALUES (1), (2)",
        "INSERT INTO big SELECT 1, REPEAT('x', 400000000)",
    )
    command = [sys.executable, "-c", LIMITED.format(1_500_000 * 1024), "load", "--rules", "/dev/null"]
    done = subprocess.run(command, env=environment(maria_lab), capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr  # it is of a tier that warns
    assert "ended by SIGABRT: memory allocation of" in " ".join((done.stdout + done.stderr).split())
    assert "it needs more memory than there is" in " ".join(done.stdout.split())
    assert "backtrace" not in done.stderr
    assert maria_lab.pg("SELECT count(*) FROM {s}.small") == [(2,)]
    assert maria_lab.tables() == {"small"}
    assert maria_lab.staged() == []


class Sourceless:
    """Stands for a source and a target: the step itself says what happens."""


def dies(_source: object, _target: object, step: Step) -> int:
    os.kill(os.getpid(), signal.SIGKILL if step.attempt == 1 else signal.SIGABRT)
    return 0


def lives(_source: object, _target: object, _step: Step) -> int:
    return os.getpid()


@pytest.mark.parametrize(("attempt", "name"), [(1, "SIGKILL"), (2, "SIGABRT")])
def test_a_step_of_many_bytes_that_is_killed_fails_alone(attempt: int, name: str) -> None:
    """As the kernel does for want of memory, and as native code does; the next step has a process again."""
    step = Step("load", bytes=LARGE_BYTES + 1, attempt=attempt)
    with Crew(2) as crew:
        with pytest.raises(SourceError, match=name) as failed:
            crew.submit(dies, Sourceless(), Sourceless(), step).result(60)
        assert failed.value.ease == "batch"
        assert crew.submit(lives, Sourceless(), Sourceless(), step).result(60) != os.getpid()


def test_a_process_of_its_own_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of somebody's scripts may hold a secrets.py; a program that was installed does not look there."""
    for name in ("secrets", "types", "queue", "pickle", "bulketl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    with Crew(1) as crew:
        step = Step("load", bytes=LARGE_BYTES + 1)
        assert crew.submit(lives, Sourceless(), Sourceless(), step).result(60) != os.getpid()


def test_ordinary_steps_stay_in_this_process() -> None:
    """So do groups of small tables, whatever they weigh together."""
    spec = TableSpec("t", "s", (), (), "swap")
    load = TableLoad(spec, (Partition(0),), "reference", "", 1, 0)
    group = Step("group", loads=(load, load), bytes=LARGE_BYTES + 1)
    with Crew(2) as crew:
        for step in (Step("load", bytes=LARGE_BYTES), Step("publish"), group):
            assert crew.submit(lives, Sourceless(), Sourceless(), step).result(60) == os.getpid()


def test_partitions_of_an_ordinary_size_are_no_steps_of_many_bytes() -> None:
    """Up to twice what a partition should have is read at once; a table of long rows is not cut below one row."""
    spec = TableSpec("t", "s", (), (), "swap")
    for row, large in ((100, False), (1 << 20, False), (7 << 20, False), (9 << 20, True), (200 << 20, True)):
        rows = max(1, 2 * PARTITION_BYTES // row)
        load = TableLoad(spec, (Partition(0),), "reference", "", rows, rows * row)
        assert (expected_bytes(load) > LARGE_BYTES) is large, row
