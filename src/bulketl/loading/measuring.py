"""The end of a load measures what fills up, so that reports can say when it will be full; this can never fail the load.

bulketl asks the target for the highest value of a key, by its index. The limit is the lower one of the types on both
sides.
"""

from __future__ import annotations

import logging

import psycopg

from bulketl.config.config import Config
from bulketl.errors import BulketlError, SourceError
from bulketl.loading.record import Run
from bulketl.mysql.crowd import crowd
from bulketl.mysql.server import MySQL
from bulketl.plan.plan import Plan
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.measures import Key, Measure, highest, measured_database, note_measures
from bulketl.postgres.server import Postgres
from bulketl.tables.casts import Cast
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import INTEGERS, TARGET_INTEGERS

_BITS = dict(zip(INTEGERS, (8, 16, 24, 32, 64), strict=True)) | dict(zip(TARGET_INTEGERS, (16, 32, 64), strict=True))
_log = logging.getLogger("bulketl")


def measure(config: Config, run: Run, plan: Plan) -> None:
    """Put on record how full everything is after a load; what cannot be measured is warned of."""
    found = _sessions(config)
    keys = {
        Key(load.spec.table, cast.name): cast
        for load in plan.loads
        if run.summary.tables[load.spec.table].outcome == "loaded" and (cast := leading(load.spec)) is not None
    }
    try:
        with asking(Postgres.of(config)) as connection:
            found.append(Measure("database", measured_database(connection)))
            for key, value in highest(connection, plan.schema, keys).items():
                most, side = _limit(keys[key])
                found.append(Measure("key", value, most, key.table, keys[key].column, side))
            note_measures(connection, run.name, found)
    except (BulketlError, psycopg.Error) as error:
        said = error.public if isinstance(error, BulketlError) else type(error).__name__
        _log.warning("run %s: how full keys and the disk are is not on record: %s", run.name, said)


def _sessions(config: Config) -> list[Measure]:
    """Return how many sessions the source has while a load is on: bulketl's, and those that others have now."""
    try:
        seen = crowd(MySQL.of(config))
    except SourceError as error:
        _log.warning("how many sessions the source has is not on record: %s", error.public)
        return []
    return [Measure("connections", seen.others + at_work(config), seen.most)]


def at_work(config: Config) -> int:
    """Return how many sessions a load has at the source at most: one that looks or locks, and one for each worker."""
    return config.at_once + 1 + config.source_limits.watched


def leading(spec: TableSpec) -> Cast | None:
    """Return the first column of a table's key, None unless it is an integer on both sides, and no mask alters it."""
    first = next((cast for cast in spec.casts if spec.key and cast.column == spec.key[0]), None)
    if first is None or first.masked or first.source_type.base not in INTEGERS or first.target not in TARGET_INTEGERS:
        return None
    return first


def _limit(cast: Cast) -> tuple[int, str]:
    """Return the highest value that a column holds on both sides, and which side has no higher one, '' for both."""
    source = 2 ** (_BITS[cast.source_type.base] - (not cast.source_type.unsigned)) - 1
    target = 2 ** (_BITS[cast.target] - 1) - 1
    return min(source, target), "" if source == target else "source" if source < target else "target"
