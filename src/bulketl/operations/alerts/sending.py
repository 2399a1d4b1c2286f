"""Sending a message by a channel, and asking it who has acknowledged: neither raises, waits long, or shows a secret."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from bulketl.config.channels import Channel, ChannelSettings
from bulketl.connections.limited import within
from bulketl.operations.alerts.channels import command, mail, others, pagerduty, slack, webhook
from bulketl.operations.alerts.message import Answer, Message
from bulketl.tables.printable import in_a_line, shortened

SECONDS = 30.0  # for a channel, all it has to ask taken together
ASK_SECONDS = 5.0  # for all channels that are asked who has acknowledged: others wait to be told meanwhile
SLOW_SECONDS = 5.0  # after which a channel that did not take a message is not asked again in the same tick
LONGEST = 300  # characters of an answer


def send(alerts: ChannelSettings, channel: Channel, message: Message, thread: str = "") -> Answer:
    """Send a message by a channel; `thread` is what an earlier message of the incident answered there, or ''."""
    try:
        answer = within(SECONDS, lambda: _sent(alerts, channel, _in_lines(message), thread))
    except TimeoutError:
        answer = Answer(False, f"no answer within {SECONDS:g} s")
    except Exception as error:  # of a library, or an answer that is not what the other side documents
        answer = Answer(False, f"failed: {type(error).__name__}")
    return dataclasses.replace(answer, text=_told(alerts, answer), thread=answer.thread or thread)


def acknowledged(
    alerts: ChannelSettings, asked: Sequence[tuple[Channel, str, str]], seconds: float = ASK_SECONDS
) -> list[list[str]]:
    """Return who has acknowledged incidents, each in a channel with its thread there; all are asked at once.

    Nobody is, where nobody can tell or the other side does not answer within so many seconds: the next tick asks again.
    """
    found: list[list[str]] = [[] for _ in asked]

    def look(n: int, channel: Channel, incident: str, thread: str) -> None:
        with contextlib.suppress(Exception):
            found[n] = within(seconds, lambda: _acknowledged(alerts, channel, incident, thread))

    asking = [threading.Thread(target=look, args=(n, *one), daemon=True) for n, one in enumerate(asked)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    return [[shortened(in_a_line(who), LONGEST) for who in people] for people in found]


def acknowledge(alerts: ChannelSettings, channel: Channel, incident: str, thread: str, who: str) -> Answer:
    """Tell a channel that `who` has acknowledged elsewhere; there is nothing to tell where Answer.text is ''."""
    try:
        answer = within(SECONDS, lambda: _acknowledge(alerts, channel, incident, thread, who))
    except TimeoutError:
        answer = Answer(False, f"no answer within {SECONDS:g} s")
    except Exception as error:
        answer = Answer(False, f"failed: {type(error).__name__}")
    return dataclasses.replace(answer, text=_told(alerts, answer), thread=answer.thread or thread)


def sender(alerts: ChannelSettings) -> Callable[[Channel, Message, str], Answer]:
    """Return what sends the messages of one tick. A channel that hangs at one of them is left alone with the others."""
    hanging: set[Channel] = set()

    def sent(channel: Channel, message: Message, thread: str) -> Answer:
        if channel in hanging:
            return Answer(False, "not asked, since it did not answer a moment ago")
        began = time.monotonic()
        answer = send(alerts, channel, message, thread)
        if not answer.delivered and time.monotonic() - began > SLOW_SECONDS:
            hanging.add(channel)
        return answer

    return sent


def spread(alerts: ChannelSettings, incident: str, threads: Mapping[Channel, str], who: str) -> None:
    """Tell channels, each with its thread, that `who` has acknowledged elsewhere; all at once, and what fails is left."""
    telling = [
        threading.Thread(target=acknowledge, args=(alerts, channel, incident, thread, who), daemon=True)
        for channel, thread in threads.items()
    ]
    for one in telling:
        one.start()
    for one in telling:
        one.join()


def _sent(alerts: ChannelSettings, channel: Channel, message: Message, thread: str) -> Answer:
    if channel not in alerts.channels:
        return Answer(False, f"{channel} is not set under alerts")
    match channel:
        case "pagerduty" if alerts.pagerduty:
            return pagerduty.send(alerts.pagerduty, message)
        case "slack" if alerts.slack:
            return slack.send(alerts.slack, message, thread)
        case "email":
            return mail.send(alerts, message, thread)
        case "webhook" if alerts.webhook:
            return webhook.send(alerts.webhook, message)
        case "command":
            return command.send(alerts.command, message)
        case _:
            return others.send(alerts.apprise, message)


def _acknowledged(alerts: ChannelSettings, channel: Channel, incident: str, thread: str) -> list[str]:
    if channel == "pagerduty" and alerts.pagerduty:
        return pagerduty.acknowledged(alerts.pagerduty, incident)
    if channel == "slack" and alerts.slack:
        return slack.acknowledged(alerts.slack, thread)
    return []


def _acknowledge(alerts: ChannelSettings, channel: Channel, incident: str, thread: str, who: str) -> Answer:
    if channel == "pagerduty" and alerts.pagerduty:
        return pagerduty.acknowledge(alerts.pagerduty, incident)
    if channel == "slack" and alerts.slack:
        return slack.acknowledge(alerts.slack, thread, who)
    return Answer(True, "")


def _in_lines(message: Message) -> Message:
    """Return the message with a picture for whatever would end a line or act on a terminal: a name may be anything."""
    return dataclasses.replace(message, title=in_a_line(message.title), lines=tuple(map(in_a_line, message.lines)))


def _told(alerts: ChannelSettings, answer: Answer) -> str:
    """Return what was answered in a line, and how long to wait when the other side says so."""
    text = told_of(alerts, answer.text)
    return f"{text}; asks to wait {answer.wait_seconds:g} s" if answer.wait_seconds else text


def told_of(alerts: ChannelSettings, text: str) -> str:
    """Return what another side said in a line, without what is secret."""
    for secret in alerts.secrets:
        text = text.replace(secret, "…")
    return shortened(in_a_line(" ".join(text.split())), LONGEST)
