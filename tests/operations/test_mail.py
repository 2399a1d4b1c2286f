"""Mail goes to a local server as it would go to any: over TLS, in threads, with what the server says of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import certificates
import pytest
from mailserver import Mailbox, mailbox
from waiting import NEVER
from web import hang, talking

from bulketl.config.alerts import Alerts
from bulketl.operations.alerts.message import Answer, Message
from bulketl.operations.alerts.sending import send

# The server of these tests lets people log in without TLS, so that a test may see that nobody does.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
OPEN = Message("open", "20261127-011200-c3d4 target", "critical", "3 tables failed", ("patient: connection lost", "claim"))
TO = ["dba@clinic.example", "night@clinic.example"]


def by_mail(box: Mailbox, message: Message, thread: str = "", **values: Any) -> Answer:
    """Send a message by the server."""
    given = {"email": TO, "smtp": f"smtp://127.0.0.1:{box.port}", "email_from": "bulketl@clinic.example", **values}
    return send(Alerts.model_validate(given), "email", message, thread)


def test_a_mail_is_plain_text_and_tells_what_the_server_said() -> None:
    """To everybody in one mail, and nobody's absence answers it."""
    with mailbox(Mailbox()) as box:
        answer = by_mail(box, OPEN)
    (mail,) = box.mails
    assert answer == Answer(True, "250 2.0.0 Ok: queued as 4F2", mail["Message-ID"])
    assert (mail["From"], mail["To"]) == ("bulketl@clinic.example", ", ".join(TO))
    assert mail["Subject"] == "bulketl [critical] 3 tables failed"
    assert mail.get_content_type() == "text/plain"
    assert mail["Auto-Submitted"] == "auto-generated"
    lines = mail.get_content().splitlines()
    assert lines == ["[critical] 3 tables failed", "", "patient: connection lost", "claim", "", OPEN.incident]


def test_the_mails_of_an_incident_follow_its_first() -> None:
    """By the headers that mail programs sort by."""
    with mailbox(Mailbox()) as box:
        first = by_mail(box, OPEN)
        second = by_mail(box, Message("resolved", OPEN.incident, "critical", "loaded"), first.thread)
    assert second.thread == first.thread
    assert box.mails[1]["In-Reply-To"] == box.mails[1]["References"] == box.mails[0]["Message-ID"] == first.thread
    assert box.mails[1]["Message-ID"] != first.thread
    assert box.mails[1]["Subject"] == "bulketl [critical] loaded"


@pytest.mark.parametrize("name", ["a\r\nBcc: all@example.com", "Zürich 😀", "\ud800", "x" * 2000, "\x1b[2J", "a\u2028b", ""])
def test_any_name_is_a_part_of_its_line(name: str) -> None:
    """No name makes a header of its own."""
    with mailbox(Mailbox()) as box:
        assert by_mail(box, Message("open", "i", "audit", f"table {name} failed", (f"{name}: lost", name))).delivered
    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert mail["To"] == ", ".join(TO)
    assert len(mail.get_content().splitlines()) == 6


def test_an_address_that_is_refused_is_told() -> None:
    """The others have the mail; where all are refused, nobody has."""
    with mailbox(Mailbox(refuse=(TO[0],))) as box:
        answer = by_mail(box, OPEN)
    assert answer.delivered
    assert answer.text == f"250 2.0.0 Ok: queued as 4F2; refused {TO[0]}: 550 5.1.1 no such user"
    with mailbox(Mailbox(refuse=tuple(TO))) as box:
        answer = by_mail(box, OPEN)
    assert not answer.delivered
    assert answer.text.startswith("every address is refused: ")


def test_a_mail_that_is_refused_is_told() -> None:
    """With the words of the server."""
    with mailbox(Mailbox(answer="554 5.7.1 looks like spam")) as box:
        answer = by_mail(box, OPEN)
    assert (answer.delivered, answer.text) == (False, "554 5.7.1 looks like spam")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates."""
    path = tmp_path_factory.mktemp("certificates")
    certificates.make(path)
    return path


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine taken for another."""
    monkeypatch.setattr("bulketl.operations.alerts.channels.mail.on_this_machine", lambda _: False)


def test_a_password_goes_over_tls_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun with, or after STARTTLS; a server that offers none does not get it."""
    elsewhere(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    for at_once, scheme in ((True, "smtps"), (False, "smtp")):
        with mailbox(Mailbox(users={"bulketl": "p@ss/word"}), folder / "good.pem", at_once=at_once) as box:
            uri = f"{scheme}://bulketl:p%40ss%2Fword@localhost:{box.port}"
            answer = by_mail(box, OPEN, smtp=uri)
        assert answer.delivered, answer
        assert box.logged_in == ["bulketl"]
        assert at_once or box.encrypted == [True]  # a server that begins with TLS speaks nothing else
    with mailbox(Mailbox(users={"bulketl": "p@ss/word"})) as box:
        answer = by_mail(box, OPEN, smtp=f"smtp://bulketl:p%40ss%2Fword@localhost:{box.port}")
    assert not answer.delivered
    assert "offers no TLS" in answer.text
    assert not box.logged_in
    with mailbox(Mailbox()) as box:
        answer = by_mail(box, OPEN)
    assert answer.text.endswith(", sent without TLS, which the server does not offer")


def test_a_wrong_password_is_told_without_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the words of the server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with mailbox(Mailbox(users={"bulketl": "right"}), folder / "good.pem", at_once=True) as box:
        answer = by_mail(box, OPEN, smtp=f"smtps://bulketl:hunter2@localhost:{box.port}")
    assert not answer.delivered
    assert answer.text.startswith("535 ")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("certificate", ["good", "expired"])
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_is_not_good_is_told(
    folder: Path, certificate: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another authority, or expired."""
    elsewhere(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / ("other-ca.pem" if certificate == "good" else "ca.pem")))
    with mailbox(Mailbox(), folder / f"{certificate}.pem", at_once=scheme == "smtps") as box:
        answer = by_mail(box, OPEN, smtp=f"{scheme}://localhost:{box.port}")
    assert not answer.delivered
    assert "certificate" in answer.text


def test_a_mail_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that is not there."""
    monkeypatch.setattr("bulketl.operations.alerts.sending.SECONDS", 0.5)
    with talking(hang) as url:
        began = time.monotonic()
        answer = by_mail(Mailbox(), OPEN, smtp=url.replace("http", "smtp"))
        assert time.monotonic() - began < NEVER
    assert answer == Answer(False, "no answer within 0.5 s")
    answer = by_mail(Mailbox(), OPEN, smtp="smtp://127.0.0.1:1")
    assert answer == Answer(False, "the mail server did not answer: Connection refused")
