"""Every SQLSTATE that Postgres has is decided: whether a row's contents can cause it, we can, or neither."""

from __future__ import annotations

import psycopg.errors
import pytest

from bulketl.errors import BugError, DataError, TargetError
from bulketl.postgres.refusals import ABOUT, about
from bulketl.postgres.server import failure

STATES = {
    kind.sqlstate: kind.__name__
    for kind in vars(psycopg.errors).values()
    if isinstance(kind, type) and issubclass(kind, psycopg.Error) and kind.sqlstate
}
# Decided by hand from the list: all that a value, a constraint, a trigger or a limit of a row can cause.
ROW = {
    "22000", "22001", "22002", "22003", "22004", "22005", "22007", "22008", "22009", "2200B", "2200C", "2200D", "2200F",
    "2200G", "2200L", "2200M", "2200N", "2200S", "2200T", "22010", "22011", "22012", "22013", "22014", "22015", "22016",
    "22018", "22019", "2201B", "2201E", "2201F", "2201G", "2201W", "2201X", "22021", "22022", "22024", "22025", "22026",
    "22027", "2202E", "2202G", "2202H", "22030", "22031", "22032", "22033", "22034", "22035", "22036", "22037", "22038",
    "22039", "2203A", "2203B", "2203C", "2203D", "2203E", "2203F", "2203G", "22P01", "22P02", "22P05", "22P06", "23000",
    "23001", "23502", "23503", "23505", "23514", "23P01", "44000", "54000", "54001", "P0001", "P0004",
}  # fmt: skip
BUG = {"22P03", "22P04"}


def test_the_list_is_postgres_own() -> None:
    """As long as psycopg knows it."""
    assert len(STATES) > 200
    assert {state for state in ABOUT if len(state) == 5} <= set(STATES)


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_state_is_of_a_row_or_a_bug_or_of_neither(state: str) -> None:
    """And the error that is raised for it says so."""
    expected = "row" if state in ROW else "bug" if state in BUG else ""
    assert about(state) == expected, STATES[state]
    error = failure(state, "ERROR: something", "table 't'")
    kind = {"row": DataError, "bug": BugError, "": TargetError}[expected]
    assert type(error) is kind
    if expected == "bug":
        assert "mistake in bulketl" in error.hint
    assert "index" not in error.hint


def test_two_states_are_told_by_words_that_no_server_translates() -> None:
    """A value for which there is no memory, and bytes that end too early."""
    assert about("XX000", "ERROR: invalid memory alloc request size 1073741824") == "row"
    assert about("XX000", "ERROR: tuple concurrently updated") == ""
    assert about("08P01", "FEHLER: zu wenig Daten CONTEXT: COPY t, Zeile 1, Spalte c") == "bug"
    assert about("08P01", "server login has been failing") == ""


def test_a_statement_that_is_quoted_in_an_error_is_cut() -> None:
    """Of 40 kB nobody reads more than the beginning."""
    said = f"syntax error QUERY: {'CREATE TABLE x ' * 3_000}"
    assert len(failure("42601", said, "table 't'").message) < 400
    assert len(failure("42601", "x" * 40_000, "table 't'").message) < 2_200
