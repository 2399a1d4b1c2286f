"""The walk of a plan: which rooms `make_plan` of one table enters, in order, and how often it climbs back to a higher floor.

    python -m benchmarks.walk [--every]

It is the walk of a reader who follows the program on throw-away servers, call by call, and reads each function once, when it
is called first. He *enters* a room with the first such function of it that does not follow another one of the same room; he
*returns to a higher floor* when the next function stands on a higher floor than the last one. Calls of libraries and the
making of a dataclass do not count, for there is no line of ours to read; every function and property of bulketl does, also
of `tables` and `errors`, in every thread, and the interpreter's own frames of a comprehension belong to their function.
The configuration is read before, and the table is one of a fresh source into an empty target: no state, no cursor, nothing
to compare. `--every` counts every call instead of the first of each function: what the machine walks, not a reader.

The floors are the layers of `pyproject.toml`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import bulketl
from benchmarks.servers import out, throw_away

ROOMS, RETURNS = 7, 5  # at most
DATABASE = "walk"
MADE = (f"CREATE DATABASE {DATABASE}", f"CREATE TABLE {DATABASE}.patient (id INT PRIMARY KEY, name VARCHAR(50))")


def floors() -> dict[str, int]:
    """Return the floor of each room, the ground floor 1."""
    document = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in document["tool"]["importlinter"]["contracts"] if c.get("containers") == ["bulketl"])
    layers = reversed(contract["layers"])
    return {room.strip(): floor for floor, layer in enumerate(layers, 1) for room in layer.split("|")}


class Walk:
    """The functions of bulketl in the order in which they are called, as pairs of a room and a name."""

    def __init__(self, rooms: Sequence[str], *, every: bool) -> None:
        """Follow calls into these rooms; `every`: not only the first call of each function."""
        self.rooms, self.every = frozenset(rooms), every
        self.steps: list[tuple[str, str]] = []
        self._seen: set[object] = set()

    def follow(self, frame: FrameType, event: str, _: object) -> None:
        """Take down a call, as a profile function does."""
        code, module = frame.f_code, str(frame.f_globals.get("__name__"))
        root, _, inside = module.partition(".")
        room = inside.partition(".")[0]
        if event != "call" or root != "bulketl" or room not in self.rooms or code.co_filename.startswith("<"):
            return
        if code.co_name.startswith("<") and code.co_name != "<lambda>":
            return
        if self.every or code not in self._seen:
            self._seen.add(code)
            self.steps.append((room, f"{module.removeprefix('bulketl.')}.{code.co_qualname}"))


def main() -> int:
    """Follow the walk and print it; return 1 when it has more rooms or returns than it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walk", description=__doc__.split("\n")[0])
    parser.add_argument("--every", action="store_true", help="count every call, not the first of each function")
    options = parser.parse_args()
    levels = floors()
    walk = Walk(list(levels), every=options.every)
    with throw_away() as servers:
        with servers.connect() as connection, connection.cursor() as cursor:
            for statement in MADE:
                cursor.execute(statement)
        config = bulketl.load_config(None, None, {}, source=servers.database(DATABASE), target=servers.target)
        threading.setprofile(walk.follow)
        sys.setprofile(walk.follow)
        try:
            bulketl.make_plan(config, tables=["patient"])
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return told(walk.steps, levels)


def told(steps: Sequence[tuple[str, str]], levels: dict[str, int]) -> int:
    """Print each entry, on its floor, and both figures; return the exit code."""
    visits: list[tuple[str, list[str]]] = []
    for room, name in steps:
        if not visits or visits[-1][0] != room:
            visits.append((room, []))
        visits[-1][1].append(name)
    rooms = dict.fromkeys(room for room, _ in visits)
    returns = sum(levels[after[0]] > levels[before[0]] for before, after in itertools.pairwise(visits))
    for room, names in visits:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        out.print(f"{'  ' * (max(levels.values()) - levels[room])}{room}: {names[0]}{more}", highlight=False)
    out.print(f"{len(rooms)} rooms, at most {ROOMS}: {', '.join(rooms)}", highlight=False)
    out.print(f"{returns} returns to a higher floor, at most {RETURNS}", highlight=False)
    return int(len(rooms) > ROOMS or returns > RETURNS)


if __name__ == "__main__":
    sys.exit(main())
