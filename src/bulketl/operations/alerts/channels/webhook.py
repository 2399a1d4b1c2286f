"""A webhook: any URL that takes a message as JSON."""

from __future__ import annotations

import dataclasses
import json

from bulketl.connections.web import ask
from bulketl.operations.alerts.message import Answer, Message


def send(url: str, message: Message) -> Answer:
    """Post the message; whatever 2xx answers has it."""
    body = json.dumps(dataclasses.asdict(message)).encode()
    reply = ask(url, body, {"Content-Type": "application/json"})
    return Answer(reply.well, f"{reply.status} {reply.text}" if reply.status else reply.text, "", reply.wait_seconds)
