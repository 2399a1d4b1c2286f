"""What happens in a run, as values.

Observers fold over events: progress, summary, ledger, log; none of them can change a load. Only the driver makes events;
a worker returns a result. New kinds of events may appear, so an observer ignores events that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bulketl.tables.catalog import Other


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The plan is about to be carried out. `tables` maps each table to the rows expected and its tier.

    `left_out`: what the source has and no load takes, as it is no base table. `notes`: what whoever looks at the run should
    know first, and that is of no one table. `sessions`: per side, `source` and `target`, what is known of its sessions:
    server, tls, zone, unset. `sizes`: the bytes expected of each table. `kind`: which act it is.
    """

    run: str
    source: str
    schema: str
    zone: str
    tables: Mapping[str, tuple[int, str]]
    left_out: tuple[Other, ...] = ()
    notes: tuple[str, ...] = ()
    sessions: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    kind: str = "load"

    @property
    def line(self) -> str:
        """What is known of the sessions, in a line."""
        parts = []
        for side, found in self.sessions.items():
            unset = found.get("unset")
            names = ", ".join(map(str, unset)) if isinstance(unset, (list, tuple)) else ""
            zone = f", zone {found['zone']}" if side == "source" else ""
            parts.append(f"{side} {found['server']}, {found['tls']}{zone}{f', not ours to set: {names}' if names else ''}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class TableStarted:
    """The first step of a table begins. `read`, `written`: its columns with their types, at the source and in the target.

    The columns are for observers and not on record, as the plan of the run has them there.
    """

    run: str
    table: str
    read: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    written: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PartitionLoaded:
    """A partition, or a small table as a whole, was copied and counted. `seconds` is the worker's time for the step.

    `checks`: per severity and check, the rows that fail it.
    """

    run: str
    table: str
    partition: int
    rows: int
    rejects: int
    bytes: int
    seconds: float
    changed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FiguresTaken:
    """Figures for a table's certificate: of a range's batches, of the target's rows, or both; None where a step has none.

    `against`: the names of the batches' figures that differ at the source. `masked`: of masked columns, how many values they
    had before that; their other figures are of what came out, and `against` of what went in. `floats`: columns whose figures
    are floats.
    """

    run: str
    table: str
    partition: int
    batches: Mapping[str, str | None] | None
    against: tuple[str, ...]
    target: Mapping[str, str | None] | None
    floats: frozenset[str]
    masked: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TablePublished:
    """A table is complete and visible. `seconds` is the time since its first step began.

    `rows` were read; `inserted`, `updated`, `unchanged`, `deleted` say what that did, None where it is not counted.
    `checks`: per severity and check on the table as a whole, the rows or the figure at fault.
    `quality`: rows in the target per row at the source that was not rejected. `noted`: what the run has put into the audit
    trail of the table so far, by kind. `before`: the rows that the table had before, None when unknown. `beside`: how many
    indexes and comments of the source it has, where its rule keeps them; `refused`: in words what Postgres refused of these.
    """

    run: str
    table: str
    rows: int
    how: str
    seconds: float
    inserted: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    deleted: int | None = None
    consistency: str = ""
    checks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    quality: float = 1.0
    noted: Mapping[str, int] = field(default_factory=dict)
    before: int | None = None
    rejects: int = 0  # rows that the table refused, though they were counted as loaded into its stage
    beside: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableCompared:
    """A table's keys and rows were compared with the source's, and mended as its rule says.

    `missing` rows were added, `differing` ones replaced, `gone` ones treated as `deletes` says. In an audited table both
    stay; `noted`: as of TablePublished. `rejects`: rows among the missing and differing ones that were rejected instead.
    """

    run: str
    table: str
    missing: int
    differing: int
    gone: int
    deletes: str
    seconds: float
    noted: Mapping[str, int] = field(default_factory=dict)
    rejects: int = 0


@dataclass(frozen=True, slots=True)
class TableFailed:
    """A table was given up; the target has it as it was before. `rejects` or `checks` when they are why.

    `public`: the message without what a server said, which may hold values of rows; only this is kept on record.
    `reference`: the code by which docs/refusals.md tells of the error.
    """

    run: str
    table: str
    kind: str
    message: str
    hint: str
    seconds: float
    rejects: int = 0
    checks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    public: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class TableRetried:
    """A table that failed is loaded once more, after the others: what was said of it does not count until it ends again."""

    run: str
    table: str


@dataclass(frozen=True, slots=True)
class TableSkipped:
    """A table of the source is not loaded, by a decision in the plan; `proof`: what shows that it has not changed."""

    run: str
    table: str
    reason: str
    proof: str = ""


@dataclass(frozen=True, slots=True)
class ColumnsChanged:
    """The source's columns differ from the target's: lines that begin with +, - or ~. The load follows them."""

    run: str
    table: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartTaken:
    """A limit leaves only some of a table's rows. `part`: which these are, and what follows from it, in words."""

    run: str
    table: str
    part: str


@dataclass(frozen=True, slots=True)
class RuleUnmet:
    """A table's own rule cannot be followed: `how` it is loaded instead, and why, until somebody changes something."""

    run: str
    table: str
    how: str


@dataclass(frozen=True, slots=True)
class ColumnsWithheld:
    """Columns of a table are not loaded: strict masking is asked for, and nobody has said whether they are personal."""

    run: str
    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepRetried:
    """A step failed for a reason that may pass, or a group is tried table by table; it will run again.

    `batch_rows`: how many rows it takes at a time then, 0 when as many as before. `public`: as of TableFailed.
    """

    run: str
    tables: tuple[str, ...]
    step: str
    attempt: int
    message: str
    wait_seconds: float
    batch_rows: int = 0
    public: str = ""


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    """How many steps run at once from now on: fewer after a deadlock or for want of connections, more when all is well."""

    run: str
    workers: int
    why: str


@dataclass(frozen=True, slots=True)
class TableOverdue:
    """A table takes longer than its rule expects; it goes on. `seconds`: what was expected.

    `by_plan`: it is OVER_PLAN longer than by its earlier loads, whatever its rule says.
    """

    run: str
    table: str
    seconds: float
    by_plan: bool = False


@dataclass(frozen=True, slots=True)
class SourceLocked:
    """A table was locked at the source so that all its ranges are of one moment. `seconds`: for so long."""

    run: str
    table: str
    how: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SourceSpared:
    """No reading begins until the reason has passed."""

    run: str
    why: str


@dataclass(frozen=True, slots=True)
class SourceReadAgain:
    """The source is read again, after a pause of that many seconds."""

    run: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SourceWaits:
    """A table waits for a lock at the source; `why`: what the server calls the wait."""

    run: str
    table: str
    why: str


@dataclass(frozen=True, slots=True)
class SourceWaited:
    """A table waits no more for a lock at the source, after that many seconds."""

    run: str
    table: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """Somebody asked for the end of the run: `by` whom; `at_once`, or after the steps under way."""

    run: str
    by: str
    at_once: bool


@dataclass(frozen=True, slots=True)
class TableDone:
    """A run that is no load has ended its work at a table: `outcome` is `loaded`, `shortened` or `unchanged`."""

    run: str
    table: str
    outcome: str
    rows: int
    deleted: int
    rejects: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Every table is published or has failed."""

    run: str
    seconds: float


@dataclass(frozen=True, slots=True)
class HookRan:
    """A hook was called at an event of kind `on`, of a table or of none; `code` is its exit code, 0 when all was well.

    `code` is None where it did not start, was ended, or was left out, as `message` says; `public` is that without what the
    hook printed.
    """

    run: str
    hook: str
    on: str
    table: str
    code: int | None
    seconds: float
    message: str
    public: str = ""


@dataclass(frozen=True, slots=True)
class EventsLost:
    """So many events of the run are not on record, because the target did not take them in time."""

    run: str
    events: int


@dataclass(frozen=True, slots=True)
class LedgerPruned:
    """What was older than the ledger keeps has left it: rows per table of the ledger; `left`: old runs not come to yet."""

    run: str
    older: str
    rows: Mapping[str, int]
    left: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event on record of every run, however it ended, but for its hooks; one that was killed has none.

    `outcome`: as of the run.
    """

    run: str
    outcome: str
    seconds: float


Event = (
    RunStarted | TableStarted | PartitionLoaded | FiguresTaken | TablePublished | TableCompared | TableFailed
    | TableRetried | TableSkipped | ColumnsChanged | PartTaken | RuleUnmet | ColumnsWithheld | StepRetried | WorkersChanged
    | TableOverdue | SourceLocked | SourceSpared | SourceReadAgain | SourceWaits | SourceWaited | RunCancelled | TableDone
    | RunFinished | HookRan | EventsLost | LedgerPruned | RunEnded
)  # fmt: skip
Observer = Callable[[Event], object]
