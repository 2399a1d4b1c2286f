"""A load that is killed by SIGKILL at a call of a function of bulketl's, whichever that is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from lab import Lab

PROGRAM = Path(__file__).with_name("calls.py")


def killed(lab: Lab, rules: str, at: int, *words: str, mask_key: str = "") -> int:
    """Load in a process that is killed at such a call, or not at all at 0; return how many there were, 0 when it was.

    A run that was killed after its end, or before its begin, is not resumed.
    """
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environ = {**os.environ, "BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    environ |= {"BULKETL_MASK_KEY": mask_key} if mask_key else {}
    command = [sys.executable, str(PROGRAM), str(at), "load", "--rules", rules, "--workers", "2", *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    refused = "--resume" in words and done.returncode == 2 and "it ended: done" in done.stderr
    assert refused or done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(re.findall(r"calls (\d+)", done.stderr)[0]) if done.returncode == 0 else 0
