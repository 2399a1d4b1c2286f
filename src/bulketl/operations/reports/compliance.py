"""The compliance report: whether the audit tables are complete and unaltered, and what became of them in a period.

It recomputes every chain and counts every audit table on both sides, so it reads them whole. Rows are counted, never shown.
"""

from __future__ import annotations

import datetime as dt
import glob
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError, SourceError
from bulketl.operations.history.standing import plain
from bulketl.operations.records import verify_audit
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.signing import digest, sign
from bulketl.postgres.compare.chain import ChainVerdict
from bulketl.postgres.compare.continuity import missing_numbers
from bulketl.postgres.ledger import audits, runlist, verifications
from bulketl.postgres.ledger.audits import AuditRecord, Ran, Shortened
from bulketl.postgres.ledger.looking import asking, looking
from bulketl.postgres.ledger.verifications import Verified
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief, count_of, without_table
from bulketl.verifying.verdicts import TableVerdict
from bulketl.verifying.verify import verify

PERIOD = dt.timedelta(days=31)
NO_SOURCE = "no source is configured"


@dataclass(frozen=True, slots=True)
class AuditedTable:
    """One table of the report. `missing`: numbers that its key lacks, None where its key is not one integer.

    `verified`: what `verify` found of it last in the period, None where nobody verified it. `failure`: why its last load
    failed, without a value of any row, '' where it did not. `counts`: both sides' rows, None where the source was not asked.
    `retention`, `held`, `masks`: what the rules say now.
    """

    record: AuditRecord
    chain: ChainVerdict
    verified: Verified | None
    failure: str
    missing: int | None
    counts: TableVerdict | None
    retention: str
    held: bool
    masks: tuple[str, ...]

    @property
    def table(self) -> str:
        """Its name."""
        return self.record.table

    @property
    def faults(self) -> tuple[str, ...]:
        """Why nobody can say that it is complete and unaltered, the worst first; empty when it is."""
        return tuple(self._faults())

    def _faults(self) -> list[str]:
        record, counts, found = self.record, self.counts, []
        if self.chain.problem:
            found.append(f"the chain does not verify: {self.chain.problem}")
        if counts and counts.missing:
            found.append(f"the target lacks {count_of(counts.missing, 'row')} of the source")
        if counts and counts.extra:
            found.append(f"{count_of(counts.extra, 'row')} here that the source lacks, and no deletion explains")
        if counts and counts.rejected:
            found.append(f"{count_of(counts.rejected, 'row')} rejected and not corrected since")
        if counts and counts.problem:
            found.append(f"not counted: {counts.problem}")
        if record.last == "failed":
            found.append(f"its last load failed: {self.failure or 'the reason is not on record any more'}")
        elif not record.loaded:
            found.append("no load reached it in this period")
        if self.chain.ended:
            found.append(f"it is no longer audited, {self.chain.ended}")
        return found

    @property
    def changes(self) -> tuple[str, ...]:
        """What the source did to rows that had been loaded; the table keeps them all."""
        words = {"changed": self.record.changed, "deleted": self.record.deleted, "back again": self.record.returned}
        return tuple(f"{count_of(rows, 'row')} {what} at the source" for what, rows in words.items() if rows)

    @property
    def continuity(self) -> str:
        """What the numbers of its key say, '' where the key is not one integer."""
        if self.missing is None:
            return ""
        if not self.missing:
            return "without a gap"
        agrees = self.counts is not None and not (self.counts.missing or self.counts.extra or self.counts.problem)
        whose = "the source lacks them too, by both counts" if agrees else "not compared with the source"
        return f"{count_of(self.missing, 'number')} missing; {whose}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        counts = self.counts
        return {
            **plain(self.record._asdict()),
            "faults": list(self.faults),
            "changes": list(self.changes),
            "continuity": self.continuity,
            "missing_numbers": self.missing,
            "verified": plain(self.verified._asdict()) if self.verified else None,
            "rows_at_source": counts.compared if counts else None,
            "rows_here": counts.there if counts else self.chain.rows,
            "explained": counts.kept if counts else None,
            "newer_at_source": counts.newer if counts else None,
            "chain": self.chain.to_json(),
            "retention": self.retention,
            "legal_hold": self.held,
            "masks": list(self.masks),
        }


