"""`explain`: what docs/refusals.md says of an error, by its code."""

from __future__ import annotations

import difflib
import json
from typing import Annotated

import typer

from bulketl.cli.completing import codes
from bulketl.cli.options import JsonOption, out, run
from bulketl.errors import DONE, ConfigError


def explain(
    code: Annotated[str, typer.Argument(help="The code below an error, like BLK-1040.", autocompletion=codes)],
    as_json: JsonOption = False,
) -> None:
    """Say what an error means, what to do about it, and whether validate foresees it.

    Each error has a code, which stands below it and stays the same in all versions. In a message, … stands for a name, a
    number or other words that differ from case to case.
    """

    def command() -> int:
        from bulketl.cli.screens import explain as screen
        from bulketl.errors.catalog import PAGE, entries

        found = entries().get(code.strip().upper())
        if found is None:
            near = difflib.get_close_matches(code.upper(), entries(), n=1)
            hint = f"did you mean {near[0]}? {PAGE} has them all" if near else f"{PAGE} has them all"
            raise ConfigError(f"there is no error with the code {code!r}", hint=hint)
        if as_json:
            print(json.dumps(found.to_json()))
        else:
            out.print(screen.entry(found), soft_wrap=not out.is_terminal)
        return DONE

    run(command, as_json)
