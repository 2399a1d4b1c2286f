"""Which runbook an alert names: the one that its error names, or else that of its kind or its rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bulketl.config.alerts import Rule
from bulketl.errors import Runbook, runbook_in, with_runbook
from bulketl.postgres.ledger.incidents import Incident

OF_RULE: Mapping[Rule, Runbook] = {
    "table_failed": "critical-table-failed",
    "run_failed": "nightly",
    "overtime": "window-too-short",
    "quality": "quality-below-threshold",
    "rejects": "quality-below-threshold",
    "mass_delete": "source-restored",
    "drift": "schema-changed",
    "withheld": "schema-changed",
    "verification": "differs-from-source",
    "missing_run": "nightly",
    "died": "nightly",
    "unreachable": "nightly",
    "silence": "nightly",
    "lag": "nightly",
    "not_loaded": "nightly",
    "unusual": "nightly",
    "rolled_back": "rollback",
    "untold": "rollback",
    "written": "rollback",
}
OF_KIND: Mapping[str, Runbook] = {"run_failed-stopped": "window-too-short", "unusual-slower": "window-too-short"}


def of_kind(kind: str) -> Runbook:
    """Return the runbook of incidents of a kind, where no error of theirs names another."""
    return OF_KIND.get(kind, OF_RULE[cast("Rule", kind.partition("-")[0])])


def hints_of(incident: Incident) -> list[str]:
    """Return what to do about the members of an incident that are not well, the first hint with a runbook."""
    hints = dict.fromkeys(one.hint for one in incident.affected.values() if one.hint)
    first, *others = sorted(hints, key=lambda hint: not runbook_in(hint)) or [""]
    return [with_runbook(first, of_kind(incident.kind)), *others]


def runbook_of(incident: Incident) -> str:
    """Return the runbook of an incident, as its hints name it."""
    return runbook_in(hints_of(incident)[0])
