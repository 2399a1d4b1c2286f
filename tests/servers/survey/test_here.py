"""`validate` finds what bulketl.yaml names and this machine has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # asked for by apprise
HOOKS: list[tuple[dict[str, Any], str | None]] = [
    ({"run": ["true"]}, None),
    ({"run": ["/bin/true", "hunter2"]}, None),
    ({"run": ["no-such-program", "hunter2"]}, "hooks.0 (no-such-program): there is no program 'no-such-program'"),
    ({"run": ["/no/such/hunter"]}, "hooks.0 (hunter): there is no program 'hunter'"),
    ({"run": ["/etc"], "name": "models"}, "hooks.0 (models): there is no program 'etc'"),
    ({"call": "json:loads"}, None),
    ({"call": "ours_here:told"}, None),
    ({"call": "ours_here:nobody"}, "it cannot be imported: AttributeError: module 'ours_here' has no attribute 'nobody'"),
    ({"call": "ours_here:number"}, "it cannot be imported: TypeError: ours_here:number cannot be called"),
    ({"call": "no_such_module:told"}, "it cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
    ({"call": "ours_here_exits:told"}, "it cannot be imported: ended with 3"),
]


@pytest.mark.parametrize(("hook", "text"), HOOKS)
def test_a_hook_that_cannot_be_called_is_an_error(
    maria_lab: Lab, tmp_path: Path, hook: dict[str, Any], text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is called for that."""
    called = tmp_path / "called"
    (tmp_path / "ours_here.py").write_text(f"number = 1\ndef told(event): open({str(called)!r}, 'w')\n", encoding="utf-8")
    (tmp_path / "ours_here_exits.py").write_text("import sys; sys.exit(3)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = [
        one for one in bulketl.validate(maria_lab.config(hooks=[{"on": "run_ended", **hook}])) if one.kind == "not here"
    ]
    assert [one.severity for one in found] == ([] if text is None else ["error"])
    assert text is None or text in found[0].message
    assert not called.exists()
    assert "hunter2" not in repr(found) + "".join(one.message + one.advice for one in found)


CHANNELS = [
    ({"command": ["true"]}, None),
    ({"command": ["no-such-pager"]}, "alerts.command: there is no program 'no-such-pager'"),
    ({"apprise": ["json://localhost"]}, None),
    ({"apprise": ["json://localhost", "nosuch://hunter2"]}, "alerts.apprise.1: apprise knows no such URL"),
]


@pytest.mark.parametrize(("alerts", "text"), CHANNELS)
def test_a_channel_that_reaches_nobody_is_an_error(maria_lab: Lab, alerts: dict[str, Any], text: str | None) -> None:
    """As far as this machine can tell."""
    found = [one for one in bulketl.validate(maria_lab.config(alerts=alerts)) if one.kind == "not here"]
    assert [one.message for one in found] == ([] if text is None else [text])


@pytest.mark.parametrize(("file", "text"), [
    ("bulketl.prom", None),
    ("nowhere/bulketl.prom", "metrics.textfile: there is no folder"),
    ("a file/bulketl.prom", "metrics.textfile: there is no folder"),
])  # fmt: skip
def test_a_file_of_metrics_that_cannot_be_written_is_an_error(
    maria_lab: Lab, tmp_path: Path, file: str, text: str | None
) -> None:
    (tmp_path / "a file").touch()
    config = maria_lab.config(metrics={"textfile": str(tmp_path / file)})
    found = [one.message for one in bulketl.validate(config) if one.kind == "not here"]
    assert [message.startswith(text or "?") for message in found] == ([] if text is None else [True])


def test_without_a_source_the_files_and_this_machine_are_looked_at(tmp_path: Path) -> None:
    """As on the host of a watchdog, which has none."""
    path = tmp_path / "bulketl.yaml"
    environ = {"BULKETL_SOURCE": "", "BULKETL_TARGET": ""}
    for command, code in ((["true"], 0), (["no-such-pager"], 2)):
        path.write_text(json.dumps({"alerts": {"command": command}}), encoding="utf-8")
        done = CliRunner().invoke(app, ["validate", "--config", str(path)], env=environ)
        assert done.exit_code == code, done.output
        assert ("there is no program 'no-such-pager'" in done.output) == bool(code)
        done = CliRunner().invoke(app, ["validate", "--json", "--config", str(path)], env=environ)
        assert len(json.loads(done.stdout)) == bool(code)
