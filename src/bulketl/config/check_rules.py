"""The entries of `checks` in tables.yaml, typed: one model per kind of check, told apart by its first key.

An entry is what a person writes, without defaults that come from elsewhere; `checks_of` makes the checks of a table from
the entries and the tier.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, field_validator, model_validator

from bulketl.config.values import Duration, Model
from bulketl.tables.checks import ROW_FUNCTIONS, Check, CheckKind, Severity, Value, misplaced


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _bound(value: object) -> object:
    """Return a number, or a date or time from its ISO text; raise ValueError for others."""
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value) if len(value) > 10 else dt.date.fromisoformat(value)
        except ValueError:
            raise ValueError("a number is expected, or a date as 2020-01-31") from None
    if isinstance(value, bool) or not isinstance(value, (int, float, dt.date)):
        raise ValueError("a number is expected, or a date as 2020-01-31")
    return _finite(value)


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number is expected")
    return _finite(value)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is expected that is finite")
    return value


def _scalar(value: object) -> object:
    if not isinstance(value, (bool, int, float, str, dt.date)):
        raise ValueError("a number, text, date, true or false is expected; a NULL passes anyway")
    return _finite(value)


def _pointed(value: object) -> object:
    texts = _names(value)
    if isinstance(texts, (list, tuple)) and all(isinstance(t, str) and 0 < t.find(".") < len(t) - 1 for t in texts):
        if len({t.partition(".")[0] for t in texts}) == 1:
            return tuple(texts)
        raise ValueError("all columns must be of one table")
    raise ValueError("a table and a column are expected, as in patient.PatNum")


_ONE_OR_MORE = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_NUMBER_OR_DATE = {"type": ["number", "string"]}
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_names), Field(strict=False, min_length=1), WithJsonSchema(_ONE_OR_MORE)]
NumberOrDate = Annotated[Any, BeforeValidator(_bound), WithJsonSchema(_NUMBER_OR_DATE)]
Number = Annotated[Any, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Scalar = Annotated[Any, BeforeValidator(_scalar), WithJsonSchema({"type": ["number", "string", "boolean"]})]
Count = Annotated[int, Field(ge=0)]
Pointed = Annotated[tuple[str, ...], BeforeValidator(_pointed), WithJsonSchema(_ONE_OR_MORE)]


class Bounded(Model):
    """`min` and `max`, at least one of them, both included."""

    min: Any = None
    max: Any = None

    @model_validator(mode="after")
    def _ordered(self) -> Bounded:
        low, high = self.min, self.max
        if low is None and high is None:
            raise ValueError("it allows everything: give min, max, or both")
        if low is not None and high is not None:
            if isinstance(low, dt.date) != isinstance(high, dt.date):
                raise ValueError("min and max must both be numbers or both be dates")
            if _comparable(low) > _comparable(high):
                raise ValueError(f"min {low} is greater than max {high}, so that every row would fail")
        return self


def _comparable(value: Value) -> Any:
    if not isinstance(value, dt.date):
        return value
    moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


class OnRows(Model):
    """A check on each row, which may be rejected for it."""

    default: ClassVar[Severity | None] = None
    severity: Literal["warn", "reject", "fail"] | None = None


class OnTable(Model):
    """A check on the table as a whole: no single row is at fault."""

    default: ClassVar[Severity | None] = None
    severity: Literal["warn", "fail"] | None = None


class NotNull(OnRows):
    """No NULL in the column, or in any of several."""

    not_null: Names

    def checks(self) -> Iterator[Check]:
        """Yield one for each column."""
        return (Check("not_null", (column,)) for column in self.not_null)


class Unique(OnTable):
    """No two rows with the same values in the column, or in all of several; NULLs are not the same."""

    unique: Names

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("unique", self.unique)


class Range(OnRows, Bounded):
    """Numbers, dates or times from `min` to `max`."""

    range: Name
    min: NumberOrDate | None = None
    max: NumberOrDate | None = None

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("range", (self.range,), low=self.min, high=self.max)


class OneOf(OnRows):
    """Only these values."""

    one_of: Name
    values: tuple[Scalar, ...] = Field(strict=False, min_length=1)

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("one_of", (self.one_of,), values=self.values)


class Regex(OnRows):
    """Text in which the pattern is found; `^` and `$` anchor it. Rust's syntax, without look-around."""

    regex: Name
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        import polars as pl  # slow to load, and few have such a check

        try:
            pl.Series([""]).str.contains(pattern)
        except pl.exceptions.PolarsError as error:
            raise ValueError(" ".join(str(error).partition("This error occurred")[0].split())) from None
        return pattern

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("regex", (self.regex,), text=self.pattern)


