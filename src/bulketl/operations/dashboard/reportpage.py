"""Reports as pages of the dashboard: made when they are asked for, and the incident reports that the ledger keeps."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.operations.dashboard.doors import POLICY
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.reports.daily import daily
from bulketl.operations.reports.incident import incident
from bulketl.operations.reports.rendering import page
from bulketl.operations.reports.run import run_report
from bulketl.operations.reports.weekly import weekly
from bulketl.postgres.ledger import incidentreports
from bulketl.postgres.ledger.incidentreports import Kept

MOST = 100  # incident reports of a page
# How each report is made of what is asked for: the end of a night, a run, or the number of a report.
_MADE: Mapping[str, Callable[[Config, str], Any]] = {
    "daily": lambda config, which: daily(config, _night(which)),
    "incident": lambda config, which: incident(config, which, keep=False),
    "run": run_report,
    "weekly": lambda config, _: weekly(config, asking=False),  # for the pages are of the ledger alone
}


def kept(config: Config) -> Sequence[Kept]:
    """Return the last incident reports on record. Raise ConfigError or TargetError when the ledger cannot be used."""
    with sight(config) as look:
        return incidentreports.listed(look.connection, config.target_schema, MOST)


def _night(which: str) -> dt.date | None:
    """Return the day on which a night ended, None for the last night."""
    try:
        return dt.date.fromisoformat(which) if which else None
    except ValueError:
        raise PlanError(f"no night ended on {which!r}", hint="write the day as 2026-11-26") from None


def report(config: Config, name: str, which: str) -> tuple[str, str]:
    """Return a report as a page, and the policy under which a browser shows it: its own style, and nothing else.

    Nothing is put on record. Raise PlanError when there is no such report; then as the report itself.
    """
    make = _MADE.get(name)
    if make is None:
        raise PlanError(f"there is no report {name!r}", hint="Reports, at the top, has all of them")
    text = page(config, name, make(config, which))
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in styles)
    return text, POLICY.replace("script-src 'self'; style-src 'self'", f"script-src 'none'; style-src {hashes}")
