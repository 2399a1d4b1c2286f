"""Promise 7: secrets are planted in every place where one may be kept, and nothing that many commands produce holds any.

Looked through are both streams of each command, its log at debug, every column of every table of the ledger, plans as JSON,
tracebacks, the files that it leaves, what a hook is given, and arguments and environment of every process that it starts.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from processes import descendants, forked, told
from psycopg.conninfo import conninfo_to_dict
from waiting import until

import bulketl

KEPT = ("source", "target", "mask", "slack", "webhook", "heartbeat", "pagerduty", "token", "smtp", "apprise")
WAYS = ("file", "variable")
LOOK_SECONDS = 0.005
LASTING_LOOKS = 100  # no exec takes so long
RULES: dict[str, Any] = {
    "t": {"mask": {"c": "hmac"}},
    "bad": {"casts": {"flag": "boolean"}},
    "kept": {"retention": {"keep": "7y", "by": "at", "action": "archive"}},
}
# A mistake of ours in the midst of a plan, so that Python writes a traceback.
MISTAKE = """
import os
if os.environ.get("MISTAKEN"):
    import bulketl.survey.look as look
    def mistaken(*args, **more):
        raise RuntimeError("a mistake")
    look.in_view = mistaken
"""
HOOK = "import os, sys; open('hooked', 'a').write(repr(dict(os.environ)) + sys.stdin.read())"
COMMANDS = (
    "discover", "validate", "plan -v", "plan --json", "plan --sql", "grants", "grants --check --json", "load -v", "status",
    "load --json", "rejects list", "rejects retry", "retention --dry-run", "verify --level rows -v", "verify --repair",
    "why t 3", "certificate", "state list", "audit verify", "runs list", "alerts list", "alerts test", "alerts tick",
    "watchdog", "metrics", "schedule systemd", "load --tables nowhere", "verify months",
)  # fmt: skip


@dataclass
class Planted:
    """A lab whose secrets are known, and everything that came out of it."""

    lab: Lab
    folder: Path
    made: dict[str, str] = field(default_factory=lambda: {name: f"Zq{name}{secrets.token_hex(16)}" for name in KEPT})
    out: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)

    def environment(self, way: str) -> dict[str, str]:
        """Return what the commands are started with: no secret at all, or those that stand in variables."""
        parts = conninfo_to_dict(self.lab.target)
        target = f"postgresql://planted@/{parts['dbname']}?host={urllib.parse.quote(str(parts['host']))}"
        found = {
            "BULKETL_SOURCE": self.lab.server.database(self.lab.database, "planted"), "BULKETL_TARGET": target,
            "BULKETL_SCHEMA": self.lab.schema,
        }  # fmt: skip
        names = {"source": "BULKETL_SOURCE_PASSWORD", "target": "BULKETL_TARGET_PASSWORD", "mask": "BULKETL_MASK_KEY"}
        for name, value in self.made.items():
            variable = names.get(name, f"KEPT_{name.upper()}")
            found |= {variable: value} if way == "variable" else {f"{variable}_FILE": str(self.folder / "secret" / name)}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("BULKETL")}
        source = str(Path(bulketl.__file__).parents[1])
        return {**plain, **found, "BULKETL_LOG": "json,debug", "PYTHONPATH": f"{self.folder / 'site'}:{source}"}

    def run(self, words: str, environ: Mapping[str, str]) -> None:
        """Run a command, keep what it says, and look at the processes that it starts."""
        named = ["--config=b.yaml", *(["--rules=t.yaml"] if words.split()[0] in WITH_RULES else [])]
        with subprocess.Popen(
            [sys.executable, "-m", "bulketl", *words.split(), *named], env=dict(environ), cwd=self.folder / "work",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            over = threading.Event()
            looking = threading.Thread(target=self._look, args=(process.pid, over))
            looking.start()
            out, err = process.communicate(timeout=240)
            over.set()
            looking.join()
        self.codes[words] = process.returncode
        self.out += [out, err]

    def _look(self, process: int, over: threading.Event) -> None:
        looks = Counter[int]()
        while not over.wait(LOOK_SECONDS):
            for child in descendants(process):
                # Between fork and exec it shares the memory of the process that starts it, and /proc shows that one's.
                # The kernel says so of each; one that lasts will never exec, and counts like any other.
                copied = forked(child)
                looks[child] = looks[child] + 1 if copied else 0
                if not copied or looks[child] > LASTING_LOOKS:
                    self.children.add(told(child, "environ"))
                self.children.add(told(child, "cmdline"))
            self.children.add(told(process, "cmdline"))

    def everything(self) -> Iterator[tuple[str, str]]:
        """Yield whatever came out, with where."""
        yield from (("a stream", text) for text in self.out)
        yield from (("a process", text) for text in self.children)
        yield from (
            (path.name, path.read_bytes().decode("utf-8", "replace"))
            for path in (self.folder / "work").rglob("*")
            if path.is_file()
        )
        tables = self.lab.pg("SELECT relname FROM pg_class WHERE relnamespace = 'bulketl'::regnamespace AND relkind = 'r'")
        for (table,) in tables:
            yield f"bulketl.{table}", str(self.lab.pg(f"SELECT t::text FROM bulketl.{table} t"))

    def found(self) -> list[str]:
        """Return where a secret came out, as it is or written otherwise."""
        shapes = [(name, form) for name, value in self.made.items() for form in forms(value)]
        places = set()
        for where, text in self.everything():
            for name, form in shapes:
                if (at := text.find(form)) >= 0:
                    places.add(f"{name} in {where}: …{text[max(0, at - 60) : at]}")
        return sorted(places)


WITH_RULES = ("validate", "plan", "grants", "load", "rejects", "retention", "verify", "why", "status", "watchdog")


def forms(value: str) -> set[str]:
    """Return how a text may be written."""
    raw = value.encode()
    return {value, raw.hex(), base64.b64encode(raw).decode().rstrip("=")[:-1], value[::-1]}


@pytest.fixture
def planted(maria_lab: Lab, tmp_path: Path) -> Iterator[Planted]:
    """A lab with users who have passwords, tables of every fate, and channels that nobody answers."""
    one = Planted(maria_lab, tmp_path)
    for name in ("secret", "work", "site"):
        (tmp_path / name).mkdir()
    for name, value in one.made.items():
        (tmp_path / "secret" / name).write_text(value)
    (tmp_path / "site" / "sitecustomize.py").write_text(MISTAKE)
    (tmp_path / "work" / "t.yaml").write_text(json.dumps({"source_tables": RULES}))
    nobody = "http://127.0.0.1:1"
    service = {"routing_key": "${KEPT_PAGERDUTY}", "api_token": "${KEPT_TOKEN}", "events_url": nobody, "api_url": nobody}
    alerts = {
        "slack": f"{nobody}/${{KEPT_SLACK}}", "webhook": f"{nobody}/${{KEPT_WEBHOOK}}", "pagerduty": service,
        "heartbeat": f"{nobody}/${{KEPT_HEARTBEAT}}", "email": ["dba@example.com"], "spool": str(tmp_path / "work"),
        "smtp": "smtp://u:${KEPT_SMTP}@127.0.0.1:1", "apprise": ["json://u:${KEPT_APPRISE}@127.0.0.1:1"],
    }  # fmt: skip
    settings = {"alerts": alerts, "certify": True, "hooks": [{"on": ["run_finished"], "run": [sys.executable, "-c", HOOK]}]}
    (tmp_path / "work" / "b.yaml").write_text(json.dumps(settings))
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20))", "INSERT INTO t SELECT seq, seq FROM seq_1_to_50",
        "CREATE TABLE bad (id int PRIMARY KEY, flag int)", "INSERT INTO bad VALUES (1, 1), (2, 7)",
        "CREATE TABLE kept (id int PRIMARY KEY, at datetime)", "INSERT INTO kept VALUES (1, '2001-01-01'), (2, NOW())",
    )  # fmt: skip
    maria_lab.server.execute("CREATE USER planted IDENTIFIED BY %s", (one.made["source"],))
    maria_lab.server.execute(f"GRANT SELECT ON {maria_lab.database}.* TO planted")
    maria_lab.pg(f"CREATE ROLE planted SUPERUSER LOGIN PASSWORD '{one.made['target']}'")
    yield one
    maria_lab.server.execute("DROP USER planted")
    maria_lab.pg("REASSIGN OWNED BY planted TO CURRENT_USER; DROP ROLE planted")


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_comes_out_of_any_command(planted: Planted, way: str) -> None:
    """Kept in files no process has one in its environment; kept in variables no process that is started has."""
    environ = planted.environment(way)
    for words in COMMANDS:
        planted.run(words, environ)
    planted.run("plan", {**environ, "MISTAKEN": "yes"})
    for side in ("SOURCE", "TARGET"):  # refused by the server, and not understood
        wrong = {name: value for name, value in environ.items() if not name.startswith(f"BULKETL_{side}_PASSWORD")}
        planted.run("validate", {**wrong, f"BULKETL_{side}_PASSWORD": planted.made["source"][::-1] + "x"})
        planted.run("validate", {**wrong, f"BULKETL_{side}": f"mysql://u:{planted.made['token']}@h:x/d"})
    assert planted.codes["load -v"] in (1, 3)  # a table fails, the others are loaded
    assert any("RuntimeError" in text for text in planted.out)
    assert len(planted.children) > len(COMMANDS)
    assert (planted.folder / "work" / "hooked").stat().st_size
    assert planted.found() == []


def test_an_environment_of_the_same_words_and_of_a_lasting_fork_would_be_found(planted: Planted) -> None:
    """A child is not passed over for the arguments that it shares with its parent, nor for never calling exec."""
    program = (
        "import os, subprocess, sys, time\n"
        "if sys.stdin.readline() == 'again\\n':\n"
        "    subprocess.run(sys.orig_argv, input='', text=True, env={'A': os.environ['A']}); os.environ.clear()\n"
        "elif 'B' in os.environ and os.fork():\n"
        "    os.wait()\n"
        "else:\n"
        "    time.sleep(2)\n"
    )
    for name, way, words in (("slack", "A", "again\n"), ("token", "B", "")):
        planted.children.clear()
        environ = {way: planted.made[name]}
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True, env=environ) as process:
            over = threading.Event()
            looking = threading.Thread(target=planted._look, args=(process.pid, over))
            looking.start()
            process.communicate(words)
            over.set()
            looking.join()
        assert any(planted.made[name] in text for text in planted.children)


def test_what_is_planted_would_be_found(planted: Planted) -> None:
    """The look is not blind: in a stream, a file, the ledger and the arguments of a process."""
    value = planted.made["slack"]
    planted.out.append(f"x{value}y")
    (planted.folder / "work" / "left").write_text(value.encode().hex())
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", value])
    over = threading.Event()
    looking = threading.Thread(target=planted._look, args=(os.getpid(), over))
    looking.start()
    until(lambda: any(value in text for text in planted.children))
    over.set()
    looking.join()
    sleeping.kill()
    sleeping.wait()
    planted.lab.pg("CREATE SCHEMA IF NOT EXISTS bulketl")
    places = {line.split(":")[0] for line in planted.found()}
    assert {"slack in a stream", "slack in left", "slack in a process"} <= places
