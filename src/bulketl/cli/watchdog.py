"""`watchdog`: whether the night's tables came, asked from another host."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import ConfigOption, JsonOption, RulesOption, SchemaOption, configured, out, run
from bulketl.errors import DONE, FAILED, ConfigError


def watchdog(
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge the open alerts: you look after them.")] = False,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who acknowledges. [default: this user]")] = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether every tier's tables came, and alert people when they did not, or the ledger does not answer.

    Let a timer run it on another host than the one that loads. It only needs to read the ledger. It tells people once,
    again when an acknowledgement expires, and when it is over.
    """

    def command() -> int:
        from bulketl.cli.screens import watchdog as screen
        from bulketl.connections.person import person

        if by and not ack:
            raise ConfigError("--by says who acknowledges, and nothing is acknowledged", hint="add --ack")
        settings = configured(config, rules, schema=schema)
        found = bulketl.watch_over(settings, taken_by=(by or person()) if ack else "")
        print(json.dumps(found.to_json())) if as_json else out.print(screen.watched(found))
        return DONE if found.well else FAILED

    run(command, as_json)
