"""The key `reports` of `bulketl.yaml`, typed: the reports that are made, each with where it goes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bulketl.config.alerts import Channel, Channels
from bulketl.config.values import Model


class Report(Model):
    """Where a report goes: a file of its own in a folder, the channels of the alerts, or both."""

    write: Annotated[str, Field(min_length=1)] | None = None
    send: Channels = ()

    @model_validator(mode="after")
    def _somewhere(self) -> Report:
        if self.write is None and not self.send:
            raise ValueError("it goes nowhere: name a folder under write, or channels under send")
        return self


class Reports(Model):
    """The reports that are made, each with where it goes."""

    daily: Report | None = None
    weekly: Report | None = None
    compliance: Report | None = None

    def check_channels(self, reachable: tuple[Channel, ...]) -> None:
        """Raise ValueError when a report is to be sent by a channel that is not among those that are set."""
        for name in Reports.model_fields:
            report: Report | None = getattr(self, name)
            missing = [channel for channel in (report.send if report else ()) if channel not in reachable]
            if missing:
                raise ValueError(f"{name} is sent by {missing[0]}, which is not set under alerts")
