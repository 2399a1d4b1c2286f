"""The charts of the weekly report as inline SVG, drawn by matplotlib: text stays text, and colours are those of the page.

Each is drawn twice, so that its labels stay legible on a phone. It has no style attribute, which a strict policy forbids.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from bulketl.operations.capacity.fit import Trend
from bulketl.operations.capacity.forecast import Capacity
from bulketl.operations.capacity.limits import Limit, dated
from bulketl.operations.dashboard.rendering import plain
from bulketl.tables.printable import lasting

if TYPE_CHECKING:
    from bulketl.operations.reports.weekly import Slowing

_SIZES = {"wide": (620, 210), "narrow": (340, 200)}
_SERIES, _BAND, _LIMIT, _GRID, _EDGE, _WORDS = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_COLOURS = {
    _SERIES: "--series", _BAND: "--band", _LIMIT: "--failed", _GRID: "--line", _EDGE: "--edge", _WORDS: "--ink-2",
}  # fmt: skip
_LIMITS, _TABLES = 5, 4  # charts of each kind at most; with that of all loads ten
_TICKS = 4
_STEPS = (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)  # seconds of an axis
_AHEAD = 0.6  # of the nights on record, that are drawn of what is to come


class Drawn(NamedTuple):
    """What a chart is of: figures by day, their line, the limit, and what it says; `spelt` writes a figure."""

    title: str
    said: str
    points: Sequence[tuple[dt.date, float]]
    line: Trend | None
    most: float | None
    spelt: Callable[[float], str]


def drawn(filled: Capacity, total: Slowing | None, slowing: Sequence[Slowing]) -> tuple[Markup, ...] | None:
    """Return the charts as figures of HTML, the limits first; None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    chosen = [_of_limit(one) for one in filled.limits if len(one.nights) > 1][:_LIMITS]
    chosen += [_of_time("all loads of a night", total)] if total else []
    chosen += [_of_time(one.table, one) for one in slowing[:_TABLES]]
    return tuple(_figure(one, n) for n, one in enumerate(chosen))


def _of_limit(one: Limit) -> Drawn:
    said = f"{one.told(one.now)} of {one.told(one.most) if one.most else 'what nobody said'}; full {one.when}"
    return Drawn(one.name, said if one.state == "filling" else said.replace("; full ", "; "), one.nights, one.line, one.most,
                 one.told)  # fmt: skip


def _of_time(title: str, one: Slowing) -> Drawn:
    said = f"{one.now} now, {one.growth} a week, the interval is {one.interval}"
    return Drawn(f"{title}: how long it takes", said, one.points, one.line, None, lasting)


def _figure(one: Drawn, number: int) -> Markup:
    drawings = [_svg(one, name, f"c{number}{name[0]}") for name in _SIZES]
    return Markup("<figure class='fig'><figcaption>{} <span>{}</span></figcaption>{}</figure>").format(
        plain(one.title), plain(one.said), Markup("").join(drawings)
    )


def _svg(one: Drawn, name: str, prefix: str) -> Markup:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure  # without pyplot: no window system is looked for

    width, height = _SIZES[name]
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": prefix, "text.parse_math": False, "font.size": 12.5}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width / 72, height / 72))
        FigureCanvasSVG(figure)
        _draw(figure, one, narrow=name == "narrow")
        into = io.StringIO()
        figure.savefig(into, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Markup(_inline(into.getvalue(), f"{name}", f"{one.title}: {one.said}", prefix))  # noqa: S704, drawn here


def _draw(figure: Any, one: Drawn, *, narrow: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator

    axes = figure.add_axes((0.24 if narrow else 0.12, 0.14, 0.73 if narrow else 0.85, 0.8))
    days, values = [day.toordinal() for day, _ in one.points], [value for _, value in one.points]
    end = float(days[-1])
    if one.line is not None:
        end += max(7.0, _AHEAD * (days[-1] - days[0])) if one.line.rises else 0.0
        first, last = (one.line.level + one.line.slope * (at - one.line.last) for at in (days[0], end))
        ahead = end - one.line.last
        if ahead and one.line.rises:
            edges = [one.line.level + slope * ahead for slope in (one.line.low, one.line.high)]
            axes.fill([one.line.last, end, end], [one.line.level, *edges], color=_BAND, linewidth=0)
        axes.plot([days[0], end], [first, last], color=_SERIES, linewidth=1.5, linestyle=(0, (5, 4)))
    axes.plot(days, values, color=_SERIES, linewidth=2)
    axes.plot(days[-1:], values[-1:], "o", color=_SERIES, markersize=6)
    low, high = axes.get_ylim()
    if one.most is not None and one.most <= 3 * high:
        axes.axhline(one.most, color=_LIMIT, linewidth=1.5)
        high = max(high, one.most * 1.05)
    axes.set_ylim(max(low, 0.0), high)
    axes.set_xlim(days[0], max(end, days[0] + 1.0))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_EDGE)
    axes.tick_params(colors=_WORDS, length=0)
    axes.grid(axis="y", color=_GRID)
    axes.set_axisbelow(True)
    low, high = axes.get_ylim()
    timed = one.spelt(90.0) == lasting(90.0)
    step = next((step for step in _STEPS if (high - low) / step <= _TICKS), None) if timed else None
    axes.yaxis.set_major_locator(MultipleLocator(step) if step else MaxNLocator(_TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value, one.spelt)))
    ticks = [days[0], days[-1], *([int(end)] if end - days[-1] > (end - days[0]) / 4 else [])]
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(ticks))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _label(int(at), narrow=narrow)))
    for label, anchor in zip(axes.get_xticklabels(), _anchors(len(set(ticks))), strict=False):
        label.set_horizontalalignment(anchor)


def _short(value: float, spelt: Callable[[float], str]) -> str:
    """Return a label of the axis of figures; a number in the millions in such."""
    said = spelt(value)
    if said.replace(",", "").isdigit() and value >= 1e6:
        return f"{value / 1e6:,.0f} M"
    return f"{value:.1f} s" if 0 < value < 5 and said == lasting(value) else said


def _anchors(count: int) -> Iterator[str]:
    """Yield where labels of the axis of days stand, so that the outer ones do not reach over its ends."""
    for n in range(count):
        yield "left" if n == 0 else "right" if n == count - 1 else "center"


def _label(ordinal: int, *, narrow: bool) -> str:
    day = dt.date.fromordinal(ordinal)
    return f"{day.day} {day:%b}" if narrow else dated(day)


def _inline(text: str, name: str, label: str, prefix: str) -> str:
    """Return SVG that can stand in a page: without styles, metadata and ids but those that it refers to itself."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'style="([^"]*)"', _attributes, text)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)
    opening = rf'<svg class="chart {name}" role="img" aria-label="{escape(plain(label))}" \1>'
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', lambda found: opening.replace(r"\1", found[1]), text, count=1)
    return re.sub(r"\s*\n\s*", "\n", text.replace("xlink:href", "href"))


def _attributes(found: re.Match[str]) -> str:
    """Return a style as attributes, with the colours of the page."""
    parts = []
    for part in found[1].split(";"):
        key, _, value = (word.strip() for word in part.partition(":"))
        if value and not key.startswith("font"):
            parts.append(f'{key}="{(_COLOURS.get(value) and f"var({_COLOURS[value]})") or value}"')
    return " ".join(parts)
