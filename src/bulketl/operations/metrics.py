"""Metrics in Prometheus' format: what became of each table, each tier and each kind of run last, and when it was last well.

They come from the ledger and not from one run. So tables that a run has left out keep their series, and the metrics can
be written at any time. A file of metrics is written atomically.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError
from bulketl.postgres.ledger.lastloads import LastLoad, LastRun, last_loads, last_runs
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.server import Postgres
from bulketl.tables.spec import TIERS

if TYPE_CHECKING:
    from prometheus_client.metrics_core import GaugeMetricFamily

READABLE = 0o644  # node_exporter is another user
_PLACE = ("source", "schema")


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric of a table: its name and help, its value, and what a tier's is made of those of its tables."""

    name: str
    about: str
    value: Callable[[LastLoad], float | None]
    of_tier: Callable[[Sequence[float]], float]


GAUGES = (
    Gauge("last_success_timestamp_seconds", "When a load last ended with it loaded, or proved to be unchanged; 0 for never.",
          lambda load: load.succeeded_at or 0, min),
    Gauge("last_load_timestamp_seconds", "When the last load of it ended, well or not.", lambda load: load.at, min),
    Gauge("failed", "1 when the last load of it failed.", lambda load: load.outcome == "failed", sum),
    Gauge("unchanged", "1 when the last load proved that the source has not changed.",
          lambda load: load.outcome == "unchanged", sum),
    Gauge("rows", "Rows that the last load of it wrote.", lambda load: load.rows, sum),
    Gauge("rejects", "Rows that the last load of it rejected.", lambda load: load.rejects, sum),
    Gauge("copied_bytes", "Bytes of Arrow that the last load of it copied.", lambda load: load.bytes, sum),
    Gauge("duration_seconds", "How long the last load of it took.", lambda load: load.seconds, sum),
    Gauge("inserted_rows", "Rows that the last load of it added, where that is counted.", lambda load: load.inserted, sum),
    Gauge("updated_rows", "Rows that the last load of it replaced, where that is counted.", lambda load: load.updated, sum),
    Gauge("deleted_rows", "Rows that the last load of it deleted or marked, where that is counted.",
          lambda load: load.deleted, sum),
    Gauge("quality_ratio", "Rows in the target per row at the source that was not rejected, of the last load of it.",
          lambda load: load.quality, min),
)  # fmt: skip


def metrics(config: Config) -> str:
    """Return the metrics of the target schema as text. Raise ConfigError or TargetError."""
    return patient(_metrics, config)


def write_metrics(config: Config, path: Path | None = None) -> Path:
    """Write the metrics into a file as a whole, that of the configuration unless another is named; return which.

    Raise ConfigError when it cannot be written or none is named, TargetError when the ledger cannot be read.
    """
    if path is None:
        if config.metrics is None:
            raise ConfigError("no file for metrics is named", hint="write metrics: {textfile: …} into config/bulketl.yaml")
        path = Path(config.metrics.textfile)
    _put(path, metrics(config))
    return path


def _metrics(config: Config) -> str:
    from prometheus_client import CollectorRegistry, generate_latest

    with asking(Postgres.of(config)) as connection:
        runs = last_runs(connection, config.target_schema)
        loads = [one for one in last_loads(connection, config.target_schema) if not config.rule(one.table).exclude]
    registry = CollectorRegistry(auto_describe=False)  # our own: the default one tells of this process
    registry.register(_Collected([*_of_tables(config, loads), *_of_tiers(config, loads), *_of_runs(config, runs)]))
    return generate_latest(registry).decode()


def _family(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return GaugeMetricFamily(f"bulketl_{name}", about, labels=(*_PLACE, *labels))


def _of_tables(config: Config, loads: Sequence[LastLoad]) -> Iterator[GaugeMetricFamily]:
    for gauge in GAUGES:
        family = _family(gauge.name, gauge.about, "tier", "table")
        for load in loads:
            if (value := gauge.value(load)) is not None:
                family.add_metric((load.source, config.target_schema, load.tier, load.table), float(value))
        yield family


def _of_tiers(config: Config, loads: Sequence[LastLoad]) -> Iterator[GaugeMetricFamily]:
    tiers = [
        (source, tier, [load for load in loads if (load.source, load.tier) == (source, tier)])
        for source in sorted({load.source for load in loads})
        for tier in TIERS
    ]
    tables = _family("tier_tables", "Tables of the tier that were ever loaded or tried.", "tier")
    for source, tier, some in tiers:
        if some:
            tables.add_metric((source, config.target_schema, tier), len(some))
    yield tables
    for gauge in GAUGES:
        how = "The least" if gauge.of_tier is min else "The sum"
        family = _family(f"tier_{gauge.name}", f"{how} of its tables: bulketl_{gauge.name}.", "tier")
        for source, tier, some in tiers:
            values = [float(value) for load in some if (value := gauge.value(load)) is not None]
            if values:
                family.add_metric((source, config.target_schema, tier), gauge.of_tier(values))
        yield family


def _of_runs(config: Config, runs: Sequence[LastRun]) -> Iterator[GaugeMetricFamily]:
    figures: tuple[tuple[str, str, Callable[[LastRun], float]], ...] = (
        ("run_last_success_timestamp_seconds", "When a run of the kind last ended well; 0 for never.",
         lambda run: run.succeeded_at or 0),
        ("run_last_end_timestamp_seconds", "When the last run of the kind ended, well or not.", lambda run: run.at),
        ("run_success", "1 when the last run of the kind ended well.", lambda run: run.outcome == "done"),
        ("run_duration_seconds", "How long the last run of the kind took.", lambda run: run.seconds),
        ("run_failed_tables", "Tables that the last run of the kind failed with.", lambda run: run.failed),
    )  # fmt: skip
    for name, about, value in figures:
        family = _family(name, about, "kind")
        for run in runs:
            family.add_metric((run.source, config.target_schema, run.kind), float(value(run)))
        yield family


@dataclass(frozen=True, slots=True, eq=False)  # a registry keeps it by what it is
class _Collected:
    """Families as a registry collects them; those without a series are left out."""

    families: Sequence[GaugeMetricFamily]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield them."""
        return (family for family in self.families if family.samples)


def _put(path: Path, text: str) -> None:
    """Have a file with a text, as a whole: beside it a file of another name is written, and takes its name."""
    beside: str | None = None
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, READABLE)
            os.fsync(handle)
        Path(beside).replace(path)
    except OSError as error:
        if beside:
            with contextlib.suppress(OSError):
                Path(beside).unlink()
        said = error.strerror or type(error).__name__
        raise ConfigError(
            f"metrics cannot be written into {path}: {said}",
            hint="make the folder, let bulketl's user write there, or name another file under metrics: {textfile: …}",
        ) from None
