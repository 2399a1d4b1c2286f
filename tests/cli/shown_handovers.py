"""Tables that changed hands, as golden screens show them."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import LONG, ODD, RUN, Made

from bulketl.cli.screens import handovers
from bulketl.loading.handovers import Told
from bulketl.operations.migrate.promote import Promoted, Promotion
from bulketl.operations.migrate.rollback import Rollback
from bulketl.operations.migrate.wayback import Returned
from bulketl.operations.undo import Undone
from bulketl.postgres.ledger.handovers import Handover
from bulketl.postgres.ledger.kept import Since
from bulketl.postgres.write.spared import Spared

AT = dt.datetime(2026, 11, 27, 2, 10, tzinfo=dt.UTC)
PLACE = "bulketl_legacy_20261127_021000_ab12"
TABLES = (
    Promoted("patient", "critical", "swapped", 12_345_678, (), PLACE),
    Promoted("claim", "important", "refilled", 50, ("stays in its place and is refilled, because of view v",), PLACE),
    Promoted(ODD, "reference", "moved", None, (), ""),
)
LEFT = Handover(7, RUN, "promote", ["patient"], {}, AT, 3, AT, "handover ended with 3: the older pipeline is down")
DONE = Promotion(RUN, "raw", TABLES, (), 3, 0.354, 1.76, AT + dt.timedelta(days=30), Told(1))
SILENT = Told(0, (LEFT,), silent=True)
NOTHING = dataclasses.replace(DONE, tables=(), already=("patient",), handed=Told())
BACK = (
    Returned("patient", "critical", AT, 12_345_000, 3_400_000_000, 12_345_678, Since(3, 678, 20, 1)),
    Returned(LONG, "audit", AT, None, 8192, None, Since(0, 0, 0, 0), ("stays in its place and gets the older rows again",)),
)
GONE = (("claim", "its older table is kept no more: dropped 2026-12-27 02:10"),)
ROLLED = Rollback(RUN, "raw", "rollback", BACK, (), ("20261127-020000-ab12",), 3, 0.354, 1.31, Told(0, (LEFT,)), 4)

ASIDE = (
    Spared('"raw"."unpaid"', '"raw_shadow"."unpaid"', 'column "paid" does not exist', again=False),
    Spared('"mart"."sums"', '"raw_shadow"."sums_1"', "function sum(boolean) does not exist", again=True),
)
LATER = tuple(one._replace(now="") for one in ASIDE)

PROMOTED: dict[str, Made] = {
    "done": lambda v: handovers.promoted(DONE, looked=False),
    "untold": lambda v: handovers.promoted(dataclasses.replace(DONE, handed=Told(0, (LEFT,))), looked=False),
    "nobody-tells": lambda v: handovers.promoted(dataclasses.replace(DONE, handed=SILENT), looked=False),
    "looked": lambda v: handovers.promoted(dataclasses.replace(DONE, run="", handed=Told()), looked=True),
    "nothing": lambda v: handovers.promoted(NOTHING, looked=False),
}
RETURNED: dict[str, Made] = {
    "done": lambda v: handovers.returned(ROLLED, looked=False),
    "demoted": lambda v: handovers.returned(
        dataclasses.replace(ROLLED, act="demote", stopped=(), report=None), looked=False
    ),
    "some": lambda v: handovers.returned(dataclasses.replace(ROLLED, impossible=GONE), looked=False),
    "looked": lambda v: handovers.returned(dataclasses.replace(ROLLED, run="", handed=Told()), looked=True),
    "views-aside": lambda v: handovers.returned(dataclasses.replace(ROLLED, spared=ASIDE), looked=False),
    "views-looked": lambda v: handovers.returned(
        dataclasses.replace(ROLLED, run="", spared=LATER, shadow="raw_shadow", handed=Told()), looked=True
    ),
    "nothing": lambda v: handovers.returned(dataclasses.replace(ROLLED, run="", tables=(), handed=Told()), looked=False),
    "none-can": lambda v: handovers.returned(
        dataclasses.replace(ROLLED, run="", tables=(), impossible=GONE, handed=Told()), looked=False
    ),
}
UNDONE: dict[str, Made] = {
    "one": lambda v: handovers.undone(Undone(RUN, "claim", "raw", "20261127-020000-ab12", AT, 50, 12_345_678)),
    "odd": lambda v: handovers.undone(Undone(RUN, ODD, "raw", "20261127-020000-ab12", AT, 1, 0)),
}
