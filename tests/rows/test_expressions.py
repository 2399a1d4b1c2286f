"""The statements in which both servers compute the same are those that were compared on real ones, letter by letter.

`tests/servers/postgres/test_comparison.py` and `tests/servers/verifying/` prove what they give; here nothing may change them
unseen. `python tests/rows/test_expressions.py` writes the file anew, whose difference a person reads.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from bulketl.rows.aggregates import aggregates
from bulketl.rows.canonical import hash_expressions, pair
from bulketl.rows.months import month_of, sum_of
from bulketl.tables.casts import RULES, Cast, Masked, cast
from bulketl.tables.catalog import Column
from bulketl.tables.differences import CLASSES, claiming
from bulketl.tables.masks import Mask

FILE = Path(__file__).with_name("expressions.json")
SOURCES = (
    "tinyint", "tinyint(1)", "smallint unsigned", "int", "int(5) unsigned zerofill", "bigint", "bigint unsigned", "year",
    "bit(1)", "bit(8)", "bit(64)", "decimal(10,2)", "decimal(10,0)", "decimal(30,4)", "decimal(65,30)", "float",
    "float(7,2)", "double", "double(10,2)", "date", "datetime", "datetime(3)", "datetime(6)", "timestamp", "timestamp(6)",
    "time", "time(6)", "char(3)", "varchar(40)", "text", "enum('a','b')", "set('a')", "binary(16)", "varbinary(9)", "blob",
    "json", "uuid", "inet6", "point", "vector(3)",
)  # fmt: skip
DECLARED = (
    ("int", "bigint"), ("int", "boolean"), ("int", "numeric(20,0)"), ("decimal(10,2)", "numeric(12,4)"),
    ("decimal(10,2)", "text"), ("float", "double precision"), ("date", "text"), ("datetime", "timestamp(6)"),
    ("timestamp", "timestamptz(6)"), ("time", "time(6)"), ("text", "jsonb"), ("text", "json"), ("binary(16)", "uuid"),
    ("json", "text"), ("point", "text"), ("uuid", "text"),
)  # fmt: skip


DIFFERING = (
    ("text", "text"), ("text", "timestamp(0)"), ("timestamptz(0)", "timestamp(6)"), ("date", "timestamp(0)"),
    ("boolean", "smallint"), ("smallint", "boolean"), ("numeric(10,2)", "numeric(12,4)"), ("numeric", "numeric(12,4)"),
    ("integer", "numeric(12,4)"), ("real", "double precision"), ("text", "jsonb"), ("json", "jsonb"), ("jsonb", "jsonb"),
    ("bytea", "bytea"), ("uuid", "text"), ("interval", "interval"),
)  # fmt: skip


def made(item: Cast) -> dict[str, object]:
    """Return every expression of a column."""
    there = '"C"'
    return {
        "target": f"{item.target}, {item.wire}, read as {item.read}, packed as {item.packed}",
        "pair": pair(item, there),
        "with NUL": pair(item, there, "reject"),
        "figures": [
            f"{one.what}: {one.mysql} = {one.postgres}"
            for nul in ("strip", "reject")
            for one in aggregates((item,), {"c": there}, nul)
        ],
        "month": month_of(item, there, item.target)
        if item.target.partition("(")[0] in ("date", "timestamp", "text")
        else None,
        "sum": sum_of(item, there, item.target),
    }


def expressions() -> dict[str, object]:
    """Return the expressions of columns of every type, and those of a row."""
    found: dict[str, object] = {}
    items = []
    for source, declared in (*((source, "") for source in SOURCES), *DECLARED):
        item = cast(Column("c", source, True), declared)
        items.append(item)
        found[f"{source} -> {item.target}"] = made(item)
    names = [dataclasses.replace(item, column=f"c{n}") for n, item in enumerate(items[:3])]
    quoted = {item.column: f'"{item.column}"' for item in names}
    hidden = dataclasses.replace(names[0], masked=Masked(Mask("null"), "text", "string"))
    there_only = dataclasses.replace(names[1], source="")
    found["row"] = hash_expressions(tuple(names), quoted)
    found["row with a mask and a column of the target"] = hash_expressions((hidden, there_only, names[2]), quoted)
    many = [dataclasses.replace(items[0], column=f"c{n}") for n in range(91)]
    wide = hash_expressions(tuple(many), {item.column: item.column for item in many})
    found["row of 91 columns"] = [wide[0][-60:], wide[1][:90], wide[1].count("concat_ws")]
    found["row of 90 columns"] = hash_expressions(tuple(many[:90]), {item.column: item.column for item in many})[1].count(
        "concat_ws"
    )
    found["masked"] = [pair(hidden, "c"), [one.what for one in aggregates((hidden, there_only), quoted)]]
    found["differences"] = {
        f"{old} for {new}": {
            one.name: claiming(one, "O", "N", (old, new))
            for one in CLASSES
            for version in (150000, 160000)
            if one.fits(old, new, version)
        }
        for old, new in DIFFERING
    }
    found["json by version"] = [one.name for one in CLASSES if one.fits("text", "jsonb", 159999)]
    found["rules"] = [rule.to_json() for rule in RULES]
    return found


def text() -> str:
    return json.dumps(expressions(), indent=1, ensure_ascii=False, default=str) + "\n"


def test_the_expressions_are_those_that_were_compared() -> None:
    assert text() == FILE.read_text(), "run `python tests/rows/test_expressions.py`, and read what has changed"


if __name__ == "__main__":
    FILE.write_text(text())
