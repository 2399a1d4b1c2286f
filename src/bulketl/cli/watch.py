"""`watch`: a run as it goes on, on this machine or any other."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bulketl.cli.exits import exit_code
from bulketl.cli.options import ConfigOption, JsonOption, SchemaOption, TierOption, configured, out, run, telling, tiers_of
from bulketl.errors import FAILED

if TYPE_CHECKING:
    from bulketl.cli.text import Text
    from bulketl.config.config import Config
    from bulketl.operations.following import Following, Told
    from bulketl.operations.watching import Due

Show = Callable[["Following", "Due", "list[Told]"], object]


def watch(
    which: Annotated[
        str, typer.Argument(metavar="[RUN]", help="The run. [default: the one under way, else the next]", show_default=False)
    ] = "",
    tier: TierOption = None,
    once: Annotated[bool, typer.Option("--once", help="Show how it is now, and exit.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch a run on this machine or any other; between runs, see the last one and wait for the next.

    It ends with the run, and with its exit code. Ctrl-C ends the watching, never the run.
    """

    def command() -> int:
        settings = configured(config, None, schema=schema)
        with _quiet():
            return _watched(settings, "" if which == "last" else which, tiers_of(tier), once, as_json)

    run(command, as_json, "no longer watched; the run goes on")


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing at a signal of steps that are to end: there are none here."""

    def silent(_text: str) -> None:
        return

    telling.append(silent)
    try:
        yield
    finally:  # after a signal the process ends, and the thread that hears signals may come to it later than this one
        if not isinstance(sys.exception(), KeyboardInterrupt):
            telling.remove(silent)


def _watched(settings: Config, which: str, tiers: tuple[str, ...], once: bool, as_json: bool) -> int:
    from bulketl.operations.following import Following
    from bulketl.operations.watching import looks, next_due
    from bulketl.postgres.ledger.watched import MOST

    seen, seen_alive = Following(tiers), ""
    with _shown(once=once, as_json=as_json) as show:
        for look in looks(settings, which):
            told = seen.add(look)
            if look.sight and len(look.sight.events) >= MOST:  # it has not been read to its end
                continue
            show(seen, next_due(settings, dt.datetime.now(dt.UTC)), told)
            name = look.sight.run if look.sight else ""
            if seen.state == "under way":
                seen_alive = name
            elif name and (once or which or seen_alive == name):
                break
            if once:
                break
    return _code(settings, seen)


def _code(settings: Config, seen: Following) -> int:
    """Return the exit code of the run; 0 while it is under way, and where there is none; 1 where the ledger does not say."""
    if seen.trouble:  # of the one look there was: nobody knows how it is
        return FAILED
    if seen.sight is None or seen.state == "under way":
        return 0
    return FAILED if seen.state == "dead" else exit_code(settings, seen.sight.outcome, seen.failed_tiers)


@contextmanager
def _shown(*, once: bool, as_json: bool) -> Iterator[Show]:
    """Yield what shows a look: a frame or JSON, a picture that is painted over on a terminal, or lines elsewhere."""
    from bulketl.cli.screens import watching as screen

    if as_json:
        yield _json_once if once else _states(_json_events, _json_once)
    elif once:
        yield lambda seen, due, _told: out.print(screen.frame(seen, due))
    elif out.is_terminal:
        from bulketl.cli.progress.painting import Painting

        with Painting(out) as painting:
            yield lambda seen, due, told: painting.show(screen.frame(seen, due, live=True), _said(told))
    else:
        from bulketl.cli.progress.display import Lines

        lines = Lines(out)

        def tell(_seen: Following, _due: Due, told: list[Told]) -> None:
            for one in told:
                lines(one.event)

        yield _states(tell, lambda seen, due, _told: out.print(screen.standing(seen, due)))


def _states(every: Show, changed: Show) -> Show:
    """Return what shows the events of each look, and how the run is whenever that has changed."""
    before = list[tuple[str, str]]()

    def show(seen: Following, due: Due, told: list[Told]) -> None:
        every(seen, due, told)
        now = (seen.sight.run if seen.sight else "", f"{seen.state} {seen.trouble}")
        if before != [now]:
            before[:] = [now]
            changed(seen, due, told)
        sys.stdout.flush()

    return show


def _said(told: list[Told]) -> list[Text]:
    from bulketl.cli.text import Text
    from bulketl.tables.printable import in_a_line

    return [Text.assemble(one.note[:2], f" {in_a_line(one.note[2])}") for one in told if one.note]


def _json_events(_seen: Following, _due: Due, told: list[Told]) -> None:
    for one in told:
        record = one.record
        print(json.dumps({"run": record.run, "seq": record.seq, "at": record.at.isoformat(), "event": record.kind,
                          **record.body}))  # fmt: skip


def _json_once(seen: Following, due: Due, _told: list[Told]) -> None:
    opens, until = (at.isoformat() if at else None for at in (due.at, due.until))
    print(
        json.dumps(
            {**seen.to_json(), "trouble": seen.trouble, "next": {"window": due.window, "opens": opens, "open_until": until}}
        )
    )
