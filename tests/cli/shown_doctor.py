"""What `doctor` finds and `explain` says, as golden screens show it."""

from __future__ import annotations

from rich.text import Text
from shown_base import LONG, ODD, Made

from bulketl.cli.screens import doctor, explain
from bulketl.errors.catalog import Entry
from bulketl.survey.checked import Checked, Checkup

FINE = (
    Checked("here", "version", "fine", "bulketl 0.1.0, Python 3.11.7, Linux"),
    Checked("target", "clock", "fine", "its clock and this machine's agree, as far as the line can tell: within 0.001 s"),
)
SOME = Checkup(
    (
        Checked("source", "connection", "wrong", "source mysql://db:3306/clinic does not answer", "check host and port"),
        Checked("target", "fsync", "doubtful", f"off: {ODD}", "ALTER SYSTEM SET fsync = on"),
        Checked("target", "max_wal_size", "slow", f"1.1 GB: {LONG}", "ALTER SYSTEM SET max_wal_size = '4096MB'"),
        Checked("target", "disk", "unknown", "the database has 12 GB; Postgres tells nobody how much is free", "capacity"),
        *FINE,
    )
)
CHECKUPS: dict[str, Made] = {
    "some": lambda v: doctor.checkup(SOME, each=v),
    "each": lambda v: doctor.checkup(SOME, each=True),
    "fine": lambda v: doctor.checkup(Checkup(FINE)),
}
TOLD: dict[str, Made] = {"fine": lambda v: Text(doctor.told(Checkup(FINE)))}

FORESEEN = "yes: validate plans all tables as a load does, and each refusal is an error in the same words"
ONE = Entry(
    "BLK-2001", "PlanError", 2, f"table … has no column {ODD}", f"correct its name, {LONG}", FORESEEN, ("plan.py of",)
)
EXPLAINED: dict[str, Made] = {
    "one": lambda v: explain.entry(ONE),
    "gone": lambda v: explain.entry(Entry("BLK-4001", "TargetError", 1, "…", "…", "no: a mistake in bulketl", ())),
}
