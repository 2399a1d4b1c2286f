"""Tables that changed hands: the older pipeline is told until it has answered, and kept tables are dropped at their time.

Every load does both at its end; neither can fail the load.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from bulketl.config.config import Config
from bulketl.config.migration import with_tables
from bulketl.connections.commands import carry_out, label
from bulketl.errors import BulketlError, ConfigError
from bulketl.postgres.ledger import handovers, kept
from bulketl.postgres.ledger.handovers import Handover
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import in_a_line, shortened

_log = logging.getLogger("bulketl")
SECONDS = 60.0  # that the command has for each
HANGS = psycopg.errors.DependentObjectsStillExist.sqlstate
LONGEST = 200  # characters of what it prints that are kept


@dataclass(frozen=True, slots=True)
class Told:
    """How many handovers the older pipeline has heard of now, and which it has not: with how the last try ended.

    `silent`: no command is set, so nobody tells it.
    """

    told: int = 0
    untold: tuple[Handover, ...] = ()
    silent: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        left = [
            {"run": one.run, "act": one.act, "tables": one.tables, "attempts": one.attempts, "answer": one.answer}
            for one in self.untold
        ]
        return {"told": self.told, "untold": left, "silent": self.silent}


def look_after(config: Config, run: str) -> None:
    """Drop kept tables whose time is over, and tell the older pipeline what it has not heard yet."""
    if config.migration is None:
        return
    try:
        drop_expired(config, run)
    except (BulketlError, psycopg.Error) as error:
        said = error.public if isinstance(error, BulketlError) else type(error).__name__
        _log.warning("older tables whose time is over are kept for now: %s", said)
    tell(config)


def drop_expired(config: Config, run: str) -> list[kept.Kept]:
    """Drop kept tables whose time is over, and say so; return which.

    One that cannot be dropped is said, and the others are dropped all the same.
    """
    dropped = []
    with Postgres.of(config).connect() as connection:
        for one in kept.expired(connection, config.target_schema):
            try:
                kept.drop(connection, config.target_schema, one, run)
            except psycopg.Error as error:
                if connection.broken:
                    raise
                why = "views or foreign keys depend on it" if error.sqlstate == HANGS else f"SQLSTATE {error.sqlstate}"
                _log.warning("table %r: the older one in schema %s is kept beyond its time, %s", one.table, one.place, why)
                continue
            what = "had gone already" if one.gone else "was dropped" if one.place else "never was"
            _log.warning(
                "table %r: the older one, kept since %s, %s; no rollback brings it back",
                one.table,
                f"{one.at:%Y-%m-%d}",
                what,
            )
            dropped.append(one)
    return dropped


def tell(config: Config) -> Told:
    """Tell the older pipeline what it has not heard yet, in order; what fails is told again the next time, and said.

    Two processes never tell at once. Nothing here fails who calls it.
    """
    try:
        return _tell(config)
    except (BulketlError, psycopg.Error) as error:
        said = error.public if isinstance(error, BulketlError) else type(error).__name__
        _log.warning("the older pipeline was not told of tables that changed hands: %s", said)
        return Told()


def _tell(config: Config) -> Told:
    words = config.migration.legacy.told if config.migration else ()
    count = 0
    with Postgres.of(config).connect() as connection:
        if not words:
            left = tuple(handovers.untold(connection, config.target_schema))
            return Told(0, left, silent=bool(left))
        with connection.transaction():  # which ends with what was told on record; one that is lost tells it once more
            for one in handovers.untold(connection, config.target_schema, hold=True):
                how = _said(config, words, one)
                handovers.answered(connection, one.seq, how, told=not how)
                if how:  # it hears of everything in order
                    _log.warning("the older pipeline was not told of %s %s: %s", one.act, one.run, how)
                    break
                count += 1
        return Told(count, tuple(handovers.untold(connection, config.target_schema)))


def _said(config: Config, words: Sequence[str], one: Handover) -> str:
    """Carry out the command for what happened once; return how it failed, '' when it did not."""
    try:
        filled = with_tables(words, one.tables)
    except ConfigError as error:
        return f"{label(words)} was not started: {error.public}; {error.hint}"
    document = {
        "act": one.act, "run": one.run, "at": one.at.isoformat(timespec="seconds"), "schema": config.target_schema,
        "tables": one.tables, **one.document,
    }  # fmt: skip
    ran = carry_out(filled, json.dumps(document), SECONDS)
    if ran.code == 0:
        return ""
    last = f": {shortened(in_a_line(ran.last), LONGEST)}" if ran.last else ""
    return f"{label(words)} {ran.how}{last}"
