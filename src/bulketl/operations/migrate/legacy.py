"""A night of the older pipeline, started by bulketl or elsewhere: how it ended, and what its own books say of each table.

That a command ends with 0 is not taken for success where the books of the older pipeline say otherwise.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bulketl.config.config import Config
from bulketl.config.migration import Migration, with_tables
from bulketl.connections.commands import carry_out, label
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError
from bulketl.postgres.ledger import legacyruns, schema
from bulketl.postgres.ledger.legacyruns import LegacyRun
from bulketl.postgres.oldbooks import WELL, Booked, read
from bulketl.postgres.server import Postgres

NAMED = 3  # tables that a line names; beyond, they are counted
ELSEWHERE = "is started elsewhere"
NOTHING = "serves none of these tables"
Books = dict[str, Booked]


def run_legacy(config: Config, tables: Sequence[str], stop: threading.Event | None = None) -> LegacyRun:
    """Have the older pipeline load tables, and put on record what became of it; without a command, read its books alone.

    What it prints goes into a file of its own, which only its owner may read. Once `stop` is set it is ended. Raise
    TargetError when the target cannot be asked, ConfigError when the log cannot be written; never for what the command does.
    """
    migration, target = config.migration or Migration(), Postgres.of(config)
    blank = LegacyRun(dt.datetime.now(dt.UTC), 0.0, None, NOTHING, tuple(tables), (), (), "", person())
    if not tables:
        return blank
    before = patient(_books, target, config.target_schema)
    if not migration.legacy.run:
        written = max((one.at for one in before.values() if one.at), default=None) if before else None
        said = f"; its books were last written at {written:%Y-%m-%d %H:%M}" if written else "; it keeps no books here"
        return _judged(blank._replace(how=f"{ELSEWHERE}{said}"), None, before)
    words = with_tables(migration.legacy.run, tables)
    about = json.dumps({"schema": config.target_schema, "tables": list(tables)})
    with _log(Path(migration.legacy.logs), blank.started_at) as file:
        ran = carry_out(words, about, migration.legacy.time_limit.total_seconds(), stop=stop, log=file)
    run = blank._replace(seconds=round(ran.seconds, 3), code=ran.code, how=f"{label(words)} {ran.how}", log=file.name)
    run = _judged(run, before, patient(_books, target, config.target_schema))
    patient(_kept, target, config.target_schema, run)
    return run


def wrong(run: LegacyRun) -> list[str]:
    """Return what somebody has to know of a run of the older pipeline; nothing when all is well."""
    found = [run.how] if run.log and run.code != 0 else []
    if run.failed:
        lies = ", though it ended with 0" if run.code == 0 else ""
        more = f" and {len(run.failed) - NAMED:,} more" if len(run.failed) > NAMED else ""
        found.append(f"its books do not say that it loaded {', '.join(run.failed[:NAMED])}{more}{lies}")
    return found


def _judged(run: LegacyRun, before: Books | None, after: Books | None) -> LegacyRun:
    """Return the run with what the books say of its tables.

    One whose entry is well and as it was before is neither loaded nor failed: the older pipeline may note nothing where it
    found no row.
    """
    if after is None:
        return run
    well = {table for table, booked in after.items() if booked.status == WELL}
    loaded = {table for table in well if before is None or before.get(table) != after[table]}
    return run._replace(
        loaded=tuple(table for table in run.tables if table in loaded),
        failed=tuple(table for table in run.tables if table not in well),
    )


def _books(target: Postgres, of: str) -> Books | None:
    with target.connect() as connection:
        return read(connection, of)


def _kept(target: Postgres, of: str, run: LegacyRun) -> None:
    with target.connect() as connection:
        schema.create(connection, of)
        legacyruns.keep(connection, of, run)


def _log(folder: Path, began: dt.datetime) -> IO[bytes]:
    """Return a new file for what the older pipeline prints, readable by its owner alone."""
    path = folder / f"legacy-{began:%Y%m%d-%H%M%S-%f}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(0o600, exist_ok=False)
        return path.open("wb")
    except OSError as error:
        raise ConfigError(
            f"the log of the older pipeline cannot be written to {path}: {error.strerror or error}",
            hint="set migration.legacy.logs to a folder that this user may write to",
        ) from None
