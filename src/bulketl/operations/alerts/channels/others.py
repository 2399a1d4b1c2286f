"""Every other service, by apprise, an extra: its URLs name a hundred of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from bulketl.operations.alerts.message import Answer, Message
from bulketl.tables.printable import count_of

MOST_TEXT = 200_000  # characters; apprise cuts what a service does not take
MISSING = "apprise is not installed; install bulketl[alerts]"
_TYPES = {"open": "failure", "escalated": "failure", "resolved": "success"}


def send(urls: Sequence[str], message: Message) -> Answer:
    """Notify every service; the message is delivered when one of them has taken it."""
    try:
        import apprise
    except ImportError:
        return Answer(False, MISSING)
    told, refused = 0, []
    for n, url in enumerate(urls, 1):
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            refused.append(f"URL {n} is none that apprise knows")
            continue
        with _words() as words:
            well = bool(
                service.notify(
                    body=message.about(MOST_TEXT) or message.heading, title=message.heading,
                    notify_type=apprise.NotifyType(_TYPES.get(message.kind, "info")),
                )
            )  # fmt: skip
        told += well
        if not well:
            refused.append(f"{service.service_name or 'it'} did not take it{words.last}")
    return Answer(told > 0, "; ".join([f"{told} of {count_of(len(urls), 'service')} took it", *refused]))


class _words(logging.Handler):  # noqa: N801  # a context manager
    """Hears what apprise logs meanwhile, which is the only place where it says why."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._logger = logging.getLogger("apprise")

    def __enter__(self) -> _words:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: Any) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last line."""
        self.last = f": {record.getMessage()}"
