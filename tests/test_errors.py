"""Errors travel between processes whole, and each kind has its exit code."""

from __future__ import annotations

import errno
import os
import pickle

import pytest

from bulketl import errors
from bulketl.mysql.read import _failure
from bulketl.mysql.server import source_error
from bulketl.postgres.server import failure
from bulketl.tables.spec import TableSpec

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BulketlError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_with_its_hint_and_whether_it_passes(kind: type[errors.BulketlError]) -> None:
    """A worker may be another process."""
    error = kind("table 't': broken", hint="mend it")
    error.transient = True
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (vars(back), str(back)) == (vars(error), str(error))
    told = {"error": kind.__name__, "reference": "", "message": "table 't': broken", "hint": "mend it"}
    assert back.to_json() == told


def test_exit_codes_are_those_of_the_design() -> None:
    """1 failed, 2 the request was wrong, 4 outside the window or cancelled; 3 is a summary and no error."""
    codes = {kind.__name__: kind.exit_code for kind in KINDS}
    expected = {"ConfigError": 2, "PlanError": 2, "OutsideWindowError": 4, "RunCancelledError": 4}
    assert {name: code for name, code in codes.items() if code != 1} == expected
    assert (errors.DONE, errors.FAILED, errors.WRONG_REQUEST, errors.PARTLY_DONE) == (0, 1, 2, 3)


def test_a_full_temporary_folder_is_told_with_what_to_do() -> None:
    """The words are those of the process that drains a table without a key."""
    spec = TableSpec("t", "s", (), (), "swap")
    assert "TMPDIR" in _failure(spec, str(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))).hint


def test_a_table_is_named_once_whoever_names_it() -> None:
    """Our own words that come back from Postgres name it already."""
    for text in ("ERROR:  table 't': rows were lost", "table 't': rows were lost"):
        assert failure("P0001", text, "table 't'").message == "table 't': rows were lost"
    assert failure("22003", "ERROR:  integer out of range", "table 't'").message == "table 't': ERROR: integer out of range"


@pytest.mark.parametrize("state", ["40P01", "57014", "57P01", "08006", "58030", "XX000", "42P01", "42501", ""])
def test_whatever_the_target_says_there_is_something_to_do(state: str) -> None:
    """A deadlock, a cancelled statement, and what nobody has foreseen."""
    assert failure(state or None, "ERROR: words of Postgres", "table 't'").hint


@pytest.mark.parametrize("code", [0, 1054, 1146, 1205, 1213, 1317, 1927, 2013, 1105])
def test_whatever_the_source_says_there_is_something_to_do(code: int) -> None:
    """With a hint of its own or without; what passes is to be tried again, and nothing else is."""
    told = source_error("source s: words of MySQL", "", code)
    assert told.hint
    assert ("give the command again: what is done" in told.hint) == (code in (1927, 2013))
    assert source_error("source s: words of MySQL", "do this", code).hint == "do this"
