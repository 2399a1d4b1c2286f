"""The library in a notebook: two loads at once in a process, inside an event loop, ended by Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab, configure, execute

import bulketl
from bulketl.loading.events import Event, PartitionLoaded

EXAMPLE = Path(__file__).parents[3] / "examples" / "first_night.py"


def in_a_kernel(cell: Coroutine[Any, Any, Any]) -> Any:
    """Run a cell as Jupyter's kernel does: in the main thread, inside its event loop, with Python's own Ctrl-C."""
    loop, before = asyncio.new_event_loop(), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return loop.run_until_complete(cell)
    finally:
        signal.signal(signal.SIGINT, before)
        loop.close()


def filled(lab: Lab, rows: int = 400) -> None:
    lab.mysql(
        "CREATE TABLE visit (id int PRIMARY KEY, f int)",
        f"INSERT INTO visit SELECT seq, seq % 3 FROM seq_1_to_{rows}",
    )


def test_two_loads_run_at_once_in_one_process_and_inside_an_event_loop(
    maria_lab: Lab, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are under way at the same moment, each is told of its own run alone, and both are right."""
    small_partitions(monkeypatch, 50)
    filled(maria_lab)
    configs = [configure(maria_lab.source, target, maria_lab.schema) for target in (maria_lab.target, empty)]
    together = threading.Barrier(2, timeout=60)
    told: list[list[Event]] = [[], []]

    def one(n: int) -> bulketl.Summary:
        def watch(event: Event) -> None:
            if not told[n]:
                together.wait()
            told[n].append(event)

        return bulketl.load(configs[n], bulketl.make_plan(configs[n]), [watch])

    async def cell() -> list[bulketl.Summary]:
        return list(await asyncio.gather(asyncio.to_thread(one, 0), asyncio.to_thread(one, 1)))

    summaries = in_a_kernel(cell())
    assert [{event.run for event in events} for events in told] == [{summary.run} for summary in summaries]
    for config, summary in zip(configs, summaries, strict=True):
        assert summary.outcome == "done"
        assert execute(str(config.target), f"SELECT count(*), sum(f) FROM {maria_lab.schema}.visit") == [(400, 400)]


def test_ctrl_c_in_a_cell_ends_the_load_and_the_next_cell_goes_on_with_it(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 1: the table is not there before it is complete, and `resume` ends what began."""
    small_partitions(monkeypatch, 50)
    filled(maria_lab)
    config = maria_lab.config(workers=1)

    def interrupt(event: Event) -> None:
        if isinstance(event, PartitionLoaded):
            os.kill(os.getpid(), signal.SIGINT)

    async def cell() -> None:
        bulketl.load(config, bulketl.make_plan(config), [interrupt])

    with pytest.raises(KeyboardInterrupt):
        in_a_kernel(cell())
    assert maria_lab.pg("SELECT to_regclass('{s}.visit')") == [(None,)]
    assert bulketl.runs(config)[0].outcome == "interrupted"

    async def next_cell() -> bulketl.Summary:
        return bulketl.resume(config)

    assert in_a_kernel(next_cell()).outcome == "done"
    assert maria_lab.pg("SELECT count(*) FROM {s}.visit") == [(400,)]


def test_the_example_of_a_first_night_runs(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(maria_lab)
    for name, value in (("SOURCE", maria_lab.source), ("TARGET", maria_lab.target), ("SCHEMA", maria_lab.schema)):
        monkeypatch.setenv(f"BULKETL_{name}", value)
    example = runpy.run_path(str(EXAMPLE))
    assert example["main"](None, None)["outcome"].to_list() == ["loaded"]
