"""Random changes, rules, loads and mishaps beside a simple model of what must be true, on real servers."""

from __future__ import annotations

import os
import time

import pytest
from machine import Machine
from faults import no_pauses, small_partitions
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from lab import Server

import bulketl.verifying.looks

EXAMPLES = int(os.environ.get("BULKETL_TEST_MODEL", "12"))


def run(examples: int, steps: int = 20) -> None:
    """Run the machine."""
    found = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=True,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    run_state_machine_as_test(Machine, settings=found)


def test_the_target_is_what_the_model_says(mariadb: Server, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens."""
    small_partitions(monkeypatch, 6)
    no_pauses(monkeypatch)
    monkeypatch.setattr(bulketl.verifying.looks, "PAUSE_SECONDS", 0.0)
    Machine.server, Machine.target = mariadb, postgres
    began = time.monotonic()
    try:
        run(EXAMPLES)
    finally:
        print(dict(Machine.steps), f"{time.monotonic() - began:.1f} s")
