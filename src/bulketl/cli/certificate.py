"""`certificate`: what a load with --certify has proved."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import bulketl
from bulketl.cli.options import ConfigOption, JsonOption, SchemaOption, configured, out, run
from bulketl.errors import DONE, NOT_CERTIFIED


def certificate(
    name: Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the last one that took figures.")] = "",
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the certificate of a load with --certify: the figures of source, batches and target, and what differs."""

    def command() -> int:
        from bulketl.cli.screens import certificates

        about, tables = bulketl.certificate(configured(config, None, schema=schema), name)
        document = {**about, "tables": tables}
        print(json.dumps(document)) if as_json else out.print(certificates.certificate(about, tables))
        return DONE if all(found["certified"] for found in tables.values()) else NOT_CERTIFIED

    run(command, as_json)
