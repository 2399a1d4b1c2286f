"""Hooks of a run: called with its events, in order; whatever they do, the run is as it was without them and says so."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lab import Done, Lab
from waiting import NEVER

import bulketl
from bulketl.loading import hooks as module
from bulketl.loading.events import Event, HookRan, RunFinished

COLLECT = """
import json, os, sys
found = json.load(sys.stdin)
found["env"] = {name: value for name, value in os.environ.items() if name.startswith("BULKETL_")}
open(sys.argv[1], "a").write(json.dumps(found) + chr(10))
"""


def python(*words: str) -> list[str]:
    """Return the words of a program."""
    return [sys.executable, "-c", *words]


def loaded(lab: Lab, *hooks: dict[str, Any], **more: Any) -> Done:
    """Load two tables, one of which fails, with hooks."""
    lab.mysql(
        "CREATE TABLE IF NOT EXISTS good (id int PRIMARY KEY, c text)", "REPLACE INTO good VALUES (1, 'a'), (2, 'b')",
        "CREATE TABLE IF NOT EXISTS bad (id int PRIMARY KEY, d date)", "REPLACE INTO bad VALUES (1, '0000-00-00')",
        mode="",
    )  # fmt: skip
    return lab.load(hooks=list(hooks), rules={"bad": {"casts": {"d": "date NOT NULL"}}} if more.get("fail") else None)


def called(path: Path) -> list[dict[str, Any]]:
    """Return what hooks have written."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def ran(lab: Lab, run: str) -> list[dict[str, Any]]:
    """Return what is on record of the hooks of a run."""
    found = lab.pg("SELECT body FROM bulketl.event WHERE run = %s AND kind = 'hook_ran' ORDER BY seq", [run])
    return [body for (body,) in found]


def test_a_hook_gets_the_event_and_its_exit_is_on_record(maria_lab: Lab, tmp_path: Path) -> None:
    """As JSON on standard input, the most important in the environment."""
    path = tmp_path / "called"
    hook = {"on": ["table_published", "run_finished", "run_ended"], "run": python(COLLECT, str(path)), "name": "collect"}
    done = loaded(maria_lab, hook)
    found = called(path)
    tables = {one["body"]["table"] for one in found if one["kind"] == "table_published"}
    assert tables == {"good", "bad"}
    assert [one["kind"] for one in found] == ["table_published", "table_published", "run_finished", "run_ended"]
    first, last = found[0], found[-1]
    assert {(one["run"], one["act"], one["schema"]) for one in found} == {(done.summary.run, "load", maria_lab.schema)}
    assert first["env"]["BULKETL_TABLE"] == first["body"]["table"]
    assert "outcome" not in first
    assert (last["outcome"], last["env"]["BULKETL_OUTCOME"], last["env"]["BULKETL_EVENT"]) == ("done", "done", "run_ended")
    records = ran(maria_lab, done.summary.run)
    assert [(one["on"], one["table"], one["code"], one["message"]) for one in records] == [
        ("table_published", found[0]["body"]["table"], 0, "ended with 0"),
        ("table_published", found[1]["body"]["table"], 0, "ended with 0"),
        ("run_finished", "", 0, "ended with 0"), ("run_ended", "", 0, "ended with 0"),
    ]  # fmt: skip
    told = [event for event in done.events if isinstance(event, HookRan)]
    assert [(event.on, event.table) for event in told] == [(one["on"], one["table"]) for one in records]
    assert done.summary.hooks["collect"].calls == 4
    assert done.summary.hooks["collect"].failed == 0


def test_what_runs_at_the_end_sees_the_run_ended_and_holds_none_of_its_locks(maria_lab: Lab, tmp_path: Path) -> None:
    """A hook that starts dbt may take an hour, and the next load may begin meanwhile."""
    path = tmp_path / "seen"
    look = (
        "import json, psycopg, sys; c = psycopg.connect(sys.argv[2]); run = json.load(sys.stdin)['run']; "
        "outcome = c.execute('SELECT outcome FROM bulketl.run WHERE run = %s', [run]).fetchone()[0]; "
        "locks = c.execute(\"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'\").fetchone()[0]; "
        "open(sys.argv[1], 'w').write(f'{outcome} {locks}')"
    )
    loaded(maria_lab, {"on": "run_finished", "run": python(look, str(path), maria_lab.target)})
    assert path.read_text(encoding="utf-8") == "done 0"


