"""The spans and figures of a load, made of its events by OpenTelemetry's library: only `traced` imports this."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bulketl.loading.events import (
    Event,
    PartitionLoaded,
    RunFinished,
    RunStarted,
    StepRetried,
    TableCompared,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableStarted,
)

_QUEUE = 20_000  # spans that wait for the collector, about 20 MB
_SECOND = 1_000_000_000
# Whoever reads the library's own lines has a handler; for others there is one warning at the end.
logging.getLogger("opentelemetry").addHandler(logging.NullHandler())


class Spans:
    """Takes the events of a load; `lost` says how often the collector did not take what it was sent."""

    def __init__(self, signals: Sequence[str], environ: Mapping[str, str], clock: Callable[[], int]) -> None:
        """Begin to send the signals TRACES and METRICS, those that are asked for."""
        self.lost = 0
        self._clock = clock
        resource = Resource.create(_service(environ))
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._figures = MeterProvider([], resource=resource, shutdown_on_exit=False)
        self._exporters: list[OTLPSpanExporter | OTLPMetricExporter] = []
        if "TRACES" in signals:
            size = None if "OTEL_BSP_MAX_QUEUE_SIZE" in environ else _QUEUE
            self._exporters.append(spans := _CountedSpans(self._lose))
            self._traces.add_span_processor(BatchSpanProcessor(spans, max_queue_size=size))
        if "METRICS" in signals:
            self._exporters.append(figures := _CountedFigures(self._lose))
            reader = PeriodicExportingMetricReader(figures)
            self._figures = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("bulketl", version("bulketl"))
        meter = self._figures.get_meter("bulketl", version("bulketl"))
        self._rows = meter.create_counter("bulketl.rows", "{row}", "Rows copied")
        self._rejects = meter.create_counter("bulketl.rejects", "{row}", "Rows rejected")
        self._bytes = meter.create_counter("bulketl.copied", "By", "Bytes of Arrow copied")
        self._tables = meter.create_counter("bulketl.tables", "{table}", "Tables, by what became of them")
        self._seconds = meter.create_histogram("bulketl.table.duration", "s", "How long tables took")
        parent = {"traceparent": environ.get("TRACEPARENT", "")}
        self._context = TraceContextTextMapPropagator().extract(parent)
        self._run: Span | None = None
        self._started: dict[str, Span] = {}
        self._copied: dict[str, int] = {}  # when the last step of a table ended
        self._place: dict[str, str] = {}
        self._tiers: dict[str, str] = {}
        self._takes: dict[type, Callable[[Any, int], None]] = {
            RunStarted: self._begin_run,
            TableStarted: self._begin_table,
            PartitionLoaded: self._add_partition,
            TableCompared: self._add_comparison,
            TablePublished: self._end_published,
            TableFailed: self._end_failed,
            StepRetried: self._note_retry,
            TableOverdue: self._note_overdue,
            RunFinished: self._end_run,
        }

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if take := self._takes.get(type(event)):
            take(event, self._clock())

    def close(self) -> None:
        """End what a run has left open, and send everything; this waits for the collector."""
        now = self._clock()
        for span in (*self._started.values(), *([self._run] if self._run else [])):
            span.set_status(Status(StatusCode.ERROR, "interrupted"))
            span.end(now)
        for provider in (self._traces, self._figures):
            with contextlib.suppress(Exception):  # that nothing was taken is counted where it is sent
                provider.force_flush()
        for provider in (self._traces, self._figures):
            with contextlib.suppress(Exception):
                provider.shutdown()

    def give_up(self) -> None:
        """Let go of what the collector has not taken: the library's threads would try it again for minutes."""
        for exporter in self._exporters:
            with contextlib.suppress(Exception):
                exporter.shutdown()

    def _lose(self) -> None:
        self.lost += 1

    def _begin_run(self, event: RunStarted, now: int) -> None:
        self._place = {"source": event.source, "schema": event.schema}
        self._tiers = {table: tier for table, (_, tier) in event.tables.items()}
        values = {**self._place, "run": event.run, "kind": event.kind, "tables": len(event.tables)}
        self._run = self._tracer.start_span(
            f"bulketl {event.kind}", self._context, attributes=_named(values), start_time=now
        )

    def _begin_table(self, event: TableStarted, now: int) -> None:
        self._table(event.table, now)

    def _table(self, table: str, now: int) -> Span:
        """Return the span of a table, begun now unless it was before."""
        if table not in self._started:
            values = {"table": table, "tier": self._tiers.get(table, "")}
            self._started[table] = self._tracer.start_span(
                f"table {table}", self._below(self._run), attributes=_named(values), start_time=now
            )
        return self._started[table]

    def _step(self, step: str, table: str, began: int, ended: int, values: Mapping[str, Any]) -> None:
        context = self._below(self._table(table, began))
        span = self._tracer.start_span(step, context, attributes=_named({"table": table, **values}), start_time=began)
        span.end(ended)
        self._copied[table] = ended

    def _add_partition(self, event: PartitionLoaded, now: int) -> None:
        values = {"partition": event.partition, "rows": event.rows, "rejects": event.rejects, "bytes": event.bytes}
        self._step("copy", event.table, now - int(event.seconds * _SECOND), now, values)
        labels = self._labels(event.table)
        self._rows.add(event.rows, labels)
        self._rejects.add(event.rejects, labels)
        self._bytes.add(event.bytes, labels)

    def _add_comparison(self, event: TableCompared, now: int) -> None:
        counts = {"missing": event.missing, "differing": event.differing, "gone": event.gone}
        self._step("compare", event.table, now - int(event.seconds * _SECOND), now, counts)

    def _note_retry(self, event: StepRetried, now: int) -> None:
        values = {"step": event.step, "attempt": event.attempt, "message": event.public}
        for table in event.tables:
            self._table(table, now).add_event("retried", _named(values), now)

    def _note_overdue(self, event: TableOverdue, now: int) -> None:
        self._table(event.table, now).add_event("overdue", _named({"expected_seconds": event.seconds}), now)

    def _end_published(self, event: TablePublished, now: int) -> None:
        began = self._copied.get(event.table, now)
        if now - began > _SECOND // 1000:  # else it was published by the step that copied it
            self._step("publish", event.table, began, now, {"how": event.how})
        names = ("rows", "how", "inserted", "updated", "unchanged", "deleted", "quality", "consistency")
        span = self._table(event.table, now)
        span.set_attributes(_named({name: getattr(event, name) for name in names}))
        self._end_table(event.table, "loaded", event.seconds, now)

    def _end_failed(self, event: TableFailed, now: int) -> None:
        span = self._table(event.table, now)
        span.set_status(Status(StatusCode.ERROR, event.public))
        span.set_attributes(_named({"error": event.kind, "hint": event.hint, "rejects": event.rejects}))
        self._end_table(event.table, "failed", event.seconds, now)

    def _end_table(self, table: str, outcome: str, seconds: float, now: int) -> None:
        self._started.pop(table).end(now)
        self._tables.add(1, {**self._labels(table), "bulketl.outcome": outcome})
        self._seconds.record(seconds, self._labels(table))
        if outcome == "failed" and self._run:
            self._run.set_status(Status(StatusCode.ERROR, "tables failed"))

    def _end_run(self, _event: RunFinished, now: int) -> None:
        if self._run:
            self._run.end(now)
            self._run = None

    def _labels(self, table: str) -> dict[str, Any]:
        return _named({**self._place, "tier": self._tiers.get(table, ""), "table": table})

    def _below(self, span: Span | None) -> Any:
        return trace.set_span_in_context(span) if span else self._context


class _CountedSpans(OTLPSpanExporter):
    """Sends spans, and tells when they were not taken."""

    def __init__(self, lose: Callable[[], None]) -> None:
        super().__init__()
        self._lose = lose

    def export(self, spans: Any) -> SpanExportResult:
        """Send spans."""
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lose()
        return result


class _CountedFigures(OTLPMetricExporter):
    """Sends figures, and tells when they were not taken."""

    def __init__(self, lose: Callable[[], None]) -> None:
        super().__init__()
        self._lose = lose

    def export(self, metrics_data: Any, timeout_millis: float | None = 10_000, **kwargs: Any) -> MetricExportResult:
        """Send figures."""
        result = super().export(metrics_data, timeout_millis, **kwargs)
        if result is not MetricExportResult.SUCCESS:
            self._lose()
        return result


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes by their full names, without those that are not known."""
    return {f"bulketl.{name}": value for name, value in values.items() if value is not None}


def _service(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the service is called, unless the environment says it."""
    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {"service.version": version("bulketl")} | ({} if named else {"service.name": "bulketl"})
