"""A collector of OpenTelemetry's: it takes OTLP over HTTP as protobuf, and keeps the spans and figures that it was sent."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Sent:
    """A span as it arrived: its name, its own number and its parent's, its attributes, events, and whether it failed."""

    name: str
    number: bytes
    parent: bytes
    trace: bytes
    values: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    failed: bool
    why: str
    seconds: float


@dataclass
class Collector:
    """What was sent so far: spans, the sums of figures by name, the attributes of whoever sent it, and every byte of it."""

    url: str
    spans: list[Sent] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)

    def named(self, name: str) -> list[Sent]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


@contextlib.contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    """Yield a collector that answers with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            collector.raw.append(body)
            (_add_spans if self.path == "/v1/traces" else _add_figures)(collector, body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _add_spans(collector: Collector, body: bytes) -> None:
    for one in ExportTraceServiceRequest.FromString(body).resource_spans:
        collector.resource.update(_values(one.resource.attributes))
        for span in (span for scope in one.scope_spans for span in scope.spans):
            events = [(event.name, _values(event.attributes)) for event in span.events]
            seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
            known = (span.name, span.span_id, span.parent_span_id, span.trace_id, _values(span.attributes), events)
            collector.spans.append(Sent(*known, span.status.code == 2, span.status.message, seconds))


def _add_figures(collector: Collector, body: bytes) -> None:
    for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for metric in (metric for scope in one.scope_metrics for metric in scope.metrics):
            points = metric.sum.data_points or metric.histogram.data_points
            collector.figures[metric.name] = sum(_value(point) for point in points)


def _value(point: Any) -> float:
    return float(point.count if hasattr(point, "count") else point.as_int or point.as_double)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
