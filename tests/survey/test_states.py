"""A table whose rows are written again after they came is never audit, whatever its name: it is a question to a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from test_proposals import alone, table

from bulketl.survey.proposals import Proposal
from bulketl.tables.catalog import Column
from bulketl.tables.evidence import Arrival, arrival, nullable, times
from bulketl.tables.naming import says_state

START = dt.datetime(2024, 1, 1)
ROWS = 200
Value = Callable[[int], object]  # of a row that so many came after


def at(age: int) -> dt.datetime:
    return START + dt.timedelta(hours=ROWS - age)


def later(age: int) -> dt.datetime:
    return at(age) + dt.timedelta(minutes=30)


def open_yet(age: int) -> dt.datetime | None:
    return later(age) if age > 4 else None


def proposed(name: str, columns: dict[str, tuple[str, Value]]) -> Proposal:
    """Return what is proposed for a table with these columns, by what its rows say, as the server would be asked."""
    made = [Column(n, kind.removesuffix("?"), kind.endswith("?")) for n, (kind, _) in columns.items()]
    one = table(name, *made)
    came, edits = times(one)
    rows = [(ROWS - n, *(columns[c.name][1](n) for c in (*came, *edits))) for n in range(ROWS)]
    empty = {c.name: [columns[c.name][1](n) is None for n in range(ROWS)] for c in nullable(one)}
    return alone(one, came=arrival([c.name for c in came], [c.name for c in edits], rows, empty))


def one(_: int) -> int:
    return 1


EDITED: dict[str, dict[str, tuple[str, Value]]] = {
    "email_log": {"created_at": ("datetime", at), "status": ("varchar(9)", one), "opened_at": ("datetime?", open_yet)},
    "login_history": {"login_at": ("datetime", at), "logout_at": ("datetime?", open_yet)},
    "job_log": {"started": ("datetime", at), "finished": ("datetime?", open_yet), "state": ("int(11)", one)},
    "payment_history": {"paid": ("datetime", at), "voided": ("tinyint(1)", one)},
    "call_log": {"call_start": ("datetime", at), "call_end": ("datetime", later)},
    "time_log": {"clock_in": ("datetime", at), "clock_out": ("datetime?", open_yet), "approved": ("tinyint(1)", one)},
    "webhook_event_log": {"at": ("datetime", at), "processed": ("tinyint(1)", one), "attempts": ("int(11)", one)},
    "course_attempts": {"at": ("datetime", at), "score": ("decimal(5,2)?", lambda n: 3 if n > 4 else None)},
    "ShipmentLog": {"LoggedAt": ("datetime", at), "Dispatch": ("datetime", later)},
    "claim_journal": {"at": ("datetime", at), "reviewer": ("int(11)?", lambda n: 3 if n > 30 or n % 5 == 0 else None)},
    "visit_history": {"came": ("datetime", at), "went": ("datetime?", open_yet)},
}


@pytest.mark.parametrize("name", EDITED)
def test_rows_that_are_written_again_are_a_question(name: str) -> None:
    found = proposed(name, EDITED[name])
    assert found.tier != "audit"
    assert found.question.startswith("audit? its name says so (")
    assert ", but " in found.question


AUDIT: dict[str, dict[str, tuple[str, Value]]] = {
    "securitylog": {"LogDateTime": ("datetime", at), "PermType": ("tinyint(4)", one), "LogText": ("text?", one)},
    "door_log": {"opened_at": ("datetime", at), "card": ("varchar(9)?", lambda n: None if n % 3 else 1)},
    "order_status_history": {"status": ("varchar(9)", one), "at": ("datetime", at), "changed_by": ("int(11)", one)},
    "price_log": {"old_state": ("int(11)", one), "new_state": ("int(11)", one), "at": ("datetime", at)},
    "audit_entries": {
        "at": ("datetime", at),
        "previous": ("datetime", lambda n: at(n + 1)),
        "note": ("text?", lambda _: None),
    },
    "ip_log": {"at": ("datetime", at), "city": ("varchar(9)", one), "state": ("char(2)", one)},
}


@pytest.mark.parametrize("name", AUDIT)
def test_what_says_nothing_of_a_later_edit_leaves_audit(name: str) -> None:
    assert proposed(name, AUDIT[name]).tier == "audit"


def test_a_state_is_told_by_words_and_never_inside_another() -> None:
    for name in (
        "is_approved",
        "CancelledAt",
        "retry_count",
        "EndTime",
        "expires_on",
        "acknowledged",
        "clock_out",
        "reversed",
    ):
        assert says_state(name, "x"), name
    for name in ("created_at", "outline", "calendar", "statement", "vendor", "need", "thread", "status_before", "spread"):
        assert not says_state(name, "x"), name
    assert not says_state("Statuses", "order_status_log")


def test_values_that_are_null_by_chance_say_nothing() -> None:
    rows = [(n, at(ROWS - n)) for n in range(ROWS, 0, -1)]
    for every in (2, 3, 7, 199):
        assert arrival(["at"], [], rows, {"a": [n % every == 0 for n in range(ROWS)]}).filled == ()
    assert arrival(["at"], [], rows, {"a": [True] * ROWS}).filled == ()
    assert arrival([], [], rows, {"a": [n < 20 for n in range(ROWS)]}) == Arrival(ROWS, filled=("a",))
