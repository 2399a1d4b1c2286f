"""The key `metrics` of `bulketl.yaml`, typed: where bulketl writes figures for a monitoring system."""

from __future__ import annotations

from pydantic import field_validator

from bulketl.config.values import Model


class Metrics(Model):
    """Where figures go: `textfile`, a file for the textfile collector of Prometheus' node_exporter."""

    textfile: str

    @field_validator("textfile")
    @classmethod
    def _read(cls, textfile: str) -> str:
        if not textfile.endswith(".prom"):
            raise ValueError("node_exporter reads no file whose name does not end in .prom")
        return textfile
