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
import difflib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from bulketl.checked import check, read_file
from bulketl.errors import BulketlError, ConfigError, DataError
from bulketl.fields import Duration, Model
from bulketl.sqltext import Dialect, placeholders, problem

Severity = Literal["warn", "fail"]
Value = Decimal | str | bytes | dt.datetime | dt.timedelta | None
Key = tuple[Value, ...]
Side = Literal["source", "target"]
EVERY = "*"
MOST_ROWS = 100_000  # of an answer; more is no figure but a table
_DAY = dt.timedelta(days=1)
_EXACT = Context(prec=300_000)  # no number of either server has so many digits; only those there are cost anything
_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


@dataclass(frozen=True, slots=True)
class Limit:
    """How far two figures may lie apart: by `amount`, or by that share of the source's figure."""

    amount: Decimal
    share: bool = False

    def of(self, figure: Decimal) -> Decimal:
        """Return the greatest difference allowed from the source's `figure`."""
        return _EXACT.multiply(self.amount, figure.copy_abs()) if self.share else self.amount

    def __str__(self) -> str:
        return f"{self.amount * 100:f}%" if self.share else f"{self.amount:f}"


EXACT = Limit(Decimal(0))


def limit(value: object) -> object:
    """Return a limit from a number, or from a share as `0.1%`; raise ValueError for anything else."""
    if isinstance(value, Limit):
        return value
    text = f"{Decimal(str(value)):f}" if type(value) in (int, float) else value
    found = _LIMIT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("a tolerance is a number from 0 on, or a share of the source's figure as in 0.1%")
    amount = Decimal(found[1])
    if found[2] and amount > 100:
        raise ValueError("a share is at most 100%")
    return Limit(_EXACT.divide(amount, Decimal(100)), share=True) if found[2] else Limit(amount)


def _limits(value: object) -> object:
    return value if isinstance(value, dict) else {EVERY: limit(value)}


_LIMIT_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$"}]
}
Limits = Annotated[
    dict[str, Annotated[Limit, BeforeValidator(limit), WithJsonSchema(_LIMIT_SCHEMA)]],
    BeforeValidator(_limits),
    WithJsonSchema({"anyOf": [*_LIMIT_SCHEMA["anyOf"], {"type": "object", "additionalProperties": _LIMIT_SCHEMA}]}),
]


