"""`init`: from two URIs to a configuration for a first load; what tries, proposes, checks and plans is elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

import bulketl
from bulketl.cli.files import keep_secret, replace
from bulketl.cli.oneload import preparing
from bulketl.cli.options import SchemaOption, err, out, run, without_secrets
from bulketl.errors import DONE, FAILED, WRONG_REQUEST, ConfigError
from bulketl.loading import starting

if TYPE_CHECKING:
    from bulketl.config.config import Config

Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = ("source", "target")
SETTINGS, RULES = Path("config/bulketl.yaml"), Path("config/tables.yaml")
FORMS = {"source": "mysql://user@host:3306/database", "target": "postgresql://user@host:5432/database"}


class Given(NamedTuple):
    """Where a side's URI came from: `uri` as an option or an answer, '' where the environment has it."""

    uri: str

    def written(self, side: Side) -> str:
        """Return how bulketl.yaml names it: never itself."""
        return f"${{file:{secret_file(side)}}}" if self.uri else f"${{BULKETL_{side.upper()}}}"


def init(
    source: Annotated[
        str, typer.Option("--source", metavar="URI", help="The MySQL or MariaDB database. [default: BULKETL_SOURCE]")
    ] = "",
    target: Annotated[
        str, typer.Option("--target", metavar="URI", help="The Postgres database. [default: BULKETL_TARGET]")
    ] = "",
    schema: SchemaOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files if they exist.")] = False,
) -> None:
    """Make a configuration: try both servers, propose a rule for each table, check it, show the plan, write the files.

    If neither an option nor the environment gives a URI, init asks for it, and for its password without showing it. It
    writes config/bulketl.yaml, config/tables.yaml and config/catalog.json, none of which has a password. It changes
    nothing on either server, and writes nothing unless both can be used.
    """

    def command() -> int:
        from bulketl.cli.screens import doctor as tried
        from bulketl.cli.screens import findings, plans, rules
        from bulketl.config import snapshot
        from bulketl.plan.selection import Selection
        from bulketl.survey import tablesfile
        from bulketl.survey.planning import planned

        if not force:
            _refuse_to_overwrite()
        given = _given({"source": source, "target": target})
        uris = {side: one.uri or None for side, one in given.items()}
        starting.begin()
        settings = without_secrets(
            bulketl.load_config(None, None, os.environ, source=uris["source"], target=uris["target"], schema=schema)
        )
        found = bulketl.doctor(settings)
        out.print(tried.checkup(found) if not found.ready else tried.told(found), soft_wrap=found.ready)
        if not found.ready:
            err.print("nothing was written")
            return FAILED
        with preparing(as_json=False, spoken=False) as tell:
            catalog, proposals = bulketl.propose(settings, tell)
        text = tablesfile.written("", proposals)
        noted = json.dumps(snapshot.snapshot(catalog), indent=1, ensure_ascii=False)
        out.print(rules.counted(proposals), soft_wrap=True)
        settings = _ruled(settings, text, noted)
        doubts = bulketl.validate(settings)
        out.print(findings.findings(doubts))
        with preparing(as_json=False, spoken=False) as tell:
            out.print(plans.plan(planned(settings, Selection(), tell), False))
        for side, one in given.items():
            if one.uri:
                keep_secret(secret_file(side), one.uri)
        replace(SETTINGS, _settings_text(given, schema))
        replace(RULES, text)
        replace(snapshot.snapshot_path(RULES), noted)
        wrong = any(one.severity == "error" for one in doubts)
        err.print(_ending(given, wrong=wrong), soft_wrap=True)
        return WRONG_REQUEST if wrong else DONE

    run(command, False, stopped="stopped; nothing was written")


def secret_file(side: Side) -> Path:
    """Return where the URI of a side is kept that the environment does not have."""
    return Path(f"config/{side}.secret")


def _refuse_to_overwrite() -> None:
    for path in (SETTINGS, RULES):
        if path.exists():
            raise ConfigError(
                f"{path} exists already",
                hint="`bulketl discover --write config/tables.yaml` adds new tables; --force overwrites it",
            )


def _given(options: Mapping[Side, str]) -> dict[Side, Given]:
    """Return where both URIs are, those asked for that nobody has given. Raise ConfigError where nobody can be asked."""
    from bulketl.config import secrets

    try:
        there = {side: bool(secrets.named(f"BULKETL_{side.upper()}", os.environ)) for side in SIDES}
    except secrets.SecretError as error:
        raise ConfigError(str(error), hint="correct the variable, or take it out of the environment") from None
    missing = [side for side in SIDES if not (options[side] or there[side])]
    if missing and not (sys.stdin.isatty() and err.is_terminal):
        raise ConfigError(
            f"no {' and no '.join(missing)} is given, and there is no terminal to ask at",
            hint="; ".join(f"set BULKETL_{side.upper()} to {FORMS[side]}, or give --{side}" for side in missing),
        )
    return {side: Given(options[side] or (_asked(side) if side in missing else "")) for side in SIDES}


def _asked(side: Side) -> str:
    """Return a URI that a person types, with the password that is asked for after it and not shown."""
    from bulketl.config import secrets

    try:
        uri = str(typer.prompt(f"URI of the {side}, without its password ({FORMS[side]})", err=True)).strip()
        hidden = typer.prompt(f"password at the {side} (not shown; empty for none)", "", hide_input=True, show_default=False,
                              err=True)  # fmt: skip
        return secrets.joined(uri, hidden, side) if hidden else uri
    except secrets.SecretError:
        raise ConfigError(
            f"the {side} URI has a password, and another one was typed", hint="leave it out of the URI, or type none"
        ) from None
    except typer.Abort:
        err.print()
        raise ConfigError(
            f"the URI of the {side} is missing", hint=f"set BULKETL_{side.upper()}, or give --{side}"
        ) from None


def _ruled(settings: Config, text: str, noted: str) -> Config:
    """Return the same configuration with the rules that are to be written, read as they will be."""
    import tempfile

    from bulketl.config import snapshot

    with tempfile.TemporaryDirectory(prefix="bulketl-") as folder:
        path = Path(folder, RULES.name)
        replace(path, text)
        replace(snapshot.snapshot_path(path), noted)
        return bulketl.load_config(
            path, None, {}, source=settings.source, target=settings.target, schema=settings.target_schema
        )


def _settings_text(given: Mapping[Side, Given], schema: str | None) -> str:
    lines = [
        "# How bulketl reaches both servers, and what holds for all tables. Keys: docs/configuration.md",
        *(f"{side}: {one.written(side)}" for side, one in given.items()),
        *([f"schema: {json.dumps(schema)}"] if schema else []),
    ]
    return "\n".join(lines) + "\n"


def _ending(given: Mapping[Side, Given], *, wrong: bool) -> str:
    """Return which files there are now, which of them nobody else may have, and the next step."""
    lines = [f"wrote {SETTINGS}, {RULES} and config/catalog.json"]
    if kept := [str(secret_file(side)) for side, one in given.items() if one.uri]:
        what = "hold passwords" if len(kept) > 1 else "holds a password"
        lines.append(f"wrote {' and '.join(kept)}, which {what}: only you may read it, and no repository should have it")
    named = " and ".join(f"BULKETL_{side.upper()}" for side, one in given.items() if not one.uri)
    lines += [f"{named} must be set for each command that follows"] if named else []
    then = f"look through {RULES}, then `bulketl load`"
    if wrong:
        then = f"mend in {RULES} what `bulketl validate` calls an error"
    return "\n".join([*lines, f"next: {then}"])
