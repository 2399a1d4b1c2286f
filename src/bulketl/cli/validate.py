"""`validate`: whether the rules hold, and what a load would not do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

import bulketl
from bulketl.cli.files import as_it_is, replace
from bulketl.cli.options import ConfigOption, JsonOption, RulesOption, SchemaOption, configured, err, out, run
from bulketl.errors import DONE, WRONG_REQUEST

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.tables.rights import Role


def validate(
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the fixes that need no decision into the file of rules.")
    ] = False,
    each: Annotated[bool, typer.Option("--all", help="List each finding of each table.")] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, alone and against both live servers; change nothing there.

    Whatever a load would refuse now is an error. Each finding says what is wrong, what happens if you ignore it, and what
    to do. A finding that many tables share is printed once, with three of their names.
    """

    def command() -> int:
        from bulketl.cli.screens import findings as screen

        settings = configured(config, rules, schema=schema)
        if not settings.source:
            return _files_alone(settings, each=each, as_json=as_json)
        findings = bulketl.validate(settings)
        if as_json:
            print(json.dumps([finding.to_json() for finding in findings]))
        else:
            out.print(screen.findings(findings, each=each))
        sides: tuple[Role, ...] = ("source", "loader") if settings.target else ("source",)
        stood_on = screen.stood_on(bulketl.lines(settings), bulketl.check_grants(settings, sides))
        (err if as_json else out).print(stood_on, soft_wrap=True)
        path = settings.rules_path
        if fix and path:
            from bulketl.survey import tablesfile

            fixes: dict[str, dict[str, object]] = {}
            for finding in findings:
                fixes.setdefault(settings.source_name(finding.table), {}).update(finding.fix)
            text = as_it_is(path)
            changed = tablesfile.missing(text, fixes)
            mended = tablesfile.fixed(text, changed)
            if mended != text:
                replace(path, mended)
            else:
                changed = {}
            err.print(screen.fixed(path, changed), soft_wrap=True)
        elif fix:
            err.print("there is no file of rules to mend; `bulketl discover --write` makes one", markup=False)
        wrong = any(finding.severity == "error" for finding in findings)
        if not (wrong or as_json):
            err.print("next: `bulketl plan` shows what a load would do")
        return WRONG_REQUEST if wrong else DONE

    run(command, as_json)


def _files_alone(settings: Config, *, each: bool, as_json: bool) -> int:
    """Say what is wrong with the files where no source is named."""
    from bulketl.cli.screens import findings as screen
    from bulketl.survey.here import found_here

    findings = found_here(settings)
    if as_json:
        print(json.dumps([finding.to_json() for finding in findings]))
    elif findings:
        out.print(screen.findings(findings, each=each))
    err.print("the files are well-formed; set BULKETL_SOURCE to compare them with the source too")
    return WRONG_REQUEST if findings else DONE
