"""Runs a fixed list of suites on other versions of both servers, and writes down what became of each.

    python tests/compatibility.py [--only PAIR,…] [--suites SUITE,…] [--json FILE] [--write]

Servers come out of the archives of Debian and Ubuntu (tests/support/releases.py), which takes root. MySQL's administrator
logs in with a password, so that each connection goes through what the server asks for by itself: caching_sha2_password since
MySQL 8. What cannot be started is listed with the reason. --write makes docs/compatibility.md out of the file, which keeps
what earlier runs found. The exit code is 1 when a test failed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "support"))
import releases
from lab import Server, execute

ROOT = Path(__file__).parent.parent
FILE, PAGE = ROOT / "docs/compatibility.json", ROOT / "docs/compatibility.md"
MADE = re.compile(r"(<!-- made by tests/compatibility.py -->\n).*(<!-- end -->\n)", re.DOTALL)


class Pair(NamedTuple):
    """A source and a target, by the release that has them."""

    source: str
    target: str


PAIRS = {
    "mariadb-10.11": Pair("bookworm", "bookworm"),
    "mariadb-11.8": Pair("trixie", "trixie"),
    "mysql-5.7": Pair("bionic", "noble"),
    "mysql-8.0": Pair("noble", "noble"),
    "mysql-9.7": Pair("sid", "sid"),
}
SUITES = {
    "types": ("tests/promises/test_type_matrix.py",),
    "promises": (
        "tests/promises/test_promises.py",
        "tests/promises/test_promises_to_the_source.py",
        "tests/promises/test_nothing_stale.py",
        "tests/promises/test_simulated_days.py",
    ),
    "loads": tuple(
        f"tests/servers/loading/test_{name}.py"
        for name in (
            "load",
            "incremental",
            "chunks",
            "deletes",
            "drift",
            "audit_tables",
            "masks",
            "unique_ranges",
            "pruning",
        )
    ),
    "brought": tuple(
        f"tests/servers/loading/test_{name}.py"
        for name in (
            "brought_columns",
            "brought_rows",
            "brought_tables",
            "kept_defaults",
            "kept_foreign_keys",
            "kept_indexes",
            "limited",
        )
    ),
    "source": ("tests/servers/mysql",),
    "target": ("tests/servers/postgres",),
    "verify": ("tests/servers/verifying",),
    "discover": (
        "tests/servers/survey/test_discover.py",
        "tests/servers/survey/test_validate.py",
        "tests/servers/survey/test_unchanged.py",
    ),
    "least rights": ("tests/servers/cli/test_least_rights.py", "tests/servers/survey/test_source_grants.py"),
}
NOT_RUN = {"MySQL 5.6": "no archive of Debian or Ubuntu that can be reached has it"}


class Suite(NamedTuple):
    """What came of a suite: tests by their outcome, the names of those that failed, seconds."""

    passed: int
    skipped: int
    failed: list[str]
    seconds: float


def versions(source: str, target: str) -> tuple[str, str]:
    """Return what both servers say they are."""
    ((theirs,),) = Server("mysql", source).execute("SELECT VERSION()")
    ((ours,),) = execute(target, "SHOW server_version")
    return str(theirs), str(ours)


def run(names: tuple[str, ...], environ: dict[str, str], maria: bool) -> Suite:
    """Run the tests of a suite, one after another: some set variables of the whole server."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        plugin = () if maria else ("-p", "only_mysql")
        words = [sys.executable, "-m", "pytest", "-q", *plugin, "-p", "no:randomly", "-n", "0", f"--junitxml={report}"]
        words += ["-o", "addopts=--timeout=600", *names]
        began = time.monotonic()
        done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True)
        if not report.exists():
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        cases = list(ET.parse(report).getroot().iter("testcase"))
    failed = [
        f"{one.get('classname', '')}::{one.get('name')}"
        for one in cases
        if one.find("failure") is not None or one.find("error") is not None
    ]
    if failed:
        print(done.stdout[-6000:], flush=True)
    skipped = sum(one.find("skipped") is not None for one in cases)
    return Suite(len(cases) - skipped - len(failed), skipped, failed, round(time.monotonic() - began, 1))


