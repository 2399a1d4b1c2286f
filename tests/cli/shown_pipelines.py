"""Two pipelines side by side, as golden screens show it."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import ODD, Made

from bulketl.cli.screens import sides
from bulketl.operations.migrate.comparison import Comparison, Judged, TableCompared, ViewCompared
from bulketl.postgres.ledger.sidebyside import Waiver
from bulketl.tables.differences import Difference

AT = dt.datetime(2026, 11, 27, 2, 10, tzinfo=dt.UTC)
WAIVER = Waiver("patient", "", "seconds", "ann@clinic", "seconds were always enough for the practice", AT)
EQUAL = TableCompared("claim", "important", "rows", 1_204_331, 1_204_331, legacy_seconds=512.25, shadow_seconds=4.21)
PATIENT = TableCompared(
    "patient", "critical", "rows", 40_003, 40_000,
    (
        Difference("", "keeps-deleted", 3),
        Difference("DateTStamp", "seconds", 39_871),
        Difference("Premed", "boolean", 40_000),
        Difference("Birthdate", "zone", 12, "-6"),
        Difference("Note", "unexplained", 1),
        Difference("_loaded_at", "own-column", 0),
    ),
    (Judged("DateTStamp", "seconds", 4), Judged("Note", "unexplained", 0, 1, 1, 1)),
    ("SSN: it is masked in the shadow",), legacy_seconds=88.0, shadow_seconds=1.5,
)  # fmt: skip
WAIVED = dataclasses.replace(PATIENT, table="payment", differences=(Difference("DateEntry", "seconds", 7),), judged=())
WRITTEN = "it was being written while it was compared: compare it again when the older pipeline has ended"
SOME = Comparison(
    "mysql://db/opendental", "raw", "raw_shadow", "rows",
    (PATIENT, WAIVED.with_waivers([WAIVER._replace(table="payment")]), EQUAL,
     dataclasses.replace(EQUAL, table=ODD, problem=WRITTEN, legacy_rows=None, shadow_rows=None, legacy_seconds=None)),
    (
        ViewCompared("ledger", 17, 17),
        ViewCompared("mart.visits", 1_000, 998, ("amount",)),
        ViewCompared("mart.active", 3, None, problem="argument of WHERE must be type boolean, not type smallint"),
    ),
    12.34, ("2 tables not compared: bulketl serves it already",),
)  # fmt: skip
COMPARED: dict[str, Made] = {
    "some": lambda v: sides.comparison(SOME, v),
    "equal": lambda v: sides.comparison(dataclasses.replace(SOME, tables=(EQUAL,), views=SOME.views[:1], notes=()), v),
}
WAIVERS: dict[str, Made] = {
    "none": lambda v: sides.waivers([], ""),
    "given": lambda v: sides.waivers([WAIVER, WAIVER._replace(table=ODD, column="seen")], "on record"),
}
