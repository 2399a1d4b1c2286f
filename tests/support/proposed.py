"""What must hold of every proposal, whatever the database: nothing goes stale, and nothing is deleted, without a word.

The words for that are this file's own, and not those of the code that is tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bulketl.survey.proposals import Proposal
from bulketl.tables.catalog import Table

WORDS = "log|logs|hist|history|histories|audit|audits|security"
RECORD = re.compile(rf"(^|[_\d])({WORDS})($|[_\d])|(log|hist|history|audit)\d*$|^security")
NO_RECORD = re.compile(r"(catalog|dialog|backlog|analog|(^|_)(blog|prolog|epilog|clog))s?\d*$")
EDITED = re.compile(r"updated|modified|last_?mod|date_?mod|tstamp|date_?t_?edit|last_?edit|changed_(at|on)", re.IGNORECASE)


def is_record(name: str) -> bool:
    """Tell whether a person would expect the rows of a table of that name to stay."""
    return bool(RECORD.search(name.lower())) and not NO_RECORD.search(name.lower())


def is_edited(table: Table) -> bool:
    """Tell whether the table says of itself that its rows are edited."""
    stamped = any("on update" in column.extra.lower() for column in table.columns)
    return stamped or any(EDITED.search(c.name) and "time" in c.type for c in table.columns)


def broken(tables: Iterable[Table], proposals: Iterable[Proposal]) -> list[str]:
    """Return what is wrong with what is proposed."""
    found = []
    for table, item in zip(tables, proposals, strict=True):
        policy = item.deletes if isinstance(item.deletes, str) else item.deletes.get("policy", "")
        guard = "" if isinstance(item.deletes, str) else item.deletes.get("guard", "")
        whole = item.strategy == "full_table"
        if item.tier == "audit" and is_edited(table):
            found.append(f"{item.table}: audit, and its rows are edited")
        if guard and float(guard.rstrip("%")) >= 100:
            found.append(f"{item.table}: its guard is off")
        if not whole and not (policy and item.reasons.get("deletes")):
            found.append(f"{item.table}: {item.strategy} without a policy for deletes and its reason")
        mirrored = policy == "mirror" or (not policy and (not whole or guard != "0%"))
        if is_record(item.table) and not item.exclude and mirrored:
            found.append(f"{item.table}: a record by its name, and mirrored")
        if policy == "mark" and not table.primary_key:
            found.append(f"{item.table}: marked, and no key says which rows")
    return found
