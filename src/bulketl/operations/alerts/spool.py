"""Incidents in a file, for as long as the target is down: the alert that matters most cannot wait for the ledger.

One file per target and schema, locked while it is used, and written whole or not at all. The next look at a target that
answers takes it over into the ledger.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import json
import logging
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.operations.alerts.book import Policies, Send, Sent, after, of_day, of_incident, send_all
from bulketl.operations.alerts.machine import Event, Ticked, advance
from bulketl.postgres.ledger.incidents import Delivery, Incident, Member
from bulketl.postgres.server import Postgres

_log = logging.getLogger("bulketl")
_TIMES = ("opened", "escalates", "acknowledged_until", "resolved", "due", "delivered", "dropped")


@dataclass(slots=True)
class Pages:
    """What is in the file: incidents by their keys, and messages."""

    incidents: dict[str, Incident]
    deliveries: list[Delivery]


def place(config: Config) -> Path:
    """Return the file of a target and schema, in the folder that the configuration names, or in the user's own.

    Where it cannot be written it is in the temporary folder: what is to be told has to be kept somewhere.
    """
    target, schema = Postgres.of(config).identity, config.target_schema
    named = config.alerts.spool if config.alerts else None
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "bulketl" / "alerts"
    folder = _writable(Path(named) if named else home)
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", schema)
    return folder / f"{plain}-{zlib.crc32(f'{target} {schema}'.encode()):08x}.json"


def _writable(folder: Path) -> Path:
    """Return the folder, or one of this user's in the temporary folder where it cannot be written to."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    other = Path(tempfile.gettempdir()) / f"bulketl-alerts-{os.getuid()}"
    with contextlib.suppress(OSError):
        other.mkdir(mode=0o700, exist_ok=True)
        if other.stat().st_uid == os.getuid():  # else it is somebody's trap
            _log.warning("alerts: %s cannot be written to; what cannot be told yet is kept in %s", folder, other)
            return other
    return folder


