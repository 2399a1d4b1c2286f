"""`bulketl report daily`: page, Markdown, JSON and mail of a real load tell the same, by templates of a user's own too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from dashboards import role
from heldup import environ
from lab import Lab
from mailserver import Mailbox, mailbox
from typer.testing import CliRunner, Result

from bulketl.cli.app import app

TURNED = "abc\u202edef\nBcc: x@y.example"
RULES: dict[str, Any] = {
    "patient": {"table_importance": "critical"},
    "visit": {
        "table_importance": "important",
        "checks": [{"range": "amount", "min": 0, "severity": "reject"}],
        "max_rejects": 10,
    },
    TURNED: {"table_importance": "critical", "checks": [{"range": "id", "min": 99, "severity": "reject"}], "max_rejects": 1},
}
RUNNER = CliRunner()


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Three tables, one of them with rejected rows, one that fails and has a hostile name; loaded, with certificates."""
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, name varchar(20))",
        "INSERT INTO patient SELECT seq, 'KARLSSON' FROM seq_1_to_50",
        "CREATE TABLE visit (id int PRIMARY KEY, amount int)",
        "INSERT INTO visit SELECT seq, IF(seq < 4, -4242424, seq) FROM seq_1_to_20",
        f"CREATE TABLE `{TURNED}` (id int PRIMARY KEY)",
        f"INSERT INTO `{TURNED}` VALUES (1), (2), (3)",
    )
    maria_lab.load(rules=RULES, certify=True, unforeseen="checks reject rows")
    return maria_lab


def asked(lab: Lab, folder: Path, *words: str, settings: dict[str, Any] | None = None, **env: str) -> Result:
    """Run the command in a folder that has rules and settings."""
    (folder / "tables.yaml").write_text(json.dumps({"source_tables": RULES}))
    (folder / "bulketl.yaml").write_text(json.dumps(settings or {}))
    files = ["--rules", str(folder / "tables.yaml"), "--config", str(folder / "bulketl.yaml")]
    return RUNNER.invoke(app, ["report", "daily", *files, *words], env={**environ(lab), **env})


def test_page_markdown_json_and_screen_tell_the_same_and_show_no_value(lab: Lab, tmp_path: Path) -> None:
    html = tmp_path / "r.html"
    told = asked(lab, tmp_path, "--html", str(html))
    assert (told.exit_code, "3 tables: 1 failed, 2 on time." in told.stdout) == (1, True), told.stdout
    markdown, document = asked(lab, tmp_path, "--markdown").stdout, json.loads(asked(lab, tmp_path, "--json").stdout)
    assert document["headline"].startswith("3 tables: 1 failed, 2 on time.")
    assert document["verified"]["certified"] == 1
    visit = next(one for one in document["rejects"] if one["table"] == "visit")
    assert (visit["rows"], visit["columns"], visit["allowed"]) == (3, {"amount": 3}, "10")
    assert visit["reasons"] == ["3 rows fail the check range amount 0.."]
    for text in (told.stdout, html.read_text(), markdown, json.dumps(document)):
        assert "1 failed, 2 on time" in text
        assert "KARLSSON" not in text
        assert "4242424" not in text
        assert "\u202e" not in text
    assert re.findall(r"<script|<link|<img|<iframe|src=|url\(|@import|href=\"(?!#)|style=", html.read_text()) == []


def test_the_role_of_the_dashboard_makes_the_same_report(lab: Lab, tmp_path: Path) -> None:
    """Without a source, from the ledger alone."""
    with role(lab.target, lab.schema) as reader:
        uri = f"postgresql:///?{'&'.join(reader.split())}"
        found = asked(lab, tmp_path, "--json", BULKETL_TARGET=uri, BULKETL_SOURCE="")
    mine, all_ = json.loads(found.stdout), json.loads(asked(lab, tmp_path, "--json").stdout)
    assert {**mine, "made": "", "until": "", "tables": ""} == {**all_, "made": "", "until": "", "tables": ""}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--until", "yesterday"], "--until is not a date"), (["--until", "2999-01-01"], "has not begun"),
     (["--mail"], "nobody is named")],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_told(lab: Lab, tmp_path: Path, words: list[str], said: str) -> None:
    found = asked(lab, tmp_path, *words)
    assert (found.exit_code, said in found.stderr) == (2, True), found.stderr


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox(Mailbox()) as made:
        yield made


