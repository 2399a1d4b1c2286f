"""`doctor`: whether this machine and both servers are fit for a load."""

from __future__ import annotations

import json

import bulketl
from bulketl.cli.options import (
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    VerboseOption,
    configured,
    out,
    run,
    stopped_at_once,
)
from bulketl.errors import DONE, FAILED


def doctor(
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look at this machine and both servers for what would stop a load, make it wrong or slow it; change nothing.

    It looks at versions, connections, TLS, rights, clocks, time zones, disks and settings, and says how to mend each. It
    says what it cannot know. If one server is away, it shows the rest.
    """

    def command() -> int:
        from bulketl.cli.screens import doctor as screen

        with stopped_at_once():
            found = bulketl.doctor(configured(config, rules, schema=schema))
        print(json.dumps(found.to_json())) if as_json else out.print(screen.checkup(found, each=verbose))
        return DONE if found.ready else FAILED

    run(command, as_json)
