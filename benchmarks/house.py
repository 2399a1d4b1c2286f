"""The scenario `house`: a database of very many tables, as a person meets it: seconds of `discover`, lines of screens.

Its tables are made: areas of a business, each with things, their lines, notes, logs, lists and links, which refer to each
other by names alone, some rows in each. Screens are counted as a pipe gets them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Contender, Measured, measure
from benchmarks.servers import LOADED, Servers, out, python

DATABASE = "bulketl_house"
MANY, USUAL = 10_000, 432  # tables
MOST_SECONDS = 60.0
MOST_LINES = 60  # which no screen reaches without -v
# What an area has, by the end of a table's name: its columns, and a row of them, the {n}-th.
MOMENT = "NOW() - INTERVAL {n} DAY"
PARTS = {
    "": ("id int PRIMARY KEY, name text, {other}_id int, updated_at datetime", f"{{n}}, 'x', 1, {MOMENT}"),
    "_line": ("id int PRIMARY KEY, {area}_id int, price decimal(9,2), changed_at datetime", f"{{n}}, 1, 2, {MOMENT}"),
    "_note": ("id int PRIMARY KEY, {area}_id int, note text, created_at datetime", f"{{n}}, 1, 'x', {MOMENT}"),
    "_log": ("id int PRIMARY KEY, {area}_id int, what text, logged_at datetime", f"{{n}}, 1, 'x', {MOMENT}"),
    "_type": ("id int PRIMARY KEY, name varchar(20)", "{n}, 'x'"),
    "_link": ("{area}_id int, {other}_id int, PRIMARY KEY ({area}_id, {other}_id)", "{n}, 1"),
    "_import": ("line text, arrived_at datetime", f"'x', {MOMENT}"),
}
WORDS = ("claim", "visit", "order", "stock", "ward", "dose", "tour", "rent", "wage", "site", "crop", "fleet", "lab", "bond")
ROWS = 3
COMMANDS = ("discover", "discover --write", "validate", "plan", "load", "verify")


@dataclass(slots=True)
class Screen:
    """What a command took on a house of so many tables, and how many lines it printed; 0 where they are not counted."""

    command: str
    tables: int
    run: Measured
    lines: int


@dataclass(slots=True)
class House:
    """All of them."""

    screens: list[Screen] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """Which command takes too long, or prints too much."""
        slow = [
            f"{one.command} of {one.tables:,} tables took {one.run.seconds:.1f} s; the limit is {MOST_SECONDS:.0f}"
            for one in self.screens
            if one.tables == MANY and one.run.seconds > MOST_SECONDS
        ]
        return slow + [
            f"{one.command} of {one.tables:,} tables prints {one.lines} lines; the limit is {MOST_LINES - 1}"
            for one in self.screens
            if one.lines >= MOST_LINES
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"scenario": "house", "screens": [asdict(one) for one in self.screens], "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line for each command."""
        table = Table("command", title="A database of many tables", title_justify="left")
        for heading in ("tables", "lines", "seconds", "CPU", "servers' CPU", "peak MB"):
            table.add_column(heading, justify="right")
        for one in self.screens:
            figures = [f"{value:.2f}" for value in (one.run.seconds, one.run.cpu, one.run.servers)]
            table.add_row(one.command, f"{one.tables:,}", str(one.lines), *figures, f"{one.run.peak / 1e6:.0f}")
        out.print(table)
        for text in self.exceeded:
            out.print(f"[red]exceeded[/] {text}", highlight=False)


def run_house(servers: Servers, _options: argparse.Namespace, folder: Path) -> Iterator[House]:
    """Measure `discover` on the large house, and each command that names tables on the usual one."""
    house = House()
    try:
        for tables, commands in ((MANY, ("discover",)), (USUAL, COMMANDS)):
            out.print(f"house: making {tables:,} tables", highlight=False)
            make(servers, tables)
            place = folder / f"house-{tables}"
            (place / "config").mkdir(parents=True)
            for command in commands:
                house.screens.append(screen(servers, command, tables, place))
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    yield house


def make(servers: Servers, tables: int) -> None:
    """Make the source database of so many tables, in the place of another."""
    areas = (f"{word}{n or ''}" for n in itertools.count() for word in WORDS)
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        other, made = "house", 0
        for area in areas:
            for part, (columns, values) in itertools.islice(PARTS.items(), tables - made):
                made += 1
                cursor.execute(f"CREATE TABLE `{area}{part}` ({columns.format(area=area, other=other)})")
                rows = ", ".join(f"({values.format(n=n)})" for n in range(1, ROWS + 1))
                cursor.execute(f"INSERT INTO `{area}{part}` VALUES {rows}")
            other = area
            if made == tables:
                break
        connection.commit()


def screen(servers: Servers, command: str, tables: int, place: Path) -> Screen:
    """Measure a command and count the lines that it prints into a pipe; a load may end with 1, a validation with 2."""
    words = [*command.split(), *(["config/tables.yaml", "--yes"] if "--write" in command else [])]
    one = python(servers, command, servers.database(DATABASE), "bulketl", *words)
    printing = ("sh", "-c", '"$@" > screen.txt; test $? -le 2', "sh", *one.commands[0])
    run = measure(Contender(command, (printing,), {**one.environ, "BULKETL_SCHEMA": LOADED}), place, servers.processes)
    return Screen(command, tables, run, len((place / "screen.txt").read_text().splitlines()))
