"""A local mail server that keeps what it is sent, and refuses what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


@dataclass
class Mailbox:
    """Mails as they came. `refuse`: addresses that are refused; `answer`: to a mail; `users`: who may log in."""

    refuse: tuple[str, ...] = ()
    answer: str = "250 2.0.0 Ok: queued as 4F2"
    users: dict[str, str] = field(default_factory=dict)
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logged_in: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        """Take an address, or refuse it."""
        if address in self.refuse:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail."""
        found = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        if self.answer.startswith("250"):
            self.mails.append(found)
        self.encrypted.append(session.ssl is not None)
        return self.answer

    def log_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        """Let those in that are known."""
        login, password = data.login.decode(), data.password.decode()
        well = self.users.get(login) == password
        self.logged_in += [login] if well else []
        return AuthResult(success=well, handled=False)


class _Server(Controller):
    """The library's, with TLS as a test wants it."""

    def __init__(self, box: Mailbox, *, begins: ssl.SSLContext | None, offers: ssl.SSLContext | None) -> None:
        self._box, self._offers = box, offers
        super().__init__(box, hostname="127.0.0.1", port=0, ssl_context=begins)

    def factory(self) -> SMTP:
        """Return what speaks over one connection."""
        return SMTP(
            self._box, tls_context=self._offers, authenticator=self._box.log_in, auth_require_tls=False,
            auth_required=bool(self._box.users), hostname="mail.example",
        )  # fmt: skip

    def _trigger_server(self) -> None:  # the library asks for a connection to a port that it does not know
        self.port = cast(asyncio.Server, self.server).sockets[0].getsockname()[1]
        self._box.port = self.port
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def mailbox(box: Mailbox, certificate: Path | None = None, *, at_once: bool = False) -> Iterator[Mailbox]:
    """Run a mail server; with a certificate it offers TLS, or begins with it `at_once`."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server = _Server(box, begins=context if at_once else None, offers=None if at_once else context)
    server.start()
    try:
        yield box
    finally:
        server.stop()
