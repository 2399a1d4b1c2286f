"""Databases whose tables a person has labelled, and how many of them `discover` gets right.

`tests/labels/invented` has schemas that look like other people's, each table below a line that says what a careful person
would write for it, and what its rows are like; `fill` makes those rows. A third of the schemas is held out: nobody tuned
anything by them. `tests/labels/foreign` has labels alone, for databases that lie beside the checkout or not at all.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import Server

from bulketl.survey.proposals import Proposal

FOLDER = Path(__file__).parents[1] / "labels"
_LINE = re.compile(r"^-- (?P<tiers>[\w|]+) (?P<cursors>\S+): (?P<table>[^;\s]+)(?P<more>.*)$")
_CREATE = re.compile(r"^CREATE TABLE `?(?P<name>\w+)`? \((?P<columns>.*)\);$")
_START = "TIMESTAMP'2025-01-01 08:00:00'"
_MINUTES = 800_000  # from then until some time before today


@dataclass(frozen=True, slots=True)
class Label:
    """What may be said of a table: tiers (`out` for left out) and cursors ('-' for none), of which any is right."""

    tiers: tuple[str, ...]
    cursors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows of a table are like: how many, in which ways they live, and which columns refer to which table."""

    count: int
    ways: frozenset[str] = frozenset()
    refers: Mapping[str, str] = field(default_factory=dict)
    unix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labelled:
    """A database with labels. `ddl` and `rows` are empty for other people's."""

    name: str
    labels: Mapping[str, Label]
    ddl: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=dict)
    held_out: bool = False


def invented(path: Path) -> Labelled:
    """Return a schema with its labels; raise ValueError for a table without a label."""
    labels, ddl, rows = {}, {}, {}
    text, said = path.read_text(encoding="utf-8"), None
    for line in text.splitlines():
        if found := _LINE.match(line):
            said = found
        elif line.startswith("CREATE"):
            name = _CREATE.match(line)["name"]  # type: ignore[index]
            if said is None or said["table"] != name:
                raise ValueError(f"{path.name}: {name} has no label")
            labels[name] = Label(tuple(said["tiers"].split("|")), tuple(said["cursors"].split("|")))
            ddl[name], rows[name] = line, _rows(said["more"])
    return Labelled(path.stem, labels, ddl, rows, "-- held out" in text)


def _rows(text: str) -> Rows:
    count, ways, refers, unix = 0, frozenset[str](), dict[str, str](), tuple[str, ...]()
    for part in filter(None, (part.strip() for part in text.split(";"))):
        word, *rest = part.split()
        if word == "rows":
            count, ways = int(rest[0]), frozenset(rest[1:])
        elif word == "refs":
            refers = dict(item.split(">") for item in rest)
        elif word == "unix":
            unix = tuple(rest)
    return Rows(count, ways, refers, unix)


def foreign(path: Path) -> Labelled:
    """Return the labels of a database of other people's."""
    labels: dict[str, Label] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            said, names = line.split(":")
            tiers, cursors = said.split()
            labels |= dict.fromkeys(names.split(), Label(tuple(tiers.split("|")), tuple(cursors.split("|"))))
    return Labelled(path.stem, labels)


def every_invented() -> list[Labelled]:
    """Return the invented schemas, those that are held out last."""
    return sorted((invented(path) for path in sorted((FOLDER / "invented").glob("*.sql"))), key=lambda one: one.held_out)


def every_foreign() -> list[Labelled]:
    """Return the labels of other people's databases."""
    return [foreign(path) for path in sorted((FOLDER / "foreign").glob("*.txt"))]


def fill(server: Server, database: str, labelled: Labelled) -> None:
    """Make a database with the tables of a schema and their rows; the same rows each time. MariaDB only."""
    server.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    for line in labelled.ddl.values():
        server.execute(line, database=database)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0, sql_mode = ''")
        for name in labelled.ddl:
            for statement in _filling(labelled, name):
                cursor.execute(statement)
        cursor.execute(f"ANALYZE TABLE {', '.join(f'`{name}`' for name in labelled.ddl)}")
        cursor.fetchall()


def _filling(labelled: Labelled, name: str) -> list[str]:
    rows, (key, columns) = labelled.rows[name], _columns(labelled.ddl[name])
    count = rows.count * (8 if "gone" in rows.ways else 1)
    stamp = labelled.labels[name].cursors[0]
    values = {
        column: _value(labelled, name, column, kind, key.index(column) if column in key else None)
        for column, kind in columns.items()
    }
    if stamp in columns and columns[stamp].startswith(("datetime", "timestamp")):
        later = f"IF({_number('edit', 10)} < {3 if 'edited' in rows.ways else 0}, 60 + {_number('later', 90_000)}, 0)"
        values[stamp] = f"LEAST({_START} + INTERVAL (seq * {_step(rows)} + {later}) MINUTE, NOW() - INTERVAL 1 HOUR)"
    made = ", ".join(f"{value}" for value in values.values())
    names = ", ".join(f"`{column}`" for column in values)
    done = [f"INSERT IGNORE INTO `{name}` ({names}) SELECT {made} FROM seq_1_to_{count}"]
    if "gone" in rows.ways:
        done.append(f"DELETE FROM `{name}` WHERE CRC32(`{key[0]}`) % 8 <> 0")
    if "future" in rows.ways:
        done.append(f"UPDATE `{name}` SET `{stamp}` = NOW() + INTERVAL 9 YEAR WHERE `{key[0]}` = {count - 3}")
    return done


