"""Secrets come from wherever they are kept, and no message repeats what stood there: every way, each mistake."""

from __future__ import annotations

import os
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import keyring
import keyring.backend
import keyring.errors
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

import bulketl
from bulketl.config import read, secrets
from bulketl.errors import ConfigError
from bulketl.mysql.server import MySQL

CANARY = "hunter2 'c%an@ry/\\"
SOURCE, TARGET = "mysql://u@127.0.0.1:1/d", "postgresql://u@127.0.0.1:1/d"


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    priority = 9
    entries: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if service == "broken":
            raise keyring.errors.KeyringLocked(CANARY)
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture(autouse=True)
def ring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    yield
    keyring.set_keyring(before)
    Ring.entries.clear()


def _in_environment(name: str, value: str, folder: Path) -> dict[str, str]:
    return {name: value}


def _in_file(name: str, value: str, folder: Path) -> dict[str, str]:
    (folder / "kept").write_text(f"{value}\n")
    return {f"{name}_FILE": str(folder / "kept")}


def _in_command(name: str, value: str, folder: Path) -> dict[str, str]:
    (folder / "kept").write_text(value)
    return {f"{name}_COMMAND": f"cat '{folder / 'kept'}'", "PATH": os.environ["PATH"]}


def _in_keyring(name: str, value: str, folder: Path) -> dict[str, str]:
    keyring.set_password("bulk/etl", "me", value)
    return {f"{name}_KEYRING": "bulk/etl/me"}


def _in_credentials(name: str, value: str, folder: Path) -> dict[str, str]:
    (folder / name).write_text(value)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


Place = Callable[[str, str, Path], dict[str, str]]
PLACES: tuple[Place, ...] = (_in_environment, _in_file, _in_command, _in_keyring, _in_credentials)


def test_every_way_has_a_place_here() -> None:
    """The ways are listed from the code."""
    assert len(PLACES) == len(secrets.WAYS) + 2
    assert set(secrets.KINDS) == {"file", "credential", "keyring", "command"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", read.SECRETS)
def test_a_secret_is_found_where_it_is_kept(name: str, place: Place, tmp_path: Path) -> None:
    """Whichever secret it is, and whichever way."""
    assert secrets.named(name, place(name, CANARY, tmp_path)) == CANARY
    assert secrets.named(name, {}) is None


@pytest.mark.parametrize("place", PLACES)
def test_passwords_kept_apart_are_joined_to_their_uris(place: Place, tmp_path: Path) -> None:
    """Of both sides, raw: nobody has to encode them; and of a connection string of libpq's."""
    for target in (TARGET, "postgresql://127.0.0.1/d?application_name=x", "host=127.0.0.1 dbname=d"):
        environ = {"BULKETL_SOURCE": SOURCE, "BULKETL_TARGET": target}
        environ |= place("BULKETL_SOURCE_PASSWORD", CANARY, tmp_path)
        config = bulketl.load_config(None, None, environ)
        assert MySQL(config.source)._parts.username == "u"
        assert urllib.parse.unquote(MySQL(config.source)._parts.password or "") == CANARY
        environ = {"BULKETL_TARGET": target} | place("BULKETL_TARGET_PASSWORD", CANARY, tmp_path)
        assert conninfo_to_dict(bulketl.load_config(None, None, environ).target)["password"] == CANARY


def test_what_refers_to_a_secret_in_a_file_is_replaced_by_it(tmp_path: Path) -> None:
    """Each kind, inside a text, and by a name that the environment says where to find."""
    keyring.set_password("bulketl", "me", "pw")
    (tmp_path / "kept").write_text("pw\r\n")
    words = [f"${{file:{tmp_path / 'kept'}}}", "${credential:kept}", "${keyring:bulketl/me}",
             f"${{command:cat {tmp_path / 'kept'}}}", "${PW}"]  # fmt: skip
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "PW_FILE": str(tmp_path / "kept"), "PATH": os.environ["PATH"]}
    for word in words:
        path = tmp_path / "b.yaml"
        path.write_text(yaml.safe_dump({"source": f"mysql://u:{word}@h/d"}))
        config = bulketl.load_config(None, path, environ)
        assert config.source == "mysql://u:pw@h/d"
    assert config.secret_variables == {"PW_FILE"}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"_FILE": "/nowhere/hunter2"}, "the file of BULKETL_TARGET_FILE cannot be read: No such file"),
    ({"_FILE": "hunter2\0"}, "has an invalid name"),
    ({"_FILE": "/"}, "cannot be read: Is a directory"),
    ({"_FILE": "{kept}", "kept": b""}, "is empty"),
    ({"_FILE": "{kept}", "kept": b"\n"}, "is empty"),
    ({"_FILE": "{kept}", "kept": b"hunter2\nmore"}, "has more than one line"),
    ({"_FILE": "{kept}", "kept": b"hunter2\xff"}, "is not UTF-8 text"),
    ({"_FILE": "{kept}", "kept": b"hunter2" * 10000}, "has more than 64 KB"),
    ({"_COMMAND": "hunter2 --hunter2"}, "cannot be run: No such file"),
    ({"_COMMAND": "hunter2 'hunter2"}, "has a quotation that does not end"),
    ({"_COMMAND": " "}, "is empty"),
    ({"_COMMAND": f"'{sys.executable}' -c 'print(\"hunter2\"); raise SystemExit(3)'"}, "ended with code 3"),
    ({"_COMMAND": f"'{sys.executable}' -c 'import time; time.sleep(60)'"}, "did not end in 0 s"),
    ({"_KEYRING": "hunter2"}, "is written service/user"),
    ({"_KEYRING": "hunter2/me"}, "the keyring has nothing for BULKETL_TARGET_KEYRING"),
    ({"_KEYRING": "broken/hunter2"}, "cannot be asked: KeyringLocked"),
    ({"_FILE": "hunter2", "_COMMAND": "hunter2"}, "BULKETL_TARGET_FILE and BULKETL_TARGET_COMMAND are both set"),
    ({"": "hunter2", "_FILE": "hunter2"}, "BULKETL_TARGET and BULKETL_TARGET_FILE are both set"),
    ({"": "postgresql://u:hunter2@h/d", "_PASSWORD": "hunter2"}, "and the target URI has a password too"),
    ({"": "postgresql://h/d?password=hunter2", "_PASSWORD": "hunter2"}, "and the target URI has a password too"),
    ({"": "host=h password = hunter2", "_PASSWORD": "hunter2"}, "and the target URI has a password too"),
]


