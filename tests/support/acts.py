"""What bulketl does beside the model: loads, whole or in part, dry runs, verifications, repairs, retention, undo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import hypothesis.strategies as st
from changes import CHANGES, WHICH, Change, Changes
from hypothesis.stateful import invariant, rule
from model import Expected, Table

import bulketl
from bulketl import Summary
from bulketl.errors import DataError, PlanError


def must(holds: bool, *about: object) -> None:
    """Fail with what it is about, unless it holds."""
    if not holds:
        raise AssertionError(" ".join(map(str, about)))


class Acts(Changes):
    """Whatever is asked of bulketl, and what it must say and leave."""

    def begun(self) -> None:
        """Have everything be loaded once."""
        self.carry_out()

    @rule(changes=CHANGES, which=st.lists(WHICH, max_size=2), full=st.booleans(), allowed=st.booleans())
    def load(self, changes: list[Change], which: list[int], full: bool, allowed: bool) -> None:
        """Load all tables, or some; perhaps whole, perhaps whatever goes."""
        self.change(changes)
        names = sorted({self.table(n).name for n in which})
        self.carry_out(names, full=full and bool(names), allowed=allowed and bool(names))
        self.did("load")

    @rule(changes=CHANGES)
    def night(self, changes: list[Change]) -> None:
        """A day passes, and all tables are loaded and compared."""
        self.change(changes)
        self.a_day_later()
        self.carry_out()
        self.did("night")

    def a_day_later(self) -> None:
        """Have what was compared be compared again."""
        if not self.world.ledger():
            return
        self.world.asked(
            "UPDATE bulketl.state SET compared_at = compared_at - interval '25 hours' WHERE schema_name = '{s}'"
        )
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

    def hold(self, expected: dict[str, Expected], names: Sequence[str], summary: Summary) -> None:
        """Hold what a load of these names says against what it had to do."""
        for name, one in expected.items():
            self.told(self.world.tables[name], one, summary)
        for table in self.world.tables.values():
            if not names and (table.dropped or table.owner != "bulketl") and table.name in summary.tables:
                told = summary.tables[table.name]
                must(told.outcome == "skipped", table.name, "is not skipped:", told.outcome, told.message)
        failed = [one.outcome == "failed" for one in expected.values()]
        outcome = "done" if not any(failed) else "failed" if all(failed) else "partly done"
        recorded = self.world.asked("SELECT outcome FROM bulketl.run WHERE run = %s", summary.run)
        must((outcome,) == (summary.outcome,) == recorded[0], "the run ended", summary.outcome, recorded, "not", outcome)
        self.world.crashed = False
        self.world.nothing_left()

    def carry_out(self, names: Sequence[str] = (), *, full: bool = False, allowed: bool = False) -> None:
        """Plan and load, and hold what is said against what had to be done."""
        if names and not (names := [table.name for table in self.asked(names)]):
            return
        expected = self.expected(names, full=full, allowed=allowed)
        plan = self.planned(expected, names, full=full, allowed=allowed)
        self.hold(expected, names, bulketl.load(self.world.config(), plan))

    def told(self, table: Table, expected: Expected, summary: Summary) -> None:
        """Hold what a load says of a table against what it had to do, and take that over."""
        told, old = summary.tables[table.name], table.held
        about = (table.name, table.rule, told, expected.outcome, expected.whole, expected.counts)
        if told.outcome == "unchanged":
            must(expected.outcome == "loaded" and old is not None, *about)
            assert old is not None
            held = expected.steps[-1]
            same = (held.rows, held.shape, held.marked) == (old.rows, old.shape, old.marked)
            must(same, *about, "is said to be unchanged")
            return
        must(told.outcome == expected.outcome, *about)
        self.take_over(table, expected)
        if expected.outcome == "failed" or expected.counts is None:
            return
        counts = expected.counts
        must(told.rows == counts.rows, *about)
        if counts.inserted is not None:
            must(
                (told.inserted, told.updated, told.deleted or 0) == (counts.inserted, counts.updated, counts.deleted), *about
            )
        if counts.compared is not None:
            found = tuple(told.compared.get(kind, 0) for kind in ("missing", "differing", "gone"))
            must(found == counts.compared, *about)

    def take_over(self, table: Table, expected: Expected, step: int = -1) -> None:
        """Have the model be what a load has made of a table."""
        if expected.steps:
            table.held = expected.steps[step]
            table.held.keep()

    @rule(changes=CHANGES, what=st.sampled_from(["rows", "count", "repair"]))
    def verify(self, changes: list[Change], what: str) -> None:
        """A verification finds what differs, and nothing else; a repair makes it equal, within the guard."""
        self.change(changes)
        {"rows": self.compare, "count": self.count, "repair": self.repair}[what]()
        self.did(f"verify {what}")

    def compare(self) -> None:
        """Each row that differs is named, and no other."""
        verdicts = {one.table: one for one in bulketl.verify(self.world.config(), first=100).tables}
        for table in self.asked([]):
            verdict = verdicts[table.name]
            if table.held is None:
                must(bool(verdict.problem), table.name, "was never loaded, and is verified")
                continue
            wrong, uncompared = table.wrong(), table.added(table.held) + table.changed(table.held)
            must(len(verdict.uncompared) == len(uncompared), table.name, verdict.uncompared, uncompared)
            named = {(int(row.key[0]), row.kind) for row in verdict.rows}
            must(named == wrong, table.name, "verify finds", sorted(named), "not", sorted(wrong), verdict.problem)

    def count(self) -> None:
        """Where the target has fewer rows, it is said how many."""
        verdicts = {one.table: one for one in bulketl.verify(self.world.config(), level="count").tables}
        for table in self.asked([]):
            if table.held is not None:
                missing = verdicts[table.name].missing
                must(missing == max(0, table.fewer), table.name, "lacks", table.fewer, "rows, and by count", missing)

    def repair(self) -> None:
        """What differed is equal, unless more would go than may."""
        held = [table for table in self.asked([]) if table.held]
        able = [t for t in held if t.held and not t.added(t.held) and not t.changed(t.held)]
        if not able:
            return
        wanted = {table.name: table.repair() for table in able}
        found = bulketl.verify(self.world.config(), tables=[table.name for table in able], repair=True)
        problems = {one.table: one.problem for one in found.repaired}
        for name, well in wanted.items():
            must(bool(problems.get(name)) != well, name, "repaired:", problems.get(name))
        self.world.nothing_left()

    @rule(changes=CHANGES, which=WHICH, what=st.sampled_from(["retention", "retention", "undo", "undo", "reset", "dry run"]))
    def act(self, changes: list[Change], which: int, what: str) -> None:
        """Something else is asked of bulketl."""
        if what in ("undo", "dry run"):
            self.carry_out()
        self.change(changes if what != "undo" else changes[:1])
        {"retention": self.retain, "undo": self.undo, "reset": self.reset, "dry run": self.rehearse}[what](which)
        self.did(what)

    def rehearse(self, which: int) -> None:
        """A dry run says what a load would do, and changes nothing."""
        before, full = self.world.ledger(), which % 3 == 0
        self.planned(self.expected([], full=full), [], full=full)
        must(self.world.ledger() == before, "a dry run wrote to the ledger", before, self.world.ledger())

    def retain(self, which: int) -> None:
        """Rows leave that are older than their rule keeps."""
        days = 10 - which % 3
        ruled = [table for table in self.asked([]) if table.held and table.rule.keep]
        for table in ruled:
            table.rule.keep = days
        gone = {table.name: table.retain(self.world.today - dt.timedelta(days=days)) for table in ruled}
        if ruled:
            found = bulketl.retain_tables(self.world.config(), folder=Path(self.folder.name) / "archives")
            told = {one.table: one.rows for one in found if one.table in gone}
            must(told == gone, "retention removes", told, "not", gone)

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

    def reset(self, which: int) -> None:
        """How far a table is loaded is forgotten, so it is loaded whole."""
        table = self.table(which)
        if table.held is not None and table.owner == "bulketl" and not table.rule.audit:
            bulketl.reset(self.world.config(), [table.name])
            table.held.by, table.held.mark, table.held.due = "", None, True

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
