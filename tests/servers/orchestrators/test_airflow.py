"""The DAG of docs/airflow_dag.py, which Airflow's own library reads, and whose tasks load real tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

AIRFLOW = os.environ.get("BULKETL_AIRFLOW", "")
DAG = Path(__file__).parents[3] / "docs" / "airflow_dag.py"
SCRIPT = """
import collections, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("dag", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

class Events:
    def __init__(self):
        self.told = []
    def add(self, asset, extra):
        self.told.append([asset.name, asset.uri, extra["rows"], extra["rejects"]])

tasks = module.dag.topological_sort()
found = {"tasks": [[t.task_id, sorted(t.upstream_task_ids), [o.name for o in t.outlets]] for t in tasks]}
for name, words in (("resume", []), ("load_critical", ["critical"]), ("load_reference", ["reference"])):
    events = collections.defaultdict(Events)
    try:
        module.dag.get_task(name).python_callable(*words, outlet_events=events)
        found[name] = [event for one in events.values() for event in one.told]
    except module.AirflowFailException as error:
        found[name] = [[event for one in events.values() for event in one.told], str(error)]
print(json.dumps(found))
"""
pytestmark = pytest.mark.skipif(not AIRFLOW, reason="`nox -s orchestrators` has Airflow")


def carried_out(lab: Lab, folder: Path) -> dict[str, Any]:
    """Return the tasks of the DAG, and what came of those that are carried out."""
    rules = {"patient": {"table_importance": "critical"}, "log entry": {"table_importance": "reference"}}
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules}), encoding="utf-8")
    text = DAG.read_text(encoding="utf-8")
    program = f"({sys.executable!r}, '-m', 'bulketl', 'load')"
    for old, new in (('FOLDER = "/srv/bulketl"', f"FOLDER = {str(folder)!r}"), ('("bulketl", "load")', program)):
        assert old in text
        text = text.replace(old, new)
    (folder / "dag.py").write_text(text, encoding="utf-8")
    environ = {
        **os.environ, "BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema,
        "AIRFLOW_HOME": str(folder), "PYTHONPATH": str(DAG.parents[1] / "src"),
    }  # fmt: skip
    words = [AIRFLOW, "-c", SCRIPT, str(folder / "dag.py")]
    done = subprocess.run(words, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_tier_is_a_task_after_the_one_before_and_each_loaded_table_an_event(maria_lab: Lab, tmp_path: Path) -> None:
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY)", "INSERT INTO patient VALUES (1), (2)",
        "CREATE TABLE `log entry` (id int PRIMARY KEY)",
    )  # fmt: skip
    found = carried_out(maria_lab, tmp_path)
    tiers = ["critical", "important", "audit", "reference"]
    names = ["resume", *(f"load_{tier}" for tier in tiers)]
    assert found["tasks"] == [
        [name, [names[n - 1]] if n else [], [f"bulketl_{['resumed', *tiers][n]}"]] for n, name in enumerate(names)
    ]
    assert found["resume"] == []
    assert found["load_critical"] == [[f"{maria_lab.schema}.patient", f"bulketl://{maria_lab.schema}/patient", 2, 0]]
    assert found["load_reference"] == [[f"{maria_lab.schema}.log entry", f"bulketl://{maria_lab.schema}/log%20entry", 0, 0]]


def test_a_table_that_failed_fails_its_task_and_is_no_event(maria_lab: Lab, tmp_path: Path) -> None:
    maria_lab.mysql("CREATE TABLE patient (id int PRIMARY KEY)", "CREATE TABLE `log entry` (id int PRIMARY KEY)")
    maria_lab.pg("CREATE TABLE {s}.patient (id int)")
    found = carried_out(maria_lab, tmp_path)
    assert found["load_critical"] == [[], "bulketl --tier critical ended with 1, see the log above"]
    assert [event[0] for event in found["load_reference"]] == [f"{maria_lab.schema}.log entry"]
