"""Reports on a terminal: the state in a sentence, what to look at, and where all of it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import NAMED, facts, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line

MOST = 20  # tables, or deeds, that a screen lists

if TYPE_CHECKING:
    from bulketl.operations.reports.compliance import Compliance
    from bulketl.operations.reports.incident import Alike, Deed, IncidentReport
    from bulketl.operations.reports.run import RunReport


def compliance(report: Compliance, written: str) -> Group:
    """Return what a person should know of the report; `written`: the file that has all of it, '' for none."""
    parts: list[RenderableType] = [verdict(report.headline), Text(f"report {report.number}", "dim")]
    looks = [("not proved", "red", f"{one.table}: {'; '.join(one.faults)}") for one in report.faulty]
    looks += [
        ("not begun", "yellow", f"{table}: its rules say audit, and no load has begun its chain")
        for table in report.unaudited
    ]
    looks += [("explained", "", f"{one.table}: {', '.join(one.changes)}; kept here") for one in report.tables if one.changes]
    parts += ["", facts([(word, style, in_a_line(text)) for word, style, text in looks])] if looks else []
    signed = f"with key {report.signer}" if report.signer else "no: set BULKETL_REPORT_KEY to have it signed"
    rows = sum(one.chain.rows for one in report.tables)
    about = {
        "period": f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} {report.until.tzname()}",
        "audited": f"{count_of(len(report.tables), 'table')}, {count_of(rows, 'row')}",
        "signed": signed,
        "all of it": written or "with --html FILE, --markdown or --json",
    }
    return Group(*parts, "", facts([(key, "dim", value) for key, value in about.items()], 2))


def incident(report: IncidentReport, written: str) -> Group:
    """Return what a person should know of a run in trouble: which tables it left behind, and what was done about it."""
    parts: list[RenderableType] = [verdict(report.headline, "red" if report.open else "green")]
    if report.affected:
        parts += ["", facts([line for one in report.alike[:MOST] for line in _of_tables(one)])]
        if len(report.alike) > MOST:
            parts.append(Text(f"and {count_of(sum(len(one.tables) for one in report.alike[MOST:]), 'more table')}", "dim"))
    parts += ["", facts([("done", "bold", _deed(one)) if n == 0 else ("", "", _deed(one))
                         for n, one in enumerate(report.deeds[:MOST])])]  # fmt: skip
    if len(report.deeds) > MOST:
        parts.append(Text(f"and {count_of(len(report.deeds) - MOST, 'more deed')}", "dim"))
    number = f"number {report.number}" if report.number is not None else "no: this role may not add to the ledger"
    about = {
        "run": f"{report.run.run} from {report.run.source}",
        "kept": number,
        "all of it": written or "with --html FILE, --markdown or --json",
    }
    return Group(*parts, "", facts([(key, "dim", in_a_line(value)) for key, value in about.items()], 2))


def _of_tables(one: Alike) -> list[tuple[str, str, str]]:
    word, style = (one.how, "red" if one.how == "failed" else "yellow") if one.open else ("well again", "green")
    named = ", ".join(f"{table.table} ({table.tier})" for table in one.tables[:NAMED])
    more = f" and {len(one.tables) - NAMED:,} more" if len(one.tables) > NAMED else ""
    told = [(word, style, in_a_line(f"{named}{more}: {one.why}; {_how_old(one)}"))]
    return told + ([("", "", in_a_line(f"to do: {one.hint}"))] if one.hint else [])


def _how_old(found: Alike) -> str:
    """Return how old the rows are that stand there now."""
    first = found.tables[0]
    if first.since is not None:
        return f"loaded again {first.since.at:%Y-%m-%d %H:%M} UTC"
    before = [one.before.at for one in found.tables if one.before]
    if not before:
        return "never loaded before"
    return f"as of {min(before):%Y-%m-%d %H:%M} UTC" + (" or later" if min(before) != max(before) else "")


def _deed(one: Deed) -> str:
    at = f"{one.at:%Y-%m-%d %H:%M} UTC" if one.at else "moment not on record"
    return in_a_line(f"{at}  {one.who}: {one.what}")


def one_run(report: RunReport, written: str) -> Group:
    """Return what became of a run: the tables that failed, and where all of it is."""
    page = report.page
    failed = [one for one in page.tables if one.outcome == "failed"]
    style = "red" if page.state == "failed" else "green" if page.state == "ontime" else "yellow"
    parts: list[RenderableType] = [verdict(report.headline, style)]
    if failed:
        told = [(one.outcome, "red", in_a_line(f"{one.table} ({one.tier}): {page.why(one)}")) for one in failed[:MOST]]
        parts += ["", facts(told)]
        if len(failed) > MOST:
            parts.append(Text(f"and {count_of(len(failed) - MOST, 'more table')}", "dim"))
    run = page.run
    about = {
        "run": f"{run.run} on {run.host}, from {run.source}, by bulketl {run.version}",
        "rows": f"{run.rows:,}, {run.rejects:,} rejected",
        "events": f"{page.recorded:,} on record; `bulketl runs show {run.run}` lists them",
        "all of it": written or "with --html FILE, --markdown or --json",
    }
    return Group(*parts, "", facts([(key, "dim", in_a_line(value)) for key, value in about.items()], 2))
