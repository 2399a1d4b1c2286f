"""Every report goes by mail, and `--deliver` takes it where `reports` in bulketl.yaml says; all tell the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from heldup import environ
from lab import Lab
from mailserver import Mailbox, mailbox
from typer.testing import CliRunner, Result

from bulketl.cli.app import app

TURNED = "abc\u202edef\nBcc: x@y.example"
RULES: dict[str, Any] = {
    "log": {"table_importance": "audit"},
    TURNED: {"checks": [{"range": "id", "min": 99, "severity": "reject"}]},
}
REPORTS = ("daily", "weekly", "compliance", "incident", "run")
RUNNER = CliRunner()


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """An audited table, and one that fails and has a hostile name."""
    maria_lab.mysql(
        "CREATE TABLE log (id int PRIMARY KEY, who varchar(20))",
        "INSERT INTO log SELECT seq, 'KARLSSON' FROM seq_1_to_50",
        f"CREATE TABLE `{TURNED}` (id int PRIMARY KEY)",
        f"INSERT INTO `{TURNED}` VALUES (1)",
    )
    maria_lab.load(rules=RULES, unforeseen="a check rejects a row")
    return maria_lab


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox(Mailbox()) as made:
        yield made


def asked(lab: Lab, folder: Path, *words: str, reports: dict[str, Any], **env: str) -> Result:
    (folder / "tables.yaml").write_text(json.dumps({"source_tables": RULES}))
    (folder / "bulketl.yaml").write_text(json.dumps({"reports": reports}))
    rules = [] if words[0] in ("incident", "run") else ["--rules", str(folder / "tables.yaml")]
    return RUNNER.invoke(app, ["report", *words, *rules, "--config", str(folder / "bulketl.yaml")],
                         env={**environ(lab), **env})  # fmt: skip


def content(attached: EmailMessage) -> bytes:
    """Return an attached file as it was sent."""
    found = attached.get_payload(decode=True)
    assert isinstance(found, bytes)
    return found


def to(box: Mailbox) -> dict[str, Any]:
    return {"mail": {"to": ["boss@clinic.example"], "smtp": f"smtp://127.0.0.1:{box.port}"}}


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_goes_by_mail_with_its_page_attached(lab: Lab, tmp_path: Path, box: Mailbox, name: str) -> None:
    """No value of a row is in it, no name makes a header or turns a line, and nothing is fetched."""
    page = tmp_path / "page.html"
    done = asked(lab, tmp_path, name, "--mail", "--html", str(page), "--json", reports=to(box))
    assert done.exit_code in (0, 1, 3), done.stderr
    assert "mailed to boss@clinic.example" in done.stderr
    json.loads(done.stdout)
    (mail,) = box.mails
    assert (mail["To"], mail["Bcc"]) == ("boss@clinic.example", None)
    assert mail["Subject"].strip().startswith(f"bulketl {name}: ")
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename() or "").startswith(f"{name}-")
    assert (attached.get_content_charset(), content(attached)) == ("utf-8", page.read_bytes())
    told = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()
            and not part.get_filename()}  # fmt: skip
    assert set(told) == {"text/plain", "text/html"}
    for text in (*told.values(), page.read_text()):
        assert "KARLSSON" not in text
        assert "\u202e" not in text
    assert "src=" not in told["text/html"]
    assert lab.schema in told["text/plain"]


@pytest.mark.parametrize("name", ["daily", "weekly", "compliance"])
def test_a_report_is_delivered_where_its_key_says(lab: Lab, tmp_path: Path, box: Mailbox, name: str) -> None:
    """Into the folder, which is made, and by mail; the file of the same number is replaced."""
    folder = tmp_path / "kept" / name
    reports = {**to(box), name: {"write": str(folder), "send": ["email"]}}
    done = asked(lab, tmp_path, name, "--deliver", reports=reports)
    (file,) = folder.iterdir()
    assert f"written to {file}" in done.stderr.replace("\n", "")
    (mail,) = box.mails
    (attached,) = mail.iter_attachments()
    assert content(attached) == file.read_bytes()
    asked(lab, tmp_path, name, "--deliver", reports={name: {"write": str(folder)}})
    assert len(box.mails) == 1
    assert len(list(folder.iterdir())) == 1 or name == "compliance"  # which has its moment in its number


def test_nothing_is_delivered_where_nobody_said_where(lab: Lab, tmp_path: Path) -> None:
    """Before the report is made; and a report is no more delivered than it is asked for."""
    refused = asked(lab, tmp_path, "weekly", "--deliver", reports={"daily": {"write": str(tmp_path / "d")}})
    assert (refused.exit_code, "reports.weekly says nowhere" in refused.stderr) == (2, True), refused.stderr
    asked(lab, tmp_path, "daily", reports={"daily": {"write": str(tmp_path / "d")}})
    assert not (tmp_path / "d").exists()


def test_a_compliance_report_is_delivered_as_it_was_signed(lab: Lab, tmp_path: Path, box: Mailbox) -> None:
    """Whoever has the public key checks the file, and the one in the mail."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = tmp_path / "report.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    reports = {**to(box), "compliance": {"write": str(tmp_path / "audit"), "send": ["email"]}}
    asked(lab, tmp_path, "compliance", "--deliver", reports=reports,
          BULKETL_REPORT_KEY=base64.b64encode(private).decode())  # fmt: skip
    (file,) = (tmp_path / "audit").iterdir()
    (attached,) = box.mails[0].iter_attachments()
    mailed = tmp_path / "mailed.html"
    mailed.write_bytes(content(attached))
    for one in (file, mailed):
        checked = RUNNER.invoke(app, ["report", "verify", str(one), "--key", str(public)])
        assert checked.exit_code == 0, checked.stderr
    assert lab.pg("SELECT count(*) FROM bulketl.audit_chain WHERE kind = 'report' AND schema_name = %s",
                  (lab.schema,)) == [(1,)]  # fmt: skip


def test_a_template_that_no_report_takes_is_told_by_the_report(lab: Lab, tmp_path: Path) -> None:
    """On standard error; the report is made by ours."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "dayly.md").write_text("OURS")
    done = asked(lab, tmp_path, "daily", "--markdown", reports={"templates": str(tmp_path / "own")})
    assert "no report takes 'dayly.md'; did you mean 'daily.md'?" in done.stderr
    assert "OURS" not in done.stdout
