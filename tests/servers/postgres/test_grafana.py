"""Grafana's dashboard fits Grafana's schema, and the role `dashboard` is answered each of its questions.

Grafana itself is in no package index and is not run here: the test fills in its macros and variables as its documentation
says.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from lab import execute
from psycopg.conninfo import make_conninfo

from benchmarks import seeded
from bulketl.postgres.grants import Target, grants
from bulketl.postgres.ledger.schema import create
from bulketl.postgres.server import LEDGER

FOLDER = Path(__file__).parents[3] / "config" / "grafana"
DOCUMENT: dict[str, Any] = json.loads(FOLDER.joinpath("bulketl.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DOCUMENT["panels"] if panel["type"] != "row"}
VARIABLES = {one["name"]: one for one in DOCUMENT["templating"]["list"] if one["type"] == "query"}
QUESTIONS = {
    **{title: panel["targets"][0]["rawSql"] for title, panel in PANELS.items()},
    **{f"variable {name}": one["query"] for name, one in VARIABLES.items()},
    **{f"annotation {one['name']}": one["target"]["rawSql"] for one in DOCUMENT["annotations"]["list"]},
}
HOSTILE = "it's \"\u202e<script>%s"


def filled_in(question: str, **values: str) -> str:
    """Return a question as Grafana sends it: the time range in place of its macro, variables quoted as asked."""
    between = r"\1 BETWEEN '2026-10-28T00:00:00Z' AND '2026-11-28T00:00:00Z'"
    text = re.sub(r"\$__timeFilter\(([^)]*)\)", between, question)
    for name, value in values.items():
        text = text.replace(f"${{{name}:sqlstring}}", "'" + value.replace("'", "''") + "'")
    assert "$" not in text
    return text


class Ledger(NamedTuple):
    """A ledger, and the role of a dashboard that has the rights which `grants` prints."""

    target: str
    role: str

    def asked(self, title: str, **values: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of the answer, to a user with nothing but the role's rights."""
        with psycopg.connect(self.target) as connection:
            connection.execute(f"SET ROLE {self.role}".encode())
            found = connection.execute(filled_in(QUESTIONS[title], **values).encode())
            return [column.name for column in found.description or ()], found.fetchall()


@pytest.fixture(scope="module")
def ledger(postgres: str) -> Iterator[Ledger]:
    """A year of nights in miniature, an incident, a finding, rejects, a run whose driver died, and the role."""
    sign = secrets.token_hex(4)
    target, role = make_conninfo(postgres, dbname=f"dw{sign}"), f"grafana{sign}"
    execute(postgres, f"CREATE DATABASE dw{sign}")
    with psycopg.connect(target, autocommit=True) as connection:
        until = connection.execute("SELECT '2026-11-27T03:00:00Z'::timestamptz").fetchone()
        assert until
        seeded.seed(connection, until[0], tables=150, nights=40)
        connection.execute(_MORE.encode())
        for statement, _ in grants(Target(f"dw{sign}", seeded.SCHEMA, "postgres"), "dashboard", role).statements:
            connection.execute(statement.encode())
    yield Ledger(target, role)
    execute(postgres, f"DROP DATABASE dw{sign} WITH (FORCE)")
    execute(postgres, f"DROP ROLE {role}")


_OF = f"'{seeded.SOURCE}', '{seeded.SCHEMA}'"
_MORE = f"""
INSERT INTO {LEDGER}.incident (key, source, schema_name, occasion, side, kind, tier, status, opened_at, round, told,
    heard, acknowledged_by, resolved_by, members, daily)
VALUES ('k', {_OF}, 'run', 'source', 'SourceError', 'critical', 'open', '2026-11-27T03:00:00Z', 1, '[]', '[]', '', '',
    '{{"table_007": {{}}}}', false);
INSERT INTO {LEDGER}.finding (source, schema_name, table_name, kind, run, tier, value, expected, bound, nights, found_at)
SELECT {_OF}, 'table_003', 'slower', max(run), 'critical', 80, 20, 40, 14, '2026-11-27T03:00:00Z' FROM {LEDGER}.run;
INSERT INTO {LEDGER}.reject (run, schema_name, table_name, partition, column_name, value, reason, key, row, rejected_at)
SELECT run, '{seeded.SCHEMA}', 'table_003', 0, 'born', 'x', 'no date', '{{}}', '{{}}', started_at FROM {LEDGER}.run;
UPDATE {LEDGER}.run SET source_work = '{{"of": "server", "rows_read": 7, "bytes_sent": 8, "server_lock_waits": 0}}';
UPDATE {LEDGER}.run SET finished_at = NULL, outcome = NULL WHERE started_at = (SELECT max(started_at) FROM {LEDGER}.run);
"""
SEEDED = {"source": seeded.SOURCE, "schema": seeded.SCHEMA, "table": "table_003"}


