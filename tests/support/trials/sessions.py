"""Sessions that somebody ends and servers that crash, at any moment; and moments at which a trial strikes."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import psycopg
import pymysql
from lab import Lab

from trials.house import House
from trials.trial import SESSIONS, THERE, Fault, Tried, tried
from trials.warm import Running
from trials.ways import WAYS

Side = Literal["source", "target"]
LOOK_SECONDS = 0.002


@contextlib.contextmanager
def looking(lab: Lab, side: Side) -> Iterator[Callable[[], list[int]]]:
    """Give what tells the numbers of bulketl's sessions on a side, over one connection."""
    with contextlib.ExitStack() as stack:
        if side == "target":
            target = stack.enter_context(psycopg.connect(lab.target, autocommit=True))
            own = b" AND application_name LIKE 'bulketl%'"
            yield lambda: [row[0] for row in target.execute(SESSIONS.encode() + own).fetchall()]
        else:
            source = stack.enter_context(contextlib.closing(lab.server.connect(lab.database)))

            def of_source() -> list[int]:
                with source.cursor() as cursor:
                    cursor.execute(THERE)
                    return [int(row[0]) for row in cursor.fetchall()]

            yield of_source


def at_a_moment(
    lab: Lab, side: Side, looks: int, act: Callable[[list[int]], Any]
) -> tuple[Callable[[Running], None], list[Any]]:
    """Return what acts once, when a command has been seen on a side that many times or more; and where that is noted."""
    struck: list[Any] = []

    def during(running: Running) -> None:
        with looking(lab, side) as look:
            count = 0
            while not running.over:
                found = look()
                count += bool(found)
                if found and count >= looks:
                    struck.append(act(found))
                    return
                time.sleep(LOOK_SECONDS)

    return during, struck


ENDS: dict[Side, tuple[str, ...]] = {
    "source": ("KILL", "KILL QUERY"),
    "target": ("pg_terminate_backend", "pg_cancel_backend"),
}


def ended(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """End one session of each way at a random moment, so many times on each side and in each manner."""
    for _ in range(count):
        for name in ways:
            for side, manners in ENDS.items():
                for how in manners:

                    def end(found: list[int], side: Side = side, how: str = how) -> None:
                        number = dice.choice(found)
                        if side == "target":
                            house.lab.pg(f"SELECT {how}({number})")
                        else:
                            with contextlib.suppress(pymysql.MySQLError):  # it has just ended
                                house.lab.mysql(f"{how} {number}")

                    during, struck = at_a_moment(house.lab, side, dice.randint(1, 40), end)
                    fault = Fault(how, side, during=during, struck=lambda struck=struck: bool(struck))  # type: ignore[misc]
                    yield tried(house, WAYS[name], fault, dice)


def restarted(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Kill a server at a random moment of each way, and start it again, so many times on each side."""
    servers = house.servers
    both: dict[Side, tuple[Callable[[], None], Callable[[], None]]] = {
        "source": (servers.kill_source, servers.start_source),
        "target": (servers.kill_target, servers.start_target),
    }
    for _ in range(count):
        for name in ways:
            for side, (kill, start) in both.items():

                def crash(_found: list[int], kill: Callable[[], None] = kill, start: Callable[[], None] = start) -> None:
                    kill()
                    start()

                during, struck = at_a_moment(house.lab, side, dice.randint(1, 30), crash)
                fault = Fault("SIGKILL of the server", side, during=during, how={"slow": True},
                              struck=lambda struck=struck: bool(struck))  # type: ignore[misc] # fmt: skip
                yield tried(house, WAYS[name], fault, dice)
