"""What bulketl does beside the model: loads, whole or in part, dry runs, verifications, repairs, retention, undo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import hypothesis.strategies as st
from changes import WHICH, Changes
from hypothesis.stateful import invariant, rule
from model import Expected, Table

import bulketl
from bulketl import Summary
from bulketl.errors import BulketlError, DataError, PlanError


def must(holds: bool, *about: object) -> None:
    """Fail with what it is about, unless it holds."""
    if not holds:
        raise AssertionError(" ".join(map(str, about)))


class Acts(Changes):
    """Whatever is asked of bulketl, and what it must say and leave."""

    @rule(which=st.lists(WHICH, max_size=2), full=st.booleans(), allowed=st.booleans())
    def load(self, which: list[int], full: bool, allowed: bool) -> None:
        """Load all tables, or some; perhaps whole, perhaps whatever goes."""
        names = sorted({self.table(n).name for n in which})
        self.carry_out(names, full=full and bool(names), allowed=allowed and bool(names))
        self.did("load")

    @rule()
    def night(self) -> None:
        """A day passes, and all tables are loaded and compared."""
        self.a_day_later()
        self.carry_out()
        self.did("night")

    @rule(full=st.booleans())
    def rehearse(self, full: bool) -> None:
        """A dry run says what a load would do, and changes nothing."""
        before = self.world.ledger()
        expected = self.expected([], full=full)
        self.planned(expected, [], full=full)
        must(self.world.ledger() == before, "a dry run wrote to the ledger", before, self.world.ledger())
        self.did("dry run")

    def a_day_later(self) -> None:
        """Have what was compared be compared again."""
        if not self.world.ledger():
            return
        self.world.asked("UPDATE bulketl.state SET compared_at = compared_at - interval '25 hours' WHERE schema_name = '{s}'")
        for table in self.world.tables.values():
            if table.held:
                table.held.due = True

    def asked(self, names: Sequence[str]) -> list[Table]:
        """Return the tables that are loaded when these are asked for; all when none is."""
        tables = [table for table in self.world.tables.values() if not table.dropped and table.owner == "bulketl"]
        return [table for table in tables if not names or table.name in names]

    def expected(self, names: Sequence[str], *, full: bool = False, allowed: bool = False) -> dict[str, Expected]:
        """Return what a load must do."""
        keeps = bool(self.world.previous)
        return {table.name: table.load(full=full, allowed=allowed, keeps=keeps) for table in self.asked(names)}

    def planned(
        self, expected: dict[str, Expected], names: Sequence[str], *, full: bool = False, allowed: bool = False
    ) -> bulketl.Plan:
        """Return the plan of a load, which has to say what is expected."""
        patterns = list(expected) if allowed else []
        plan = bulketl.make_plan(self.world.config(), tables=names, full=full, allow_deletes=patterns)
        for load in plan.loads:
            must(load.spec.table in expected, load.spec.table, "is planned and not bulketl's to load")
            must(load.spec.whole == expected[load.spec.table].whole, load.spec.table, "is planned otherwise:", load.reason)
        return plan

    def carry_out(self, names: Sequence[str] = (), *, full: bool = False, allowed: bool = False) -> None:
        """Plan and load, and hold what is said against what had to be done."""
        names = [name for name in names if self.world.tables[name].owner == "bulketl"]
        expected = self.expected(names, full=full, allowed=allowed)
        plan = self.planned(expected, names, full=full, allowed=allowed)
        summary = bulketl.load(self.world.config(), plan)
        for name, one in expected.items():
            self.told(self.world.tables[name], one, summary)
        for table in self.world.tables.values():
            if not names and (table.dropped or table.owner != "bulketl") and table.name in summary.tables:
                told = summary.tables[table.name]
                must(told.outcome == "skipped", table.name, "is not skipped:", told.outcome)
        self.world.nothing_left()

    def told(self, table: Table, expected: Expected, summary: Summary) -> None:
        """Hold what a load says of a table against what it had to do, and take that over."""
        told, old = summary.tables[table.name], table.held
        about = (table.name, told.outcome, told.message, told.rows, told.inserted, told.updated, told.deleted, told.compared, expected.counts)
        if told.outcome == "unchanged":
            must(expected.outcome == "loaded" and old is not None, *about)
            assert old is not None
            table.held = expected.steps[-1]
            same = (table.held.rows, table.held.shape, table.held.marked) == (old.rows, old.shape, old.marked)
            must(same, *about, "is said to be unchanged")
            table.held.before, table.held.left = old.before, old.left
            return
        must(told.outcome == expected.outcome, *about)
        self.take_over(table, expected)
        if expected.outcome == "failed" or expected.counts is None:
            return
        counts = expected.counts
        must(told.rows == counts.rows, *about)
        if counts.inserted is not None:
            must((told.inserted, told.updated, told.deleted or 0) == (counts.inserted, counts.updated, counts.deleted), *about)
        if counts.compared is not None:
            found = tuple(told.compared.get(kind, 0) for kind in ("missing", "differing", "gone"))
            must(found == counts.compared, *about)

    def take_over(self, table: Table, expected: Expected, step: int = -1) -> None:
        """Have the model be what a load has made of a table."""
        if expected.steps:
            table.held = expected.steps[step]
            held = table.held.copied()
            table.held.left = (held.rows, held.marked)

    @rule(level=st.sampled_from(["rows", "rows", "count"]))
    def verify(self, level: str) -> None:
        """A verification finds what differs, and nothing else."""
        found = bulketl.verify(self.world.config(), level=level, first=100)  # type: ignore[arg-type]
        verdicts = {verdict.table: verdict for verdict in found.tables}
        for table in self.asked([]):
            verdict = verdicts[table.name]
            if table.held is None:
                must(bool(verdict.problem), table.name, "was never loaded, and is verified")
                continue
            missing, differing, extra, uncompared = table.wrong()
            must(len(verdict.uncompared) == len(uncompared), table.name, verdict.uncompared, uncompared)
            if level == "count":
                fewer = max(0, len(missing) - len(extra))
                must(verdict.missing == fewer or bool(table.rule.audit or not extra), table.name, verdict, missing, extra)
                must(bool(verdict.missing) or not fewer, table.name, "lacks rows, and counts are said to be equal", missing)
                continue
            named = {(int(row.key[0]), row.kind) for row in verdict.rows}
            wanted = {(key, "missing") for key in missing} | {(key, "extra") for key in extra}
            wanted |= {(key, "differs") for key in differing}
            must(named == wanted, table.name, "verify finds", sorted(named), "not", sorted(wanted), verdict.problem)
        self.did(f"verify {level}")

    @rule()
    def repair(self) -> None:
        """A repair makes equal what differs, within the guard."""
        able = [table for table in self.asked([]) if table.held and not table.wrong()[3]]
        if not able:
            return
        wanted = {table.name: table.repair() for table in able}
        found = bulketl.verify(self.world.config(), tables=[table.name for table in able], repair=True)
        problems = {one.table: one.problem for one in found.repaired}
        for name, well in wanted.items():
            must(bool(problems.get(name)) != well, name, "repaired:", problems.get(name))
        self.world.nothing_left()
        self.did("repair")

    @rule(days=st.integers(0, 3))
    def retain(self, days: int) -> None:
        """Rows leave that are older than their rule keeps."""
        ruled = [table for table in self.asked([]) if table.held and table.rule.keep]
        for table in ruled:
            table.rule.keep = 10 + days
        limit = self.world.today - dt.timedelta(days=10 + days)
        gone = {table.name: table.retain(limit) for table in ruled}
        if ruled:
            found = bulketl.retain_tables(self.world.config(), folder=Path(self.folder.name) / "archives")
            told = {one.table: one.rows for one in found if one.table in gone}
            must(told == gone, "retention removes", told, "not", gone)
            self.did("retention")

    @rule(which=WHICH)
    def undo(self, which: int) -> None:
        """A table is what it was before its last load, unless its rows have changed since."""
        table = self.table(which)
        held = table.held
        if held is None or table.owner != "bulketl":
            return
        try:
            bulketl.undo(self.world.config(), table.name)
        except PlanError as error:
            must(held.before is None, table.name, "is not undone:", error.message)
        except DataError as error:
            must(held.before is not None and not held.untouched, table.name, "is not undone:", error.message)
        else:
            must(held.before is not None and held.untouched, table.name, "is undone")
            table.held = held.undone()
        self.world.nothing_left()
        self.did("undo")

    @rule(which=WHICH)
    def reset(self, which: int) -> None:
        """How far a table is loaded is forgotten, so it is loaded whole."""
        table = self.table(which)
        if table.held is not None and table.owner == "bulketl" and not table.rule.audit:
            bulketl.reset(self.world.config(), [table.name])
            table.held.by, table.held.mark, table.held.due = "", None, True
        self.did("reset")

    @invariant()
    def rows_are_what_they_must_be(self) -> None:
        """The target has what the model says, and what people hung on its tables."""
        tables = self.world.tables.values()
        lines = [line for table in tables for line in (*self.world.differences(table), *self.world.hanging(table))]
        must(not lines, *lines)

    @invariant()
    def chains_hold(self) -> None:
        """Audited rows are as they were loaded."""
        audited = [table for table in self.asked([]) if table.rule.audit and table.held]
        for verdict in bulketl.verify_audit(self.world.config()) if audited else ():
            must(not verdict.problem, verdict.problem)
