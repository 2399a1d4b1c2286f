"""Values into HTML: the templates, the zone in which times are shown, and how a name that somebody else chose is shown."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bulketl.config.config import Config
from bulketl.config.windows import zone_of_window
from bulketl.operations.dashboard.nights import cell
from bulketl.operations.dashboard.words import NAMES
from bulketl.tables.printable import count_of, lasting, size

TEMPLATES = Path(__file__).parent / "templates"
SPACE = "\N{NO-BREAK SPACE}"
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories of characters that nobody sees, or that turn what is near

Render = Callable[..., str]


def renderer(config: Config, *folders: Path, linked: bool = True) -> Render:
    """Return what renders a template by its name, with the values that it needs; `folders`: where it is looked for first.

    `linked`: names of tables and runs lead to their pages, as in a dashboard and not in a file.
    """
    made = environment(config, FileSystemLoader([*folders, TEMPLATES]), linked=linked)

    def render(template: str, **values: object) -> str:
        return sendable(made.get_template(f"{template}.html").render(values))

    return render


def sendable(html: str) -> str:
    """Return a page as UTF-8 can have it: half of a surrogate pair, as a name out of the environment may have, is a `?`."""
    return html.encode("utf-8", "replace").decode()


def zone_named(config: Config) -> str:
    """Return the name of the zone in which times are shown."""
    return f"{zone_of_window(config.windows)}, the zone of the load window" if config.windows else "UTC"


def environment(config: Config, loader: BaseLoader, *, linked: bool) -> Environment:
    """Return what makes HTML of the templates that a loader finds."""
    zone = zone_of_window(config.windows)
    made = Environment(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "name": name, "text": text, "plain": plain, "n": number, "size": sized, "lasting": spaced, "count": counted_of,
        "clock": lambda at, seconds=False: clock(at, zone, seconds=seconds), "day": lambda at: day(at, zone),
        "time": lambda at: time(at, zone),
    }  # fmt: skip
    made.globals |= {
        "zone": zone_named(config), "schema": config.target_schema, "states": NAMES, "cell": cell,
        "link": link if linked else None,
    }  # fmt: skip
    return made


def link(page: str, /, **query: object) -> str:
    """Return the address of a page with what is asked of it; what is empty is left out."""
    chosen = {key: value for key, value in query.items() if value not in (None, "", False)}
    return f"/{page}?{urlencode(chosen)}" if chosen else f"/{page}"


def name(value: str) -> Markup:
    """Return a name that stands on its own whatever is in it: characters that nobody sees are shown by their number."""
    return Markup("<bdi>{}</bdi>").format(_seen(value))


def text(value: str) -> Markup:
    """Return a text that may hold such a name, and commands between backticks."""
    parts = value.split("`")
    if len(parts) % 2 == 0:
        return _seen(value)
    return Markup().join(
        Markup("<code>{}</code>").format(_seen(part)) if n % 2 else _seen(part) for n, part in enumerate(parts)
    )


def plain(value: str) -> str:
    """Return a text for where nothing can be marked up, as in a title."""
    return "".join(f"U+{ord(char):04X}" if unicodedata.category(char) in _UNSEEN else char for char in value)


def _seen(value: str) -> Markup:
    if value.isascii() and value.isprintable():  # nearly every one
        return escape(value)
    return Markup().join(_code(char) if unicodedata.category(char) in _UNSEEN else char for char in value)


def _code(char: str) -> Markup:
    if char == "\n":
        return Markup(" ")
    return Markup('<span class="ctl">U+{:04X}</span>').format(ord(char))


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with its thousands apart; a dash for one that is not known."""
    return "–" if value is None else f"{value:,.{digits}f}"


def sized(value: float | None) -> str:
    """Return a number of bytes for people, which does not break in the middle; a dash for one that is not known."""
    return "–" if value is None else size(value).replace(" ", SPACE)


def spaced(seconds: float | None) -> str:
    """Return a time for people, which does not break in the middle; a dash for one that is not known."""
    if seconds is None:
        return "–"
    if 0 < seconds < 10:
        return f"{seconds:.1f}{SPACE}s"
    return lasting(max(seconds, 0)).replace(" ", SPACE)


def counted_of(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return count_of(count, noun).replace(" ", SPACE)


def clock(at: dt.datetime | None, zone: dt.tzinfo, *, seconds: bool = False) -> Markup:
    """Return a moment in the zone of the pages: 25 Nov 02:01, with the year where that is another one."""
    if at is None:
        return Markup("–")
    here = at.astimezone(zone)
    said = f"{here.day} {here:%b}{f' {here:%Y}' if _old(at) else ''} {here:%H:%M:%S}" if seconds else (
        f"{here.day} {here:%b}{f' {here:%Y}' if _old(at) else ''} {here:%H:%M}"
    )  # fmt: skip
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), said.replace(" ", SPACE))


def time(at: dt.datetime, zone: dt.tzinfo) -> Markup:
    """Return the time of day of a moment in the zone of the pages."""
    here = at.astimezone(zone)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{here.day} {here:%b %Y %H:%M:%S}", f"{here:%H:%M:%S}"
    )


def _old(at: dt.datetime) -> bool:
    return abs((dt.datetime.now(dt.UTC) - at).days) > 300


def day(at: dt.datetime | dt.date, zone: dt.tzinfo) -> str:
    """Return a day: 25 Nov."""
    here = at.astimezone(zone) if isinstance(at, dt.datetime) else at
    return f"{here.day}{SPACE}{here:%b}"
