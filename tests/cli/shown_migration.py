"""How tables come over from an older pipeline, as golden screens show it."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import ODD, Made

from bulketl.cli.screens import migration
from bulketl.operations.migrate.importing import Imported
from bulketl.operations.migrate.moves import moves
from bulketl.operations.migrate.ready import Readiness
from bulketl.operations.migrate.sides import Sides
from bulketl.operations.migrate.status import MigrationStatus
from bulketl.operations.migrate.weeks import Goal, Week
from bulketl.postgres.ledger.handovers import Handover
from bulketl.postgres.ledger.legacyruns import LegacyRun
from bulketl.tables.owner import Owner

AT = dt.datetime(2026, 11, 27, 2, 10, tzinfo=dt.UTC)
NAMES = ("claim", "claimproc", "patient", "payment", "paysplit")
RAN = LegacyRun(AT, 3723.4, 0, "python ended with 0", NAMES, NAMES[1:], (), "logs/legacy-20261127-021000.log", "etl@clinic")
LIED = RAN._replace(loaded=NAMES[:1], failed=NAMES[1:])
HUNG = RAN._replace(code=None, how="python was ended after 2.16e+04 s", loaded=(), seconds=21600.0)
ELSEWHERE = RAN._replace(seconds=0.0, code=None, log="", how="is started elsewhere; it keeps no books here", loaded=())

LEGACY_RUNS: dict[str, Made] = {
    "well": lambda v: migration.legacy_run(RAN),
    "lied": lambda v: migration.legacy_run(LIED),
    "hung": lambda v: migration.legacy_run(HUNG),
    "elsewhere": lambda v: migration.legacy_run(ELSEWHERE),
}
OWNERS: dict[str, Owner] = {"claim": "legacy", "patient": "bulketl", "payment": "shadow"}
MET = Goal("tables load well", True, "2 of 2 were well in their last load")
NOT_MET = Goal("data quality above 99%", False, f"the lowest is 98.76%, of {ODD}")
UNKNOWN = Goal("failures recover by themselves", None, "nothing has failed in 30 days; 3 were tried again within a load")
WEEKS = (
    Week(1, "the first critical tables", ("patient",), 1, 0, (MET,)),
    Week(2, "critical and important tables", ("patient", "payment"), 1, 1, (MET, NOT_MET, UNKNOWN)),
    Week(3, "with audit tables", ("claim",), 0, 0, (NOT_MET,)),
)
READY = {"payment": Readiness("payment", 3, 7, "differs", AT)}
UNTOLD = (Handover(1, "20261126-020000-k3fz", "promote", ["patient"], {}, AT, 3, AT, "curl ended with 7"),)
STATUS = MigrationStatus("raw", "raw_shadow", AT, OWNERS, WEEKS, READY, UNTOLD, LIED, "")
ABLE = dataclasses.replace(STATUS, ready={"payment": Readiness("payment", 7, 7, "waived", AT)})

BEGUN = MigrationStatus("raw", "raw_shadow", AT, {}, (), {}, (), None, "")

STATUSES: dict[str, Made] = {
    "under-way": lambda v: migration.status(STATUS, v),
    "no-rules": lambda v: migration.status(
        MigrationStatus("raw", "raw_shadow", AT, {}, (), {}, (), None, "there are no rules"), v
    ),
}
AGAINST = (("payment", 'has to stay, and CHECK constraint "paid" refuses 3 rows; is read by view v'),)
MOVES: dict[str, Made] = {
    "some": lambda v: migration.plan(moves(STATUS), STATUS.ready),
    "ready": lambda v: migration.plan(moves(ABLE), ABLE.ready),
    "against": lambda v: migration.plan([moves(ABLE)[0]._replace(against=AGAINST)], ABLE.ready),
    "untried": lambda v: migration.plan([moves(ABLE)[0]._replace(untried="permission denied")], ABLE.ready),
    "nothing": lambda v: migration.plan([], {}),
}
IMPORTED: dict[str, Made] = {
    "some": lambda v: migration.imported(
        [
            Imported("sheet", "DateTStamp", "2026-11-26 23:59:58", 1_612_004, 17, 212),
            Imported(ODD, "at", "2026-11-26", 90, 0, 1, "its books are ahead of its rows: they say 2026-11-26, and no"),
            Imported("visit", "", "", refused="its rule loads it whole, so there is no state to take over"),
        ],
        dry_run=False,
    ),
    "none": lambda v: migration.imported([], dry_run=True),
}
SHADOWED: dict[str, Made] = {
    "some": lambda v: migration.shadowed("raw_shadow", Sides(NAMES, NAMES[:1], NAMES[:2])),
    "one": lambda v: migration.shadowed("raw_shadow", Sides(NAMES[:1], (), ())),
}
