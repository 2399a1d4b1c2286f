"""Results as a Polars frame: a row for each table, run, night or reject, to be filtered, joined and plotted."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol, cast

import polars as pl

_PLAIN = (str, bool, int, float, Decimal, dt.datetime, dt.date, dt.timedelta)


class OfTables(Protocol):
    """A summary, a verification or a status; a plan has its tables as `loads`."""

    @property
    def tables(self) -> Any:
        """What it says of each table: a mapping by name, or one after another."""
        ...


def frame(found: OfTables | Iterable[Any]) -> pl.DataFrame:
    """Return a frame with a row for each table of a plan, summary, verification or status, or for each item of a list.

    Each field and property that has a plain value becomes a column, in their order. Lists of texts stay lists, and nested
    values become JSON. The type of a column follows from its values, and is Null if there are none. An empty list gives a
    frame without columns. Raise TypeError for a value that no function of bulketl returns.
    """
    several: Any = getattr(found, "tables", getattr(found, "loads", found))
    items = list(several.values() if isinstance(several, Mapping) else several)
    for item in items:
        if not _names(item):
            raise TypeError(f"{type(item).__name__} is not a result of bulketl: give what one of its functions returns")
    rows = [_row(item) for item in items]
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame({name: pl.Series(name, [row.get(name) for row in rows], strict=False) for name in names})


def _names(item: Any) -> tuple[str, ...]:
    """Return the fields of a data class or a named tuple, nothing for anything else."""
    if dataclasses.is_dataclass(item):
        return tuple(field.name for field in dataclasses.fields(item))
    return tuple(getattr(item, "_fields", ()))


def _row(item: Any) -> dict[str, object]:
    own = [name for name in _names(item) if not name.startswith("_")]
    made = [name for name, value in _properties(type(item)).items() if value.fget and not name.startswith("_")]
    return {name: _value(getattr(item, name)) for name in dict.fromkeys((*own, *made))}


def _properties(kind: type) -> dict[str, property]:
    return {name: value for name, value in vars(kind).items() if isinstance(value, property)}


def _value(value: object) -> object:
    """Return a value as a frame has it."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value):
        return list(cast("Iterable[str]", value))
    return json.dumps(_nested(value), default=str)


def _nested(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _nested(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _nested(one) for key, one in value.items()}
    return [_nested(one) for one in value] if isinstance(value, (tuple, list, frozenset, set)) else value
