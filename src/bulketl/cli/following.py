"""What a person does after a command that went well, for the line below it: by the command, in the order of the help."""

from __future__ import annotations

from collections.abc import Mapping

_ONE = "`bulketl why TABLE KEY` says of one row why it is what it is"
_OPEN = "`bulketl alerts list` has what is open"
_LAST = "`bulketl runs show last` tells it in order"
NEXT: Mapping[str, str] = {
    "grants": "an administrator runs it, and `bulketl grants --check` looks whether each role has what it needs",
    "casts": "`casts:` of a table in tables.yaml chooses another type, and `bulketl plan` shows what follows",
    "load": "`bulketl verify` compares the rows with the source",
    "watch": _LAST,
    "status": "`bulketl runs list` has what was done, and `bulketl dashboard` shows how it stands as pages",
    "retention": _LAST,
    "schedule": "install it; `bulketl watchdog`, on another machine, tells people when a night does not come",
    "certificate": "`bulketl report compliance` has it of all audit tables",
    "pairs": "`bulketl verify months` finds the months that differ",
    "history": _ONE,
    "why": "`bulketl state show TABLE` has everything that is known of its table",
    "rollback": "`bulketl migrate status` shows who serves which tables now",
    "undo": "`bulketl state show TABLE` shows how the table stands now",
    "alerts list": "`bulketl alerts show ID` tells of one, and `bulketl alerts ack ID` says that you look after it",
    "alerts show": "`bulketl alerts ack ID` says that you look after it, and `bulketl alerts resolve ID` that it is over",
    "alerts ack": "`bulketl alerts resolve ID` says that it is over",
    "alerts resolve": _OPEN,
    "alerts test": _OPEN,
    "verify": "`bulketl schedule cron` prints what a load each night needs",
    "verify months": _ONE,
    "audit verify": "`bulketl report compliance` makes a report of it",
    "runs": "`bulketl runs show last` tells of the last one",
    "runs list": "`bulketl runs show last` tells of the last one",
    "runs show": "`bulketl rejects list --run last` counts the rows that were not loaded",
    "runs cancel": "`bulketl load --resume last` goes on with it",
    "rejects list": "`bulketl rejects show TABLE` shows them with their values",
    "rejects show": "correct them at the source, and `bulketl rejects retry TABLE` loads them",
    "rejects export": "correct them at the source, and `bulketl rejects retry TABLE` loads them",
    "rejects retry": "`bulketl rejects list` counts what is left",
    "state list": "`bulketl state show TABLE` has everything that is known of one",
    "state show": _ONE,
    "state reset": "`bulketl load` loads them whole",
    "report daily": "`bulketl report run last` tells of its load alone",
    "report compliance": "`bulketl report verify FILE` says whether the report is as it was signed",
    "report incident": _LAST,
    "report run": _LAST,
    "report weekly": "`bulketl report daily` tells of one night",
    "migrate status": "`bulketl migrate plan` says what to do next",
    "migrate shadow": "`bulketl load --hybrid` loads them beside the older pipeline",
    "migrate promote": "`bulketl rollback` is the way back",
    "migrate demote": "`bulketl load --hybrid` goes on loading them beside the older pipeline",
    "migrate compare": "`bulketl migrate promote` takes over the tables that are ready",
    "migrate waive": "`bulketl migrate compare` compares with it",
    "migrate import-state": "`bulketl load` reads their changes from now on",
}
