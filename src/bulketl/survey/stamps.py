"""Columns that say when a row was changed, and whether their values can be trusted to say so."""

from __future__ import annotations

from bulketl.tables.catalog import Column, Table
from bulketl.tables.evidence import keeps_itself
from bulketl.tables.measured import Profile
from bulketl.tables.naming import says_edit
from bulketl.tables.printable import count_of
from bulketl.tables.types import MOMENTS

TRUSTED_SHARE = 0.5  # a cursor column may be NULL, a sentinel or to come in at most this share of the rows looked at


def cursor_candidates(table: Table) -> tuple[Column, ...]:
    """Return the columns that may say how new a row is, best first; which of them can be trusted, a Profile tells.

    A stamp that the server keeps (ON UPDATE CURRENT_TIMESTAMP) comes before one that the application keeps, an indexed
    one before one that is not. Dates of the business (of birth, of service) are none, nor is text.
    """
    indexed = {key.columns[0] for key in table.keys if key.columns}

    def rank(column: Column) -> tuple[bool, bool, int]:
        return (not keeps_itself(column), column.name not in indexed, -table.columns.index(column))

    found = [c for c in table.columns if c.parsed.base in MOMENTS and (keeps_itself(c) or says_edit(c.name))]
    return tuple(sorted(found, key=rank))


def doubt_of(column: Column, profile: Profile | None) -> str:
    """Return why a column is not to be trusted as a cursor, or ''.

    A share of odd values decides, never one: a load leaves values to come out of its watermark, and reads rows without a
    stamp each time, so a few cost nothing.
    """
    if profile is None or profile.rows == 0:
        return "" if keeps_itself(column) else "nothing is known of its values"
    odd = {
        f"{profile.future} of {count_of(profile.rows, 'value', 'lies')} in the future": profile.future,
        f"{profile.nulls} of {profile.rows} are NULL": profile.nulls,
        f"{profile.sentinels} of {profile.rows} are sentinels like 0001-01-01": profile.sentinels,
    }
    if sum(odd.values()) <= TRUSTED_SHARE * profile.rows:
        return ""
    return ", ".join(text for text, count in odd.items() if count)
