"""The repr of every public value is one short line, and none of it is out of a row.

The values are listed from `bulketl.__all__`: what is a class there, and what the acts return.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import bulketl

SECRET = "out of a row"


def classes(annotation: Any) -> Iterator[type]:
    """Yield the classes of ours in an annotation."""
    if inspect.isclass(annotation) and annotation.__module__.startswith("bulketl."):
        yield annotation
    for part in typing.get_args(annotation):
        yield from classes(part)


def public() -> list[type]:
    """Return the classes that are public, and those that public functions return."""
    found: dict[str, type] = {}
    for name in bulketl.__all__:
        value = getattr(bulketl, name)
        if inspect.isclass(value):
            found[value.__name__] = value
        else:
            hints = inspect.get_annotations(value, eval_str=False)
            module = inspect.getmodule(value)
            scope = {**vars(typing), **vars(module)}
            returned = eval(str(hints.get("return", "None")), scope)
            found |= {one.__name__: one for one in classes(returned)}
    return list(found.values())


VALUES = [one for one in public() if not issubclass(one, Exception)]


def made(kind: type, depth: int = 0) -> Any:
    """Return a value of the class whose every text, key and figure is out of a row, as far as it takes them."""
    if not dataclasses.is_dataclass(kind):
        return kind()
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
            continue
        values[field.name] = _filled(str(field.type))
    return kind(**values)


def _filled(kind: str) -> Any:
    if kind.startswith("tuple"):
        return ()
    if kind.startswith(("dict", "Mapping")):
        return {SECRET: SECRET}
    if kind.startswith(("int", "float")):
        return 123456
    if kind.startswith("bool"):
        return False
    if kind.startswith("dt.datetime"):
        return dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
    return "x" * 300


def test_the_public_values_are_found() -> None:
    names = {one.__name__ for one in VALUES}
    assert {"Config", "Plan", "Summary", "Verification", "RowStory", "TableState", "Rejected", "History", "Finding"} <= names


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_repr_is_one_short_line_without_row_values(kind: type) -> None:
    if issubclass(kind, tuple):
        pytest.skip("a tuple of values that have a repr of their own")
    text = repr(made(kind))
    assert text.startswith(f"{kind.__name__}(")
    assert len(text) < 320
    assert "\n" not in text
    assert SECRET not in text
    assert not re.search(r"0x[0-9a-f]{8}", text)


def test_rows_of_a_story_and_a_verification_are_not_shown() -> None:
    """Neither their keys nor what stands in them."""
    from bulketl.verifying.rowstory import ColumnStory, RowStory
    from bulketl.verifying.verdicts import RowFinding, TableVerdict, Verification

    column = ColumnStory("c", "differs", SECRET, SECRET)
    story = RowStory("mysql://h/d", "raw", "t", (("id", SECRET),), columns=(column,))
    row = RowFinding((SECRET,), "differs", ("c",), (SECRET,), (SECRET,))
    table = TableVerdict("t", "audit", "rows", differing=1, rows=(row,))
    for value in (story, table, Verification("mysql://h/d", "raw", "rows", (table,))):
        assert SECRET not in repr(value)
