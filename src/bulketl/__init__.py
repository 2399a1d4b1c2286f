"""bulketl takes a whole MySQL or MariaDB database into Postgres.

Every act is handed on here, for notebooks as for the command line. docs/design.md draws the rooms behind it. A name is
imported when it is asked for: `import bulketl` loads none of the libraries behind the acts.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.config.read import load_config
    from bulketl.errors import BulketlError, ClusterError, ConfigError, DataError, PlanError, SourceError, TargetError
    from bulketl.loading.dask import dask
    from bulketl.loading.run import load, resume
    from bulketl.loading.summary import Summary
    from bulketl.operations.records import certificate, reset, states, verify_audit
    from bulketl.operations.rejects import export_rejects, list_rejects, retry_rejects, show_rejects
    from bulketl.operations.retention import retain_tables
    from bulketl.operations.why import why
    from bulketl.plan.plan import Plan
    from bulketl.survey.discover import explain, propose
    from bulketl.survey.planning import compare_with_last, make_plan
    from bulketl.survey.statements import statements
    from bulketl.survey.validate import validate
    from bulketl.verifying.months import compare_history
    from bulketl.verifying.pairs import run_pairs
    from bulketl.verifying.rowstory import RowStory
    from bulketl.verifying.verdicts import Verification
    from bulketl.verifying.verify import verify

__all__ = [
    "BulketlError", "ClusterError", "Config", "ConfigError", "DataError", "Plan", "PlanError", "RowStory",
    "SourceError", "Summary", "TargetError", "Verification", "certificate", "compare_history", "compare_with_last",
    "dask", "explain", "export_rejects", "list_rejects", "load", "load_config", "make_plan", "propose", "reset", "resume",
    "retain_tables", "retry_rejects", "run_pairs", "show_rejects", "statements", "states", "validate", "verify",
    "verify_audit", "why",
]  # fmt: skip
_HOMES = {
    "config.config": ("Config",),
    "config.read": ("load_config",),
    "errors": ("BulketlError", "ClusterError", "ConfigError", "DataError", "PlanError", "SourceError", "TargetError"),
    "loading.dask": ("dask",),
    "loading.run": ("load", "resume"),
    "loading.summary": ("Summary",),
    "operations.records": ("certificate", "reset", "states", "verify_audit"),
    "operations.rejects": ("export_rejects", "list_rejects", "retry_rejects", "show_rejects"),
    "operations.retention": ("retain_tables",),
    "operations.why": ("why",),
    "plan.plan": ("Plan",),
    "survey.discover": ("explain", "propose"),
    "survey.planning": ("compare_with_last", "make_plan"),
    "survey.statements": ("statements",),
    "survey.validate": ("validate",),
    "verifying.months": ("compare_history",),
    "verifying.pairs": ("run_pairs",),
    "verifying.rowstory": ("RowStory",),
    "verifying.verdicts": ("Verification",),
    "verifying.verify": ("verify",),
}

if not TYPE_CHECKING:  # a checker knows the names from above, and would take any other for one of them

    def __getattr__(name: str) -> object:
        """Import what a name stands for, at its first use."""
        for home, names in _HOMES.items():
            if name in names:
                value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
                return value
        raise AttributeError(f"module 'bulketl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