def on(name: str, wanted: list[str]) -> Iterator[dict[str, Any]]:
    """Start a pair and run the suites on it; yield what became of them so far, or why it could not be started."""
    pair, found = PAIRS[name], {"date": dt.date.today().isoformat()}
    try:
        with releases.mysql(pair.source) as source, releases.postgres(pair.target) as target:
            theirs, ours = versions(source, target)
            maria = "maria" in theirs.lower()
            environ = {**os.environ, "BULKETL_TEST_POSTGRES": target, "PYTHONPATH": f"src:{ROOT}:tests/support"}
            environ["BULKETL_TEST_MARIADB" if maria else "BULKETL_TEST_MYSQL"] = source
            print(f"{name}: {theirs} into Postgres {ours}", flush=True)
            suites = {}
            for suite in wanted:
                one = suites[suite] = run(SUITES[suite], environ, maria)
                print(f"{name}: {suite}: {one.passed} passed, {one.skipped} skipped, {len(one.failed)} failed", flush=True)
                yield {**found, "source": theirs, "target": ours, "suites": {key: s._asdict() for key, s in suites.items()}}
    except RuntimeError as error:
        print(f"{name}: not run: {error}", flush=True)
        yield {**found, "not run": " ".join(str(error).split())[:300]}


def table(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| source | target | run on | " + " | ".join(SUITES) + " |"
    yield "|---|---|---|" + "---|" * len(SUITES)
    for name in PAIRS:
        one = document.get(name, {"not run": "nobody has yet"})
        if "not run" in one:
            continue
        cells = []
        for suite in SUITES:
            came = one["suites"].get(suite)
            if came is None:
                cells.append("not run")
            else:
                failed = f", **{len(came['failed'])} failed**" if came["failed"] else ""
                cells.append(f"{came['passed']:,}{failed}" if came["passed"] or failed else "–")
        brand = "" if "maria" in one["source"].lower() else "MySQL "
        yield (
            f"| {brand}{one['source']} | Postgres {one['target'].split(' ')[0]} | {one['date']} | "
            + " | ".join(cells)
            + " |"
        )
    yield ""
    yield "| not run | because |"
    yield "|---|---|"
    for name in PAIRS:
        if why := document.get(name, {"not run": "nobody has yet"}).get("not run"):
            yield f"| {name} | {why} |"
    for name, why in NOT_RUN.items():
        yield f"| {name} | {why} |"


def main() -> int:
    """Run, note, write."""
    parser = argparse.ArgumentParser(prog="nox -s compatibility --", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(PAIRS), help="these pairs: %(default)s")
    parser.add_argument("--suites", default=",".join(SUITES), help="these suites: %(default)s")
    parser.add_argument("--json", type=Path, default=FILE, help="the file with what was found (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"make the table in {PAGE.relative_to(ROOT)} anew")
    options = parser.parse_args()
    document = json.loads(options.json.read_text()) if options.json.exists() else {}
    failed = 0
    for name in filter(None, options.only.split(",")):
        came: dict[str, Any] = {}
        for came in on(name, options.suites.split(",")):
            before = document.get(name, {})
            alike = [before.get(side) for side in ("source", "target")] == [came.get(side) for side in ("source", "target")]
            suites = {**(before.get("suites", {}) if alike else {}), **came.get("suites", {})}
            document[name] = {**came, **({"suites": suites} if suites else {})}
            options.json.write_text(json.dumps(document, indent=1) + "\n")
        failed += sum(len(suite["failed"]) for suite in came.get("suites", {}).values())
    if options.write:
        page = PAGE.read_text()
        PAGE.write_text(MADE.sub(lambda found: found[1] + "\n".join(table(document)) + "\n" + found[2], page))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
