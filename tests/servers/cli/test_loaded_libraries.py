"""What the process of a command has loaded when it ends: what it used, and nothing else that is slow to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab

DEAR = ("adbc_driver_manager", "connectorx", "distributed", "matplotlib", "numpy", "polars", "pyarrow", "ruamel.yaml")
RUN = f"""
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted(set({DEAR}) & sys.modules.keys()), file=sys.stderr))
from bulketl.__main__ import main
main()
"""
MOVING = ["connectorx", "polars", "pyarrow"]  # rows


def loaded(lab: Lab, *words: str) -> list[str]:
    """Run a command in a process of its own, and return which of DEAR it had loaded at its end."""
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environ = {**os.environ, "BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    command = [sys.executable, "-c", RUN, *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(("target", "more"), [("text", []), ("jsonb", ["adbc_driver_manager"])])
def test_a_command_loads_what_it_uses(maria_lab: Lab, tmp_path: Path, target: str, more: list[str]) -> None:
    """ADBC where a table needs it; NumPy, which is installed here, never."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c text)", "INSERT INTO t VALUES (1, '[1]'), (2, NULL)")
    rules = tmp_path / "tables.yaml"
    rules.write_text(json.dumps({"source_tables": {"t": {"casts": {"c": target}}}}), encoding="utf-8")
    for words in (("plan",), ("load", "--dry-run"), ("validate",)):
        assert loaded(maria_lab, *words, "--rules", str(rules)) == []
    assert loaded(maria_lab, "discover") == []
    assert loaded(maria_lab, "load", "--rules", str(rules)) == sorted(MOVING + more)
    assert maria_lab.pg("SELECT id, c::text FROM {s}.t ORDER BY id") == [(1, "[1]"), (2, None)]
