"""The negotiated connections to both servers: which server answers, over which TLS, and on which machine."""

from __future__ import annotations

from typing import Literal

from bulketl.config.config import Config
from bulketl.connections.line import Line
from bulketl.connections.retrying import patient
from bulketl.mysql.server import MySQL
from bulketl.mysql.session import Session as SourceSession
from bulketl.postgres.server import Postgres
from bulketl.postgres.session import Session as TargetSession


def lines(config: Config) -> tuple[Line, ...]:
    """Return the connections to both servers, or only to the source without a target. Raise SourceError or TargetError."""
    found = [line_to(MySQL.of(config))]
    if config.target:
        found.append(line_to(Postgres.of(config)))
    return tuple(found)


def line_to(server: MySQL | Postgres) -> Line:
    """Return the line to a server. Raise SourceError or TargetError."""
    if isinstance(server, MySQL):
        return _line("source", server.identity, patient(server.session))
    return _line("target", server.identity, patient(server.session))


def _line(side: Literal["source", "target"], identity: str, session: SourceSession | TargetSession) -> Line:
    return Line(side, identity, session.server, session.tls, session.cipher, session.here)
