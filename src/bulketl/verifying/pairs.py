"""Pairs of SQL that must agree: `config/checks.yaml`, typed, and the comparing of what both servers answered.

A pair is a SELECT for the source and one for the target. Each answers with one row of figures, or with a row of figures per
key. Values in, values out: who runs the SELECTs is `bulketl.mysql.query` and `bulketl.postgres.query`.

Figures are compared as exact decimals. An integer, a decimal and a truth value count as the number they are; a float as
the shortest decimal that names it, which is what both servers show. NULL equals NULL and nothing else: a sum over no rows
is not zero. A date is midnight of its day, a time with a zone what UTC shows; all but numbers is equal or not, without a
tolerance.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Literal

from bulketl.config.config import Config
from bulketl.config.pairs import EVERY, Pair, PairSeverity, Side, Tolerance, load_checks
from bulketl.config.sqltext import MOST_ANSWERED, Answer
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, DataError, SourceError, TargetError
from bulketl.mysql import query as source_query
from bulketl.mysql.server import MySQL
from bulketl.postgres import query as target_query
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief

_EXACT = Context(prec=300_000)  # as in config.pairs: no number of either server has as many digits
PairValue = Decimal | str | bytes | dt.datetime | dt.timedelta | None
PairKey = tuple[PairValue, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that differs by more than it may, or a row that one side does not have (`column` is empty then)."""

    key: PairKey
    column: str = ""
    source: PairValue = None
    target: PairValue = None
    missing: Literal["", "source", "target"] = ""

    @property
    def by(self) -> Decimal | None:
        """How much more the target has; None where that is no number."""
        pair = (self.source, self.target)
        numbers = [item for item in pair if isinstance(item, Decimal) and item.is_finite()]
        return _EXACT.subtract(numbers[1], numbers[0]) if len(numbers) == 2 else None

    def to_json(self, columns: Sequence[str]) -> dict[str, object]:
        """Return it as plain values; `columns` are the names of the key's."""
        key = {name: None if value is None else value_text(value) for name, value in zip(columns, self.key, strict=True)}
        if self.missing:
            return {"key": key, "missing": self.missing}
        values = {"source": self.source, "target": self.target, "target_has": self.by}
        texts = {name: None if value is None else value_text(value) for name, value in values.items()}
        return {"key": key, "figure": self.column, **texts}


@dataclass(frozen=True, slots=True)
class PairResult:
    """What became of a pair. `compared` counts rows of both sides together, once each; `error` says why there was none."""

    name: str
    severity: PairSeverity
    key: tuple[str, ...] = ()
    window: Mapping[str, dt.date] | None = None
    compared: int = 0
    differences: tuple[Difference, ...] = ()
    error: BulketlError | None = None

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, pair=self.name, outcome=self.outcome, differences=len(self.differences))

    @property
    def outcome(self) -> Literal["equal", "differs", "error"]:
        """How the pair ended. One that could not be compared proves nothing, and counts as one that differs."""
        return "error" if self.error else "differs" if self.differences else "equal"

    def to_json(self) -> dict[str, object]:
        """Return it as plain values; figures are texts, so that no digit is lost."""
        result: dict[str, object] = {
            "pair": self.name,
            "severity": self.severity,
            "outcome": self.outcome,
            "window": {name: day.isoformat() for name, day in (self.window or {}).items()},
            "compared": self.compared,
            "differences": [one.to_json(self.key) for one in self.differences],
        }
        return result | (self.error.to_json() if self.error else {})


def compare_answers(pair: Pair, source: Answer, target: Answer) -> tuple[int, tuple[Difference, ...]]:
    """Return how many rows were compared and what differs, in the order of the keys.

    Raise DataError when the answers cannot be compared: other columns, a key twice, more than one row
    without a key, text on one side and a number on the other.
    """
    mine, theirs = _columns(source, "source"), _columns(target, "target")
    if set(mine) != set(theirs):
        raise DataError(
            f"the source answers with {', '.join(mine)} and the target with {', '.join(theirs)}",
            hint="give the columns the same names on both sides with AS; upper and lower case are the same",
        )
    key = [name.lower() for name in pair.key]
    named = [*key, *(name.lower() for name in pair.tolerance if name != EVERY)]
    if unknown := [name for name in named if name not in mine]:
        raise DataError(
            f"key or tolerance names {unknown[0]!r}, and the columns are {', '.join(mine)}", hint="correct it in the file"
        )
    figures = [name for name in mine if name not in key]
    ours, there = _by_key(source, mine, key, figures, "source"), _by_key(target, theirs, key, figures, "target")
    if not key and (len(ours), len(there)) != (1, 1):
        raise DataError(
            f"without a key one row is expected, and the source answers with {len(ours)} and the target with {len(there)}",
            hint="aggregate without GROUP BY, or name the columns it groups by under key",
        )
    _alike(figures, ours.values(), there.values(), "figure")
    _alike(key, ours, there, "key")
    found: list[Difference] = []
    every = sorted({**ours, **there}, key=_order)
    for at in every:
        if at not in there or at not in ours:
            found.append(Difference(at, missing="target" if at in ours else "source"))
            continue
        for column, one, other in zip(figures, ours[at], there[at], strict=True):
            if not agree(one, other, pair.tolerated(column)):
                found.append(Difference(at, column, one, other))
    return len(every), tuple(found)


