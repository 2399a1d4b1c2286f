"""The key `hooks`: what may stand there, and what is told of what may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from bulketl.config.hooks import Hook, HookEvent
from bulketl.config.read import load_config
from bulketl.errors import ConfigError
from bulketl.loading.telling import KINDS


def test_every_event_may_have_hooks() -> None:
    """But what hooks make themselves, which would call them for ever, and what the ledger says of itself."""
    assert set(get_args(HookEvent)) == set(KINDS) - {"hook_ran", "events_lost", "ledger_pruned"}


def settings(folder: Path, text: str) -> tuple[Hook, ...]:
    """Return the hooks of a file."""
    path = folder / "bulketl.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(None, path, {"TOKEN": "hunter2"}).hooks


def test_a_hook_is_a_command_or_a_callable(tmp_path: Path) -> None:
    """`on` is a word to YAML 1.1 for true, and is read as what it is; a label shows no argument."""
    text = """
hooks:
- {on: run_finished, run: [/usr/bin/dbt, build, "${TOKEN}"], time_limit: 30m}
- {on: [table_published, table_failed], call: "ours.hooks:told", tables: ["claim*"]}
- {on: run_ended, run: [dbt], name: nightly models}
"""
    found = settings(tmp_path, text)
    assert [hook.label for hook in found] == ["dbt", "ours.hooks:told", "nightly models"]
    assert found[0].time_limit.total_seconds() == 1800
    assert found[1].on == ("table_published", "table_failed")
    assert "hunter2" not in repr(found)


WRONG = [
    ({"on": "table_publisht", "run": ["true"]}, "hooks.0.on"),
    ({"on": [], "run": ["true"]}, "hooks.0.on"),
    ({"on": "hook_ran", "run": ["true"]}, "hooks.0.on"),
    ({"run": ["true"]}, "hooks.0.on: Field required"),
    ({"on": "run_ended"}, "either run, a list of words, or call, a module:function, is expected"),
    ({"on": "run_ended", "run": ["hunter2"], "call": "a:b"}, "either run, a list of words, or call"),
    ({"on": "run_ended", "run": "dbt hunter2"}, "hooks.0.run: a list is expected"),
    ({"on": "run_ended", "run": [""]}, "hooks.0.run.0"),
    ({"on": "run_ended", "call": "a.b"}, "hooks.0.call: a module:function is expected"),
    ({"on": "run_ended", "call": "a:b:c"}, "hooks.0.call"),
    ({"on": "run_ended", "call": ":b"}, "hooks.0.call"),
    ({"on": "run_ended", "call": "a..b:c"}, "hooks.0.call"),
    ({"on": "run_ended", "call": "a:b; import os"}, "hooks.0.call"),
    ({"on": "run_ended", "run": ["true"], "time_limit": "0s"}, "time_limit is from 1s to 1d"),
    ({"on": "run_ended", "run": ["true"], "time_limit": "9d"}, "time_limit is from 1s to 1d"),
    ({"on": "run_ended", "run": ["true"], "timelimit": "9s"}, "unknown key; did you mean 'time_limit'?"),
]


@pytest.mark.parametrize(("hook", "text"), WRONG)
def test_a_hook_that_cannot_be_is_told(tmp_path: Path, hook: object, text: str) -> None:
    """At its place."""
    with pytest.raises(ConfigError) as told:
        settings(tmp_path, json.dumps({"hooks": [hook]}))
    assert text in told.value.message
    assert "hunter2" not in told.value.message


def test_an_unknown_event_is_told_with_those_there_are(tmp_path: Path) -> None:
    """A person sees what was meant."""
    with pytest.raises(ConfigError) as told:
        settings(tmp_path, json.dumps({"hooks": [{"on": "run_over", "run": ["true"]}]}))
    assert "'run_finished'" in told.value.message
