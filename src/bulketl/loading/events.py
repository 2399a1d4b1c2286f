"""What happens in a run, as values. Observers fold over them: progress, summary, ledger, log; none can change a load.

Only the driver makes events; a worker returns a result. New kinds may appear, so an observer passes over what it does
not know.
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
    server, tls, zone, unset. `sizes`: the bytes expected of each table.
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
    """The first step of a table begins."""

    run: str
    table: str


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

    `against`: the names of the batches' figures that differ at the source. `floats`: columns whose figures are floats.
    """

    run: str
    table: str
    partition: int
    batches: Mapping[str, str | None] | None
    against: tuple[str, ...]
    target: Mapping[str, str | None] | None
    floats: frozenset[str]


@dataclass(frozen=True, slots=True)
class TablePublished:
    """A table is complete and visible. `seconds` is the time since its first step began.

    `rows` were read; `inserted`, `updated`, `unchanged`, `deleted` say what that did, None where it is not counted.
    `checks`: per severity and check on the table as a whole, the rows or the figure at fault.
    `quality`: rows in the target per row at the source that was not rejected. `noted`: what the run has put into the audit
    trail of the table so far, by kind. `before`: the rows that the table had before, None when unknown.
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


@dataclass(frozen=True, slots=True)
class TableCompared:
    """A table's keys and rows were compared with the source's, and mended as its rule says.

    `missing` rows were added, `differing` ones replaced, `gone` ones treated as `deletes` says. In an audited table both
    stay; `noted`: as of TablePublished.
    """

    run: str
    table: str
    missing: int
    differing: int
    gone: int
    deletes: str
    seconds: float
    noted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableFailed:
    """A table was given up; the target has it as it was before. `rejects` or `checks` when they are why."""

    run: str
    table: str
    kind: str
    message: str
    hint: str
    seconds: float
    rejects: int = 0
    checks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


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
class StepRetried:
    """A step failed for a reason that may pass, or a group is tried table by table; it will run again.

    `batch_rows`: how many rows it takes at a time then, 0 when as many as before.
    """

    run: str
    tables: tuple[str, ...]
    step: str
    attempt: int
    message: str
    wait_seconds: float
    batch_rows: int = 0


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    """How many steps run at once from now on: fewer after a deadlock or for want of connections, more when all is well."""

    run: str
    workers: int
    why: str


@dataclass(frozen=True, slots=True)
class TableOverdue:
    """A table takes longer than its rule expects; it goes on. `seconds`: what was expected."""

    run: str
    table: str
    seconds: float


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
class RunFinished:
    """Every table is published or has failed."""

    run: str
    seconds: float


Event = (
    RunStarted
    | TableStarted
    | PartitionLoaded
    | FiguresTaken
    | TablePublished
    | TableCompared
    | TableFailed
    | TableSkipped
    | ColumnsChanged
    | StepRetried
    | WorkersChanged
    | TableOverdue
    | SourceLocked
    | SourceSpared
    | SourceReadAgain
    | RunFinished
)
Observer = Callable[[Event], object]
