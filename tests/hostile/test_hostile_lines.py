"""What other programs read: logs, metrics, traces, messages, tables; one line stays one, and a text is only a text."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import ACTS, ANYTHING, NAMES, TEXTS, unacting
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tally import cases, tried

from bulketl.cli.logs import LOGGERS, JsonLines
from bulketl.cli.terminal import Spoken, Terminal
from bulketl.config.alerts import Alerts
from bulketl.config.read import load_config
from bulketl.connections.web import Reply
from bulketl.errors import ConfigError, TargetError
from bulketl.loading.events import RunStarted, TableFailed, TableStarted
from bulketl.operations import metrics, rejects
from bulketl.operations.alerts import spool
from bulketl.operations.alerts.channels import mail, pagerduty, slack, webhook
from bulketl.operations.alerts.message import Answer, Message
from bulketl.operations.alerts.sending import send
from bulketl.operations.spans import Spans
from bulketl.postgres.ledger.lastloads import LastLoad
from bulketl.postgres.ledger.rejects import Rejected
from bulketl.postgres.write.retention import _file_name
from bulketl.tables.printable import in_a_line, shown

CONFIG = load_config(None, None, {})
RUN = "20261127-011200-c3d4"


@pytest.fixture(scope="module")
def logged() -> Iterator[io.TextIOWrapper]:
    """Standard error as JSON lines, encoded as Python's own is."""
    kept = {
        name: (list(logger.handlers), logger.level, logger.propagate)
        for name in LOGGERS
        if (logger := logging.getLogger(name))
    }
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        JsonLines().start(Terminal(file=io.StringIO()), "debug")
    yield stream
    for name, (handlers, level, propagate) in kept.items():
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@cases(8000)
@given(ANYTHING, ANYTHING, st.dictionaries(st.sampled_from(["message", "hint", "rows", "at", "x"]), ANYTHING, max_size=3))
def test_a_line_of_the_log_is_one_line_of_json(
    logged: io.TextIOWrapper, words: str, table: str, values: dict[str, str]
) -> None:
    """Whatever splits lines, and on a terminal too."""
    logged.flush()
    raw: Any = logged.buffer
    raw.seek(0)
    raw.truncate()
    logging.getLogger("bulketl").warning("%s", words)
    logging.getLogger("bulketl.events").info("event", extra={"run": RUN, "table": table, "values": values})
    lines = raw.getvalue().decode().splitlines()
    assert len(lines) == 2
    note, event = map(json.loads, lines)
    assert (
        note["message"].encode("utf-8", "backslashreplace")
        == words.removeprefix("note: ").strip().encode("utf-8", "backslashreplace")
        or "\\ud" in lines[0]
    )
    assert event["table"] == table or "\\ud" in lines[1]
    assert not {char for line in lines for char in line if char in ACTS}
    tried("names and events", "JSON lines of the log")


@cases(6000)
@given(ANYTHING, ANYTHING)
def test_a_line_for_people_is_one_line(words: str, other: str) -> None:
    file = io.StringIO()
    record = logging.LogRecord("bulketl", logging.WARNING, "", 0, "%s: %s", (words, other), None)
    Spoken(Terminal(file=file, color_system=None)).emit(record)
    assert unacting(file.getvalue()).count("\n") == 1
    tried("names and events", "lines for people")


@cases(6000)
@given(ANYTHING)
def test_a_picture_of_a_text_is_as_long_as_the_text(text: str) -> None:
    assert len(unacting(in_a_line(text))) == len(shown(text)) == len(text)
    assert "\n" not in in_a_line(text)
    in_a_line(text).encode()
    tried("names and values", "text in a line")


@cases(3000)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4, unique=True))
def test_a_label_of_a_metric_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    """As Prometheus' own parser reads the text."""
    loads = [
        LastLoad(source, table, "audit", "loaded", 1.0, 1.0, 1, 0, 1, 1.0, None, None, None, None) for source, table in pairs
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics._Collected(list(metrics._of_tables(CONFIG, loads))))
    found = [one for family in text_string_to_metric_families(generate_latest(registry).decode()) for one in family.samples]
    assert {(one.labels["source"], one.labels["table"]) for one in found} == set(pairs)
    assert {one.name for one in found} <= {f"bulketl_{gauge.name}" for gauge in metrics.GAUGES}
    assert all(set(one.labels) == {"source", "schema", "tier", "table"} for one in found)
    tried("names", "Prometheus' format")


@cases(1500)
@given(TEXTS, TEXTS, TEXTS)
def test_an_attribute_of_a_span_is_the_text(table: str, schema: str, why: str) -> None:
    kept = InMemorySpanExporter()
    spans = Spans((), {}, lambda: 1)
    spans._traces.add_span_processor(SimpleSpanProcessor(kept))
    spans(RunStarted(RUN, "mysql://h/d", schema, "UTC", {table: (1, "critical")}))
    spans(TableStarted(RUN, table))
    spans(TableFailed(RUN, table, "DataError", why, why, 0.1))
    spans.close()
    found = {name: value for span in kept.get_finished_spans() for name, value in (span.attributes or {}).items()}
    assert found["bulketl.table"] == table
    assert found["bulketl.schema"] == schema
    assert all(name.startswith("bulketl.") for name in found)
    tried("names and events", "OpenTelemetry")


