"""The docs are true: what they list is what there is.

`python tests/test_docs.py` writes what is made from the code: the tables in docs/types.md and
docs/configuration.md, the JSON Schemas in config/.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import typer.main
from pydantic import TypeAdapter

from bulketl.cli.app import app
from bulketl.cli.screens.casts import cast_row
from bulketl.config.alerts import RULES as ALERT_RULES
from bulketl.config.alerts import Alerts, TierAlerts
from bulketl.config.channels import PagerDuty, Slack
from bulketl.config.generated import KEYS
from bulketl.config.hooks import Hook, HookEvent
from bulketl.config.pairs import Checks, Pair, load_checks
from bulketl.config.read import load_config
from bulketl.config.reports import Report, ReportMail, Reports
from bulketl.config.settings import Settings
from bulketl.config.sources import file_model
from bulketl.config.tables import TableRule
from bulketl.config.windows import Windows
from bulketl.operations.alerts.words import TITLES
from bulketl.postgres.ledger.schema import MIGRATIONS
from bulketl.tables.casts import RULES
from bulketl.tables.checks import CheckKind
from bulketl.tables.differences import WORDS
from bulketl.tables.masks import RULES as MASK_RULES
from bulketl.tables.masks import Kind
from bulketl.tables.spec import Publish

DOCS = Path(__file__).parent.parent / "docs"
CONFIG = DOCS.parent / "config"
BEGIN, END = "<!-- made from bulketl.tables.casts.RULES -->", "<!-- end -->"


def cast_table() -> str:
    """Return the cast rules as a Markdown table."""
    lines = ["| MySQL | Postgres | wire (Arrow) | read as | then | by a load as | unpacked |", "|---" * 7 + "|"]
    for rule in RULES:
        cells = [cell.replace("|", "\\|") for cell in cast_row(rule)]
        lines.append("| " + " | ".join(f"`{cell}`" if cell else "" for cell in cells) + " |")
    return "\n".join(lines)


LAYOUT = "<!-- made from bulketl.config.generated.KEYS -->"


def layout_table() -> str:
    """Return the keys of the generated layout as a Markdown table."""
    lines = ["| its key | ours | what becomes of it |", "|---|---|---|"]
    lines += [f"| `{item.key}` | {f'`{item.ours}`' if item.ours else ''} | {item.how} |" for item in KEYS]
    return "\n".join(lines)


MASKING = "<!-- made from bulketl.tables.masks.RULES -->"


def mask_table() -> str:
    """Return the ways to mask as a Markdown table."""
    lines = ["| method | of | needs the key | options | what it makes |", "|---|---|---|---|---|"]
    for rule in MASK_RULES:
        takes = "anything" if len(rule.takes) == len(get_args(Kind)) else ", ".join(rule.takes)
        options = ", ".join(f"`{option}`" for option in rule.options)
        lines.append(f"| `{rule.method}` | {takes} | {'yes' if rule.keyed else ''} | {options} | {rule.about} |")
    return "\n".join(lines)


def test_the_ways_to_mask_in_the_docs_are_those_of_the_list() -> None:
    """Run this file as a program to write the table anew."""
    text = (DOCS / "masking.md").read_text(encoding="utf-8")
    assert text.split(MASKING)[1].split(END)[0].strip() == mask_table()


DIFFERENCES = "<!-- made from bulketl.tables.differences.CLASSES -->"


def difference_table() -> str:
    """Return the classes of differences as a Markdown table."""
    lines = ["| class | what it says of the older pipeline's table |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {words} |" for name, words in WORDS.items())])


def test_the_classes_of_differences_in_the_docs_are_those_of_the_list() -> None:
    """Run this file as a program to write the table anew."""
    text = (DOCS / "migrating.md").read_text(encoding="utf-8")
    assert text.split(DIFFERENCES)[1].split(END)[0].strip() == difference_table()


def test_the_docs_say_how_each_key_of_the_generated_layout_is_taken() -> None:
    """Run this file as a program to write the table anew."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert text.split(LAYOUT)[1].split(END)[0].strip() == layout_table()


def test_the_cast_table_in_the_docs_is_the_list_of_rules() -> None:
    """Run this file as a program to write it anew."""
    text = (DOCS / "types.md").read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == cast_table()


def schemas() -> dict[Path, str]:
    """Return the JSON Schemas for editors, by file."""
    tables = TypeAdapter(dict[str, TableRule]).json_schema()
    definitions = tables.pop("$defs")
    sections = dict.fromkeys(("source_tables", "patterns", "tiers"), tables)
    document = {"type": "object", "properties": sections, "$defs": definitions, "title": "tables.yaml"}
    settings = {**file_model().model_json_schema(), "title": "bulketl.yaml"}
    checks = {**Checks.model_json_schema(), "title": "checks.yaml"}
    return {
        CONFIG / f"{name}.schema.json": json.dumps(schema, indent=1) + "\n"
        for name, schema in (("tables", document), ("bulketl", settings), ("checks", checks))
    }


@pytest.mark.parametrize("path", sorted(schemas()), ids=lambda path: path.name)
def test_the_schemas_for_editors_are_those_of_the_models(path: Path) -> None:
    """Run this file as a program to write them anew."""
    assert path.read_text(encoding="utf-8") == schemas()[path]


