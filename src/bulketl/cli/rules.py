"""`discover` and `casts`: the rules, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import bulketl
from bulketl.cli.files import as_it_is, replace
from bulketl.cli.oneload import preparing
from bulketl.cli.options import ConfigOption, JsonOption, configured, err, found, out, run
from bulketl.errors import DONE, ConfigError
from bulketl.tables.printable import count_of

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.survey.proposals import Proposal
    from bulketl.tables.catalog import Catalog


def discover(
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the proposal, or add new tables to it.")
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="TABLE", help="Give every reason for what is proposed for a table.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every table with its reasons.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the source and propose for each table its tier, strategy and cursor column, with the reasons.

    With --write, for instance `config/tables.yaml`, it first shows what has changed at the source since the last time. It
    keeps what a person wrote in the file, and adds new tables. With --explain, it shows one table and the whole chain of
    reasons.
    """

    def command() -> int:
        from bulketl.cli.screens import rules as screen
        from bulketl.plan.leftout import left_out, told

        settings = configured(config, write and found(write))
        if explain is not None:
            if write is not None:
                raise ConfigError("--explain writes nothing, and --write was given too", hint="give one of the two")
            with preparing(as_json=as_json, spoken=False) as tell:
                reasons = bulketl.explain(settings, explain, tell)
            if as_json:
                print(json.dumps({"table": explain, "reasons": reasons}))
            else:
                out.print(screen.explanation(explain, reasons, whole=not out.is_terminal), soft_wrap=not out.is_terminal)
            return DONE
        with preparing(as_json=as_json, spoken=False) as tell:
            catalog, proposals = bulketl.propose(settings, tell)
        if write is not None:
            _write(write, settings, catalog, proposals, yes=yes)
        elif not as_json:
            shown = screen.proposals(proposals) if verbose else screen.proposed(proposals, whole=not out.is_terminal)
            out.print(shown, soft_wrap=not out.is_terminal)
        if left := told(left_out(settings, catalog)):
            err.print(f"not taken from the source: {left}", soft_wrap=True)
        if as_json:
            print(json.dumps([proposal.to_json() for proposal in proposals]))
        return DONE

    run(command, as_json)


def casts(as_json: JsonOption = False) -> None:
    """Print how each MySQL type becomes a Postgres type.

    The first row of a type is its default. To choose another row, declare its Postgres type under `casts`.
    """

    def command() -> int:
        from bulketl.cli.screens import casts as screen
        from bulketl.tables.casts import RULES

        if as_json:
            print(json.dumps([rule.to_json() for rule in RULES]))
        else:
            out.print(screen.casts())
            out.print(screen.counted())
        return DONE

    run(command, as_json)


def _confirmed(what: str) -> bool:
    try:
        return typer.confirm(f"{what}?", default=True, err=True)
    except typer.Abort:
        err.print()
        raise ConfigError(f"nobody answered whether to {what}", hint="--yes writes without asking") from None


def _write(path: Path, settings: Config, catalog: Catalog, proposals: Sequence[Proposal], *, yes: bool) -> None:
    from bulketl.cli.screens import rules as screen
    from bulketl.config import snapshot
    from bulketl.survey import tablesfile

    before = as_it_is(path) if path.is_file() else ""
    known = snapshot.read_snapshot(path) if before else None
    after, now = tablesfile.written(before, proposals, known), snapshot.snapshot(catalog)
    own = map(settings.source_name, settings.tables)
    named = {name: now.get(name, {}) for name in own}  # nobody noted their columns: only tables can be told
    noted = named if known is None else known
    now, hidden = snapshot.carried(noted, now, catalog.absent)
    lines = [*hidden, *snapshot.changes(noted, now)] if before else []
    if lines:
        err.print(screen.changes(lines))
    if after == before and known == now:
        err.print(f"{path} knows all tables ({len(proposals):,}); nothing to write", soft_wrap=True)
        return
    if not before:
        err.print(screen.counted(proposals), soft_wrap=True)
    beside, added = snapshot.snapshot_path(path).name, len(after.splitlines()) - len(before.splitlines())
    if before:
        what = f"add {count_of(added, 'line')} to {path}" if added else f"write {beside}"
    else:
        what = f"write {path} and {beside}"
    if not yes and not _confirmed(what):
        return
    replace(path, after)
    replace(snapshot.snapshot_path(path), json.dumps(now, indent=1, ensure_ascii=False))
    then = "next: look through it, then `bulketl validate`"
    err.print(f"wrote {path} and {snapshot.snapshot_path(path).name}; {then}", soft_wrap=True)