@dataclass(frozen=True, slots=True)
class Compliance:
    """The report on the audit tables of a schema from `since` until before `until`, made at `made` on `host`.

    `uncounted`: why the source was not counted, '' when it was. `unaudited`: tables whose rules say audit and that have no
    chain. `signer`: the name of the key that signs it, '' for none.
    """

    schema: str
    source: str
    since: dt.datetime
    until: dt.datetime
    made: dt.datetime
    host: str
    version: str
    tables: tuple[AuditedTable, ...]
    shortened: tuple[Shortened, ...]
    ran: tuple[Ran, ...]
    uncounted: str
    unaudited: tuple[str, ...]
    signer: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, tables=len(self.tables), faulty=len(self.faulty))

    @property
    def number(self) -> str:
        """How people call it: the schema, and when it was made."""
        return f"{self.schema}-{self.made.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"

    @property
    def subject(self) -> str:
        """The state for a title or a subject, with the last day; without names of tables."""
        until = f"{self.until.astimezone(dt.UTC):%-d %B}"
        return f"to {until}, {self.schema}: {'' if self.signer else 'not signed. '}{self.headline}"

    @property
    def faulty(self) -> list[AuditedTable]:
        """The tables that are not shown to be complete and unaltered, those whose chain does not verify first."""
        return sorted((one for one in self.tables if one.faults), key=lambda one: (not one.chain.problem, one.table))

    @property
    def worst_first(self) -> list[AuditedTable]:
        """All tables, the faulty ones first, then by name."""
        return sorted(self.tables, key=lambda one: (not one.faults, one.table))

    @property
    def changed(self) -> list[AuditedTable]:
        """The tables of which the source has changed or deleted rows since they were loaded."""
        return [one for one in self.tables if one.changes]

    @property
    def headline(self) -> str:
        """The state in one sentence."""
        tables, broken = len(self.tables), sum(bool(one.chain.problem) for one in self.tables)
        if not tables:
            return "No table is audited."
        verified = _share(tables, broken, "chain", ("verifies", "verify"))
        if self.uncounted:
            return f"Completeness is not known, because the source was not counted: {self.uncounted}; {verified}."
        complete = _share(tables, len(self.faulty), "audit table", ("is complete", "are complete"))
        return f"{complete[0].upper()}{complete[1:]}; {verified}."

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return {
            "report": "compliance",
            "number": self.number,
            "headline": self.headline,
            "signed_by": self.signer,
            **plain({key: getattr(self, key) for key in ("schema", "source", "since", "until", "made", "host", "version")}),
            "uncounted": self.uncounted,
            "unaudited": list(self.unaudited),
            "tables": [table.to_json() for table in self.tables],
            "retention": [plain(one._asdict()) for one in self.shortened],
            "runs": [plain(one._asdict()) for one in self.ran],
        }


_NOT = {"verifies": "does not verify", "is complete": "is not shown to be complete"}


def _share(total: int, wrong: int, noun: str, verbs: tuple[str, str]) -> str:
    """Return how many of some things do what they should: all 3 chains verify, 1 of 3 chains verifies."""
    if total == 1:
        return f"the {noun} {verbs[0]}" if not wrong else f"the {noun} {_NOT[verbs[0]]}"
    count = "all" if not wrong else f"{total - wrong} of"
    return f"{count} {total} {noun}s {verbs[0] if total - wrong == 1 else verbs[1]}"


def compliance(config: Config, period: ReportPeriod, signer: str = "") -> Compliance:
    """Return the report on the audit tables of the target's schema; `signer`: the name of the key that will sign it.

    If the source does not answer, the report says so and has everything else. Raise ConfigError or TargetError when the
    ledger cannot be used.
    """
    chains = verify_audit(config)
    counts, uncounted = _counted(config, [one.table for one in chains])
    return patient(_report, config, period, signer, chains, counts, uncounted)


def _counted(config: Config, tables: Sequence[str]) -> tuple[dict[str, TableVerdict], str]:
    """Return what both sides count of each table, and why they were not asked."""
    if not tables:
        return {}, ""
    if not config.source:
        return {}, NO_SOURCE
    try:
        found = verify(config, tables=[glob.escape(table) for table in tables], level="count")
    except (SourceError, PlanError) as error:
        return {}, error.public
    return {one.table: one for one in found.tables}, ""


def _report(
    config: Config,
    period: ReportPeriod,
    signer: str,
    chains: Sequence[ChainVerdict],
    counts: Mapping[str, TableVerdict],
    uncounted: str,
) -> Compliance:
    schema, verdicts = config.target_schema, {one.table: one for one in chains}
    with looking(Postgres.of(config)) as look:
        span = (schema, period.since, period.until)
        records = audits.audit_records(look.connection, schema, list(verdicts), *span[1:]) if verdicts else []
        shortened = audits.shortened(look.connection, *span) if look.version else []
        ran = audits.who_ran(look.connection, *span) if look.version else []
        verified = {one.table: one for one in verifications.since(look.connection, *span)}
        missing = missing_numbers(look.connection, schema, list(verdicts))
        failing = {one.last_run for one in records if one.last == "failed"}
        failures = {(one.run, one.table): one.message for one in runlist.failures(look, sorted(failing))}
    found = tuple(
        AuditedTable(
            record,
            verdicts[record.table],
            verified.get(record.table),
            without_table(failures.get((record.last_run, record.table), ""), record.table),
            missing.get(record.table),
            counts.get(record.table),
            _retention(config, record.table),
            bool((rule := config.rule(record.table).retention) and rule.legal_hold),
            tuple(f"{column}: {entry.method}" for column, entry in sorted(config.rule(record.table).mask.items())),
        )
        for record in records
    )
    ruled = [name for name in config.tables if config.rule(name).table_importance == "audit"]
    return Compliance(
        schema, next((one.record.source for one in found if one.record.source), ""), period.since, period.until,
        period.now, socket.gethostname(), version("bulketl"), found, tuple(shortened), tuple(ran), uncounted,
        tuple(sorted(set(ruled) - set(verdicts))), signer,
    )  # fmt: skip


def _retention(config: Config, table: str) -> str:
    """Return what the rules say of how long rows stay, in words."""
    rule = config.rule(table).retention
    if rule is None:
        return "kept for ever"
    return f"kept {rule.keep} by {rule.by}, then {'archived' if rule.action == 'archive' else 'deleted'}"


def signed(config: Config, report: Compliance, text: str, key: str) -> str:
    """Return a report, told as that text, with its signature, once its digest is in the chain of each of its tables.

    Raise ConfigError when the key is none, ConfigError or TargetError when the ledger cannot be written.
    """
    found = sign(text, key)
    patient(_note, config, report, digest(text))
    return found


def _note(config: Config, report: Compliance, digest: str) -> None:
    tables = [one.table for one in report.tables]
    with asking(Postgres.of(config)) as connection:
        if tables:
            audits.note_report(connection, report.schema, tables, f"report {report.number}", digest)
