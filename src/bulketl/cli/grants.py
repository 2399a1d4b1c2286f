"""`grants`: the least rights of each role, and whether roles have these and no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

import bulketl
from bulketl.cli.options import (
    ConfigOption,
    JsonOption,
    RulesOption,
    SchemaOption,
    VerboseOption,
    configured,
    hand_out,
    out,
    run,
    split_commas,
)
from bulketl.errors import DONE, FAILED, PARTLY_DONE, ConfigError

if TYPE_CHECKING:
    from bulketl.tables.rights import Role


def grants(
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="source, loader, dashboard or analyst; repeated or with commas."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask both servers which rights are missing, and which too many.")
    ] = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the SQL with the least rights of each role, or check what the roles have; change nothing.

    `source` reads MySQL or MariaDB, `loader` writes to Postgres, `dashboard` reads the ledger but no value of any row,
    and `analyst` reads the tables. Without --role, --check checks the users of both URIs, and the other roles that exist.
    """

    def command() -> int:
        from bulketl.cli.screens import grants as screen

        roles = _roles(role)
        settings = configured(config, rules, schema=schema)
        if not check:
            made = bulketl.grant(settings, roles) if roles else bulketl.grant(settings)
            print(json.dumps([one.to_json() for one in made])) if as_json else hand_out(screen.sql(made))
            return DONE
        found = bulketl.check_grants(settings, roles)
        print(json.dumps([one.to_json() for one in found])) if as_json else out.print(screen.held(found, each=verbose))
        if any(one.missing for one in found):
            return FAILED
        return PARTLY_DONE if any(one.excess for one in found) else DONE

    run(command, as_json)


def _roles(words: list[str] | None) -> tuple[Role, ...]:
    from bulketl.tables.rights import ROLES

    named = split_commas(words)
    if unknown := [word for word in named if word not in ROLES]:
        raise ConfigError(f"there is no role {unknown[0]!r}", hint=f"the roles are {', '.join(ROLES)}")
    return tuple(role for role in ROLES if role in named)
