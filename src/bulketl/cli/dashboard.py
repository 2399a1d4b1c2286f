"""`dashboard`: web pages over the ledger, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from bulketl.cli.options import ConfigOption, RulesOption, SchemaOption, configured, out, run
from bulketl.errors import DONE, ConfigError

PACKAGES = "starlette, sse-starlette and uvicorn"


def dashboard(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to serve; other machines need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")
    ] = 8765,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="A host name that browsers use behind a proxy; may be repeated."),
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
) -> None:
    """Serve web pages that show how every table stands, a run as it goes on, and alerts with their acknowledgement.

    The pages read only the ledger, so the role `dashboard` of `bulketl grants` suffices. On this machine people read them
    without a token. To acknowledge alerts they need one: BULKETL_DASHBOARD_TOKEN, or the one that is printed. Ctrl-C ends
    it.
    """

    def command() -> int:
        try:
            from bulketl.operations.dashboard.serve import place, serve
            from bulketl.postgres.server import Postgres
        except ImportError as error:
            raise ConfigError(
                f"the dashboard needs {PACKAGES}, and {error.name} is not there",
                hint="pip install 'bulketl[dashboard]' installs them",
            ) from None
        environ = dict(os.environ)
        settings = configured(config, rules, schema=schema)
        Postgres.of(settings)  # for what it raises, before anything is served
        at = place(environ, host, port, name or ())

        def told() -> None:
            out.print(f"the dashboard of schema {settings.target_schema} is at {at.url}; Ctrl-C ends it", soft_wrap=True)
            if at.made:
                out.print(f"token to acknowledge alerts, until then: {at.doors.token}", soft_wrap=True)
            sys.stdout.flush()

        serve(settings, at, told)
        return DONE

    run(command, False, "the dashboard has ended")
