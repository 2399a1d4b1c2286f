"""What a tick looks at in the ledger: events of runs since the last one, runs that died, and what is not normal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping

from bulketl.config.alerts import Rule
from bulketl.config.config import Config
from bulketl.loading.telling import from_record, kind_of
from bulketl.operations.alerts.book import Book
from bulketl.operations.alerts.causes import TELLING, Cause, Ending, Heard, Relief, heard, of_tables, of_the_run, rule_of
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.anomalies.look import look as anomalies
from bulketl.operations.anomalies.words import told, what_to_do
from bulketl.postgres.ledger import events, findings, handovers, incidents, strangewrites
from bulketl.postgres.ledger.findings import Oddity
from bulketl.postgres.ledger.incidents import Unread
from bulketl.postgres.ledger.watched import Sight, see

KINDS = tuple(map(kind_of, TELLING))
NO_EVENT = 1 << 62  # behind every event
LOOKS_BACK = dt.timedelta(days=2)  # nobody wants to hear of runs that began earlier, as at the first tick
RULES_OF: Mapping[Oddity, Rule] = {"no_run": "missing_run", "lag": "lag", "not_loaded": "not_loaded"}
FOUND = (*RULES_OF.values(), "unusual", "untold", "written")  # rules of what is so until it is found no more
UNFINISHED = {"interrupted": "was interrupted", "stopped": "was stopped at the end of its window"}
RESUME = "`bulketl load --resume last` goes on where it was; tables that it did not publish are as they were before"
Apply = Callable[[Book, Config, Iterable[Heard], dt.datetime], None]


def look(config: Config, book: LedgerBook, apply: Apply, now: dt.datetime) -> None:
    """Look at what is new in the ledger at that moment, and have the incidents hear of it."""
    for run in incidents.unread(book.connection, book.schema, now - LOOKS_BACK):
        with book.connection.transaction():
            since = incidents.claim(book.connection, run.run, book.schema)
            if since is not None:
                apply(book, config, _of_run(config, book, run, since), now)
    anomalies(config, book.connection, now)
    apply(book, config, _oddities(config, book, now), now)


def _of_run(config: Config, book: LedgerBook, run: Unread, since: int) -> Iterator[Heard]:
    """Yield what happened in a run since an event of it, and record how far it is looked at."""
    connection = book.connection
    sight = see(connection, run.run, NO_EVENT)  # after the list was made: it may have ended meanwhile
    if sight is None:
        return
    going = not (sight.ended or sight.dead)
    last = events.last_number(connection, run.run)  # what comes behind it meanwhile is for the next tick
    for one in events.read_events(connection, run.run, since, KINDS):
        event = from_record(run.run, one.kind, one.body)
        if event is not None:
            yield from heard(config, event, one.at, sight.source)
    if not going:
        yield from _ended(config, book, sight, sight.last)
        yield Ending(run.run)
    incidents.read_to(connection, run.run, max(last, since), done=not going)


def _ended(config: Config, book: LedgerBook, run: Sight, at: dt.datetime) -> Iterator[Heard]:
    """Yield what is known of a run once nobody carries it out any more, since its last event."""
    schema = config.target_schema
    told = any(one.occasion == run.run and "" in one.members for one in book.unresolved())  # by the load itself
    if run.kind == "load" and not told:
        if run.dead:
            text = f"run {run.run}, which began {run.began:%Y-%m-%d %H:%M} UTC, has no process any more and did not end"
            yield from of_the_run(config, Cause(schema, run.run, "driver", "died", "", run.source), text, RESUME, at)
        elif run.outcome in UNFINISHED and not incidents.cancelled(book.connection, run.run):
            text = f"run {run.run} {UNFINISHED[run.outcome]} before all its tables were loaded"
            cause = Cause(schema, run.run, "driver", "run_failed", run.outcome, run.source)
            yield from of_the_run(config, cause, text, RESUME, at)
    text, hint = "its figures at both sides differ, or are not all known", "`bulketl certificate` shows which"
    cause = Cause(schema, run.run, "data", "verification", "", run.source)
    yield from of_tables(config, cause, incidents.uncertified(book.connection, run.run), text, hint, at)


def _oddities(config: Config, book: LedgerBook, now: dt.datetime) -> Iterator[Heard]:
    """Yield what is not normal of tables and runs at that moment, and of what was alerted, what is so no more."""
    odd: set[tuple[str, str]] = set()
    for one in findings.read_findings(book.connection, book.schema):
        cause = Cause(book.schema, one.run or "never", "time", RULES_OF.get(one.kind, "unusual"), one.kind, one.source)
        odd.add((cause.key, one.table))
        if one.table:
            yield from of_tables(config, cause, [one.table], told(one), what_to_do(one), one.at)
        else:
            yield from of_the_run(config, cause, told(one), what_to_do(one), one.at)
    for write in strangewrites.written(book.connection, book.schema):
        cause = Cause(book.schema, "others", "older pipeline", "written")
        odd.add((cause.key, write.table))
        hint = "have the older pipeline stop writing it; `bulketl verify --tables` shows what it did, --repair mends it"
        yield from of_tables(config, cause, [write.table], write.words, hint, now)
    for left in handovers.untold(book.connection, book.schema):
        if left.attempts:
            cause = Cause(book.schema, left.run, "older pipeline", "untold")
            odd |= {(cause.key, table) for table in left.tables}
            text = f"{left.act} of {left.at:%Y-%m-%d %H:%M} UTC: {left.answer}"
            yield from of_tables(config, cause, left.tables, text, "see to the command migration.legacy.told", left.at)
    for incident in book.unresolved():
        gone = [name for name, member in incident.members.items() if member.over is None and (incident.key, name) not in odd]
        if rule_of(incident) in FOUND and gone:
            yield Relief(incident.occasion, tuple(gone), now, (rule_of(incident),), incident.key)
