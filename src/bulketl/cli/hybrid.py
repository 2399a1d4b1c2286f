"""`load --hybrid`: a night of both pipelines, the older one beside the loads of bulketl, and one summary of it all."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group, RenderableType

from bulketl.cli.options import err
from bulketl.cli.screens import common
from bulketl.cli.screens.migration import legacy_run
from bulketl.errors import DONE, FAILED, INTERRUPTED, NOT_CERTIFIED, OUTSIDE_WINDOW, PARTLY_DONE, WRONG_REQUEST, BulketlError
from bulketl.operations.migrate.legacy import run_legacy, wrong
from bulketl.operations.migrate.sides import sides

if TYPE_CHECKING:
    from bulketl.cli.oneload import Loaded
    from bulketl.config.config import Config
    from bulketl.loading.summary import Summary
    from bulketl.plan.selection import Selection
    from bulketl.postgres.ledger.legacyruns import LegacyRun

WORST = [DONE, PARTLY_DONE, OUTSIDE_WINDOW, NOT_CERTIFIED, WRONG_REQUEST, FAILED, INTERRUPTED]  # exit codes, the worst last
One = Callable[["Config", "Selection"], "Loaded"]


class Night(NamedTuple):
    """A night of both pipelines: the load of each schema, or why there was none, and what became of the older pipeline."""

    loads: Mapping[str, Loaded | BulketlError]
    legacy: LegacyRun

    @property
    def exit_code(self) -> int:
        """The worst of all, where a failure of the older pipeline is one like any other."""
        older = FAILED if wrong(self.legacy) else DONE
        return max(older, *(load.exit_code for load in self.loads.values()), key=WORST.index)

    @property
    def summaries(self) -> list[Summary]:
        """The loads that came to an end."""
        return [load.result for load in self.loads.values() if not isinstance(load, BulketlError)]

    def screen(self, verbose: bool) -> RenderableType:
        """Return what a person reads at the end."""
        parts: list[RenderableType] = []
        for load in self.loads.values():
            told = common.error(load, whole=err.is_terminal) if isinstance(load, BulketlError) else load.screen(verbose)
            parts += [told, ""]
        return Group(*parts, legacy_run(self.legacy))

    def to_json(self) -> dict[str, object]:
        """Return it as plain values: `bulketl` and `shadow` are None where no table was to be loaded."""
        told = {name: self.loads[name].to_json() if name in self.loads else None for name in ("bulketl", "shadow")}
        started = self.legacy.started_at.isoformat()
        return {**told, "legacy": {**self.legacy._asdict(), "started_at": started, "wrong": wrong(self.legacy)}}


def hybrid_night(settings: Config, selection: Selection, one: One) -> Night:
    """Have the older pipeline load what it serves while bulketl loads the rest, and then what is loaded beside it."""
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
            return Night(loads, _awaited(older))
        except KeyboardInterrupt:
            stop.set()
            raise


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
