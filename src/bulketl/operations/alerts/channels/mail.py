"""E-mail: plain text by the standard library's SMTP, over TLS where the server is another machine and offers it.

A password goes over TLS or not at all. The mails of an incident follow its first by In-Reply-To and References.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import urllib.parse
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid

from bulketl.config.channels import ChannelSettings, on_this_machine
from bulketl.operations.alerts.message import Answer, Message
from bulketl.tables.printable import in_a_line

SECONDS = 10.0  # of one wait
MOST_TEXT = 200_000  # characters
SEVEN_BITS = SMTP.clone(cte_type="7bit")  # which every server takes


def send(settings: ChannelSettings, message: Message, thread: str) -> Answer:
    """Send the message to all addresses; it is delivered when the server takes it for one of them."""
    return deliver(settings, mail_of(settings, message, thread), thread)


def deliver(settings: ChannelSettings, mail: EmailMessage, thread: str = "") -> Answer:
    """Send a mail to all addresses; it is delivered when the server takes it for one of them."""
    try:
        with _connected(settings.smtp) as (server, note):
            return _handed_over(server, mail, settings.email, thread, note)
    except smtplib.SMTPResponseException as error:
        return Answer(False, f"{error.smtp_code} {_words(error.smtp_error)}")
    except smtplib.SMTPException as error:
        return Answer(False, str(error) or type(error).__name__)
    except ssl.SSLCertVerificationError as error:
        return Answer(False, f"the certificate of the mail server is not good: {error.verify_message}")
    except OSError as error:
        return Answer(False, f"the mail server did not answer: {error.strerror or type(error).__name__}")


def mail_of(settings: ChannelSettings, message: Message, thread: str) -> EmailMessage:
    """Return the message as a mail; `thread` is the Message-ID of the incident's first mail, '' for this one."""
    mail = headed(settings, f"bulketl {message.heading}")
    if thread:
        mail["In-Reply-To"] = mail["References"] = thread
    parts = (message.heading, message.about(MOST_TEXT), in_a_line(message.incident))
    mail.set_content("\n\n".join(part for part in parts if part))
    return mail


def headed(settings: ChannelSettings, subject: str) -> EmailMessage:
    """Return a mail without a body, to all addresses; the subject is one line."""
    mail = EmailMessage(policy=SEVEN_BITS)
    sender = settings.email_from or f"bulketl@{socket.getfqdn()}"  # whose domain a server may want to know
    mail["From"], mail["To"] = sender, ", ".join(settings.email)
    mail["Subject"] = subject
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid("bulketl", domain=sender.partition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # so that nobody's absence answers
    return mail


def _handed_over(server: smtplib.SMTP, mail: EmailMessage, addresses: tuple[str, ...], thread: str, note: str) -> Answer:
    """Hand the mail over, and return what the server says of it and of each address that it refuses."""
    code, words = server.mail(str(mail["From"]))
    if code != 250:
        return Answer(False, f"{code} {_words(words)}")
    answers = {address: server.rcpt(address) for address in addresses}
    refused = [f"{address}: {code} {_words(words)}" for address, (code, words) in answers.items() if code not in (250, 251)]
    if len(refused) == len(addresses):
        return Answer(False, f"every address is refused: {'; '.join(refused)}")
    code, words = server.data(mail.as_bytes())
    text = "; ".join([f"{code} {_words(words)}{note}", *(f"refused {one}" for one in refused)])
    return Answer(code == 250, text, thread or str(mail["Message-ID"]))


@contextlib.contextmanager
def _connected(url: str) -> Iterator[tuple[smtplib.SMTP, str]]:
    """Yield a session with the mail server, and what is to be known of it."""
    parts = urllib.parse.urlsplit(url)
    host, user = parts.hostname or "", urllib.parse.unquote(parts.username or "")
    us = socket.gethostname()
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, us, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or (587 if user else 25), us, timeout=SECONDS)
    with server:
        server.ehlo()
        safe, note = parts.scheme == "smtps" or on_this_machine(host), ""
        if not safe and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
            safe = True
        if user and not safe:
            raise smtplib.SMTPException(
                "it offers no TLS, and the password is not sent without; use smtps:// or another port"
            )
        if user:
            server.login(user, urllib.parse.unquote(parts.password or ""))
        if not safe:
            note = ", sent without TLS, which the server does not offer"
        yield server, note


def _words(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
