"""The process that loads in the soak: for every line on its input a night, and a line on its output with what came of it.

Partitions have few rows, so that tables of a few hundred have several.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bulketl
import bulketl.tables.partitions

PARTITION_ROWS = 150


def night(word: dict[str, Any]) -> dict[str, Any]:
    """Plan, load and, when `word` says so, let old rows go and compare; return what became of it, and of the process."""
    began, cpu = time.monotonic(), time.process_time()
    config = bulketl.load_config(Path(word["rules"]), Path(word["settings"]), os.environ)
    summary = bulketl.load(config, bulketl.make_plan(config))
    wrong = [f"{one.table}: {one.message}" for one in summary.failed]
    if word["retention"]:
        bulketl.retain_tables(config, (), Path(word["folder"]))
    if word["verify"]:
        found = bulketl.verify(config, level="rows")
        wrong += [f"verify finds {one.table} different" for one in found.tables if not one.equal]
    return {
        "outcome": summary.outcome,
        "wrong": wrong,
        "seconds": round(time.monotonic() - began, 3),
        "cpu": round(time.process_time() - cpu, 3),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }


def main() -> None:
    """Answer line by line until there is none."""
    bulketl.tables.partitions.MOST_ROWS = PARTITION_ROWS
    for line in sys.stdin:
        print(json.dumps(night(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
