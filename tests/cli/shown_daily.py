"""A daily report, as golden screens show it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from shown_base import LONG, ODD, RUN, SOURCE, Made
from shown_history import ATTENTION, BEGAN, ENDED, NOW, PLAIN, entry, known, of, standings

from bulketl.cli.screens import daily
from bulketl.operations.dashboard.nights import strips
from bulketl.operations.dashboard.overview import Overview
from bulketl.operations.dashboard.words import stands
from bulketl.operations.history.runs import RunEntry
from bulketl.operations.history.standing import Known
from bulketl.operations.reports.daily import Daily
from bulketl.operations.reports.nightlines import Drifted, NightProof, Rejecting, grouped
from bulketl.operations.reports.trends import by_night, days_before
from bulketl.postgres.ledger.manynights import Nights
from bulketl.postgres.ledger.nightloads import LoadTotals, Mended, TableFigures

DAY = dt.date(2026, 11, 26)
REJECTS = (
    Rejecting("claimproc", 412, (("DateTimeSig", 398), ("TabOrder", 14)), {"range TabOrder 0..9": 14}, 0, "100"),
    Rejecting(ODD, 1, (), {}, 0, "10"),
)
DRIFT = (Drifted("procedurelog", ("+ UrgencyType tinyint(4)",)), Drifted(LONG, ("~ ItemName varchar(255) to text", "- Old")))
VERIFIED = NightProof(430, 429, ("claim",), 2, (Mended("payment", 3, 0, 1), Mended("patient", 0, 0, 0)), ())
CERTIFIED = NightProof(426, 426, (), 0, (), ())
ALONE = NightProof(1, 0, (), 0, (), ())
NOTHING = NightProof(0, 0, (), 0, (), ())
OTHERS = (("staging", 12), ("test", 1))


def figures(*tables: Known) -> dict[str, TableFigures]:
    return {
        one.table: TableFigures(
            one.table, one.record.outcome, one.record.rows, one.record.rows * 90, one.record.rejects, one.record.seconds, (),
            {}, None, ENDED if one.record.outcome == "loaded" else None,
        )
        for one in tables if one.record
    }  # fmt: skip


def report(
    *tables: Known, runs: Sequence[RunEntry] = (), nights: int = 20, verified: NightProof = CERTIFIED, ill: bool = False,
    elsewhere: tuple[tuple[str, int], ...] = (),
) -> Daily:  # fmt: skip
    """Return a report on a night of these tables; `ill`: with rejected rows and changed columns."""
    status = of(*standings(*tables), elsewhere=elsewhere, last=runs[-1] if runs else None)
    found = Overview(status, stands(status.tables), strips(Nights((), {}, {}), NOW, dt.UTC, DAY), (), None, (SOURCE,))
    days = days_before(DAY)
    totals = [
        LoadTotals(RUN, SOURCE, BEGAN - n * dt.timedelta(days=1), ENDED - n * dt.timedelta(days=1),
                   43_823_665 - 100_000 * n, 3_944_129_850, 437 if ill and not n else n % 3, 0.0)
        for n in range(0 if runs else 1, nights)
    ]  # fmt: skip
    since = dt.datetime.combine(DAY, dt.time(12), dt.UTC)
    window = (since + dt.timedelta(hours=8), since + dt.timedelta(hours=17)) if ill else None
    return Daily(
        DAY, since, NOW, NOW, "etl-2", "0.1.0", False, found, tuple(runs), grouped(found, figures(*tables), ()),
        tuple(by_night(totals, dict.fromkeys(days, 0), days, dt.UTC)), REJECTS if ill else (),
        DRIFT if ill else (), verified, 0, window, dt.UTC,
    )  # fmt: skip


LOAD = entry(outcome="partly done", counts={"failed": 1, "loaded": 430})
FAILING = tuple(known(one.table, n, "failed", error=f"it fails in its way {n}") for n, one in enumerate(PLAIN))
DAILY: dict[str, Made] = {
    "ill": lambda v: daily.daily(
        report(*ATTENTION, *PLAIN, runs=[LOAD], verified=VERIFIED, ill=True, elsewhere=(("staging", 12), ("test", 1))),
        "d.html",
    ),
    "well": lambda v: daily.daily(report(*PLAIN, runs=[entry()]), ""),
    "one": lambda v: daily.daily(report(PLAIN[0], runs=[entry()], nights=3, verified=ALONE), ""),
    "many-failed": lambda v: daily.daily(report(*FAILING, runs=[LOAD], verified=NOTHING), ""),
    "no-load": lambda v: daily.daily(report(*PLAIN, verified=NOTHING), ""),
    "nothing-loaded": lambda v: daily.daily(report(nights=0, verified=NOTHING), ""),
}
