"""Every command of the command line, listed from the app itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from bulketl.cli.app import app


def commands(group: Any = None, *before: str) -> Iterator[tuple[str, Any]]:
    """Yield the words of each command that can be called, and what Typer made of it; below a group, or of all."""
    of: Any = group or typer.main.get_command(app)
    for name, command in of.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *before, name)
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*before, name)), command
