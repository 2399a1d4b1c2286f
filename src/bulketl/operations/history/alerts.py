"""Alerts that are open, as `status` shows them: until they are resolved."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from bulketl.postgres.ledger import incidents
from bulketl.postgres.ledger.looking import Look


class OpenAlert(NamedTuple):
    """An alert that is not resolved: its number, what it is about, since when, and who acknowledged it, '' for nobody."""

    number: int
    said: str
    since: dt.datetime
    acknowledged: str


def open_alerts(look: Look, schema: str) -> tuple[OpenAlert, ...]:
    """Return the alerts of a schema that are not resolved, the newest first; none where no rule has raised any."""
    if not look.version or not incidents.kept(look.connection):
        return ()
    found = incidents.find(look.connection, schema)
    if not found:
        return ()
    from bulketl.operations.alerts import words  # what sends messages comes with it

    here = f", schema {schema}"  # which is said above all of them
    return tuple(
        OpenAlert(one.number, words.title(one).removesuffix(here), one.opened, one.acknowledged_by) for one in found
    )
