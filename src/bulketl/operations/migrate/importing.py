"""Taking over how far the older pipeline has loaded its tables, once their rows confirm it.

bulketl does not believe the books alone: if a watermark is newer than the rows, whatever lies between is lost for good.
It takes a table over if its newest row reaches the watermark, and if it has as many rows as the source has up to there.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError, PlanError
from bulketl.mysql.totals import counts as source_counts
from bulketl.operations.migrate.sides import migrating
from bulketl.plan.drift import drift
from bulketl.plan.incremental import choice_of, watched
from bulketl.plan.ownership import owner_of
from bulketl.plan.selection import Selection
from bulketl.plan.specify import specify
from bulketl.postgres import oldbooks
from bulketl.postgres.compare.totals import counts as target_counts
from bulketl.postgres.known import known
from bulketl.postgres.ledger import ownership, schema, takeovers
from bulketl.postgres.oldbooks import Booked
from bulketl.postgres.server import Postgres
from bulketl.survey.look import Sight, look
from bulketl.tables.catalog import Table
from bulketl.tables.cursor import Watermark, cursor_type, parse_value, text_of
from bulketl.tables.measured import Known
from bulketl.tables.partitions import KeyValue
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec


class Imported(NamedTuple):
    """What became of a table: `refused` says why its state was not taken over, '' when it was.

    `column` and `value`: the watermark by the older pipeline's books. `rows`: in the target, `more` of them are not at the
    source any more; `newer`: rows at the source that came since. None where nothing was counted.
    """

    table: str
    column: str
    value: str
    rows: int | None = None
    more: int | None = None
    newer: int | None = None
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return self._asdict()


class _Candidate(NamedTuple):
    spec: TableSpec
    mark: Watermark
    newest: KeyValue | None


class _RefusedError(Exception):
    """Why a table's state is not taken over."""


def import_state(config: Config, selection: Selection, reason: str, *, dry_run: bool = False) -> list[Imported]:
    """Take over how far the older pipeline's books say that its tables are loaded, where rows and counts bear that out.

    From then on bulketl serves these tables, and the next load reads their changes alone and compares them with the source.
    With `dry_run` nothing is changed. Raise ConfigError when no migration is configured or the older pipeline keeps no books
    in the target schema; SourceError, TargetError and PlanError as `make_plan`.
    """
    migrating(config)
    sight = look(config, selection, known)
    books = patient(_books, sight.target, config.target_schema)
    if books is None:
        raise ConfigError(
            f"schema {config.target_schema!r} has no table {oldbooks.TABLE}, so the older pipeline keeps no books there",
            hint="nothing can be taken over; `bulketl migrate shadow` loads its tables beside it",
        )
    found: dict[str, Imported] = {}
    candidates = []
    for table in sight.catalog:
        if owner_of(config, sight.known, table.name) != "legacy" or table.name not in sight.known.existing:
            continue
        booked = books.get(table.name, Booked("", None, None, "", ""))
        try:
            candidates.append(_candidate(config, sight, table, booked))
        except (_RefusedError, PlanError) as error:
            found[table.name] = Imported(table.name, booked.column, booked.value, refused=str(error))
    found |= _counted(sight, candidates)
    taken = [one for one in candidates if not found[one.spec.table].refused]
    if taken and not dry_run:
        patient(_taken_over, sight.target, config, taken, {name: found[name].rows or 0 for name in found}, reason)
    return [found[name] for name in sorted(found)]


def _books(target: Postgres, of: str) -> Mapping[str, Booked] | None:
    with target.connect() as connection:
        return oldbooks.read(connection, of)


def _candidate(config: Config, sight: Sight[Known], table: Table, booked: Booked) -> _Candidate:
    """Return a table whose books can be held against its rows. Raise _RefusedError or PlanError with the reason why not."""
    rule, existing = config.rule(table.name), sight.known.existing[table.name]
    if rule.extraction_strategy == "full_table":
        raise _RefusedError("its rule loads it whole, so there is no state to take over")
    if rule.table_importance == "audit":
        raise _RefusedError("it is of tier audit, whose chain of hashes begins with a load: load it beside the older one")
    if booked.status != oldbooks.WELL or not booked.value:
        raise _RefusedError("the older pipeline's books do not say up to where it is loaded")
    column = watched(rule, table)
    if booked.column != column.name:
        raise _RefusedError(f"its books go by {booked.column or 'no column'}, and its rule by {column.name}")
    kind = cursor_type(column, config.zone(sight.catalog))
    try:
        mark = Watermark(column.name, kind, text_of(parse_value(kind, booked.value)))
    except ValueError:
        raise _RefusedError(f"{booked.value!r} is not a value of {column.name}, which is {column.type}") from None
    spec = specify(config, sight.catalog, table, dataclasses.replace(choice_of(sight.known, table.name), state=None))
    if spec.masking:
        raise _RefusedError("its rule masks columns, and the older pipeline's rows are not masked")
    if spec.key != existing.primary_key:
        raise _RefusedError("it has not the source's primary key in the target, so changes cannot be merged into it")
    if texts := drift(spec.casts, existing).texts:
        raise _RefusedError(f"its columns are not as its rule has them, where casts may keep theirs: {'; '.join(texts)}")
    return _Candidate(spec, mark, patient(_newest, sight.target, spec, column.name))


def _newest(target: Postgres, spec: TableSpec, column: str) -> KeyValue | None:
    with target.connect() as connection:
        return takeovers.newest(connection, spec, column)


def _counted(sight: Sight[Known], candidates: list[_Candidate]) -> dict[str, Imported]:
    """Return what rows and counts say of each candidate; both servers count once."""
    if not candidates:
        return {}
    ours = patient(source_counts, sight.source, [(one.spec, one.mark) for one in candidates])
    theirs = patient(target_counts, sight.target, [one.spec for one in candidates])
    found = {}
    for spec, mark, newest in candidates:
        rows, newer, problem = ours[spec.table]
        there, value = theirs[spec.table], mark.typed
        refused = problem
        if isinstance(newest, dt.datetime) and not isinstance(value, dt.datetime):
            newest = newest.date()
        if newest is None or newest < value:  # type: ignore[operator]
            refused = refused or f"its books are ahead of its rows: they say {mark.value}, and its newest row is {newest}"
        if there < rows:
            refused = refused or f"{rows - there:,} of {count_of(rows, 'row')} of the source up to {mark.value} missing"
        found[spec.table] = Imported(
            spec.table, mark.column, mark.value, there, max(there - rows - newer, 0), newer, refused
        )  # fmt: skip
    return found


def _taken_over(target: Postgres, config: Config, taken: list[_Candidate], rows: Mapping[str, int], reason: str) -> None:
    with target.connect() as connection:
        schema.create(connection, config.target_schema)
        with connection.transaction():
            by = person()
            for spec, mark, _ in taken:
                takeovers.take_over(connection, spec, mark, rows[spec.table], by)
            about = {"by": by, "reason": reason, "run": ""}
            ownership.own(connection, config.target_schema, [one.spec.table for one in taken], "bulketl", about)