def parts(mail: EmailMessage) -> dict[str, EmailMessage]:
    """Return what a mail consists of, by what it is for."""
    named = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart() and not part.get_filename()}
    return {**named, "attached": next(mail.iter_attachments())}


def test_a_mail_has_the_short_form_as_text_and_as_tables_and_the_page_attached(
    lab: Lab, tmp_path: Path, box: Mailbox
) -> None:
    """To whom reports.mail names, over the server of the alerts; and no name makes a header or turns a line."""
    smtp = f"smtp://127.0.0.1:{box.port}"
    settings = {"reports": {"mail": {"to": ["boss@clinic.example"]}}, "alerts": {"email": ["dba@x.example"], "smtp": smtp}}
    done = asked(lab, tmp_path, "--mail", "--json", settings=settings)
    assert done.exit_code == 1
    assert f"mailed to boss@clinic.example by 127.0.0.1:{box.port}: 250 2.0.0 Ok" in done.stderr
    json.loads(done.stdout)
    (mail,) = box.mails
    assert (mail["To"], mail["Bcc"]) == ("boss@clinic.example", None)
    assert re.fullmatch(rf"bulketl daily: \d+ \w+, {lab.schema}: 3 tables, 1 failed, 2 on time", mail["Subject"].strip())
    found = parts(mail)
    text, html = found["text/plain"].get_content(), found["text/html"].get_content()
    assert "WHAT NEEDS SOMEBODY: 2" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "<table" in html
    assert re.findall(r"<svg|<img|<link|<script|url\(", html) == []
    attached = found["attached"]
    assert attached.get_content_type() == "text/html"
    assert re.fullmatch(rf"daily-{lab.schema}-\d{{4}}-\d\d-\d\d\.html", attached.get_filename() or "")
    for body in (text, html, attached.get_content()):
        assert "1 failed, 2 on time" in body
        assert "\u202e" not in body
        assert "\nBcc" not in body
        assert "KARLSSON" not in body


def test_without_addresses_of_its_own_it_goes_to_those_of_the_alerts(lab: Lab, tmp_path: Path, box: Mailbox) -> None:
    smtp = f"smtp://127.0.0.1:{box.port}"
    asked(lab, tmp_path, "--mail", settings={"alerts": {"email": ["dba@x.example"], "smtp": smtp}})
    own = {"reports": {"mail": {"to": ["boss@x.example"], "smtp": smtp, "email_from": "etl@x.example"}}}
    asked(lab, tmp_path, "--mail", settings=own)
    assert [(mail["To"], mail["From"].startswith("bulketl@")) for mail in box.mails] == [
        ("dba@x.example", True), ("boss@x.example", False),
    ]  # fmt: skip


def test_a_mail_that_nobody_takes_is_an_error_with_the_server_and_without_its_password(
    lab: Lab, tmp_path: Path, box: Mailbox
) -> None:
    box.refuse = ("boss@x.example",)
    mail = {"to": ["boss@x.example"], "smtp": f"smtp://127.0.0.1:{box.port}"}
    refused = asked(lab, tmp_path, "--mail", settings={"reports": {"mail": mail}})
    assert refused.exit_code == 1
    assert f"error: the daily report was not mailed: 127.0.0.1:{box.port} says: every address is refused" in refused.stderr
    mail["smtp"] = "smtp://ann:hunter2@127.0.0.1:1"
    away = asked(lab, tmp_path, "--mail", settings={"reports": {"mail": mail}})
    assert (away.exit_code, "127.0.0.1:1" in away.stderr, "hunter2" in away.stderr) == (1, True, False)
    assert "did not answer" in away.stderr
    box.refuse = ()
    box.answer = "554 5.7.1 spam"
    mail["smtp"] = f"smtp://127.0.0.1:{box.port}"
    assert "554 5.7.1 spam" in asked(lab, tmp_path, "--mail", settings={"reports": {"mail": mail}}).stderr


