"""What becomes of the loads of several sources, that golden screens show."""

from __future__ import annotations

from shown_base import LONG, ODD, RUN, Made
from shown_loads import NIGHT, loaded, run_of

from bulketl.cli.oneload import SourceEnd
from bulketl.cli.screens.sources import loads

CLINIC = run_of(
    loaded("patient", "critical", 1203, before=1203), loaded("claim", "critical", 4_310_220, before=4_301_118), seconds=128.4
)
BILLING = "source mysql://reader@bills.example:3306/billing does not let us in: Connection refused"
DOC_ENDS = [SourceEnd("clinic", [CLINIC]), SourceEnd("billing", (), BILLING)]
BESIDE = run_of(loaded("sheet", "reference", 12), run=f"{RUN}_2", seconds=3.0)

SOURCES: dict[str, Made] = {
    "docs": lambda v: loads(DOC_ENDS),
    "done": lambda v: loads([SourceEnd("clinic", [CLINIC]), SourceEnd("billing", [BESIDE])]),
    "interrupted": lambda v: loads(
        [
            SourceEnd("clinic", [NIGHT]),
            SourceEnd("billing", state="interrupted"),
            SourceEnd(LONG, state="not begun"),
        ]
    ),
    "hybrid": lambda v: loads(
        [SourceEnd("clinic", [CLINIC, BESIDE], f"the older pipeline ended with 1: {ODD}"), SourceEnd("nothing", [run_of()])]
    ),
}