@pytest.mark.parametrize(("given", "told"), MISTAKES)
def test_a_secret_that_cannot_be_had_is_told_without_repeating_it(
    given: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mistake says which variable and why."""
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.3 if "sleep" in str(given) else 60)
    (tmp_path / "kept").write_bytes(given.get("kept", b"x"))
    environ = {f"BULKETL_TARGET{end}": str(value).replace("{kept}", str(tmp_path / "kept"))
               for end, value in given.items() if end != "kept"}  # fmt: skip
    with pytest.raises(ConfigError) as refused:
        bulketl.load_config(None, None, environ)
    assert told in refused.value.message
    assert "hunter2" not in f"{refused.value.to_json()}{refused.value!r}{refused.value.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "told"),
    [("${NONE}", "source: the environment has no variable NONE, nor NONE_FILE, NONE_COMMAND, NONE_KEYRING"),
     ("${hunter2:-x}", "begins with one of file, credential, keyring, command"),
     ("${file:hunter2}", "the file of ${file:…} cannot be read"), ("${credential:hunter2}", "LoadCredential="),
     ("${keyring:hunter2}", "is written service/user"), ("${command:hunter2}", "cannot be run")],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_told_with_its_line(text: str, told: str, tmp_path: Path) -> None:
    """And with the key under which it stands."""
    path = tmp_path / "b.yaml"
    path.write_text(yaml.safe_dump({"source": text}))
    with pytest.raises(ConfigError) as refused:
        bulketl.load_config(None, path, {})
    assert f"{path}:1: source: " in refused.value.message
    assert told in refused.value.message
    assert "hunter2" not in refused.value.message.replace(str(path), "")


def test_a_command_that_gives_a_secret_gets_no_other(tmp_path: Path) -> None:
    """Its environment is ours without what is bulketl's."""
    environ = {"BULKETL_TARGET_PASSWORD": CANARY, "BULKETL_TARGET": TARGET, "HOME": "kept"}
    words = f"'{sys.executable}' -c 'import os; print(*sorted(os.environ))'"
    found = secrets.named("X", {**environ, "X_COMMAND": words}) or ""
    assert "HOME" in found.split()
    assert "BULKETL" not in found
