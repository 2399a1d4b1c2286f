"""Whether mypy refuses a mutant, as it would before any test is run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from mutation import Mutant

CACHE = ".mutants_cache/mypy"
OURS = ("--no-warn-unreachable", "--disable-error-code=redundant-expr")  # which finds the way a mutant is written


def refused_by_types(root: Path, mutant: Mutant) -> bool:
    """Check the file with the fault in the place of the one that is there."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as shadow:
        shadow.write(mutant.source)
        shadow.flush()
        command = [
            sys.executable,
            "-m",
            "mypy",
            *OURS,
            "--cache-dir",
            CACHE,
            "--shadow-file",
            mutant.path,
            shadow.name,
            mutant.path,
        ]
        return subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == 1
