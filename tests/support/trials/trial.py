"""One trial: a way of using bulketl, a fault meanwhile, and everything that is asked afterwards."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from waiting import PAUSE

from trials.house import House
from trials.warm import HUNG_SECONDS, Ended, Running
from trials.ways import Images, Way

STAYS_SECONDS = 20.0  # for sessions that were cut off, until their servers have noticed
SESSIONS = (
    "SELECT pid, state, application_name, left(query, 80) FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
LOCKS = (
    "SELECT l.locktype, l.mode, l.pid FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
    " WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()"
    " AND a.backend_type = 'client backend'"
)
THERE = "SELECT id, command, state, info FROM information_schema.PROCESSLIST WHERE db = DATABASE() AND id <> CONNECTION_ID()"
OPEN = "SELECT run, kind FROM bulketl.run WHERE finished_at IS NULL"
GOES_ON = "SELECT run FROM bulketl.run WHERE finished_at IS NULL OR outcome IN ('interrupted', 'stopped')"


@dataclass(slots=True)
class Tried:
    """What became of a trial. `wrong`: every promise that was not kept."""

    fault: str
    side: str
    way: str
    code: int = 0
    seconds: float = 0.0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    words: str = ""
    where: str = ""
    stage: str = ""
    struck: bool = True

    @property
    def survived(self) -> bool:
        """Tell whether all promises were kept."""
        return not (self.wrong or self.lost)


@dataclass(slots=True)
class Fault:
    """What goes wrong. `around` is entered before the command begins and left once it has ended; `during` happens meanwhile.

    `between`: asked instead of what the way asks, where rows change meanwhile. `codes`: how the command may end; `how`: what
    Warm.start is told; `struck`: whether it happened at all; `seconds`: after which the command hangs.
    """

    name: str
    side: str
    around: AbstractContextManager[Any] = field(default_factory=nullcontext)
    during: Callable[[Running], None] = lambda _running: None
    between: Callable[[Images, Ended], list[str]] | None = None
    struck: Callable[[], bool] = lambda: True
    codes: tuple[int, ...] = (0, 1, 2, 3)
    how: dict[str, Any] = field(default_factory=dict)
    seconds: float = HUNG_SECONDS


def tried(house: House, way: Way, fault: Fault, dice: random.Random) -> Tried:
    """Carry out one trial."""
    result = Tried(fault.name, fault.side, way.name)
    way.prepare(house)
    before = house.images(way.tables, way.schema)
    words = house.words(*way.words, schema=way.schema)
    with fault.around:
        running = house.warm.start(words, house.environ, **fault.how)
        fault.during(running)
        done = running.wait(fault.seconds)
    result.code, result.seconds, result.struck = done.code, done.seconds, fault.struck()
    result.words = said(done)
    if done.hung:
        result.wrong.append(f"it hung: {done.err[-600:]}")
    elif done.code not in fault.codes:
        result.wrong.append(f"it ended with {done.code}: {done.out[-600:]} {done.err[-1500:]}")
    result.wrong += unclear(done)
    result.wrong += stays(house, running)
    result.wrong += fault.between(before, done) if fault.between else way.between(house, before, done)
    result.wrong += way.good(house, done, dice)
    result.lost, messages = house.lost(way.tables, way.schema)
    result.wrong += messages[:5]
    if left := house.lab.staged():
        result.wrong.append(f"staging tables are left after the next run: {left}")
    if runs := house.lab.pg(OPEN):
        result.wrong.append(f"runs are open after the next one: {runs}")
    if way.name == "audit" and (chain := house.run("audit", "verify", "--json")).code:
        result.wrong.append(f"the audit chain does not hold: {chain.out[-400:]}")
    return result


def stays(house: House, running: Running) -> list[str]:
    """Return what is left of a command that has ended."""
    looks: dict[str, Callable[[], list[Any]]] = {
        "sessions at the target": partial(house.lab.pg, SESSIONS),
        "locks": partial(house.lab.pg, LOCKS),
        "sessions at the source": partial(house.lab.mysql, THERE),
    }
    wrong = [f"{what} are left: {found[:3]}" for what, look in looks.items() if (found := _left(look))]
    if files := [str(path) for path in running.temporary.rglob("*")]:
        wrong.append(f"files are left: {files}")
    if (left := house.lab.staged()) and not house.lab.pg(GOES_ON):
        wrong.append(f"staging tables are left of no run that goes on: {left}")
    return wrong


def _left(look: Callable[[], list[Any]]) -> list[Any]:
    """Return what is still there after some seconds."""
    end = time.monotonic() + STAYS_SECONDS
    while (found := look()) and time.monotonic() < end:
        time.sleep(PAUSE)
    return found


# connectorx's pool prints this itself where no thread can be started; what became of the table is told as ever.
NO_THREAD = re.compile(r"panicked at \S+/scheduled-thread-pool-[^\n]+\n[^\n]+Resource temporarily unavailable")


def unclear(done: Ended) -> list[str]:
    """Return what is wrong with the words in which a command says that it failed: object, reason, and what to do."""
    own = NO_THREAD.sub("", done.err)
    if "Traceback (most recent call last)" in own or "panicked at" in own:
        return [f"it shows a traceback: {done.err[-1500:]}"]
    if done.code <= 0 or done.hung:
        return []
    told = done.told()
    if not isinstance(told, dict):
        return [f"it ended with {done.code} and no document: {done.out[-300:]} {done.err[-300:]}"]
    found = _failures(told)
    if not found and told.get("equal") is False:  # a verification that found something is no failure
        return []
    if not found:
        return [f"it ended with {done.code} and names no failure: {done.out[-800:]}"]
    return [f"{error}: names nothing, or says nothing to do" for error in found if not _clear(error)]


def _failures(told: Any) -> list[dict[str, Any]]:
    """Return each error in a document: whatever has a message."""
    if isinstance(told, list):
        return [one for item in told for one in _failures(item)]
    if not isinstance(told, dict):
        return []
    own = [told] if told.get("message") else []
    return own + [one for item in told.values() for one in _failures(item)]


def _clear(error: dict[str, Any]) -> bool:
    objects = r"table|source|target|run|schema|server|column|postgresql:|mysql:"
    return bool(re.search(objects, str(error["message"]))) and bool(error.get("hint"))


def said(done: Ended) -> str:
    """Return the first failure in a few words."""
    found = _failures(done.told())
    return str(found[0]["message"])[:160] if found else ""
