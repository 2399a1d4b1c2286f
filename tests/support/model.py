"""A simple model of what a target must have: the rows of both sides in dicts, and what each act makes of them.

Nothing of bulketl is imported and no server is asked: what documents promise of a rule stands here a second time, in the
fewest words that say it exactly, so that the target can be held against it after each step.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Row = dict[str, Any]
WIDER = {"int": "bigint", "varchar(10)": "varchar(20)"}  # what a type of the source may become without a new table
STORED = {"int": "integer", "bigint": "bigint", "varchar(10)": "character varying(10)",
          "varchar(20)": "character varying(20)", "datetime": "timestamp without time zone", "date": "date"}  # fmt: skip
FREE, SHARE = 20, 0.05  # rows that a load may always remove, and of more than these the share, unless a rule says otherwise


@dataclass
class Rule:
    """How a table is loaded: `policy` for its deletes ("": none declared), `guard` the share that may go (None: usual)."""

    by: str = ""  # the cursor, "" for a table that is loaded whole
    chunked: bool = False
    audit: bool = False
    policy: str = ""
    guard: float | None = None
    hours: int = 2
    keep: int = 0  # days
    swap: bool = False

    def written(self) -> dict[str, Any]:
        """Return it as tables.yaml has it."""
        rule: dict[str, Any] = {}
        if self.by:
            strategy = "chunked_incremental" if self.chunked else "incremental"
            rule |= {"extraction_strategy": strategy, "incremental_column": self.by, "lookback": f"{self.hours}h"}
        if self.audit:
            rule["table_importance"] = "audit"
        if self.policy:
            guard = {} if self.guard is None else {"guard": f"{self.guard:.0%}"}
            rule["deletes"] = {"policy": self.policy, **guard}
        if self.keep:
            rule["retention"] = {"keep": f"{self.keep}d", "by": "born", "action": "delete"}
        if self.swap:
            rule["publish"] = "swap"
        return rule

    def deletes(self, whole: bool) -> str:
        """Return what becomes of rows that the source has no longer."""
        return "ignore" if self.audit else self.policy or ("mirror" if whole else "ignore")

    @property
    def compared(self) -> bool:
        """Whether all rows are compared with the source once a day."""
        return bool(self.by) and (self.audit or self.policy in ("mark", "mirror", "fail"))

    def too_many(self, gone: int, there: int) -> bool:
        """Tell whether a load stops rather than remove so many rows of so many."""
        free, share = (FREE, SHARE) if self.guard is None else (0, self.guard)
        return gone > free and gone > share * there


@dataclass
class Held:
    """What the target must have of a table, and what bulketl knows of it."""

    shape: dict[str, str] = field(default_factory=dict)  # its columns, with the source's types
    rows: dict[int, Row] = field(default_factory=dict)
    marked: set[int] = field(default_factory=set)  # keys of rows that bear when they were found gone
    flagged: bool = False  # it has the column for that
    kept: set[str] = field(default_factory=set)  # columns without the source's values, as far as the ledger knows
    mark: dt.datetime | None = None  # the highest cursor that is loaded
    by: str = ""  # of which column, "" for none
    known: int | None = 0  # rows by the ledger
    due: bool = False  # the next load compares all rows
    limit: dt.date | None = None  # rows before it have left by retention
    seen: dict[int, Row] = field(default_factory=dict)  # of an audited table: the source's rows as they were noted last
    before: Held | None = None  # what an undo brings back
    left: tuple[dict[int, Row], set[int]] | None = None  # rows and marks as the load left them that `before` was kept for

    def alive(self, policy: str) -> dict[int, Row]:
        """Return the rows that are not marked as gone, where the policy marks."""
        return {key: row for key, row in self.rows.items() if policy != "mark" or key not in self.marked}

    def copied(self) -> Held:
        """Return a copy without the version before."""
        return copy.deepcopy(replace(self, before=None, left=None))

    def keep(self) -> None:
        """Note that a load has left it like this."""
        self.left = (copy.deepcopy(self.rows), set(self.marked))

    @property
    def untouched(self) -> bool:
        """Whether its rows are what the load left."""
        return self.left == (self.rows, self.marked)

    def undone(self) -> Held:
        """Return what an undo must make of it: the rows of before, its columns those of now."""
        assert self.before is not None
        old = self.before.copied()
        old.kept |= self.shape.keys() - old.shape.keys()
        old.shape, old.flagged = self.shape, self.flagged
        for row in old.rows.values():
            row.update({name: row.get(name) for name in old.shape})
        return old

    def put(self, key: int, row: Row, types: Mapping[str, str]) -> None:
        """Write a row of the source; columns that it has no longer keep what is there."""
        old = self.rows.get(key, {})
        self.rows[key] = {name: row[name] if name in types else old.get(name) for name in self.shape}


@dataclass(frozen=True)
class Counts:
    """What a load says of a table: rows read; of one that is merged, what became of them; what a comparison found."""

    rows: int
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    compared: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Expected:
    """What a load must make of a table: the states that it passes through, the last first of all if it is let be.

    `outcome`: loaded or failed. `whole`: all rows are read. `steps`: after each thing that it commits.
    """

    outcome: str
    whole: bool
    steps: tuple[Held, ...]
    counts: Counts | None = None


@dataclass
class Table:
    """A table of the source, its rule, and what the target has of it: None before its first load."""

    name: str
    rule: Rule
    types: dict[str, str]
    rows: dict[int, Row] = field(default_factory=dict)
    held: Held | None = None
    view: bool = False  # somebody has made a view over it in the target
    index: bool = False
    dropped: bool = False  # at the source
    owner: str = "bulketl"  # or legacy, or shadow: the older pipeline serves it
    old: dict[int, Row] = field(default_factory=dict)  # the older pipeline's rows
    beside: Held | None = None  # what is loaded beside these

    def stays(self, limit: dt.date | None) -> dict[int, Row]:
        """Return the source's rows that have not left the target by retention."""
        return {k: r for k, r in self.rows.items() if limit is None or r["born"] is None or r["born"] >= limit}

    def top(self) -> dt.datetime | None:
        """Return the highest value of the cursor."""
        return max((row[self.rule.by] for row in self.rows.values() if row[self.rule.by] is not None), default=None)

    def whole(self, *, full: bool) -> bool:
        """Tell whether a load reads all rows."""
        held, rule = self.held, self.rule
        if full or not rule.by or held is None or held.by != rule.by or held.mark is None:
            return True
        if self.added(held) or held.kept & self.types.keys() or self.changed(held) or (self.widened(held) and self.view):
            return True
        top = self.top()
        return top is None or top < held.mark

    def added(self, held: Held) -> list[str]:
        """Return the columns that the target lacks."""
        return [name for name in self.types if name not in held.shape]

    def widened(self, held: Held) -> list[str]:
        """Return the columns whose type holds all that the target's does, and more."""
        return [name for name, kind in self.types.items() if WIDER.get(held.shape.get(name, "")) == kind]

    def changed(self, held: Held) -> list[str]:
        """Return the columns that have a narrower type than in the target."""
        return [name for name, kind in self.types.items() if WIDER.get(kind, "-") == held.shape.get(name)]

    def window(self, held: Held) -> dict[int, Row]:
        """Return the rows that a load of the changes reads."""
        since = held.mark - dt.timedelta(hours=self.rule.hours) if held.mark else dt.datetime.min
        by = self.rule.by
        return {k: r for k, r in self.stays(held.limit).items() if r[by] is None or r[by] >= since}

    def load(self, *, full: bool = False, allowed: bool = False, keeps: bool = False) -> Expected:
        """Return what a load must make of the table; `allowed`: any share may go; `keeps`: the version before."""
        old = self.held or Held(known=None)
        whole = self.whole(full=full)
        policy = self.rule.deletes(whole)
        stuck = self.changed(old) or (self.widened(old) and self.view)  # only a new table can follow
        if self.held and stuck and (self.rule.audit or policy != "mirror"):
            return Expected("failed", whole, ())
        read = self.stays(old.limit) if whole else self.window(old)
        gone = [key for key in old.alive(policy) if key not in read] if whole else []
        if self.held and whole and not self.rule.audit and policy != "ignore":
            fewer, there = len(gone), len(old.alive(policy))
            if policy == "mirror" and old.known is not None:
                fewer, there = old.known - len(read), old.known
            if (policy == "fail" and fewer > 0) or (not allowed and self.rule.too_many(fewer, there)):
                return Expected("failed", whole, ())
        new = self._published(old, read, gone, policy, whole=whole, keeps=keeps)
        counts = self._counts(old, new, read, policy, gone, whole=whole)
        if whole or not (self.rule.compared and old.due):
            return Expected("loaded", whole, (new,), counts)
        return self._compared(new, counts, policy, allowed)

    def _published(self, old: Held, read: dict[int, Row], gone: list[int], policy: str, *, whole: bool, keeps: bool) -> Held:
        new = old.copied()
        new.before = old.copied() if self.held and keeps and not self.rule.audit else None
        replaced = self.held is None or (whole and policy == "mirror" and not self.rule.audit)
        new.flagged = new.flagged or policy == "mark"
        filled = self.added(old)
        new.shape = {**new.shape, **self.types}
        if replaced:
            new.rows, new.marked = {}, set()
        for row in new.rows.values():
            row.update({name: row.get(name) for name in new.shape})
        for key, row in read.items():
            if self.rule.audit and key in new.rows:
                new.rows[key].update({name: row[name] for name in filled})
                continue
            new.put(key, row, self.types)
            if policy == "mark":
                new.marked.discard(key)
        if self.rule.audit:
            new.seen.update(read)
        if policy == "mark":
            new.marked.update(gone)
        inserted = len(read.keys() - old.rows.keys())
        new.known = len(read) if replaced else None if old.known is None else old.known + inserted
        if whole:
            new.due = False
        new.kept = set(new.shape.keys() - self.types.keys())
        new.by, new.mark = self.rule.by, self.top() if self.rule.by else None
        return new

    def _counts(self, old: Held, new: Held, read: dict[int, Row], policy: str, gone: list[int], *, whole: bool) -> Counts:
        if self.held is None or self.rule.audit or (whole and policy == "mirror"):
            return Counts(len(read))
        same = sum(
            key in old.rows and key not in (old.marked if policy == "mark" else ())
            and all(old.rows[key].get(name) == row[name] for name in self.types)
            for key, row in read.items()
        )  # fmt: skip
        inserted = len(read.keys() - old.rows.keys())
        return Counts(len(read), inserted, len(read) - inserted - same, len(gone) if policy == "mark" else 0)

    def _compared(self, new: Held, counts: Counts, policy: str, allowed: bool) -> Expected:
        """Return what a load of the changes makes of the table that compares all rows afterwards."""
        there, here = new.alive(policy), self.stays(new.limit)
        missing = [key for key in here if key not in there]
        differing = [key for key in here if key in there and unlike(here[key], there[key], self.types)]
        gone = [key for key in there if key not in here]
        if (
            not self.rule.audit
            and gone
            and (policy == "fail" or (not allowed and self.rule.too_many(len(gone), len(there))))
        ):
            return Expected("failed", whole=False, steps=(new,), counts=counts)
        end = new.copied()
        end.before = new.before
        end.due = False
        if end.known is not None:
            end.known += len([key for key in missing if key not in end.rows]) - len(gone) * (policy in ("mirror", "mark"))
        self._mended(end, missing if self.rule.audit else (*missing, *differing), gone, policy)
        end.seen.update(here if self.rule.audit else {})
        found = (len(missing), len(differing), len(gone))
        return Expected("loaded", whole=False, steps=(new, end), counts=replace(counts, compared=found))

    def _mended(self, held: Held, wrong: Iterable[int], gone: Iterable[int], policy: str) -> None:
        for key in gone:
            if policy == "mirror":
                del held.rows[key]
                held.marked.discard(key)
            elif policy == "mark":
                held.marked.add(key)
        for key in wrong:
            held.put(key, self.rows[key], self.types)
            if policy == "mark":
                held.marked.discard(key)

    def wrong(self) -> set[tuple[int, str]]:
        """Return which keys a verification must find, and how: missing, differs, extra."""
        held, rule = self.held or Held(), self.rule
        mark = held.mark if rule.by and held.by == rule.by else None
        types = [name for name in self.types if name not in self.added(held) + self.changed(held)]
        newer = {k for k, r in self.rows.items() if mark and (r[rule.by] or mark) > mark}
        here = {k: r for k, r in self.stays(held.limit).items() if k not in newer}
        there = {k: r for k, r in held.alive(self.policy).items() if k not in newer}
        found = {(key, "missing") for key in here.keys() - there.keys()}
        differing = {k for k in here.keys() & there.keys() if unlike(here[k], there[k], types)}
        if rule.audit:
            differing = {k for k in differing if unlike(here[k], held.seen.get(k, {}), types)}
        if not rule.audit and self.policy != "ignore":
            found |= {(key, "extra") for key in there.keys() - here.keys()}
        return found | {(key, "differs") for key in differing}

    @property
    def fewer(self) -> int:
        """How many rows fewer the target has than the source has had when it was loaded."""
        held = self.held or Held()
        mark = held.mark if self.rule.by and held.by == self.rule.by else None
        here = [r for r in self.stays(held.limit).values() if not mark or (r[self.rule.by] or mark) <= mark]
        return len(here) - len(held.alive(self.policy))

    @property
    def policy(self) -> str:
        """What becomes of rows that the source has no longer when they are found, and no load is under way."""
        held, rule = self.held, self.rule
        return rule.deletes(whole=not rule.by or held is None or held.by != rule.by or held.mark is None)

    def repair(self) -> bool:
        """Have the target be as a repair must make it; False when it must refuse."""
        held, policy, wrong = self.held, self.policy, self.wrong()
        if held is None or not wrong:
            return True
        extra = [key for key, kind in wrong if kind == "extra"]
        if extra and (policy == "fail" or self.rule.too_many(len(extra), len(held.alive(policy)))):
            return False
        written = {"missing"} if self.rule.audit else {"missing", "differs"}
        self._mended(held, [key for key, kind in wrong if kind in written], extra, policy)
        held.known = len(held.rows)
        return True

    def retain(self, limit: dt.date) -> int:
        """Let rows leave the target that are older; return how many."""
        held = self.held
        if held is None or not self.rule.keep:
            return 0
        old = [key for key, row in held.rows.items() if row["born"] is not None and row["born"] < limit]
        for key in old:
            del held.rows[key]
            held.marked.discard(key)
        if old:
            held.limit = max(limit, held.limit or limit)
            held.known = None if held.known is None else held.known - len(old)
        return len(old)


def unlike(one: Row, other: Row, columns: Iterable[str]) -> bool:
    """Tell whether two rows differ in one of the columns."""
    return any(one.get(name) != other.get(name) for name in columns)
