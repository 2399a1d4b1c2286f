"""What a worker sends back, and what becomes of what a cluster loses; no cluster is needed for that."""

from __future__ import annotations

import pickle
from concurrent.futures import CancelledError
from typing import Any

import pytest

from bulketl.errors import BulketlError, ConfigError, DataError
from bulketl.loading.dask import _lost, attempt, check_address
from bulketl.postgres.server import Postgres
from bulketl.postgres.target import PostgresTarget

TARGET = PostgresTarget(Postgres("postgresql://u@h/d"), "20200101-000000-abcd")


class OddError(Exception):
    """Cannot be pickled: it needs more than its text."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"odd {one + two}")


def raising(error: Exception) -> Any:
    def work(source: object, target: PostgresTarget, step: object) -> None:
        raise error

    return attempt(_version(), work, None, TARGET, None)


def _version() -> str:
    from importlib.metadata import version

    return version("bulketl")


def test_an_error_comes_back_as_a_value_so_that_dask_logs_nothing() -> None:
    """With all that the schedule asks of it."""
    error = pickle.loads(pickle.dumps(raising(DataError("x", hint="y", rejects=3))))
    assert (type(error), error.message, error.hint, error.rejects) == (DataError, "x", "y", 3)


@pytest.mark.parametrize("error", [ZeroDivisionError("by 0"), OddError(1, 2)])
def test_a_bug_on_a_worker_comes_back_with_the_place_where_it_is(error: Exception) -> None:
    """Also one that cannot be pickled; it is no BulketlError, and ends the run."""
    found = pickle.loads(pickle.dumps(raising(error)))
    assert not isinstance(found, BulketlError)
    assert str(error) in str(found)
    assert "in work" in found.__notes__[0]


def test_a_worker_of_another_version_that_came_later_carries_nothing_out() -> None:
    """The step fails for good, by name."""
    error = attempt("0.0.9", lambda *args: pytest.fail("it ran"), None, TARGET, None)
    assert isinstance(error, ConfigError)
    assert "0.0.9" in error.message


class KilledWorker(Exception):  # noqa: N818, Dask calls it so
    """As Dask's."""


@pytest.mark.parametrize(
    ("error", "passing"),
    [(KilledWorker("key"), True), (CancelledError(), True), (ConnectionResetError(), True), (ImportError("bulketl"), False)],
)
def test_a_step_that_the_cluster_lost_runs_again_unless_it_cannot(error: Exception, passing: bool) -> None:
    """What is Dask's own is never taken for a bug of ours."""
    assert _lost(error).transient is passing


@pytest.mark.parametrize("good", ["tcp://h:8786", "tls://10.0.0.1:1", "tls://[::1]:8786", "tls://h:8786/"])
def test_addresses(good: str) -> None:
    """Of a scheduler that others may have started."""
    check_address(good)


@pytest.mark.parametrize(
    "bad", ["", "h:8786", "http://h:8786", "tcp://h", "tcp://:8786", "tcp://h:x", "tcp://h:0", "tcp://u:p@h:1"]
)
def test_what_is_no_address(bad: str) -> None:
    """Nothing is connected to."""
    with pytest.raises(ConfigError) as refused:
        check_address(bad)
    assert "tls://host:8786" in refused.value.hint
    assert "u:p" not in refused.value.message
