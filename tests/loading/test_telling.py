"""Every event goes into the ledger and comes back, but for what a server said."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.loading.events import Event, FiguresTaken, RunStarted, TableFailed
from bulketl.loading.telling import KINDS, from_record, kind_of, to_record

CLASSES = [each for each in get_args(Event) if each is not FiguresTaken]


@pytest.mark.parametrize("kind", CLASSES, ids=kind_of)
@given(data=st.data())
def test_an_event_comes_back_as_it_was(kind: type[Any], data: st.DataObject) -> None:
    """With its public message in the place of the message."""
    known = {"sessions": st.dictionaries(st.text(), st.dictionaries(st.text(), st.text()))} if kind is RunStarted else {}
    event = data.draw(st.builds(kind, **known))
    found = to_record(event)
    assert found is not None
    name, body = found
    back = from_record(event.run, name, json.loads(json.dumps(body, allow_nan=False)))
    if hasattr(event, "public"):
        assert back is not None
        assert getattr(back, "message", None) == event.public
    # As values: a figure may be no number, which is not equal to itself, and a mapping of any class.
    assert to_record(back) == to_record(event) if back else False
    assert type(back) is kind


def test_kinds_are_the_names_of_the_classes() -> None:
    assert set(KINDS) >= {"run_started", "table_published", "table_failed", "run_finished", "run_ended"}
    assert len(KINDS) == len(CLASSES)


def test_figures_are_not_kept_twice() -> None:
    assert to_record(FiguresTaken("run", "t", 0, {}, (), None, frozenset())) is None


def test_what_a_server_said_is_not_kept() -> None:
    found = to_record(TableFailed("run", "t", "DataError", "t: Key (ssn)=(123) exists", "", 1.0, public="t: 23505"))
    assert found is not None
    assert "123" not in json.dumps(found[1])
    assert found[1]["message"] == "t: 23505"


def test_events_of_a_later_version_are_passed_over_or_read_as_far_as_they_are_known() -> None:
    assert from_record("run", "table_sung_about", {"table": "t"}) is None
    assert from_record("run", "run_ended", {"outcome": "done"}) is None  # a value is missing
    found = to_record(RunStarted("run", "s", "raw", "UTC", {"t": (1, "audit")}))
    assert found is not None
    assert from_record("run", "run_started", {**found[1], "mood": "good"}) is not None
