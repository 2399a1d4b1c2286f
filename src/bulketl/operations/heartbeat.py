"""The heartbeat of loads: a URL that is told of each start and end by healthchecks' protocol, so that silence shows.

The service behind the URL tells people when a load did not begin, or began and did not end. This works when this machine
is off. A start goes to URL/start, a load that went well to URL, any other end to URL/fail, each with what bulketl itself
said of the run, and no word of a server. All signals of one load have the same `rid`. A thread sends them; the load waits
for it only at its end, for END_SECONDS at most.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import urllib.parse
import uuid
from collections import Counter, deque
from collections.abc import Iterator

from bulketl.config.channels import ChannelSettings
from bulketl.config.config import Config
from bulketl.connections.web import ask
from bulketl.errors import WRONG_REQUEST, BulketlError, OutsideWindowError
from bulketl.loading.events import (
    Event,
    HookRan,
    Observer,
    RunFinished,
    RunStarted,
    StepRetried,
    TableFailed,
    TableOverdue,
    WorkersChanged,
)
from bulketl.loading.summary import Summary
from bulketl.operations.alerts.message import Answer
from bulketl.operations.alerts.sending import told_of
from bulketl.tables.printable import count_of, in_a_line, minutes_of, shortened

TRIES = 3
SECONDS = 5.0  # for one of them
END_SECONDS = 16.0
MOST_LINES = 200  # of the tail
LONGEST = 500  # characters of a line
_log = logging.getLogger("bulketl")


@contextlib.contextmanager
def beating(config: Config, *, attended: bool = False) -> Iterator[Observer]:
    """Give an observer for `bulketl.load` that reports the load in the block to the heartbeat of the configuration.

    Without a heartbeat, it reports nothing. `attended`: somebody sees errors in the request, so these do not count as
    failures. Neither this function nor the observer ever fails or slows the load.
    """
    url = config.alerts.heartbeat if config.alerts else None
    if url is None:
        yield lambda _event: None
        return
    heart = Heart(url, config)
    try:
        yield heart.note
    except OutsideWindowError:
        raise
    except BulketlError as error:
        if not (attended and error.exit_code == WRONG_REQUEST):
            heart.end(f"{type(error).__name__}: {error.public}")
        raise
    except KeyboardInterrupt:
        heart.end("interrupted")
        raise
    except Exception as error:
        heart.end(f"a mistake in bulketl: {type(error).__name__}")
        raise
    else:
        heart.end("")
    finally:
        heart.rest()


def try_heartbeat(alerts: ChannelSettings, text: str) -> Answer:
    """Have the heartbeat note a text, which is neither a start nor an end of a load; return what it answered."""
    reply = ask(_address(alerts.heartbeat or "", "log", str(uuid.uuid4())), text.encode(), seconds=SECONDS)
    return Answer(reply.well, told_of(alerts, f"{reply.status} {reply.text}" if reply.status else reply.text))


class Heart:
    """What is sent of a load, and the thread that sends it."""

    def __init__(self, url: str, config: Config) -> None:
        self._url, self._config = url, config
        self._rid = str(uuid.uuid4())
        self._summary = Summary()
        self._tail = deque[str](maxlen=MOST_LINES)
        self._finished = False
        self._to_send: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._send, name="bulketl-heartbeat", daemon=True)
        self._thread.start()

    def note(self, event: Event) -> None:
        """Take an event; this waits for nothing."""
        self._summary.add(event)
        if line := _line(event):
            self._tail.append(shortened(in_a_line(line), LONGEST))
        if isinstance(event, RunStarted):
            self._to_send.put(("start", self._text()))
        self._finished |= isinstance(event, RunFinished)

    def end(self, error: str) -> None:
        """Say how the load ended: for that error, or with what became of its tables; nothing when there was no load."""
        if not (error or self._summary.run):
            return
        if error:
            self._tail.append(shortened(in_a_line(error), LONGEST))
        if self._finished:
            self._tail.append(_outcome(self._summary))
        self._to_send.put(("fail" if error or not self._well() else "", self._text()))

    def rest(self) -> None:
        """Wait until all is sent, for END_SECONDS at most."""
        self._to_send.put(None)
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            _log.warning("heartbeat: it does not answer")

    def _well(self) -> bool:
        """Tell whether the load went well enough: tables that failed are of tiers that only warn."""
        blocking = any(self._config.blocks(table.tier) for table in self._summary.failed)  # type: ignore[arg-type]
        return self._finished and not blocking and self._summary.outcome in ("done", "partly done")

    def _text(self) -> str:
        return "".join(f"{line}\n" for line in self._tail)

    def _send(self) -> None:
        while (what := self._to_send.get()) is not None:
            signal, text = what
            for n in range(TRIES):
                reply = ask(_address(self._url, signal, self._rid), text.encode("utf-8", "replace"), seconds=SECONDS)
                if reply.well:
                    break
                if n == TRIES - 1 or 400 <= reply.status < 500:
                    said = f"{reply.status or 'no answer'}"
                    _log.warning("heartbeat: %s was not taken: %s", signal or "success", said)
                    break


def _address(url: str, signal: str, rid: str) -> str:
    """Return where a signal goes: the URL with it at the end of its path, and which load it is of."""
    parts = urllib.parse.urlsplit(url)
    path = f"{parts.path.rstrip('/')}{f'/{signal}' if signal else ''}"
    query = "&".join(filter(None, (parts.query, f"rid={rid}")))
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _line(event: Event) -> str:
    """Return what bulketl itself says of an event that a person should know; '' of others."""
    match event:
        case RunStarted():
            return f"run {event.run}: {count_of(len(event.tables), 'table')} from {event.source} into schema {event.schema}"
        case TableFailed():
            return f"failed {event.table}: {event.public or event.kind}"
        case StepRetried():
            return f"again {', '.join(event.tables[:5])}: {event.public}"
        case WorkersChanged():
            return f"{count_of(event.workers, 'step')} at a time from now on: {event.why}"
        case TableOverdue():
            return f"late {event.table}: longer than {minutes_of(event.seconds)}"
        case HookRan() if event.code != 0:
            return f"hook {event.hook}: {event.public} at {event.on}"
    return ""


def _outcome(summary: Summary) -> str:
    counts = Counter(table.outcome for table in summary.tables.values())
    said = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    rows = count_of(int(summary.totals["rows"]), "row")
    return f"{summary.outcome}: {said or 'no table'}; {rows} in {summary.seconds:.1f} s"
