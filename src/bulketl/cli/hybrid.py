"""`load --hybrid`: a night of both pipelines, the older one beside the loads of bulketl, and one summary of it all."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group, RenderableType

from bulketl.cli.exits import worst
from bulketl.cli.options import err
from bulketl.cli.screens import common
from bulketl.cli.screens.migration import legacy_run
from bulketl.errors import DONE, FAILED, BulketlError
from bulketl.operations.migrate.legacy import run_legacy, wrong
from bulketl.operations.migrate.sides import sides
from bulketl.tables.patterns import exactly

if TYPE_CHECKING:
    from bulketl.cli.oneload import Loaded
    from bulketl.config.config import Config
    from bulketl.loading.summary import Summary
    from bulketl.plan.selection import Selection
    from bulketl.postgres.ledger.legacyruns import LegacyRun

One = Callable[["Config", "Selection"], "Loaded"]


class Night(NamedTuple):
    """A night of both pipelines: the load of each schema and what became of the older pipeline, or why there was none."""

    loads: Mapping[str, Loaded | BulketlError]
    legacy: LegacyRun | BulketlError

    @property
    def exit_code(self) -> int:
        """The worst of all, where a failure of the older pipeline is one like any other."""
        legacy = self.legacy
        older = legacy.exit_code if isinstance(legacy, BulketlError) else FAILED if wrong(legacy) else DONE
        return worst([older, *(load.exit_code for load in self.loads.values())])

    @property
    def summaries(self) -> list[Summary]:
        """The loads that came to an end."""
        return [load.result for load in self.loads.values() if not isinstance(load, BulketlError)]

    @property
    def problems(self) -> list[str]:
        """Why there is no load of a schema, and what somebody has to know of the older pipeline."""
        errors = [one.public for one in (*self.loads.values(), self.legacy) if isinstance(one, BulketlError)]
        return errors + ([] if isinstance(self.legacy, BulketlError) else wrong(self.legacy))

    def screen(self, verbose: bool) -> RenderableType:
        """Return what a person reads at the end."""
        parts: list[RenderableType] = []
        for load in self.loads.values():
            told = common.error(load, whole=err.is_terminal) if isinstance(load, BulketlError) else load.screen(verbose)
            parts += [told, ""]
        older = self.legacy
        if isinstance(older, BulketlError):
            return Group(*parts, "the older pipeline was not started, or nobody knows how it ended:",
                         common.error(older, whole=err.is_terminal))  # fmt: skip
        return Group(*parts, legacy_run(older))

    def to_json(self) -> dict[str, object]:
        """Return it as plain values: `bulketl` and `shadow` are None where no table was to be loaded."""
        told = {name: self.loads[name].to_json() if name in self.loads else None for name in ("bulketl", "shadow")}
        older = self.legacy
        if isinstance(older, BulketlError):
            return {**told, "legacy": older.to_json()}
        return {**told, "legacy": {**older.to_json(), "wrong": wrong(older)}}


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
    return dataclasses.replace(selection, tiers=(), tables=tuple(map(exactly, tables)), exclude=())


def _awaited(older: Future[LegacyRun]) -> LegacyRun | BulketlError:
    """Return what became of the older pipeline, or why that is not known, and say that it is waited for."""
    if not older.done():
        err.print("waiting for the older pipeline")
    try:
        return older.result()
    except BulketlError as error:  # the loads are over, and have to be told of all the same
        return error
