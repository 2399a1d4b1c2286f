"""A report told by its templates: as one page, which fetches nothing and needs no JavaScript; as Markdown; as a mail.

They are named after the report: `daily.html`, `daily.md`, and for the body of a mail `daily-mail.html` and `daily-mail.txt`.
One of the same name in the user's folder is taken first, and may extend ours by the name `bulketl/daily.html`.
"""

from __future__ import annotations

import datetime as dt
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from bulketl.config.config import Config
from bulketl.config.windows import zone_of_window
from bulketl.operations.dashboard.rendering import TEMPLATES, environment, plain, sendable, zone_named
from bulketl.operations.reports.ownwords import folder_of, naming
from bulketl.tables.printable import count_of, in_a_line, lasting, size

_HERE = Path(__file__).parent / "templates"
STYLE = Path(__file__).parents[1] / "dashboard" / "assets" / "dashboard.css"
_BLOCK = re.compile(r"^([-+=~])(?=[-+=~\s]|$)|^(\d+)([.)])(?=\s|$)")  # what begins a list, a line or a heading of its own
_LINKED = re.compile(r"(https?|ftp|www)([:.])", re.IGNORECASE)  # what GitHub makes a link of
OURS = "bulketl"  # the prefix by which a user's template names one of ours


def page(config: Config, name: str, report: object) -> str:
    """Return the report of that name as a page, in the zone of the window for loads.

    Raise ConfigError, with file and line, for a template of the user's that is wrong.
    """
    css = Markup(STYLE.read_text(encoding="utf-8"))  # noqa: S704, the package's own
    return _html(config, f"{name}.html", r=report, css=css)


def markdown(config: Config, name: str, report: object) -> str:
    """Return the report of that name as Markdown, times in UTC; nothing in a name ends a cell or is markup.

    Raise as `page`.
    """
    return _text(config, f"{name}.md", _escaped, r=report)


def bodies(config: Config, name: str, report: object) -> tuple[str, str]:
    """Return the report of that name as the body of a mail, as text and as HTML. Raise as `page`."""
    return _text(config, f"{name}-mail.txt", _plainly, r=report), _html(config, f"{name}-mail.html", r=report)


def _html(config: Config, template: str, **values: object) -> str:
    with naming(config, template):
        made = environment(config, _loader(config), linked=False)
        return sendable(f"{made.get_template(template).render(values).strip()}\n")


def _text(config: Config, template: str, finalize: Callable[[Any], str], **values: object) -> str:
    with naming(config, template):
        made = Environment(  # noqa: S701, text is escaped by `finalize`
            loader=_loader(config), undefined=StrictUndefined, finalize=finalize, trim_blocks=True, lstrip_blocks=True
        )
        zone = zone_of_window(config.windows)
        made.filters |= {
            "when": _when, "n": lambda count: "–" if count is None else f"{count:,}", "count": count_of,
            "lasting": lambda seconds: "–" if seconds is None else lasting(seconds),
            "size": lambda count: "–" if count is None else size(count),
            "time": lambda at: f"{at.astimezone(zone):%H:%M}" if at else "–", "ljust": str.ljust, "rjust": str.rjust,
            "fill": _filled,
        }  # fmt: skip
        made.globals |= {"zone": zone_named(config), "schema": config.target_schema}
        return f"{made.get_template(template).render(values).strip()}\n"


def _loader(config: Config) -> BaseLoader:
    ours = FileSystemLoader([_HERE, TEMPLATES])
    own = folder_of(config)
    return ChoiceLoader([*([FileSystemLoader(own)] if own else []), ours, PrefixLoader({OURS: ours})])


def _escaped(value: Any) -> str:
    if isinstance(value, Markup):
        return value
    text = "".join(f"\\{char}" if char in "|\\`*_<>[]#&" else char for char in in_a_line(str(value)))
    text = _LINKED.sub(r"\1\\\2", _BLOCK.sub(_apart, text))
    return f"&#32;{text[1:]}" if text.startswith(" ") else text


def _apart(found: re.Match[str]) -> str:
    return f"{found[2] or ''}\\{found[1] or found[3]}"


def _plainly(value: Any) -> str:
    return value if isinstance(value, Markup) else plain(in_a_line(str(value)))


def _filled(text: str, indent: str) -> Markup:
    """Return a text in lines of a mail, each behind an indent; what is longer than a line stays one word."""
    lines = textwrap.wrap(_plainly(text), 76, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
                          break_on_hyphens=False)  # fmt: skip
    return Markup("\n".join(lines))  # noqa: S704, plain text


def _when(at: dt.datetime | None) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}" if at else "never"
