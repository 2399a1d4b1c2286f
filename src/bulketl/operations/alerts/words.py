"""What people are told of an incident: a title, and lines that say what is wrong, with what, and what to do."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import cast

from bulketl.operations.alerts.causes import BEGIN, rule_of
from bulketl.operations.alerts.machine import FAILED_AGAIN, LOADED_WELL, highest
from bulketl.operations.alerts.message import Message, MessageKind
from bulketl.operations.alerts.runbooks import hints_of, runbook_of
from bulketl.operations.anomalies.words import NAMES
from bulketl.postgres.ledger.findings import ODDITIES, Oddity
from bulketl.postgres.ledger.incidents import Incident, Member
from bulketl.tables.printable import count_of, in_a_line, shortened
from bulketl.tables.spec import TIERS, Tier

MOST_LINES = 20  # in which tables are told, those of which the same is said in one
NAMED = 20  # tables that a line names
LONGEST = 300  # characters of a line
TITLES: Mapping[str, tuple[str, str]] = {  # of one table, and of several or none
    "table_failed": ("table {table} failed", "{tables} failed"),
    "run_failed": ("", "the load failed"),
    "overtime": ("table {table} takes too long", "{tables} take too long"),
    "quality": ("table {table} is below its quality threshold", "{tables} are below their quality threshold"),
    "rejects": ("table {table} has more rejected rows than allowed", "{tables} have more rejected rows than allowed"),
    "mass_delete": ("table {table} would have lost too many rows", "{tables} would have lost too many rows"),
    "drift": ("table {table} changed its columns", "{tables} changed their columns"),
    "withheld": ("table {table} has columns that are withheld", "{tables} have columns that are withheld"),
    "verification": ("table {table} differs from its source", "{tables} differ from their source"),
    "missing_run": ("", "no load ran in its window"),
    "died": ("", "a load was killed"),
    "unreachable": ("", "the target is out of reach"),
    "silence": ("", "nothing came in"),
    "lag": ("table {table} lags behind", "{tables} lag behind"),
    "not_loaded": ("table {table} was not loaded for too long", "{tables} were not loaded for too long"),
    "rolled_back": ("table {table} went back to the older pipeline", "{tables} went back to the older pipeline"),
    "written": ("others write to table {table}", "others write to {tables}"),
    "untold": (
        "the older pipeline has not heard that table {table} changed hands",
        "the older pipeline has not heard that {tables} changed hands",
    ),
    "unusual": ("the load of table {table} was not as usual", "the loads of {tables} were not as usual"),
}
AT = {"source": "at the source", "target": "at the target", "cluster": "on the cluster", "plan": "by the plan"}


def title(incident: Incident) -> str:
    """Return what an incident is, in a line."""
    members = incident.affected
    tables = [name for name in members if name]
    one, many = TITLES[rule_of(incident)] if "" not in members else ("", _of_run(rule_of(incident)))
    said = (
        one.format(table=in_a_line(tables[0]))
        if len(tables) == 1 and one
        else many.format(tables=count_of(len(tables), "table"))
    )
    error = incident.kind.partition("-")[2].removeprefix("verify")
    oddity = NAMES[cast("Oddity", error)] if rule_of(incident) == "unusual" else ""
    where = " ".join(filter(None, (error, AT.get(incident.side, "")))) if error and error not in ODDITIES else oddity
    more = f" ({where})" if where else ""
    return f"{said}{more}, schema {incident.schema}"


def _of_run(rule: str) -> str:
    return TITLES["run_failed" if rule == "table_failed" else rule][1]


def message(kind: MessageKind, incident: Incident) -> Message:
    """Return the message of an incident for a channel."""
    over = "failed again: " if incident.resolved_by == FAILED_AGAIN else "resolved: "
    begin = {"escalated": "not acknowledged: ", "resolved": over}.get(kind, "")
    if kind == "open" and incident.round > 1:
        begin = "again: "
    book = "" if kind == "resolved" else runbook_of(incident)
    return Message(kind, incident.key, incident.tier, f"{begin}{title(incident)}", (*lines(kind, incident),), book)


def lines(kind: MessageKind, incident: Incident) -> Sequence[str]:
    """Return what is said of an incident below its title."""
    members = incident.affected
    alike = by_text(members)
    told = [_line(names, text, tier) for (text, tier), names in list(alike.items())[:MOST_LINES]]
    if more := sum(len(names) for names in list(alike.values())[MOST_LINES:]):
        told.append(f"… and {count_of(more, 'table')} more")
    told += [f"What to do: {in_a_line(hint)}" for hint in hints_of(incident)[:3]] if kind != "resolved" else []
    began = min(one.at for one in members.values())
    told.append(f"Since {began:%Y-%m-%d %H:%M} UTC, {occasion(incident)}.")
    if kind == "resolved":
        told.append(_end(incident.resolved_by))
    else:
        told.append(f"{_how(incident)} tells the others that you look after it.")
    return told


def _how(incident: Incident) -> str:
    """Return how people acknowledge it; what a watchdog has noticed is known where that runs, and nowhere else."""
    if rule_of(incident) == "silence":
        return "`bulketl watchdog --ack` on the host of the watchdog"
    return f"`bulketl alerts ack {incident.number or incident.key}`"


def _end(by: str) -> str:
    if by == LOADED_WELL:
        return "It is well again."
    return "A later run has an alert of its own." if by == FAILED_AGAIN else f"{in_a_line(by)} has resolved it."


def occasion(incident: Incident) -> str:
    """Return of what an incident is: a run, a verification, a tick, or a load that had no run yet."""
    if incident.occasion.startswith(BEGIN):
        return "before a run began"
    if rule_of(incident) == "unreachable":
        return "found by a tick"
    known = re.fullmatch(r"\d{8}-\d{6}-[0-9a-z]{4}", incident.occasion)
    return f"run {incident.occasion}" if known else incident.occasion


def by_text(members: Mapping[str, Member]) -> dict[tuple[str, Tier], list[str]]:
    """Return the tables of which the same is said, by that and their tier, the most urgent first."""
    found: dict[tuple[str, Tier], list[str]] = {}
    for name, one in sorted(members.items(), key=lambda item: TIERS.index(item[1].tier)):
        found.setdefault((one.text.removeprefix(f"table {name!r}: "), one.tier), []).append(name)
    return found


def _line(names: Sequence[str], text: str, tier: Tier) -> str:
    more = f" and {count_of(len(names) - NAMED, 'table')} more" if len(names) > NAMED else ""
    tables = f"{', '.join(map(in_a_line, names[:NAMED]))}{more} ({tier}): " if any(names) else ""
    return f"{tables}{shortened(in_a_line(text), LONGEST)}"


def digest(schema: str, found: Sequence[tuple[MessageKind, Incident]], now: dt.datetime) -> Message:
    """Return the daily mail: all that waited for it, an incident after the other, the most urgent first."""
    ordered = sorted(found, key=lambda one: (one[0] == "resolved", TIERS.index(one[1].tier), one[1].number))
    told = [line for kind, incident in ordered for line in _paragraph(kind, incident)]
    begun = sum(kind != "resolved" for kind, _ in found)
    over = len(found) - begun
    parts = [f"{count_of(begun, 'trouble')}" if begun else "", f"{over:,} resolved" if over else ""]
    heading = f"{', '.join(filter(None, parts))} since the last daily mail, schema {schema}"
    key = f"bulketl/{schema}/daily/{now:%Y-%m-%d}"
    return Message("digest", key, highest([incident.tier for _, incident in found]), heading, tuple(told))


def _paragraph(kind: MessageKind, incident: Incident) -> Sequence[str]:
    said = message(kind, incident)
    return (said.title, *(f"  {line}" for line in said.lines), "")
