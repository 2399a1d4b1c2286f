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
            "\\x0a1f. Then perhaps one column. After `--` a key may begin with a minus.",
        ),
    ],
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why one row, or one value of it, is in the target what it is.

    Shows the value on both sides, the cast between them, which run wrote the row, its rejects and audit entries, the last
    comparison, and what the next load will do with it. The last line is the answer. Nothing is changed, and each server is
    asked by the row's key alone. With one server away the rest is shown.
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
