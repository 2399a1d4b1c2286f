"""The pairs of queries of `checks.yaml`, typed: what is asked of both servers, and how alike the answers must be."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from bulketl.config.mistakes import read_file, validated
from bulketl.config.sqltext import Dialect, placeholders, problem
from bulketl.config.values import Duration, Model
from bulketl.errors import ConfigError
from bulketl.tables.printable import listed

PairSeverity = Literal["warn", "fail"]
Side = Literal["source", "target"]
EVERY = "*"
_DAY = dt.timedelta(days=1)
_EXACT = Context(prec=300_000)  # no number of either server has as many digits; only digits that are there cost anything
_TOLERANCE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two figures may lie apart: by `amount`, or by that share of the source's figure."""

    amount: Decimal
    share: bool = False

    def of(self, figure: Decimal) -> Decimal:
        """Return the greatest difference allowed from the source's `figure`."""
        return _EXACT.multiply(self.amount, figure.copy_abs()) if self.share else self.amount

    def __str__(self) -> str:
        return f"{self.amount * 100:f}%" if self.share else f"{self.amount:f}"


EXACT = Tolerance(Decimal(0))


def tolerance_of(value: object) -> object:
    """Return a tolerance from a number, or from a share as `0.1%`; raise ValueError for anything else."""
    if isinstance(value, Tolerance):
        return value
    text = f"{Decimal(str(value)):f}" if type(value) in (int, float) else value
    found = _TOLERANCE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("a tolerance is a number from 0 on, or a share of the source's figure as in 0.1%")
    amount = Decimal(found[1])
    if found[2] and amount > 100:
        raise ValueError("a share is at most 100%")
    return Tolerance(_EXACT.divide(amount, Decimal(100)), share=True) if found[2] else Tolerance(amount)


def _tolerances(value: object) -> object:
    return value if isinstance(value, dict) else {EVERY: tolerance_of(value)}


_TOLERANCE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$"}]
}
Tolerances = Annotated[
    dict[str, Annotated[Tolerance, BeforeValidator(tolerance_of), WithJsonSchema(_TOLERANCE_SCHEMA)]],
    BeforeValidator(_tolerances),
    WithJsonSchema({"anyOf": [*_TOLERANCE_SCHEMA["anyOf"], {"type": "object", "additionalProperties": _TOLERANCE_SCHEMA}]}),
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
    tolerance: Tolerances = Field(default_factory=dict)
    severity: PairSeverity = "fail"
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

    def tolerated(self, column: str) -> Tolerance:
        """Return how far the two figures of a column may lie apart."""
        limits = {name.lower(): item for name, item in self.tolerance.items()}
        return limits.get(column, limits.get(EVERY, EXACT))


class Checks(Model):
    """The keys of `checks.yaml`: pairs by their names."""

    pairs: dict[str, Pair] = Field(min_length=1)


def load_checks(path: Path, names: Sequence[str] = ()) -> dict[str, Pair]:
    """Return the pairs in a file by name, only `names` when there are any.

    Raise ConfigError with every mistake of the file, and for a name that is not in it.
    """
    if not path.is_file():
        raise ConfigError(
            f"there is no file of pairs {path}",
            hint="write one, as docs/agreeing.md and config/checks.example.yaml show, or name yours with --checks",
        )
    problems: list[str] = []
    file = read_file(path, problems)
    found = None if problems and not file.document else validated(Checks, file.document, file)
    if found is None or problems:
        raise ConfigError(listed("the checks are wrong:", problems), hint="correct the file and run the command again")
    for name in names:
        if name not in found.pairs:
            close = difflib.get_close_matches(name, found.pairs, n=1)
            raise ConfigError(
                f"{path} has no pair {name!r}",
                hint=f"did you mean {close[0]!r}?" if close else f"it has {', '.join(found.pairs)}",
            )
    return {name: pair for name, pair in found.pairs.items() if not names or name in names}
