"""bulketl takes a whole MySQL or MariaDB database into Postgres.

This package exports every function that does something for a user; notebooks and the command line call the same ones.
docs/design.md draws the rooms behind it. A name is imported at its first use: `import bulketl` loads none of the
libraries that the functions need.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.config.read import load_config, load_configs
    from bulketl.errors import BulketlError, ClusterError, ConfigError, DataError, PlanError, SourceError, TargetError
    from bulketl.loading.dask import dask
    from bulketl.loading.frames import AlteredValuesWarning, read, scan
    from bulketl.loading.run import load, resume
    from bulketl.loading.summary import Summary
    from bulketl.operations.alerts.incidents import (
        acknowledge_alerts,
        list_alerts,
        resolve_alerts,
        show_alert,
        try_channels,
    )
    from bulketl.operations.alerts.lookout import alerting
    from bulketl.operations.alerts.tick import tick_alerts
    from bulketl.operations.alerts.verified import alert_verification
    from bulketl.operations.anomalies.look import find_anomalies
    from bulketl.operations.cancelling import cancel
    from bulketl.operations.capacity.forecast import capacity
    from bulketl.operations.cell import progress
    from bulketl.operations.certificates import certificate
    from bulketl.operations.dagster import dagster_assets
    from bulketl.operations.dbtsources import dbt_sources
    from bulketl.operations.heartbeat import beating
    from bulketl.operations.history.runs import nights, runs, timeline
    from bulketl.operations.history.status import status
    from bulketl.operations.lineage import lineage
    from bulketl.operations.metrics import metrics, write_metrics
    from bulketl.operations.migrate.compare import compare_pipelines
    from bulketl.operations.migrate.promote import promote
    from bulketl.operations.migrate.rollback import rollback
    from bulketl.operations.migrate.sides import shadow, shadowed
    from bulketl.operations.migrate.waive import list_waivers, waive
    from bulketl.operations.records import reset, states, verify_audit
    from bulketl.operations.rejects import export_rejects, list_rejects, retry_rejects, show_rejects
    from bulketl.operations.reports.compliance import compliance
    from bulketl.operations.reports.daily import daily
    from bulketl.operations.reports.incident import incident
    from bulketl.operations.reports.run import run_report
    from bulketl.operations.reports.weekly import weekly
    from bulketl.operations.retention import retain_tables
    from bulketl.operations.traces import traced
    from bulketl.operations.undo import undo
    from bulketl.operations.watchdog import watch_over
    from bulketl.operations.why import why
    from bulketl.plan.plan import Plan
    from bulketl.survey.discover import explain, propose
    from bulketl.survey.doctor import doctor
    from bulketl.survey.grants import check_grants, grant
    from bulketl.survey.lines import lines
    from bulketl.survey.planning import compare_with_last, make_plan
    from bulketl.survey.statements import statements
    from bulketl.survey.validate import validate
    from bulketl.tables.frame import frame
    from bulketl.verifying.months import compare_history
    from bulketl.verifying.pairs import run_pairs
    from bulketl.verifying.rowstory import RowStory
    from bulketl.verifying.verdicts import Verification
    from bulketl.verifying.verify import verify

__all__ = [
    "AlteredValuesWarning", "BulketlError", "ClusterError", "Config", "ConfigError", "DataError", "Plan", "PlanError",
    "RowStory", "SourceError", "Summary", "TargetError", "Verification", "acknowledge_alerts", "alert_verification",
    "alerting", "beating", "cancel", "capacity", "certificate", "check_grants", "compare_history",
    "compare_pipelines", "compare_with_last", "compliance", "dagster_assets", "daily", "dask", "dbt_sources", "doctor",
    "explain", "export_rejects", "find_anomalies", "frame", "grant", "incident", "lineage", "lines", "list_alerts",
    "list_rejects", "list_waivers", "load", "load_config", "load_configs", "make_plan", "metrics", "nights",
    "progress", "promote", "propose",
    "read", "reset", "resolve_alerts", "resume", "retain_tables", "retry_rejects", "rollback", "run_pairs", "run_report",
    "runs", "scan", "shadow", "shadowed", "show_alert", "show_rejects", "statements", "states", "status",
    "tick_alerts", "timeline", "traced",
    "try_channels", "undo", "validate", "verify", "verify_audit", "waive", "watch_over", "weekly", "why",
    "write_metrics",
]  # fmt: skip
_HOMES = {
    "config.config": ("Config",),
    "config.read": ("load_config", "load_configs"),
    "errors": ("BulketlError", "ClusterError", "ConfigError", "DataError", "PlanError", "SourceError", "TargetError"),
    "loading.dask": ("dask",),
    "loading.frames": ("AlteredValuesWarning", "read", "scan"),
    "loading.run": ("load", "resume"),
    "loading.summary": ("Summary",),
    "operations.alerts.incidents": ("acknowledge_alerts", "list_alerts", "resolve_alerts", "show_alert", "try_channels"),
    "operations.alerts.lookout": ("alerting",),
    "operations.alerts.tick": ("tick_alerts",),
    "operations.alerts.verified": ("alert_verification",),
    "operations.dagster": ("dagster_assets",),
    "operations.dbtsources": ("dbt_sources",),
    "operations.heartbeat": ("beating",),
    "operations.anomalies.look": ("find_anomalies",),
    "operations.cancelling": ("cancel",),
    "operations.capacity.forecast": ("capacity",),
    "operations.cell": ("progress",),
    "operations.certificates": ("certificate",),
    "operations.history.runs": ("nights", "runs", "timeline"),
    "operations.history.status": ("status",),
    "operations.migrate.promote": ("promote",),
    "operations.migrate.rollback": ("rollback",),
    "operations.migrate.sides": ("shadow", "shadowed"),
    "operations.migrate.compare": ("compare_pipelines",),
    "operations.migrate.waive": ("list_waivers", "waive"),
    "operations.records": ("reset", "states", "verify_audit"),
    "operations.lineage": ("lineage",),
    "operations.metrics": ("metrics", "write_metrics"),
    "operations.reports.compliance": ("compliance",),
    "operations.reports.daily": ("daily",),
    "operations.reports.incident": ("incident",),
    "operations.reports.run": ("run_report",),
    "operations.reports.weekly": ("weekly",),
    "operations.rejects": ("export_rejects", "list_rejects", "retry_rejects", "show_rejects"),
    "operations.retention": ("retain_tables",),
    "operations.undo": ("undo",),
    "operations.watchdog": ("watch_over",),
    "operations.traces": ("traced",),
    "operations.why": ("why",),
    "plan.plan": ("Plan",),
    "survey.discover": ("explain", "propose"),
    "survey.doctor": ("doctor",),
    "survey.grants": ("check_grants", "grant"),
    "survey.lines": ("lines",),
    "survey.planning": ("compare_with_last", "make_plan"),
    "survey.statements": ("statements",),
    "survey.validate": ("validate",),
    "tables.frame": ("frame",),
    "verifying.months": ("compare_history",),
    "verifying.pairs": ("run_pairs",),
    "verifying.rowstory": ("RowStory",),
    "verifying.verdicts": ("Verification",),
    "verifying.verify": ("verify",),
}

if TYPE_CHECKING:
    __version__: str

if not TYPE_CHECKING:  # a checker knows the names from above, and would take any other for one of them

    def __getattr__(name: str) -> object:
        """Import what a name stands for, at its first use."""
        if name == "__version__":
            from importlib.metadata import version

            return globals().setdefault(name, version("bulketl"))
        for home, names in _HOMES.items():
            if name in names:
                value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
                return value
        raise AttributeError(f"module 'bulketl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
