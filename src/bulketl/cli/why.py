"""`why`: one row, and why it is in the target what it is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bulketl.cli.completing import tables
from bulketl.cli.options import ConfigOption, JsonOption, RulesOption, SchemaOption, configured, out, run, stopped_at_once
from bulketl.errors import DONE, FAILED


def why(
    table: Annotated[str, typer.Argument(help="The table, in full.", autocompletion=tables)],
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY [COLUMN]",
            help="The row's primary key as either side spells it: 4711, or a=1,b=2, or a word for each column; bytes as "
            "\\x0a1f. A column may follow. After `--` a key may begin with a minus.",
        ),
    ],
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why one row, or one value of it, is in the target what it is.

    It shows the value on both sides, the cast between them, which run wrote the row, its rejects and audit entries, the
    last comparison, and what the next load will do with it. The last line is the answer. It asks each server for the one
    row by its key, and changes nothing. If one server is away, it shows the rest.
    """

    def command() -> int:
        from bulketl.cli.screens.why import story
        from bulketl.operations.why import why_words

        with stopped_at_once():
            found = why_words(configured(config, rules, schema=schema), table, words)
        if as_json:
            print(json.dumps(found.to_json()))
        else:
            out.print(story(found, out.width if out.is_terminal else None), soft_wrap=True)
        return DONE if found.equal else FAILED

    run(command, as_json)
