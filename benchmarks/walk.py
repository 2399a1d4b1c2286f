"""The walk of a plan: which rooms `make_plan` of one table enters, in order, and how often it climbs back to a higher floor.

    python -m benchmarks.walk [--every]

It is the walk of a reader who follows the program call by call on throw-away servers, and reads each function once, when it
is called first. He *enters* a room with the first such function of it after one of another room; he *returns to a higher
floor* when the next function stands on a higher floor than the last one. Every function and property of bulketl counts, also
of `tables` and `errors`, in every thread; libraries, generated code and comprehensions do not, as there is no line to read.

Two figures are told. A *look-up* is a return from the floors of values (`config | rows` and below) into the very room that
the reader came down from, or from one value to another: he opened a value and reads on where he was. The others are
*climbs*, which lead somewhere else; the limit is for these. Rooms count on whichever floor they are.

The configuration is read before, and the source has one table, new to an empty target: no state, no cursor, nothing to
compare. `--every` follows every call instead of the first of each function: what the machine walks. The floors are the
layers of `pyproject.toml`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import bulketl
from benchmarks.servers import out, throw_away

ROOMS, CLIMBS = 7, 5  # at most
HIGHEST_OF_VALUES = "config"
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
        make_plan = bulketl.make_plan  # whose modules are imported here, and are no part of the walk
        threading.setprofile(walk.follow)
        sys.setprofile(walk.follow)
        try:
            make_plan(config)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return told(walk.steps, levels)


def climbs(visits: Sequence[str], levels: Mapping[str, int]) -> int:
    """Return how many returns to a higher floor there are beside look-ups."""
    found = 0
    way: list[str] = []  # the room that acts, and the values below it that are open
    for room in visits:
        values = levels[room] <= levels[HIGHEST_OF_VALUES]
        if way and levels[room] > levels[way[-1]] and not values:
            found += room not in way
        way = [*(open_ for open_ in way if levels[open_] > levels[room]), room] if values else [room]
    return found


def told(steps: Sequence[tuple[str, str]], levels: Mapping[str, int]) -> int:
    """Print each entry, on its floor, and the figures; return the exit code."""
    visits = [(room, [name for _, name in names]) for room, names in itertools.groupby(steps, key=lambda step: step[0])]
    walked = [room for room, _ in visits]
    rooms = list(dict.fromkeys(walked))
    returns = sum(levels[after] > levels[before] for before, after in itertools.pairwise(walked))
    found = climbs(walked, levels)
    for room, names in visits:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        out.print(f"{'  ' * (max(levels.values()) - levels[room])}{room}: {names[0]}{more}", highlight=False)
    out.print(f"{len(rooms)} rooms, at most {ROOMS}: {', '.join(rooms)}", highlight=False)
    out.print(
        f"{returns} returns to a higher floor: {returns - found} look-ups and {found} climbs, of these at most {CLIMBS}",
        highlight=False,
    )
    return int(len(rooms) > ROOMS or found > CLIMBS)


if __name__ == "__main__":
    sys.exit(main())