class Pair(Model):
    """A SELECT for each server. `key`: the columns that name a row, none when there is one row.

    `last`: how far back `:since` lies from today, in whole days. `tolerance`: a limit for every figure, or one per figure;
    a figure without one must be equal. `time_limit`: of each of the two.
    """

    source: str
    target: str
    key: tuple[str, ...] = Field(default=(), strict=False)
    last: Duration | None = None
    tolerance: Limits = Field(default_factory=dict)
    severity: Severity = "fail"
    time_limit: Duration = Field(default=dt.timedelta(minutes=1), ge=dt.timedelta(seconds=1))

    @field_validator("source", "target")
    @classmethod
    def _one_select(cls, text: str, info: Any) -> str:
        if wrong := problem(text, "mysql" if info.field_name == "source" else "postgres"):
            raise ValueError(wrong)
        return text

    @model_validator(mode="after")
    def _window(self) -> Pair:
        sides: tuple[tuple[Side, str, Dialect], ...] = (
            ("source", self.source, "mysql"), ("target", self.target, "postgres"),
        )  # fmt: skip
        for side, text, dialect in sides:
            used = placeholders(text, dialect)
            if unknown := sorted(used - {"since", "today"}):
                raise ValueError(f"{side} has :{unknown[0]}, and there are :since and :today")
            if self.last is None and "since" in used:
                raise ValueError(f"{side} has :since, and no last says how far back that is, as in last: 30d")
            if self.last is not None and "since" not in used:
                raise ValueError(f"last is set, and {side} does not have :since")
        return self

    def window(self, today: dt.date) -> dict[str, dt.date]:
        """Return the values of the placeholders on a day; a part of a day in `last` counts as a day."""
        values = {"today": today}
        if self.last is not None:
            values["since"] = today - -(-self.last // _DAY) * _DAY
        return values

    def limit(self, column: str) -> Limit:
        """Return how far the two figures of a column may lie apart."""
        limits = {name.lower(): item for name, item in self.tolerance.items()}
        return limits.get(column, limits.get(EVERY, EXACT))


class Checks(Model):
    """The keys of `checks.yaml`: pairs by their names."""

    pairs: dict[str, Pair] = Field(min_length=1)


def load_checks(path: Path, names: Sequence[str] = ()) -> dict[str, Pair]:
    """Return the pairs in a file by name, those of `names` when there are any.

    Raise ConfigError with every mistake of the file, and for a name that is not in it.
    """
    problems: list[str] = []
    document, lines = read_file(path, problems)
    found = None if problems and not document else check(Checks, document, path, lines, problems)
    if found is None or problems:
        raise ConfigError(
            "the checks are wrong:\n  " + "\n  ".join(problems), hint="correct the file and run the command again"
        )
    for name in names:
        if name not in found.pairs:
            close = difflib.get_close_matches(name, found.pairs, n=1)
            raise ConfigError(
                f"{path} has no pair {name!r}",
                hint=f"did you mean {close[0]!r}?" if close else f"it has {', '.join(found.pairs)}",
            )
    return {name: pair for name, pair in found.pairs.items() if not names or name in names}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: the names of the columns, and the rows as its driver gives them."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that differs by more than it may, or a row that one side does not have (`column` is empty then)."""

    key: Key
    column: str = ""
    source: Value = None
    target: Value = None
    missing: Literal["", "source", "target"] = ""

    @property
    def by(self) -> Decimal | None:
        """How much more the target has; None where that is no number."""
        pair = (self.source, self.target)
        numbers = [item for item in pair if isinstance(item, Decimal) and item.is_finite()]
        return _EXACT.subtract(numbers[1], numbers[0]) if len(numbers) == 2 else None


@dataclass(frozen=True, slots=True)
class PairResult:
    """What became of a pair. `compared` counts rows of both sides together, once each; `error` says why there was none."""

    name: str
    severity: Severity
    key: tuple[str, ...] = ()
    window: Mapping[str, dt.date] | None = None
    compared: int = 0
    differences: tuple[Difference, ...] = ()
    error: BulketlError | None = None

    @property
    def outcome(self) -> Literal["equal", "differs", "error"]:
        """How the pair ended. One that could not be compared proves nothing, and counts as one that differs."""
        return "error" if self.error else "differs" if self.differences else "equal"


def compare(pair: Pair, source: Answer, target: Answer) -> tuple[int, tuple[Difference, ...]]:
    """Return how many rows were compared and what differs, in the order of the keys.

    Raise DataError when the answers cannot be held against each other: other columns, a key twice, more than one row
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
            if not agree(one, other, pair.limit(column)):
                found.append(Difference(at, column, one, other))
    return len(every), tuple(found)


def agree(source: Value, target: Value, allowed: Limit) -> bool:
    """Tell whether two values are equal, or two numbers within the limit; exactly, whatever their size."""
    if isinstance(source, Decimal) and isinstance(target, Decimal):
        if not (source.is_finite() and target.is_finite()):
            return str(source) == str(target)  # NaN, Infinity
        return _EXACT.subtract(target, source).copy_abs() <= allowed.of(source)
    return source == target


def plain(value: object) -> Value:
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


def shown(value: Value) -> str:
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


def _columns(answer: Answer, side: Side) -> list[str]:
    names = [name.lower() for name in answer.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"the {side} answers with two columns {twice[0]!r}", hint="give each its own name with AS")
    return names


def _by_key(
    answer: Answer, columns: Sequence[str], key: Sequence[str], figures: Sequence[str], side: Side
) -> dict[Key, tuple[Value, ...]]:
    if len(answer.rows) > MOST_ROWS:
        raise DataError(
            f"the {side} answers with more than {MOST_ROWS:,} rows", hint="compare sums: GROUP BY fewer columns, or a month"
        )
    at = {name: n for n, name in enumerate(columns)}
    found: dict[Key, tuple[Value, ...]] = {}
    for n, row in enumerate(answer.rows):
        values = [plain(value) for value in row]
        place = tuple(_named(values[at[name]]) for name in key)
        if n and not key:
            place = (Decimal(n),)  # one too many, to be counted
        if place in found:
            shown_key = ", ".join(f"{name} {shown(value)}" for name, value in zip(key, place, strict=True))
            raise DataError(
                f"the {side} answers with two rows for {shown_key}",
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


def _kind(value: Value) -> str:
    kinds = {Decimal: "a number", str: "text", bytes: "bytes", dt.datetime: "a date", dt.timedelta: "a time of day"}
    return "" if value is None else kinds[type(value)]


def _named(value: Value) -> Value:
    """Return a value as a part of a key: NaN is not equal to itself, its text is."""
    return str(value) if isinstance(value, Decimal) and not value.is_finite() else value


def _order(key: Key) -> tuple[tuple[str, Any], ...]:
    return tuple((_kind(value), "" if value is None else value) for value in key)