MESSAGES = st.builds(
    Message,
    st.sampled_from(["open", "escalated", "resolved", "digest", "test"]),
    ANYTHING,
    st.sampled_from(["critical", "audit"]),
    ANYTHING,
    st.lists(ANYTHING, max_size=3).map(tuple),
    st.just("nightly"),
)
ALERTS = Alerts.model_validate(
    {
        "slack": {"webhook": "https://hooks.slack.com/services/x"},
        "pagerduty": {"routing_key": "k" * 32},
        "webhook": "https://h.example/x",
        "email": ["dba@example.com"],
    }
)


@pytest.fixture(scope="module")
def sent() -> Iterator[list[Any]]:
    """What goes out by a channel, as it goes."""
    found: list[Any] = []

    def ask(_url: str, body: bytes = b"", headers: Any = None) -> Reply:
        found.append(json.loads(body.decode()))
        return Reply(200, "ok")

    def deliver(_settings: Any, message: Any, _thread: str = "") -> Any:
        found.append(email.message_from_bytes(message.as_bytes(), policy=email.policy.default))
        return Answer(True, "250 ok")

    with pytest.MonkeyPatch.context() as patch:
        for module in (slack, pagerduty, webhook):
            patch.setattr(module, "ask", ask)
        patch.setattr(mail, "deliver", deliver)
        yield found


@cases(4000)
@given(MESSAGES, st.sampled_from(["slack", "pagerduty", "webhook", "email"]))
def test_a_message_says_its_lines_and_does_nothing(sent: list[Any], message: Message, channel: Any) -> None:
    """No line of its own, no link, no person called, no header."""
    sent.clear()
    answer = send(ALERTS, channel, message)
    assert answer.delivered, answer.text
    (said, *_more) = sent
    about = "\n".join(map(in_a_line, message.lines))
    lines = [in_a_line(message.heading), *(about.split("\n") if about else [])]
    if channel == "slack":
        text = said["text"]
        assert not set("<>") & set(text)
        assert said["mrkdwn"] is False
        read = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert unacting(read).split("\n") == lines
    elif channel == "email":
        assert sorted(said.keys()) == sorted(
            [
                "From",
                "To",
                "Subject",
                "Date",
                "Message-ID",
                "Auto-Submitted",
                "Content-Type",
                "Content-Transfer-Encoding",
                "MIME-Version",
            ]
        )
        assert len(said["To"].addresses) == 1
        assert not {char for char in str(said["Subject"]) if char in ACTS or char == "\n"}
    else:
        text = json.dumps(said, ensure_ascii=False)
        assert not {char for part in strings(said, but="incident") for char in part if char in ACTS or char == "\n"}, text
    tried("names and events", f"messages by {channel}")


def strings(value: Any, but: str) -> Iterator[str]:
    """Yield the texts in a document, but for what is an identifier."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in (but, "dedup_key"):
                yield from strings(one, but)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one, but)


VALUES = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=3)
REJECTED = st.builds(
    Rejected, st.just(RUN), TEXTS, TEXTS, TEXTS, TEXTS, st.none() | ANYTHING, TEXTS, VALUES, VALUES, st.just(""), TEXTS
)


@cases(4000)
@given(st.lists(REJECTED, min_size=1, max_size=4))
def test_a_table_of_rejects_has_a_line_for_each_and_no_formula(rows: list[Rejected]) -> None:
    """As CSV, as a spreadsheet opens it, and as JSON, which has it exactly."""
    for ending, write in rejects._WRITERS.items():
        if ending == ".parquet":
            continue
        stream = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
        assert write(stream, iter(rows)) == len(rows)
        stream.flush()
        text = stream.buffer.getvalue().decode()
        if ending == ".json":
            assert [one["table"] for one in json.loads(text)] == [row.table for row in rows]
            continue
        head, *found = csv.reader(io.StringIO(text, newline=""))
        assert [len(one) for one in found] == [len(head)] * len(rows)
        for cell in (cell for one in found for cell in one):
            assert not cell.startswith(("=", "@", "\t", "\r", "\n", "+", "-")) or number(cell), cell
    tried("values", "CSV and JSON of rejects")


def number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@cases(3000)
@given(NAMES, NAMES)
def test_a_file_of_an_archive_lies_in_its_folder(name: str, other: str) -> None:
    """And two names are two files."""
    path = Path("/archive") / _file_name(name)
    assert path.parent == Path("/archive")
    assert path.name not in ("", ".", "..")
    assert (_file_name(name) == _file_name(other)) == (name == other)
    tried("names", "names of files")


DOCUMENTS = st.recursive(
    st.none() | st.integers() | ANYTHING,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["incidents", "deliveries", "members", "told", "heard", "opened", "x"]), inner, max_size=4
        )
    ),
    max_leaves=9,
)


@cases(2000)
@given(
    DOCUMENTS.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40) | st.just(b"[" * 99_999), st.booleans()
)
def test_a_spool_that_somebody_wrote_is_read_or_put_aside(tmp_path_factory: Any, text: bytes, wrap: bool) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "spool.json"
    path.write_bytes(b'{"incidents": [' + text + b'], "deliveries": []}' if wrap else text)
    spool._read(path)
    path.unlink(missing_ok=True)
    tried("spool of alerts", "alerts")


@cases(6000)
@given(ANYTHING, ANYTHING, ANYTHING)
def test_an_error_as_json_is_one_line_of_it(message: str, hint: str, said: str) -> None:
    """As every command prints it with --json."""
    for error in (ConfigError(message, hint=hint), TargetError(message, hint=hint, said=said, code="SQLSTATE 1")):
        text = json.dumps(error.to_json())
        assert text.isascii()
        assert len(text.splitlines()) == 1
        assert json.loads(text)["message"] == message
    tried("names and values", "errors as JSON")
