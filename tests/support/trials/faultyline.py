"""A line to a server that goes wrong at a stage of what is said over it: cut, reset, stalled, slow, or cut in mid-packet."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from lines import GOODBYES, Line, Session

How = Literal["cut", "reset", "stalled", "trickling", "truncated", "gone"]
HOWS: tuple[How, ...] = ("cut", "reset", "stalled", "trickling", "truncated", "gone")
SLOW_BYTES, SLOW_SECONDS = 300, 0.006  # together longer than `stall_seconds` of the trials, and yet not stalled
NO_LINGER = struct.pack("ii", 1, 0)
# What a question is about, by the first that fits.
SOURCE_STAGES = (
    ("catalogue", rb"information_schema|SHOW "),
    ("locking", rb"LOCK TABLES|GET_LOCK|RELEASE_LOCK|UNLOCK"),
    ("counting", rb"COUNT\(|MIN\(|MAX\("),
    ("session", rb"SET |@@|VERSION\(\)|CONNECTION_ID|KILL"),
    ("reading", rb"SELECT"),
)
TARGET_STAGES = (
    ("COPY", rb"COPY "),
    ("publish", rb"ALTER TABLE|TRUNCATE|MERGE INTO|RENAME|DROP TABLE|DELETE FROM"),
    ("ledger", rb"(INSERT INTO|UPDATE) \"?bulketl\"?\."),
    ("commit", rb"COMMIT"),
    ("counting", rb"count\("),
    ("catalogue", rb"pg_class|pg_attribute|pg_namespace|to_regclass|pg_index"),
    ("staging", rb"CREATE "),
    ("locking", rb"advisory"),
    ("session", rb"SET |set_config|BEGIN|SHOW "),
    ("plan", rb"SELECT"),
)


@dataclass(slots=True)
class Order:
    """What is to go wrong: from the `number`-th question of a stage, after so many bytes of an answer or of rows."""

    how: How
    stage: str
    number: int = 1
    after: int = 0


@dataclass(slots=True, eq=False)
class _Talk:
    """What is known of a session: the stage of its last question, and the bytes since."""

    stage: str = "connect"
    since: int = 0
    questions: int = 0
    armed: bool = False


@dataclass(slots=True)
class Seen:
    """How many questions of each stage there were, and the most bytes that one of them had after it."""

    questions: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)


class FaultyLine(Line):
    """A line over which one order is carried out, or none: then what it passes on is seen."""

    def __init__(self, address: tuple[str, int] | str, kind: Literal["source", "target"]) -> None:
        """Begin to relay."""
        self.order: Order | None = None
        self.seen, self.struck = Seen(), False
        self._kind, self._talks = kind, dict[int, _Talk]()
        self._stages = [(name, re.compile(pattern, re.DOTALL))
                        for name, pattern in (SOURCE_STAGES if kind == "source" else TARGET_STAGES)]  # fmt: skip
        self._found = 0
        self._held: list[Session] = []
        super().__init__(address)

    def arm(self, order: Order | None) -> None:
        """Let the next trial begin: connections of the last one are shut."""
        with self._lock:
            self.order, self.struck, self._found, self.seen = order, False, 0, Seen()
            left, self._held = self._held, []
        for session in left:
            for end in (session.front, session.back):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
                self._open.remove(end)

    def opened(self, session: Session) -> None:
        """Take note of a connection: the first answer of MySQL has no question."""
        with self._lock:
            self._held.append(session)
            talk = self._talks[id(session)] = _Talk()
            self._at(talk)
        if self.order and self.order.how == "gone" and self.struck:
            session.cut = True

    def pieces(self, session: Session, answers: bool, data: bytes) -> Iterator[bytes]:
        """Pass bytes on, but for those of the question that the order is about."""
        with self._lock:
            talk = self._talks[id(session)]
            if not answers:
                self._asked(talk, session, data)
            session.asked = not answers
            counted = talk.stage == "COPY rows" if not answers else talk.stage != "COPY rows"
            before, talk.since = talk.since, talk.since + len(data) * counted
            self.seen.bytes[talk.stage] = max(self.seen.bytes[talk.stage], talk.since)
            order = self.order
            strikes = bool(order and not self.struck and talk.armed and counted and talk.since > order.after)
            if strikes:
                self.struck, talk.armed, self.faults = True, False, self.faults + 1
        gone = order is not None and order.how == "gone" and self.struck
        if not (order and (strikes or gone)):
            yield data
            return
        yield from self._struck(order, session, data, max(0, order.after - before) if strikes else 0)

    def _struck(self, order: Order, session: Session, data: bytes, part: int) -> Iterator[bytes]:
        if order.how == "trickling":
            for at in range(min(len(data), SLOW_BYTES)):
                yield data[at : at + 1]
                time.sleep(SLOW_SECONDS)
            yield data[SLOW_BYTES:]
        elif order.how == "stalled":
            yield data[:part]
            session.held.set()
        else:
            if order.how == "truncated":
                yield data[: max(part, len(data) // 2)]
            session.cut = True
            if order.how == "reset":
                for end in (session.front, session.back):
                    with contextlib.suppress(OSError):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                        end.shutdown(socket.SHUT_RD)
                        end.close()

    def _asked(self, talk: _Talk, session: Session, data: bytes) -> None:
        """Take note of what a client sends: a question, or rows of a COPY."""
        if data in GOODBYES or (session.asked and talk.stage not in ("COPY", "COPY rows")):
            return  # the rest of what it sent before
        if talk.stage in ("COPY", "COPY rows") and data[:1] == b"d":
            if talk.stage == "COPY":
                talk.stage, talk.since = "COPY rows", 0
                self._at(talk)
            return
        if talk.stage == "COPY rows" and session.asked and data[:1] not in b"QPX":
            return
        talk.questions += 1
        talk.stage, talk.since = self._stage(talk, data), 0
        self._at(talk)

    def _stage(self, talk: _Talk, data: bytes) -> str:
        if talk.questions == 1:
            return "handshake"
        if self._kind == "source" and data[4:5] == b"\x17":  # of what was prepared last
            return talk.stage
        return next((name for name, pattern in self._stages if pattern.search(data)), "other")

    def _at(self, talk: _Talk) -> None:
        self.seen.questions[talk.stage] += 1
        order = self.order
        if order and not self.struck and talk.stage == order.stage:
            self._found += 1
            talk.armed = self._found >= order.number  # or at one of those after it, whose answer is as long
