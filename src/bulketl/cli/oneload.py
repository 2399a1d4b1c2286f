"""One load from its look at both servers to its end, told on the screen meanwhile: the same for all that loads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from bulketl.cli.exits import exit_code
from bulketl.cli.listening import listening
from bulketl.cli.metrics import keep_metrics
from bulketl.cli.options import err, lines, telling
from bulketl.errors import BulketlError
from bulketl.loading import starting

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bulketl.config.config import Config
    from bulketl.loading.events import Observer
    from bulketl.loading.run import Executors
    from bulketl.loading.summary import Summary
    from bulketl.plan.selection import Selection
    from bulketl.postgres.ledger.findings import Anomaly
    from bulketl.survey.stages import Tell


class Done(Protocol):
    """What a command has done that loads: one load, or a night of both pipelines."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""

    @property
    def summaries(self) -> list[Summary]:
        """The loads that came to an end."""

    @property
    def problems(self) -> list[str]:
        """What went wrong beside these loads, without what a server said."""

    def screen(self, verbose: bool) -> RenderableType:
        """Return what a person reads at the end."""

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""


class Loaded(NamedTuple):
    """A load that has ended, and what is not normal of it."""

    settings: Config
    result: Summary
    odd: list[Anomaly]

    @property
    def exit_code(self) -> int:
        """The exit code of a command that did nothing else."""
        return exit_code(self.settings, self.result.outcome, (table.tier for table in self.result.failed))

    @property
    def summaries(self) -> list[Summary]:
        """The load."""
        return [self.result]

    @property
    def problems(self) -> list[str]:
        """Nothing: a load alone has nothing beside it."""
        return []

    def screen(self, verbose: bool) -> RenderableType:
        """Return what a person reads at the end."""
        from bulketl.cli.screens import summary

        return summary.summary(self.result, verbose, self.odd)

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {**self.result.to_json(), "findings": [one.to_json() for one in self.odd]}


class SourceEnd(NamedTuple):
    """What became of the load of a source: its summaries, two beside an older pipeline, or why there is none."""

    source: str
    summaries: Sequence[Summary] = ()
    why: str = ""
    state: Literal["ended", "interrupted", "not begun"] = "ended"

    @property
    def outcome(self) -> str:
        """The outcome of its load."""
        if self.state != "ended":
            return self.state
        if self.why and not self.summaries:
            return "not loaded"
        return next((one.outcome for one in self.summaries if one.outcome != "done"), "failed" if self.why else "done")

    def total(self, word: str) -> int:
        """Return one of its totals."""
        return round(sum(one.totals[word] for one in self.summaries))


def load_once(
    settings: Config,
    selection: Selection,
    *,
    resume: str | None,
    whole: bool,
    as_json: bool,
    closed: Callable[[], bool],
    executor: Executors | None,
) -> Loaded:
    """Carry out a load, or go on with one, told on the screen; `whole`: it is of no choice of tables or rows."""
    from bulketl.postgres.kept import keeping
    from bulketl.survey.planning import planned

    with listening(settings, whole=whole, resumed=resume is not None) as others, keeping():
        if resume is None:  # looked at after the wait: a plan grows old
            with preparing(as_json=as_json) as tell:
                chosen = planned(settings, selection, tell)
        starting.hold()
        starting.import_arrow()
        import bulketl.cli.screens.summary  # with the rest, before the work begins
        from bulketl.loading.run import threads

        starting.begin()
        with watching(as_json=as_json) as observer:
            observers, where = [observer, *others], executor or threads
            if resume is None:
                result = bulketl.load(settings, chosen, observers, closed=closed, executor=where)
            else:
                name = "" if resume == "last" else resume
                result = bulketl.resume(settings, name, observers, closed=closed, executor=where)
        odd = _oddities(settings, result)
    keep_metrics(settings)
    if lines.on:  # nobody watches, and a log may gather standard output too
        result.make_public()
    return Loaded(settings, result, odd)


@contextmanager
def preparing(*, as_json: bool, spoken: bool = True) -> Iterator[Tell]:
    """Yield what tells on standard error what is being done, and while that is a live display have it tell of a signal.

    Unless it is `spoken` nothing is told but on a terminal.
    """
    if not (spoken or err.is_terminal):
        yield lambda _what, _done, _of: None
        return
    from bulketl.cli.progress.stages import Stages

    with Stages(err, live=err.is_terminal and not as_json) as stages:
        if err.is_terminal and not as_json:
            telling.append(stages.note)
        try:
            yield stages
        finally:
            if telling[-1] == stages.note:
                telling.pop()


def _oddities(settings: Config, result: Summary) -> list[Anomaly]:
    """Return what is not normal of the load that has ended, and what is overdue; nothing fails for want of that."""
    from bulketl.operations.anomalies.look import find_anomalies
    from bulketl.postgres.ledger.findings import STANDING

    try:
        found = find_anomalies(settings)
    except BulketlError as error:
        logging.getLogger("bulketl").warning("nobody looked for what is not normal: %s", error.public)
        return []
    return [one for one in found if one.run == result.run or one.kind in STANDING]


@contextmanager
def watching(*, as_json: bool) -> Iterator[Observer]:
    """Yield what tells of the load on standard error, and while that is a live display have it tell of a signal."""
    if lines.on:  # every event is a line already
        yield lambda _event: None
        return
    from bulketl.cli.progress.display import Display, Lines

    if as_json or not err.is_terminal:
        yield Lines(err, whole=lines.debug)
        return
    with Display(err) as display:
        telling.append(display.note)
        try:
            yield display
        finally:
            telling.pop()
