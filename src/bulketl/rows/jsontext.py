"""JSON as text, and what jsonb changes of it in meaning: the one type of the target that reads its values.

Blanks, the order of keys and the exponents of numbers carry no meaning, and jsonb keeps none of them. A minus before zero
and all but the last of equal keys carry one, and are gone as well: these are counted. Few texts have any, so each is
searched first for what such a text must have, and only what remains is parsed. A hundred megabytes of what MySQL has as
JSON, where no key is there twice, take a third of a second, and of other text three seconds.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pyarrow as pa

from bulketl.tables.alterations import DOUBLE_KEY, MINUS_ZERO

_MINUS_ZERO = r"-0(?:\.0*)?(?:[eE][+-]?[0-9]+)?\s*(?:[,\]}]|$)"
_KEY = r'"(?:[^"\\]|\\.)*"\s*:'
# Keys with an escape or a blank behind them, so that equal ones are spelt in two ways; and strings that begin with a colon,
# which may hide a key.
_ODD_KEY = r'"[^"\\]*\\(?:[^"\\]|\\.)*"\s*:|[,{]\s*"\s*:|"\s+:'


def altered(column: pa.ChunkedArray, *, parsed: bool) -> dict[str, pa.ChunkedArray]:
    """Return for each kind of change that jsonb makes of some of these texts the mask of the rows with it.

    `parsed`: the source has read them as JSON, so no key is there twice. A text that is no JSON has none of the kinds: it is
    refused.
    """
    texts = pl.Series("t", column, dtype=pl.String).to_frame()
    t = pl.col("t")
    suspect = t.str.contains(_MINUS_ZERO)
    if not parsed:
        keys = t.str.extract_all(_KEY)
        suspect |= (keys.list.n_unique() < keys.list.len()) | t.str.contains(_ODD_KEY)
    found: dict[str, list[int]] = {}
    for row in texts.select(suspect.fill_null(False).arg_true()).to_series().to_list():
        for kind in json_changes(texts["t"][row]):
            found.setdefault(kind, []).append(row)
    return {kind: _mask(rows, len(texts)) for kind, rows in found.items()}


def json_changes(text: str) -> frozenset[str]:
    """Return the kinds of what jsonb changes of one text."""
    found: set[str] = set()

    def number(digits: str) -> None:
        if digits.startswith("-") and not digits.partition("e")[0].partition("E")[0].strip("-0."):
            found.add(MINUS_ZERO)

    def pairs(items: list[tuple[str, Any]]) -> None:
        if len(items) != len(dict(items)):
            found.add(DOUBLE_KEY)

    try:
        json.loads(text, parse_int=number, parse_float=number, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(found)


def _mask(rows: list[int], length: int) -> pa.ChunkedArray:
    flags = [False] * length
    for row in rows:
        flags[row] = True
    return pa.chunked_array([pa.array(flags)])
