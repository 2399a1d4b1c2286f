"""`alerts`: what is open, who has it, whether the channels work, and doing what is due."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Annotated

import typer

import bulketl
from bulketl.cli.options import (
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    configured,
    out,
    run,
    split_commas,
)
from bulketl.errors import DONE, FAILED, ConfigError

if TYPE_CHECKING:
    from bulketl.operations.alerts.incidents import Alert

WhichArguments = Annotated[
    list[str], typer.Argument(metavar="ALERT...", help="Numbers, as `alerts list` shows them, or keys.")
]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it. [default: this user]", show_default=False)]


def list_alerts(
    every: Annotated[bool, typer.Option("--all", help="Include resolved alerts.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the alerts that are open or acknowledged: since when, who knows, and what happens next."""

    def command() -> int:
        from bulketl.cli.screens import alerts as screen

        found = bulketl.list_alerts(configured(config, None, schema=schema), every=every)
        if as_json:
            print(json.dumps([one.to_json() for one in found.alerts]))
        else:
            out.print(screen.listing(found, dt.datetime.now(dt.UTC)))
        return DONE

    run(command, as_json)


def show_alert(
    which: Annotated[str, typer.Argument(metavar="ALERT", help="A number, as `alerts list` shows it, or a key.")],
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one alert: its tables, what to do, and every message with what the other side answered."""

    def command() -> int:
        from bulketl.cli.screens import alerts as screen

        found = bulketl.show_alert(configured(config, None, schema=schema), which)
        print(json.dumps(found.to_json())) if as_json else out.print(screen.alert(found, dt.datetime.now(dt.UTC)))
        return DONE

    run(command, as_json)


def acknowledge(
    which: WhichArguments,
    by: ByOption = "",
    hours: Annotated[
        float | None,
        typer.Option("--hours", metavar="N", min=0.01, help="How long, in hours. [default: 4, or alerts.acknowledged_hours]",
                     show_default=False),
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say that you look after alerts: nobody hears more of them until that expires, or they are over."""

    def command() -> int:
        found = bulketl.acknowledge_alerts(configured(config, None, schema=schema), which, by, hours)
        _tell(found, as_json=as_json)
        return DONE

    run(command, as_json)


def resolve(
    which: WhichArguments,
    by: ByOption = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that alerts are over, and tell whoever was told of them. The next good load does that by itself."""

    def command() -> int:
        found = bulketl.resolve_alerts(configured(config, None, schema=schema), which, by)
        _tell(found, as_json=as_json)
        return DONE

    run(command, as_json)


def _tell(found: tuple[Alert, ...], *, as_json: bool) -> None:
    from bulketl.cli.screens import alerts as screen

    if as_json:
        print(json.dumps([one.to_json() for one in found]))
    else:
        out.print(screen.changed(found, dt.datetime.now(dt.UTC)))


def try_channels(
    channels: Annotated[
        list[str] | None, typer.Argument(metavar="[CHANNEL]...", help="Channels; none means all that are set.")
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test by each channel, the heartbeat too, and say what the other side answered."""

    def command() -> int:
        from bulketl.cli.screens import alerts as screen
        from bulketl.config.channels import CHANNELS, HEARTBEAT

        settings = configured(config, None, schema=schema)
        chosen = split_commas(channels)
        known = (*CHANNELS, HEARTBEAT)
        if wrong := next((one for one in chosen if one not in known), None):
            raise ConfigError(f"there is no channel {wrong!r}", hint=f"the channels are {', '.join(known)}")
        found = bulketl.try_channels(settings, chosen)
        if as_json:
            print(json.dumps({name: {"delivered": one.delivered, "answer": one.text} for name, one in found.items()}))
        else:
            out.print(screen.tested(found))
        return DONE if all(one.delivered for one in found.values()) else FAILED

    run(command, as_json)


def tick(
    schema: SchemaOption = None, config: ConfigOption = None, rules: RulesOption = None, as_json: JsonOption = False
) -> None:
    """Do what is due: look at what happened, send, escalate, see who has acknowledged. Let a timer run it every minute.

    A load does this itself while it runs. The timer does it for loads that were killed, and for windows in which no load
    ran.
    """

    def command() -> int:
        from bulketl.cli.screens import alerts as screen
        from bulketl.loading.handovers import tell

        settings = configured(config, rules, schema=schema)
        if settings.migration is not None:
            tell(settings)
        done = bulketl.tick_alerts(settings)
        print(json.dumps(done.to_json())) if as_json else out.print(screen.ticked(done))
        return DONE if all(one.answer.delivered for one in done.sent) else FAILED

    run(command, as_json)
