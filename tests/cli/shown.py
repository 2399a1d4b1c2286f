"""Every golden screen with its cases: values as acts return them, made up."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from rich.console import RenderableType
from shown_alerts import ALERTS
from shown_base import LONG, ODD, RUN, Made
from shown_daily import DAILY
from shown_docs import DOC_PAIRS, DOC_YEARS, DOCS
from shown_doctor import CHECKUPS, EXPLAINED, TOLD
from shown_findings import FOUND
from shown_grants import GRANTS, HELD, LINES, SOME
from shown_handovers import PROMOTED, RETURNED, UNDONE
from shown_history import NIGHTS, RUNS, STATUSES, TIMELINES
from shown_loads import PLANS, SUMMARIES
from shown_migration import IMPORTED, LEGACY_RUNS, MOVES, SHADOWED
from shown_migration import STATUSES as MIGRATIONS
from shown_pipelines import COMPARED, WAIVERS
from shown_reports import INCIDENTS, REPORTED
from shown_reports import RUNS as RUNS_REPORTED
from shown_sides import CERTIFICATES, EQUAL, PAGES, PAIRED, RECORDS, VERIFICATIONS, YEARS
from shown_sources import SOURCES
from shown_watchdog import WATCHED
from shown_watching import CANCELLED, FRAMES, STANDINGS
from shown_weekly import WEEKS

from bulketl.cli.screens import (
    casts,
    common,
    findings,
    months,
    pairs,
    plans,
    rules,
)
from bulketl.errors import ConfigError
from bulketl.survey.proposals import Proposal
from bulketl.tables.personal import Personal

__all__ = ["DOCS", "SCREENS"]


# Rules

PROPOSAL = Proposal(
    "patient",
    "critical",
    "incremental",
    "SecDateTEdit",
    False,
    1000,
    5,
    1.0,
    (),
    5000,
    1.5,
    "mirror",
    {"table_importance": "7 tables refer to it", "extraction_strategy": "SecDateTEdit is indexed"},
)
OF_PEOPLE = dataclasses.replace(
    PROPOSAL,
    personal=tuple(
        Personal(column, what, "by its name", "hmac")
        for column, what in (("SSN", "number of social security"), ("Birthdate", "date of birth"), ("AddrNote", "free text"))
    ),
)


def _found(name: str, verbose: bool) -> RenderableType:
    return findings.findings(FOUND[name], each=verbose)


SCREENS: dict[str, dict[str, Made]] = {
    "summary-summary": SUMMARIES,
    "sources-loads": SOURCES,
    "watchdog-watched": WATCHED,
    "migration-legacy_run": LEGACY_RUNS,
    "migration-imported": IMPORTED,
    "migration-shadowed": SHADOWED,
    "migration-plan": MOVES,
    "migration-status": MIGRATIONS,
    "sides-comparison": COMPARED,
    "sides-waivers": WAIVERS,
    "reports-compliance": REPORTED,
    "daily-daily": DAILY,
    "reports-incident": INCIDENTS,
    "reports-one_run": RUNS_REPORTED,
    "weekly-weekly": WEEKS,
    **ALERTS,
    "plans-plan": PLANS,
    "plans-sql": {"two": lambda v: plans.sql({"t": ["TRUNCATE raw.t", "SELECT 1"], ODD: ["SELECT 2"]})},
    "plans-plan_changes": {
        "some": lambda v: plans.plan_changes(RUN, ["+ t (full load)", "- u", "~ v: tier audit -> critical"], 1, 3),
        "none": lambda v: plans.plan_changes(RUN, [], 1, 1),
        "no-run": lambda v: plans.plan_changes("", [], 0, 1),
    },
    "verdicts-verification": VERIFICATIONS,
    "certificates-certificate": CERTIFICATES,
    "certificate_page-page": PAGES,
    **RECORDS,
    "runs-cancelled": CANCELLED,
    "handovers-promoted": PROMOTED,
    "handovers-returned": RETURNED,
    "handovers-undone": UNDONE,
    "explain-entry": EXPLAINED,
    "doctor-checkup": CHECKUPS,
    "doctor-told": TOLD,
    "grants-sql": GRANTS,
    "grants-held": HELD,
    "watching-frame": FRAMES,
    "watching-standing": STANDINGS,
    "months-history": {
        "docs": lambda v: months.history(DOC_YEARS),
        "differs": lambda v: months.history(YEARS),
        "equal": lambda v: months.history(EQUAL),
    },
    "status-status": STATUSES,
    "history-runs": RUNS,
    "history-timeline": TIMELINES,
    "history-nights": NIGHTS,
    "pairs-pairs": {
        "docs": lambda v: pairs.pairs(DOC_PAIRS),
        "some": lambda v: pairs.pairs(PAIRED),
        "one": lambda v: pairs.pairs(PAIRED[:1]),
    },
    "casts-casts": {"all": lambda v: casts.casts()},
    "casts-counted": {"all": lambda v: casts.counted()},
    "rules-proposals": {
        "one": lambda v: rules.proposals(
            [PROPOSAL, dataclasses.replace(PROPOSAL, table=LONG, question="audit? it is called so")]
        )
    },
    "rules-counted": {"one": lambda v: rules.counted([PROPOSAL]), "personal": lambda v: rules.counted([OF_PEOPLE])},
    "rules-proposed": {"personal": lambda v: rules.proposed([OF_PEOPLE, dataclasses.replace(OF_PEOPLE, table=LONG)])},
    "rules-changes": {"some": lambda v: rules.changes(["+ table u", "- table gone", "~ t.c int -> bigint"])},
    "findings-findings": {name: functools.partial(_found, name) for name in FOUND},
    "findings-stood_on": {"some": lambda v: findings.stood_on(LINES, SOME), "exact": lambda v: findings.stood_on(LINES, ())},
    "findings-fixed": {
        "some": lambda v: findings.fixed(Path("config/tables.yaml"), {"t": {"incremental_column": "At"}}),
        "none": lambda v: findings.fixed(Path("config/tables.yaml"), {}),
    },
    "common-error": {"hint": lambda v: common.error(ConfigError(f"there is no tier {LONG!r}", hint="the tiers are a, b"))},
}
