"""The notebooks of examples/ run, and the texts that they show are what they show now. `nox -s notebooks`.

With BULKETL_NOTEBOOKS=write their outputs are written anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((Path(__file__).parents[3] / "examples").glob("*.ipynb"))


def clinic(lab: Lab) -> None:
    """Make the small database that the notebooks are about; a visit has a code that is neither yes nor no."""
    lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, name varchar(20) NOT NULL, born date)",
        "INSERT INTO patient SELECT seq, CONCAT('patient ', seq), '1970-01-01' + INTERVAL seq DAY FROM seq_1_to_120",
        "CREATE TABLE visit (id int PRIMARY KEY, patient_id int NOT NULL, kept int)",
        "INSERT INTO visit SELECT seq, 1 + seq % 120, IF(seq = 77, 7, seq % 2) FROM seq_1_to_500",
    )


def texts(notebook: Any) -> list[list[str]]:
    """Return what each cell shows as text."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [[out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs] for cell in cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_and_shows_what_it_is_stored_with(
    path: Path, maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clinic(maria_lab)
    for name, value in (("SOURCE", maria_lab.source), ("TARGET", maria_lab.target), ("SCHEMA", maria_lab.schema)):
        monkeypatch.setenv(f"BULKETL_{name}", value)
    notebook = nbformat.read(path, as_version=4)
    before = texts(notebook)
    nbclient.NotebookClient(
        notebook, timeout=120, coalesce_streams=True, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    if os.environ.get("BULKETL_NOTEBOOKS") == "write":
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        nbformat.write(notebook, path)
    else:
        assert texts(notebook) == before, "run it with BULKETL_NOTEBOOKS=write"
