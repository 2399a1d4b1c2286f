"""`load --hybrid`: a night of both pipelines, the older one beside the loads of bulketl, and one summary of it all."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from bulketl.cli.options import err, out
from bulketl.cli.screens import common
from bulketl.errors import DONE, FAILED, INTERRUPTED, NOT_CERTIFIED, OUTSIDE_WINDOW, PARTLY_DONE, WRONG_REQUEST, BulketlError

if TYPE_CHECKING:
    from bulketl.cli.loading import Loaded
    from bulketl.config.config import Config
    from bulketl.plan.selection import Selection
    from bulketl.postgres.ledger.legacyruns import LegacyRun

WORST = [DONE, PARTLY_DONE, OUTSIDE_WINDOW, NOT_CERTIFIED, WRONG_REQUEST, FAILED, INTERRUPTED]  # exit codes, the worst last
One = Callable[["Config", "Selection"], "Loaded"]


def hybrid_load(settings: Config, selection: Selection, one: One, *, verbose: bool, as_json: bool) -> int:
    """Have the older pipeline load what it serves while bulketl loads the rest, and then what is loaded beside it.

    Return the exit code: the worst of the three, where a failure of the older pipeline is one like any other.
    """
    from bulketl.cli.screens.migration import legacy_run
    from bulketl.operations.migrate.legacy import run_legacy, wrong
    from bulketl.operations.migrate.sides import sides

    found = sides(settings, selection)
    beside = settings.model_copy(update={"target_schema": settings.shadow_schema})
    asked = {"bulketl": (settings, found.bulketl), "shadow": (beside, found.shadow)}
    stop = threading.Event()
    with ThreadPoolExecutor(1, "bulketl-legacy") as pool:
        older = pool.submit(run_legacy, settings, sorted((*found.legacy, *found.shadow)), stop)
        try:
            loads = {
                name: _tried(one, config, _only(selection, tables)) for name, (config, tables) in asked.items() if tables
            }
            legacy = _awaited(older)
        except KeyboardInterrupt:
            stop.set()
            raise
    if as_json:
        told = {name: loads[name].to_json() if name in loads else None for name in asked}
        older_one = {**legacy._asdict(), "started_at": legacy.started_at.isoformat(), "wrong": wrong(legacy)}
        print(json.dumps({**told, "legacy": older_one}))
    else:
        for load in loads.values():
            out.print(common.error(load, whole=err.is_terminal) if isinstance(load, BulketlError) else load.screen(verbose))
            out.print()
        out.print(legacy_run(legacy))
    return max(FAILED if wrong(legacy) else DONE, *(load.exit_code for load in loads.values()), key=WORST.index)


def _tried(one: One, settings: Config, selection: Selection) -> Loaded | BulketlError:
    """Return a load, or why there is none: what the older pipeline does goes on without it."""
    try:
        return one(settings, selection)
    except BulketlError as error:
        return error


def _only(selection: Selection, tables: tuple[str, ...]) -> Selection:
    """Return the selection with these tables alone, by their names in full."""
    names = tuple(name.replace("\\", "\\\\") for name in tables)
    return dataclasses.replace(selection, tiers=(), tables=names, exclude=())


def _awaited(older: Future[LegacyRun]) -> LegacyRun:
    """Return what became of the older pipeline, and say that it is waited for."""
    if not older.done():
        err.print("waiting for the older pipeline")
    return older.result()