def test_a_template_of_the_users_own_is_taken_first_and_may_extend_ours(lab: Lab, tmp_path: Path, box: Mailbox) -> None:
    """Of the page, of Markdown and of both bodies of a mail."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "daily.html").write_text(
        '{% extends "bulketl/daily.html" %}{% block needs %}<p>OURS {{ r.schema|name }}</p>{% endblock %}'
    )
    (own / "daily.md").write_text("# OURS {{ r.headline }}")
    (own / "daily-mail.txt").write_text("OURS {{ r.short }}")
    (own / "daily-mail.html").write_text('<p>OURS {{ "<b>" }}</p>{% include "bulketl/daily-mail.html" %}')
    mail = {"to": ["boss@x.example"], "smtp": f"smtp://127.0.0.1:{box.port}"}
    settings = {"reports": {"templates": str(own), "mail": mail}}
    html = tmp_path / "r.html"
    done = asked(lab, tmp_path, "--html", str(html), "--markdown", "--mail", settings=settings)
    assert done.stdout.startswith("# OURS 3 tables: 1 failed")
    assert f"<p>OURS <bdi>{lab.schema}</bdi></p>" in html.read_text()
    assert "Tables and volume" in html.read_text()
    assert "What needs somebody" not in html.read_text()
    found = parts(box.mails[0])
    assert found["text/plain"].get_content().startswith("OURS 3 tables, 1 failed")
    assert "<p>OURS &lt;b&gt;</p>" in found["text/html"].get_content()
    assert "What needs somebody" in found["text/html"].get_content()


WRONG: dict[str, tuple[str | bytes, str]] = {
    "syntax": ("\n{% if %}", ", line 2 is wrong: Expected an expression"),
    "unknown": ("\n\n{{ r.nothing }}", ", line 3 is wrong: "),
    "no such name": ("{{ nothing }}", ", line 1 is wrong: 'nothing' is undefined"),
    "no such filter": ("\n{{ r.day|nothing }}", ", line 2 is wrong: No filter named 'nothing'"),
    "no such template": ('{% extends "nothing.html" %}', ", line 1 is wrong: there is no template 'nothing.html'"),
    "itself": ('{% extends "daily.html" %}', "is wrong: it extends or includes itself"),
    "raises": ("{{ 1 / 0 }}", ", line 1 is wrong: ZeroDivisionError"),
    "bytes": (b"\xff\xfe", "daily.html is wrong: it is not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_template_that_is_wrong_is_told_with_its_file_and_line(lab: Lab, tmp_path: Path, case: str) -> None:
    """And nothing is written."""
    content, said = WRONG[case]
    own = tmp_path / "own"
    own.mkdir()
    (own / "daily.html").write_bytes(content if isinstance(content, bytes) else content.encode())
    html = tmp_path / "r.html"
    found = asked(lab, tmp_path, "--html", str(html), settings={"reports": {"templates": str(own)}})
    error = " ".join(found.stderr.split())
    assert (found.exit_code, str(own / "daily.html") in error, said in error) == (2, True, True), error
    assert "Traceback" not in error
    assert not html.exists()


def test_a_folder_of_templates_that_is_not_there_is_told(lab: Lab, tmp_path: Path) -> None:
    found = asked(lab, tmp_path, "--markdown", settings={"reports": {"templates": "/nowhere"}})
    assert (found.exit_code, "reports.templates: there is no folder '/nowhere'" in found.stderr) == (2, True)