class Length(OnRows, Bounded):
    """Text of `min` to `max` characters."""

    length: Name
    min: Count | None = None
    max: Count | None = None

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("length", (self.length,), low=self.min, high=self.max)


class ForeignKey(OnTable):
    """Each value, or combination, is there in another loaded table; a row with a NULL points to nothing."""

    default: ClassVar[Severity | None] = "warn"  # a row that was added between the reads of both tables looks like an orphan
    foreign_key: Names
    to: Pointed

    @model_validator(mode="after")
    def _as_many(self) -> ForeignKey:
        if len(self.foreign_key) != len(self.to):
            raise ValueError("foreign_key and to must name as many columns")
        return self

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        table = self.to[0].partition(".")[0]
        yield Check("foreign_key", self.foreign_key, table=table, keys=tuple(t.partition(".")[2] for t in self.to))


class Fresh(OnTable):
    """The newest row is no older than `within`."""

    fresh: Name
    within: Duration = Field(gt=dt.timedelta())

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("fresh", (self.fresh,), seconds=int(self.within.total_seconds()))


class Rows(Bounded):
    """How many rows."""

    min: Count | None = None
    max: Count | None = None


class RowCount(OnTable):
    """The number of rows of the table."""

    row_count: Rows

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("row_count", low=self.row_count.min, high=self.row_count.max)


class Sum(OnTable, Bounded):
    """The sum over all rows; of no rows it is 0."""

    sum: Name
    min: Number | None = None
    max: Number | None = None

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        yield Check("sum", (self.sum,), low=self.min, high=self.max)


class Expression(OnRows):
    """An SQL expression of Polars over the row's columns that is not false."""

    expression: str

    @field_validator("expression")
    @classmethod
    def _parses(cls, expression: str) -> str:
        if found := misplaced(expression):
            raise ValueError(
                f"{found} has no place in a check of single rows; functions that have: {', '.join(sorted(ROW_FUNCTIONS))}"
            )
        import polars as pl

        try:
            if not pl.sql_expr(expression).meta.root_names():
                raise ValueError("it names no column")
        except pl.exceptions.PolarsError as error:
            raise ValueError(" ".join(str(error).split())) from None
        return expression

    def checks(self) -> Iterator[Check]:
        """Yield it."""
        import polars as pl

        names = pl.sql_expr(self.expression).meta.root_names()
        yield Check("expression", tuple(dict.fromkeys(names)), text=self.expression)


_KINDS: tuple[CheckKind, ...] = get_args(CheckKind)


def _kind(value: object) -> str | None:
    """Return the tag of an entry's kind; in brackets, as no key is, for pydantic puts it into the place of a mistake."""
    if isinstance(value, dict):
        return next((f"[{kind}]" for kind in _KINDS if kind in value), None)
    return next((f"[{kind}]" for kind in _KINDS if hasattr(value, kind)), None)


CheckRule = Annotated[
    Annotated[NotNull, Tag("[not_null]")]
    | Annotated[Unique, Tag("[unique]")]
    | Annotated[Range, Tag("[range]")]
    | Annotated[OneOf, Tag("[one_of]")]
    | Annotated[Regex, Tag("[regex]")]
    | Annotated[Length, Tag("[length]")]
    | Annotated[ForeignKey, Tag("[foreign_key]")]
    | Annotated[Fresh, Tag("[fresh]")]
    | Annotated[RowCount, Tag("[row_count]")]
    | Annotated[Sum, Tag("[sum]")]
    | Annotated[Expression, Tag("[expression]")],
    Discriminator(
        _kind,
        custom_error_type="check",
        custom_error_message=f"a check is a mapping with one of the keys {', '.join(_KINDS)}",
    ),
]


def checks_of(rules: Sequence[Any], default: Severity) -> tuple[Check, ...]:
    """Return the checks of a table from its entries; `default` is the severity of those that name none."""
    return tuple(
        dataclasses.replace(check, severity=rule.severity or rule.default or default)
        for rule in rules
        for check in rule.checks()
    )
