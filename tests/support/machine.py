"""The machine: random changes and acts, mishaps amid them, and a table that changes hands between two pipelines."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis.strategies as st
import pytest
from acts import Acts, must
from changes import CHANGES, GIVEN, Change
from faults import once, use
from hypothesis.stateful import precondition, rule
from model import Expected, Held, Table
from world import World

import bulketl
import bulketl.postgres.server
from bulketl.errors import BulketlError, TargetError
from bulketl.operations.migrate.sides import shadow
from bulketl.plan.selection import Selection
from bulketl.postgres.session import opened

OURS = f"{os.sep}bulketl{os.sep}postgres{os.sep}"
WHY = "a test"


class Machine(Acts):
    """All of it."""

    @rule(changes=CHANGES, step=st.sampled_from(["prepare", "load", "publish", "group", "chunk"]))
    def lose_answer(self, changes: list[Change], step: str) -> None:
        """A step commits, and its answer is lost: it is tried again, and no row is there twice."""
        self.change(changes)
        with pytest.MonkeyPatch.context() as patch:
            use(patch, once(step, "after", TargetError("the answer was lost", transient=True)))
            self.carry_out()
        self.did("lost answer")

    @rule(changes=CHANGES, at=st.integers(1, 500), then=st.sampled_from(["resumed", "resumed", "loaded", "left"]))
    def crash(self, changes: list[Change], at: int, then: str) -> None:
        """A load is killed: each table is as it was or as it has to be, and what follows completes it."""
        self.change(changes)
        expected = self.expected([])
        config, plan, before = self.world.config(), self.planned(expected, []), self.last_run()
        with crashing(self.world, at) as crashed:
            try:
                summary = bulketl.load(config, plan)
            except BulketlError as error:
                must(bool(crashed), "a load failed:", error.message)
        if not crashed:
            self.hold(expected, [], summary)
            return
        self.world.crashed = True
        self.world.nothing_left()
        tables = [self.world.tables[name] for name in expected]
        olds = {table.name: table.held for table in tables}
        began = self.last_run() != before
        for table in tables if began else ():
            self.settle(table, olds[table.name], expected[table.name])
        if then == "resumed" and began and self.run_left():
            bulketl.resume(config)
            for table in tables:
                one = expected[table.name]
                if one.outcome == "loaded" and one.steps[-1] is not table.held and planned(plan, table.name):
                    self.settle(table, olds[table.name], one, done=True)
            self.world.crashed = False
            self.world.nothing_left()
        elif then == "loaded":
            self.carry_out()
        self.did(f"crash, {then}")

    def run_left(self) -> bool:
        """Tell whether there is a run to go on with."""
        return bool(self.world.asked("SELECT 1 FROM bulketl.run WHERE schema_name = '{s}' AND finished_at IS NULL"))

    def last_run(self) -> str:
        """Return the name of the last run on record."""
        if not self.world.ledger():
            return ""
        found = self.world.asked("SELECT run FROM bulketl.run WHERE schema_name = '{s}' ORDER BY started_at DESC LIMIT 1")
        return str(found[0][0]) if found else ""

    def settle(self, table: Table, old: Held | None, expected: Expected, *, done: bool = False) -> None:
        """Find out how far a killed load came with a table, and fail when it is nowhere it may be; `done`: to its end."""
        asked, name = self.world.asked, table.name
        of, at = "WHERE run = %s AND (schema_name, table_name) = ('{s}', %s)", (self.last_run(), name)
        published = bool(expected.steps) and bool(asked(f"SELECT 1 FROM bulketl.published {of}", *at))
        compared = bool(asked(f"SELECT 1 FROM bulketl.compared {of}", *at))
        must(published or not done, name, "was not published when the run was resumed")
        if not published:
            table.held = old
            return
        step = expected.steps[min(len(expected.steps) - 1, int(compared))]
        if table.rule.chunked and not expected.whole and not compared and self.world.unlike(name, self.world.name, step):
            must(not done, name, "has not all chunks when the run was resumed")
            step = self.partly(table, old, step)
        table.held = step
        table.held.keep()

    def partly(self, table: Table, old: Held | None, new: Held) -> Held:
        """Return a table of which some chunks are loaded: what lies before its watermark is, each other row is or is not."""
        assert old is not None
        (mark, known) = self.world.asked(
            "SELECT watermark::timestamp, rows FROM bulketl.state WHERE (schema_name, table_name) = ('{s}', %s)", table.name
        )[0]
        _, rows = self.world.there(table.name) or ({}, [])
        part = new.copied()
        part.before, part.mark, part.known = new.before, mark, known
        have = {row["id"]: {column: row[column] for column in new.shape} for row in rows}
        for key in have.keys() | new.rows.keys():
            was, is_ = old.rows.get(key), new.rows.get(key)
            stamp = table.rows[key]["at"] if key in table.rows else None
            late = stamp is None or stamp >= mark
            may = [is_, was and {column: was.get(column) for column in new.shape}] if late else [is_]
            must(have.get(key) in may, table.name, key, "is", have.get(key), "and may be", may)
        part.rows = have
        return part

    @precondition(lambda self: self.world.migrating)
    @rule(changes=CHANGES, what=st.sampled_from(["go on", "load"]))
    def change_hands(self, changes: list[Change], what: str) -> None:
        """A table is loaded beside the older pipeline's, promoted, given back."""
        self.change(changes)
        table, world, of = self.world.tables[GIVEN], self.world, Selection(tables=(GIVEN,))
        if table.owner == "bulketl":
            bulketl.rollback(world.config(), of, reason=WHY)
            table.owner, table.beside, table.held = "legacy", table.held, None
        elif table.owner == "legacy":
            shadow(world.config(), of, reason=WHY)
            table.owner = "shadow"
        else:
            self.load_beside(table)
            if what == "go on" and table.beside:
                bulketl.promote(world.config(), of, reason=WHY, force=True)
                table.owner, table.held, table.beside = "bulketl", table.beside, None
        for held in (table.held, table.beside):
            if held:
                held.before = held.left = None
        world.nothing_left()
        self.did("change of hands")

    def load_beside(self, table: Table) -> None:
        """Load a table into the shadow schema."""
        config = self.world.config(beside=True)
        table.held, table.beside = table.beside, None
        try:
            expected = table.load()
            plan = bulketl.make_plan(config, tables=[table.name])
            self.told(table, expected, bulketl.load(config, plan))
        finally:
            table.held, table.beside = None, table.held


def planned(plan: bulketl.Plan, table: str) -> bool:
    """Tell whether a plan has a table to load."""
    return any(load.spec.table == table for load in plan.loads)


@contextmanager
def crashing(world: World, at: int) -> Iterator[list[str]]:
    """Kill what is carried out meanwhile, at so manieth call of a function that has to do with the target.

    To the target it is as after a SIGKILL: all sessions are gone at once and no other is opened, so nothing that the
    process still does, cleaning up above all, reaches it. What is given is not empty afterwards when it was killed.
    """
    lock, calls, happened = threading.Lock(), [0], list[str]()
    really = opened

    def look(frame: Any, event: str, _: Any) -> None:
        if event != "call" or OURS not in frame.f_code.co_filename:
            return
        with lock:
            calls[0] += 1
            if calls[0] != at:
                return
            happened.append(frame.f_code.co_qualname)
        world.asked("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'bulketl'")  # fmt: skip
        raise TargetError("killed")

    def barred(*args: Any, **more: Any) -> Any:
        if happened:
            raise TargetError("killed")
        return really(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulketl.postgres.server, "opened", barred)
        threading.setprofile(look)
        sys.setprofile(look)
        try:
            yield happened
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
