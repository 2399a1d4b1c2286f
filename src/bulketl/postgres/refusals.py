"""What a refusal of Postgres is about, by its SQLSTATE: the contents of a row, a mistake of ours, or something else.

A class has two characters and covers all its members, except those that have an entry of their own. A state that is not
listed here is about the server, the session or the statement, and bulketl looks for no row. Almost nothing depends on the
texts of messages, because a server may be German.
"""

from __future__ import annotations

from typing import Literal

About = Literal["row", "bug", ""]
TWICE = ("23505", "23P01")  # two rows that exclude each other: neither is at fault alone
ABOUT: dict[str, About] = {
    "22": "row",  # a value: too long, out of range, of no character here, no JSON
    "2200H": "",  # a sequence has no number left
    "22023": "",  # a parameter of a function or a setting
    "22P03": "bug",  # bytes that are no value of the column's type
    "22P04": "bug",  # no COPY data
    "23": "row",  # a constraint: NOT NULL, CHECK, a domain, a foreign key, a partition; and a unique one
    "44": "row",  # WITH CHECK OPTION
    "54000": "row",  # more than a page, an index, jsonb or a text search vector can hold
    "54001": "row",  # JSON of more levels than the server's stack has room for
    "P0001": "row",  # RAISE in a trigger of a person's own
    "P0004": "row",  # ASSERT in one
}
_MEMORY = "invalid memory alloc request size"  # for one value; it has no SQLSTATE of its own, and is not translated


def about(sqlstate: str, words: str = "") -> About:
    """Return what a refusal is about."""
    if sqlstate == "XX000" and _MEMORY in words:
        return "row"
    if sqlstate == "08P01" and " COPY " in words:  # fewer bytes than the type has; without the word it is a pooler's
        return "bug"
    return ABOUT.get(sqlstate, ABOUT.get(sqlstate[:2], ""))
