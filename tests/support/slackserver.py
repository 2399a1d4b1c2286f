"""A local Slack: it keeps channels, threads, reactions and people, asks for the token, and answers as the web API does."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from web import Asked, Endpoint, Said, answering

TOKEN, CHANNEL = "xoxb-s3cret", "C024BE91L"


@dataclass
class Slack:
    """What stands in the channel, in order, each message as the API gives it. `failing`: what it answers instead."""

    people: dict[str, str] = field(default_factory=lambda: {"U1": "Jane Doe", "U2": "Ali Ito"})
    messages: list[dict[str, Any]] = field(default_factory=list)
    failing: Said | None = None
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(""))

    def settings(self) -> dict[str, Any]:
        """Return what `slack` is to be under `alerts`."""
        return {"token": TOKEN, "channel": "#nights", "api_url": self.endpoint.url}

    def texts(self) -> list[str]:
        """Return the first line of each message of the bot."""
        return [one["text"].splitlines()[0] for one in self.messages if "bot_id" in one]

    def react(self, user: str, message: int = 0) -> None:
        """Have a person put a reaction on a message, counted from the first."""
        self.messages[message].setdefault("reactions", []).append({"name": "eyes", "users": [user], "count": 1})

    def reply(self, user: str) -> None:
        """Have a person answer in the thread of the first message."""
        self._add({"user": user, "text": "on it", "thread_ts": self.messages[0]["ts"]})

    def _add(self, message: dict[str, Any]) -> str:
        stamp = f"1732669920.{len(self.messages):06}"
        self.messages.append({"ts": stamp, **message})
        return stamp

    def answer(self, asked: Asked) -> Said:
        """Answer a request."""
        if self.failing is not None:
            return self.failing
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth")
        parts = urllib.parse.urlsplit(asked.path)
        given = dict(urllib.parse.parse_qsl(parts.query))
        match parts.path:
            case "/chat.postMessage":
                said = asked.json
                if said["channel"] not in ("#nights", CHANNEL):
                    return _no("channel_not_found")
                kept = {key: said[key] for key in ("text", "thread_ts", "reply_broadcast") if key in said}
                return _yes(channel=CHANNEL, ts=self._add({"user": "UBOT", "bot_id": "B1", **kept}))
            case "/reactions.get":
                found = [one for one in self.messages if one["ts"] == given["timestamp"]]
                return _yes(message=found[0]) if found and given["channel"] == CHANNEL else _no("message_not_found")
            case "/conversations.replies":
                thread = [one for one in self.messages if given["ts"] in (one["ts"], one.get("thread_ts"))]
                size = min(int(given.get("limit", "1000")), 1000)
                start = int(given.get("cursor") or 0)
                following = str(start + size) if len(thread) > start + size else ""
                return _yes(messages=thread[start : start + size], response_metadata={"next_cursor": following})
            case "/users.info":
                user = given["user"]
                return _yes(user={"real_name": self.people[user]}) if user in self.people else _no("user_not_found")
        return _no("unknown_method")


def _yes(**values: object) -> Said:
    return 200, json.dumps({"ok": True, **values})


def _no(error: str) -> Said:
    return 200, json.dumps({"ok": False, "error": error})


@contextlib.contextmanager
def slack_server() -> Iterator[Slack]:
    """Yield a Slack with an empty channel."""
    slack = Slack()
    with answering(slack.answer) as slack.endpoint:
        yield slack
