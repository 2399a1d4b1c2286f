"""A template that no report takes is found, and one that is taken is not: names are compared with bulketl's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, meta

from bulketl.config.config import Config
from bulketl.config.reports import Reports
from bulketl.config.templates import INCLUDED, TAKEN, idle
from bulketl.operations.dashboard.rendering import TEMPLATES
from bulketl.operations.reports import rendering


def config(folder: Path) -> Config:
    return Config(source="mysql://h/d", reports=Reports(templates=str(folder)))


def test_the_names_are_those_of_bulketls_own_templates_and_of_what_these_include() -> None:
    """A template that is new has to be named."""
    loader = FileSystemLoader([rendering._HERE, TEMPLATES])
    environment = Environment(loader=loader, autoescape=True)
    own = {path.name for path in rendering._HERE.iterdir()}
    reached, waiting = set[str](), sorted(own)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            text, _, _ = loader.get_source(environment, name)
            waiting += [str(other) for other in meta.find_referenced_templates(environment.parse(text))]
    assert sorted(reached) == sorted((*TAKEN, *INCLUDED))
    assert set(TAKEN) <= own


@pytest.mark.parametrize(
    ("name", "advice"),
    [("dayly.html", "did you mean 'daily.html'?"), ("Daily.html", "did you mean 'daily.html'?"),
     ("daily.htm", "did you mean 'daily.html'?"), ("daily_mail.txt", "did you mean 'daily-mail.txt'?"),
     ("sub/weekly.html", "did you mean 'weekly.html'?"), ("letterhead.png", "give it the name of one of ours")],
)  # fmt: skip
def test_a_file_that_no_report_takes_is_told_with_what_was_meant(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    (found,) = idle(config(tmp_path))
    assert name in found.what
    assert found.advice.startswith(advice)
    assert found.misspelt == advice.startswith("did")


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_that_a_report_takes_is_not_told(tmp_path: Path, name: str) -> None:
    """Nor what it includes, and what that includes, nor what is hidden."""
    (tmp_path / name).write_text("{% include 'head.html' %}")
    (tmp_path / "head.html").write_text("{% import 'parts/logo.html' as logo %}")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "logo.html").write_text("")
    (tmp_path / ".daily.html.swp").write_text("")
    assert idle(config(tmp_path)) == []


def test_a_template_that_cannot_be_read_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "daily.html").write_text("{% if %}")
    (tmp_path / "weekly.html").write_bytes(b"\xff")
    (tmp_path / "wekly.md").write_text("")
    assert [one.what for one in idle(config(tmp_path))] == ["no report takes 'wekly.md'"]


def test_without_a_folder_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert idle(Config(source="mysql://h/d")) == idle(config(tmp_path / "none")) == []
