"""The figures of a run as Markdown and as plots, from the file that `--json` wrote.

    python -m benchmarks.document FILE [--plots docs/benchmarks]

prints the Markdown and, with --plots, writes peers-payments.png, peers-others.png, scale.png and soak.png there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth import Grown, cells
from benchmarks.link import NEAR, Pass, trips
from benchmarks.measure import Measured, median
from benchmarks.peers.results import HEADINGS, PeerScenario
from benchmarks.plots import plot_peers, plot_scale, plot_soak
from benchmarks.relay import Counted
from benchmarks.report import BULKETL


def markdown(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines for a page: the machine, the contenders, a table per scenario."""
    about = document["machine"]
    memory = about["memory_bytes"] / 2**30
    yield (
        f"{about['date']}; {about['cpu']}, {about['cores']} cores, {memory:.0f} GiB for everything, servers included; load"
        f" {about['load_before']} before; {about['system']}; Python {about['python']}; {'; '.join(about['servers'])}."
    )
    peers = [PeerScenario.from_json(one) for one in document["scenarios"] if one.get("kind") == "peers"]
    if peers:
        yield from _contenders(peers)
    for scenario in peers:
        yield from _peers(scenario)
    for one in document["scenarios"]:
        if one.get("kind") == "scale":
            yield from _scale(one)
        if one.get("kind") == "link":
            yield from _link(one)
        if one.get("kind") == "growth":
            yield from _growth(one)


def _table(headings: Sequence[str], rows: Iterator[Sequence[str]], left: int = 1) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(headings)} |"
    yield "|" + "|".join(["---"] * left + ["---:"] * (len(headings) - left)) + "|"
    for row in rows:
        yield f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |"
    yield ""


def _contenders(peers: list[PeerScenario]) -> Iterator[str]:
    found = {result.name: result for scenario in peers for result in scenario.results}
    for scenario in peers:  # a version is known where it could be prepared
        found |= {result.name: result for result in scenario.results if result.version}
    rows = ((name, result.version or "–", result.settings) for name, result in found.items())
    yield from _table(("contender", "version", "settings"), rows, 3)


def _peers(scenario: PeerScenario) -> Iterator[str]:
    tables = f"{scenario.tables} tables, " if scenario.tables > 1 else ""
    yield f"**{scenario.name}**: {scenario.what}; {tables}{scenario.rows:,} rows."
    rows = []
    for result in scenario.results:
        cells = scenario.cells(result)
        if not result.runs:
            continue
        name = f"**{cells[0]}**" if result.name == BULKETL else f"*{cells[0]}* (floor)" if result.floor else cells[0]
        check = "" if result.floor or not result.check else "equal" if not result.check.different else "differs"
        rows.append([name, f"{cells[1]} ({cells[-1]})", *cells[2:-1], check])
    yield from _table(("contender", "seconds (runs)", *HEADINGS[1:], "values"), iter(rows))
    for result in scenario.results:
        if text := scenario.said(result):
            yield f"- {result.name}: {text}."
    yield ""


def _scale(one: dict[str, Any]) -> Iterator[str]:
    yield "**scale**: payments."
    rows = (
        (
            f"{size['rows']:,}",
            f"{size['seconds']:.2f} ({', '.join(format(run['seconds'], '.2f') for run in size['runs'])})",
            f"{size['rows'] / size['seconds']:,.0f}",
            f"{median([run['cpu'] for run in size['runs']]):.1f}",
            f"{size['peak'] / 1e6:.0f}",
        )
        for size in one["sizes"]
    )
    yield from _table(("rows", "seconds (runs)", "rows/s", "CPU s of the process", "peak MB"), rows, 0)
    yield from (f"- {text}" for text in one["missing"])


def _growth(one: dict[str, Any]) -> Iterator[str]:
    yield "**growth**: seconds at each size, and what a further row costs from one to the next."
    ways = [Grown(w["name"], {int(rows): Measured(**run) for rows, run in w["runs"].items()}) for w in one["ways"]]
    sizes = sorted({rows for way in ways for rows in way.runs})
    headings = ("way", *(f"{rows:,} rows" for rows in sizes), "µs a row first", "µs a row last", "times", "peak MB")
    yield from _table(headings, (cells(way) for way in ways))
    yield from (f"- beyond the limit: {text}" for text in one["exceeded"])


def _link(one: dict[str, Any]) -> Iterator[str]:
    passes = [
        Pass(p["name"], p["link"], [Measured(**run) for run in p["runs"]], [Counted(**c) for c in p["counted"]])
        for p in one["passes"]
    ]
    yield f"**{one['name']}**"
    rows = (
        (
            found.name,
            found.link,
            f"{found.seconds:.1f} ({', '.join(format(run.seconds, '.1f') for run in found.runs)})",
            f"{found.counted[-1].connections:,}",
            f"{found.counted[-1].round_trips:,}",
            f"{found.counted[-1].received / 1e6:.1f}",
        )
        for found in passes
    )
    yield from _table(("pass", "link", "seconds (runs)", "connections", "round trips", "MB received"), rows, 2)
    yield from (f"- {trips(found.name, found.counted[-1])}." for found in passes if found.link == NEAR)
    yield ""


def main() -> int:
    """Print the Markdown and write the plots."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--plots", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    document = json.loads(options.file.read_text())
    print("\n".join(markdown(document)))
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
        peers = [PeerScenario.from_json(one) for one in document["scenarios"] if one.get("kind") == "peers"]
        first = [scenario for scenario in peers if scenario.name == "payments"]
        others = [scenario for scenario in peers if scenario.name != "payments"]
        for name, some in (("peers-payments", first), ("peers-others", others)):
            if some:
                plot_peers(some, options.plots / f"{name}.png")
        for one in document["scenarios"]:
            if one.get("kind") == "scale":
                plot_scale(one, options.plots / "scale.png")
            if one.get("kind") == "soak":
                plot_soak(one, options.plots / "soak.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
