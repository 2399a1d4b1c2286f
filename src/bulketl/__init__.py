"""bulketl takes a whole MySQL or MariaDB database into Postgres.

The glossary. **catalog** what a server has · **cast rule** how one MySQL type becomes one Postgres type · **wire type**
the Arrow type in between · **cursor column** says how new a row is · **watermark** the highest cursor value published ·
**lookback** how far behind the watermark a load reads again · **partition** a range of the key, read, copied and
retried as one piece · **batch** some rows in memory · **check** what must hold of a table · **reject** a row that could
not be coerced, failed a check, or that Postgres refused · **staging table** where partitions gather unseen · **publish**
make them visible · **tier** critical, important, audit, reference · **group** small tables loaded as one step · **plan,
table load, step** · **event, observer** · **run, ledger, summary** · **pair** a SELECT for each server whose figures must
agree · **source, target**.

The floors; imports go down only:

    cli | demo
    planscreen | rulescreen | observers
    screen | custody | verdicts | verifying | agreement | agreementscreen | heatmap
    repairing
    listing
    api
    runs | cluster | rejects | keyless
    endpoints | checker | crew
    apart
    engine | survey | sidebyside
    worker
    mysql | postgres
    verifiable | looks
    verification
    reconcile
    decision | resumption
    summary | checkplan | ownership | findings
    certificate | quality | publishing | incremental | schedule | grouping | consistency | coerce | tablesfile |
        leftovers | history
    aggregates
    canonical
    known | leftout
    windows | snippets | plan | classify
    config | pairs
    settings
    rules
    checkrules
    watermark | checked
    partitions | evidence
    talks
    events | yamlfile | drift | snapshot | storedvalues | sparing | memory | sqltext | fields | checks | jsontext |
        naming | sockets | patience
    casts | tls
    catalog | printable
    errors
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
from bulketl.survey.explain import statements
from bulketl.survey.planning import compare_with_last, make_plan
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
