"""Which packages threads are in, told from their stacks."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bulketl
from bulketl.connections.retrying import patient
from bulketl.connections.stacks import packages_of_threads

WAITS = """
import threading
go_on, there = threading.Event(), threading.Event()
def wait():
    there.set()
    go_on.wait()
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package in which a thread can wait, in a folder whose name is not only ASCII."""
    place = tmp_path / "Büro 😀" / "driver_of_a_test"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(WAITS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(place.parent))
    yield importlib.import_module(place.name)
    del sys.modules[place.name]


@pytest.fixture
def waiting(driver: Any) -> Iterator[Callable[[Callable[[], None]], int]]:
    """Begin a thread that ends up in the driver, and return its number."""
    threads: list[threading.Thread] = []

    def begin(call: Callable[[], None]) -> int:
        threads.append(threading.Thread(target=call))
        threads[-1].start()
        assert driver.there.wait(20)
        return threads[-1].ident or 0

    yield begin
    driver.go_on.set()
    for thread in threads:
        thread.join(20)


def test_a_thread_that_waits_in_a_package_is_in_it(driver: Any, waiting: Callable[[Callable[[], None]], int]) -> None:
    """And no other thread is; a package that was not asked for is not named."""
    thread = waiting(driver.wait)
    found = packages_of_threads({driver.__name__, "pymysql"})
    assert found[thread] == {driver.__name__}
    assert found[threading.get_ident()] == set()
    assert packages_of_threads({"pymysql"})[thread] == set()


def test_what_lies_behind_a_call_of_ours_does_not_count(driver: Any, waiting: Callable[[Callable[[], None]], int]) -> None:
    """As a driver that calls a function of bulketl, which waits for something else."""
    other = threading.Event()

    def called() -> None:
        driver.there.set()
        patient(other.wait, 20)

    driver.call = called
    exec(compile("def through():\n    call()\n", f"{driver.__path__[0]}/again.py", "exec"), driver.__dict__)
    thread = waiting(driver.through)
    for _ in range(100):  # until it is in `patient`
        found = packages_of_threads({driver.__name__})[thread]
        if not found:
            break
    other.set()
    assert found == set()


def test_nobody_follows_the_frames_of_another_thread() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in Path(bulketl.__file__).parent.rglob("*.py")}
    assert [name for name, text in texts.items() if "_current_frames" in text] == []
