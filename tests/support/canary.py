"""A canary: a source full of marks, commands that tell everybody who may be told, and where a mark came out.

A mark is a value that stands nowhere else: a text, a number, a date. SINKS lists by what bulketl tells others; whoever adds
one adds a line there. The ledger's `reject` and `audit_trail` hold values on purpose, `state` and the reason of a plan a
watermark. They are no sinks.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector import Collector, collecting
from dashboards import config_of, pages
from lab import Lab
from mailserver import Mailbox, mailbox
from web import Asked, Endpoint, Said, answering

import bulketl

TEXT, NUMBER, DATE, TIME = "Kanari471", 471147, "1947-11-07", "11:47:13"
MARKS = (
    TEXT, TEXT.lower(), TEXT.upper(), TEXT.encode().hex(), TEXT.encode().hex().upper(),
    str(NUMBER), f"{NUMBER:,}", f"{NUMBER:x}", DATE, DATE.replace("-", ""), TIME,
)  # fmt: skip
# A column for every type that can hold a mark, with its value as SQL.
COLUMNS = {
    "c_char": ("char(40)", f"'{TEXT}'"),
    "c_varchar": ("varchar(200)", f"'x {TEXT} y'"),
    "c_latin": ("varchar(40) CHARACTER SET latin1", f"'{TEXT}'"),
    "c_text": ("text", f"'{TEXT}'"),
    "c_long": ("longtext", f"REPEAT('{TEXT} ', 500)"),
    "c_binary": ("binary(16)", f"'{TEXT}'"),
    "c_varbinary": ("varbinary(40)", f"'{TEXT}'"),
    "c_blob": ("blob", f"'{TEXT}'"),
    "c_json": ("json", f"""'{{"{TEXT}": ["{TEXT}", {NUMBER}]}}'"""),
    "c_int": ("int", str(NUMBER)),
    "c_bigint": ("bigint unsigned", f"{NUMBER}{NUMBER}"),
    "c_decimal": ("decimal(20,6)", f"{NUMBER}.{NUMBER}"),
    "c_double": ("double", f"{NUMBER}.5"),
    "c_float": ("float", str(NUMBER)),
    "c_bit": ("bit(32)", str(NUMBER)),
    "c_date": ("date", f"'{DATE}'"),
    "c_datetime": ("datetime(6)", f"'{DATE} {TIME}.471147'"),
    "c_timestamp": ("timestamp(6) NULL", f"'1997-11-07 {TIME}.471147'"),
    "c_time": ("time", f"'{TIME}'"),
    "c_inet": ("inet6", "'4711::4711:4711'"),
    "c_uuid": ("uuid", "'47114711-4711-4711-4711-471147114711'"),
}
HOOKED = ["table_failed", "step_retried", "run_finished", "run_ended", "table_skipped", "table_compared"]
COLUMN_MARKS = ("4711::4711:4711", "47114711-4711-4711-4711-471147114711", "47114711471147114711471147114711")


@dataclass
class Aviary:
    """A lab whose every command tells everybody: hook, webhook, heartbeat, collector, metrics, log and screen."""

    lab: Lab
    folder: Path
    web: Endpoint
    collector: Collector
    box: Mailbox
    rules: dict[str, Any]
    log: str = ""
    screen: str = ""
    codes: list[int] = field(default_factory=list)

    def run(self, *words: str, log: str = "json") -> str:
        """Run a command with all that tells others; return what is on standard output."""
        (self.folder / "tables.yaml").write_text(json.dumps({"source_tables": self.rules}), encoding="utf-8")
        # What a hook prints may quote rows too: a test of a model that fails does.
        script = (
            f"import sys; open({str(self.folder / 'hooked')!r}, 'a').write(sys.stdin.read() + chr(10)); sys.exit({TEXT!r})"
        )
        settings = {
            "alerts": {
                "email": ["privacy@clinic.example"], "smtp": f"smtp://127.0.0.1:{self.box.port}",
                "webhook": f"{self.web.url}/alert", "heartbeat": f"{self.web.url}/heart", "spool": str(self.folder),
                "rules": {"drift": "tell"},
            },
            "metrics": {"textfile": str(self.folder / "bulketl.prom")},
            "hooks": [{"on": HOOKED, "run": [sys.executable, "-c", script]}],
        }  # fmt: skip
        (self.folder / "bulketl.yaml").write_text(json.dumps(settings), encoding="utf-8")
        environ = {
            **os.environ, "BULKETL_SOURCE": self.lab.source, "BULKETL_TARGET": self.lab.target,
            "BULKETL_SCHEMA": self.lab.schema, "BULKETL_LOG": log, "PYTHONPATH": str(Path(bulketl.__file__).parents[1]),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200",
        }  # fmt: skip
        named = [f"--config={self.folder}/bulketl.yaml", f"--rules={self.folder}/tables.yaml"]
        done = subprocess.run(
            [sys.executable, "-m", "bulketl", *words, *(named if words[0] not in ("alerts", "metrics") else named[:1])],
            env=environ, capture_output=True, text=True, timeout=120, check=False, cwd=self.folder,
        )  # fmt: skip
        self.codes.append(done.returncode)
        if log == "json":
            self.log += done.stderr
        else:
            self.screen += done.stderr
        return done.stdout

    def rows(self, query: str) -> str:
        """Return what a query gives in the target, as text."""
        return "\n".join(str(row) for row in self.lab.pg(query))


def every_page(aviary: Aviary) -> str:
    """Return every page of the dashboard, as who may read the whole ledger has it.

    But for watermarks, each of which its table's page has at one place.
    """
    schema = aviary.lab.schema
    tables = [table for (table,) in aviary.lab.pg("SELECT table_name FROM bulketl.state WHERE schema_name = '{s}'")]
    runs = [run for (run,) in aviary.lab.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}'")]
    with pages(config_of(aviary.lab.target, schema)) as site:
        asked = [site.get(path) for path in ("/", "/tables", "/run", "/runs", "/alerts?all=1")]
        asked += [site.get("/table", params={"name": table, "all": "1"}) for table in tables]
        asked += [site.get("/run", params={"name": run, "all": "1", "record": "1"}) for run in runs]
    assert {answer.status_code for answer in asked} == {200}
    marks = aviary.lab.pg("SELECT watermark FROM bulketl.state WHERE schema_name = '{s}' AND watermark <> ''")
    text = "\n".join(answer.text for answer in asked)
    for (mark,) in marks:
        text = text.replace(f'<dt>Watermark</dt><dd class="v">{mark}</dd>', "")
    return text


OF_RUNS = "WHERE run IN (SELECT run FROM bulketl.run WHERE schema_name = '{s}')"
SINKS: dict[str, Callable[[Aviary], str]] = {
    "bulketl.event": lambda aviary: aviary.rows(f"SELECT e.kind, e.body::text FROM bulketl.event e {OF_RUNS}"),
    "bulketl.table_load.error": lambda aviary: aviary.rows(f"SELECT table_name, error FROM bulketl.table_load {OF_RUNS}"),
    "bulketl.table_load.hint": lambda aviary: aviary.rows(f"SELECT table_name, hint FROM bulketl.table_load {OF_RUNS}"),
    "bulketl.table_load.drift": lambda aviary: aviary.rows(f"SELECT table_name, drift FROM bulketl.table_load {OF_RUNS}"),
    "bulketl.run.summary": lambda aviary: aviary.rows("SELECT summary::text FROM bulketl.run WHERE schema_name = '{s}'"),
    "bulketl.incident": lambda aviary: aviary.rows("SELECT i::text FROM bulketl.incident i WHERE schema_name = '{s}'"),
    "bulketl.delivery": lambda aviary: aviary.rows(
        "SELECT d::text FROM bulketl.delivery d JOIN bulketl.incident i USING (key) WHERE schema_name = '{s}'"
    ),
    "the log, lines of JSON": lambda aviary: aviary.log,
    "standard error for people": lambda aviary: aviary.screen,
    "alerts and the heartbeat": lambda aviary: "\n".join(f"{one.path} {one.body}" for one in aviary.web.asked),
    "mails": lambda aviary: "\n".join(f"{mail['Subject']}\n{mail.get_content()}" for mail in aviary.box.mails),
    "standard input of hooks": lambda aviary: (aviary.folder / "hooked").read_text(encoding="utf-8"),
    "traces and metrics by OTLP": lambda aviary: b"\n".join(aviary.collector.raw).decode("utf-8", "replace"),
    "the dashboard": lambda aviary: every_page(aviary),
    "the file of metrics": lambda aviary: (aviary.folder / "bulketl.prom").read_text(encoding="utf-8"),
}


@contextlib.contextmanager
def aviary(lab: Lab, folder: Path, rules: dict[str, Any]) -> Iterator[Aviary]:
    """Give a lab with everybody who may be told."""

    def answer(_: Asked) -> Said:
        return 200, "ok"

    with answering(answer) as web, collecting() as collector, mailbox(Mailbox()) as box:
        yield Aviary(lab, folder, web, collector, box, rules)


def found(aviary: Aviary, marks: Sequence[str] = (*MARKS, *COLUMN_MARKS)) -> list[str]:
    """Return every place where a mark came out, with what stands around it."""
    places = []
    for sink, read in SINKS.items():
        text = read(aviary)
        for mark in marks:
            at = text.find(mark)
            if at >= 0:
                around = text[max(0, at - 300) : at + 80]
                places.append(f"{sink}: {mark!r} in …{around}…")
    return places
