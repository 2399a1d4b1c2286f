"""Slack: its web API by a bot's token, with a thread per incident in which people acknowledge, or an incoming webhook.

A thread is known by the identifier of its channel and the time stamp of its first message, with a space in between. The bot
needs the scopes chat:write, reactions:read, and channels:history (of a private channel groups:history); with users:read
who acknowledges is called by name.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

from bulketl.config.channels import Slack
from bulketl.connections.web import Reply, ask
from bulketl.operations.alerts.message import Answer, Message

MOST_TEXT = 3500  # characters: Slack cuts a text of more than 4,000 where it likes
PAGE, MOST_PAGES = 20, 25  # messages of a thread in an answer, and answers that are asked for


def send(settings: Slack, message: Message, thread: str) -> Answer:
    """Post the message: the first of an incident into the channel, the others into its thread, escalations into both."""
    text = _escaped("\n".join(part for part in (message.heading, message.about(MOST_TEXT)) if part))
    if settings.webhook:
        reply = _post(settings.webhook, {"text": text, "mrkdwn": False})
        return Answer(reply.well, f"{reply.status} {reply.text}" if reply.status else reply.text, "", reply.wait_seconds)
    return _said(settings, text, thread, loud=message.kind == "escalated")


def acknowledge(settings: Slack, thread: str, who: str) -> Answer:
    """Say in the thread who has acknowledged elsewhere; there is none of a webhook, nor before a first message."""
    if not thread or settings.token is None:
        return Answer(True, "")
    return _said(settings, _escaped(f"acknowledged by {who}"), thread, loud=False)


def acknowledged(settings: Slack, thread: str) -> list[str]:
    """Return who has put a reaction on a message of the thread, or answered in it, each once, the first first."""
    channel, _, stamp = thread.partition(" ")
    if settings.token is None or not stamp:
        return []
    messages = list(_messages(settings, channel, stamp))
    if not messages:  # a token that may not read the channel may ask for the reactions to the first message
        messages = [_asked(settings, "reactions.get", channel=channel, timestamp=stamp, full="true").get("message") or {}]
    reacted = (user for one in messages for each in one.get("reactions") or () for user in each.get("users") or ())
    wrote = (
        one["user"]
        for one in messages
        if one.get("ts") != stamp and one.get("user") and not one.get("bot_id")  # our own answers are a bot's
    )
    return [_name(settings, str(user)) for user in dict.fromkeys([*reacted, *wrote])]


def _messages(settings: Slack, channel: str, stamp: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of a thread with their reactions, a few at a time: an answer is not read without end."""
    cursor = ""
    for _ in range(MOST_PAGES):
        more = {"cursor": cursor} if cursor else {}
        found = _asked(settings, "conversations.replies", channel=channel, ts=stamp, limit=str(PAGE), **more)
        yield from found.get("messages") or ()
        cursor = str((found.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return


def _name(settings: Slack, user: str) -> str:
    """Return the name of a user, or the identifier where the token may not ask for names."""
    found = _asked(settings, "users.info", user=user).get("user") or {}
    return str(found.get("real_name") or found.get("name") or user)


def _said(settings: Slack, text: str, thread: str, *, loud: bool) -> Answer:
    channel, _, stamp = thread.partition(" ")
    values: dict[str, object] = {
        "channel": channel or settings.channel,
        "text": text,
        "mrkdwn": False,
        "unfurl_links": False,
    }
    if stamp:
        values |= {"thread_ts": stamp, "reply_broadcast": loud}
    reply = _post(f"{settings.api_url}/chat.postMessage", values, settings.token or "")
    found = _document(reply)
    if not found.get("ok"):
        error = found.get("error") or reply.text or "no answer that is known"
        return Answer(False, f"{reply.status} {error}" if reply.status else str(error), "", reply.wait_seconds)
    return Answer(True, f"posted to {found.get('channel')}", thread or f"{found.get('channel')} {found.get('ts')}")


def _post(url: str, values: dict[str, object], token: str = "") -> Reply:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return ask(url, json.dumps(values).encode(), headers)


def _asked(settings: Slack, method: str, **values: str) -> dict[str, Any]:
    """Return what a method of the API answers, {} when it does not answer well."""
    url = f"{settings.api_url}/{method}?{urllib.parse.urlencode(values)}"
    found = _document(ask(url, headers={"Authorization": f"Bearer {settings.token}"}))
    return found if found.get("ok") else {}


def _document(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _escaped(text: str) -> str:
    """Return a text in which nothing calls people or is a link: a name of a table may be anything."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
