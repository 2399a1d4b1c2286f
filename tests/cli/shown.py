"""What the golden screens show: values as acts return them, made up, with names that are long, odd or many."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from bulketl.cli.screens import (
    casts,
    certificate_page,
    certificates,
    common,
    months,
    pairs,
    plans,
    records,
    rejects,
    rules,
    summary,
    verdicts,
)
from bulketl.errors import ConfigError, SourceError
from bulketl.loading.certificate import Certificate
from bulketl.loading.summary import Summary, TableSummary
from bulketl.operations.rejects import Retried
from bulketl.plan.plan import Group, Leftover, Plan, Refusal, Skip, TableLoad
from bulketl.postgres.compare.chain import ChainVerdict
from bulketl.postgres.ledger.rejects import RejectCount, Rejected
from bulketl.postgres.ledger.states import TableState
from bulketl.postgres.write.retention import Expired
from bulketl.survey.findings import Finding
from bulketl.survey.proposals import Proposal
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import Other
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TIERS, TableSpec
from bulketl.verifying.months import History, MonthPair, TableHistory
from bulketl.verifying.pairs import Difference, PairResult
from bulketl.verifying.verdicts import Figure, Repaired, RowFinding, TableVerdict, Verification

SOURCE, SCHEMA, RUN = "mysql://clinic:3306/opendental", "raw", "20261127-011200-c3d4"
LATER = "20261128-011200-e5f6"
AT = "2026-11-27 01:12:40+00"
LONG = "ehrquarterlykey_of_every_provider_since_the_first_day"
ODD = "n\nforged line\x1b[31m"
HEAD = "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e"
MANY = [f"table_{n:03d}" for n in range(432)]
HASHES = "equal hashes on both servers"
Made = Callable[[bool], Any]  # takes whether much is asked for


def tier_of(n: int) -> str:
    return TIERS[0 if n < 12 else 1 if n < 60 else 2 if n < 70 else 3]


# Loads


def loaded(name: str, tier: str = "reference", rows: int = 1000, **more: Any) -> TableSummary:
    given = {"outcome": "loaded", "bytes": rows * 97, "seconds": rows / 90_000, **more}
    given = {"consistency": "snapshot" if given["outcome"] == "loaded" else "", **given}
    return TableSummary(name, tier, rows, rows=rows, **given)


def run_of(*tables: TableSummary, **more: Any) -> Summary:
    found = Summary()
    found.run, found.source, found.schema, found.seconds = RUN, SOURCE, SCHEMA, 45.1
    found.tables = {item.table: item for item in tables}
    for key, value in more.items():
        setattr(found, key, value)
    return found


FAILED = loaded(
    "claimproc",
    "critical",
    0,
    outcome="failed",
    rejects=10,
    message="table 'claimproc': 10 rows rejected, and max_rejects is 0",
    hint=f"`bulketl rejects show claimproc --run {RUN}` shows them; correct them at the source, change the column's cast, "
    "or raise max_rejects",
)
NIGHT = run_of(
    loaded("patient", "critical", 1203, inserted=12, updated=33, unchanged=1158, deleted=0),
    FAILED,
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
    loaded(
        "securitylog",
        "audit",
        300,
        inserted=300,
        updated=0,
        deleted=0,
        compared={"missing": 0, "differing": 3, "gone": 4},
        noted={"delete": 4, "update": 3},
        deletes="ignore",
    ),
    loaded(LONG, "important", 1_000_000, before=1_004_000, consistency="best effort", overdue=True, seconds=372.0),
    loaded(ODD, "important", 17, before=17, rejects=1, drift=("+ Email text", "- Fax", "~ Note varchar(10) -> text")),
    loaded(
        "document",
        "important",
        5000,
        before=0,
        changed={"Note": {"NUL byte stripped": 4}, "At": {"zero date to NULL": 3}},
        checks={"warn": {"not_null(PatNum)": 3.0}},
    ),
    loaded(
        "new_table",
        "reference",
        0,
        outcome="skipped",
        message="new at the source; `bulketl discover --write` "
        "adds it to the rules, new_tables: load takes such tables at once",
    ),
    loaded("clinic", "reference", 0, outcome="unchanged", proof=HASHES, message="its 3 rows are the same on both servers"),
    notes=("1 table in schema raw is no longer loaded and grows stale: old_claim (excluded, last loaded 2026-10-01)",),
    left_out=(Other("view", "v_patient"),),
    source_work={"of": "account", "rows_read": 1_006_560, "bytes_sent": 97_636_320, "server_lock_waits": 1},
)


def many() -> Summary:
    tables = [
        loaded(name, tier_of(n), n * 7, inserted=n % 5, updated=n % 3, unchanged=n, deleted=n % 2)
        if n % 4
        else loaded(name, tier_of(n), 0, outcome="unchanged", proof=HASHES)
        for n, name in enumerate(MANY)
    ]
    lost = "source mysql://clinic:3306/opendental went away: Lost connection to server during query"
    for n in (40, 41, 42, 43):
        tables[n] = loaded(
            MANY[n], tier_of(n), 0, outcome="failed", message=f"table {MANY[n]!r}: {lost}", hint="load it again"
        )
    for n in range(70, 100):  # more of them than there is room for
        tables[n].changed = {f"c{n}": {"zero date to NULL": n}}
    return run_of(*tables)


def uncertified() -> Summary:
    good, bad = loaded("t", rows=9, before=9), loaded("u", rows=9, before=8)
    good.certificate = Certificate({"rows": "9"}, {"rows": "9"}, {0: ()})
    bad.certificate = Certificate({"rows": "9"}, {"rows": "8"}, {0: ()}, ("rows",))
    return run_of(good, bad)


SUMMARIES: dict[str, Made] = {
    "night": lambda v: summary.summary(NIGHT, v),
    "night-verbose": lambda v: summary.summary(NIGHT, True),
    "many": lambda v: summary.summary(many(), v),
    "one": lambda v: summary.summary(run_of(loaded("patient", "critical", 1, before=0)), v),
    "stopped": lambda v: summary.summary(run_of(loaded("a"), loaded("b", rows=0, outcome="unfinished")), v),
    "not-certified": lambda v: summary.summary(uncertified(), v),
    "nothing": lambda v: summary.summary(Summary(), v),
}

# Plans


def cast(column: str, source: str, target: str) -> Cast:
    return Cast(column, source, target, "string", "c", "", nullable=True, guarded=False)


def planned(name: str, tier: str = "reference", rows: int = 1000, **more: Any) -> TableLoad:
    spec = {"publish": "refill", "source": SOURCE, "consistency": "snapshot", **more.pop("spec", {})}
    columns = (cast("id", "int(11)", "integer"), cast("note", "text", "text"), cast("ok", "tinyint(1)", "boolean"))
    given = {"reason": "full load: one read; small, so emptied and refilled in one transaction", "seconds": 0.2, **more}
    table = TableSpec(name, SCHEMA, columns, ("id",), **spec)
    return TableLoad(table, given.pop("partitions", (Partition(0),)), tier, rows=rows, bytes=rows * 97, **given)  # type: ignore[arg-type]


def plan_of(*loads: TableLoad, **more: Any) -> Plan:
    return Plan(SOURCE, SCHEMA, "the server's, SYSTEM (UTC)", tuple(Group(load.tier, (load,)) for load in loads), **more)


EVENING = plan_of(
    planned(
        "patient",
        "critical",
        5000,
        spec={"whole": False, "publish": "merge"},
        drift=("+ Email text",),
        reason="incremental: SecDateTEdit from 2026-11-26 22:59:58 on",
    ),
    planned(
        LONG,
        "important",
        3_000_000,
        spec={"publish": "swap"},
        partitions=tuple(Partition(n) for n in range(9)),
        hanging=("view report.keys", "grant SELECT to analyst"),
        reason="full load: 9 ranges of id",
        after=("patient",),
        declared=("ok: boolean",),
    ),
    planned(ODD, "audit", 12, spec={"consistency": "locked"}),
    refused=(
        Refusal("image", "reference", "table 'image': it has a column of type geometry", "exclude_columns leaves it out"),
    ),
    skipped=(
        Skip("new_table", "reference", "new at the source"),
        Skip("clinic", "reference", "its 3 rows are the same", HASHES),
    ),
    left_out=(Other("view", "v_patient"),),
    leftovers=(Leftover("old_claim", "excluded", "2026-10-01"),),
)


def big_plan() -> Plan:
    loads = [
        planned(name, tier_of(n), n * 50, drift=("+ Email text",) if n % 100 == 1 else ()) for n, name in enumerate(MANY)
    ]
    same = tuple(Skip(f"same_{n}", "reference", f"its {n} rows are the same", HASHES) for n in range(60))
    refused = tuple(
        Refusal(
            f"no_{n}",
            "important",
            f"table 'no_{n}': schema raw holds a table of that name that bulketl did not make",
            "`--adopt` takes it over",
        )
        for n in range(50)
    )
    return plan_of(*loads, skipped=same, refused=refused)


PLANS: dict[str, Made] = {
    "evening": lambda v: plans.plan(EVENING, v),
    "many": lambda v: plans.plan(big_plan(), v),
    "one": lambda v: plans.plan(plan_of(planned("patient", rows=1)), v),
    "unchanged": lambda v: plans.plan(plan_of(skipped=(Skip("t", "audit", "its 3 rows are the same", HASHES),)), v),
}

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
    "records-states": {"some": lambda v: records.states(STATES), "none": lambda v: records.states([])},
    "records-state": {"one": lambda v: records.state(STATES[0]), "forgotten": lambda v: records.state(STATES[2])},
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
    "proof.md": [("certificates-certificate", "docs")],
    "agreeing.md": [("pairs-pairs", "docs"), ("months-history", "docs")],
}

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
FINDING = Finding(LONG, "error", "its cursor At is no column of it", "the table fails in every load", "name another cursor")

SCREENS: dict[str, dict[str, Made]] = {
    "summary-summary": SUMMARIES,
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
    "months-history": {
        "docs": lambda v: months.history(DOC_YEARS),
        "differs": lambda v: months.history(YEARS),
        "equal": lambda v: months.history(EQUAL),
    },
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
    "rules-counted": {"one": lambda v: rules.counted([PROPOSAL])},
    "rules-changes": {"some": lambda v: rules.changes(["+ table u", "- table gone", "~ t.c int -> bigint"])},
    "rules-findings": {"some": lambda v: rules.findings([FINDING]), "none": lambda v: rules.findings([])},
    "rules-fixed": {
        "some": lambda v: rules.fixed(Path("config/tables.yaml"), {"t": {"incremental_column": "At"}}),
        "none": lambda v: rules.fixed(Path("config/tables.yaml"), {}),
    },
    "common-error": {"hint": lambda v: common.error(ConfigError(f"there is no tier {LONG!r}", hint="the tiers are a, b"))},
}