@pytest.mark.parametrize("name", ["bulketl", "tables"])
def test_the_example_files_are_accepted(name: str) -> None:
    """What people copy has no mistake in it."""
    path = CONFIG / f"{name}.example.yaml"
    environ = {"CLINIC_PASSWORD": "x", "WAREHOUSE_PASSWORD": "y"}
    load_config(path if name == "tables" else None, path if name == "bulketl" else None, environ)


def test_the_example_of_checks_is_accepted() -> None:
    """And shows every key of a pair."""
    found = load_checks(CONFIG / "checks.example.yaml")
    assert {key for pair in found.values() for key in pair.model_fields_set} == set(Pair.model_fields)


def test_what_is_commented_out_in_the_example_is_accepted_too(tmp_path: Path) -> None:
    """It shows alerts, and where reports go."""
    text, _, later = (CONFIG / "bulketl.example.yaml").read_text(encoding="utf-8").partition("# Who hears")
    path = tmp_path / "bulketl.yaml"
    lines = [line[2:] for line in later.splitlines()[1:]]
    path.write_text(text + "\n".join(lines), encoding="utf-8")
    environ = dict.fromkeys(("CLINIC_PASSWORD", "WAREHOUSE_PASSWORD", "SMTP_PASSWORD"), "x")
    urls = dict.fromkeys(("SLACK_URL", "PAGER_URL"), "https://hooks.example/x")
    config = load_config(None, path, environ | urls)
    assert config.reports is not None
    assert tuple(config.reports.sent) == ("daily", "weekly", "compliance")
    assert config.alerts is not None


@pytest.mark.parametrize("name", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_is_documented_with_its_options(name: str) -> None:
    """A command is named in the docs or the README, and load's options are all in loading.md."""
    text = "".join(path.read_text(encoding="utf-8") for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"])
    assert f"bulketl {name}" in text
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    for parameter in command.params:
        assert any(option in text for option in parameter.opts), parameter.name


def test_every_configuration_key_is_documented() -> None:
    """Each key stands in configuration.md in backticks, alone or as the end of its path."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    keys = [field.alias or name for model in (Settings, TableRule) for name, field in model.model_fields.items()]
    models = (Windows, Alerts, TierAlerts, PagerDuty, Slack, Hook, Reports, Report, ReportMail)
    keys += [name for model in models for name in model.model_fields]
    assert [key for key in keys if not re.search(rf"[`.]{key}`", text)] == []


def test_every_event_that_may_have_hooks_is_documented() -> None:
    """With when it happens."""
    text = (DOCS / "hooks.md").read_text(encoding="utf-8")
    assert [kind for kind in get_args(HookEvent) if f"`{kind}`" not in text] == []


NAMED = {"alerts.md": ALERT_RULES, "checks.md": get_args(CheckKind), "loading.md": get_args(Publish)}


@pytest.mark.parametrize("page", NAMED)
def test_every_rule_check_and_way_to_publish_is_on_its_page(page: str) -> None:
    """People write these tables."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [name for name in NAMED[page] if not re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", text)] == []


def test_every_rule_of_an_alert_has_its_title() -> None:
    """A rule without one would end the tick that tells of it."""
    assert TITLES.keys() == set(ALERT_RULES)


def test_every_key_of_a_pair_is_documented() -> None:
    """Each stands in the table of agreeing.md."""
    text = (DOCS / "agreeing.md").read_text(encoding="utf-8")
    assert [key for key in Pair.model_fields if f"`{key}`" not in text] == []


def test_nothing_is_listed_twice() -> None:
    """As a merge leaves it that keeps both sides: a page in the README, a kind of change in the design."""
    pages = re.findall(r"^- \[([^]]+)\]", (DOCS.parent / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    design = (DOCS / "design.md").read_text(encoding="utf-8").partition("## Where does a change go?")[2].partition("## ")[0]
    changes = re.findall(r"^\| ([^|]+) \|", design, re.MULTILINE)
    assert len(pages) > 20
    assert len(changes) > 30
    for listed in (pages, changes):
        assert sorted(listed) == sorted(set(listed))


def test_every_table_of_the_ledger_is_documented() -> None:
    """People query it."""
    text = (DOCS / "loading.md").read_text(encoding="utf-8")
    tables = re.findall(r"CREATE TABLE IF NOT EXISTS bulketl\.(\w+)", "".join(m.statements for m in MIGRATIONS))
    assert tables
    assert [table for table in tables if f"`{table}`" not in text] == []


if __name__ == "__main__":
    for page, begin, table in (
        (DOCS / "types.md", BEGIN, cast_table()),
        (DOCS / "configuration.md", LAYOUT, layout_table()),
        (DOCS / "masking.md", MASKING, mask_table()),
        (DOCS / "migrating.md", DIFFERENCES, difference_table()),
    ):
        before, rest = page.read_text(encoding="utf-8").split(begin)
        page.write_text(f"{before}{begin}\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    for path, text in schemas().items():
        path.write_text(text, encoding="utf-8")
