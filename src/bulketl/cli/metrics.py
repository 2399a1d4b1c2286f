"""`metrics`: figures of the last loads for Prometheus, printed or written into a file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import bulketl
from bulketl.cli.options import ConfigOption, JsonOption, SchemaOption, configured, err, hand_out, run
from bulketl.errors import DONE, BulketlError

if TYPE_CHECKING:
    from bulketl.config.config import Config

_log = logging.getLogger("bulketl")


def metrics(
    textfile: Annotated[
        Path | None,
        typer.Option("--textfile", metavar="FILE", help="Write them into this file, atomically, instead of printing them."),
    ] = None,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what became of each table, tier and kind of run last, and when it was last well, in Prometheus' format.

    All of it comes from the ledger. With `metrics: {textfile: FILE}` in bulketl.yaml, every load writes it by itself.
    """

    def command() -> int:
        settings = configured(config, None, schema=schema)
        if textfile is None:
            text = bulketl.metrics(settings)
            print(json.dumps({"format": "prometheus", "text": text})) if as_json else hand_out(text.rstrip("\n"))
        else:
            err.print(f"wrote {bulketl.write_metrics(settings, textfile)}", soft_wrap=True)
            if as_json:
                print(json.dumps({"wrote": str(textfile)}))
        return DONE

    run(command, as_json)


def keep_metrics(settings: Config) -> None:
    """Write the metrics where the settings name a file; that they cannot be written is a warning, and fails no command."""
    if settings.metrics is None:
        return
    try:
        bulketl.write_metrics(settings)
    except BulketlError as error:
        _log.warning("%s; %s", " ".join(error.public.split()), error.hint)
