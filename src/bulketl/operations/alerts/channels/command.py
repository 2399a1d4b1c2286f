"""A command: any program, which reads the message as text, and the parts of it in its environment."""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.connections.commands import carry_out
from bulketl.operations.alerts.message import Answer, Message

SECONDS = 20.0
MOST_TEXT = 200_000  # characters


def send(words: Sequence[str], message: Message) -> Answer:
    """Run the command with the message; whoever exits with 0 has it."""
    text = "".join(f"{part}\n" for part in (message.heading, message.about(MOST_TEXT)) if part)
    environ = {
        "BULKETL_ALERT_KIND": message.kind,
        "BULKETL_ALERT_INCIDENT": message.incident,
        "BULKETL_ALERT_TIER": message.tier,
        "BULKETL_ALERT_TITLE": message.title,
        "BULKETL_ALERT_RUNBOOK": message.runbook,
    }
    ran = carry_out(words, text, SECONDS, environ)
    return Answer(ran.code == 0, f"{ran.how}: {ran.last}" if ran.last else ran.how)
