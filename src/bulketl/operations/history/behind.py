"""How far tables are behind the source: the newest values of their cursors there, compared with their watermarks.

This is possible only for a table with a cursor and a watermark. If it is not known, the reason is given.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.errors import SourceError
from bulketl.mysql.newest import Newest, read_newest
from bulketl.mysql.server import MySQL
from bulketl.postgres.ledger.tableloads import TablePlace
from bulketl.tables.cursor import is_time, parse_value
from bulketl.tables.measured import Cursor

NOT_REACHED = "source not reached"
OTHER_TYPE = "newest value there of another type than the watermark"
NO_CURSOR = "no cursor"
ONLY_SOME = "its rule's where takes only some rows, and no table is read for that"


@dataclass(frozen=True, slots=True)
class Behind:
    """The newest value of a table's cursor at the source, and how far its watermark is behind that.

    `seconds` for a cursor of times, `values` for one that counts; 0 for a table that has it all. Both are None where
    `unknown` says why. `newest` is '' for a source that has no value.
    """

    newest: str = ""
    seconds: float | None = None
    values: int | None = None
    unknown: str = ""


def ask_source(config: Config, places: Iterable[TablePlace]) -> dict[str, Behind]:
    """Ask the source, for a few seconds at most, and return what is known of each table.

    Raise ConfigError when no source is set or its URI is wrong; one that does not answer is told by each `unknown`.
    """
    source = MySQL.of(config)
    found, asked = dict[str, Behind](), dict[str, TablePlace]()
    for place in places:
        why = _unasked(place, source.identity, config.session_zone)
        if why or config.rule(place.table).where:
            found[place.table] = Behind(unknown=why or ONLY_SOME)
        else:
            asked[place.table] = place
    own = {table: config.source_name(table) for table in asked}
    cursors = {own[table]: Cursor(place.cursor, place.kind) for table, place in asked.items()}
    try:
        newest = read_newest(source, cursors, config.session_zone) if cursors else {}
    except SourceError:
        newest = dict.fromkeys(cursors, Newest(unknown=NOT_REACHED))
    return found | {table: _behind(place, newest[own[table]]) for table, place in asked.items()}


def _unasked(place: TablePlace, source: str, zone: str) -> str:
    """Return why the source is not asked for a table, '' when it is."""
    if not place.cursor:
        return NO_CURSOR
    if not place.watermark:
        return "no watermark on record, or none that this role may read"
    if place.source != source:
        return f"loaded from {place.source}" if place.source else "state reset since it was loaded"
    _, _, shown = place.kind.partition(" in ")
    return f"loaded with times in zone {shown}, and {zone} is set now" if shown and zone and shown != zone else ""


def _behind(place: TablePlace, newest: Newest) -> Behind:
    if newest.unknown:
        return Behind(unknown=newest.unknown)
    if newest.value is None:
        return Behind(seconds=0.0) if is_time(place.kind) else Behind(values=0)
    try:
        there, here = parse_value(place.kind, newest.value), parse_value(place.kind, place.watermark)
    except ValueError:
        return Behind(newest.value, unknown=OTHER_TYPE)
    if isinstance(there, int) and isinstance(here, int):
        return Behind(newest.value, values=max(there - here, 0))
    if isinstance(there, dt.date) and isinstance(here, dt.date):
        return Behind(newest.value, seconds=max((there - here).total_seconds(), 0.0))
    return Behind(newest.value, unknown=OTHER_TYPE)
