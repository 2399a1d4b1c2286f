"""Plots of what was measured, as small PNG files: bars of seconds per contender, and seconds and memory over rows."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.peers.results import PeerScenario, Result
from benchmarks.report import BULKETL

OURS, OTHERS, FLOOR, INK, FAINT = "#c2410c", "#94a3b8", "#0f766e", "#1f2937", "#6b7280"
PER_ROW, DPI, COLOURS = 0.30, 110, 48
mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "axes.labelcolor": INK})


def plot_peers(scenarios: list[PeerScenario], path: Path) -> None:
    """Draw one panel per scenario: a bar per contender, ours in colour, the floors as dashed lines."""
    columns = 1 if len(scenarios) == 1 else 2
    lines = -(-len(scenarios) // columns)
    shown = [[result for result in scenario.results if not result.floor] for scenario in scenarios]
    most = [
        max(len(shown[n]) for n in range(line * columns, min((line + 1) * columns, len(shown)))) for line in range(lines)
    ]
    heights = [bars * PER_ROW + 0.95 for bars in most]
    figure = Figure(figsize=(8.5 if columns == 1 else 13, sum(heights)), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for n, scenario in enumerate(scenarios):
        _panel(axes[n // columns][n % columns], scenario)
    for n in range(len(scenarios), lines * columns):
        axes[n // columns][n % columns].set_axis_off()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a small file: a plot has few colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI, format="png")
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def _panel(axis: Axes, scenario: PeerScenario) -> None:
    bars = [result for result in scenario.results if not result.floor]
    # The fastest first, then what saw other rows, then what there is nothing of.
    bars.sort(key=lambda result: (not result.runs, result.share, result.seconds if result.runs else 0.0))
    longest = max((result.seconds for result in bars if result.runs), default=1.0)
    for place, result in enumerate(bars):
        ours = result.name == BULKETL
        if result.runs:
            colour = OURS if ours else OTHERS
            axis.barh(place, result.seconds, color=colour, height=0.72, alpha=0.45 if result.share > 1 else 1.0)
        at = (result.seconds if result.runs else 0.0) + longest * 0.012
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # the floors' lines stay behind
        colour, weight = INK if result.runs else FAINT, "bold" if ours else "normal"
        axis.text(at, place, _label(result), va="center", fontsize=8, bbox=box, color=colour, fontweight=weight)
    axis.set_yticks(range(len(bars)), [result.name for result in bars])
    for label, result in zip(axis.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if result.name == BULKETL else "normal")
    axis.set_ylim(len(bars) - 0.3, -0.6)
    axis.set_xlim(0, longest * 1.32)
    floors = sorted((result.seconds, result.name) for result in scenario.results if result.floor and result.runs)
    for n, (seconds, name) in enumerate(floors):
        axis.axvline(
            seconds, color=FLOOR, linestyle=("dashed", "dotted")[n % 2], linewidth=1.1, label=f"{name}, {seconds:.1f} s"
        )
    if floors:
        axis.legend(loc="lower right", fontsize=7.5, frameon=False, title="floors", title_fontsize=7.5)
    tables = f"{scenario.tables} tables, " if scenario.tables > 1 else ""
    axis.set_title(f"{scenario.name}: {scenario.what}; {tables}{scenario.rows:,} rows", loc="left", fontsize=9.5)
    _bare(axis)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("seconds, median; peak memory; † loaded other values", fontsize=8, color=FAINT)


def _label(result: Result) -> str:
    if not result.runs:
        if ended := re.match(r"ended after (\d+) s", result.absent):
            return f"more than {ended.group(1)} s"
        return "failed" if result.absent.startswith("failed") else "not measured"
    text = f"{result.seconds:.1f} s, {result.peak / 1e6:.0f} MB"
    if result.check and result.check.different:
        text += " †"
    if result.absent:
        text += ", then failed"
    return f"{text}, on 1 in {result.share} rows" if result.share > 1 else text


def plot_scale(plain: dict[str, Any], path: Path) -> None:
    """Draw seconds and peak memory over rows, both from zero, with the line that growth in proportion would be."""
    rows = [size["rows"] / 1e6 for size in plain["sizes"]]
    figure = Figure(figsize=(8.5, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    seconds = [size["seconds"] for size in plain["sizes"]]
    for size in plain["sizes"]:
        left.plot(
            [size["rows"] / 1e6] * len(size["runs"]), [run["seconds"] for run in size["runs"]], "o", color=OURS, alpha=0.35
        )
    left.plot(rows, seconds, "-o", color=OURS, label="bulketl load")
    if rows:
        rate = seconds[0] / rows[0]
        left.plot([0, rows[-1]], [0, rate * rows[-1]], "--", color=OTHERS, label=f"as at {rows[0]:g} million rows")
    left.set_ylabel("seconds")
    left.legend(frameon=False, fontsize=8)
    right.plot(rows, [size["peak"] / 1e6 for size in plain["sizes"]], "-o", color=OURS)
    right.set_ylabel("peak MB")
    for axis, title in ((left, "time"), (right, "memory")):
        axis.set_title(title, loc="left", fontsize=9.5)
        axis.set_xlabel("million rows of payments, 18 columns")
        axis.set_xlim(0)
        axis.set_ylim(0, axis.get_ylim()[1] * 1.15)
        axis.set_xticks([0, *rows])
        _bare(axis)
    _save(figure, path)


def plot_soak(plain: dict[str, Any], path: Path) -> None:
    """Draw what could pile up over the nights, each from zero; the thirds that are compared lie between the lines."""
    nights, ledger = plain["nights"], plain["ledger"]
    days = range(1, len(nights) + 1)

    def rows(*tables: str) -> list[float]:
        return [sum(seen.get(table, [0, 0])[0] for table in tables) for seen in ledger]

    panels: list[tuple[str, str, list[float]]] = [
        ("memory of the process", "MB", [seen["memory"] for seen in nights]),
        ("objects of Python", "thousand", [seen["objects"] / 1e3 for seen in nights]),
        ("CPU of the process", "seconds a night", [seen["cpu"] for seen in nights]),
        ("target", "bytes per row", [seen["bytes per row"] for seen in nights]),
        ("catalogue of Postgres", "MB", [seen["catalogue MB"] for seen in nights]),
        ("ledger: event, measure, reject", "rows", rows("event", "measure", "reject")),
    ]
    figure = Figure(figsize=(11, 5.0), layout="constrained")
    for axis, (title, unit, values) in zip(figure.subplots(2, 3).flat, panels, strict=True):
        axis.plot(days, values, "-", color=OURS, linewidth=1.2)
        for third in (len(nights) // 3, 2 * (len(nights) // 3)):
            axis.axvline(third, color=FLOOR, linestyle="dotted", linewidth=1.0)
        axis.set_title(title, loc="left", fontsize=9.5)
        axis.set_ylabel(unit)
        axis.set_xlabel("night")
        axis.set_xlim(0)
        axis.set_ylim(0, axis.get_ylim()[1] * 1.15)
        _bare(axis)
    _save(figure, path)


def _bare(axis: Axes) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color("#cbd5e1")
    axis.tick_params(colors=INK, labelsize=8.5)
