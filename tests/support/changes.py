"""What others do at random: writers and administrators at the source, people in the target, whoever writes the rules."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from lab import Server
from model import WIDER, Row, Rule, Table
from world import COLUMNS, START, World

RULES: dict[str, Rule] = {
    "listed": Rule(),
    "swapped": Rule(swap=True),
    "guarded": Rule(policy="mirror", guard=0.2),
    "marked": Rule(policy="mark", guard=1.0),
    "kept": Rule(policy="ignore"),
    "merged": Rule(by="at", policy="mirror", guard=1.0),
    "followed": Rule(by="at"),
    "flagged": Rule(by="at", policy="mark", guard=0.3, hours=1),
    "pieces": Rule(by="at", chunked=True, policy="mirror", guard=0.5),
    "aged": Rule(by="at", policy="mirror", guard=1.0, keep=10),
    "strict": Rule(by="at", policy="fail"),
    "log": Rule(by="at", audit=True),
}
WHICH = st.integers(0, 11)
SOME = st.integers(0, 2**12 - 1)


class Changes(RuleBasedStateMachine):
    """A source that lives, and a target that people use; `steps` counts what was done by all machines of this kind."""

    server: ClassVar[Server]
    target: ClassVar[str]
    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(self.server, self.target, Path(self.folder.name))
        self.steps["examples"] += 1

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.world.close()
        self.folder.cleanup()

    def did(self, what: str) -> None:
        """Count a step."""
        self.steps["steps"] += 1
        self.steps[what] += 1

    def table(self, which: int) -> Table:
        """Return one of the tables that the source has."""
        tables = [table for table in self.world.tables.values() if not table.dropped]
        return tables[which % len(tables)]

    @initialize(names=st.lists(st.sampled_from(sorted(RULES)), min_size=3, max_size=3, unique=True), keep=st.booleans(),
                rows=st.integers(5, 30), older=st.booleans())  # fmt: skip
    def begin(self, names: list[str], keep: bool, rows: int, older: bool) -> None:
        """Have three tables with rows, and perhaps one that an older pipeline serves."""
        self.world.previous, self.world.migrating = int(keep), older
        for name in names:
            self._add(self.world.create(name, Rule(**vars(RULES[name]))), rows, 0)
        if older:
            given = self.world.create("given", Rule(by="at") if keep else Rule())
            self._add(given, rows, 1)
            given.owner = "legacy"
            given.old = {key: {"id": key, "n": 40 + key, "c": "older", "at": START} for key in range(1, 6)}
            self.world.asked("CREATE TABLE {s}.given (id integer PRIMARY KEY, n integer, c varchar(10), at timestamp(0))")
            for row in given.old.values():
                self.world.asked("INSERT INTO {s}.given VALUES (%s, %s, %s, %s)", *row.values())

    def _add(self, table: Table, count: int, spice: int) -> None:
        first = max(table.rows, default=0) + 1
        self.world.put(table, {key: self._row(table, key, spice + key) for key in range(first, first + count)})

    def _row(self, table: Table, key: int, spice: int) -> Row:
        row: Row = {
            "id": key,
            "n": (None, 0, 1, 7, 9)[spice % 5],
            "c": (None, "", "a", "ü", "b ")[spice // 5 % 5],
            "at": self._stamp(spice),
            "born": None if spice % 7 == 0 else self.world.today - dt.timedelta(days=8 + spice % 5),
        }
        return row | {name: (None, 1, 2)[(spice + n) % 3] for n, name in enumerate(table.types) if name not in row}

    def _stamp(self, spice: int) -> dt.datetime | None:
        return None if spice % 11 == 10 else START + dt.timedelta(hours=self.world.hours - (0, 0, 0, 1, 2, 2, 3)[spice % 7])

    def _some(self, table: Table, some: int) -> list[int]:
        return [key for n, key in enumerate(sorted(table.rows)) if some >> (n % 12) & 1]

    @rule(which=WHICH, count=st.integers(1, 9), spice=SOME)
    def insert(self, which: int, count: int, spice: int) -> None:
        """Rows come."""
        self.world.hours += 1
        self._add(self.table(which), count, spice)
        self.did("insert")

    @rule(which=WHICH, some=SOME, spice=SOME, stamped=st.booleans(), null=st.booleans())
    def update(self, which: int, some: int, spice: int, stamped: bool, null: bool) -> None:
        """Rows change, with or without a stamp of it; `null`: nothing but n, to or from NULL."""
        self.world.hours += 1
        table, changed = self.table(which), {}
        for key in self._some(table, some):
            row, other = dict(table.rows[key]), self._row(table, key, spice + 3 * key)
            row |= {name: other[name] for name in row if name not in ("id", "at", "born")} if not null else {}
            row |= {"n": None if row["n"] is not None else 5} if null else {}
            row |= {"at": other["at"]} if stamped else {}
            changed[key] = row
        self.world.put(table, changed)
        self.did("update")

    @rule(which=WHICH, some=SOME, what=st.sampled_from(["few go", "many go", "moved", "restored", "truncated"]))
    def lose(self, which: int, some: int, what: str) -> None:
        """Rows go, get another key and no other stamp, or the newest are not there any more."""
        table, world = self.table(which), self.world
        chosen = self._some(table, some)
        if what == "moved":
            for key in chosen[:2]:
                new, row = max(table.rows) + 1, table.rows.pop(key)
                table.rows[new] = row | {"id": new}
                world.source(f"UPDATE {table.name} SET id = {new} WHERE id = {key}")
        elif what == "truncated":
            world.source(f"TRUNCATE {table.name}")
            table.rows.clear()
        elif what == "restored":
            top = max((row["at"] for row in table.rows.values() if row["at"]), default=None)
            world.take(table, [key for key, row in table.rows.items() if row["at"] == top])
        else:
            world.take(table, chosen[: 2 if what == "few go" else None])
        self.did(what)

    @rule(which=WHICH, what=st.sampled_from(["added", "renamed", "dropped", "widened", "narrowed"]), number=st.booleans())
    def alter(self, which: int, what: str, number: bool) -> None:
        """A column comes, goes, gets another name or another type."""
        table, world = self.table(which), self.world
        more = [name for name in table.types if name not in COLUMNS]
        new, column = f"x{world.hours}", "n" if number else "c"
        world.hours += 1
        if what == "added":
            world.source(f"ALTER TABLE {table.name} ADD COLUMN {new} int NULL DEFAULT 5")
            table.types[new] = "int"
            for row in table.rows.values():
                row[new] = 5
        elif what == "renamed" and more:
            world.source(f"ALTER TABLE {table.name} RENAME COLUMN {more[0]} TO {new}")
            table.types[new] = table.types.pop(more[0])
            for row in table.rows.values():
                row[new] = row.pop(more[0])
        elif what == "dropped" and more:
            world.source(f"ALTER TABLE {table.name} DROP COLUMN {more[0]}")
            del table.types[more[0]]
            for row in table.rows.values():
                del row[more[0]]
        elif what in ("widened", "narrowed"):
            types = WIDER if what == "widened" else {wide: kind for kind, wide in WIDER.items()}
            kind = types.get(table.types[column])
            if kind:
                world.source(f"ALTER TABLE {table.name} MODIFY {column} {kind} NULL")
                table.types[column] = kind
        self.did(what)

    @rule(name=st.sampled_from(sorted(RULES)), rows=st.integers(0, 9))
    def come(self, name: str, rows: int) -> None:
        """A table is new."""
        if name not in self.world.tables:
            self._add(self.world.create(name, Rule(**vars(RULES[name]))), rows, 3)
        self.did("new table")

    @rule(which=WHICH)
    def go(self, which: int) -> None:
        """A table is dropped, while there are others."""
        table = self.table(which)
        if len(self.world.tables) > 3 and table.name != "given" and not table.rule.audit:
            self.world.source(f"DROP TABLE {table.name}")
            table.dropped = True
        self.did("dropped table")

    @rule(which=WHICH, name=st.sampled_from(sorted(set(RULES) - {"log", "aged"})), hours=st.integers(1, 4))
    def decide(self, which: int, name: str, hours: int) -> None:
        """A table gets another rule."""
        table = self.table(which)
        if not table.rule.audit:
            table.rule = Rule(**{**vars(RULES[name]), "keep": table.rule.keep, "hours": hours})
        self.did("other rule")

    @rule(which=WHICH, some=SOME, what=st.sampled_from(["edits", "deletes", "inserts", "indexes", "views"]))
    def person(self, which: int, some: int, what: str) -> None:
        """A person changes rows of the target, or hangs something on a table."""
        table, world = self.table(which), self.world
        held = table.held
        if held is None or table.rule.audit or table.owner != "bulketl":
            return
        keys = [key for n, key in enumerate(sorted(held.rows)) if some >> (n % 12) & 1][:4]
        if what == "edits":
            for key in keys:
                held.rows[key]["n"] = 77
            world.asked(f"UPDATE {{s}}.{table.name} SET n = 77 WHERE id = ANY(%s)", keys)
        elif what == "deletes":
            for key in keys:
                del held.rows[key]
                held.marked.discard(key)
            world.asked(f"DELETE FROM {{s}}.{table.name} WHERE id = ANY(%s)", keys)
        elif what == "inserts" and 9000 not in held.rows:
            held.rows[9000] = {name: 9000 if name == "id" else None for name in held.shape}
            world.asked(f"INSERT INTO {{s}}.{table.name} (id) VALUES (9000)")
        elif what == "indexes" and not table.index:
            world.asked(f"CREATE INDEX i_{table.name} ON {{s}}.{table.name} (n)")
            table.index = True
        elif what == "views" and not table.view:
            world.asked(f"CREATE VIEW {{s}}.v_{table.name} AS SELECT id, n FROM {{s}}.{table.name}")
            table.view = True
        self.did(f"a person {what}")
