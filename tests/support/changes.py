"""What others do at random: writers and administrators at the source, people in the target, whoever writes the rules."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from lab import Server
from model import WIDER, Held, Row, Rule, Table
from world import COLUMNS, START, World

RULES: dict[str, Rule] = {
    "listed": Rule(),
    "swapped": Rule(swap=True),
    "guarded": Rule(policy="mirror", guard=0.2, keep=10),
    "marked": Rule(policy="mark", guard=1.0, keep=10),
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
Change = tuple[str, int, int, int]  # what, in which table, which of its rows, with which values
KINDS = (
    "insert", "insert", "insert", "stamp", "stamp", "edit", "null", "lose", "lose", "purge", "move", "restore", "truncate",
    "add column", "rename column", "drop column", "column back", "widen", "narrow", "new table", "drop table", "other rule",
    "person edits", "person deletes", "person inserts", "person indexes", "person views",
)  # fmt: skip
GIVEN = "given"  # the table that an older pipeline serves at first
CHANGES = st.lists(st.tuples(st.sampled_from(KINDS), WHICH, SOME, SOME), max_size=4)


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
            self.add(self.world.create(name, Rule(**vars(RULES[name]))), rows, 0)
        if older:
            given = self.world.create(GIVEN, Rule(by="at") if keep else Rule())
            self.add(given, rows, 1)
            given.owner = "legacy"
            given.old = {key: {"id": key, "n": 40 + key, "c": "older", "at": START} for key in range(1, 6)}
            self.world.asked("CREATE TABLE {s}.given (id integer PRIMARY KEY, n integer, c varchar(10), at timestamp(0))")
            for row in given.old.values():
                self.world.asked("INSERT INTO {s}.given VALUES (%s, %s, %s, %s)", *row.values())
        self.begun()

    def begun(self) -> None:
        """Have everything be loaded once."""

    def add(self, table: Table, count: int, spice: int) -> None:
        """Have more rows at the source."""
        first = max(table.rows, default=0) + 1
        self.world.put(table, {key: self.row(table, key, spice + key) for key in range(first, first + count)})

    def row(self, table: Table, key: int, spice: int) -> Row:
        """Return a row with values of its own."""
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

    @rule(changes=CHANGES)
    def live(self, changes: list[Change]) -> None:
        """Time passes."""
        self.change(changes)
        self.did("changes")

    def change(self, changes: list[Change]) -> None:
        """Carry out changes, each an hour after the last."""
        for what, which, some, spice in changes:
            self.world.hours += 1
            ACTS[what](self, self.table(which), some, spice)
            self.steps[what] += 1

    def insert(self, table: Table, some: int, spice: int) -> None:
        """Rows come."""
        self.add(table, some % 9 + 1, spice)

    def stamp(self, table: Table, some: int, spice: int) -> None:
        """Rows are edited, and stamped."""
        rows = {key: self.row(table, key, spice + 3 * key) for key in chosen(table.rows, some)}
        self.world.put(table, {key: row | {"born": table.rows[key]["born"]} for key, row in rows.items()})

    def edit(self, table: Table, some: int, spice: int) -> None:
        """Rows are edited, and no stamp tells of it."""
        rows = {key: self.row(table, key, spice + 3 * key) for key in chosen(table.rows, some)}
        own = ("at", "born")
        self.world.put(table, {k: row | {name: table.rows[k][name] for name in own} for k, row in rows.items()})

    def null(self, table: Table, some: int, _: int) -> None:
        """A value becomes NULL, or is none any more, and nothing else in the row but its stamp."""
        stamp = START + dt.timedelta(hours=self.world.hours)
        rows = {key: table.rows[key] for key in chosen(table.rows, some)}
        self.world.put(table, {k: r | {"n": None if r["n"] is not None else 5, "at": stamp} for k, r in rows.items()})

    def lose(self, table: Table, some: int, _: int) -> None:
        """A few rows go."""
        self.world.take(table, chosen(table.rows, some)[:2])

    def purge(self, table: Table, some: int, _: int) -> None:
        """Many rows go."""
        self.world.take(table, chosen(table.rows, some))

    def move(self, table: Table, some: int, _: int) -> None:
        """Rows get another key, and no other stamp."""
        for key in chosen(table.rows, some)[:2]:
            new, row = max(table.rows) + 1, table.rows.pop(key)
            table.rows[new] = row | {"id": new}
            self.world.source(f"UPDATE {table.name} SET id = {new} WHERE id = {key}")

    def restore(self, table: Table, some: int, _: int) -> None:
        """The newest rows are not there any more."""
        top = max((row["at"] for row in table.rows.values() if row["at"]), default=None)
        self.world.take(table, [key for key, row in table.rows.items() if row["at"] == top])

    def truncate(self, table: Table, some: int, _: int) -> None:
        """All rows go."""
        self.world.source(f"TRUNCATE {table.name}")
        table.rows.clear()

    def add_column(self, table: Table, some: int, _: int) -> None:
        """A column comes, with a value in the rows that are there."""
        new = f"x{self.world.hours}"
        self.world.source(f"ALTER TABLE {table.name} ADD COLUMN {new} int NULL DEFAULT 5")
        table.types[new] = "int"
        for row in table.rows.values():
            row[new] = 5

    def column_back(self, table: Table, some: int, _: int) -> None:
        """A column that was dropped comes back, with another value."""
        for old in [name for name in (table.held.shape if table.held else ()) if name not in table.types][:1]:
            self.world.source(f"ALTER TABLE {table.name} ADD COLUMN {old} int NULL DEFAULT 6")
            table.types[old] = "int"
            for row in table.rows.values():
                row[old] = 6

    def rename_column(self, table: Table, some: int, _: int) -> None:
        """A column gets another name."""
        new = f"x{self.world.hours}"
        for old in added(table)[:1]:
            self.world.source(f"ALTER TABLE {table.name} RENAME COLUMN {old} TO {new}")
            table.types[new] = table.types.pop(old)
            for row in table.rows.values():
                row[new] = row.pop(old)

    def drop_column(self, table: Table, some: int, _: int) -> None:
        """A column goes."""
        for old in added(table)[:1]:
            self.world.source(f"ALTER TABLE {table.name} DROP COLUMN {old}")
            del table.types[old]
            for row in table.rows.values():
                del row[old]

    def widen(self, table: Table, some: int, _: int) -> None:
        """A column can hold more."""
        self._retype(table, "n" if some % 2 else "c", WIDER)

    def narrow(self, table: Table, some: int, _: int) -> None:
        """A column can hold less."""
        self._retype(table, "n" if some % 2 else "c", {wide: kind for kind, wide in WIDER.items()})

    def _retype(self, table: Table, column: str, types: dict[str, str]) -> None:
        if kind := types.get(table.types[column]):
            self.world.source(f"ALTER TABLE {table.name} MODIFY {column} {kind} NULL")
            table.types[column] = kind

    def come(self, _: Table, some: int, spice: int) -> None:
        """A table is new."""
        name = sorted(RULES)[spice % len(RULES)]
        if name not in self.world.tables:
            self.add(self.world.create(name, Rule(**vars(RULES[name]))), some % 10, spice)

    def go(self, table: Table, some: int, _: int) -> None:
        """A table is dropped, while there are others."""
        if len(self.world.tables) > 3 and table.name != GIVEN and not table.rule.audit:
            self.world.source(f"DROP TABLE {table.name}")
            table.dropped = True

    def decide(self, table: Table, some: int, spice: int) -> None:
        """A table gets another rule."""
        others = sorted(set(RULES) - {"log", "aged"})
        if not table.rule.audit:
            other = RULES[others[spice % len(others)]]
            table.rule = Rule(**{**vars(other), "keep": table.rule.keep, "hours": some % 4 + 1})

    def write(self, table: Table, some: int, _: int) -> None:
        """A person edits rows of the target."""
        if held := able(table):
            keys = chosen(held.rows, some)[:4]
            for key in keys:
                held.rows[key]["n"] = 77
            self.world.asked(f"UPDATE {{s}}.{table.name} SET n = 77 WHERE id = ANY(%s)", keys)

    def erase(self, table: Table, some: int, _: int) -> None:
        """A person deletes rows of the target."""
        if held := able(table):
            keys = chosen(held.rows, some)[:4]
            for key in keys:
                del held.rows[key]
                held.marked.discard(key)
            self.world.asked(f"DELETE FROM {{s}}.{table.name} WHERE id = ANY(%s)", keys)

    def invent(self, table: Table, some: int, _: int) -> None:
        """A person inserts a row into the target."""
        held = able(table)
        if held and 9000 not in held.rows:
            held.rows[9000] = {name: 9000 if name == "id" else None for name in held.shape}
            self.world.asked(f"INSERT INTO {{s}}.{table.name} (id) VALUES (9000)")

    def index(self, table: Table, some: int, _: int) -> None:
        """A person indexes a table of the target."""
        if able(table) and not table.index and table.name != GIVEN:
            self.world.asked(f"CREATE INDEX i_{table.name} ON {{s}}.{table.name} (n)")
            table.index = True

    def view(self, table: Table, some: int, _: int) -> None:
        """A person makes a view over a table of the target."""
        if able(table) and not table.view and table.name != GIVEN:
            self.world.asked(f"CREATE VIEW {{s}}.v_{table.name} AS SELECT id, n FROM {{s}}.{table.name}")
            table.view = True


ACTS = {
    "insert": Changes.insert, "stamp": Changes.stamp, "edit": Changes.edit, "null": Changes.null, "lose": Changes.lose,
    "purge": Changes.purge, "move": Changes.move, "restore": Changes.restore, "truncate": Changes.truncate,
    "add column": Changes.add_column, "rename column": Changes.rename_column, "drop column": Changes.drop_column,
    "column back": Changes.column_back,
    "widen": Changes.widen, "narrow": Changes.narrow, "new table": Changes.come, "drop table": Changes.go,
    "other rule": Changes.decide, "person edits": Changes.write, "person deletes": Changes.erase,
    "person inserts": Changes.invent, "person indexes": Changes.index, "person views": Changes.view,
}  # fmt: skip


def chosen(rows: Iterable[int], some: int) -> list[int]:
    """Return some of the keys, by the bits of a number."""
    return [key for n, key in enumerate(sorted(rows)) if some >> (n % 12) & 1]


def added(table: Table) -> list[str]:
    """Return the columns that came after the table was made."""
    return [name for name in table.types if name not in COLUMNS]


def able(table: Table) -> Held | None:
    """Return what a person may change of a table in the target."""
    return None if table.rule.audit or table.owner != "bulketl" else table.held
