"""Loads and plans that golden screens show."""

from __future__ import annotations

import dataclasses
from typing import Any

from shown_base import HASHES, LONG, MANY, ODD, RUN, SCHEMA, SOURCE, Made, tier_of

from bulketl.cli.screens import (
    plans,
    summary,
)
from bulketl.loading.certificate import Certificate
from bulketl.loading.summary import HookSummary, Summary, TableSummary
from bulketl.plan.partial import line
from bulketl.plan.plan import Group, Leftover, Plan, Refusal, Skip, TableLoad
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import Other
from bulketl.tables.part import Part
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

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
    loaded(
        LONG,
        "important",
        1_000_000,
        before=1_004_000,
        consistency="best effort",
        overdue=True,
        seconds=372.0,
        unmet="loaded whole, though its rule says incremental: it has no primary key to merge by",
    ),
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
        message="new at the source, and no rule names it; `bulketl discover --write` "
        "adds a rule, and new_tables: load loads new tables at once",
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


def hooked() -> Summary:
    found = run_of(loaded("patient", "critical", 1203, inserted=12, updated=33, unchanged=1158, deleted=0))
    late = "was ended after 60 s: Waiting for the lock (at table_published of patient)"
    found.hooks = {"dbt": HookSummary(1, 0, 1843.2), "refresh": HookSummary(12, 1, 63.0, late)}
    return found


SUMMARIES: dict[str, Made] = {
    "limited": lambda v: summary.summary(limited_run(), v),
    "night": lambda v: summary.summary(NIGHT, v),
    "night-verbose": lambda v: summary.summary(NIGHT, True),
    "hooks": lambda v: summary.summary(hooked(), v),
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


def brought_plan() -> Plan:
    """Return the plan of a table to which a rule gives other names, and of which it takes some rows."""
    load = planned("pay_split", spec={"where": "SplitAmt > 0 AND Note LIKE '%a'", "origin": "PaySplit"})
    casts = tuple(dataclasses.replace(item, name=f"the {item.column}") for item in load.spec.casts)
    reason = (
        "full load: one read; PaySplit at the source; only the rows for which its rule's where holds; 3 of its 9 columns"
    )
    return plan_of(dataclasses.replace(load, spec=dataclasses.replace(load.spec, casts=casts), reason=reason))


PARTS = {"patient": Part(1000, 1000, 213), "procedurelog": Part(1000, 1000), "allergydef": Part(1000, 17, complete=True)}


def limited_plan() -> Plan:
    """Return the plan of a development copy: a part with rows that others refer to, one without, and a whole table."""
    loads = [planned(name, rows=part.all, spec={"part": part}, part=part.words) for name, part in PARTS.items()]
    return plan_of(*(dataclasses.replace(load, reason=f"full load: 1 range of id; {load.part}") for load in loads))


def limited_run() -> Summary:
    """Return what became of it."""
    tables = (loaded(name, rows=part.all, part=part.words) for name, part in PARTS.items())
    return run_of(*tables, notes=(line(SCHEMA, PARTS),))


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
    "brought": lambda v: plans.plan(brought_plan(), v),
    "limited": lambda v: plans.plan(limited_plan(), v),
    "unchanged": lambda v: plans.plan(plan_of(skipped=(Skip("t", "audit", "its 3 rows are the same", HASHES),)), v),
}
