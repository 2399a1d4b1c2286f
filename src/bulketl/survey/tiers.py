"""Which tier a table gets, and why: the rules in their order, of which the first that fits decides.

Evidence comes before names: what is declared, what values agree with, how rows came. A name decides alone only where it
cannot lose rows: that a table is a list, or that its rows come and go.
"""

from __future__ import annotations

from bulketl.config.settings import NameRule
from bulketl.survey.stamps import cursor_candidates
from bulketl.survey.standing import Standing
from bulketl.tables.catalog import Column
from bulketl.tables.evidence import Arrival, come_and_go
from bulketl.tables.naming import Hint, hint, says_end, says_list, says_people, says_whom
from bulketl.tables.printable import count_of
from bulketl.tables.spec import Tier

_GONE = 5.0  # keys per row from which on a table's rows come and go, whatever its name
_PASSING_ROWS = 10_000  # such a table has no more
_AMOUNT_PLACES = 4  # of a decimal that holds money


def tier_of(one: Standing, named: NameRule | None, own: bool, record: str, came: Arrival | None) -> tuple[Tier, str]:
    """Return the tier of a table and why.

    `named`: the rule about its name that fits, `own`: it is a person's. `record`: why its rows are a record of what
    happened, '' when anything speaks against that. `came`: how its newest rows came.
    """
    if named and named.tier and own:
        return named.tier, named.why
    if named and named.exclude:
        return "reference", named.why
    found = hint(one.table.name)
    if one.shape == "link" and not found.kind:
        return "important", _ties(one)
    if why := _little(one, found, came):
        return "reference", why
    if record:
        return "audit", record
    if one.large:
        return "critical", one.large
    if one.shape == "list":
        many = f"; {_tables(one)}" if one.users else ""
        return "reference", f"a list: a name, and little else{many}"
    return _by_references(one)


def _little(one: Standing, found: Hint, came: Arrival | None) -> str:
    """Return why the rows of a table are of little worth: they come and go, or are values to choose from, or ''."""
    if found.kind == "passing" and not one.users:
        return f"its rows come and go, by its name ({found.word})"
    ending = next((column.name for column in one.table.columns if says_end(column.name)), "")
    if found.kind == "passing" and ending:  # a session of a therapist, to which others refer too, has no such end
        return f"its rows come and go, by its name ({found.word}) and because {ending} says when they end"
    if word := says_list(one.table.name):
        return f"a list of values or settings by its name ({word})"
    alone = not one.users and not one.references and not found.kind and one.table.rows <= _PASSING_ROWS
    gone = come_and_go(came)
    return f"its rows come and go: {gone}" if alone and came and gone and came.gaps >= _GONE else ""


def _by_references(one: Standing) -> tuple[Tier, str]:
    targets = one.targets
    if one.hub:
        return "critical", _tables(one)
    if one.users and says_whom(one.table.name):
        return "critical", f"is of {says_people(one.table.name)}, and {_tables(one)}"
    if one.centre:
        return "critical", f"brings {len(targets)} tables together: {_some(targets)}"
    if why := _owed(one):
        return "critical", why
    if mine := [name for name in targets if name in one.hubs]:
        return "important", f"belongs to {_some(mine)}"
    if len(targets) >= 2:
        return "important", _ties(one)
    if one.users:
        return "important", _tables(one)
    if targets:
        return "important", f"belongs to {targets[0]}"
    if cursor_candidates(one.table):
        return "important", "has a stamp of its changes, so somebody edits it"
    return "reference", "nothing refers to it, and it refers to nothing"


def _owed(one: Standing) -> str:
    """Return that a table has amounts of a customer, a patient or a user, and rows of other tables below it, or ''."""
    amount = next((column.name for column in one.table.columns if _is_amount(column)), "")
    whose = next((name for name in one.targets if says_whom(name)), "")
    return f"has an amount ({amount}) for each of {whose}, and {_tables(one)}" if amount and whose and one.users else ""


def _is_amount(column: Column) -> bool:
    """Tell whether a column may hold money: a decimal with some places, but no more than prices have."""
    return column.parsed.base == "decimal" and 0 < (*column.parsed.sizes, 0, 0)[1] <= _AMOUNT_PLACES


def _tables(one: Standing) -> str:
    count = len(one.users)
    return f"{count_of(count, 'table', 'refers')} to it"


def _ties(one: Standing) -> str:
    return f"ties {_some(one.targets)} together"


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
