"""Sources that connectorx may have lost: before it queries such a source again, a login tests whether anybody answers.

Otherwise connectorx' pool would try for half a minute, and not say why nobody let it in.
"""

from __future__ import annotations

from bulketl.connections.watch import Judge
from bulketl.mysql.server import MySQL

_doubtful: set[str] = set()


def doubt(source: MySQL) -> None:
    """Have the next look at a source ask it."""
    _doubtful.add(source.uri)


def look(source: MySQL) -> None:
    """Raise SourceError when a source is in doubt and lets nobody in; costs nothing where it is not."""
    if source.uri in _doubtful:
        with source.connect():
            _doubtful.discard(source.uri)


def doubting(source: MySQL, judge: Judge) -> Judge:
    """Return a judge that doubts a source which does not answer it."""

    def asked(number: int, force: bool) -> bool:
        try:
            return judge(number, force)
        except Exception:
            doubt(source)
            raise

    return asked
