"""Random changes, rules, loads and mishaps beside a simple model of what must be true, on real servers.

BULKETL_TEST_MODEL says in how many examples, and BULKETL_TEST_SEED in which; with the first of them every planted fault has
to be found, else some of them, and in few examples.
"""

from __future__ import annotations

import os
import time

import pytest
from faults import no_pauses, small_partitions
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from lab import Server
from machine import Machine
from planted import FAULTS, QUICK, Fault

import bulketl.verifying.looks

EXAMPLES = int(os.environ.get("BULKETL_TEST_MODEL", "0"))
SEED = int(os.environ.get("BULKETL_TEST_SEED", "0"))
pytestmark = [
    pytest.mark.timeout(0 if EXAMPLES else 300),
    # Connections that were ended under the process are found open when they are collected.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def quick(mariadb: Server, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows make many ranges, and nothing is waited for."""
    small_partitions(monkeypatch, 6)
    no_pauses(monkeypatch)
    monkeypatch.setattr(bulketl.verifying.looks, "PAUSE_SECONDS", 0.0)
    Machine.server, Machine.target = mariadb, postgres
    Machine.steps.clear()


def run(examples: int, steps: int = 20) -> None:
    """Run the machine, without shrinking what it finds."""
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=not SEED,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(seed(SEED)(Machine) if SEED else Machine, settings=chosen)


def said(error: BaseException) -> str:
    """Return what the machine says of what it has found."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def test_the_target_is_what_the_model_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows, marks, columns, plans, counts, verdicts, chains, records and locks, after each step, whatever happens."""
    began = time.monotonic()
    run(EXAMPLES or 5)
    with capsys.disabled():
        print(f"\n{Machine.steps['examples']} examples, {Machine.steps['steps']} steps in {time.monotonic() - began:.0f} s")


@pytest.mark.parametrize("fault", FAULTS if EXAMPLES else QUICK, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By what the machine says, which finds nothing in the same examples without it."""
    began = time.monotonic()
    fault.plant(monkeypatch)
    with pytest.raises((AssertionError, BaseExceptionGroup)) as found:
        run(EXAMPLES or 12)
    words, counted = said(found.value), Machine.steps
    with capsys.disabled():
        took = f"{counted['examples']} examples, {counted['steps']} steps, {time.monotonic() - began:.0f} s"
        print(f"\n{fault.name}: {took}: {words[:200]}")
    assert words.startswith("AssertionError"), words  # and nothing else has gone wrong
