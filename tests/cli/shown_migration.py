"""How tables come over from an older pipeline, as golden screens show it."""

from __future__ import annotations

import datetime as dt

from shown_base import Made

from bulketl.cli.screens import migration
from bulketl.operations.migrate.sides import Sides
from bulketl.postgres.ledger.legacyruns import LegacyRun

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
SHADOWED: dict[str, Made] = {
    "some": lambda v: migration.shadowed("raw_shadow", Sides(NAMES, NAMES[:1], NAMES[:2])),
    "one": lambda v: migration.shadowed("raw_shadow", Sides(NAMES[:1], (), ())),
}
