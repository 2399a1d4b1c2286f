"""bulketl takes a whole MySQL or MariaDB database into Postgres.

Every act is handed on here, for notebooks as for the command line. docs/design.md draws the rooms behind it.
"""

from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.errors import BulketlError, ClusterError, ConfigError, DataError, PlanError, SourceError, TargetError
from bulketl.loading.dask import dask
from bulketl.loading.run import load, resume
from bulketl.loading.summary import Summary
from bulketl.operations.records import certificate, reset, states, verify_audit
from bulketl.operations.rejects import export_rejects, list_rejects, retry_rejects, show_rejects
from bulketl.operations.retention import retain_tables
from bulketl.plan.plan import Plan
from bulketl.survey.discover import propose, validate
from bulketl.survey.planning import compare_with_last, make_plan
from bulketl.survey.statements import statements
from bulketl.verifying.months import compare_history
from bulketl.verifying.pairs import run_pairs
from bulketl.verifying.verdicts import Verification
from bulketl.verifying.verify import verify

__all__ = [
    "BulketlError", "ClusterError", "Config", "ConfigError", "DataError", "Plan", "PlanError", "SourceError", "Summary",
    "TargetError", "Verification", "certificate", "compare_history", "compare_with_last", "dask", "export_rejects",
    "list_rejects", "load", "load_config", "make_plan", "propose", "reset", "resume", "retain_tables", "retry_rejects",
    "run_pairs", "show_rejects", "statements", "states", "validate", "verify", "verify_audit",
]  # fmt: skip
