"""Certificates: what a load with --certify has proved, of the run as a whole and of each of its tables, and why not.

A run is certified if each of its tables is: loaded, without a rejected row, with figures that agree at the source, in the
batches and in the target; or unchanged, and proved so. A table that the plan leaves out, because it is new at the source
or gone there, counts against it: the target then lacks it, or has an older version. Every reason against a certificate is
told in words that name the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.postgres.ledger import runs
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.runs import Certified
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import count_of

NAMED = 3  # tables of a reason; beyond, they are counted
_BARE: dict[str, Any] = {
    "certified": False,
    "ranges": 0,
    "figures": {},
    "differ_at_the_source": {},
    "differ_in_the_target": [],
}
_NOT_READ = ("unchanged", "skipped")  # nothing of them was loaded, by a decision in the plan


def certificate(config: Config, run: str = "") -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the certificate of a run, with `certified` and `why` it is not, and the same for each of its tables.

    Without a name, return that of the last run that took figures; loads since then count against it. `certified` is None
    for a table that is unchanged or not loaded, because its rows were not read. Raise PlanError when there is no such
    run.
    """
    found = patient(_on_record, config, run)
    if found is None:
        which = f"of run {run!r}" if run else "of any run"
        raise PlanError(
            f"there is no certificate {which} into schema {config.target_schema!r} on record",
            hint="`bulketl load --certify` makes one; bulketl.run in the target lists the runs",
        )
    names = sorted({*found.documents, *found.loads})
    tables = {name: _table(found.documents.get(name), found.loads.get(name, {})) for name in names}
    why = [*_against(tables), *_ending(found.about)]
    later = _later(found)
    if not run:
        why += later
        for name, (by, at) in found.since.items():
            tables[name] |= {"certified": False, "why": f"loaded again by run {by} at {at}, and not certified then"}
    return {**found.about, "certified": not why, "why": why, "since": later}, tables


def _on_record(config: Config, run: str) -> Certified | None:
    with asking(Postgres.of(config)) as connection:
        return runs.certificates(connection, config.target_schema, run)


def _table(document: Mapping[str, Any] | None, load: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a table: its figures, what became of it, and why it is not certified."""
    outcome, rejects = str(load.get("outcome", "loaded")), int(load.get("rejects", 0))
    table = {**_BARE, **(document or {}), "tier": load.get("tier", ""), "outcome": outcome, "rejects": rejects}
    if outcome in _NOT_READ:
        return {**table, "certified": None, "why": str(load.get("error") or "")}
    why = ""
    if outcome != "loaded":
        why = str(load.get("error") or "") or f"it was {outcome}"
    elif rejects:
        why = f"{count_of(rejects, 'row')} rejected"
    elif table["differ_in_the_target"]:
        why = "the target differs"
    elif table["differ_at_the_source"]:
        why = f"the source differs in {count_of(len(table['differ_at_the_source']), 'range')}"
    elif document is None:
        why = "no figures were taken"
    elif not table["certified"]:
        why = "figures of the target are missing: a part was loaded before an interruption"
    return {**table, "certified": not why, "why": why}


def _against(tables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return why the tables of a run are not all certified, the worst first."""
    failed = [name for name, table in tables.items() if table["outcome"] == "failed"]
    ended = [name for name, table in tables.items() if table["outcome"] not in ("unchanged", "loaded", "failed")]
    good = {name: table for name, table in tables.items() if table["outcome"] == "loaded"}
    rejects = {name: table["rejects"] for name, table in good.items() if table["rejects"]}
    differ = [n for n, t in good.items() if n not in rejects and (t["differ_in_the_target"] or t["differ_at_the_source"])]
    lacking = [n for n, t in good.items() if not t["certified"] and n not in (*rejects, *differ)]
    why = [f"{count_of(len(failed), 'table')} failed: {_named(failed)}"] if failed else []
    why += [f"{count_of(len(ended), 'table')} not loaded: {_named(ended)}"] if ended else []
    if rejects:
        rows = sum(rejects.values())
        why.append(f"{count_of(rows, 'row', 'was')} rejected in {_named(list(rejects))}")
    why += [f"the figures of {count_of(len(differ), 'table')} differ: {_named(differ)}"] if differ else []
    return why + ([f"figures are missing of {count_of(len(lacking), 'table')}: {_named(lacking)}"] if lacking else [])


def _ending(about: Mapping[str, Any]) -> list[str]:
    if about["finished_at"] is None:
        return ["the run has not ended"]
    return [f"the run was {about['outcome']}"] if about["outcome"] in ("interrupted", "stopped", "superseded") else []


def _later(found: Certified) -> list[str]:
    """Return which tables were loaded since, of which the certificate says nothing any more."""
    if not found.since:
        return []
    run, at = max(found.since.values(), key=lambda pair: pair[1])
    names = list(found.since)
    what = f"{count_of(len(names), 'table', 'was')} loaded again since and not certified then"
    return [f"{what}, last by run {run} at {at}: {_named(names)}"]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(f"`{name}`" for name in names[:NAMED]) + more
