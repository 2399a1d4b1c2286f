"""What the docs show, as it goes into a pipe."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal

from shown_base import HASHES, SCHEMA
from shown_loads import SUMMARIES, loaded, run_of
from shown_sides import ABOUT, CERTIFICATES, PAYMENT, VERIFICATIONS, of

from bulketl.cli.screens import (
    certificates,
    summary,
    verdicts,
)
from bulketl.verifying.months import History, MonthPair, TableHistory
from bulketl.verifying.pairs import Difference, PairResult
from bulketl.verifying.verdicts import Repaired, RowFinding, TableVerdict, Verification

# What the docs show

CLINIC = "mysql://db.example:3306/clinic"
THEN = "2026-11-24 03:32:07+00"
FOUND = (
    TableVerdict(
        "log", "reference", "rows", 300, 301, doubled=1, published=THEN, rows=(RowFinding(("row c1a371167318",), "doubled"),)
    ),
    TableVerdict(
        "patient",
        "reference",
        "rows",
        5000,
        5000,
        differing=1,
        newer=1,
        published=THEN,
        cursor="DateTStamp",
        rows=(RowFinding(("12",), "differs", ("LName", "Birthdate")),),
    ),
    TableVerdict("payment", "reference", "rows", 20_000, 19_998, 2, 1, published=THEN, rows=PAYMENT.rows),
)
IN_DOCS = Verification(CLINIC, SCHEMA, "rows", FOUND, seconds=1.9)
AGAIN = tuple(TableVerdict(item.table, item.tier, "rows", item.compared, item.compared) for item in FOUND)
MENDED = (Repaired("log", whole=True), Repaired("patient", 1), Repaired("payment", 3))
VERIFICATIONS["docs"] = lambda v: verdicts.verification(IN_DOCS, v)
VERIFICATIONS["docs-repaired"] = lambda v: verdicts.verification(
    dataclasses.replace(IN_DOCS, seconds=7.1, run="20261124-033234-aec5", repaired=MENDED, again=AGAIN), v
)
LOADED = run_of(
    loaded("patient", "critical", 1203, inserted=12, updated=33, unchanged=1158, deleted=0),
    loaded(
        "claimproc",
        "critical",
        0,
        outcome="failed",
        rejects=10,
        message="table 'claimproc': 10 rows rejected, and max_rejects is 0",
        hint="correct them at the source, change the column's cast, or raise max_rejects",
    ),
    loaded(
        "claim",
        "critical",
        40,
        inserted=1,
        updated=2,
        unchanged=37,
        deleted=0,
        compared={"missing": 0, "differing": 1, "gone": 4000},
        deletes="mirror",
    ),
    loaded("securitylog", "audit", 300, inserted=300, updated=0, deleted=0, noted={"delete": 4, "update": 3}),
    *(loaded(f"def_{n}", "reference", 0, outcome="unchanged", proof=HASHES) for n in range(428)),
    source=CLINIC,
)
SUMMARIES["docs"] = lambda v: summary.summary(LOADED, v)
PROOF = {
    name: of(tier="reference", ranges=1, figures=dict.fromkeys(map(str, range(figures - 1)), "1") | {"rows": str(rows)})
    for name, figures, rows in (("appointment", 131, 7962), ("patient", 267, 3293), ("provider", 143, 5))
}
CERTIFICATES["docs"] = lambda v: certificates.certificate({**ABOUT, "source": CLINIC}, PROOF, v)
PROCEDURES = tuple(
    Difference((f"2024-{month}",), name, Decimal(one), Decimal(other))
    for month, name, one, other in (
        ("04", "procedures", "739", "580"),
        ("04", "fees", "65547.166666667", "51159.876666667"),
        ("05", "procedures", "810", "374"),
        ("05", "fees", "76422.643333333", "34599.39"),
    )
)
SINCE_THEN = {"since": dt.date(2023, 11, 24)}
DOC_PAIRS = [
    PairResult("procedures", "fail", ("month",), SINCE_THEN, 20, PROCEDURES),
    PairResult("patients", "fail", (), None, 7),
]


def months_of(count: int, *differing: MonthPair) -> tuple[MonthPair, ...]:
    return (*(MonthPair(190001 + n, 1, 1) for n in range(count - len(differing))), *differing)


def sums(count: int) -> tuple[tuple[str, Decimal | None, Decimal | None], ...]:
    return tuple((str(n), Decimal(1), Decimal(2)) for n in range(count))


DOC_YEARS = History(
    dt.datetime(2026, 11, 24, tzinfo=dt.UTC),
    CLINIC,
    SCHEMA,
    (
        TableHistory(
            "payment",
            "SecDateTEdit",
            months_of(97, MonthPair(201706, 9, 9, sums=(("PayAmt", Decimal("14773.01"), Decimal("14773.02")),))),
        ),
        TableHistory("paysplit", "SecDateTEdit", months_of(97, MonthPair(202103, 1360, 1420, sums=sums(16)))),
        TableHistory("procedurelog", "DateTStamp", months_of(97, MonthPair(202405, 703, 0, sums=sums(39)))),
        TableHistory("securitylog", "LogDateTime", months_of(99, MonthPair(201706, 2907, 2904, sums=sums(8)))),
        TableHistory("recall", "DateTStamp", months_of(97)),
        TableHistory("perioexam", "ExamDate", months_of(97)),
    ),
)
DOCS = {  # the page on which a screen stands as it goes into a pipe
    "verify.md": [("verdicts-verification", "docs"), ("verdicts-verification", "docs-repaired")],
    "running.md": [("summary-summary", "docs")],
    "status.md": [
        ("status-status", "docs"),
        ("history-runs", "docs"),
        ("history-timeline", "docs"),
        ("history-nights", "docs"),
    ],
    "proof.md": [("certificates-certificate", "docs")],
    "bringing.md": [("sources-loads", "docs")],
    "agreeing.md": [("pairs-pairs", "docs"), ("months-history", "docs")],
}
