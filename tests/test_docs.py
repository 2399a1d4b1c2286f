"""The docs are true: what they list is what there is.

`python tests/test_docs.py` writes the cast table into docs/types.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from bulketl.casts import RULES
from bulketl.cli import app
from bulketl.config import Settings, TableRule
from bulketl.postgres.ledger import _TABLES
from bulketl.screen import cast_row

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- made from bulketl.casts.RULES -->", "<!-- end -->"


def cast_table() -> str:
    """Return the cast rules as a Markdown table."""
    lines = ["| MySQL | Postgres | wire (Arrow) | read as | then |", "|---|---|---|---|---|"]
    for rule in RULES:
        cells = [cell.replace("|", "\\|") for cell in cast_row(rule)]
        lines.append("| " + " | ".join(f"`{cell}`" if cell else "" for cell in cells) + " |")
    return "\n".join(lines)


def test_the_cast_table_in_the_docs_is_the_list_of_rules() -> None:
    """Run this file as a program to write it anew."""
    text = (DOCS / "types.md").read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == cast_table()


@pytest.mark.parametrize("name", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_is_documented_with_its_options(name: str) -> None:
    """A command is named in the docs or the README, and load's options are all in loading.md."""
    text = "".join(path.read_text(encoding="utf-8") for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"])
    assert f"bulketl {name}" in text
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    for parameter in command.params:
        assert any(option in text for option in parameter.opts), parameter.name


def test_every_configuration_key_is_documented() -> None:
    """Each key stands in configuration.md in backticks."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    keys = [field.alias or name for model in (Settings, TableRule) for name, field in model.model_fields.items()]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_every_table_of_the_ledger_is_documented() -> None:
    """People query it."""
    text = (DOCS / "loading.md").read_text(encoding="utf-8")
    tables = re.findall(r"CREATE TABLE IF NOT EXISTS bulketl\.(\w+)", _TABLES)
    assert tables
    assert [table for table in tables if f"`{table}`" not in text] == []


if __name__ == "__main__":
    page = DOCS / "types.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{cast_table()}\n{END}{rest.split(END)[1]}", encoding="utf-8")
