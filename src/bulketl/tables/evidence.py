"""Whether rows of a table are only ever added: what its columns, its values and its name say about that.

An edit that nobody looks for never reaches the target. So bulketl takes a table for a record of what happened only if all
evidence agrees: its name, its columns (none says that rows are edited), and its newest rows, which came in the order of
their key and left no gaps. Evidence against it is told in words, because a person may know better.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bulketl.tables.catalog import Column, Table
from bulketl.tables.naming import Hint, hint, says_state, suggests_edit, words
from bulketl.tables.printable import count_of
from bulketl.tables.types import FLOATS, MOMENTS

ENOUGH_ROWS = 20  # a sample of that size says something of the other rows
ODD_SHARE = 0.01  # of neighbours may be out of order: rows that were committed late, a clock that was set
GAPS = 2.0  # keys per row, from which on many rows must have been deleted
RUN, CHANCE = 3, 0.001  # rows at the end that are NULL, unless that many in a row are likely by chance
_NONE: Mapping[str, Sequence[bool]] = {}
TIMES = (5, 2)  # columns that are looked at for how rows came, and for when they were written last
NULLABLE = 30  # and for whether they are NULL
LATELY = dt.timedelta(days=7)  # a table whose newest row is no older is in use
NEWEST = 10  # a part in so many of the rows is compared with the others
COUNTING = frozenset({"int", "bigint", "mediumint"})

_ADDRESS = frozenset({"city", "town", "zip", "zipcode", "postal", "postcode", "country", "street", "address"})
_SAYING = frozenset({"decimal", "text", "mediumtext", "longtext", "blob", "mediumblob", "longblob", "json", *FLOATS})


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the newest rows of a table came: `rows` were looked at, by their counting key.

    `gaps`: keys that were given per row that is there. `column`: the time that follows the key best, with `backwards` pairs
    of neighbours out of its order, and whether it `grows` at all. `edited`: per column that says when a row was written
    last, how many rows have a later time there than in `column`; `after`: the same of each other time. `filled`: columns
    that are NULL much more often in the newest rows, so that they are filled later. `lately`: the newest of the times in
    `column` is of the last LATELY days.
    """

    rows: int
    gaps: float = 1.0
    column: str = ""
    backwards: int = 0
    grows: bool = False
    edited: tuple[tuple[str, int], ...] = ()
    after: tuple[tuple[str, int], ...] = ()
    filled: tuple[str, ...] = ()
    lately: bool = False

    @property
    def in_order(self) -> bool:
        """Whether its times grow with its key."""
        return self.grows and self.backwards <= ODD_SHARE * self.rows


def keeps_itself(column: Column) -> bool:
    """Tell whether the server stamps the column on every update of its row."""
    return "on update" in column.extra.lower()


def edit_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns that say that rows are edited: those that the server stamps, and by name the application's."""
    return tuple(
        column
        for column in table.columns
        if keeps_itself(column) or suggests_edit(column.name, time=column.parsed.base in {*MOMENTS, "date", "time"})
    )


def counting_key(table: Table) -> Column | None:
    """Return the key that counts up with each row that comes, if the table has such a one."""
    if len(table.primary_key) != 1:
        return None
    key = next((column for column in table.columns if column.name == table.primary_key[0]), None)
    if key is None:  # the server does not list it
        return None
    return key if "auto_increment" in key.extra.lower() and key.parsed.base in COUNTING else None


def times(table: Table) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Return the columns of time to look at for how rows came, and those for when they were written last; a few each."""
    stamps = [column for column in table.columns if column.parsed.base in MOMENTS]
    edits = {column.name for column in edit_columns(table)}
    return tuple(c for c in stamps if c.name not in edits)[: TIMES[0]], tuple(c for c in stamps if c.name in edits)[
        : TIMES[1]
    ]


def nullable(table: Table) -> tuple[Column, ...]:
    """Return the columns of which to look whether they are NULL."""
    return tuple(column for column in table.columns if column.nullable)[:NULLABLE]


def arrival(
    came: Sequence[str],
    edits: Sequence[str],
    rows: Sequence[Sequence[object]],
    empty: Mapping[str, Sequence[bool]] = _NONE,
    now: dt.datetime | None = None,
) -> Arrival:
    """Return how rows came, given the key, the times in `came`, and those in `edits` of each, the newest first.

    `empty`: of columns that may be NULL, whether they are, in the same order. `now`: by the clock of the source.
    """
    filled = tuple(name for name, values in empty.items() if _filled_later(values))
    keys = [row[0] for row in rows if isinstance(row[0], int)]
    steps = [abs(a - b) for a, b in pairwise(keys)]
    step = math.gcd(*steps) or 1  # more than 1 where several servers share a counter
    gaps = sum(steps) / step / len(steps) if steps else 1.0
    best: tuple[int, str, bool] | None = None
    for n, name in enumerate(came, 1):
        known = [moment for row in rows if (moment := _moment(row[n])) is not None]
        if len(known) < len(rows) / 2:
            continue
        backwards = sum(older > newer for newer, older in pairwise(known))
        grows = len(known) > 1 and known[0] > known[-1]
        if best is None or (not grows, backwards) < (not best[2], best[0]):
            best = (backwards, name, grows)
    if best is None:
        return Arrival(len(rows), gaps, filled=filled)
    at = came.index(best[1]) + 1
    later = tuple((name, _later(rows, at, n)) for n, name in enumerate(edits, 1 + len(came)))
    after = tuple((name, _later(rows, at, n)) for n, name in enumerate(came, 1) if n != at)
    known = [moment for row in rows if (moment := _moment(row[at])) is not None]
    lately = now is not None and any(now - LATELY <= moment <= now + dt.timedelta(days=1) for moment in known)
    return Arrival(len(rows), gaps, best[1], best[0], best[2], later, after, filled, lately)


def _filled_later(empty: Sequence[bool]) -> bool:
    """Tell whether the newest of the values are NULL, or are so more often than chance makes it."""
    run = next((n for n, one in enumerate(empty) if not one), len(empty))
    rest = empty[run:]
    if not rest or len(empty) < ENOUGH_ROWS:
        return False
    if run >= RUN and max(sum(rest) / len(rest), 1 / len(rest)) ** run < CHANCE:
        return True
    count = max(len(empty) // NEWEST, 1)
    share, usual = sum(empty[:count]) / count, sum(empty[count:]) / (len(empty) - count)
    return share - usual > 0.1 + 4 * math.sqrt(usual * (1 - usual) / count)


def _later(rows: Sequence[Sequence[object]], came: int, edited: int) -> int:
    """Count the rows that were written again more than a second after they came."""
    pairs = ((_moment(row[came]), _moment(row[edited])) for row in rows)
    return sum(a is not None and b is not None and b - a > dt.timedelta(seconds=1) for a, b in pairs)


def _moment(value: object) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) and value.year >= 1902 else None


def looked_at(table: Table) -> bool:
    """Tell whether the table's newest rows are worth a look: its name says something of them, or they could say more."""
    return bool(table.rows and counting_key(table) and hint(table.name).kind)


