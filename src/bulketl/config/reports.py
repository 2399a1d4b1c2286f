"""The key `reports` of `bulketl.yaml`, typed: the reports, where they go, and what they are made with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bulketl.config.channels import Address, MailServer
from bulketl.config.values import Model

NAMES = ("daily", "weekly", "compliance")


class Report(Model):
    """Where `--deliver` takes a report: into a folder, as a file of its own, to people by mail, or both."""

    write: Annotated[str, Field(min_length=1)] | None = None
    send: Annotated[tuple[Literal["email"], ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _somewhere(self) -> Report:
        if self.write is None and not self.send:
            raise ValueError("it goes nowhere: name a folder under write, or write send: [email]")
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

    def check_addresses(self, alerts: tuple[Address, ...]) -> None:
        """Raise ValueError when a report is to be mailed and nobody is named, neither here nor among those of the alerts."""
        mailed = [name for name, report in self.sent.items() if report.send]
        if mailed and not (self.mail or alerts):
            raise ValueError(f"{mailed[0]} is sent by email, and nobody is named: write mail: {{to: [...]}} beside it")
