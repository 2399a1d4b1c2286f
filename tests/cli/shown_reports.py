"""Reports, as golden screens show them."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import HEAD, LONG, ODD, SCHEMA, SOURCE, Made

from bulketl.cli.screens import reports
from bulketl.operations.dashboard.lines import Line
from bulketl.operations.dashboard.runpage import RunPage
from bulketl.operations.history.runs import RunEntry
from bulketl.operations.reports.compliance import AuditedTable, Compliance
from bulketl.operations.reports.incident import Affected, Deed, IncidentReport
from bulketl.operations.reports.run import RunReport
from bulketl.postgres.compare.chain import ChainVerdict
from bulketl.postgres.ledger.audits import AuditRecord
from bulketl.postgres.ledger.incidentreports import WellLoad
from bulketl.postgres.ledger.runlist import TableEnd

AT = dt.datetime(2026, 11, 27, 5, 10, tzinfo=dt.UTC)


def audited(name: str, problem: str = "", changed: int = 0, failed: str = "") -> AuditedTable:
    last = "failed" if failed else "loaded"
    record = AuditRecord(name, SOURCE, 31, 0, 31, AT, AT, last, "run", changed, changed // 2, 0, 31, AT)
    chain = ChainVerdict(SOURCE, SCHEMA, name, 31, 1_204_311, HEAD, problem)
    return AuditedTable(record, chain, None, failed, 0, None, "kept for ever", False, ())


SINCE = AT - dt.timedelta(days=31)
WELL = Compliance(
    SCHEMA, SOURCE, SINCE, AT, AT, "etl-2", "0.1.0", (audited("securitylog"),), (), (), "", (), HEAD[:16]
)  # fmt: skip
WRONG = dataclasses.replace(
    WELL,
    tables=(
        audited("etrans", "rows in it are not as they were loaded"),
        audited(LONG, changed=1102),
        audited(ODD, failed="the target refused it: SQLSTATE 23514"),
    ),
    unaudited=("hl7msg",),
    signer="",
)
RUN = RunEntry(
    "20261127-020000-k3vd", "load", "partly done", "etl-2", "0.1.0", SOURCE, SCHEMA, AT, AT + dt.timedelta(minutes=41),
    2460.0, 17_805_331, 12, {"loaded": 429, "failed": 3}, ("claimproc",), "", False,
)  # fmt: skip
BEFORE = WellLoad("20261126-020000-p2xa", "load", "etl-2", AT - dt.timedelta(days=1))
SINCE_THEN = WellLoad("20261127-090000-m5qe", "load", "etl-2", AT + dt.timedelta(hours=4))
HIT = (
    Affected("claimproc", "critical", "failed", "the target refused it: SQLSTATE 23514", "drop the CHECK", BEFORE, None),
    Affected(ODD, "reference", "not reached", "the run ended before it was loaded", "`bulketl load --resume R`", None, None),
    Affected(LONG, "important", "not certified", "its certificate does not agree with the source", "", BEFORE, SINCE_THEN),
)
DEEDS = (
    Deed(AT, "bulketl on etl-2", f"began load {RUN.run}, version 0.1.0"),
    Deed(AT + dt.timedelta(minutes=2), "bulketl", "told pager of alert 12 (open)"),
    Deed(None, "maria", "took on alert 12 until 2026-11-27 09:10 UTC"),
)
EVENTS = (Line(7, AT, "claimproc", "failed", "bad", "the target refused it: SQLSTATE 23514"),)
INCIDENT = IncidentReport(SCHEMA, RUN, 432, HIT, DEEDS, EVENTS, 1380, AT, "jan@etl-2", "etl-2", "0.1.0", 7)
ENDS = [
    TableEnd("claimproc", "critical", "failed", 0, 0, 31.0, "", "drop the CHECK"),
    TableEnd(LONG, "important", "loaded", 1200, 0, 3.2, "", ""),
]
OF_RUN = RunReport(
    SCHEMA, RunPage(RUN, "failed", ENDS, EVENTS, 1380, False, {"claimproc": "the target refused it: SQLSTATE 23514"}),
    AT, "etl-2", "0.1.0",
)  # fmt: skip
INCIDENTS: dict[str, Made] = {
    "left": lambda v: reports.incident(INCIDENT, "incident.html"),
    "many": lambda v: reports.incident(
        dataclasses.replace(INCIDENT, affected=HIT[:1] * 40, deeds=DEEDS * 10, number=None), ""
    ),
    "nothing": lambda v: reports.incident(dataclasses.replace(INCIDENT, affected=()), ""),
}
RUNS: dict[str, Made] = {"failed": lambda v: reports.one_run(OF_RUN, "")}
REPORTED: dict[str, Made] = {
    "well": lambda v: reports.compliance(WELL, "compliance.html"),
    "wrong": lambda v: reports.compliance(WRONG, ""),
    "uncounted": lambda v: reports.compliance(dataclasses.replace(WELL, uncounted="the source does not answer"), ""),
    "nothing": lambda v: reports.compliance(dataclasses.replace(WELL, tables=()), ""),
}
