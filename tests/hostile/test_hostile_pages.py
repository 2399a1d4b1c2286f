"""Reports as pages, as Markdown and as mails, with hostile text in every place where a text of somebody else's stands."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email
import email.policy
import functools
import re
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hostile import ACTS, ANYTHING, LONG, TEXTS, unacting
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from markdown_it import MarkdownIt
from parsedpages import skeleton
from poison import poisoned
from tally import cases, tried

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))  # where the screens' values are

from shown import SCREENS

from bulketl.cli.screens import daily, reports, weekly
from bulketl.cli.screens.certificate_page import page as certificate
from bulketl.config.channels import ChannelSettings
from bulketl.config.read import load_config
from bulketl.operations.alerts.message import Answer
from bulketl.operations.reports import mailing, rendering, weekcharts

CONFIG = load_config(None, None, {})
TEMPLATES = Path(rendering.__file__).parent / "templates"
OF: dict[str, tuple[Any, str]] = {  # the screens that are given the same value as a report
    "daily": (daily, "daily"), "weekly": (weekly, "weekly"), "compliance": (reports, "compliance"),
    "incident": (reports, "incident"), "run": (reports, "one_run"),
}  # fmt: skip
HOSTILE = st.lists(ANYTHING | TEXTS | LONG, min_size=1, max_size=4)
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


@functools.cache
def values(name: str) -> list[Any]:
    """Return the values of a report that its screens are given."""
    module, function = OF[name]
    found: list[Any] = []
    kept = getattr(module, function)
    try:
        setattr(module, function, lambda value, *_, **__: found.append(value))
        for case in SCREENS[f"{module.__name__.rpartition('.')[2]}-{function}"].values():
            case(False)
    finally:
        setattr(module, function, kept)
    if name == "weekly":  # of which some are made up for a screen that asks for less
        found = [
            dataclasses.replace(one, slowing=tuple(each for each in one.slowing if each.points))
            for one in found
            if one.figures
        ]
    return found


def replacing(texts: list[str]) -> Callable[[str], str]:
    """Return what makes one hostile text of one that is somebody else's, and two of two."""
    seen: dict[str, str] = {}
    return lambda one: seen.setdefault(one, f"{texts[len(seen) % len(texts)]}{len(seen)}")


def plainly(value: Any) -> Any:
    """Return the value with plain words in those places."""
    return poisoned(value, replacing(["plain"]))


@functools.cache
def expected(made: Callable[[str, Any], Any], name: str, which: int) -> Any:
    """Return what is made of the report with plain words."""
    return made(name, plainly(values(name)[which]))


@pytest.fixture(autouse=True, scope="module")
def compiled_once() -> Iterator[None]:
    """Have a template compiled once, and no picture drawn: those have a test of their own."""
    compiling = Environment.compile
    kept: dict[Any, Any] = {}

    def compiled(self: Environment, source: Any, name: Any = None, filename: Any = None, *more: Any, **named: Any) -> Any:
        key = (name, filename, self.autoescape)
        if key not in kept:
            kept[key] = compiling(self, source, name, filename, *more, **named)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", compiled)
        patch.setattr(weekcharts, "drawn", lambda *_: None)
        yield


def test_every_report_is_tried() -> None:
    """Those that have a template of their own."""
    assert {path.stem for path in TEMPLATES.glob("*.md")} == set(OF)
    for name in OF:
        assert values(name)


def elements(name: str, value: Any) -> Any:
    html = rendering.page(CONFIG, name, value)
    html.encode()
    return skeleton(html)


def blocks(name: str, value: Any) -> list[str]:
    """Return what a parser of Markdown finds; fail where a text is a link, a picture or HTML."""
    text = rendering.markdown(CONFIG, name, value)
    unacting(text)
    text.encode()
    parsed = MARKDOWN.parse(text)
    inner = {token.type for one in parsed for token in one.children or ()}
    assert not inner & {"link_open", "image", "html_inline"}, text
    return [token.type for token in parsed]


@cases(2500)
@given(st.sampled_from(sorted(OF)), st.integers(0, 99), HOSTILE)
def test_a_page_has_the_elements_that_its_template_has(name: str, which: int, texts: list[str]) -> None:
    """As they are with plain words."""
    which %= len(values(name))
    assert elements(name, poisoned(values(name)[which], replacing(texts))) == expected(elements, name, which)
    tried("names and values", "HTML of reports")


@cases(2500)
@given(st.sampled_from(sorted(OF)), st.integers(0, 99), HOSTILE)
def test_markdown_has_the_blocks_that_its_template_has(name: str, which: int, texts: list[str]) -> None:
    """As they are with plain words."""
    which %= len(values(name))
    assert blocks(name, poisoned(values(name)[which], replacing(texts))) == expected(blocks, name, which)
    tried("names and values", "Markdown of reports")


@cases(200)
@given(TEXTS, TEXTS)
def test_a_picture_in_a_page_has_no_element_of_a_text(title: str, said: str) -> None:
    points = tuple((dt.date(2026, 11, n), float(n)) for n in range(1, 9))
    drawn = [
        weekcharts._figure(weekcharts.Drawn(*words, points, None, None, str), 1) for words in ((title, said), ("a", "b"))
    ]
    assert skeleton(drawn[0]) == skeleton(drawn[1])
    tried("names and values", "SVG of reports")


def read_back(raw: bytes) -> EmailMessage:
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@cases(1500)
@given(st.sampled_from(sorted(OF)), st.integers(0, 99), HOSTILE)
def test_a_mail_of_a_report_has_its_headers_and_no_others(name: str, which: int, texts: list[str]) -> None:
    value = values(name)[which % len(values(name))]
    settings = ChannelSettings(email=("dba@example.com",))
    hostile = poisoned(value, replacing(texts))
    sent: list[EmailMessage] = []

    def kept(_settings: Any, message: EmailMessage) -> Any:
        sent.append(message)
        return Answer(True, "250 ok")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mailing, "deliver", kept)
        patch.setattr(mailing, "mail_settings", lambda _config: settings)
        mailing.mail(CONFIG, name, hostile, "<p>")
    found = read_back(sent[0].as_bytes())
    assert sorted(found.keys()) == sorted(sent[0].keys())
    assert len(found["To"].addresses) == 1
    assert "\n" not in str(found["Subject"])
    text, attached = found.get_body(("plain",)), list(found.iter_attachments())
    assert re.fullmatch(r"[\w.-]+\.html", str(attached[0].get_filename()))
    assert text is not None
    assert not ACTS & set(text.get_content().replace("\r\n", "\n"))  # words are wrapped, so any may begin a line
    tried("names and values", "mails of reports")


@cases(2000)
@given(st.sampled_from(sorted(SCREENS["certificate_page-page"])), HOSTILE)
def test_a_certificate_has_the_elements_that_it_has_for_plain_names(case: str, texts: list[str]) -> None:
    found: list[tuple[Any, ...]] = []
    module = sys.modules[certificate.__module__]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "page", lambda *given: found.append(given))
        for name in ("shown_sides",):
            if hasattr(sys.modules[name], "page"):
                patch.setattr(sys.modules[name], "page", lambda *given: found.append(given))
        SCREENS["certificate_page-page"][case](False)
    html = certificate(*poisoned(found[0], replacing(texts)))
    assert skeleton(html) == skeleton(certificate(*plainly(found[0])))
    tried("names and values", "HTML of certificates")
