"""A check of a table as a value: what must hold, how bad it is when it does not, and the words for it."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bulketl.tables.printable import count_of

Severity = Literal["warn", "reject", "fail"]
CheckKind = Literal[
    "not_null", "unique", "range", "one_of", "regex", "length", "foreign_key", "fresh", "row_count", "sum", "expression"
]
Value = bool | int | float | str | dt.datetime | dt.date
Counts = dict[str, dict[str, float]]  # severity -> check -> rows that fail it, or the figure that does
ON_TABLE: frozenset[CheckKind] = frozenset({"unique", "foreign_key", "fresh", "row_count", "sum"})
# What an expression may call: all that is decided by a row alone, so that the batches' borders cannot change what is found.
ROW_FUNCTIONS = frozenset({
    "abs", "cast", "ceil", "coalesce", "concat", "date_part", "ends_with", "extract", "floor", "greatest", "if", "least",
    "left", "length", "lower", "ltrim", "mod", "nullif", "octet_length", "position", "regexp_like", "replace", "right",
    "round", "rtrim", "sign", "starts_with", "strpos", "substr", "trim", "try_cast", "upper",
})  # fmt: skip
_WORDS = frozenset(
    {"and", "or", "not", "in", "is", "like", "ilike", "between", "case", "when", "then", "else", "rlike", "regexp"}
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold. `low` and `high` bound a value, a length, a count or a sum; None is open.

    `text`: a pattern, or an expression. `table`, `keys`: what a foreign key points to; `places`: the keys by their
    names in the target, which a plan fills in. `seconds`: how old the newest row
    may be, by the clock of `zone`, an offset in seconds or a name; '' where the column has its own.
    """

    kind: CheckKind
    columns: tuple[str, ...] = ()
    severity: Severity = "warn"
    low: Value | None = None
    high: Value | None = None
    values: tuple[Value, ...] = ()
    text: str = ""
    table: str = ""
    keys: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    seconds: int = 0
    zone: str = ""

    @property
    def label(self) -> str:
        """The check as a person wrote it, in a few words."""
        words: list[str] = [self.kind, ", ".join(self.columns) if self.kind != "expression" else ""]
        if self.low is not None or self.high is not None:
            words.append("..".join("" if bound is None else str(bound) for bound in (self.low, self.high)))
        words += [", ".join(map(str, self.values)), self.text]
        if self.table:
            words.append("-> " + ", ".join(f"{self.table}.{key}" for key in self.keys))
        if self.kind == "fresh":
            words.append(f"within {span(self.seconds)}")
        return " ".join(word for word in words if word)


def span(seconds: float) -> str:
    """Return a time in its largest unit, as people write one: 90s, 15m, 2d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.4g}{unit}"
    return f"{seconds:.4g}s"


def misplaced(text: str) -> str:
    """Return what an expression has that is not decided by a row alone, a function, subquery or window; '' for nothing."""
    bare = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "''", text, flags=re.DOTALL)
    if found := re.search(r"\b(select|over)\b", bare, re.IGNORECASE):
        return found[1].upper()
    called = (name for name in re.findall(r"([A-Za-z_]\w*)\s*\(", bare))
    return next((name for name in called if name.lower() not in ROW_FUNCTIONS | _WORDS), "")


def passes(check: Check, figure: float | None) -> bool:
    """Tell whether a table passes a check on the whole of it.

    `figure`: the rows at fault of unique and foreign_key, the count, the sum, the seconds since the newest row.
    """
    if check.kind in ("unique", "foreign_key"):
        return not figure
    if check.kind == "fresh":
        return figure is not None and figure <= check.seconds
    value = 0.0 if figure is None else figure
    low, high = check.low, check.high
    within = (low is None or value >= float(str(low))) and (high is None or value <= float(str(high)))
    return within and not math.isnan(value)


def said(label: str, figure: float) -> str:
    """Return what a check found, in words."""
    kind = label.partition(" ")[0]
    if kind == "row_count":
        return f"it has {figure:,.0f}"
    if kind == "sum":
        return f"it is {figure:,.10g}"
    if kind == "fresh":
        return "there is none" if figure < 0 else f"the newest is {span(figure)} old"
    what = {"unique": "the same values as another row", "foreign_key": "nothing to point to"}.get(kind, "")
    return count_of(round(figure), "row") + (f" with {what}" if what else "")


def counts_to_json(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | str]]:
    """Return what checks found as JSON can have it: a sum over NaN, which only a target holds, is no number there."""
    return {
        severity: {label: figure if math.isfinite(figure) else str(figure) for label, figure in counts.items()}
        for severity, counts in found.items()
    }


def counts_from_json(found: Mapping[str, Mapping[str, float | str]]) -> Counts:
    """Return what `counts_to_json` was made of."""
    return {severity: {label: float(figure) for label, figure in counts.items()} for severity, counts in found.items()}
