"""A report by mail: its short form is the body, as HTML and as plain text, and its page is attached.

It goes by the mail server of the alerts, to the addresses under `reports.mail`, or else to those of the alerts.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Protocol

from bulketl.config.channels import ChannelSettings
from bulketl.config.config import Config
from bulketl.errors import ConfigError, DeliveryError
from bulketl.operations.alerts.channels.mail import deliver, headed
from bulketl.operations.alerts.sending import told_of
from bulketl.operations.dashboard.rendering import plain
from bulketl.operations.reports.rendering import bodies
from bulketl.tables.printable import in_a_line, shortened

MOST_SUBJECT = 160  # characters


class Mailable(Protocol):
    """A report that can be mailed."""

    @property
    def number(self) -> str | int | None:
        """How people call it, for the name of the file; None where it has no number."""

    @property
    def subject(self) -> str:
        """The state, for the subject."""


def mail_settings(config: Config) -> ChannelSettings:
    """Return to whom reports are mailed, by whom and by which server. Raise ConfigError when nobody is named."""
    own, alerts = config.reports.mail if config.reports else None, config.alerts or ChannelSettings()
    to = own.to if own else alerts.email
    if not to:
        raise ConfigError(
            "nobody is named to whom the report could be mailed",
            hint="write reports: {mail: {to: [...]}} into config/bulketl.yaml, or email: under alerts",
        )
    return ChannelSettings(
        email=to,
        email_from=(own.email_from if own else None) or alerts.email_from,
        smtp=(own.smtp if own else None) or alerts.smtp,
    )


def mail(config: Config, name: str, report: Mailable, html: str) -> str:
    """Mail the report of that name with its page, `html`, attached; return what the server said of it, in a line.

    Raise ConfigError when nobody is named, or a template of the user's is wrong; DeliveryError when the server took it for
    nobody.
    """
    settings = mail_settings(config)
    text, tables = bodies(config, name, report)
    message = headed(settings, f"bulketl {name}: {shortened(plain(in_a_line(report.subject)), MOST_SUBJECT)}")
    message.set_content(text)
    message.add_alternative(tables, subtype="html")
    message.add_attachment(  # as bytes, which no mail server writes otherwise: it may be signed
        html.encode(), maintype="text", subtype="html", params={"charset": "utf-8"}, filename=file_of(name, report)
    )
    answer = deliver(settings, message)
    said = told_of(settings, answer.text)
    server = urllib.parse.urlsplit(settings.smtp)
    place = f"{server.hostname}:{server.port}" if server.port else str(server.hostname)
    if not answer.delivered:
        raise DeliveryError(f"the {name} report was not mailed: {place} says: {said}", hint=_hint(settings), said=said)
    return f"mailed to {', '.join(settings.email)} by {place}: {said}"


def file_of(name: str, report: Mailable) -> str:
    """Return how the file is called that has the report's page; one of the same number has the same name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{name}-{report.number or 'unnumbered'}") + ".html"


def _hint(settings: ChannelSettings) -> str:
    own = "set reports.mail.smtp, or alerts.smtp, in config/bulketl.yaml, like smtps://user:password@mail.example"
    if settings.smtp == ChannelSettings.model_fields["smtp"].default:
        return f"no mail server is set, so this machine's was asked: {own}"
    return "see that it runs, answers from this machine, and takes mails of this sender for these addresses"
