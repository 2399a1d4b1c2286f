"""The history as a picture: a cell per table and month, or per year and month of one table, coloured by what differs.

One hue for rows that are missing, another for rows too many, in five steps, because a share of 0.01 % must be seen as well
as one of 50 %. matplotlib draws it and is an extra of its own.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulketl.errors import ConfigError
from bulketl.rows.months import Month
from bulketl.tables.printable import count_of
from bulketl.verifying.months import FIRST, History, MonthPair, TableHistory, is_sentinel

STEPS = (0.001, 0.01, 0.1, 0.5)  # shares; beyond the last is the fifth step
MOST_TABLES = 60
MOST_MONTHS = 240  # beyond, a cell is a year
NONE, BEFORE, AFTER = "no date", "before 1902", "after 2099"
_MISSING = ("#fdd0a2", "#fdae6b", "#f16913", "#d94801", "#7f2704")
_SURPLUS = ("#c6dbef", "#9ecae1", "#4292c6", "#2171b5", "#08306b")
_EQUAL, _EMPTY, _ONLY_SUMS = "#e9f0e6", "#ffffff", "#6a51a3"
_COLOURS = (_EMPTY, _EQUAL, *_MISSING, *_SURPLUS)
_DARK = frozenset({4, 5, 6, 9, 10, 11})  # the colours on which text is white
_WIDTH, _DPI = 12.0, 100  # 1200 pixels
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Cell:
    """What is drawn in one place. `missing` and `surplus` add up by month, so that one does not hide the other.

    `sums`: sums differ in a month whose rows do not.
    """

    rows: int = 0
    missing: int = 0
    surplus: int = 0
    sums: bool = False

    @property
    def colour(self) -> int:
        """Return which of the colours it has: 0 no rows, 1 equal, 2 to 6 missing, 7 to 11 too many."""
        worse = max(self.missing, self.surplus)
        if not worse:
            return 1 if self.rows else 0
        share = worse / self.rows if self.rows else 1.0
        step = sum(share > limit for limit in STEPS)
        return 2 + step + (len(STEPS) + 1 if self.surplus > self.missing else 0)

    @property
    def text(self) -> str:
        """Return how many rows are missing or too many."""
        parts = [f"−{self.missing:,}" if self.missing else "", f"+{self.surplus:,}" if self.surplus else ""]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Grid:
    """What is drawn: the labels of rows and columns, and the cells that are not empty.

    `spans` are labels along the columns, each with its first column and the one after its last; `breaks` rows before
    which a line is drawn.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[int, int], Cell]
    spans: tuple[tuple[int, int, str], ...] = ()
    breaks: tuple[int, ...] = ()


def cell(months: Iterable[MonthPair]) -> Cell:
    """Return one cell for some months."""
    found = list(months)
    return Cell(
        sum(item.source for item in found),
        sum(max(item.source - item.target, 0) for item in found),
        sum(max(item.target - item.source, 0) for item in found),
        any(item.sums and item.source == item.target for item in found),
    )


