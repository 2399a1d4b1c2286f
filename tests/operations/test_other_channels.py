"""A command as a channel, and apprise: what they get, and what is told when they refuse, hang or flood."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from processes import gone
from waiting import NEVER, until
from web import answering

from bulketl.config.alerts import Alerts
from bulketl.operations.alerts.message import Answer, Message
from bulketl.operations.alerts.sending import send

# apprise asks Python for a module that is about to go.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
OPEN = Message(
    "open", "20261127-011200-c3d4 target", "critical", "3 tables failed", ("patient: connection lost", "claim"), "book"
)


def by_command(*words: str) -> Answer:
    """Send by a command."""
    return send(Alerts.model_validate({"command": words}), "command", OPEN)


def python(text: str) -> Answer:
    """Send by a program."""
    return by_command(sys.executable, "-c", text)


def test_a_command_reads_the_text_and_finds_its_parts_in_the_environment(tmp_path: Path) -> None:
    """Without a shell: a word is a word."""
    path = tmp_path / "said; touch x"
    answer = python(
        "import os, sys; from pathlib import Path; found = sorted(os.environ.items()); "
        f"Path({str(path)!r}).write_text(sys.stdin.read() + ' '.join(v for k, v in found if 'ALERT' in k))"
    )
    assert answer == Answer(True, "ended with 0")
    assert path.read_text(encoding="utf-8") == (
        "[critical] 3 tables failed\npatient: connection lost\nclaim\n"
        "20261127-011200-c3d4 target open book critical 3 tables failed"
    )


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    """On either output."""
    assert python("import sys; print('a'); print('no such pager', file=sys.stderr); sys.exit(3)") == Answer(
        False, "ended with 3: no such pager"
    )
    assert python("import os; os.kill(os.getpid(), 9)") == Answer(False, "was killed by signal 9")


@pytest.mark.parametrize("word", ["/no/such/program", "/etc/hostname", "a\0b"])
def test_a_command_that_cannot_start_is_told(word: str) -> None:
    """Not there, not a program, not a name."""
    answer = by_command(word)
    assert not answer.delivered
    assert answer.text.startswith("did not start: ")


def test_a_command_that_hangs_is_ended_with_what_it_has_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It ignores the gentle way, and has a child."""
    monkeypatch.setattr("bulketl.operations.alerts.channels.command.SECONDS", 5.0)
    monkeypatch.setattr("bulketl.connections.commands.SOFT_SECONDS", 0.2)
    child = tmp_path / "child"
    began = time.monotonic()
    answer = python(
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"subprocess.Popen(['sh', '-c', 'echo $$ > {child}; exec sleep 600']); time.sleep(600)"
    )
    assert answer == Answer(False, "was ended after 5 s")
    assert time.monotonic() - began < NEVER
    until(lambda: gone(int(child.read_text(encoding="utf-8"))))


def test_a_command_that_floods_keeps_its_last_words() -> None:
    """A hundred megabytes are read and thrown away."""
    answer = python("import sys\nfor n in range(1000): sys.stdout.write('x' * 100_000)\nprint('\\nend'); sys.exit(1)")
    assert answer == Answer(False, "ended with 1: end")


def test_a_command_that_reads_nothing_is_no_failure() -> None:
    """However long the text is."""
    alerts = Alerts.model_validate({"command": ["true"]})
    message = Message("open", "i", "audit", "t", ("x" * 1_000_000, *["y" * 100] * 1000))
    assert send(alerts, "command", message) == Answer(True, "ended with 0")


def by_apprise(*urls: str) -> Answer:
    """Send by apprise."""
    pytest.importorskip("apprise", reason="the extra alerts is not installed")
    return send(Alerts.model_validate({"apprise": urls}), "apprise", OPEN)


def test_apprise_reaches_a_service() -> None:
    """With heading, text, and whether it is bad news."""
    with answering(lambda _: (200, "")) as endpoint:
        answer = by_apprise(endpoint.url.replace("http", "json"))
    assert answer == Answer(True, "1 of 1 service took it")
    (found,) = endpoint.events
    assert (found["title"], found["type"]) == ("[critical] 3 tables failed", "failure")
    assert found["message"] == "patient: connection lost\nclaim"


def test_apprise_tells_who_refused_and_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    """One that takes it is enough; nothing is printed past the screen."""
    with answering(lambda _: (200, "")) as well, answering(lambda _: (500, "")) as ill:
        answer = by_apprise(
            well.url.replace("http", "json"), f"json://user:s3cret-word@{ill.url.removeprefix('http://')}/t0ken-of-mine",
            "nosuch://s3cret-word",
        )  # fmt: skip
    assert answer.delivered
    assert answer.text.startswith("1 of 3 services took it; ")
    assert "did not take it: " in answer.text
    assert "URL 3 is none that apprise knows" in answer.text
    assert not any(word in answer.text for word in ("s3cret-word", "t0ken-of-mine"))
    assert capfd.readouterr() == ("", "")


def test_a_token_that_stands_for_a_host_is_no_less_secret() -> None:
    """As in many URLs of apprise."""
    found = Alerts.model_validate({"apprise": ["tgram://123456789:AAbottoken/chatid1", "json://u:s3cret@host/t0ken-of"]})
    assert {"123456789", "AAbottoken", "chatid1", "s3cret", "t0ken-of"} <= set(found.secrets)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing fails."""
    modules: dict[str, Any] = sys.modules
    monkeypatch.setitem(modules, "apprise", None)
    answer = send(Alerts.model_validate({"apprise": ["json://localhost"]}), "apprise", OPEN)
    assert answer == Answer(False, "apprise is not installed; install bulketl[alerts]")
