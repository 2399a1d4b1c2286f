"""`bulketl report`: a page, Markdown and JSON of the same report, signed, checked offline, and refused once altered."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from heldup import environ
from lab import Lab
from typer.testing import CliRunner, Result

from bulketl.cli.app import app
from bulketl.operations.reports.signing import HOW

RULES: dict[str, Any] = {
    name: {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "at"}
    for name in ("log", "<script>alert('x')|`")
}
RUNNER = CliRunner()


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Two audit tables, one of a hostile name, loaded."""
    for table in RULES:
        maria_lab.mysql(
            f"CREATE TABLE `{table.replace('`', '``')}` (id int PRIMARY KEY, at datetime NOT NULL, c varchar(20), KEY (at))",
            f"INSERT INTO `{table.replace('`', '``')}` SELECT seq, NOW() - INTERVAL 1 DAY, 'KARLSSON' FROM seq_1_to_50",
        )
    maria_lab.load(rules=RULES)
    return maria_lab


def asked(lab: Lab, folder: Path, *words: str, **env: str) -> Result:
    rules = folder / "tables.yaml"
    rules.write_text(json.dumps({"source_tables": RULES}))
    return RUNNER.invoke(app, ["report", "compliance", "--rules", str(rules), *words], env={**environ(lab), **env})


def test_page_markdown_and_json_tell_the_same_and_show_no_value(lab: Lab, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    told = asked(lab, tmp_path, "--html", str(page))
    assert (told.exit_code, "All 2 audit tables are complete; all 2 chains verify." in told.stdout) == (0, True)
    markdown, document = asked(lab, tmp_path, "--markdown").stdout, json.loads(asked(lab, tmp_path, "--json").stdout)
    for text in (page.read_text(), markdown, json.dumps(document)):
        assert "all 2 chains verify" in text
        assert "KARLSSON" not in text
    assert markdown.startswith("This report is not signed")
    assert document["signed_by"] == ""


def test_a_page_fetches_nothing_runs_nothing_and_shows_names_as_text(lab: Lab, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    asked(lab, tmp_path, "--html", str(page))
    text = page.read_text()
    assert re.findall(r"<script|<link|<img|<iframe|src=|url\(|@import|href=\"(?!#)", text) == []
    assert "&lt;script&gt;alert(&#39;x&#39;)|`" in text
    assert len(text.encode()) < 500_000


def test_what_is_signed_verifies_offline_and_no_longer_once_it_is_altered(lab: Lab, tmp_path: Path) -> None:
    """And the digest is in the chains, which still verify."""
    for command in re.findall(r"`([^`]+)`", HOW):
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    key = {"BULKETL_REPORT_KEY_FILE": str(tmp_path / "report.key")}
    page, public = tmp_path / "r.html", ["--key", str(tmp_path / "report.pub")]
    asked(lab, tmp_path, "--html", str(page), **key)
    for name, option in (("r.md", "--markdown"), ("r.json", "--json")):
        (tmp_path / name).write_text(asked(lab, tmp_path, option, **key).stdout)
    json.loads((tmp_path / "r.json").read_text())
    for name in ("r.html", "r.md", "r.json"):
        file = tmp_path / name
        assert RUNNER.invoke(app, ["report", "verify", str(file), *public]).exit_code == 0, name
        file.write_text(file.read_text().replace("complete", "Complete", 1))
        refused = RUNNER.invoke(app, ["report", "verify", str(file), *public])
        assert (refused.exit_code, "not as it was signed" in refused.stderr) == (1, True), name
    kinds = lab.pg(
        "SELECT table_name, count(*) FROM bulketl.audit_chain WHERE schema_name = '{s}' AND kind = 'report' GROUP BY 1"
    )
    assert dict(kinds) == dict.fromkeys(RULES, 3)
    assert asked(lab, tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["--since", "yesterday"], {}, "--since is not a date"),
        (["--since", "2026-02-02", "--until", "2026-02-01"], {}, "before it begins"),
        ([], {"BULKETL_REPORT_KEY": "none"}, "not a private key of Ed25519"),
        ([], {"BULKETL_REPORT_KEY_FILE": "/nowhere"}, "the report key: "),
    ],
)
def test_what_is_wrong_is_told_before_a_server_is_asked(
    lab: Lab, tmp_path: Path, words: list[str], env: dict[str, str], said: str
) -> None:
    found = asked(lab, tmp_path, *words, BULKETL_TARGET="postgresql://127.0.0.1:1/x", **env)
    assert (found.exit_code, said in found.stderr) == (2, True), found.stderr


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    public, file = tmp_path / "pub", tmp_path / "f"
    public.write_text("x")
    assert RUNNER.invoke(app, ["report", "verify", str(file), "--key", str(public)]).exit_code == 2
    file.write_bytes(b"\xff")
    assert RUNNER.invoke(app, ["report", "verify", str(file), "--key", str(public)]).exit_code == 1
