"""Traces and metrics of a load by OpenTelemetry, as the standard variables OTEL_* say: a span per run, table and step.

An extra, `pip install 'bulketl[otel]'`. Spans are made from events, so they contain names, numbers and public messages.
Threads send them during the run, and the run waits for them only at its end, for FLUSH_SECONDS. A collector that is down
costs no more, fails no run, and causes one warning.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bulketl.loading.events import Observer

if TYPE_CHECKING:
    from bulketl.operations.spans import Spans

FLUSH_SECONDS = 5.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_{}_ENDPOINT")
_log = logging.getLogger("bulketl")


def wanted(environ: Mapping[str, str], signal: str) -> bool:
    """Tell whether the variables ask for a signal, TRACES or METRICS: by an exporter, or by an endpoint of one."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
    if exporter:
        return exporter == "otlp"
    return any(environ.get(name.format(signal)) for name in _ENDPOINTS)


@contextlib.contextmanager
def traced(environ: Mapping[str, str], clock: Callable[[], int] = time.time_ns) -> Iterator[Observer | None]:
    """Give an observer that makes spans and figures of the events of a load, or None if nobody asks for them.

    At the end of the block it sends them. `environ`: the variables OTEL_*, and TRACEPARENT, the span to which the run
    belongs. `clock`: nanoseconds since 1970. If something that the environment asks for is not possible, it warns.
    """
    signals = [signal for signal in ("TRACES", "METRICS") if wanted(environ, signal)]
    if not signals:
        yield None
        return
    if importlib.util.find_spec("opentelemetry") is None or importlib.util.find_spec("opentelemetry.sdk") is None:
        _log.warning("OTEL_* ask for OpenTelemetry, which is not installed: pip install 'bulketl[otel]'")
        yield None
        return
    from bulketl.operations.spans import Spans

    made: Spans | None = None
    try:
        made = Spans(signals, environ, clock)
    except Exception as error:  # of a variable that the library cannot read
        _log.warning("OpenTelemetry cannot be used, %s; see the variables OTEL_*", type(error).__name__)
    if made is None:
        yield None
        return
    try:
        yield made
    finally:
        _sent(made)


def _sent(made: Any) -> None:
    """Send what is left, and wait for that no longer than FLUSH_SECONDS; warn of what was not taken."""
    sending = threading.Thread(target=made.close, name="bulketl-otel", daemon=True)
    sending.start()
    sending.join(FLUSH_SECONDS)
    if sending.is_alive():
        made.give_up()
        _log.warning("OpenTelemetry's collector did not take everything within %g s; the rest is lost", FLUSH_SECONDS)
    elif made.lost:
        _log.warning("OpenTelemetry's collector refused or did not answer %d times; that is lost", made.lost)