def come_and_go(found: Arrival | None) -> str:
    """Return in words which share of the rows that came is gone, when it is a large one, else ''."""
    if found is None or found.rows < ENOUGH_ROWS or found.gaps < GAPS:
        return ""
    return f"{1 - 1 / found.gaps:.0%} of the keys that its newest rows were given are gone"


def against_audit(table: Table, found: Arrival | None) -> str:
    """Return in words what speaks against the table's rows being only ever added, '' when everything agrees."""
    said = _columns_against(table, found) or _name_against(hint(table.name)) or _state_against(table, found)
    if said:
        return said
    if not hint(table.name).main:
        return f"its name is of something about a {hint(table.name).word}"
    if not counting_key(table):
        return "it has no key that counts up with its rows, so nothing tells whether they are only added"
    if found is None and table.rows:
        return "its newest rows were not looked at"
    if found is None or found.rows < ENOUGH_ROWS:
        return "it has too few rows to tell whether they are only added"
    if gone := come_and_go(found):
        return f"{gone}, so rows are deleted"
    if not found.column:
        return "it has no time that tells whether its rows are only added"
    if not found.in_order:
        return f"{found.column} does not grow with the key, so it does not tell that rows are only added"
    return ""


def edited(table: Table, found: Arrival | None) -> str:
    """Return in words what says that rows of the table are edited, or come and go, '' for nothing."""
    said = _columns_against(table, found) or _name_against(hint(table.name))
    gone = "" if said else come_and_go(found)
    return f"{gone}, so rows are deleted" if gone else said


def _columns_against(table: Table, found: Arrival | None) -> str:
    columns = edit_columns(table)
    if not columns:
        return ""
    counted = dict(found.edited) if found else {}
    column = max(columns, key=lambda c: (keeps_itself(c), counted.get(c.name, 0)))
    who = "the server stamps" if keeps_itself(column) else "by its name"
    many = counted.get(column.name, 0)
    seen = f": {many:,} of the newest {found.rows:,} were, after they came" if many and found else ""
    if keeps_itself(column):
        return f"column {column.name}, which {who} on every update, says that rows are edited{seen}"
    return f"column {column.name} says {who} that rows are edited{seen}"


def state_columns(table: Table) -> tuple[tuple[Column, str], ...]:
    """Return the columns whose names say that a row has a state that changes, each with the word that does."""
    address = any(_ADDRESS.intersection(words(column.name)) for column in table.columns)
    keys = {*table.primary_key}
    found = [
        (column, says_state(column.name, table.name))
        for column in table.columns
        if column.name not in keys and column.parsed.base not in _SAYING
    ]
    return tuple((column, word) for column, word in found if word and not (word == "state" and address))


def _state_against(table: Table, found: Arrival | None) -> str:
    """Return in words what says that rows are written again after they came, though no column is there to say when."""
    stamps = [column.name for column in table.columns if column.parsed.base in MOMENTS]
    came = found.column if found and found.in_order else stamps[0] if len(stamps) == 1 else ""
    if states := [(column, word) for column, word in state_columns(table) if column.name != came]:
        column, word = states[0]
        return f"column {column.name} says by its name that a row has a state, which changes ({word})"
    if found is None:
        return ""
    if later := [(name, count) for name, count in found.after if count]:
        name, count = later[0]
        newest = count_of(found.rows, "row")
        return f"{name} is later than {found.column} in {count:,} of the newest {newest}, so they are written again"
    if found.filled:
        return f"{found.filled[0]} is NULL in the newest rows far more often than in others, so it is filled later"
    return ""


def _name_against(found: Hint) -> str:
    return f"rows of such tables come and go ({found.word})" if found.kind == "passing" else ""
