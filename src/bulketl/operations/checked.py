"""The result of each check of a table in a load, held or not, in the form that catalogs and orchestrators expect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bulketl.loading.summary import TableSummary
from bulketl.tables.checks import ON_TABLE, Check

_OF_THE_TABLE = ("row_count", "sum", "fresh")  # their figures are of the table, and no number of rows at fault


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and whether it held. `rows`: how many are at fault, None where that is no number of rows.

    `kind`: as of the `check`, or, without one, `rejects`: that no row was rejected, or `certified`: that the figures of both
    sides agree.
    """

    kind: str
    columns: tuple[str, ...]
    warns: bool
    held: bool
    rows: int | None = None
    check: Check | None = None

    @property
    def name(self) -> str:
        """The check by its kind and columns; no value that somebody wrote is part of it."""
        return " ".join((self.kind, ", ".join(self.columns))).strip()


def checked(checks: Iterable[Check], table: TableSummary, *, whole: bool = True) -> Iterator[Checked]:
    """Yield what is known of the checks of a table: of one that failed only what was found, for the rest was not looked at.

    Nothing is known of a table that was not read. `whole`: its rows were all copied since the summary began, and not in part
    before an interruption; without that a check of rows is told only where rows are at fault.
    """
    if table.outcome not in ("loaded", "failed"):
        return
    loaded = table.outcome == "loaded"
    found = {label: figure for labels in table.checks.values() for label, figure in labels.items()}
    for check in checks:
        figure = found.get(check.label)
        if figure is not None or (loaded and (whole or check.kind in ON_TABLE)):
            counted = None if check.kind in _OF_THE_TABLE else round(figure or 0)
            yield Checked(check.kind, check.columns, check.severity == "warn", figure is None, counted, check)
    if table.rejects or (loaded and whole):
        yield Checked("rejects", (), loaded, not table.rejects, table.rejects)
    if loaded and table.certified is not None:
        yield Checked("certified", (), False, table.certified)
