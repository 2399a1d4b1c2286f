"""The screen of `why`, kept as files at 80 and 120 columns and as it goes into a pipe.

`python tests/cli/test_why_screen.py` writes them anew; look at every one then.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.cells import cell_len

from bulketl.cli.screens.why import story
from bulketl.cli.terminal import Terminal
from bulketl.postgres.ledger.rowrecords import Comparison, Noted, RowRecord, RowReject, RunOfTable
from bulketl.survey.nextload import NextLoad
from bulketl.tables.alterations import INVALID_DATE
from bulketl.tables.partitions import Changes
from bulketl.verifying.because import explained
from bulketl.verifying.rowstory import ColumnStory, RowStory

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = {"80": 80, "120": 120, "piped": None}
FIRST = RunOfTable("20261126-011200-a1b2", "load", "loaded", "", "2026-11-26 01:12:40+00")
WHY = "table 'patient': 3 rows rejected, and max_rejects is 0"
LAST = RunOfTable("20261127-011200-c3d4", "load", "failed", WHY, "2026-11-27 01:13:02+00")
WHOLE = NextLoad("whole", "reads the whole table", deletes="mirror")
SINCE = NextLoad(
    "changes", "incremental: SecDateTEdit from 2026-11-26 22:59:58 on", since=Changes("SecDateTEdit"), publish="merge",
    deletes="ignore",
)  # fmt: skip


TEXT = "varchar(100) -> varchar(100)"


def column(name: str, source: str | None, target: str | None, cast: str = TEXT, **more: object) -> ColumnStory:
    state = "equal" if source == target else "differs"
    return ColumnStory(name, more.pop("state", state), source, target, cast=cast, **more)  # type: ignore[arg-type]


def of(*columns: ColumnStory, **more: object) -> RowStory:
    found = RowStory(
        "mysql://clinic:3306/od", "raw", "patient", (("PatNum", "4711"),), source="there", target="there", in_target=True,
        columns=columns, deletes="mirror", record=RowRecord((FIRST,), FIRST, FIRST), next=WHOLE,
    )  # fmt: skip
    return explained(dataclasses.replace(found, **more))  # type: ignore[arg-type]


KEY = column("PatNum", "4711", "4711", "bigint(20) -> bigint")
STORIES: dict[str, RowStory] = {
    "equal": of(KEY, column("LName", "Müller", "Müller"), column("Preferred", "", ""), column("Address2", None, None),
                column("Country", "NULL", "NULL"), *(column(f"Field{n}", "x", "x") for n in range(61))),
    "differs": of(
        column("BalTotal", "120.50", "95.00", "double -> double precision"),
        column("SecDateTEdit", "2026-11-27 00:41:09", "2026-11-20 08:00:00", "timestamp -> timestamp(0)"), KEY,
        column("AddrNote", "Rings twice. " * 300, "Rings twice. " * 200 + "Rings once.", "text -> text"),
        *(column(f"Field{n}", "x", "x") for n in range(61)),
        stamp=("SecDateTEdit", "2026-11-27 00:41:09"), watermark="2026-11-26 00:59:58", newer=True, within=True, next=SINCE,
        deletes="ignore", record=RowRecord((FIRST,), FIRST, LAST, compared=Comparison(
            FIRST.run, "0 missing, 2 differing, 1 gone at the source", "2026-11-26 01:12:40+00")),
    ),
    "altered": of(
        column("Birthdate", "0000-00-00", None, "date -> date", state="equal", altered=(INVALID_DATE,)), column="Birthdate"
    ),
    "rejected": of(
        KEY, column("PatStatus", "7", None, "tinyint(4) -> boolean"), target="absent",
        refused="PatStatus does not fit boolean", record=RowRecord((), FIRST, FIRST, (RowReject(
            FIRST.run, "PatStatus", "7", "does not fit boolean", "2026-11-26 01:12:31+00", "", loaded=True),)),
    ),
    "audited": of(
        column("LogText", "edited", "as it was", "text -> text"), KEY, tier="audit", noted=True,
        next=NextLoad("whole", "reads the whole table", publish="append"),
        record=RowRecord((FIRST,), FIRST, FIRST, (), (Noted(LAST.run, "update", ("LogText",), "2026-11-27 01:13:00+00"),),
                         "entry 12 (trail) by run 20261127-011200-c3d4 at 2026-11-27 01:13:00+00"),
    ),
    "source-away": of(
        KEY, column("LName", None, "Müller", "-> character varying(100)", state="unknown"), source="unknown", next=None,
        source_problem="source mysql://clinic:3306/od does not answer: timed out",
    ),
    "odd-names": of(
        column("a\nb\x1b[31m", "x\ny", None, "text -> text"), column("名前" * 20, "漢字" * 100, "漢字" * 90, "text -> text"),
        key=(("k\n1", "\x07"), ("k2", "")), table="t\nable",
    ),
}  # fmt: skip


def screen(name: str, width: int | None) -> str:
    stream = io.StringIO()
    terminal = Terminal(file=stream, width=width or 80, force_terminal=False, color_system=None)
    terminal.print(story(STORIES[name], width), soft_wrap=True)
    return stream.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STORIES)
def test_the_screen_is_as_it_was_looked_at(name: str, width: str) -> None:
    """No line is wider than the terminal, and there are some fifteen of them at most."""
    shown = screen(name, WIDTHS[width])
    assert shown == (GOLDEN / f"why-{name}-{width}.txt").read_text(encoding="utf-8")
    lines = shown.splitlines()
    if width != "80":
        assert len(lines) <= 15
    if WIDTHS[width]:
        assert max(map(cell_len, lines)) <= (WIDTHS[width] or 0)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for one in STORIES:
        for kind, columns in WIDTHS.items():
            (GOLDEN / f"why-{one}-{kind}.txt").write_text(screen(one, columns), encoding="utf-8")
