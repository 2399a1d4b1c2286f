"""Lines that go wrong at every stage, to either side."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trials.faultyline import HOWS, FaultyLine, How, Order, Seen
from trials.house import House, uri
from trials.trial import Fault, Tried, tried
from trials.ways import WAYS

Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = ("source", "target")


@contextlib.contextmanager
def over_lines(house: House) -> Iterator[dict[Side, FaultyLine]]:
    """Have the commands of a house find both servers over lines."""
    parts = urlsplit(house.lab.server.uri)
    given = {key: str(value) for key, value in conninfo_to_dict(house.lab.target).items() if value}
    lines: dict[Side, FaultyLine] = {
        "source": FaultyLine((parts.hostname or "", parts.port or 3306), "source"),
        "target": FaultyLine(f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}", "target"),
    }
    house.uris = {
        "source": house.lab.server.database(house.lab.database, port=lines["source"].port),
        "target": uri(make_conninfo(house.lab.target, host="127.0.0.1", port=str(lines["target"].port))),
    }
    try:
        house.must("state", "reset", "*", "--yes")  # by another port it is another source
        yield lines
    finally:
        house.uris = {}
        for line in lines.values():
            line.stop()
        house.must("state", "reset", "*", "--yes")


def tries(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Let a line go wrong at each stage, to each side, in each manner, so many times, in one way after another."""
    with over_lines(house) as lines:
        of = {name: _seen(house, lines, name) for name in ways}
        turn = itertools.count()
        for side in SIDES:
            every = sorted({stage for seen in of.values() for stage in seen[side].questions})
            for _ in range(count):
                for how, stage in itertools.product(HOWS, every):
                    having = [name for name in ways if of[name][side].questions[stage]]
                    name = having[next(turn) % len(having)]
                    yield _tried(house, lines[side], side, name, _order(of[name][side], how, stage, dice), dice)


def some(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Let a line go wrong so many times, at any stage, to either side."""
    with over_lines(house) as lines:
        of = {name: _seen(house, lines, name) for name in ways}
        for number in range(count):
            name, side, how = ways[number % len(ways)], SIDES[number // len(ways) % 2], dice.choice(HOWS)
            stage = dice.choice(sorted(of[name][side].questions))
            yield _tried(house, lines[side], side, name, _order(of[name][side], how, stage, dice), dice)


def _order(seen: Seen, how: How, stage: str, dice: random.Random) -> Order:
    """Return an order for any question of a stage, and any byte of its answer."""
    most = seen.bytes[stage]
    return Order(how, stage, dice.randint(1, seen.questions[stage]), dice.randrange(most) if most > 1 else 0)


def _seen(house: House, lines: dict[Side, FaultyLine], name: str) -> dict[Side, Seen]:
    """Return what is said on both lines by a command that nothing disturbs."""
    way = WAYS[name]
    way.prepare(house)
    for line in lines.values():
        line.arm(None)
    done = house.run(*way.words, schema=way.schema)
    assert done.code in (0, 1), done
    seen = {side: line.seen for side, line in lines.items()}
    for line in lines.values():
        line.arm(None)
    assert not way.good(house, done, random.Random(0))
    return seen


def _tried(house: House, line: FaultyLine, side: Side, name: str, order: Order, dice: random.Random) -> Tried:
    @contextlib.contextmanager
    def armed() -> Iterator[None]:
        line.arm(order)
        try:
            yield
        finally:
            struck.append(line.struck)
            line.arm(None)

    struck: list[bool] = []
    fault = Fault(f"line {order.how}", side, armed(), struck=lambda: struck[0])
    done = tried(house, WAYS[name], fault, dice)
    done.stage, done.where = order.stage, f"question {order.number} of {order.stage}, after {order.after} bytes"
    return done
