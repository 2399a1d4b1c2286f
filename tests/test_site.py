"""The docs as a site and on GitHub: every page is in the navigation, and every link and every command leads somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main
from markdown_it import MarkdownIt

from bulketl.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
NAV = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
COMMAND = re.compile(r"(?:^|\| |\$ )(?:\$ )?(bulketl [a-z][^#|>&;\n]*)", re.MULTILINE)
MARKDOWN = MarkdownIt("commonmark").enable("table")
COMMANDS: Any = typer.main.get_command(app)
PLACEHOLDERS = re.compile(r"[\[\]…|{}]|\.\.\.|COMMAND")


def listed(entries: Any) -> Iterator[str]:
    """Yield the pages of a navigation, in its order."""
    for entry in entries:
        for below in [entry] if isinstance(entry, str) else entry.values():
            yield from [below] if isinstance(below, str) else listed(below)


def test_every_page_is_in_the_navigation_once() -> None:
    """A page that nobody can reach is not there."""
    assert sorted(listed(NAV)) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@cache
def parsed(path: Path) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the anchors that GitHub gives to the headings of a page, and the links and pictures in it."""
    anchors: dict[str, int] = {}
    found = set()
    targets = []
    tokens = MARKDOWN.parse(path.read_text(encoding="utf-8"))
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and after is not None:
            text = "".join(one.content for one in after.children or () if one.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            number = anchors.setdefault(slug, 0)
            anchors[slug] += 1
            found.add(f"{slug}-{number}" if number else slug)
        for one in token.children or ():
            targets += [str(one.attrs[key]) for key in ("href", "src") if key in one.attrs]
    return frozenset(found), tuple(targets)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    """On GitHub, which makes other anchors than the site; what the site makes of links, its build looks at."""
    wrong = []
    for target in parsed(path)[1]:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        to = (path.parent / name).resolve() if name else path
        if not to.exists() or (anchor and to.suffix == ".md" and anchor not in parsed(to)[0]):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_no_page_of_the_site_links_to_what_is_not_on_it(path: Path) -> None:
    """Such a link works on GitHub alone."""
    outside = [
        target for target in parsed(path)[1]
        if not re.match(r"[a-z]+:|#", target) and not (path.parent / target.split("#")[0]).resolve().is_relative_to(DOCS)
    ]  # fmt: skip
    assert outside == []


def called(path: Path) -> Iterator[str]:
    """Yield every call of bulketl that a page shows, in its text and in its blocks, as far as it can be typed."""
    tokens = MARKDOWN.parse(path.read_text(encoding="utf-8"))
    blocks = [one.content for one in tokens if one.type == "fence" and one.info in ("sh", "")]
    codes = [one.content for token in tokens for one in token.children or () if one.type == "code_inline"]
    inline = [one for one in codes if one.startswith("bulketl ")]
    for one in (*inline, *(found for block in blocks for found in COMMAND.findall(block))):
        if not PLACEHOLDERS.search(one):
            yield one.strip()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_page_shows_is_one(path: Path) -> None:
    """With options that it has: a page that is older than a command names one that is gone."""
    wrong = [call for call in called(path) if not known(call)]
    assert wrong == []


def known(call: str) -> bool:
    """Tell whether a call names a command, and only options of it."""
    command = COMMANDS
    words = shlex.split(call, comments=True)[1:]
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    context = command.make_context("bulketl", [], resilient_parsing=True)
    options = {name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)}
    named = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    whole = not hasattr(command, "commands") or command.invoke_without_command or not words or words[0].startswith("-")
    return whole and not [name for name in named if name not in options]
