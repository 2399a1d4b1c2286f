"""How much of a table has arrived: rows in the target per row at the source, counted around the read or proved by it.

The source counts a range before bulketl reads it, and again when the count differs from what bulketl read: rows that came
or went meanwhile explain any number between the counts. A range of integer keys proves by its keys that none is missing,
and is not counted; bulketl notes with the rows how many the source has. Rejected rows have a limit of their own,
`max_rejects`, and are not expected in the target. A score below 1 is a loss. A score above 1 means rows that the source
never had, and is never allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulketl.errors import DataQualityError, runbook
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 3  # partitions in a message
COUNTS = 24  # only where rows come and go; 8 were too few now and then
_COUNTED = b"rows at the source"  # in the metadata of a schema
Counted = Callable[[int], int]  # rows read -> rows at the source


@dataclass(frozen=True, slots=True)
class Arrived:
    """A partition: rows copied, rows rejected, rows at the source."""

    partition: int
    rows: int
    rejects: int
    expected: int


def around(counts: Sequence[int], read: int, count: Callable[[], int]) -> int:
    """Return how many rows the source had, as near to the number read as its counts allow, one at least.

    `count` counts again, up to COUNTS times, while the number read lies outside of all counts: where rows come and go all
    the time, one count may miss what the next one finds.
    """
    least, most = min(counts), max(counts)
    for _ in range(COUNTS):
        if least <= read <= most:
            break
        now = count()
        least, most = min(least, now), max(most, now)
    return min(max(read, least), most)


def attest(rows: pa.Table, counted: int) -> pa.Table:
    """Return the rows with a note of how many the source has of them."""
    return rows.replace_schema_metadata({_COUNTED: str(counted)})


def attested(rows: pa.Table) -> int:
    """Return how many rows the source has of those read, by its note; the number read without one."""
    return int((rows.schema.metadata or {}).get(_COUNTED, rows.num_rows))


def score(arrived: Sequence[Arrived]) -> float:
    """Return rows in the target per row that should be there; 1 for an empty table."""
    rows = sum(item.rows for item in arrived)
    expected = sum(item.expected - item.rejects for item in arrived)
    return rows / expected if expected > 0 else 1.0 if rows == expected else float("inf")


def hold(spec: TableSpec, arrived: Sequence[Arrived]) -> float:
    """Return the score; raise DataQualityError, naming the partitions, when it is below the threshold or above 1."""
    found = score(arrived)
    if spec.threshold <= found <= 1:
        return found
    wrong = [item for item in arrived if item.rows + item.rejects != item.expected]
    places = "; ".join(
        f"partition {item.partition}: {item.rows + item.rejects:,} of {item.expected:,}" for item in wrong[:NAMED]
    )
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    rows = sum(item.rows for item in arrived)
    expected = sum(item.expected - item.rejects for item in arrived)
    limit = f"data_quality_threshold is {spec.threshold:g}" if found < 1 else "more than the source has is never right"
    raise DataQualityError(
        f"table {spec.table!r}: {count_of(rows, 'row')} for {expected:,} of the source, a score of {found:.6g}, and {limit} "
        f"({places}{more})",
        hint="it was not published; load it again, and report it if it happens again; " + runbook("quality-below-threshold"),
    )
