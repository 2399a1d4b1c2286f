"""The key `reports` of `bulketl.yaml`, typed: the reports, where they go, and what they are made with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bulketl.config.channels import Address, Channel, Channels, MailServer
from bulketl.config.values import Model

NAMES = ("daily", "weekly", "compliance")


class Report(Model):
    """Where a report goes: a file of its own in a folder, the channels of the alerts, or both."""

    write: Annotated[str, Field(min_length=1)] | None = None
    send: Channels = ()

    @model_validator(mode="after")
    def _somewhere(self) -> Report:
        if self.write is None and not self.send:
            raise ValueError("it goes nowhere: name a folder under write, or channels under send")
        return self


class ReportMail(Model):
    """To whom reports are mailed; the sender and the mail server are those of `alerts` where none stands here."""

    to: Annotated[tuple[Address, ...], Field(strict=False, min_length=1)]
    email_from: Address | None = None
    smtp: MailServer | None = Field(default=None, repr=False)


class Reports(Model):
    """The reports that are made, each with where it goes; `mail`: to whom. `templates`: the folder of the user's own."""

    daily: Report | None = None
    weekly: Report | None = None
    compliance: Report | None = None
    mail: ReportMail | None = None
    templates: Annotated[str, Field(min_length=1)] | None = None

    @property
    def sent(self) -> dict[str, Report]:
        """Where reports go, of those of which somebody says it."""
        found: dict[str, Report | None] = {name: getattr(self, name) for name in NAMES}
        return {name: report for name, report in found.items() if report is not None}

    def check_channels(self, reachable: tuple[Channel, ...]) -> None:
        """Raise ValueError when a report is to be sent by a channel that is not among those that are set."""
        for name, report in self.sent.items():
            missing = [channel for channel in report.send if channel not in reachable]
            if missing:
                raise ValueError(f"{name} is sent by {missing[0]}, which is not set under alerts")
