"""Values that the ledger keeps as JSON or text for people to read, as the encoding of the database can hold them."""

from __future__ import annotations

import json
from typing import Any

from bulketl.postgres.ledger.escapes import holds, throughout, writable
from bulketl.postgres.server import Connection

_NUL = "\\u0000"  # as JSON writes it; a backslash before these letters looks like it, and is looked at closely


def written(connection: Connection, value: Any) -> Any:
    """Return a value with every text in it as the database can hold it, escaped where it cannot as it is."""
    encoding = connection.info.parameter_status("server_encoding") or ""
    return throughout(value, lambda text: writable(text, encoding))


def as_json(connection: Connection, value: object) -> str:
    """Return the same as JSON; what is beyond ASCII stands for itself, since jsonb takes escapes only of what UTF-8 has."""
    text = json.dumps(value, ensure_ascii=False)
    encoding = connection.info.parameter_status("server_encoding") or ""
    if holds(text, encoding) and _NUL not in text:  # nearly every one
        return text
    return json.dumps(written(connection, json.loads(json.dumps(value))), ensure_ascii=False)