def _columns(ddl: str) -> tuple[list[str], dict[str, str]]:
    """Return the key of a table, and its columns with their types."""
    inside = _CREATE.match(ddl)["columns"]  # type: ignore[index]
    parts = re.split(r", (?![^(]*\))", inside)
    columns = {part.split()[0].strip("`"): part.split(" ", 1)[1] for part in parts if not part.startswith(("PRIM", "FOR"))}
    composite = re.search(r"PRIMARY KEY \(([\w, ]+)\)", inside)
    if composite:
        return composite[1].split(", "), columns
    return [name for name, kind in columns.items() if "PRIMARY KEY" in kind], columns


def _value(labelled: Labelled, name: str, column: str, kind: str, place: int | None) -> str:
    """Return the expression of a column's value in row `seq`; `place`: of the column in the key."""
    rows = labelled.rows[name]
    base, number = kind.split()[0].split("(")[0], _number(f"{name}.{column}", 1000)
    target = labelled.rows.get(rows.refers.get(column, ""))
    texts = base in ("char", "varchar")
    if target is not None:
        spread = "seq" if place == 0 else "(seq * 7 + seq DIV 11)"
        chosen = f"(1 + {_number(f'{name}.{column}', target.count) if place is None else f'{spread} % {target.count}'})"
        return f"CONCAT('K', {chosen})" if texts else chosen
    if place is not None:
        counted = "seq" if place == 0 or "KEY" in kind else "(1 + seq % 97)"
        day = "DATE'2025-01-01' + INTERVAL seq DIV 3 DAY"
        return "CONCAT('K', seq)" if texts else day if base == "date" else counted
    if column in rows.unix:
        return f"UNIX_TIMESTAMP({_START}) + seq * {60 * _step(rows)}"
    if base in ("datetime", "timestamp"):
        business = re.search("due|start|end|valid|expir|next", column, re.IGNORECASE)
        some_day = f"{_START} + INTERVAL ({_number(name + column, 900)} - 100) DAY"
        return some_day if business else f"{_START} + INTERVAL seq * {_step(rows)} MINUTE"
    size = re.search(r"\((\d+)\)", kind)
    text = f"LEFT(CONCAT('{column.lower()} ', {number}), {size[1] if size else 1})"
    long = f"REPEAT(CONCAT('{column.lower()} ', seq, ' '), {40 if 'wide' in rows.ways else 2})"
    others = {
        "date": f"DATE'1970-01-01' + INTERVAL {number} * 17 DAY", "tinyint": f"{number} % 2",
        "char": text, "varchar": text, "text": long,
    }  # fmt: skip
    return others.get(base, number)


def _step(rows: Rows) -> int:
    return max(1, _MINUTES // max(rows.count * (8 if "gone" in rows.ways else 1), 1))


def _number(seed: str, below: int) -> str:
    """Return an expression that looks random and is not: from 0 to `below`."""
    return f"CAST(CRC32(CONCAT(seq, '.{zlib.crc32(seed.encode())}')) % {max(below, 1)} AS SIGNED)"


@dataclass(frozen=True, slots=True)
class Score:
    """How many tables of a database have a label, and how many of them got the right tier and the right cursor."""

    name: str
    tables: int
    tier: int
    cursor: int
    wrong: tuple[str, ...] = ()
    edited_audit: tuple[str, ...] = ()
    held_out: bool = False


def score(labelled: Labelled, proposals: Iterable[Proposal], *, doubted: bool = False) -> Score:
    """Return how proposals agree with the labels. `doubted`: a cursor that values speak against need not be taken."""
    tier, cursor, wrong, audit = 0, 0, [], []
    found = {item.table: item for item in proposals}
    for name, label in labelled.labels.items():
        item = found[name]
        said = "out" if item.exclude else item.tier
        right = item.cursor in label.cursors or (item.cursor is None and "-" in label.cursors) or item.exclude
        right = right or (doubted and item.cursor is None and "not trusted" in item.reasons["extraction_strategy"])
        tier, cursor = tier + (said in label.tiers), cursor + right
        if said not in label.tiers:
            wrong.append(f"{name}: {said}, not {'|'.join(label.tiers)}: {item.reasons['table_importance']}")
        if not right:
            how = item.reasons["extraction_strategy"]
            wrong.append(f"{name}: by {item.cursor}, not {'|'.join(label.cursors)}: {how}")
        if said == "audit" and "audit" not in label.tiers:
            audit.append(name)
    return Score(labelled.name, len(labelled.labels), tier, cursor, tuple(wrong), tuple(audit), labelled.held_out)


def table(scores: Iterable[Score]) -> str:
    """Return the scores as a table of Markdown, each group with its sum."""
    lines = ["| database | tables | tier right | cursor right |", "|---|---|---|---|"]
    for one in scores:
        shares = [f"{count} ({count / max(one.tables, 1):.0%})" for count in (one.tier, one.cursor)]
        lines.append(f"| {one.name} | {one.tables} | {shares[0]} | {shares[1]} |")
    return "\n".join(lines)


def total(name: str, scores: Iterable[Score]) -> Score:
    """Return the sum of scores under a name."""
    every = list(scores)
    tables, tier, cursor = (sum(getattr(one, key) for one in every) for key in ("tables", "tier", "cursor"))
    return Score(name, tables, tier, cursor)
