"""Snippets for schedulers: the begin of the window, in its zone, on its days."""

from __future__ import annotations

import ast

import pytest

from bulketl.settings import Windows
from bulketl.snippets import KINDS, snippet

NIGHT = Windows(load="21:30-06:00 America/Chicago", days=("mon", "sat", "sun"))


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("systemd", "OnCalendar=Mon,Sat,Sun *-*-* 21:30:00 America/Chicago"),
        ("cron", "30 21 * * 1,6,0 cd /srv/bulketl && "),
        ("airflow", 'schedule="30 21 * * 1,6,0"'),
    ],
)
def test_a_load_begins_when_the_window_opens(kind: str, line: str) -> None:
    """Sunday is 0 for cron."""
    text = snippet(kind, NIGHT, "/srv/bulketl")  # type: ignore[arg-type]
    assert line in text
    assert "America/Chicago" in text
    assert "/srv/bulketl" in text


def test_every_snippet_takes_up_what_was_stopped() -> None:
    """Before the new load."""
    for kind in KINDS:
        text = snippet(kind, NIGHT, "/srv/bulketl")
        assert text.index("load --resume last") < text.index("bulketl load --json")


def test_the_dag_is_python() -> None:
    """It parses."""
    ast.parse(snippet("airflow", NIGHT, "/srv/bulketl"))
