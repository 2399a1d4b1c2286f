"""`certificate`: what a load with --certify has proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import bulketl
from bulketl.cli.files import replace
from bulketl.cli.options import ConfigOption, JsonOption, SchemaOption, VerboseOption, configured, err, out, run
from bulketl.errors import DONE, NOT_CERTIFIED


def certificate(
    name: Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the last one that took figures.")] = "",
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write it as a page, one file to keep or to print.")
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the certificate of a load with --certify: whether source, batches and target agree, and why not.

    Without a run, it also says which tables were loaded again since the last certificate, so that they are not covered.
    """

    def command() -> int:
        from bulketl.cli.screens import certificate_page, certificates

        about, tables = bulketl.certificate(configured(config, None, schema=schema), name)
        document = {**about, "tables": tables}
        print(json.dumps(document)) if as_json else out.print(certificates.certificate(about, tables, verbose))
        if page is not None:
            replace(page, certificate_page.page(about, tables))
            err.print(f"wrote {page}")
        return DONE if about["certified"] else NOT_CERTIFIED

    run(command, as_json)
