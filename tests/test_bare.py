"""What `nox -s bare` makes of the README and of this machine's pip, without making a system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bare import OUTSIDE, SYSTEMS, commands, handed_over, main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_commands_are_those_of_the_readme() -> None:
    """Both, and what comes first where Python has no venv: three lines that are there as they are run."""
    found = commands(README)
    assert list(found) == ["venv", "demo", "tests", "own"]
    assert all(f"```sh\n{found[name]}\n```" in README for name in ("demo", "tests"))
    assert found["venv"].startswith("apt-get update && apt-get install")


def test_the_way_to_a_first_load_of_ones_own_is_the_readmes() -> None:
    """All of its lines in their order, but those that name the databases."""
    before, _, typed = commands(README)["own"].partition("began=")
    assert before == ". tests/support/own_databases.sh\n"
    lines = [line.removeprefix("echo y | ") for line in typed.splitlines()[1:] if not line.startswith('echo "--')]
    assert [line for line in README.splitlines() if line in lines] == lines
    words = [" ".join(line.split("#")[0].split()) for line in lines]
    assert words[0].endswith("pip install -q .")
    assert words[1:] == ["bulketl discover --write config/tables.yaml", "bulketl validate", "bulketl load --dry-run",
                         "bulketl load", "bulketl verify"]  # fmt: skip


def test_what_pip_needs_is_handed_over_with_the_files_it_names(tmp_path: Path) -> None:
    """The later sections win; an index takes along the files beside its pages; what is not there is left as it is."""
    for name in ("ca.crt", "constraints.txt"):
        (tmp_path / name).touch()
    (tmp_path / "index/simple").mkdir(parents=True)
    configured = (
        f":env:.find-links='{tmp_path}'\nglobal.cert='{tmp_path}/ca.crt'\nglobal.timeout='5'\ninstall.timeout='9'\n"
        f"global.find-links='/nowhere'\nglobal.extra-index-url='file://{tmp_path}/index/simple\\nhttps://index.example/simple'"
    )
    environ = {
        "HTTPS_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": f"{tmp_path}/ca.crt",
        "SECRET": "x",
        "CURL_CA_BUNDLE": "/no",
    }
    given, paths = handed_over(environ, configured)
    assert given == {
        "PIP_CERT": f"{OUTSIDE}{tmp_path}/ca.crt",
        "PIP_TIMEOUT": "9",
        "PIP_FIND_LINKS": f"{OUTSIDE}{tmp_path}",
        "PIP_EXTRA_INDEX_URL": f"file://{OUTSIDE}{tmp_path}/index/simple https://index.example/simple",
        "HTTPS_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": f"{OUTSIDE}{tmp_path}/ca.crt",
        "CURL_CA_BUNDLE": "/no",
    }
    assert sorted(paths) == sorted([f"{tmp_path}/ca.crt", str(tmp_path), f"{tmp_path}/index"])


def test_a_system_that_is_asked_for_and_not_reachable_is_said_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name, or because none is."""
    monkeypatch.setattr("bare.reachable", lambda system: False)
    monkeypatch.setattr("bare._prepare", lambda: None)
    for words in ([], ["debian-12"], ["debian-12", "demo"]):
        monkeypatch.setattr(sys, "argv", ["bare", *words])
        assert main() == 1
        assert capsys.readouterr().out.count("NOT REACHABLE") == (1 if words else len(SYSTEMS))


def test_a_word_that_is_neither_a_system_nor_a_command_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Naming both kinds."""
    monkeypatch.setattr(sys, "argv", ["bare", "debian-11"])
    with pytest.raises(SystemExit):
        main()
    assert "debian-11" in capsys.readouterr().err
