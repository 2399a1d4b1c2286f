"""The watchdog: it looks from another host whether the tables of the night came, and tells people if they did not.

It only reads the ledger. It keeps in a file of its own who was told and who has acknowledged, by the same machine as all
alerts. A ledger that does not answer is a trouble of its own; tiers of which nothing is known then stay as they were.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.config.watchdog import LATE_AFTER, Watchdog
from bulketl.config.windows import last_window
from bulketl.connections.retrying import patient
from bulketl.errors import TargetError
from bulketl.operations.alerts import sending, spool
from bulketl.operations.alerts.book import Sent
from bulketl.operations.alerts.causes import Cause, Trouble
from bulketl.operations.alerts.machine import Acknowledged, Settled
from bulketl.operations.alerts.policies import policies
from bulketl.operations.alerts.spool import SpoolBook
from bulketl.operations.alerts.tick import apply, poll, sender
from bulketl.postgres.ledger.incidents import Incident, Member
from bulketl.postgres.ledger.news import LastLoad, News, read_news
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief
from bulketl.tables.spec import TIERS, Tier

HINT = "look at the host that loads: whether it is up, its timer runs, and what `bulketl load` says there"
MOST_URGENT = TIERS[0]


@dataclass(frozen=True, slots=True)
class TierNews:
    """When a table of a tier came last, None for never, and by when the next has to have come; `late`: it has not."""

    tier: Tier
    came: dt.datetime | None
    due: dt.datetime | None
    late: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "tier": self.tier, "came": self.came and self.came.isoformat(), "due": self.due and self.due.isoformat(),
            "late": self.late,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watchdog saw of a schema, and what it told.

    `silent`: why the ledger did not answer, '' when it did. `told`: whether there is anybody to tell. `open`: what is not
    over and acknowledged or not, `sent`: the messages with their answers.
    """

    schema: str
    silent: str
    tiers: tuple[TierNews, ...]
    last: LastLoad | None
    told: bool
    open: tuple[Incident, ...] = ()
    sent: tuple[Sent, ...] = ()

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, well=self.well, tiers=len(self.tiers), open=len(self.open))

    @property
    def well(self) -> bool:
        """Whether the ledger answered, and everything that is due has come."""
        return not self.silent and bool(self.tiers) and not any(one.late for one in self.tiers)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        messages = [
            {"incident": one.delivery.key, "channel": one.delivery.channel, "kind": one.delivery.kind,
             "delivered": one.answer.delivered, "answer": one.answer.text}
            for one in self.sent
        ]  # fmt: skip
        last = self.last and {name: str(value or "") for name, value in self.last._asdict().items()}
        return {
            "schema": self.schema, "well": self.well, "silent": self.silent, "last_load": last,
            "tiers": [one.to_json() for one in self.tiers], "open": [spool.plain(one) for one in self.open],
            "messages": messages,
        }  # fmt: skip


def watch_over(config: Config, now: dt.datetime | None = None, *, taken_by: str = "") -> Watched:
    """Look whether everything has come by `now` (aware, or the present), tell people what has not, and return all of it.

    `taken_by`: who acknowledges the open incidents. Without alerts in the configuration, nobody is told. Raise
    ConfigError when the file of earlier looks cannot be written, or when no target is set.
    """
    moment = now or dt.datetime.now(dt.UTC)
    target, schema = Postgres.of(config), config.target_schema
    silent, news = "", News({}, None)
    try:
        news = patient(_news, target, schema)
    except TargetError as error:
        silent = error.public
    tiers = () if silent else tuple(tier_news(config, news, moment))
    if config.alerts is None:
        return Watched(schema, silent, tiers, news.last, False)
    path = spool.place(config)
    book = SpoolBook(path.with_name(f"watchdog-{path.name}"), schema, policies(config))
    if config.alerts.way("silence") != "off":
        apply(book, config, _troubles(config, silent, tiers, news.last, moment), moment)
    for incident in [one for one in book.unresolved() if _over(config, one, silent, tiers)]:
        book.change(incident, Settled(("",), moment), moment)
    if taken_by:
        for incident in book.unresolved():
            book.change(incident, Acknowledged(taken_by), moment)
            threads = book.threads(incident.key)
            told = {name: threads.get(name, "") for name in config.alerts.channels if name in incident.told}
            sending.spread(config.alerts, incident.key, told, taken_by)
    poll(config, book, moment)
    book.tick(moment)
    sent = book.send(sender(config), moment)
    return Watched(schema, silent, tiers, news.last, True, tuple(book.unresolved()), tuple(sent))


def _news(target: Postgres, schema: str) -> News:
    with target.connect() as connection:
        return read_news(connection, schema)


def tier_news(config: Config, news: News, now: dt.datetime) -> Iterator[TierNews]:
    """Yield each tier that is on record or has to come, with when it came and when it is due."""
    own = (config.watchdog or Watchdog()).late_after
    window = last_window(config.windows, now) if config.windows else None
    for tier in [one for one in TIERS if one in news.came or one in own]:
        came = news.came.get(tier)
        if tier in own or config.windows is None:
            due = came and came + own.get(tier, LATE_AFTER)
            yield TierNews(tier, came, due, due is None or due < now)
        elif window is None:
            yield TierNews(tier, came, None, came is None)
        else:
            yield TierNews(tier, came, window[1], came is None or came < window[0])


def _troubles(
    config: Config, silent: str, tiers: Sequence[TierNews], last: LastLoad | None, now: dt.datetime
) -> Iterator[Trouble]:
    """Yield what somebody has to hear of."""
    if silent:
        yield Trouble(_cause(config, "ledger"), "", Member(MOST_URGENT, f"the ledger does not answer: {silent}", HINT, now))
    elif not tiers:
        text = f"no load into schema {config.target_schema!r} is on record"
        yield Trouble(_cause(config, "ledger"), "", Member(MOST_URGENT, text, HINT, now))
    for one in tiers:
        if one.late:
            text = f"no table of tier {one.tier} has come {_since(one)}; {_told(last)}"
            yield Trouble(_cause(config, one.tier), "", Member(one.tier, text, HINT, one.due or now))


def _since(one: TierNews) -> str:
    if one.came is None:
        return "yet"
    due = f", and the next was due {one.due:%Y-%m-%d %H:%M}" if one.due else ""
    return f"since {one.came:%Y-%m-%d %H:%M} UTC{due}"


def _told(last: LastLoad | None) -> str:
    if last is None:
        return "no load is on record"
    ended = f"ended {last.outcome} {last.ended:%Y-%m-%d %H:%M} UTC" if last.ended else "has not ended"
    return f"the last load, {last.run}, began {last.began:%Y-%m-%d %H:%M} UTC and {ended}"


def _place(target: str) -> str:
    return f"{zlib.crc32(target.encode()):08x}"


def _cause(config: Config, what: str) -> Cause:
    occasion = f"watchdog-{_place(Postgres.of(config).identity)}-{what}"
    return Cause(config.target_schema, occasion, "target", "silence")


def _over(config: Config, incident: Incident, silent: str, tiers: Sequence[TierNews]) -> bool:
    """Tell whether an incident is over: the ledger answers, or the tier has come; of what is not known nothing is."""
    if silent:
        return False
    if incident.key == _cause(config, "ledger").key:
        return bool(tiers)
    late = {_cause(config, one.tier).key for one in tiers if one.late}
    return bool(tiers) and incident.key not in late
