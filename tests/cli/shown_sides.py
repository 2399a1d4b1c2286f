"""What is compared, certified and on record, as golden screens show it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from shown_base import AT, HEAD, LATER, LONG, MANY, ODD, RUN, SCHEMA, SOURCE, Made, tier_of

from bulketl.cli.screens import (
    certificate_page,
    certificates,
    records,
    rejects,
    verdicts,
)
from bulketl.errors import SourceError
from bulketl.operations.rejects import Retried
from bulketl.postgres.compare.chain import ChainVerdict
from bulketl.postgres.ledger.rejects import RejectCount, Rejected
from bulketl.postgres.ledger.states import TableState
from bulketl.postgres.write.retention import Expired
from bulketl.tables.part import Part
from bulketl.verifying.months import History, MonthPair, TableHistory
from bulketl.verifying.pairs import Difference, PairResult
from bulketl.verifying.verdicts import Figure, Repaired, RowFinding, TableVerdict, Verification

# Verifications

PAYMENT = TableVerdict(
    "payment",
    "critical",
    "rows",
    20_000,
    19_998,
    2,
    1,
    published=AT,
    rows=(RowFinding(("17",), "missing"), RowFinding(("18",), "missing"), RowFinding(("4711",), "differs", ("PayAmt",))),
)
VERIFIED = Verification(
    SOURCE,
    SCHEMA,
    "rows",
    (
        TableVerdict(
            ODD, "reference", "rows", 300, 301, doubled=1, published=AT, rows=(RowFinding(("row c1a371167318",), "doubled"),)
        ),
        PAYMENT,
        TableVerdict(
            "patient",
            "critical",
            "rows",
            5000,
            5000,
            differing=14,
            newer=1,
            published=AT,
            cursor="SecDateTEdit",
            rows=tuple(RowFinding((str(n),), "differs", ("LName", "Birthdate")) for n in range(10)),
        ),
        TableVerdict("securitylog", "audit", "rows", 90, 97, kept=7, kept_edited=3, published=AT),
        TableVerdict(LONG, "important", "rows", problem="it is not in the target: it was never loaded"),
        TableVerdict("clinic", "reference", "rows", 3, 3, published=AT, rejected=1),
    ),
    seconds=1.9,
    notes=("new_table is not verified: new at the source",),
)


def verified(level: Any, *tables: TableVerdict, **more: Any) -> Verification:
    return Verification(SOURCE, SCHEMA, level, tables, seconds=2.0, **more)


WRONG = [
    TableVerdict(
        name,
        tier_of(n),
        "rows",
        50,
        50,
        differing=12,
        published=AT,
        rows=tuple(RowFinding((str(row),), "differs", ("c",)) for row in range(10)),
    )
    if n % 8 == 0
    else TableVerdict(name, tier_of(n), "rows", 50, 50, newer=n % 3)
    for n, name in enumerate(MANY)
]
VERIFICATIONS: dict[str, Made] = {
    "differs": lambda v: verdicts.verification(VERIFIED, v),
    "many": lambda v: verdicts.verification(verified("rows", *WRONG), v),
    "all-equal": lambda v: verdicts.verification(
        verified("keys", *(TableVerdict(n, "audit", "keys", 5, 5) for n in MANY)), v
    ),
    "nothing-loaded": lambda v: verdicts.verification(
        verified(
            "rows", *(TableVerdict(n, "audit", "rows", problem="it is not in the target: it was never loaded") for n in MANY)
        ),
        v,
    ),
    "one": lambda v: verdicts.verification(verified("count", TableVerdict("patient", "critical", "count", 1, 1)), v),
    "sums": lambda v: verdicts.verification(
        verified(
            "sums",
            TableVerdict("t", "audit", "sums", 9, 9, figures=(Figure("fee", "sum", "10.50", "10.00"),)),
            sample=0.05,
            seed=7,
        ),
        v,
    ),
    "repaired": lambda v: verdicts.verification(
        verified(
            "rows",
            PAYMENT,
            run=RUN,
            repaired=(Repaired("payment", 3, 1),),
            again=(TableVerdict("payment", "critical", "rows", 20_000, 20_000),),
        ),
        v,
    ),
}

# Certificates

ABOUT = {
    "run": RUN,
    "source": SOURCE,
    "schema_name": SCHEMA,
    "host": "warehouse",
    "version": "0.1.0",
    "started_at": AT,
    "finished_at": "2026-11-27 01:13:25+00",
    "outcome": "done",
    "certified": True,
    "why": [],
    "since": [],
}
BARE: dict[str, Any] = {
    "certified": True,
    "ranges": 3,
    "figures": {"rows": "1203", "a count": "1203"},
    "differ_at_the_source": {},
    "differ_in_the_target": [],
    "tier": "critical",
    "outcome": "loaded",
    "rejects": 0,
    "why": "",
}


def of(**more: Any) -> dict[str, Any]:
    return {**BARE, **more}


MARKUP = "<script>alert('x')</script>&amp;"
DOUBTFUL = {
    "claimproc": of(
        certified=False,
        outcome="failed",
        figures={},
        ranges=0,
        why="table 'claimproc': source went away: Lost connection to server during query",
    ),
    MARKUP: of(certified=False, rejects=10, why="10 rows rejected", tier="important"),
    ODD: of(certified=False, differ_in_the_target=["fee sum", "fee max"], why="the target differs", tier="reference"),
    LONG: of(
        certified=False,
        differ_at_the_source={str(n): ["rows", "note length"] for n in range(7)},
        tier="important",
        why="the source differs in 7 ranges",
        figures={"rows": "1000000"},
    ),
    "patient": of(),
    "clinic": of(certified=None, outcome="unchanged", figures={}, ranges=0, tier="reference"),
}
AGAINST = {
    **ABOUT,
    "certified": False,
    "outcome": "partly done",
    "why": [
        "1 table failed: `claimproc`",
        f"10 rows were rejected in `{MARKUP}`",
        "the figures of 2 tables differ: `n`, `ehr`",
    ],
}
CERTIFICATES: dict[str, Made] = {
    "certified": lambda v: certificates.certificate(ABOUT, {"patient": BARE, LONG: of(tier="important")}, v),
    "not-certified": lambda v: certificates.certificate(AGAINST, DOUBTFUL, v),
    "many": lambda v: certificates.certificate(ABOUT, {name: of(tier=tier_of(n)) for n, name in enumerate(MANY)}, v),
}
PAGES: dict[str, Made] = {
    "certified": lambda v: certificate_page.page(
        {**ABOUT, "since": ["1 table was loaded again since: `patient`"]}, {"patient": BARE, LONG: of(tier="important")}
    ),
    "not-certified": lambda v: certificate_page.page(AGAINST, DOUBTFUL),
}

# What is on record

STATES = [
    TableState(SOURCE, SCHEMA, "patient", "SecDateTEdit", "timestamp", "2026-11-26 22:59:58", 5000, RUN, AT, AT),
    TableState(SOURCE, SCHEMA, LONG, "", "", "", 1_000_000, RUN, AT, ""),
    TableState("", SCHEMA, ODD, "", "", "", None, RUN, AT, ""),
]
PART = TableState(SOURCE, SCHEMA, "patient", "", "", "", 1213, RUN, AT, "", Part(1000, 1000, 213).words)
CHAINS = [
    ChainVerdict(SOURCE, SCHEMA, "securitylog", 12, 90, HEAD),
    ChainVerdict(SOURCE, SCHEMA, LONG, 12, 90, HEAD, "3 rows are not as they were loaded by run 20261126-011200-a1b2"),
    ChainVerdict(SOURCE, SCHEMA, "old_log", 1, 1, HEAD, ended="2026-10-01 01:12:40+00"),
]
EXPIRED = [
    Expired(SOURCE, SCHEMA, "patient", "At", "2025-11-27", 0, "delete"),
    Expired(SOURCE, SCHEMA, LONG, "At", "2019-11-27", 1, "archive", f"archive/raw/{LONG}/2019-11-27.parquet"),
]
COUNTS = [
    RejectCount(RUN, SOURCE, SCHEMA, "patient", "Birthdate", "is no date", 3, 3, True),
    RejectCount(RUN, SOURCE, SCHEMA, LONG, "PatStatus", "does not fit boolean", 10, 0, False),
]
REJECTED = [
    Rejected(RUN, SOURCE, SCHEMA, "patient", "Birthdate", "31.02.2026", "is no date", {"PatNum": 4711}, {}, "", AT),
    Rejected(RUN, SOURCE, SCHEMA, ODD, "Note", None, "is NULL", {"a": 1, "b": "\x07"}, {}, LATER, AT),
]
RETRIED = [Retried(SOURCE, SCHEMA, "patient", 3, 2, 1), Retried(SOURCE, SCHEMA, LONG, 0)]
RECORDS: dict[str, dict[str, Made]] = {
    "records-states": {
        "some": lambda v: records.states(STATES),
        "none": lambda v: records.states([]),
        "parts": lambda v: records.states([*STATES, PART]),
    },
    "records-state": {
        "one": lambda v: records.state(STATES[0]),
        "forgotten": lambda v: records.state(STATES[2]),
        "part": lambda v: records.state(PART),
    },
    "records-verdicts": {
        "altered": lambda v: records.verdicts(CHAINS),
        "one": lambda v: records.verdicts(CHAINS[:1]),
        "none": lambda v: records.verdicts([]),
    },
    "records-expired": {
        "done": lambda v: records.expired(EXPIRED, done=True),
        "looked": lambda v: records.expired(EXPIRED, done=False),
        "none": lambda v: records.expired([], done=True),
    },
    "rejects-counts": {"some": lambda v: rejects.counts(COUNTS), "none": lambda v: rejects.counts([])},
    "rejects-rows": {
        "some": lambda v: rejects.rows(REJECTED, 20),
        "first": lambda v: rejects.rows(REJECTED, 2),
        "none": lambda v: rejects.rows([], 20),
    },
    "rejects-retried": {"some": lambda v: rejects.retried(RETRIED), "none": lambda v: rejects.retried([])},
}

# Both sides compared

MONTHS = (*(MonthPair(202401 + n, 10, 10 - n % 2) for n in range(12)), MonthPair(None, 2, 1, invalid=1))
SUMS = (MonthPair(202401, 5, 5, sums=(("fee", Decimal("1.5"), None),)),)
YEARS = History(
    dt.datetime(2026, 11, 27, tzinfo=dt.UTC),
    SOURCE,
    SCHEMA,
    (
        TableHistory("payment", "PayDate", MONTHS),
        TableHistory(LONG, "At", SUMS),
        TableHistory("claim", "At", SUMS[:0]),
        TableHistory(ODD, "At", error="the source does not answer"),
        *(TableHistory(name, skipped="no date column") for name in MANY[:60]),
    ),
)
EQUAL = History(dt.datetime(2026, 11, 27, tzinfo=dt.UTC), SOURCE, SCHEMA, (TableHistory("t", "At", ()),))
DIFFERS = PairResult(
    "revenue",
    "fail",
    ("day",),
    {"since": dt.date(2026, 1, 1)},
    365,
    tuple(
        Difference((dt.datetime(2026, 1, 1) + dt.timedelta(n),), "sum", Decimal("10.50"), Decimal("9.00")) for n in range(30)
    ),
)
PAIRED = [
    PairResult("visits", "fail", (), None, 1),
    PairResult(LONG, "warn", ("day", "kind"), None, 3, (Difference((Decimal(1), None), missing="target"),)),
    PairResult("broken", "fail", error=SourceError("no such column 'x'", hint="correct the SELECT of the pair")),
    DIFFERS,
]
