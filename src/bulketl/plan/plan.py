"""The plan: what will be loaded, how, and why so, as one frozen value.

It holds no connection, no secret and no clock; it can be printed, compared and stored. `bulketl.plan.decision` makes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bulketl.errors import BulketlError
from bulketl.plan.tagged import tagged
from bulketl.tables.catalog import Other
from bulketl.tables.partitions import Partition
from bulketl.tables.printable import brief
from bulketl.tables.secondary import Reference
from bulketl.tables.spec import Strategy, TableSpec, Tier


@dataclass(frozen=True, slots=True)
class TableLoad:
    """One table of a plan: what the writer must know, what is read, and why so."""

    # What is done.
    spec: TableSpec
    partitions: tuple[Partition, ...]  # none: it was counted as empty, or a repair finds its rows itself
    tier: Tier
    reason: str
    # What is expected.
    rows: int
    bytes: int
    drift: tuple[str, ...] = ()  # what changed in its columns
    declared: tuple[str, ...] = ()  # the casts that a person chose
    hanging: tuple[str, ...] = ()  # what depends on the target table: views, rights and more
    seconds: float | None = None  # that it will take, by its earlier loads; None when there was none
    # How it is carried out.
    chunked: bool = False  # its partitions are published one after another, each on its own
    compare: bool = False  # its keys and rows are compared with the source's afterwards
    prepared: bool = False  # its staging table is there, with rows of an interrupted run
    due: float | None = None  # seconds after which somebody should hear of it
    after: tuple[str, ...] = ()  # tables of the plan that it depends on
    strategy: Strategy | None = None  # of its rule
    unmet: str = ""  # how and why it is not loaded as its own rule says
    part: str = ""  # which of its rows are loaded, where a limit leaves some out, and what follows
    once_more: bool = False  # when it fails it is loaded again, after the others
    long: bool = False  # a column of it holds values of any length

    @property
    def streamed(self) -> bool:
        """Whether some of it passes through a file: all where no key cuts it, or ranges of a snapshot that are large."""
        return any(part.stream for part in self.partitions)

    @property
    def lock(self) -> str:
        """The lock readers of the target table will feel, and for how long; '' for none, as when there is no table yet."""
        altered = self.spec.added or self.spec.widened or self.spec.unindexed
        if self.spec.publish == "create" or (self.spec.publish in ("append", "merge") and not altered):
            return ""
        return f"ACCESS EXCLUSIVE {'for the swap only' if self.spec.publish == 'swap' else 'while it is filled'}"

    @property
    def source_lock(self) -> str:
        """The lock writers to the source table will feel, and for how long; '' for none."""
        if self.spec.consistency == "locked":
            return "READ while it is read"
        if self.spec.consistency == "snapshot" and len(self.partitions) > 1:
            return "READ until every reader has begun"
        return ""

    @property
    def direct(self) -> bool:
        """Whether it is written straight into place in one transaction, without a staging table."""
        # A refill of a table whose rows are not known is staged, for they are to be compared before it is emptied.
        if self.prepared or self.spec.adopt or (self.spec.publish == "refill" and self.spec.rows is None):
            return False
        small = not self.partitions or (len(self.partitions) == 1 and not self.partitions[0].stream)
        return small and self.spec.publish != "swap" and not self.chunked


@dataclass(frozen=True, slots=True)
class Group:
    """Tables that travel together. Direct ones share one transaction; a staged table is alone in its group."""

    tier: Tier
    loads: tuple[TableLoad, ...]

    @property
    def after(self) -> set[str]:
        """Tables that must have ended, well or not, before it begins."""
        return {other for load in self.loads for other in load.after} - {load.spec.table for load in self.loads}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A table that was asked for and cannot be loaded. `public`: the message without what a server said, if it said some.

    `reference`: the code of the error.
    """

    table: str
    tier: Tier
    message: str
    hint: str
    public: str = ""
    reference: str = ""


def refusal(table: str, tier: Tier, error: BulketlError) -> Refusal:
    """Return what an error says of a table as its refusal."""
    return Refusal(table, tier, error.message, error.hint, error.public, error.reference)