def years_grid(table: TableHistory) -> Grid:
    """Return one table: a row per year that has rows, a column per month; dates that are none in rows of their own."""
    rows: dict[str, dict[int, list[MonthPair]]] = {}
    for item in table.months:
        year, at = _special(item.month) or str((item.month or 0) // 100), ((item.month or 1) - 1) % 100
        rows.setdefault(year, {}).setdefault(0 if _special(item.month) else at, []).append(item)
    order = (NONE, BEFORE, AFTER)
    labels = sorted(rows, key=lambda label: (order.index(label) if label in order else len(order), label))
    cells = {(n, at): cell(found) for n, label in enumerate(labels) for at, found in rows[label].items()}
    return Grid(tuple(labels), _NAMES, cells, tuple((n, n + 1, name) for n, name in enumerate(_NAMES)), _gaps(labels))


def tables_grid(tables: Sequence[TableHistory]) -> Grid:
    """Return a row per table and a column per month, of years that have rows; a column per year when there are too many."""
    seen = {item.month for table in tables for item in table.months if item.month and not is_sentinel(item.month)}
    years = sorted({month // 100 for month in seen})
    by_year = len(years) * 12 > MOST_MONTHS
    first, last = min(seen, default=FIRST), max(seen, default=FIRST)
    plain = [str(year) for year in years] if by_year else [
        f"{year}-{month:02}" for year in years for month in range(1, 13) if first <= year * 100 + month <= last
    ]  # fmt: skip
    special = {_special(item.month) for table in tables for item in table.months} - {""}
    columns = [name for name in (NONE, BEFORE) if name in special] + plain + [AFTER] * (AFTER in special)
    at = {name: n for n, name in enumerate(columns)}
    cells: dict[tuple[int, int], Cell] = {}
    for n, table in enumerate(tables):
        gathered: dict[int, list[MonthPair]] = {}
        for item in table.months:
            name = _special(item.month)
            if not name and item.month is not None:
                name = f"{item.month // 100:04}" if by_year else f"{item.month // 100:04}-{item.month % 100:02}"
            gathered.setdefault(at[name], []).append(item)
        cells |= {(n, column): cell(found) for column, found in gathered.items()}
    return Grid(tuple(t.table for t in tables), tuple(columns), cells, _spans(columns))


def drawn(history: History) -> tuple[list[TableHistory], str]:
    """Return the tables to draw, and a word on those that are not: at most MOST_TABLES, those that differ most first."""
    found = [table for table in history.tables if table.months]

    def weight(table: TableHistory) -> tuple[int, int]:
        off = sum(abs(item.source - item.target) for item in table.differing)
        return off or bool(table.differing), sum(item.source for item in table.months)

    kept = sorted(found, key=weight, reverse=True)[:MOST_TABLES]
    if len(kept) == len(found):
        return sorted(found, key=lambda table: table.table), ""
    return sorted(
        kept, key=lambda table: table.table
    ), f"{len(kept)} of {count_of(len(found), 'table')}: those that differ most, then the largest"


def draw(history: History, path: Path) -> None:
    """Write the picture as PNG, 1200 pixels wide.

    Raise ConfigError when matplotlib is not installed, when no table has months, or the file cannot be written.
    """
    tables, which = drawn(history)
    if not tables:
        raise ConfigError("there is nothing to draw: no table has a date column and rows", hint="name other tables, or --by")
    require()
    import matplotlib as mpl

    try:
        with mpl.rc_context({"text.parse_math": False}):  # a dollar sign in a name is one
            _picture(history, tables, which).savefig(path, format="png", dpi=_DPI)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder you may write to"
        ) from None


def _picture(history: History, tables: Sequence[TableHistory], which: str) -> Any:
    one = tables[0] if len(tables) == 1 else None
    grid = years_grid(one) if one else tables_grid(tables)
    figure = _figure(grid, wide=one is not None)
    axes = figure.axes[0]
    name = f"{one.table}, by {one.column}" if one else f"schema {history.schema}"
    title = f"{name}\n" if one else f"{name}: rows by month against the source\n"
    under = f"{history.source} → {history.schema}, {history.at:%Y-%m-%d %H:%M %Z}" + (f"; {which}" if which else "")
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=14)
    axes.text(0, 1, under, transform=_above(axes, 8), fontsize=9, color="#555555")
    return figure


def require() -> None:
    """Raise ConfigError when matplotlib is not installed, so that nobody waits for figures that cannot be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("a picture needs matplotlib, which is not installed", hint="pip install 'bulketl[plot]'")


def _figure(grid: Grid, *, wide: bool) -> Any:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure  # without pyplot: no window system is looked for

    row = (0.30 if len(grid.rows) <= 25 else 0.18) if wide else 0.22
    height = row * len(grid.rows)
    left, right = 0.25 + 0.075 * min(max(map(len, grid.rows), default=4), 40), 0.25
    top, bottom = 0.85, 1.45
    total = height + top + bottom
    figure = Figure(figsize=(_WIDTH, total))
    axes = figure.add_axes((left / _WIDTH, bottom / total, (_WIDTH - left - right) / _WIDTH, height / total))
    edges = _edges(grid.columns)
    values = [[0] * len(grid.columns) for _ in grid.rows]
    for (n, at), found in grid.cells.items():
        values[n][at] = found.colour
    colours = ListedColormap(_COLOURS)
    axes.pcolormesh(edges, range(len(grid.rows) + 1), values, cmap=colours, vmin=-0.5, vmax=len(_COLOURS) - 0.5)
    _lines(axes, grid, edges, wide=wide)
    for (n, at), found in grid.cells.items():
        middle = (edges[at] + edges[at + 1]) / 2
        if wide and found.text:
            colour = "white" if found.colour in _DARK else "black"
            axes.text(middle, n + 0.5, found.text, ha="center", va="center", fontsize=8, color=colour)
        if found.sums:
            axes.plot(
                middle, n + 0.5, marker="D", markersize=4, color=_ONLY_SUMS, markeredgecolor="white", markeredgewidth=0.5
            )
    axes.set_yticks([n + 0.5 for n in range(len(grid.rows))], [_short(label) for label in grid.rows], fontsize=9)
    places = [(edges[first] + edges[end]) / 2 for first, end, _ in grid.spans]
    axes.set_xticks(places, [label for _, _, label in grid.spans], fontsize=9)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    _legend(figure, total, any(found.sums for found in grid.cells.values()))
    return figure


def _edges(columns: Sequence[str]) -> list[float]:
    """Return where each column begins, and the end; what is no date is as wide as its name needs."""
    usual = sum(name not in (NONE, BEFORE, AFTER) for name in columns)
    edges = [0.0]
    for name in columns:
        edges.append(edges[-1] + (max(1.0, usual * 0.065) if name in (NONE, BEFORE, AFTER) else 1.0))
    return edges


def _lines(axes: Any, grid: Grid, edges: Sequence[float], *, wide: bool) -> None:
    end, rows = edges[-1], len(grid.rows)
    if wide or len(grid.columns) <= 72:
        axes.vlines(edges, 0, rows, colors="white", linewidth=1.0)
    axes.hlines(range(rows + 1), 0, end, colors="white", linewidth=1.0)
    axes.hlines(grid.breaks, 0, end, colors="#999999", linewidth=1.0)
    if not wide:
        axes.vlines([edges[first] for first, _, _ in grid.spans if first], 0, rows, colors="#bbbbbb", linewidth=0.6)
    axes.set(xlim=(0, end), ylim=(0, rows))
    for side in axes.spines.values():
        side.set_color("#bbbbbb")


def _legend(figure: Any, total: float, sums: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    bounds = ["≤ 0.1 %", "≤ 1 %", "≤ 10 %", "≤ 50 %", "> 50 %"]
    last: list[Any] = [Patch(facecolor=_EQUAL, edgecolor="#999999", label="equal")]
    last.append(Patch(facecolor=_EMPTY, edgecolor="#999999", label="no rows"))
    if sums:
        mark: dict[str, Any] = {"marker": "D", "markerfacecolor": _ONLY_SUMS, "markeredgecolor": "none", "markersize": 6}
        last.append(Line2D([], [], color="none", label="only sums differ", **mark))
    last += [Patch(facecolor="none", edgecolor="none", label="")] * (len(bounds) - len(last))
    handles: list[Any] = []  # filled column by column: one hue per line
    for n, bound in enumerate(bounds):
        for word, colours in (("missing", _MISSING), ("too many", _SURPLUS)):
            handles.append(Patch(facecolor=colours[n], edgecolor="#999999", label=f"{word} {bound}"))
        handles.append(last[n])
    figure.legend(
        handles=handles, loc="lower center", ncols=len(bounds), fontsize=9, frameon=False, bbox_to_anchor=(0.5, 0.1 / total),
        title="rows in the target, as a share of the source's rows of that time", title_fontsize=9, columnspacing=2.0,
    )  # fmt: skip


def _special(month: Month) -> str:
    if month is None:
        return NONE
    return "" if not is_sentinel(month) else BEFORE if month < FIRST else AFTER


def _spans(columns: Sequence[str]) -> tuple[tuple[int, int, str], ...]:
    """Return the labels along the columns: what is no date, years, and months within one year; as many as have room."""
    found: list[tuple[int, int, str]] = []
    for n, name in enumerate(columns):
        label = name.replace(" ", "\n", 1) if name in (NONE, BEFORE, AFTER) else name[:4]
        if found and found[-1][2] == label:
            found[-1] = (found[-1][0], n + 1, label)
        else:
            found.append((n, n + 1, label))
    years = [span for span in found if span[2].isdigit()]
    if len(years) == 1:
        months = [(n, n + 1, name) for n, name in enumerate(columns) if name[:1].isdigit()]
        return tuple(span for span in found if not span[2].isdigit()) + tuple(months)
    whole = max((end - first for first, end, _ in years), default=1)
    step = max(1, -(-len(years) // 24))
    # A year of which only a few months are there has no room for its label, unless all are as short; nor has the first of
    # narrow ones, beside what is no year.
    shown = {span for span in years[step // 2 :: step] if (span[1] - span[0]) * 3 >= whole or len(columns) <= 72}
    return tuple(
        (first, end, label if not label.isdigit() or (first, end, label) in shown else "") for first, end, label in found
    )


def _gaps(labels: Sequence[str]) -> tuple[int, ...]:
    """Return before which rows years are left out that have no rows at all, or the years begin."""
    found = []
    for n, (one, other) in enumerate(itertools.pairwise(labels), 1):
        if other.isdigit() and (not one.isdigit() or int(other) - int(one) > 1):
            found.append(n)
    return tuple(found)


def _short(label: str) -> str:
    return label if len(label) <= 40 else label[:39] + "…"


def _above(axes: Any, points: float) -> Any:
    from matplotlib.transforms import ScaledTranslation

    return axes.transAxes + ScaledTranslation(0, points / 72, axes.figure.dpi_scale_trans)
