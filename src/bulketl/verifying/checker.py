"""Looking at tables on both servers at once, by as many connections as a load may have.

The target is asked before the source, and older rows of the source before newer ones, because rows only ever become
newer: so a row that is written meanwhile is newer, or another when looked at again, and never lost.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bulketl.connections.patience import patient
from bulketl.errors import BulketlError
from bulketl.mysql import compare as here
from bulketl.mysql import verify as source_side
from bulketl.mysql.read import masked, read, read_where
from bulketl.mysql.server import MySQL
from bulketl.postgres.compare import digests as there
from bulketl.postgres.compare import examine as target_side
from bulketl.postgres.compare.examine import Examined, Late
from bulketl.postgres.compare.image import imageable
from bulketl.postgres.ledger import states
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import close
from bulketl.rows.aggregates import aggregates, same
from bulketl.rows.coerce import Batch, Reject, coerce
from bulketl.rows.jsontext import KINDS
from bulketl.rows.reconcile import KEYS_READ, Buckets, Digest
from bulketl.tables.casts import encoder_of, unhashed
from bulketl.tables.cursor import LOOKBACK, Watermark, is_time
from bulketl.tables.partitions import KeyTuple, Partition, json_key, key_texts
from bulketl.tables.spec import TableSpec
from bulketl.verifying.looks import Look, Total, added, all_buckets, chosen, is_doubled, keys_only, look, steady
from bulketl.verifying.ranges import Piece, Seen, Sides, pieces, unlike
from bulketl.verifying.tasks import Found, Task, surplus_of
from bulketl.verifying.verdicts import Figure, Kind, Level, RowFinding, TableVerdict, with_note

T = TypeVar("T")

PAUSE_SECONDS = 1.0  # before what differs is looked at again
DETAILED = 10_000  # rows that differ are read, to say in which columns; beyond, they are counted by their hashes
NEWER_LISTED = 20_000
JSON_ROWS = 50_000  # read at once where a column has to be read to be compared


@dataclass(slots=True)
class Checker:
    """One verification: both servers, how to look, and the threads that ask them."""

    source: MySQL
    target: Postgres
    run: str
    level: Level
    sample: float
    seed: int
    first: int
    values: bool
    at_once: int
    loads: Mapping[str, states.Load]
    rejects: Mapping[str, list[str]]
    cuts: Mapping[str, tuple[tuple[int], ...]]  # through the integer key of large tables
    asked_at: float  # when `loads` was, by this machine's clock
    keyless: Callable[[Checker, Task, Sequence[str] | None], Found]
    _here: ThreadPoolExecutor = field(init=False)
    _there: ThreadPoolExecutor = field(init=False)
    _altered: dict[str, Counter[str]] = field(default_factory=dict)  # per table what jsonb has changed, and in how many rows
    _clocks: dict[str, dt.datetime] = field(default_factory=dict)  # the source's time in each zone, less this machine's

    def __post_init__(self) -> None:
        self._here = ThreadPoolExecutor(self.at_once, thread_name_prefix="bulketl-source")
        self._there = ThreadPoolExecutor(self.at_once, thread_name_prefix="bulketl-target")

    def here(self, ask: Callable[..., T], *args: Any) -> T:
        """Ask the source, by one of its connections."""
        return self._here.submit(patient, ask, *args).result()

    def there(self, ask: Callable[..., T], *args: Any, **more: Any) -> T:
        """Ask the target, by one of its connections."""
        return self._there.submit(patient, ask, *args, **more).result()

    def close(self) -> None:
        """End the threads and their connections."""
        for pool in (self._here, self._there):
            pool.shutdown(cancel_futures=True)
        close(self.run)

    def all(self, asked: Sequence[Task]) -> list[Found]:
        """Return what is found of each table, in the order given."""
        able = [task for task in asked if not task.verdict.problem or task.comparable]
        if self.level == "count":
            counted = {found.task.verdict.table: found for found in self._counted(able)}
        else:
            with ThreadPoolExecutor(self.at_once, thread_name_prefix="bulketl-verify") as pool:
                counted = {f.task.verdict.table: f for f in pool.map(self.table, able)}
        return [counted.get(task.verdict.table) or Found(task.verdict, task) for task in asked]

    def _counted(self, able: Sequence[Task]) -> Iterator[Found]:
        theirs = self._there.submit(patient, target_side.counts, self.target, [task.spec for task in able])
        ours = self._here.submit(patient, source_side.counts, self.source, [(task.spec, self._edge(task)) for task in able])
        for task in able:
            rows, newer, problem = ours.result()[task.spec.table]
            there_ = theirs.result()[task.spec.table]
            rejected = self._rejected(task, rows - there_)
            # A newer row is in the target by its older version, or not at all.
            missing, extra = max(0, rows - rejected - there_), max(0, there_ - rows - newer)
            extra, kept = surplus_of(task, extra)
            found = dataclasses.replace(
                self.begun(task), compared=rows, there=there_, newer=newer, rejected=rejected, missing=missing, extra=extra,
                kept=kept,
            )  # fmt: skip
            yield Found(dataclasses.replace(found, problem=problem or found.problem), task)

    def _rejected(self, task: Task, lacking: int) -> int:
        """Return how many of the rows that the target lacks were rejected, and not corrected and loaded since."""
        known = self.rejects.get(task.spec.table, ()) if lacking > 0 else ()
        back = self.there(target_side.present, self.target, task.spec, known) if known and task.spec.key else 0
        return min(len(known) - back, max(0, lacking))

    def noted(self, task: Task, batch: Batch, columns: Container[str]) -> None:
        """Note what jsonb has changed of these columns, in rows that were read: they are equal but for that."""
        known = self._altered.setdefault(task.spec.table, Counter())
        for (column, kind), count in batch.changed.items():
            if kind in KINDS and column in columns:
                known[f"{column}: {kind}"] += count

    def begun(self, task: Task) -> TableVerdict:
        """Return the verdict to fill in."""
        load = self.loads.get(task.spec.table)
        return dataclasses.replace(task.verdict, level=self.level, published=load.published if load else "")

    def table(self, task: Task, only: Sequence[str] | None = None) -> Found:
        """Return what is found of one table, in some buckets only if they are named; an error is its problem."""
        began = time.monotonic()
        try:
            found = self._table(task, only)
        except BulketlError as error:
            found = Found(dataclasses.replace(self.begun(task), problem=error.message), task)
        verdict = dataclasses.replace(found.verdict, seconds=round(time.monotonic() - began, 3))
        return dataclasses.replace(found, verdict=verdict)

    def _table(self, task: Task, only: Sequence[str] | None) -> Found:
        if self.level == "sums":
            return self._sums(task)
        return self._keyed(task, only) if task.spec.key else self.keyless(self, task, only)

    def _sums(self, task: Task) -> Found:
        spec, mark = task.spec, self._edge(task)
        fresh = self.here(source_side.newer_keys, self.source, spec, mark, NEWER_LISTED + 1) if mark and mark.value else []
        theirs = self._there.submit(patient, target_side.sums, self.target, spec, fresh[:NEWER_LISTED])
        ours = self._here.submit(patient, source_side.sums, self.source, spec, mark)
        there_, other = theirs.result()
        rows, mine = ours.result()
        verdict = dataclasses.replace(self.begun(task), compared=rows, there=there_, newer=len(fresh))
        if len(fresh) > NEWER_LISTED:
            return Found(with_note(verdict, f"more than {NEWER_LISTED:,} rows are newer: sums say nothing of it"), task)
        wanted = aggregates(spec.casts, {item.column: "" for item in spec.casts}, spec.nul_bytes)
        figures = tuple(
            Figure(one.column, one.what, *((a, b) if self.values else ()))
            for one, a, b in zip(wanted, mine, other, strict=True)
            if not same(a, b)
        )
        rejected = self._rejected(task, rows - there_)
        missing, extra = max(0, rows - rejected - there_), max(0, there_ - rows)
        extra, kept = surplus_of(task, extra)
        verdict = dataclasses.replace(verdict, rejected=rejected, missing=missing, extra=extra, kept=kept)
        if figures and not missing and (rejected or kept):
            note = "rows that were rejected, or that the rule keeps, are in the sums of one side only: --level rows tells"
            return Found(with_note(verdict, note), task)
        return Found(dataclasses.replace(verdict, figures=figures), task)

    def _keyed(self, task: Task, only: Sequence[str] | None) -> Found:
        spec = keys_only(task.spec) if self.level == "keys" else task.spec
        buckets = patient(there.buckets, self.target, spec)
        names = self._chosen(task, buckets) if only is None else list(only)
        seen = Seen(left=self._pieces(spec, buckets, names))
        if self.level == "rows" and len(seen.left) > 1 and imageable(spec):
            sides = Sides(self.source, self.target, self.run, self._here, self._there, source_side.older(task.mark))
            hashed = functools.partial(self._rows_hashed, task, spec, buckets)
            seen = unlike(sides, spec, buckets, seen.left, self.at_once, hashed)
        theirs, ours = self.digests(task, spec, buckets, seen.left)
        unequal = sorted(seen.unlike | {n for n in {*ours, *theirs} if ours.get(n) != theirs.get(n)})
        verdict = dataclasses.replace(
            self.begun(task),
            compared=seen.ours + sum(rows for rows, _ in ours.values()),
            there=seen.theirs + sum(rows for rows, _ in theirs.values()),
        )
        if task.mark and task.mark.value:
            ((_, newer, _),) = self.here(source_side.counts, self.source, [(spec, task.mark)]).values()
            verdict = dataclasses.replace(verdict, newer=newer)
        found, where, changing = self._looked_twice(task, spec, buckets, unequal)
        verdict = dataclasses.replace(verdict, changing=changing)
        if self.level == "rows":
            where += self._unhashed(task, buckets, sorted(ours), found.first)
        return self._examined(task, verdict, found, where)

    def _chosen(self, task: Task, buckets: Buckets) -> list[str] | None:
        """Return the buckets to look at, None for all of them."""
        if self.sample == 1:
            return None
        spans: list[tuple[Any, Any]] = []
        if buckets.width:
            spans = [
                patient(source_side.key_span, self.source, task.spec),
                patient(target_side.key_span, self.target, task.spec),
            ]
        lows, highs = [int(lo) for lo, _ in spans if lo is not None], [int(hi) for _, hi in spans if hi is not None]
        every = all_buckets(buckets, min(lows, default=None), max(highs, default=None))
        return chosen(every, task.spec.table, self.sample, self.seed) if every else None

    def digests(
        self, task: Task, spec: TableSpec, buckets: Buckets, pieces: Sequence[Piece]
    ) -> tuple[dict[str, Digest], dict[str, Digest]]:
        """Return rows and hash per bucket of the target and of the source, several pieces of the table at once."""
        older = source_side.older(task.mark)
        theirs = [self._there.submit(patient, there.digests, self.target, spec, buckets, two) for _, two in pieces]
        ours = [
            self._here.submit(patient, here.digests, self.source, spec, buckets, f"({one}) AND {older}") for one, _ in pieces
        ]
        return added(future.result() for future in theirs), added(future.result() for future in ours)

    def _pieces(self, spec: TableSpec, buckets: Buckets, names: Sequence[str] | None) -> list[Piece]:
        """Return the conditions, for the source and for the target, of the pieces that are looked at."""
        if names is not None:
            return [(here.within(spec, buckets, names), there.within(spec, buckets, names))] if names else []
        cuts = self.cuts.get(spec.table, ()) if buckets.width else ()
        return pieces(spec.key[0], cuts) if cuts else [("TRUE", "true")]

    def _rows_hashed(self, task: Task, spec: TableSpec, buckets: Buckets, piece: Piece) -> int:
        """Hash a piece, and return how many rows that were, of both sides."""
        return sum(rows for side in self.digests(task, spec, buckets, [piece]) for rows, _ in side.values())

    def _looked_twice(
        self, task: Task, spec: TableSpec, buckets: Buckets, which: Sequence[str]
    ) -> tuple[Total, list[str], int]:
        """Return what both looks at those buckets say, the buckets in which one differs, and how many rows changed between.

        Some buckets are listed at a time, and again after a pause in which the next ones are.
        """
        total, where, changing = Total(), list[str](), 0
        most = None if unhashed(spec.casts) else DETAILED  # what is found by other means than hashes is added to the first
        waiting: deque[tuple[float, list[str], Look]] = deque()
        groups = [list(which[n : n + buckets.at_once]) for n in range(0, len(which), buckets.at_once)]
        for n, some in enumerate(groups, 1):
            if seen := self._looked(task, spec, buckets, some):
                where += some
                waiting.append((time.monotonic() + PAUSE_SECONDS, some, seen))
            while waiting and (n == len(groups) or waiting[0][0] <= time.monotonic()):
                at, again, seen = waiting.popleft()
                time.sleep(max(0.0, at - time.monotonic()))
                found, changed = steady(seen, self._looked(task, spec, buckets, again))
                total.add(found, most)
                changing += changed
        return total, where, changing

    def _looked(self, task: Task, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Look:
        """List those buckets on both sides; return what differs."""
        old = self.there(there.rows, self.target, spec, buckets, which)
        new = self.here(here.rows, self.source, spec, buckets, which, source_side.older(task.mark))
        fresh: Mapping[str, object] = {}
        if task.mark and task.mark.value:
            fresh = self.here(here.rows, self.source, keys_only(spec), buckets, which, source_side.newer(task.mark))
        return look(new, old, fresh)

    def _unhashed(self, task: Task, buckets: Buckets, names: Sequence[str], found: Look) -> list[str]:
        """Read the columns that no hash covers, add the rows in which they differ, and return in which buckets they are."""
        spec, columns = task.spec, unhashed(task.spec.casts)
        where: list[str] = []
        if not columns:
            return where
        casts = tuple(item for item in spec.casts if item.column in {*spec.key, *columns})
        narrow = dataclasses.replace(spec, casts=casts, encoder=encoder_of(casts))
        at_once = len(names) * JSON_ROWS // max(task.rows, 1) or 1  # buckets
        for group in (list(names[n : n + at_once]) for n in range(0, len(names), at_once)):
            older = source_side.older(task.mark)
            condition = f"{here.within(spec, buckets, group)} AND {older}"
            batch = coerce(self.here(read_where, self.source, narrow, condition), narrow, masked(narrow))
            self.noted(task, batch, columns)
            examined, _ = self.there(target_side.examine, self.target, self.run, narrow, batch, None, values=False)
            seen = {one.text for one in examined if one.there and one.columns}
            if seen - found.differing.keys():
                mine = self.here(here.rows, self.source, spec, buckets, group, older)
                other = self.there(there.rows, self.target, spec, buckets, group)
                for text in seen & mine.keys() & other.keys():
                    found.differing.setdefault(text, (mine[text], other[text]))
                where += group
        return where

    def _examined(self, task: Task, verdict: TableVerdict, total: Total, where: Sequence[str]) -> Found:
        """Read the rows that differ, say in which columns they do, and sort out those that are as they should be."""
        found = total.first
        asked = {**found.missing, **{text: one for text, (one, _) in found.differing.items()}}
        doubled = {text for text, pair in found.differing.items() if is_doubled(pair)}
        known = set(self.rejects.get(task.spec.table, ()))
        some = list(asked if self.level == "rows" else found.missing if known or task.mark else ())[:DETAILED]
        seen: dict[str, Examined] = {}
        rejected = 0
        for examined, refused in self._read(task, [asked[text].key for text in some]):
            seen |= {one.text: one for one in examined}
            rejected += sum(json_key(one.key) in known for one in refused)
        late = {text for text, one in seen.items() if one.late}
        noted = {text for text, one in seen.items() if one.noted and one.there} - late
        same = {text for text, one in seen.items() if one.there and not one.columns} - late - noted - doubled
        out = late | noted | same
        missing = {text: row for text, row in found.missing.items() if text not in out}
        differing = {text: one for text, (one, _) in found.differing.items() if text not in out | doubled}
        refused_now = [text for text in some if text in missing and text not in seen]
        rejected = min(rejected, len(refused_now))
        for text in refused_now[:rejected]:  # which of them the ledger names makes no difference to a count
            missing.pop(text)
        kinds: dict[str, Kind] = dict.fromkeys(missing, "missing")
        kinds |= dict.fromkeys(differing, "differs")
        kinds |= dict.fromkeys(doubled, "doubled")
        named = [_named(row.key, seen.get(text), kinds[text]) for text, row in asked.items() if text in kinds]
        extra, kept = surplus_of(task, len(found.extra) + len(total.extra))
        if extra:
            named += [RowFinding(key_texts(row.key), "extra") for row in found.extra.values()]
        verdict = dataclasses.replace(
            verdict,
            missing=len(missing) + len(total.missing),
            differing=len(differing) + len(total.differing),
            doubled=len(doubled) + total.doubled,
            newer=verdict.newer + len(late),
            rejected=rejected,
            rows=tuple(named[: self.first]),
            extra=extra,
            kept=len(noted) + kept,
            kept_edited=len(noted),
        )
        for what, count in sorted(self._altered.pop(task.spec.table, Counter()).items()):
            verdict = with_note(verdict, f"{what}: {count:,} rows are equal but for that (docs/types.md)")
        if self.level == "rows" and (len(asked) > DETAILED or total.more):
            verdict = with_note(verdict, f"only the first {DETAILED:,} rows that differ were read")
        return Found(
            verdict,
            task,
            (*(row.key for row in missing.values()), *total.missing),
            (*(row.key for row in differing.values()), *total.differing),
            (*(row.key for row in found.extra.values()), *total.extra) if extra else (),
            tuple(where),
        )

    def _read(self, task: Task, keys: Sequence[KeyTuple]) -> Iterator[tuple[list[Examined], tuple[Reject, ...]]]:
        late = self._late(task) if keys else None
        for n in range(0, len(keys), KEYS_READ):
            partition = Partition(0, columns=task.spec.key, only=tuple(keys[n : n + KEYS_READ]))
            for rows in self.here(lambda part: list(read(self.source, task.spec, part)), partition):
                batch = coerce(rows, task.spec, masked(task.spec))
                self.noted(task, batch, {item.column for item in task.spec.casts}.difference(unhashed(task.spec.casts)))
                yield self.there(target_side.examine, self.target, self.run, task.spec, batch, late, values=self.values)

    def _edge(self, task: Task) -> Watermark | None:
        """Return the value of the cursor up to which a load surely saw every row, for what is not looked at row by row."""
        late, mark = self._late(task), task.mark
        if late is None or mark is None:
            return mark
        return dataclasses.replace(mark, value=min(mark.value, late.since[: len("2024-01-01 00:00:00")]))

    def _late(self, task: Task) -> Late | None:
        """Return since when a stamp does not tell whether the last load saw the row: it may have been committed later."""
        load, mark = self.loads.get(task.spec.table), task.mark
        if mark is None or load is None or load.age is None or not is_time(mark.type):
            return None
        kinds = {item.column: item.target_type.base for item in task.spec.casts}
        if kinds.get(mark.column) not in ("timestamp", "date"):
            return None
        zone = task.spec.zone
        if zone not in self._clocks:
            self._clocks[zone] = self.here(source_side.now, self.source, task.spec) - dt.timedelta(seconds=time.monotonic())
        seen = self._clocks[zone] + dt.timedelta(seconds=self.asked_at - load.age)
        span = task.lookback if isinstance(task.lookback, dt.timedelta) else LOOKBACK
        since = seen - max(span, dt.timedelta(days=1) if kinds[mark.column] == "date" else span)
        return Late(mark.column, since.isoformat(" "), (seen - dt.timedelta(seconds=2)).isoformat(" "))


def _named(key: KeyTuple, one: Examined | None, kind: Kind) -> RowFinding:
    if one is None:
        return RowFinding(key_texts(key), kind)
    return RowFinding(one.key, kind, one.columns, one.source, one.target)