@dataclass(frozen=True, slots=True)
class Skip:
    """A table that is there and is not loaded, and why. `proof`: what shows that it has not changed, if so."""

    table: str
    tier: Tier
    reason: str
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A table that bulketl made and does not load any more: why not, and when it was loaded last, '' when unknown.

    `unmasked`: columns that its rule masks now and that it has as they were loaded, without any mask.
    """

    table: str
    reason: str
    loaded: str = ""
    unmasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run will do, in order. `zone`: the time zone in which TIMESTAMP columns are written.

    `left_out`: what the source has and no load takes, because it is no base table. `leftovers`: tables of the target that
    are no longer loaded, which are looked for only when all tables are selected. `references`: the foreign keys that the
    target is to have when all tables are done, whichever tables they belong to. `referring`: the tables of the source
    that are in view; of their foreign keys in the target, only those in `references` stay.
    """

    source: str
    schema: str
    zone: str
    groups: tuple[Group, ...]
    refused: tuple[Refusal, ...] = ()
    skipped: tuple[Skip, ...] = ()
    left_out: tuple[Other, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    references: tuple[Reference, ...] = ()
    referring: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(
            self,
            source=self.source,
            schema=self.schema,
            tables=sum(1 for _ in self.loads),
            refused=len(self.refused),
            skipped=len(self.skipped),
        )

    def _repr_html_(self) -> str:
        """Return a table for a notebook: what cannot be loaded first, then the tables in their order."""
        from bulketl.tables.notebook import html_table  # notebooks only: html is slow to load

        rows: list[tuple[object, ...]] = [(r.table, r.tier, "refused", None, f"{r.message}; {r.hint}") for r in self.refused]
        rows += [(load.spec.table, load.tier, load.spec.publish, load.rows, load.reason) for load in self.loads]
        rows += [(skip.table, skip.tier, "not loaded", None, skip.reason) for skip in self.skipped]
        return html_table(f"{self.source} into {self.schema}", ("table", "tier", "publish", "rows", "why"), rows)

    @property
    def loads(self) -> Iterator[TableLoad]:
        """The tables to load, in the order of the groups."""
        return (load for group in self.groups for load in group.loads)

    def to_json(self) -> str:
        """Return the plan as JSON, in one line; equal plans give the same text."""
        return json.dumps(self, default=tagged, sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """A hash of everything in the plan, for comparing two plans."""
        return fingerprint(self.to_json())


def fingerprint(text: str) -> str:
    """Return the hash of a plan in JSON."""
    return hashlib.sha256(text.encode()).hexdigest()


def in_turn(source: str, schema: str, zone: str, loads: Iterable[TableLoad]) -> Plan:
    """Return the plan of an act other than a load, a repair say: tables in their order, each in a transaction of its own.

    Its loads have no partitions: what is read is found under the locks, or is on record. `source` and `zone` are '' where
    nothing is read.
    """
    return Plan(source, schema, zone, tuple(Group(item.tier, (item,)) for item in loads))


def tables_of(document: Mapping[str, Any]) -> set[str]:
    """Return the tables that the stored JSON of a plan is of, whether it loads them or not."""
    loads = {load["spec"]["table"] for group in document.get("groups", ()) for load in group["loads"]}
    return loads | {item["table"] for key in ("refused", "skipped") for item in document.get(key, ())}


def _names(indexes: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(str(item["name"]) for item in indexes)


def differences(before: Mapping[str, Any], plan: Plan) -> list[str]:
    """Return how a plan differs from the stored JSON of another, as lines that begin with +, - or ~."""
    old = {load["spec"]["table"]: load for group in before.get("groups", ()) for load in group["loads"]}
    new = {load.spec.table: load for load in plan.loads}
    told = {item.table: item.message for item in plan.refused} | {item.table: item.reason for item in plan.skipped}
    lines = [f"+ {name} ({load.reason})" for name, load in new.items() if name not in old]
    lines += [f"- {name}" + (f" ({told[name]})" if name in told else "") for name in old if name not in new]
    for name, load in new.items():
        if name not in old:
            continue
        was, spec = old[name], old[name]["spec"]
        columns = {item["column"]: item["target"] for item in spec["casts"]}
        now = {item.column: item.target for item in load.spec.casts}
        names = {item["column"]: item["name"] for item in spec["casts"]}
        called = {item.column: item.name for item in load.spec.casts}
        pairs = [
            ("tier", was["tier"], load.tier),
            ("reads", *("all of it" if whole else "what changed" for whole in (spec["whole"], load.spec.whole))),
            ("publish", spec["publish"], load.spec.publish),
            ("deletes", spec["deletes"], load.spec.deletes),
            ("key", ", ".join(spec["key"]), ", ".join(load.spec.key)),
            ("where", spec.get("where", ""), load.spec.where),
            ("limit", (spec.get("part") or {}).get("limit"), load.spec.part and load.spec.part.limit),
            ("table of the source", spec.get("origin", name), load.spec.origin),
            ("partitions", len(was["partitions"]), len(load.partitions)),
            ("indexes", _names(spec.get("indexes", ())), ", ".join(item.name for item in load.spec.indexes)),
            *((f"column {c}", columns.get(c), now.get(c)) for c in {**columns, **now}),
            *((f"name of {c}", names.get(c), called[c]) for c in called if c in names),
        ]
        lines += [f"~ {name}: {what} {one or 'none'} -> {two or 'none'}" for what, one, two in pairs if one != two]
    return lines
