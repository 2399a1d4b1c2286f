"""Put faults into the rooms that decide, one by one, and print how many the tests notice: `nox -s mutants -- --help`."""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from attempts import Attempts
from listed import listed
from mutation import Mutant, distinct, mutants
from typed import refused_by_types

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "schedule": ("loading/schedule.py",),
    "alerts": ("operations/alerts/machine.py", "operations/alerts/policies.py"),
    "masks": ("*/masking.py", "tables/masks.py", "tables/maskkey.py", "tables/fakes.py"),
    "tables": ("tables/*.py",),
    "rows": ("rows/*.py",),
    "plan": ("plan/*.py",),
}  # a file belongs to the first that names it
TESTS = (
    "tables",
    "rows",
    "plan",
    "config",
    "mysql",
    "postgres",
    "survey",
    "loading",
    "verifying",
    "operations",
    "test_docs.py",
)
UNFIT = (
    "--ignore=tests/loading/test_dask_cluster.py",  # whose cluster is more processes
    "--ignore=tests/operations/test_alert_polls.py",  # which waits for channels that hang
    "--ignore=tests/operations/test_other_channels.py",
    "--deselect=tests/config/test_config.py::test_a_file_of_ten_megabytes_is_read_or_all_its_problems_are_told_in_seconds",
    "--deselect=tests/survey/test_references.py::test_ten_thousand_tables_are_understood_in_seconds",
)
ENOUGH = 0.9
HEAD = "room        mutants  killed  timed out  by types  survived  with a reason  share  seconds"


def main() -> None:
    """Try the mutants that were asked for, and exit 1 where too few of them were noticed."""
    asked = _asked()
    os.chdir(ROOT)
    chosen = {room: list(_chosen(room, asked)) for room in asked.room or ROOMS}
    failed: list[str] = []
    code = Attempts(ROOT, lambda attempts: failed.extend(_try(attempts, chosen, asked))).start(
        [*(f"tests/{one}" for one in TESTS), *UNFIT]
    )
    sys.exit("\n".join(failed) or code)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s mutants --", description=__doc__)
    parser.add_argument("--room", action="append", choices=[*ROOMS], help="only this room; may be repeated")
    parser.add_argument("--sample", type=int, metavar="N", help="of each room this many mutants, not all of them")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which sample")
    parser.add_argument("--since", metavar="REF", help="only mutants on lines that changed since that branch or commit")
    parser.add_argument("--file", metavar="PATTERN", help="only mutants of these files, as in '*/casts.py'")
    return parser.parse_args()


def _chosen(room: str, asked: argparse.Namespace) -> Iterator[Mutant]:
    files = [
        path for path in sorted(str(one.relative_to(ROOT)) for one in (ROOT / "src").rglob("*.py")) if room_of(path) == room
    ]
    changed = {path: _changed(path, asked.since) for path in files} if asked.since else None
    found = [
        one
        for path in files
        if (changed is None or changed[path]) and (not asked.file or fnmatch(path, asked.file))
        for one in mutants(ROOT, path)
        if changed is None or changed[path].intersection(one.lines)
    ]
    if asked.sample is None:
        return distinct(ROOT, found)
    random.Random(f"{asked.seed} {room}").shuffle(found)
    return iter(sorted(islice(distinct(ROOT, found), asked.sample), key=lambda one: (one.path, one.lines.start)))


def room_of(path: str) -> str | None:
    """Return the room that a file belongs to."""
    inside = path.removeprefix("src/bulketl/")
    return next((room for room, patterns in ROOMS.items() if any(fnmatch(inside, one) for one in patterns)), None)


def _changed(path: str, since: str) -> set[int]:
    """Return the numbers of the lines that are new or changed since then."""
    said = subprocess.run(
        ["git", "diff", "--merge-base", "-U0", since, "--", path], capture_output=True, text=True, check=True
    ).stdout
    hunks = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", said, re.MULTILINE)
    return {line for first, count in hunks for line in range(int(first), int(first) + int(count or 1))}


def _try(attempts: Attempts, chosen: dict[str, list[Mutant]], asked: argparse.Namespace) -> list[str]:
    """Print each survivor when it is found, and the table; return what is to be done about it."""
    began = time.monotonic()
    reach = attempts.reach(
        [path for path in sorted(str(one.relative_to(ROOT)) for one in (ROOT / "src").rglob("*.py")) if room_of(path)]
    )
    print(f"{len(reach.seconds)} tests pass and were followed line by line in {time.monotonic() - began:.0f} s", flush=True)
    reasons = listed()
    print(HEAD)
    failed = []
    for room, found in chosen.items():
        began = time.monotonic()
        counts: Counter[str] = Counter()
        for one in found:
            verdict: str = attempts.verdict(one, reach)
            if verdict == "survived":
                verdict = "types" if refused_by_types(ROOT, one) else "listed" if one.key in reasons else "left"
            counts[verdict] += 1
            if verdict == "left":
                print(_told(one), flush=True)
        survived = counts["left"] + counts["listed"]
        share = 1 - survived / len(found) if found else 1
        print(
            f"{room:10}{len(found):9,}{counts['killed']:8,}{counts['timed out']:11,}{counts['types']:10,}{survived:10,}"
            f"{counts['listed']:14,}{share:8.1%}{time.monotonic() - began:9.0f}",
            flush=True,
        )
        if share < ENOUGH or (counts["left"] and asked.since):
            failed.append(
                f"{room}: {counts['left']} mutants survive that tests/mutants/survivors.yaml does not give a reason for"
            )
    return failed


def _told(one: Mutant) -> str:
    twin = f"  # {one.twin}" if one.twin > 1 else ""
    return f"  survived  {one.path}:{one.lines.start} {one.function}{twin}\n    - {one.was}\n    + {one.now}"


if __name__ == "__main__":
    main()