def test_the_dashboard_is_of_grafanas_schema() -> None:
    """It has no key that Grafana's own model lacks, asks nothing of whoever imports it, and no panels overlap."""
    register_default_plugins()
    known = json.loads(json.dumps(Dashboard.from_json(DOCUMENT), cls=JSONEncoder))
    annotated = ".annotations.list[0].target."  # what a data source makes of it is its own matter
    assert [key for key in sorted(_keys(DOCUMENT) - _keys(known)) if not key.startswith(annotated)] == []
    assert "__inputs" not in DOCUMENT
    assert len({panel["id"] for panel in DOCUMENT["panels"]}) == len(DOCUMENT["panels"])
    taken = [cell for panel in DOCUMENT["panels"] for cell in _cells(panel["gridPos"])]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def _keys(value: Any, place: str = "") -> set[str]:
    if isinstance(value, dict):
        return {f"{place}.{key}" for key in value}.union(*(_keys(one, f"{place}.{key}") for key, one in value.items()))
    return set().union(*(_keys(one, f"{place}[{n}]") for n, one in enumerate(value))) if isinstance(value, list) else set()


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def test_each_question_goes_to_the_data_source_that_is_chosen() -> None:
    """And the provisioned data source is of the type that the dashboard offers for that."""
    (chosen,) = (one for one in DOCUMENT["templating"]["list"] if one["type"] == "datasource")
    wanted = {"type": chosen["query"], "uid": f"${{{chosen['name']}}}"}
    asking = [*PANELS.values(), *(panel["targets"][0] for panel in PANELS.values()), *VARIABLES.values()]
    assert [one for one in asking + DOCUMENT["annotations"]["list"] if one["datasource"] != wanted] == []
    provisioned = yaml.safe_load(FOLDER.joinpath("provisioning", "datasources", "bulketl.yaml").read_text(encoding="utf-8"))
    assert [one["type"] for one in provisioned["datasources"]] == [chosen["query"]]
    (provider,) = yaml.safe_load(FOLDER.joinpath("provisioning", "dashboards", "bulketl.yaml").read_text())["providers"]
    assert (provider["type"], bool(provider["options"]["path"])) == ("file", True)


@pytest.mark.parametrize("title", QUESTIONS)
def test_each_question_is_answered_to_the_role_of_a_dashboard(ledger: Ledger, title: str) -> None:
    """With rows, on a ledger that has some of everything; a series has its time."""
    columns, rows = ledger.asked(title, **SEEDED)
    assert rows
    panel = PANELS.get(title)
    if panel and panel["type"] == "timeseries":
        assert columns[0] == "time"
        times = [row[0] for row in rows]
        assert times == sorted(times)
    named = {
        prop["matcher"]["options"] for prop in (panel or {"fieldConfig": {"overrides": []}})["fieldConfig"]["overrides"]
    }
    assert named <= set(columns)


def test_it_tells_what_status_tells(ledger: Ledger) -> None:
    """The run whose driver died, the tables that failed, the worst first."""
    assert ledger.asked("Last load", **SEEDED)[1] == [("died",)]
    assert ledger.asked("Tables failed in the last load", **SEEDED)[1] == [(2,)]
    _, tables = ledger.asked("Tables, the worst first", **SEEDED)
    assert [row[0] for row in tables[:2]] == ["table_007", "table_130"]
    assert len(tables) == 150
    assert [(row[2], row[5]) for row in ledger.asked("Incidents", **SEEDED)[1]] == [("critical", 1)]


@pytest.mark.parametrize("title", QUESTIONS)
def test_names_are_values_whatever_stands_in_them(ledger: Ledger, title: str) -> None:
    """A source, a schema and a table of hostile names have no rows; nothing else happens."""
    _, rows = ledger.asked(title, source=HOSTILE, schema=HOSTILE, table=HOSTILE)
    assert [row for row in rows if any(row)] == [] or title == "variable source"


def test_an_empty_ledger_is_asked_without_an_error(postgres: str) -> None:
    """Right after the first migration, before the first load."""
    name = f"t_{secrets.token_hex(4)}"
    execute(postgres, f"CREATE DATABASE {name}")
    target = make_conninfo(postgres, dbname=name)
    with psycopg.connect(target, autocommit=True) as connection:
        create(connection, "raw")
        for question in QUESTIONS.values():
            rows = connection.execute(filled_in(question, **SEEDED).encode()).fetchall()
            assert [row for row in rows if any(row)] == []
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")
