"""The summary of a run: a fold over its events, and the table a person reads at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from bulketl.loading.certificate import Certificate
from bulketl.loading.events import (
    ColumnsChanged,
    ColumnsWithheld,
    Event,
    FiguresTaken,
    HookRan,
    LedgerPruned,
    PartitionLoaded,
    PartTaken,
    RuleUnmet,
    RunCancelled,
    RunFinished,
    RunStarted,
    TableCompared,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableRetried,
    TableSkipped,
)
from bulketl.plan.masking import unclassified
from bulketl.tables.catalog import Other
from bulketl.tables.checks import counts_to_json
from bulketl.tables.printable import brief, count_of

# Outcomes of tables that were written: by a retention the second; the others changed hands with an older pipeline.
DONE = ("loaded", "shortened", "promoted", "rolled back", "undone")


@dataclass(slots=True)
class TableSummary:
    """What became of one table. `bytes` are of Arrow as copied; `changed` counts values altered on the way.

    `checks`: per severity and check what failed it, rows or the figure of a check on the table as a whole. `proof`: of an
    unchanged table, what proves that. `noted`: what was put into its audit trail, by kind: `delete`, `update`, `return`.
    `before`: the rows it had before, None when unknown. `deletes`: how rows that are gone were treated when it was compared.
    `first_failure`: why it failed before it was loaded once more.
    `public`: of one that failed, the message without what a server said.
    `part`: which of its rows it has, where a limit left some out.
    `unmet`: how and why it was not loaded as its own rule says. `beside`: how many indexes and comments of the source it
    has, where its rule keeps them.
    """

    table: str
    tier: str
    expected: int = 0
    outcome: str = "unfinished"
    rows: int = 0
    before: int | None = None
    rejects: int = 0
    bytes: int = 0
    seconds: float = 0.0
    changed: dict[str, dict[str, int]] = field(default_factory=dict)
    checks: dict[str, dict[str, float]] = field(default_factory=dict)
    drift: tuple[str, ...] = ()
    part: str = ""
    unmet: str = ""
    beside: dict[str, int] = field(default_factory=dict)
    inserted: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    deleted: int | None = None
    compared: dict[str, int] = field(default_factory=dict)
    deletes: str = ""
    noted: dict[str, int] = field(default_factory=dict)
    consistency: str = ""
    quality: float | None = None
    certificate: Certificate | None = None
    overdue: bool = False
    first_failure: str = ""
    proof: str = ""
    error: str = ""
    message: str = ""
    public: str = ""
    hint: str = ""
    reference: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, tier=self.tier, outcome=self.outcome, rows=self.rows, rejects=self.rejects)

    def add(self, event: PartitionLoaded) -> None:
        """Take a partition into account."""
        self.rows += event.rows
        self.rejects += event.rejects
        self.bytes += event.bytes
        for column, kinds in event.changed.items():
            counts = self.changed.setdefault(column, {})
            for kind, count in kinds.items():
                counts[kind] = counts.get(kind, 0) + count
        for severity, labels in event.checks.items():
            found = self.checks.setdefault(severity, {})
            for label, rows in labels.items():
                found[label] = found.get(label, 0) + rows

    def note(self, event: ColumnsChanged | ColumnsWithheld | PartTaken | RuleUnmet | FiguresTaken | TableOverdue) -> None:
        """Take into account what is said of a table before it is published."""
        match event:
            case ColumnsChanged(changes=changes):
                self.drift = changes
            case ColumnsWithheld(columns=columns):
                self.drift = (*self.drift, *unclassified(columns))
            case PartTaken(part=part):
                self.part = part
            case RuleUnmet(how=how):
                self.unmet = how
            case FiguresTaken():
                self.certificate = self.certificate or Certificate()
                self.certificate.add(event)
            case TableOverdue():
                self.overdue = True

    @property
    def added(self) -> int:
        """Rows that came; of a table replaced as a whole, by how many it has more than before."""
        if self.outcome not in DONE:
            return 0
        new = max(self.rows - (self.before or 0), 0) if self.replaced else self.inserted or 0
        return new + self._mended()[0]

    @property
    def edited(self) -> int:
        """Rows that were replaced by another version; none is known of a table replaced as a whole."""
        return (self.updated or 0) + self._mended()[1]

    def _mended(self) -> tuple[int, int]:
        """Return how many rows the comparison brought in and replaced; those rejected are taken from the missing first."""
        rejected, missing = self.compared.get("rejected", 0), self.compared.get("missing", 0)
        differing = self.compared.get("differing", 0) if self.tier != "audit" else 0
        return max(missing - rejected, 0), max(differing - max(rejected - missing, 0), 0)

    @property
    def removed(self) -> int:
        """Rows that left, or were marked; of a table replaced as a whole, by how many it has fewer than before."""
        fewer = max((self.before or 0) - self.rows, 0) if self.replaced else self.deleted or 0
        return fewer + (self.compared.get("gone", 0) if self.tier != "audit" and self.deletes != "ignore" else 0)

    @property
    def moved(self) -> int:
        """All of these rows."""
        return self.added + self.edited + self.removed

    @property
    def replaced(self) -> bool:
        """Whether it was replaced as a whole, or is new, and is known to have had so many rows before."""
        return self.outcome == "loaded" and self.inserted is None and self.before is not None

    @property
    def kept(self) -> tuple[int, int]:
        """Rows deleted and rows edited at the source that an audited table keeps as first seen, as far as they are known."""
        compared = self.compared if self.tier == "audit" else {}
        return (
            max(compared.get("gone", 0), self.noted.get("delete", 0)),
            max(compared.get("differing", 0), self.noted.get("update", 0)),
        )

    @property
    def certified(self) -> bool | None:
        """Whether its figures agree on both sides, None when they were not asked for."""
        return None if self.certificate is None else self.certificate.certified

    def found(self, checks: Mapping[str, Mapping[str, float]]) -> None:
        """Take what a check on the whole table found into account."""
        for severity, labels in checks.items():
            self.checks.setdefault(severity, {}).update(labels)


@dataclass(slots=True)
class HookSummary:
    """What came of a hook in a run: its calls, those that failed or were left out, their seconds, and the first failure.

    `public`: that without what the hook printed.
    """

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0
    message: str = ""
    public: str = ""

    def add(self, event: HookRan) -> None:
        """Take a call into account."""
        self.calls += 1
        self.seconds = round(self.seconds + event.seconds, 3)
        if event.code != 0:
            self.failed += 1
            at = f"{event.on}{f' of {event.table}' if event.table else ''}"
            self.message = self.message or f"{event.message} (at {at})"
            self.public = self.public or f"{event.public} (at {at})"


class Summary:
    """What became of a run, folded from its events; `tables` maps names to TableSummary in the order of the plan.

    `source` and `schema`: what the run reads and where it writes. `left_out`: what no load takes. `notes`: notes that
    belong to no single table. `cancelled`: who asked for the end of the run, '' for nobody. `source_work`: what the
    source's server counted during the run, {} if unknown: `of` says whose rows and bytes these are (`account` for
    bulketl's user, `server` for everybody), with `rows_read`, `bytes_sent`, and `server_lock_waits`, which always count
    everybody. `hooks`: the result of each hook that was called, by its label. `foreign_keys`: how many of the foreign
    keys that rules keep exist and hold.
    """

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(
            self,
            run=self.run,
            outcome=self.outcome,
            tables=len(self.tables),
            failed=len(self.failed),
            rows=int(self.totals["rows"]),
        )

    def _repr_html_(self) -> str:
        """Return a table for a notebook: what failed first."""
        from bulketl.tables.notebook import html_table  # notebooks only: html is slow to load

        worst = sorted(self.tables.values(), key=lambda table: (table not in self.failed, table not in self.unfinished))
        caption = f"{self.outcome}: {count_of(int(self.totals['rows']), 'row')} into {self.schema}, run {self.run}"
        headings = ("table", "tier", "outcome", "rows", "rejects", "seconds", "message")
        return html_table(caption, headings, [[getattr(table, word) for word in headings] for table in worst])

    def __init__(self) -> None:
        self.run = ""
        self.source = ""
        self.schema = ""
        self.zone = ""
        self.sessions: Mapping[str, Mapping[str, object]] = {}
        self.source_work: Mapping[str, object] = {}
        self.seconds = 0.0
        self.cancelled = ""
        self.notes: tuple[str, ...] = ()
        self.pruned: LedgerPruned | None = None
        self.tables: dict[str, TableSummary] = {}
        self.left_out: tuple[Other, ...] = ()
        self.hooks: dict[str, HookSummary] = {}
        self.foreign_keys = 0

    def add(self, event: Event) -> None:
        """Add one event to the summary."""
        match event:
            case RunStarted(run=run, zone=zone, tables=tables, left_out=left_out):
                self.run, self.source, self.schema = run, event.source, event.schema
                self.zone, self.sessions = zone, event.sessions
                self.left_out, self.notes = left_out, event.notes
                self.tables = {name: TableSummary(name, tier, rows) for name, (rows, tier) in tables.items()}
            case PartitionLoaded(table=name):
                self.tables[name].add(event)
            case TablePublished(table=name):
                table = self.tables[name]
                table.outcome, table.seconds = "loaded", event.seconds
                table.rejects += event.rejects
                # More, when a part was loaded before an interruption.
                table.rows = max(table.rows - event.rejects, event.rows)
                table.inserted, table.updated = event.inserted, event.updated
                table.unchanged, table.deleted = event.unchanged, event.deleted
                table.consistency, table.quality = event.consistency, event.quality
                table.found(event.checks)
                table.noted |= event.noted
                table.before, table.beside = event.before, dict(event.beside)
                table.unmet = "; ".join(filter(None, (table.unmet, *event.refused)))
            case ColumnsChanged() | ColumnsWithheld() | PartTaken() | RuleUnmet() | FiguresTaken() | TableOverdue():
                self.tables[event.table].note(event)
            case TableCompared(table=name):
                counts = {"missing": event.missing, "differing": event.differing, "gone": event.gone}
                counts |= {"rejected": event.rejects} if event.rejects else {}
                self.tables[name].compared, self.tables[name].deletes = counts, event.deletes
                # All rows are compared, so those that the load has rejected are among them.
                self.tables[name].rejects = max(self.tables[name].rejects, event.rejects)
                self.tables[name].noted |= event.noted  # the run's so far, with the edits of the load before it
            case TableFailed(table=name):
                table = self.tables[name]
                table.outcome, table.seconds = "failed", event.seconds
                table.rejects = max(table.rejects, event.rejects)
                table.found(event.checks)
                table.error, table.message, table.hint, table.public = event.kind, event.message, event.hint, event.public
                table.reference = event.reference
            case TableRetried(table=name):
                table = self.tables[name]
                self.tables[name] = TableSummary(
                    name, table.tier, table.expected, drift=table.drift, part=table.part, unmet=table.unmet,
                    overdue=table.overdue, first_failure=table.public,
                )  # fmt: skip
            case TableSkipped(table=name):
                table = self.tables[name]
                table.outcome = "unchanged" if event.proof else "skipped"
                table.proof, table.message = event.proof, event.reason
            case RunCancelled() | HookRan() | LedgerPruned() | RunFinished():
                self._note(event)

    def _note(self, event: RunCancelled | HookRan | LedgerPruned | RunFinished) -> None:
        """Take into account what is of the run, and of no table."""
        if isinstance(event, RunCancelled):
            self.cancelled = event.by
        elif isinstance(event, HookRan):
            self.hooks.setdefault(event.hook, HookSummary()).add(event)
        elif isinstance(event, LedgerPruned):
            self.pruned = event
        else:
            self.seconds = event.seconds

    def make_public(self) -> None:
        """Remove the words of a server, which may quote rows, from every message."""
        for table in self.tables.values():
            table.message = table.public or table.message
        for hook in self.hooks.values():
            hook.message = hook.public or hook.message

    @property
    def failed(self) -> list[TableSummary]:
        """The tables that were not published, except those that the run did not finish."""
        return [table for table in self.tables.values() if table.outcome == "failed"]

    @property
    def unfinished(self) -> list[TableSummary]:
        """The tables that the run did not begin or did not finish."""
        return [table for table in self.tables.values() if table.outcome == "unfinished"]

    @property
    def uncertified(self) -> list[TableSummary]:
        """The tables that were published and whose figures differ or are not all known."""
        loaded = (table for table in self.tables.values() if table.outcome == "loaded")
        return [table for table in loaded if table.certificate and not table.certificate.certified]

    @property
    def outcome(self) -> str:
        """`done`, `stopped` before its end, `partly done`, `failed` if no table is as it should be, `not certified`."""
        if self.unfinished:
            return "stopped"
        if not self.failed:
            return "not certified" if self.uncertified else "done"
        well = any(table.outcome in (*DONE, "unchanged") for table in self.tables.values())
        return "partly done" if well else "failed"

    @property
    def totals(self) -> dict[str, float]:
        """The tables, rows and bytes published, the numbers of unchanged and failed tables, and the rejects of all.

        For a retention, which publishes nothing: the tables that it has shortened, and the rows that it has removed.
        """
        loaded = [table for table in self.tables.values() if table.outcome in DONE]
        return {
            "tables": len(loaded),
            "unchanged": sum(table.outcome == "unchanged" for table in self.tables.values()),
            "failed": len(self.failed),
            "unfinished": len(self.unfinished),
            "rows": sum(table.rows for table in loaded),
            "bytes": sum(table.bytes for table in loaded),
            "rejects": sum(table.rejects for table in self.tables.values()),
            "seconds": round(self.seconds, 3),
        }

    def to_json(self) -> dict[str, object]:
        """Return the whole summary as plain values; `--json` and notebooks get the same."""
        names = (
            "table", "tier", "outcome", "rows", "before", "rejects", "bytes", "seconds", "changed", "drift", "part", "unmet",
            "beside",
            "inserted", "updated", "unchanged", "deleted", "compared", "noted", "consistency", "quality", "overdue",
            "first_failure", "proof", "error", "message", "hint",
        )  # fmt: skip
        return {
            "run": self.run,
            "source": self.source,
            "schema": self.schema,
            "outcome": self.outcome,
            "cancelled": self.cancelled,
            "timestamp_zone": self.zone,
            "sessions": {side: dict(found) for side, found in self.sessions.items()},
            "source_work": dict(self.source_work),
            "totals": self.totals,
            "left_out": [dataclasses.asdict(other) for other in self.left_out],
            "notes": self.notes,
            "foreign_keys": self.foreign_keys,
            "pruned": {"rows": dict(self.pruned.rows), "left": self.pruned.left} if self.pruned else None,
            "hooks": [{"hook": name, **dataclasses.asdict(hook)} for name, hook in self.hooks.items()],
            "tables": [
                {
                    **{name: getattr(table, name) for name in names},
                    "checks": counts_to_json(table.checks),
                    "certified": table.certified,
                }
                for table in self.tables.values()
            ],
        }