def agree(source: PairValue, target: PairValue, allowed: Tolerance) -> bool:
    """Tell whether two values are equal, or two numbers within the limit; exactly, whatever their size."""
    if isinstance(source, Decimal) and isinstance(target, Decimal):
        if not (source.is_finite() and target.is_finite()):
            return str(source) == str(target)  # NaN, Infinity
        return _EXACT.subtract(target, source).copy_abs() <= allowed.of(source)
    return source == target


def plain(value: object) -> PairValue:
    """Return a driver's value as one of the few kinds that are compared; raise DataError for one that is none of them."""
    if value is None or isinstance(value, (Decimal, str, bytes, dt.timedelta)):
        return value
    if isinstance(value, int):  # bool too
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dt.datetime):
        return value if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    if isinstance(value, dt.time):
        return dt.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    if isinstance(value, uuid.UUID):
        return str(value)
    raise DataError(
        f"a column holds a {type(value).__name__}, which cannot be compared", hint="make it a number or text in the SELECT"
    )


def value_text(value: PairValue) -> str:
    """Return a value for people and for JSON: numbers with all their digits, midnight as its day."""
    match value:
        case None:
            return "NULL"
        case Decimal():
            return f"{value:f}" if value.is_finite() and -30 < value.adjusted() < 30 else str(value)
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
        case bytes():
            return "0x" + value.hex()
    return str(value)


def figure(value: PairValue, most: int = 9) -> str:
    """Return a figure; with more than `most` places it comes from floats, and nine of them are shown if any is not zero."""
    if isinstance(value, Decimal) and value.is_finite():
        _, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and exponent < -most and len(digits) + exponent > -9:
            return f"{round(value, 9):f}".rstrip("0").rstrip(".")
    return value_text(value)


def _columns(answer: Answer, side: Side) -> list[str]:
    names = [name.lower() for name in answer.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"the {side} answers with two columns {twice[0]!r}", hint="give each its own name with AS")
    return names


def _by_key(
    answer: Answer, columns: Sequence[str], key: Sequence[str], figures: Sequence[str], side: Side
) -> dict[PairKey, tuple[PairValue, ...]]:
    if len(answer.rows) > MOST_ANSWERED:
        raise DataError(
            f"the {side} answers with more than {MOST_ANSWERED:,} rows",
            hint="compare sums: GROUP BY fewer columns, or a month",
        )
    at = {name: n for n, name in enumerate(columns)}
    found: dict[PairKey, tuple[PairValue, ...]] = {}
    for n, row in enumerate(answer.rows):
        values = [plain(value) for value in row]
        place = tuple(_named(values[at[name]]) for name in key)
        if n and not key:
            place = (Decimal(n),)  # one too many, to be counted
        if place in found:
            shown = ", ".join(f"{name} {value_text(value)}" for name, value in zip(key, place, strict=True))
            raise DataError(
                f"the {side} answers with two rows for {shown}",
                said=shown,
                hint="GROUP BY the columns of the key; a date that is none counts as NULL, as in a load",
            )
        found[place] = tuple(values[at[name]] for name in figures)
    return found


def _alike(names: Sequence[str], ours: Any, theirs: Any, what: str) -> None:
    for n, name in enumerate(names):
        mine, other = ({_kind(row[n]) for row in rows} - {""} for rows in (ours, theirs))
        if mine and other and not mine & other:
            raise DataError(
                f"the {what} {name!r} is {mine.pop()} in the source and {other.pop()} in the target",
                hint="make both the same with CAST; on MySQL a text of bytes with CONVERT(… USING utf8mb4)",
            )


def _kind(value: PairValue) -> str:
    kinds = {Decimal: "a number", str: "text", bytes: "bytes", dt.datetime: "a date", dt.timedelta: "a time of day"}
    return "" if value is None else kinds[type(value)]


def _named(value: PairValue) -> PairValue:
    """Return a value as a part of a key: NaN is not equal to itself, its text is."""
    return str(value) if isinstance(value, Decimal) and not value.is_finite() else value


def _order(key: PairKey) -> tuple[tuple[str, Any], ...]:
    return tuple((_kind(value), "" if value is None else value) for value in key)


def run_pairs(config: Config, path: Path, names: Sequence[str] = ()) -> tuple[PairResult, ...]:
    """Run the pairs of a file of checks on both servers and return what became of each, in the file's order.

    `names`: run only these. If one pair fails, because of a wrong column or its time limit, its result says so and the
    others go on. Raise ConfigError for a wrong file, with all its mistakes, or for a name that is not in it; SourceError
    or TargetError when a server cannot be used at all.
    """
    pairs = load_checks(path, names)
    source, target = MySQL.of(config), Postgres.of(config)
    patient(_reached, target)
    today = patient(source_query.today, source, config.session_zone)
    return tuple(_run(config, source, target, name, pair, today) for name, pair in pairs.items())


def _reached(target: Postgres) -> None:
    with target.connect():
        pass


def _run(config: Config, source: MySQL, target: Postgres, name: str, pair: Pair, today: dt.date) -> PairResult:
    window = pair.window(today)
    try:
        ours = patient(source_query.answer, source, pair.source, window, pair.time_limit, config.session_zone)
        there = patient(target_query.answer, target, config.target_schema, pair.target, window, pair.time_limit)
        compared, differences = compare_answers(pair, ours, there)
    except (SourceError, TargetError, DataError) as error:
        return PairResult(name, pair.severity, pair.key, window, error=error)
    return PairResult(name, pair.severity, pair.key, window, compared, differences)
