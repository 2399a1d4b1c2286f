"""The runbook for the rotation of mask keys, carried out: its commands, in its order, as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab
from masked import KEY, VISITS, visits, with_visits

import bulketl

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks" / "rotate-mask-key.md"
COMMANDS = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)


def carried_out(lab: Lab, desk: Path, command: str, key: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the runbook in a shell, where `bulketl` is this one."""
    environ = {
        **os.environ, "BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema,
        "BULKETL_MASK_KEY": key, "PYTHONPATH": str(Path(bulketl.__file__).parents[1]), "COLUMNS": "120",
    }  # fmt: skip
    text = command.replace("bulketl ", f"{sys.executable} -m bulketl ").strip()
    return subprocess.run(text, shell=True, env=environ, cwd=desk, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    rules = {**VISITS, "person": {"mask": {"SSN": "hmac"}}}
    (tmp_path / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules}), encoding="utf-8")
    return tmp_path


def test_the_key_is_rotated_as_the_runbook_says(lab: Lab, desk: Path) -> None:
    """The plan, a new key, everything loaded, everything verified; what was equal still joins, and nothing is as it was."""
    with_visits(lab)
    lab.mysql("CREATE TABLE person (Id int PRIMARY KEY, SSN varchar(11))", "INSERT INTO person SELECT Id, SSN FROM visit")
    joined = 'SELECT count(*) FROM {s}.visit JOIN {s}.person USING ("SSN")'
    plan, make, load, verify = COMMANDS
    assert carried_out(lab, desk, "bulketl load", KEY).returncode == 0
    before = visits(lab)
    assert lab.pg(joined) == [(300,)]
    shown = carried_out(lab, desk, plan, KEY)
    assert shown.returncode == 0, shown.stderr
    new = carried_out(lab, desk, make, KEY).stdout.strip()
    assert len(new) == 64
    mistaken = carried_out(lab, desk, "bulketl load", new)  # a nightly load in between
    assert mistaken.returncode == 1, mistaken.stderr
    assert visits(lab) == before
    done = carried_out(lab, desk, load, new)
    assert done.returncode == 0, done.stderr
    assert not {row[2] for row in before.values()} & {row[2] for row in visits(lab).values()}
    assert lab.pg(joined) == [(300,)]
    proved = carried_out(lab, desk, verify, new)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert carried_out(lab, desk, "bulketl load", new).returncode == 0
    old = carried_out(lab, desk, verify, KEY)
    assert old.returncode == 1
    assert "another mask key" in old.stdout
    for text in (shown, mistaken, done, proved, old):
        assert KEY not in text.stdout + text.stderr
        assert new not in text.stdout + text.stderr


def test_a_table_whose_rows_stay_is_told_by_the_plan_of_the_first_step(lab: Lab, desk: Path) -> None:
    """With the new key, as the runbook says; what is decided about it is in its hint."""
    with_visits(lab)
    rules = {"visit": {**VISITS["visit"], "deletes": "ignore"}}
    (desk / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules}), encoding="utf-8")
    assert carried_out(lab, desk, "bulketl load", KEY).returncode == 0
    refused = carried_out(lab, desk, COMMANDS[0], "another" + KEY)
    assert "deletes: ignore" in refused.stdout + refused.stderr
    assert "bulketl state reset visit" in " ".join((refused.stdout + refused.stderr).split())
