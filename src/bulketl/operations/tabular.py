"""Results as Polars frames: a row for each table, run or row that an act tells of."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from bulketl.loading.summary import Summary, TableSummary
from bulketl.operations.history.standing import Standing
from bulketl.operations.history.status import Status
from bulketl.verifying.verdicts import TableVerdict, Verification

_KINDS: Mapping[Any, Any] = {
    bool: pl.Boolean(),
    int: pl.Int64(),
    float: pl.Float64(),
    str: pl.String(),
    dt.datetime: pl.Datetime("us", "UTC"),
    dt.date: pl.Date(),
}


def frame(result: Summary | Status | Verification | Sequence[Any]) -> pl.DataFrame:
    """Return a result as a frame, in its own order.

    Of a load, a status and a verification it has a row per table; of a list, as `runs` and `list_rejects` return it, a row
    per value. Columns are the fields of these values and then what they compute, named alike, and their types come from the
    class, so that each night's frame fits the next. Times are in UTC, lists of texts are lists, and what is nested is JSON.
    An empty list has no columns, for it does not say of what it is. Raise TypeError for values of several classes or of
    none that has fields.
    """
    if isinstance(result, Summary):
        return _framed(list(result.tables.values()), _class(result))
    if isinstance(result, (Status, Verification)):
        return _framed(list(result.tables), _class(result))
    values = list(result)
    return _framed(values, type(values[0])) if values else pl.DataFrame()


def _class(result: Summary | Status | Verification) -> type:
    """Return of what class the tables of a result are, also when it has none."""
    kinds: Mapping[type, type] = {Summary: TableSummary, Status: Standing, Verification: TableVerdict}
    return kinds[type(result)]


def _framed(values: Sequence[Any], kind: type) -> pl.DataFrame:
    fields = (
        [one.name for one in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else getattr(kind, "_fields", ())
    )
    if not fields or any(type(value) is not kind for value in values):
        raise TypeError(f"a frame is made of the values of one class with fields, and not of {kind.__name__} among others")
    hints = typing.get_type_hints(kind)
    schema = {name: _column(hints[name]) for name in fields if not _opaque(hints[name])}
    for name, member in inspect.getmembers(kind, lambda member: isinstance(member, property)):
        told = _plain(typing.get_type_hints(member.fget)["return"])
        if not name.startswith("_") and told in _KINDS:
            schema[name] = _KINDS[told]
    rows = [[_cell(getattr(value, name), wanted) for name, wanted in schema.items()] for value in values]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _fields(kind: type) -> list[str]:
    """Return the names of what a value of the class consists of; none when it is no record."""
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind)]
    return list(getattr(kind, "_fields", ()))


def _plain(hint: Any) -> Any:
    """Return what a value is when it is there: of `X | None` the X, of words that are listed `str`."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        there = [one for one in typing.get_args(hint) if one is not type(None)]
        return _plain(there[0]) if len(there) == 1 else hint
    return str if typing.get_origin(hint) is typing.Literal else hint


def _opaque(hint: Any) -> bool:
    """Whether a field holds an object that is no value, like a certificate, of which a property tells."""
    kind = _plain(hint)
    return (
        inspect.isclass(kind) and kind not in _KINDS and not dataclasses.is_dataclass(kind) and not hasattr(kind, "_fields")
    )


def _column(hint: Any) -> pl.DataType:
    kind = _plain(hint)
    if typing.get_origin(kind) is tuple and typing.get_args(kind) == (str, ...):
        return pl.List(pl.String())
    found: pl.DataType = _KINDS.get(kind, pl.String())
    return found


def _cell(value: Any, wanted: pl.DataType) -> Any:
    if value is None or wanted != pl.String():
        return list(value) if isinstance(value, tuple) else value
    return value if isinstance(value, str) else json.dumps(value, default=_nested, ensure_ascii=False)


def _nested(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)