@dataclass(frozen=True, slots=True)
class SpoolBook:
    """The incidents of a schema in a file. Every method raises ConfigError when its folder cannot be written to."""

    path: Path
    schema: str
    policies: Policies

    def change(self, blank: Incident, event: Event, now: dt.datetime) -> None:
        """Have an incident, new or known by its key, hear of an event."""
        with self.held() as pages:
            self._change(pages, pages.incidents.get(blank.key, blank), event, now)

    def unresolved(self) -> list[Incident]:
        """Return the incidents that are not resolved; none where there is no file."""
        if not self.path.exists():
            return []
        with self.held() as pages:
            return [one for one in pages.incidents.values() if one.status != "resolved"]

    def tick(self, now: dt.datetime) -> None:
        """Have every incident hear of the time."""
        if self.path.exists():
            with self.held() as pages:
                for incident in list(pages.incidents.values()):
                    self._change(pages, incident, Ticked(), now)

    def all(self) -> list[Incident]:
        """Return every incident, the newest first."""
        if not self.path.exists():
            return []
        with self.held() as pages:
            return list(reversed(pages.incidents.values()))

    def search(self, names: Sequence[str]) -> list[Incident]:
        """Return the incidents with these keys."""
        return [one for one in self.all() if one.key in names]

    def deliveries(self, keys: Sequence[str]) -> list[Delivery]:
        """Return every message of these incidents, the first first."""
        if not self.path.exists():
            return []
        with self.held() as pages:
            return [one for one in pages.deliveries if one.key in keys]

    def threads(self, key: str) -> dict[str, str]:
        """Return the thread of an incident at each channel that has one."""
        with self.held() as pages:
            return _threads(pages, key)

    def _change(self, pages: Pages, incident: Incident, event: Event, now: dt.datetime) -> None:
        changed, effects = advance(incident, event, now, self.policies)
        pages.incidents[changed.key] = changed
        for n, one in enumerate(pages.deliveries):
            if one.key == changed.key and one.delivered is None and one.dropped is None:
                if effects.hush:
                    pages.deliveries[n] = dataclasses.replace(one, dropped=now)
                elif effects.hasten and not one.daily and not one.attempts and one.due > effects.hasten:
                    pages.deliveries[n] = dataclasses.replace(one, due=effects.hasten)
        for order in effects.orders:
            for channel in order.channels:
                number = len(pages.deliveries) + 1
                pages.deliveries.append(Delivery(number, changed.key, channel, order.kind, order.due, order.daily))

    def send(self, send: Send, now: dt.datetime) -> Sequence[Sent]:
        """Send what is due; return what came of it."""
        if not self.path.exists():
            return []
        with self.held() as pages:
            waiting = [one for one in pages.deliveries if one.delivered is None and one.dropped is None and one.due <= now]
            found = []
            for incident in pages.incidents.values():
                due = [one for one in waiting if one.key == incident.key and not one.daily]
                found += of_incident(incident, due, _threads(pages, incident.key))
            sent = send_all(send, found)
            mails = of_day(self.schema, [(one, pages.incidents[one.key]) for one in waiting if one.daily], now)
            answers = send_all(send, [(parts[0], message, "") for message, parts in mails.values()])
            for one, (_, parts) in zip(answers, mails.values(), strict=True):
                sent += [Sent(part, one.answer) for part in parts]
            for one in sent:
                pages.deliveries[one.delivery.number - 1] = _answered(one, now)
                incident = pages.incidents[one.delivery.key]
                pages.incidents[incident.key] = after(incident, [one], now, self.policies)
            return sent

    @contextlib.contextmanager
    def held(self) -> Iterator[Pages]:
        """Give what is in the file while nobody else has it, and write it back, or take it away when it is empty."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                pages = _read(self.path)
                yield pages
                _write(self.path, pages)
        except OSError as error:
            raise ConfigError(
                f"alerts cannot be kept in {self.path.parent}: {error.strerror or error}",
                hint="let bulketl's user write there, or name another folder under alerts: {spool: …}",
                said=error.strerror or str(error),
            ) from error


def _threads(pages: Pages, key: str) -> dict[str, str]:
    return {one.channel: one.thread for one in reversed(pages.deliveries) if one.key == key and one.thread}


def _answered(one: Sent, now: dt.datetime) -> Delivery:
    done, answer = one.delivery, one.answer
    return dataclasses.replace(
        done,
        attempts=done.attempts + 1,
        answer=answer.text,
        delivered=now if answer.delivered else None,
        due=done.due if answer.delivered else now + dt.timedelta(seconds=one.again),
        thread="" if done.daily else answer.thread,
    )


def _read(path: Path) -> Pages:
    """Return what is in the file; one that cannot be read is put aside, for what comes now has to be told."""
    if not path.exists():
        return Pages({}, [])
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        incidents = [_incident(one) for one in document["incidents"]]
        return Pages({one.key: one for one in incidents}, [Delivery(**_timed(one)) for one in document["deliveries"]])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # whatever is in there instead
        other = path.with_suffix(".unreadable")
        path.replace(other)
        _log.warning("alerts: %s cannot be read, and is %s now: what it kept is not told again", path, other.name)
        return Pages({}, [])


def _incident(found: dict[str, Any]) -> Incident:
    values = _timed(found)
    members = {name: Member.from_json(one) for name, one in values.pop("members").items()}
    told, heard = tuple(values.pop("told")), tuple(values.pop("heard"))
    return Incident(**values, told=told, heard=heard, members=members)


def _timed(found: dict[str, Any]) -> dict[str, Any]:
    return {name: dt.datetime.fromisoformat(one) if name in _TIMES and one else one for name, one in found.items()}


def _write(path: Path, pages: Pages) -> None:
    if not pages.incidents:
        path.unlink(missing_ok=True)
        return
    document = {
        "incidents": [plain(one) for one in pages.incidents.values()],
        "deliveries": [plain(one) for one in pages.deliveries],
    }
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".new")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def plain(value: Incident | Delivery) -> dict[str, Any]:
    """Return an incident or a message as JSON has it."""
    found = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, Incident):
        found["members"] = {name: one.to_json() for name, one in value.members.items()}
    return {name: one.isoformat() if isinstance(one, dt.datetime) else one for name, one in found.items()}