def test_a_callable_is_called_with_the_event(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, found as Python finds modules."""
    (tmp_path / "ours_of_hooks.py").write_text(
        "class K:\n    @staticmethod\n    def told(event):\n"
        f"        open({str(tmp_path / 'called')!r}, 'a').write(event['kind'])\n"
        "def raising(event):\n    raise ValueError('no such mood')\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = loaded(
        maria_lab, {"on": "run_started", "call": "ours_of_hooks:K.told"},
        {"on": "run_started", "call": "ours_of_hooks:raising"}, {"on": "run_started", "call": "nowhere:told"},
    )  # fmt: skip
    assert (tmp_path / "called").read_text(encoding="utf-8") == "run_started"
    hooks = done.summary.hooks
    assert hooks["ours_of_hooks:K.told"].failed == 0
    assert hooks["ours_of_hooks:raising"].message == "ended with 1: ValueError: no such mood (at run_started)"
    assert hooks["nowhere:told"].message.startswith("ended with 1: ModuleNotFoundError: No module named 'nowhere'")
    assert done.summary.outcome == "done"


def test_a_mistake_of_ours_is_no_trouble_of_the_run(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither where calls are made, nor where they are carried out; each is told."""

    def broken(*_args: object) -> None:
        raise ValueError("a value of a row")

    hook = {"on": ["table_published", "run_ended"], "run": ["true"]}
    with monkeypatch.context() as patch:
        patch.setattr(module, "carry_out", broken)
        done = loaded(maria_lab, hook)
    assert done.summary.outcome == "done"
    assert {one["message"] for one in ran(maria_lab, done.summary.run)} == {"a mistake in bulketl, report it: ValueError"}
    monkeypatch.setattr(module, "to_record", broken)
    done = loaded(maria_lab, {"on": "run_started", "run": ["true"]})
    assert done.summary.outcome == "done"
    assert "hooks at run_started: a mistake in bulketl, report it: ValueError" in caplog.text
    assert "value of a row" not in caplog.text


def test_hooks_of_one_program_are_told_apart(maria_lab: Lab) -> None:
    """By their numbers, unless they have names."""
    hooks = [{"on": "run_ended", "run": [word]} for word in ("true", "/bin/true", "false")]
    done = loaded(maria_lab, *hooks, {"on": "run_ended", "run": ["true"], "name": "mine"})
    assert {name: one.failed for name, one in done.summary.hooks.items()} == {
        "true": 0,
        "true (2)": 0,
        "false": 1,
        "mine": 0,
    }


def test_what_a_hook_leaves_behind_is_not_waited_for(maria_lab: Lab, tmp_path: Path) -> None:
    """Though it holds the output of the hook."""
    began, left = time.monotonic(), tmp_path / "left"
    done = loaded(maria_lab, {"on": "run_ended", "run": ["sh", "-c", f"sleep 600 & echo $! > {left}"]})
    assert time.monotonic() - began < NEVER
    os.kill(int(left.read_text(encoding="utf-8")), signal.SIGKILL)
    assert ran(maria_lab, done.summary.run)[0]["message"] == "ended with 0"


def test_a_hook_for_some_tables_is_called_for_these(maria_lab: Lab, tmp_path: Path) -> None:
    """By name or pattern."""
    path = tmp_path / "called"
    loaded(maria_lab, {"on": "table_published", "tables": ["g*"], "run": python(COLLECT, str(path))})
    assert [one["body"]["table"] for one in called(path)] == ["good"]


WAYS: dict[str, tuple[list[str], str]] = {
    "fails": (python("import sys; print('a value of a row'); sys.exit(7)"), "ended with 7"),
    "is killed": (python("import os; os.kill(os.getpid(), 11)"), "was killed by signal 11"),
    "hangs": (python("import time; time.sleep(60)"), "was ended after 1 s"),
    "floods": (python("while True: print('flood' * 1000)"), "was ended after 1 s"),
    "is not there": (["/no/such/program"], "did not start: No such file or directory"),
    "is no program": (["/dev/null"], "did not start: Permission denied"),
    "leaves its input": (["true"], "ended with 0"),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_hook_does_the_load_is_done_and_says_so(maria_lab: Lab, way: str) -> None:
    """It fails nothing; on record is how it ended, and nothing of what it printed."""
    words, how = WAYS[way]
    limit = "1s" if how.startswith("was ended") else "1m"
    done = loaded(maria_lab, {"on": "table_published", "run": words, "time_limit": limit, "name": "it"})
    assert done.summary.outcome == "done"
    hook = done.summary.hooks["it"]
    assert (hook.calls, hook.failed) == (2, 0 if way == "leaves its input" else 2)
    records = ran(maria_lab, done.summary.run)
    assert records[0]["message"] == how
    assert "value of a row" not in json.dumps(records)
    if way == "fails":
        assert "a value of a row" in hook.message
    if how.startswith("was ended"):
        assert records[1]["message"] == f"was not called for 1 event: it {how} before"


def test_a_hook_that_hangs_takes_no_time_from_the_tables(maria_lab: Lab, tmp_path: Path) -> None:
    """They are there before it ends: here it runs until they are."""
    maria_lab.mysql("CREATE TABLE good (id int PRIMARY KEY)", "INSERT INTO good VALUES (1), (2)")
    there, found = tmp_path / "there", list[int]()
    hook = {"on": "run_started", "run": ["sh", "-c", f"until [ -e {there} ]; do sleep 0.05; done"], "time_limit": "1h"}

    def look(event: Event) -> None:
        if isinstance(event, RunFinished):
            ((rows,),) = maria_lab.pg("SELECT count(*) FROM {s}.good")
            found.append(rows)
            there.touch()

    config = maria_lab.config(hooks=[hook])
    summary = bulketl.load(config, bulketl.make_plan(config), [look])
    assert found == [2]
    assert [one["message"] for one in ran(maria_lab, summary.run)] == ["ended with 0"]


def test_more_events_than_may_wait_are_counted(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load goes on, and says how many were left out."""
    monkeypatch.setattr(module, "MOST", 2)
    names = [f"t{n}" for n in range(12)]
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in names))
    done = maria_lab.load(hooks=[{"on": "table_published", "run": ["sleep", "0.5"]}])
    records = ran(maria_lab, done.summary.run)
    assert records[-1]["message"].endswith("events: more than 2 calls were waiting")
    left_out = int(records[-1]["message"].split()[4])
    assert left_out + len(records) - 1 == 12
    assert done.summary.hooks["sleep"].failed == 1


def test_an_interrupted_run_ends_its_hooks_and_tells_what_it_left_out(maria_lab: Lab) -> None:
    """Nobody waits for a hook after Ctrl-C."""

    def interrupt(event: Event) -> None:
        if isinstance(event, HookRan):
            raise KeyboardInterrupt

    config = maria_lab.config(
        hooks=[
            {"on": "table_started", "run": ["true"], "name": "table_started"},
            {"on": "run_ended", "run": ["true"], "name": "run_ended"},
        ]
    )
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    with pytest.raises(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [interrupt])
    ((run, outcome),) = maria_lab.pg("SELECT run, outcome FROM bulketl.run WHERE schema_name = %s", [maria_lab.schema])
    assert outcome in ("interrupted", "done")
    assert [one["hook"] for one in ran(maria_lab, run)] == ["table_started", "run_ended"]


def test_other_acts_have_hooks_too(maria_lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Here a repair: its events, and the warning that a hook of it failed."""
    path = tmp_path / "called"
    loaded(maria_lab)
    maria_lab.pg("UPDATE {s}.good SET c = 'x' WHERE id = 1")
    hooks = [{"on": ["table_done", "run_ended"], "run": python(COLLECT, str(path))}, {"on": "run_ended", "run": ["false"]}]
    result = bulketl.verify(maria_lab.config(hooks=hooks), tables=["good"], level="rows", repair=True)
    assert [(one["kind"], one["act"], one.get("outcome")) for one in called(path)] == [
        ("table_done", "repair", None), ("run_ended", "repair", "done"),
    ]  # fmt: skip
    assert [(one["on"], one["code"]) for one in ran(maria_lab, result.run)] == [
        ("table_done", 0), ("run_ended", 0), ("run_ended", 1),
    ]  # fmt: skip
    assert "hook false: ended with 1 (at run_ended)" in caplog.text
