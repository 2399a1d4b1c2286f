"""The report on one run: what became of its tables, why some failed, and what happened in which order."""

from __future__ import annotations

import dataclasses
import datetime as dt
import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.operations.dashboard.runpage import RunPage, run_page
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.history.standing import plain
from bulketl.postgres.ledger import runlist
from bulketl.tables.printable import brief


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a run into a schema, as of `made`."""

    schema: str
    page: RunPage
    made: dt.datetime
    host: str
    version: str

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, made=self.made)

    @property
    def number(self) -> str:
        """How people call it: the name of the run."""
        return self.page.run.run

    @property
    def subject(self) -> str:
        """The state for a subject, without names of tables."""
        return f"{self.number}, {self.schema}: {self.page.run.outcome or 'under way'}"

    @property
    def headline(self) -> str:
        """The state in one sentence."""
        return self.page.sentence

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        page = self.page
        return {
            "report": "run",
            "headline": self.headline,
            **plain({"made": self.made, "host": self.host, "version": self.version}),
            "run": page.run.to_json(),
            "tables": [{**one._asdict(), "error": page.why(one) if one.outcome == "failed" else ""} for one in page.tables],
            "events": [plain(dataclasses.asdict(one)) for one in page.events],
            "recorded": page.recorded,
        }


def run_report(config: Config, run: str = "", now: dt.datetime | None = None) -> RunReport:
    """Return the report on a run, by default (`last` or '') on the last one into the schema.

    Raise PlanError when there is no such run, ConfigError or TargetError when the ledger cannot be used.
    """
    return patient(_run_report, config, "" if run == "last" else run, now or dt.datetime.now(dt.UTC))


def _run_report(config: Config, run: str, now: dt.datetime) -> RunReport:
    if not run:
        with sight(config) as look:
            run = runlist.last_run(look, config.target_schema)
        if not run:
            raise PlanError(
                f"no run into schema {config.target_schema!r} is on record", hint="the first `bulketl load` makes one"
            )
    return RunReport(config.target_schema, run_page(config, run), now, socket.gethostname(), version("bulketl"))
